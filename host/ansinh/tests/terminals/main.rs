//! Lists, blocks, terminals and the export as an operator and an auditor use them: the command, a real terminal core at a
//! pseudo-terminal, openssl, cvc-print and sqlite3.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../../../payout/tests/common/mod.rs"]
mod common;
mod desk;
mod exports;
#[path = "../powered/mod.rs"]
mod powered;
mod shifts;
mod visits;

use std::num::NonZero;
use std::sync::atomic::Ordering;

use ansinh_payout::{Publication, make_block_list};
use ansinh_store::cards::BlockReason;
use common::{Till, time};
use desk::{Desk, MAKE_LIST, run};
use link::{Answer, Refusal, Request};
use serde_json::{Value, json};

#[test]
fn a_terminal_goes_from_blank_to_synchronised() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(
        (&status["state"], &status["terminal"]),
        (&json!("blank"), &Value::Null)
    );

    let provisioned = desk.succeed(&["terminal", "provision", "--port", &port]);
    assert_eq!(provisioned["terminal"], "VNT0000001");
    let list = desk.succeed(&MAKE_LIST);
    assert_eq!(
        (&list["lines"], &list["total_vnd"]),
        (&json!(2), &json!(1_000_000))
    );
    let lost = desk.cards[0].number.to_string();
    desk.succeed(&["block", "add", &lost, "--reason", "lost"]);
    let published = desk.succeed(&["block", "publish"]);
    assert_eq!(
        (&published["number"], &published["cards"]),
        (&json!(1), &json!(1))
    );

    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(
        (&loaded["list_number"], &loaded["block_list_number"]),
        (&json!(1), &json!(1))
    );
    // Loading again changes nothing and is no error.
    assert_eq!(desk.succeed(&["terminal", "load", "--port", &port]), loaded);
    // On another day the terminal gets what changed.
    let published = desk.succeed(&["block", "publish"]);
    assert_eq!(
        (&published["number"], &published["full"]),
        (&json!(2), &json!(false))
    );
    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(loaded["block_list_number"], 2);
    let published = desk.succeed(&["block", "publish", "--full"]);
    assert_eq!(
        (&published["number"], &published["full"]),
        (&json!(3), &json!(true))
    );
    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(loaded["block_list_number"], 3);

    let synced = desk.succeed(&["terminal", "sync", "--port", &port]);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(status["state"], "provisioned");
    assert_eq!(
        (&status["acknowledged"], &status["stored"]),
        (&synced["acknowledged"], &synced["acknowledged"])
    );
    assert_eq!(
        (&status["list_number"], &status["block_list_number"]),
        (&json!(1), &json!(3))
    );
    // New since then: the entry that says so, and the clock set at the beginning of this synchronisation.
    assert_eq!(desk.succeed(&["terminal", "sync", "--port", &port])["entries"], 2);
}

#[test]
fn a_terminal_keeps_its_keys_unless_new_ones_are_asked_for_and_nothing_is_left_to_tell() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    let provision = ["terminal", "provision", "--port", &port];
    desk.succeed(&provision);
    assert!(desk.fail(65, &provision).contains("already"));
    let anew = [provision.as_slice(), &["--anew"]].concat();
    assert!(desk.fail(1, &anew).contains("not acknowledged"));
    desk.succeed(&["terminal", "sync", "--port", &port]);
    assert_ne!(desk.succeed(&anew)["terminal"], "VNT0000001");
}

#[test]
fn a_name_is_not_given_twice() {
    let desk = Desk::new();
    let (first, second) = (powered::at_a_port(), powered::at_a_port());
    let named = ["terminal", "provision", "--name", "VNT0000001", "--port"];
    desk.succeed(&[named.as_slice(), &[&first]].concat());
    let refused = desk.fail(65, &[named.as_slice(), &[&second]].concat());
    assert!(refused.contains("taken"), "{refused}");
    // Without --name the next free one is found, though the first of the series is taken.
    let given = desk.succeed(&["terminal", "provision", "--port", &second]);
    assert_eq!(given["terminal"], "VNT0000002");
}

