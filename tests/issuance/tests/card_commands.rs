//! `ansinh card` at a real reader, from the command line to the chip: what each command does, and what it refuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ansinh_station::home::Home;
use ansinh_store::cards::CardState;
use issuance_tests::TestStation;
use issuance_tests::office::{Hand, Issuing};
use issuance_tests::till::verify_pin;
use rig::{VirtualReader, inside_readers};
use serde_json::Value;

/// A station, its one reader, and what is in it.
struct Counter<'a> {
    station: TestStation,
    hand: Hand<'a>,
}

impl<'a> Counter<'a> {
    fn new(reader: &'a VirtualReader, people: u32, cards: usize) -> Self {
        Self {
            station: TestStation::set_up(people, cards),
            hand: Hand::at(reader),
        }
    }

    fn memory(&self, place: usize) -> PathBuf {
        self.station.cards()[place].clone()
    }

    /// Makes the chip of this place the next person's card; its number.
    fn issue(&self, place: usize) -> String {
        let mut issuing = Issuing::start(&self.station, &["--all-readers", "--limit", "1"]);
        let card = self.hand.insert(&self.memory(place));
        let line = issuing.next_line().unwrap();
        assert_eq!(line["outcome"], "issued", "{line}");
        self.hand.take_out(&card);
        line["card"].as_str().unwrap().to_owned()
    }

    /// Runs `ansinh card` on the chip of this place: exit code, and its line.
    fn card(&self, place: usize, arguments: &[&str]) -> (Option<i32>, Value) {
        let card = self.hand.insert(&self.memory(place));
        let mut command = self.station.ansinh(&["card"]);
        let output = command
            .args(arguments)
            .args(["--json", "--wait", "30"])
            .output()
            .unwrap();
        self.hand.take_out(&card);
        let errors = String::from_utf8_lossy(&output.stderr);
        let line = serde_json::from_slice(&output.stdout);
        (
            output.status.code(),
            line.unwrap_or_else(|_| panic!("{arguments:?}: {errors}")),
        )
    }

    #[track_caller]
    fn does(&self, place: usize, arguments: &[&str], done: &str) -> Value {
        let (code, line) = self.card(place, arguments);
        assert_eq!(
            (code, &line["done"]),
            (Some(0), &done.into()),
            "{arguments:?}: {line}"
        );
        line
    }

    #[track_caller]
    fn refuses(&self, place: usize, arguments: &[&str], failure: &str) {
        let (code, line) = self.card(place, arguments);
        assert_eq!(
            (code, &line["failed"]),
            (Some(1), &failure.into()),
            "{arguments:?}: {line}"
        );
    }

