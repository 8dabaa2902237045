//! What the host signs for terminals: lists, certificates, the time.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{
    IssuerKey, ListTerms, PayoutError, certify_terminal, held_certificates, kept_lists, lists_to_load,
    make_payment_list, renew_terminal, time_statement, vietnam_time,
};
use ansinh_store::cards::BlockReason;
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::lists::Others;
use ansinh_store::operators::Actor;
use ansinh_store::{Location, Store, StoreError};
use card_spec::certificate::{Certificate, CertificateError};
use card_spec::crypto::PortableP256;
use card_spec::journal::TimeStatement;
use card_spec::list::{ListHeader, ListLine};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::Period;
use common::{
    Card, Office, Till, active_card, alter, approve_everybody, approved, days_from_now, delivery,
    first_operator, key, location, time, today, two_cards,
};
use tempfile::TempDir;

struct Bench {
    office: Office,
    store: Store,
    lan: Actor,
    cards: [Card; 2],
    till: Till,
    location: Location,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = location(folder.path());
        let store = Store::create(&location).unwrap();
        let office = Office::new();
        let lan = first_operator(&store);
        let cards = two_cards(&store, &lan, &office.issuer());
        let till = Till::new(1);
        till.register(&store, &lan, &office.authority());
        Self {
            location,
            office,
            store,
            lan,
            cards,
            till,
            _folder: folder,
        }
    }
}

fn root(items: &[&[u8]]) -> [u8; 32] {
    let mut tree = RootBuilder::new();
    for item in items {
        tree.push(leaf_hash(item), |_, _, _| {});
    }
    tree.root()
}

#[test]
fn a_list_is_signed_and_says_what_its_lines_are() {
    let bench = Bench::new();
    let list = bench.till.list(&bench.store, &bench.lan, &bench.office.issuer());
    let header = Signed::<ListHeader<'_>>::parse(&list.header).unwrap();
    let header = header
        .verify(&PortableP256, &bench.office.issuer.public_key())
        .unwrap();
    assert_eq!(
        (header.number, header.lines, header.total.vnd()),
        (1, 2, 1_000_000)
    );
    assert_eq!(header.list_id.as_str(), "BD-26734-000001");
    let lines: Vec<&[u8]> = list.lines.iter().map(Vec::as_slice).collect();
    assert_eq!(header.root, root(&lines));
    for (index, (encoding, card)) in lines.iter().zip(&bench.cards).enumerate() {
        let line = ListLine::read(&mut Reader::new(encoding), ListLine::TAG).unwrap();
        assert_eq!((line.number as usize, line.card_number), (index + 1, card.number));
    }
    // The two CSOs are 1 and 2 of the issuer's sequence.
    assert_eq!(header.issuer_sequence, 3);
}

#[test]
fn a_line_is_on_the_list_of_one_terminal_only_and_its_number_rises() {
    let bench = Bench::new();
    let issuer = bench.office.issuer();
    bench.till.list(&bench.store, &bench.lan, &issuer);
    let other = Till::new(2);
    other.register(&bench.store, &bench.lan, &bench.office.authority());
    let refused = make_payment_list(&bench.store, &bench.lan, &issuer, &other.terms());
    assert!(matches!(refused, Err(PayoutError::NothingDue)));
    assert_eq!(bench.till.list(&bench.store, &bench.lan, &issuer).number, 2);
}

#[test]
fn a_list_takes_what_it_can_hold_and_says_what_is_left() {
    let bench = Bench::new();
    let arrears = (1..=4001).map(|decision| {
        let mut line = approved(1);
        line.file_line = decision + 1;
        line.entitlement.decision = format!("{decision}/QĐ-TL");
        line.due[0].line_type = 2;
        line
    });
    let list = ApprovedList {
        file_hash: [2; 32],
        file_name: "truy-linh.csv".to_owned(),
        kind: ListKind::Plain,
        lines: arrears.collect(),
        warnings: Vec::new(),
    };
    bench.store.import(&bench.lan, &list, ImportMode::Commit).unwrap();
    let made = make_payment_list(
        &bench.store,
        &bench.lan,
        &bench.office.issuer(),
        &bench.till.terms(),
    )
    .unwrap();
    assert_eq!((made.list.lines.len(), made.left_out), (4000, 3));
    // What is left another terminal takes.
    let other = Till::new(2);
    other.register(&bench.store, &bench.lan, &bench.office.authority());
    let rest = make_payment_list(&bench.store, &bench.lan, &bench.office.issuer(), &other.terms()).unwrap();
    assert_eq!((rest.list.lines.len(), rest.left_out), (3, 0));
}