#[test]
fn a_production_station_certifies_no_test_terminal() {
    let desk = Desk::with(&[
        "init",
        "--province",
        "79",
        "--operator",
        "lan",
        "--new-token-file",
        "lan.token",
    ]);
    let refused = desk.fail(65, &["terminal", "provision", "--port", &powered::at_a_port()]);
    assert!(refused.contains("TEST"));
    assert!(desk.keys().store.terminals().unwrap().is_empty());
}

#[test]
fn wrong_use_is_refused_with_what_to_do() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    assert!(
        desk.fail(65, &["terminal", "load", "--port", &port])
            .contains("terminal provision")
    );
    assert!(
        desk.fail(65, &["terminal", "sync", "--port", &port])
            .contains("terminal provision")
    );
    assert!(
        desk.fail(1, &["terminal", "status", "--port", "no-such-port"])
            .contains("cannot be opened")
    );
    assert!(desk.fail(1, &MAKE_LIST).contains("VNT0000001"));
    desk.fail(2, &["block", "add", "7900000000000011", "--reason", "lost"]);
    desk.fail(
        2,
        &[
            "list",
            "make",
            "--period",
            "202613",
            "--terminal",
            "VNT0000001",
            "--pay-point",
            "X",
        ],
    );
    desk.fail(
        2,
        &[
            "list",
            "make",
            "--period",
            "202611",
            "--terminal",
            "VNT0000001",
            "--pay-point",
            "../X",
        ],
    );
    let backwards = [MAKE_LIST.as_slice(), &["--valid-to", "2020-01-01"]].concat();
    assert!(desk.fail(65, &backwards).contains("before"));
}

#[test]
fn a_journal_that_does_not_verify_is_quarantined_and_not_acknowledged() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    // The ledger knows another journal key than the terminal has.
    let path = desk.path("station/store.sqlite");
    let other = hex::encode(common::key(66).public_key().as_bytes());
    run(
        "sqlite3",
        "sqlite3",
        &[
            path.to_str().unwrap(),
            &format!("UPDATE terminal SET journal_key = x'{other}'"),
        ],
    );
    let refused = desk.fail(1, &["terminal", "load", "--port", &port]);
    assert!(refused.contains("quarantine"), "{refused}");
    let refused = desk.fail(1, &["terminal", "sync", "--port", &port]);
    assert!(
        refused.contains("journal entry 1") && refused.contains("quarantine"),
        "{refused}"
    );
    desk.fail(1, &["terminal", "sync", "--port", &port]);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(
        (&status["acknowledged"], &status["stored"]),
        (&json!(0), &json!(0))
    );
    assert!(
        std::fs::read_dir(desk.path("station/quarantine"))
            .unwrap()
            .count()
            >= 1
    );
}

#[test]
fn a_terminal_with_fewer_entries_than_the_ledger_is_not_synchronised() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let synced = desk.succeed(&["terminal", "sync", "--port", &port]);
    let path = desk.path("station/store.sqlite");
    let ahead = "INSERT INTO journal_entry (terminal, sequence, hash, entry, ingested_at)
        SELECT terminal, 99, zeroblob(32), entry, ingested_at FROM journal_entry WHERE sequence = 1";
    run("sqlite3", "sqlite3", &[path.to_str().unwrap(), ahead]);
    let refused = desk.fail(1, &["terminal", "sync", "--port", &port]);
    assert!(refused.contains("the ledger holds 99"), "{refused}");
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(status["acknowledged"], synced["acknowledged"]);
}