    /// Runs a command that needs no card.
    fn office(&self, operator: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.station.ansinh_as(operator, arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    fn states(&self) -> Vec<CardState> {
        let store = Home::new(self.station.home()).open_store().unwrap();
        store
            .cards()
            .unwrap()
            .into_iter()
            .map(|card| card.state)
            .collect()
    }

    fn pin(&self, place: usize, pin: &[u8; 6]) -> u16 {
        verify_pin(&self.station, &self.memory(place), pin)
    }
}

const NEW_PIN: &[&str] = &["new-pin", "--pin-command", "printf 314159"];

#[test]
fn a_card_is_shown_and_told_from_others() {
    inside_readers(1, |readers| {
        let counter = Counter::new(&readers[0], 1, 2);
        counter.refuses(0, &["show"], "blank-chip");
        let number = counter.issue(0);
        let shown = counter.does(0, &["show", &number], "inspected");
        assert_eq!(
            (&shown["card"], &shown["card_state"], &shown["pin_tries_left"]),
            (&number.as_str().into(), &"active".into(), &3.into())
        );
        counter.refuses(0, &["show", "4111111111111111"], "other-card");
        counter.refuses(1, &["block", "--reason", "lost"], "blank-chip");
        assert_eq!(counter.states(), [CardState::Active]);
    });
}

#[test]
fn the_card_takes_its_new_pin_and_refuses_the_old_one() {
    inside_readers(1, |readers| {
        let counter = Counter::new(&readers[0], 1, 1);
        counter.issue(0);
        assert_eq!(
            (counter.pin(0, b"271828"), counter.pin(0, b"314159")),
            (0x9000, 0x63C2)
        );
        for no_pin in ["false", "printf 31415", "printf 31415x"] {
            counter.refuses(0, &["new-pin", "--pin-command", no_pin], "pin");
        }
        assert_eq!(
            (counter.pin(0, b"271828"), counter.pin(0, b"314159")),
            (0x9000, 0x63C2)
        );
        let set = counter.does(0, NEW_PIN, "pin-set");
        assert_eq!(set["pin_tries_left"], 3);
        assert_eq!(
            (counter.pin(0, b"314159"), counter.pin(0, b"271828")),
            (0x9000, 0x63C2)
        );
        // Three wrong ones block the PIN; a new one fills its tries.
        assert_eq!([(); 2].map(|()| counter.pin(0, b"000000")), [0x63C1, 0x63C0]);
        assert_eq!(counter.pin(0, b"314159"), 0x6983);
        counter.does(0, NEW_PIN, "pin-set");
        assert_eq!(counter.pin(0, b"314159"), 0x9000);
        counter.station.assert_audit_is_clean(1);
    });
}

#[test]
fn a_blocked_card_does_nothing_until_an_approver_has_lifted_the_block() {
    inside_readers(1, |readers| {
        let counter = Counter::new(&readers[0], 1, 1);
        let number = counter.issue(0);
        let blocked = counter.does(0, &["block", "--reason", "lost"], "blocked");
        assert_eq!(
            (&blocked["card_state"], &blocked["ledger"]),
            (&"blocked".into(), &"blocked".into())
        );
        counter.refuses(0, NEW_PIN, "blocked-card");
        counter.refuses(0, &["update"], "blocked-card");
        counter.refuses(0, &["unblock"], "not-unblockable");
        let lift = ["card", "approve-unblock", &number];
        let (code, errors) = counter.office("minh", &["card", "approve-unblock", "4111111111111111"]);
        assert_ne!(code, Some(0), "{errors}");
        counter.refuses(0, &["unblock"], "not-unblockable");
        let (code, errors) = counter.office("minh", &lift);
        assert_eq!(code, Some(0), "{errors}");
        let unblocked = counter.does(0, &["unblock"], "unblocked");
        assert_eq!(
            (&unblocked["card_state"], &unblocked["ledger"]),
            (&"active".into(), &"active".into())
        );
        counter.does(0, NEW_PIN, "pin-set");
        assert_eq!(counter.states(), [CardState::Active]);
        counter.station.assert_audit_is_clean(1);
    });
}

#[test]
fn an_update_makes_the_next_version_and_keeps_the_pin() {
    inside_readers(1, |readers| {
        let counter = Counter::new(&readers[0], 1, 1);
        let number = counter.issue(0);
        for version in [2, 3] {
            let updated = counter.does(0, &["update", &number], "updated");
            assert_eq!(updated["version"], version);
        }
        assert_eq!(
            (counter.pin(0, b"271828"), counter.pin(0, b"314159")),
            (0x9000, 0x63C2)
        );
        let (code, errors) = counter.office("lan", &["card", "update", "--all-due"]);
        assert_eq!(code, Some(0), "nothing is due: {errors}");
        counter.station.assert_audit_is_clean(1);
    });
}

#[test]
fn a_closed_card_stays_closed() {
    inside_readers(1, |readers| {
        let counter = Counter::new(&readers[0], 1, 2);
        let number = counter.issue(0);
        let closed = counter.does(0, &["terminate", "--reason", "lost"], "terminated");
        assert_eq!(closed["card_state"], "terminated");
        let (code, errors) = counter.office("minh", &["card", "approve-unblock", &number]);
        assert_eq!(code, Some(1), "{errors}");
        for arguments in [&["unblock"][..], NEW_PIN, &["update"]] {
            let (code, line) = counter.card(0, arguments);
            assert_eq!(code, Some(1), "{arguments:?}: {line}");
        }
        assert_eq!(
            counter.does(0, &["show"], "inspected")["card_state"],
            "terminated"
        );
        assert_eq!(counter.states(), [CardState::Blocked]);
        counter.station.assert_audit_is_clean(1);
    });
}

#[test]
fn a_replaced_card_is_blocked_at_once_and_never_comes_back() {
    inside_readers(1, |readers| {
        let counter = Counter::new(&readers[0], 1, 2);
        let old = counter.issue(0);
        let (code, errors) = counter.office("lan", &["card", "replace", &old, "--reason", "lost"]);
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(counter.states(), [CardState::Blocked]);
        let (code, _) = counter.office("lan", &["card", "replace", &old, "--reason", "lost"]);
        assert_eq!(code, Some(1), "replaced twice");
        // Who drafted the batch does not approve it.
        assert_eq!(counter.office("lan", &["batch", "approve", "2"]).0, Some(77));
        assert_eq!(counter.office("minh", &["batch", "approve", "2"]).0, Some(0));
        let new = counter.issue(1);
        assert_ne!(new, old);
        assert_eq!(
            counter.office("minh", &["card", "approve-unblock", &old]).0,
            Some(1)
        );
        counter.refuses(0, &["unblock"], "not-unblockable");
        // It is found: its chip still believes that it pays.
        let found = counter.does(0, &["show"], "inspected");
        assert_eq!(
            (&found["card_state"], &found["ledger"]),
            (&"active".into(), &"blocked".into())
        );
        counter.does(0, &["block", "--reason", "lost"], "blocked");
        counter.does(1, &["show"], "inspected");
        let mut states = counter.states();
        states.sort_by_key(|state| *state == CardState::Active);
        assert_eq!(states, [CardState::Blocked, CardState::Active]);
        let (code, errors) = counter.office("lan", &["block", "publish"]);
        assert_eq!(code, Some(0), "{errors}");
        counter.station.assert_audit_is_clean(2);
    });
}