/// Beside the lists that are not over so many days from now.
fn stay(days: i64) -> Others {
    Others::Stay {
        today: days_from_now(days),
    }
}

#[test]
fn what_did_not_fit_is_listed_beside_and_a_fifth_list_is_refused() {
    let bench = Bench::new();
    let issuer = bench.office.issuer();
    let make = |others| {
        let terms = ListTerms {
            others,
            ..bench.till.terms()
        };
        make_payment_list(&bench.store, &bench.lan, &issuer, &terms)
    };
    assert_eq!(make(Others::End).unwrap().list.number, 1);
    assert!(matches!(make(stay(0)), Err(PayoutError::NothingDue)));
    for number in 2..=4 {
        import_arrears(&bench, number);
        let made = make(stay(0)).unwrap().list;
        let before: Vec<u32> = (1..number).collect();
        assert_eq!((made.lines.len(), kept_lists(&made.header).unwrap()), (1, before));
    }
    import_arrears(&bench, 5);
    assert!(matches!(make(stay(0)), Err(PayoutError::TooManyLists)));
    let lists = || bench.store.list_summaries(None).unwrap();
    assert_eq!(lists().len(), 4, "on an error no list exists");
    let to_load = |held| {
        let lists = lists();
        let missing = lists_to_load(&lists, held).unwrap();
        missing.iter().map(|list| list.number).collect::<Vec<_>>()
    };
    assert_eq!(to_load(0), [1, 2, 3, 4]);
    assert_eq!(to_load(2), [3, 4]);
    assert_eq!(to_load(4), [0; 0]);
    // One that takes over all their lines makes them unnecessary.
    let all = make(Others::End).unwrap().list;
    assert_eq!(all.lines.len(), 2 + 4);
    assert_eq!((to_load(0), to_load(3)), (vec![5], vec![5]));
    import_arrears(&bench, 6);
    make(stay(0)).unwrap();
    assert_eq!(
        (to_load(0), to_load(4), to_load(5)),
        (vec![5, 6], vec![5, 6], vec![6])
    );
}

/// A ledger from before there was a column for the last day: the header knows it.
#[test]
fn a_list_of_an_older_ledger_is_kept_until_it_is_over() {
    let bench = Bench::new();
    let make = |others| {
        let terms = ListTerms {
            others,
            ..bench.till.terms()
        };
        make_payment_list(&bench.store, &bench.lan, &bench.office.issuer(), &terms)
            .unwrap()
            .list
    };
    let first = make(Others::End);
    alter(&bench.location, "UPDATE payment_list SET last_day = NULL");
    import_arrears(&bench, 2);
    let beside = make(stay(30));
    assert_eq!(
        (kept_lists(&beside.header).unwrap(), beside.lines.len()),
        (vec![1], 1)
    );
    alter(&bench.location, "UPDATE payment_list SET last_day = NULL");
    let next = make(stay(31));
    assert_eq!(kept_lists(&next.header).unwrap(), [0; 0]);
    assert_eq!(
        next.lines.len(),
        first.lines.len() + 1,
        "what is unpaid comes again"
    );
}

/// Approves one more sum for the first person.
fn import_arrears(bench: &Bench, number: u32) {
    let mut line = approved(1);
    line.entitlement.decision = format!("{number}/QĐ-TL");
    line.due[0].line_type = 2;
    let list = ApprovedList {
        file_hash: [u8::try_from(number).unwrap() + 1; 32],
        file_name: format!("truy-linh-{number}.csv"),
        kind: ListKind::Plain,
        lines: vec![line],
        warnings: Vec::new(),
    };
    bench.store.import(&bench.lan, &list, ImportMode::Commit).unwrap();
}

#[test]
fn people_of_another_pay_point_are_left_out_if_asked() {
    for (own, listed) in [(Some("BD-26734"), 3), (Some("BD-00001"), 2), (None, 3)] {
        let bench = Bench::new();
        let mut line = approved(3);
        line.person.pay_point = own.map(str::to_owned);
        let list = ApprovedList {
            file_hash: [2; 32],
            file_name: "one-more.csv".to_owned(),
            kind: ListKind::Plain,
            lines: vec![line],
            warnings: Vec::new(),
        };
        bench.store.import(&bench.lan, &list, ImportMode::Commit).unwrap();
        bench
            .store
            .add_delivery(&bench.lan, &delivery("B"), &[[3; 10]])
            .unwrap();
        approve_everybody(&bench.store, &bench.lan);
        active_card(&bench.store, &bench.lan, &bench.office.issuer(), 3);
        let mut terms = bench.till.terms();
        terms.only_this_pay_point = true;
        let made = make_payment_list(&bench.store, &bench.lan, &bench.office.issuer(), &terms).unwrap();
        assert_eq!(made.list.lines.len(), listed, "{own:?}");
        terms.only_this_pay_point = false;
        let made = make_payment_list(&bench.store, &bench.lan, &bench.office.issuer(), &terms).unwrap();
        assert_eq!(made.list.lines.len(), 3, "{own:?}");
    }
}