#[test]
fn lists_beside_each_other_are_loaded_in_turn_and_shown() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    desk.succeed(&MAKE_LIST);
    let beside = [&MAKE_LIST[..], &["--beside"]].concat();
    assert!(desk.fail(1, &beside).contains("no line is due")); // besides
    desk.approve_more();
    let made = desk.succeed(&beside);
    assert_eq!((&made["lines"], &made["keeps"]), (&json!(1), &json!([1])));
    let states = |desk: &Desk| -> Vec<Value> {
        let lists = desk.succeed(&["list", "show", "--terminal", "VNT0000001"]);
        lists
            .as_array()
            .unwrap()
            .iter()
            .map(|list| list["state"].clone())
            .collect()
    };
    assert_eq!(states(&desk), ["made", "made"]);
    // The terminal refuses the second before the first.
    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(
        (&loaded["list_number"], loaded["lists"].as_array().unwrap().len()),
        (&json!(2), 2)
    );
    desk.succeed(&["terminal", "sync", "--port", &port]);
    assert_eq!(states(&desk), ["in-force", "in-force"]);
    // The next month's takes all over.
    let all = desk.succeed(&MAKE_LIST);
    assert_eq!((&all["lines"], &all["keeps"]), (&json!(3), &json!([])));
    desk.succeed(&["terminal", "load", "--port", &port]);
    desk.succeed(&["terminal", "sync", "--port", &port]);
    assert_eq!(states(&desk), ["ended", "ended", "in-force"]);
    assert_eq!(desk.succeed(&["list", "show"]).as_array().unwrap().len(), 3);
}

#[test]
fn loading_takes_the_journal_in_first() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    desk.succeed(&MAKE_LIST);
    assert_eq!(
        desk.succeed(&["terminal", "status", "--port", &port])["stored"],
        json!(0)
    );
    desk.succeed(&["terminal", "load", "--port", &port]);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(status["stored"], status["acknowledged"]);
    assert!(status["stored"].as_u64() > Some(0));
}

#[test]
fn a_terminal_that_gives_fewer_entries_than_it_shows_is_told() {
    let desk = Desk::new();
    let keys = desk.keys();
    let mut till = Till::new(9);
    till.register(&keys.store, &keys.lan, &keys.authority());
    let port = powered::withholding_at_a_port(till.name.to_bytes(), till.boot());
    let refused = desk.fail(1, &["terminal", "sync", "--port", &port]);
    assert!(
        refused.contains("shows 5 journal entries but gave only those up to 1"),
        "{refused}"
    );
    assert_eq!(keys.store.acknowledgements().unwrap().len(), 1);
}

#[test]
fn why_the_newest_key_was_not_taken_is_said_before_what_follows_from_it() {
    let desk = Desk::new();
    let keys = desk.keys();
    let mut till = Till::new(9);
    till.register(&keys.store, &keys.lan, &keys.authority());
    let first: &'static [u8] = till.boot().leak();
    let port = powered::answering_at_a_port(till.name.to_bytes(), move |request| {
        let refused = |code| Answer::Refused { code };
        Some(match request {
            Request::Install { .. } => refused(Refusal::TooManyIssuers),
            Request::ReadJournal { from: 1 } => Answer::Entries { bytes: first },
            Request::ReadJournal { .. } => Answer::Entries { bytes: &[] },
            _ => refused(Refusal::NotForThisTerminal),
        })
    });
    let printed = desk.fail(1, &["terminal", "sync", "--port", &port]);
    let place = |refusal: Refusal| printed.find(refusal.text().1);
    let (cause, consequence) = (place(Refusal::TooManyIssuers), place(Refusal::NotForThisTerminal));
    assert!(cause.is_some() && cause < consequence, "{printed}");
    assert_eq!(
        keys.store.journal_head("VNT0000009").unwrap().unwrap().sequence,
        1
    );
}

#[test]
fn a_terminal_of_another_station_is_sent_nothing() {
    let desk = Desk::new();
    for command in ["load", "sync"] {
        let port = powered::answering_at_a_port(*b"VNT0000009", |_| None);
        let refused = desk.fail(65, &["terminal", command, "--port", &port]);
        assert!(refused.contains("nothing was sent"), "{refused}");
    }
}

