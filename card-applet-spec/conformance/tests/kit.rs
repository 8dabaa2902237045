//! The kit against the reference applet in process: it passes, whatever the seed, also when one card has to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Command, Output};

use ansinh_conformance::card::{Card, Cut, NoAnswer, SimulatedCard};
use ansinh_conformance::{Case, Needs, Runner, TransportKeys, Verdict, cases};

fn kit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ansinh-conformance"))
        .args(arguments)
        .output()
        .unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The seed of a run; `ANSINH_CONFORMANCE_SEED` runs another one.
fn seed() -> u64 {
    let seed = std::env::var("ANSINH_CONFORMANCE_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seed {seed}: repeat with ANSINH_CONFORMANCE_SEED={seed}");
    seed
}

#[test]
fn the_reference_applet_conforms() {
    let output = kit(&["--in-process", "--json", "--seed", &seed().to_string()]);
    let report = json(&output);
    let wrong: Vec<_> = report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["result"] != "pass")
        .map(|case| format!("{} {}", case["id"], case["detail"]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(output.status.success());
}

#[test]
fn ids_are_unique_and_most_cases_expect_a_refusal() {
    let cases = cases();
    let ids: BTreeSet<&str> = cases.iter().map(Case::id).collect();
    assert_eq!(ids.len(), cases.len());
    assert!(
        cases
            .iter()
            .all(|case| !case.purpose().is_empty() && !case.expected().is_empty())
    );
    let negative = cases
        .iter()
        .filter(|case| case.expected().starts_with('6') || case.expected().contains("refused"))
        .count();
    assert!(negative * 2 > cases.len(), "{negative} of {}", cases.len());
}

/// A card in a reader without a way back to blank, and without power cuts.
struct OneCard(SimulatedCard);

impl Card for OneCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        self.0.transmit(command)
    }

    fn power_cycle(&mut self) -> Result<(), NoAnswer> {
        self.0.power_cycle()
    }

    fn replace_by_blank(&mut self) -> Result<(), NoAnswer> {
        Err(NoAnswer("there is no other card".to_owned()))
    }

    fn can_be_replaced(&self) -> bool {
        false
    }

    fn cut_power_at(&mut self, _: u32, _: Cut) -> Option<()> {
        None
    }

    fn can_be_cut(&self) -> bool {
        false
    }
}

#[test]
fn one_card_goes_through_its_life() {
    let transport = TransportKeys::test();
    let card = OneCard(SimulatedCard::new(&transport, 7).unwrap());
    let all = cases();
    let chosen: Vec<&Case> = all.iter().collect();
    let reports = Runner::new(Box::new(card), transport, 7).run(&chosen, |_| {});
    for report in &reports {
        let expected = report.case.needs() == Needs::Any;
        match &report.verdict {
            Verdict::Pass => assert!(expected),
            Verdict::NotApplicable(reason) => assert!(!expected && !reason.is_empty()),
            Verdict::Fail(reason) => panic!("{}: {reason}", report.case.id()),
        }
    }
}

/// A card that answers everything with `9000`, without data.
struct YesCard;

impl Card for YesCard {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        Ok(vec![0x90, 0x00])
    }

    fn power_cycle(&mut self) -> Result<(), NoAnswer> {
        Ok(())
    }

    fn replace_by_blank(&mut self) -> Result<(), NoAnswer> {
        Ok(())
    }

    fn can_be_replaced(&self) -> bool {
        true
    }

    fn cut_power_at(&mut self, _: u32, _: Cut) -> Option<()> {
        None
    }

    fn can_be_cut(&self) -> bool {
        false
    }
}

#[test]
fn a_card_that_says_yes_to_everything_passes_nothing() {
    let all = cases();
    let chosen: Vec<&Case> = all.iter().collect();
    let reports = Runner::new(Box::new(YesCard), TransportKeys::test(), 1).run(&chosen, |_| {});
    let passed: Vec<_> = reports
        .iter()
        .filter(|report| report.verdict == Verdict::Pass)
        .map(|report| report.case.id())
        .collect();
    assert!(passed.is_empty(), "{passed:?}");
}