#[test]
fn a_terminal_whose_certificate_cannot_be_stored_is_not_registered() {
    let bench = Bench::new();
    let till = Till::new(2);
    bench
        .store
        .add_certificate("VNT0000002J00001", "VNTCA00001", &[1])
        .unwrap();
    let [agreement, journal] = till.requests();
    let refused = certify_terminal(
        &bench.store,
        &bench.lan,
        &bench.office.authority(),
        till.name,
        (&agreement, &journal),
        (today(), days_from_now(34)),
    );
    assert!(matches!(
        refused,
        Err(PayoutError::Store(StoreError::Exists { .. }))
    ));
    assert_eq!(bench.store.terminals().unwrap().len(), 1);
}

#[test]
fn blocked_cards_and_months_to_come_are_on_no_list() {
    let bench = Bench::new();
    let issuer = bench.office.issuer();
    let mut terms = bench.till.terms();
    terms.period = Period::new(2026, 10).unwrap();
    let refused = make_payment_list(&bench.store, &bench.lan, &issuer, &terms);
    assert!(matches!(refused, Err(PayoutError::NothingDue)));

    bench
        .store
        .block(&bench.lan, &bench.cards[0].number, BlockReason::Lost)
        .unwrap();
    assert_eq!(bench.till.list(&bench.store, &bench.lan, &issuer).lines.len(), 1);
}

#[test]
fn no_list_is_made_for_an_unknown_terminal_or_an_impossible_pay_point() {
    let bench = Bench::new();
    let issuer = bench.office.issuer();
    let unknown = make_payment_list(&bench.store, &bench.lan, &issuer, &Till::new(7).terms());
    assert!(matches!(
        unknown,
        Err(PayoutError::Store(StoreError::NotFound { .. }))
    ));
    for pay_point in ["", "thirteen-long", "Bưu điện"] {
        let mut terms = bench.till.terms();
        terms.pay_point = pay_point.to_owned();
        let refused = make_payment_list(&bench.store, &bench.lan, &issuer, &terms);
        assert!(matches!(refused, Err(PayoutError::Value(_))), "{pay_point:?}");
    }
    assert!(bench.store.payment_lists().unwrap().is_empty());
    assert_eq!(bench.store.issuer_log("VNISS7900001").unwrap().len(), 2);
}

#[test]
fn only_who_has_the_keys_is_certified_under_the_name_that_was_given() {
    let bench = Bench::new();
    let authority = bench.office.authority();
    let dates = (today(), days_from_now(34));
    let till = Till::new(2);
    let [agreement, journal] = till.requests();
    let ask = |agreement: &[u8], journal: &[u8]| {
        certify_terminal(
            &bench.store,
            &bench.lan,
            &authority,
            till.name,
            (agreement, journal),
            dates,
        )
    };

    let mut forged = journal.clone();
    *forged.last_mut().unwrap() ^= 1;
    let refused = ask(&agreement, &forged);
    assert!(matches!(
        refused,
        Err(PayoutError::Certificate(CertificateError::Signature))
    ));
    assert!(matches!(
        ask(&journal, &agreement),
        Err(PayoutError::OtherName(_))
    ));
    let [other, _] = Till::new(3).requests();
    assert!(matches!(ask(&other, &journal), Err(PayoutError::OtherName(_))));
    assert!(matches!(ask(&[], &journal), Err(PayoutError::Encoding(_))));
    assert_eq!(bench.store.terminals().unwrap().len(), 1);

    let certificates = ask(&agreement, &journal).unwrap();
    for certificate in [certificates.agreement, certificates.journal] {
        let certificate = Signed::<Certificate>::parse(&certificate).unwrap();
        authority.certified.certify(&PortableP256, &certificate).unwrap();
    }
}

#[test]
fn certificates_span_no_more_than_35_days() {
    let bench = Bench::new();
    let till = Till::new(2);
    let [agreement, journal] = till.requests();
    let dates = (today(), days_from_now(35));
    let refused = certify_terminal(
        &bench.store,
        &bench.lan,
        &bench.office.authority(),
        till.name,
        (&agreement, &journal),
        dates,
    );
    assert!(matches!(
        refused,
        Err(PayoutError::Certificate(CertificateError::Dates))
    ));
}