#[test]
fn operators_are_named_at_the_desk_and_known_to_the_terminal() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    std::fs::write(desk.path("pin"), "314159\n").unwrap();
    let set = |number: &'static str, name: &'static str, pin: &'static str| {
        let who = [
            "terminal",
            "operators",
            "set",
            "--terminal",
            "VNT0000001",
            "--number",
            number,
        ];
        [&who[..], &["--name", name, "--role", "clerk", "--pin-file", pin]].concat()
    };
    let send = ["terminal", "operators", "send", "--port", &port];
    assert!(desk.fail(1, &send).contains("nobody is to work"));
    let named = desk.succeed(&set("7", "lan", "pin"));
    assert_eq!(
        (&named["name"], &named["roles"]),
        (&json!("lan"), &json!(["clerk"]))
    );
    for wrong in ["12345", "1234567890123", "12345a", ""] {
        std::fs::write(desk.path("wrong"), wrong).unwrap();
        let told = desk.fail(1, &set("8", "minh", "wrong"));
        assert!(told.contains("6 to 12 digits"), "{told}");
        assert!(wrong.is_empty() || !told.contains(wrong), "{told}");
    }
    assert!(
        desk.fail(1, &set("8", "LAN", "pin"))
            .contains("registered already")
    );
    for wrong in ["mười", "a_b", "abcdefghijkl"] {
        assert!(desk.fail(1, &set("8", wrong, "pin")).contains("1 to 11 letters"));
    }

    let entries = || {
        let status = desk.succeed(&["terminal", "status", "--port", &port]);
        status["journal_tail"].as_u64().unwrap()
    };
    let (before, sent) = (entries(), desk.succeed(&send));
    assert_eq!(sent["operator_list"], 1);
    // The clock, and the operators; again: the clock.
    assert_eq!(entries(), before + 2);
    assert_eq!(desk.succeed(&send), sent);
    assert_eq!(entries(), before + 3);
    // What has changed since goes along whenever the terminal is loaded.
    desk.succeed(&set("8", "minh", "pin"));
    desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(desk.succeed(&send)["operator_list"], 2);
    let remove = [
        "terminal",
        "operators",
        "remove",
        "--terminal",
        "VNT0000001",
        "--number",
        "7",
    ];
    desk.succeed(&remove);
    assert!(desk.fail(1, &remove).contains("not in the store"));
    // The terminal would keep the last one for good: no list of nobody is signed.
    let last = remove.map(|word| if word == "7" { "8" } else { word });
    assert!(desk.fail(65, &last).contains("operators set"));
    desk.succeed(&["terminal", "load", "--port", &port]);
    let listed = desk.succeed(&["terminal", "operators", "list", "--terminal", "VNT0000001"]);
    assert_eq!((&listed["number"], &listed["name"]), (&json!(8), &json!("minh")));
    // The journal tells of both lists, and the auditor knows such entries.
    desk.succeed(&["terminal", "sync", "--port", &port]);
    desk.succeed(&["export", "--out", "out"]);
    let root = ansinh_audit::read_root_key(desk.path("out/root.pem")).unwrap();
    let report = ansinh_audit::audit(&[desk.path("out")], &root, NonZero::<usize>::MIN).unwrap();
    assert!(report.clean, "{:?}", report.findings);
}

#[test]
fn a_terminal_that_falls_silent_over_changes_gets_the_whole_block_list() {
    let desk = Desk::new();
    let keys = desk.keys();
    let mut till = Till::new(9);
    till.register(&keys.store, &keys.lan, &keys.authority());
    let lost = &desk.cards[0].number;
    keys.store.block(&keys.lan, lost, BlockReason::Lost).unwrap();
    for publication in [Publication::Full, Publication::Daily] {
        make_block_list(&keys.store, &keys.lan, &keys.issuer(), time(), publication).unwrap();
    }
    let (port, whole) = powered::silent_over_changes_at_a_port(till.name.to_bytes(), till.boot());
    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(loaded["block_list_number"], 2);
    assert!(whole.load(Ordering::SeqCst), "nothing was sent");
}

