//! The applet is the same on a Cortex-M: a card that is personalized, pays, reverses, obeys its issuer and refuses there.
#![allow(clippy::unwrap_used, missing_docs)]

use ansinh_conformance::{Case, Runner, TransportKeys, Verdict, cases};
use card_on_chip::QemuCard;
use rig::firmware_image;

#[test]
fn the_applet_on_a_cortex_m_passes_the_first_case_of_each_clause() {
    let card = QemuCard::new(&firmware_image("card").unwrap()).unwrap();
    let exchanges = card.exchanges();
    let all = cases();
    let first_of_clause: Vec<&Case> = all.iter().filter(|case| case.id().ends_with("-01")).collect();
    let mut runner = Runner::new(Box::new(card), TransportKeys::test(), 1);
    let reports = runner.run(&first_of_clause, |_| {});
    let mut passed = 0;
    for report in &reports {
        match &report.verdict {
            Verdict::Pass => passed += 1,
            Verdict::NotApplicable(reason) => {
                assert!(reason.contains("power"), "{}: {reason}", report.case.id())
            }
            Verdict::Fail(reason) => panic!("{}: {reason}", report.case.id()),
        }
    }
    assert!(passed > 30, "{passed} of {} cases passed", reports.len());
    let exchanges = exchanges.borrow();
    let counted = exchanges
        .iter()
        .filter(|exchange| exchange.instructions > 0)
        .count();
    assert_eq!(
        counted,
        exchanges.len(),
        "some command costs nothing: the counter does not count"
    );
}