#[test]
fn one_seed_gives_one_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let report = |name: &str, seed: &str| {
        let path = folder.path().join(name);
        let output = kit(&[
            "--in-process",
            "--case",
            "9.3-01",
            "--seed",
            seed,
            "--report",
            path.to_str().unwrap(),
        ]);
        assert!(output.status.success());
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .filter(|line| !line.starts_with("Date"))
            .collect::<String>()
    };
    assert_eq!(report("one", "5"), report("two", "5"));
    assert_ne!(report("one", "5"), report("three", "6"));
}

#[test]
fn reports_say_what_was_tested() {
    let folder = tempfile::tempdir().unwrap();
    let (html, text) = (
        folder.path().join("report.html"),
        folder.path().join("report.txt"),
    );
    let output = kit(&[
        "--in-process",
        "--json",
        "--case",
        "6.1-01",
        "--html",
        html.to_str().unwrap(),
        "--report",
        text.to_str().unwrap(),
    ]);
    let report = json(&output);
    assert_eq!(report["cases"][0]["id"], "6.1-01");
    assert_eq!(report["cases"][0]["result"], "pass");
    assert_eq!(report["cases"].as_array().unwrap().len(), 1);
    for path in [html, text] {
        let report = std::fs::read_to_string(path).unwrap();
        for expected in [
            "6.1-01",
            "pass",
            "SPEC.md, version 1",
            "6F128408F0414E53494E4801",
            "1 passed, 0 failed",
        ] {
            assert!(report.contains(expected), "{expected}: {report}");
        }
    }
}

#[test]
fn the_command_line_is_strict() {
    for arguments in [
        &[][..],
        &["--in-process", "--reader", "x"],
        &["--in-process", "--fresh-command", "true"],
        &["--seed", "x"],
        &["--in-process", "--case", "99.9"],
    ] {
        assert_eq!(kit(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let without_keys = kit(&["--in-process", "--transport-key-file", "/none"]);
    assert_eq!(without_keys.status.code(), Some(1));
    let listed = kit(&["--list", "--case", "9.8"]);
    assert!(listed.status.success());
    assert!(String::from_utf8_lossy(&listed.stdout).contains("9.8-25"));
    assert!(kit(&["--completion", "bash"]).status.success());
}

#[test]
fn no_case_runs_for_a_report_that_cannot_be_written() {
    for option in ["--html", "--report"] {
        let output = kit(&["--in-process", "--case", "6.1-01", option, "/none/report"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "{option}: a case ran");
        assert!(String::from_utf8_lossy(&output.stderr).contains("/none/report"));
    }
}

/// A planted defect, as `check-defects` reads it.
#[derive(serde::Deserialize)]
struct Defect {
    id: String,
    clause: String,
    defect: String,
    file: String,
    find: String,
    caught_by: Vec<String>,
}

#[test]
fn planted_defects_fit_the_sources_name_cases_and_stand_in_the_readme() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(folder.join("defects.json")).unwrap();
    let defects: Vec<Defect> = serde_json::from_str(&text).unwrap();
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let all = cases();
    let ids: BTreeSet<&str> = all.iter().map(Case::id).collect();
    for defect in &defects {
        let source = std::fs::read_to_string(folder.join("../..").join(&defect.file)).unwrap();
        assert_eq!(
            source.matches(&defect.find).count(),
            1,
            "{}: adapt defects.json",
            defect.id
        );
        assert!(!defect.caught_by.is_empty(), "{}", defect.id);
        for case in &defect.caught_by {
            assert!(ids.contains(case.as_str()), "{}: {case}", defect.id);
        }
        let caught_by = defect.caught_by.join("`, `");
        let row = format!("| {} | {} | `{caught_by}` |\n", defect.clause, defect.defect);
        assert!(readme.contains(&row), "the table in README.md lacks {row}");
    }
    assert!(defects.len() >= 25);
}