#[test]
fn a_terminals_keys_are_certified_again_under_the_next_number() {
    let bench = Bench::new();
    let authority = bench.office.authority();
    let first = held_certificates(&bench.store, bench.till.name).unwrap();
    let dates = (days_from_now(20), days_from_now(54));
    let renew = |dates| renew_terminal(&bench.store, &bench.lan, &authority, bench.till.name, dates);
    let renewed = renew(dates).unwrap();
    let held = held_certificates(&bench.store, bench.till.name).unwrap();
    assert_eq!((held.effective, held.expiry), dates);
    assert_eq!(held.certificates, renewed);
    let both = [
        (
            &first.certificates.agreement,
            &renewed.agreement,
            "VNT0000001A00002",
        ),
        (&first.certificates.journal, &renewed.journal, "VNT0000001J00002"),
    ];
    for (before, after, holder) in both {
        let [before, after] = [before, after].map(|object| Signed::<Certificate>::parse(object).unwrap());
        let certified = authority.certified.certify(&PortableP256, &after).unwrap();
        assert_eq!(*certified.key(), before.claimed().public_key.key);
        assert_eq!(certified.role(), before.claimed().authorization.role);
        assert_eq!(certified.holder().as_str(), holder);
    }
    let lines = bench.store.operations().unwrap();
    let last = lines.last().unwrap();
    assert_eq!(
        (last.action.as_str(), last.subject.as_str()),
        ("terminal-renewed", "VNT0000001")
    );
    renew(dates).unwrap();
    assert_eq!(bench.store.terminals().unwrap().len(), 1);
}

#[test]
fn nothing_is_renewed_beyond_35_days_or_the_authoritys_or_for_a_terminal_that_nobody_registered() {
    let bench = Bench::new();
    let authority = bench.office.authority();
    let held = |name| held_certificates(&bench.store, name);
    let before = held(bench.till.name).unwrap();
    for dates in [
        (today(), days_from_now(35)),
        (days_from_now(1), today()),
        (days_from_now(-4_000), days_from_now(-3_990)),
    ] {
        let refused = renew_terminal(&bench.store, &bench.lan, &authority, bench.till.name, dates);
        assert!(matches!(
            refused,
            Err(PayoutError::Certificate(CertificateError::Dates))
        ));
    }
    assert_eq!(held(bench.till.name).unwrap(), before);
    let unknown = Till::new(9).name;
    let refused = renew_terminal(
        &bench.store,
        &bench.lan,
        &authority,
        unknown,
        (today(), days_from_now(34)),
    );
    assert!(matches!(
        refused,
        Err(PayoutError::Store(StoreError::NotFound { .. }))
    ));
    assert!(matches!(
        held(unknown),
        Err(PayoutError::Store(StoreError::NotFound { .. }))
    ));
}

#[test]
fn a_name_or_a_key_is_not_given_twice() {
    let bench = Bench::new();
    let dates = (today(), days_from_now(34));
    let mut twin = Till::new(1);
    twin.name = "VNT0000005".parse().unwrap();
    let mut thief = Till::new(2);
    thief.name = "VNT0000001".parse().unwrap();
    for till in [twin, thief] {
        let [agreement, journal] = till.requests();
        let refused = certify_terminal(
            &bench.store,
            &bench.lan,
            &bench.office.authority(),
            till.name,
            (&agreement, &journal),
            dates,
        );
        assert!(matches!(
            refused,
            Err(PayoutError::Store(StoreError::Exists { .. }))
        ));
    }
}

#[test]
fn the_time_is_signed_over_terminal_and_nonce() {
    let office = Office::new();
    let till = Till::new(1);
    let statement = time_statement(&office.issuer(), till.name, [5; 16], time()).unwrap();
    let statement = Signed::<TimeStatement>::parse(&statement).unwrap();
    let statement = statement
        .verify(&PortableP256, &office.issuer.public_key())
        .unwrap();
    assert_eq!(
        (statement.terminal, statement.nonce, statement.time),
        (till.name, [5; 16], time())
    );
    assert!(vietnam_time().unwrap() >= time());
}

#[test]
fn an_issuers_key_that_is_not_in_its_certificate_is_refused() {
    let office = Office::new();
    assert!(matches!(
        IssuerKey::new(&key(77), &office.issuer_certificate),
        Err(PayoutError::Key(_))
    ));
}