#[test]
fn an_operator_with_a_card_needs_no_pin_at_the_desk() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let [card, lost] = [&desk.cards[0].number, &desk.cards[1].number].map(ToString::to_string);
    let set = |number: &str, name: &str, more: &[&str]| -> Vec<String> {
        let who = format!(
            "terminal operators set --terminal VNT0000001 --role clerk --number {number} --name {name}"
        );
        let words = who.split(' ').chain(more.iter().copied());
        words.map(str::to_owned).collect()
    };
    let succeed = |words: &[String]| desk.succeed(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let fail =
        |code, words: &[String]| desk.fail(code, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let named = succeed(&set("7", "lan", &["--card", &card]));
    assert_eq!((&named["name"], &named["card"]), (&json!("lan"), &json!(card)));

    // Somebody else's card, none of this ledger, one with a wrong digit, both ways at once, and one that is blocked.
    std::fs::write(desk.path("pin"), "314159\n").unwrap();
    let twice = fail(1, &set("8", "minh", &["--card", &card]));
    assert!(
        twice.contains("registered already") && twice.contains(&card),
        "{twice}"
    );
    let unknown = card_spec::values::CardNumber::new(79, 999_999)
        .unwrap()
        .to_string();
    let told = fail(1, &set("8", "minh", &["--card", &unknown]));
    assert!(told.contains("not in the store"), "{told}");
    fail(2, &set("8", "minh", &["--card", "7900000000000001"]));
    fail(2, &set("8", "minh", &["--card", &lost, "--pin-file", "pin"]));
    desk.succeed(&["block", "add", &lost, "--reason", "lost"]);
    let told = fail(1, &set("8", "minh", &["--card", &lost]));
    assert!(told.contains("an active card"), "{told}");

    succeed(&set("8", "minh", &["--pin-file", "pin"]));
    let listed = desk.succeed(&["terminal", "operators", "send", "--port", &port]);
    assert_eq!(listed["operator_list"], 1);
    succeed(&set("7", "lan", &["--pin-file", "pin"]));
    succeed(&set("8", "minh", &["--card", &card]));
    assert_eq!(
        desk.succeed(&["terminal", "operators", "send", "--port", &port])["operator_list"],
        2
    );
}

#[test]
fn a_lost_terminal_that_comes_home_is_called_lost_and_sent_no_operators() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    std::fs::write(desk.path("pin"), "314159\n").unwrap();
    let set =
        "terminal operators set --terminal VNT0000001 --number 7 --name lan --role clerk --pin-file pin";
    desk.succeed(&set.split(' ').collect::<Vec<_>>());
    let sync = ["terminal", "sync", "--port", &port];
    assert_eq!(desk.succeed(&sync)["lost"], false);
    desk.succeed(&["terminal", "lost", "VNT0000001", "--yes"]);
    assert_eq!(desk.succeed(&sync)["lost"], true);
    let told = desk::printed(&desk::ansinh(desk.folder.path(), &sync).output().unwrap());
    assert!(
        told.contains("đã báo mất / declared lost") && told.contains("--anew"),
        "{told}"
    );
    let refused = desk.fail(1, &["terminal", "operators", "send", "--port", &port]);
    assert!(refused.contains("declared lost"), "{refused}");
}

#[test]
fn whoever_serves_no_terminals_loads_none_and_declares_none_lost() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let keys = desk.keys();
    let auditor = [ansinh_store::operators::Role::Auditor].into_iter().collect();
    let token = keys.store.add_operator(&keys.lan, "auditor", auditor).unwrap();
    std::fs::write(desk.path("lan.token"), token.reveal()).unwrap();
    let status = || desk.succeed(&["terminal", "status", "--port", &port]);
    let before = status();
    desk.fail(77, &["terminal", "load", "--port", &port]);
    assert_eq!(status(), before);
    desk.fail(77, &["terminal", "lost", "VNT0000001", "--yes"]);
}
