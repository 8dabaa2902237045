//! SPEC 7.8: a link certificate hands the trust in a root on to the next.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::apdu::StatusWord;
use card_spec::certificate::{Flags, Role};
use card_spec::command::LifeCycle;
use card_spec::crypto::SecretKey;
use card_spec::script::{Action, IssuerScript};
use common::issuer::{CertificatePlan, IssuerHost, Office, ROOT, active_card, card_with_keys, plan, secret};
use common::scripts::{EXECUTE, from_issuer, script, with_certificate};
use common::terminal::{Terminal, present};
use common::{Card, Cut, Failure, Outcome, SELECT, cut_at, date, plain, set_life_cycle};

const SECOND: &str = "VNROOT00002";
const THIRD: &str = "VNROOT00003";

fn second() -> SecretKey {
    secret(12)
}

fn third() -> SecretKey {
    secret(13)
}

fn link_plan(authority: &'static str, holder: &'static str) -> CertificatePlan {
    CertificatePlan {
        authority,
        holder,
        role: Role::Root,
        flags: Flags::Test,
        dates: (date(2026, 6, 1), date(2066, 12, 31)),
    }
}

/// From the first root to the second.
fn first_link(office: &Office) -> Vec<u8> {
    link_plan(ROOT, SECOND).sign(&office.root, second().public_key())
}

/// From the second root to the third.
fn second_link() -> Vec<u8> {
    link_plan(SECOND, THIRD).sign(&second(), third().public_key())
}

/// The terminal with its CA certified by another root.
fn terminal_under(office: &Office, authority: &'static str, root: &SecretKey) -> Terminal {
    let plan = CertificatePlan {
        authority,
        dates: (date(2026, 6, 1), date(2031, 12, 31)),
        ..office.terminal_ca_plan()
    };
    Terminal {
        ca_certificate: plan.sign(root, office.terminal_ca.public_key()),
        ..Terminal::new(office)
    }
}

fn refused<T>(status: u16) -> Outcome<T> {
    Err(Failure::Refused(StatusWord(status)))
}

fn ready() -> (Office, Card) {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    plain(&mut card, &SELECT).unwrap();
    (office, card)
}

/// Presents the link in a selected card that writes nothing for it.
fn changes_nothing(card: &mut Card, link: &[u8], expected: Outcome<()>, name: &str) {
    cut_at(card, None);
    assert_eq!(present(card, 0x90, link), expected, "{name}");
    assert_eq!(card.memory().writes, 0, "{name}");
}

#[test]
fn two_roots_at_most_are_trusted() {
    let (office, mut card) = ready();
    let opens = |card: &mut Card, terminal: &Terminal| terminal.open(card).map(drop);
    let [first, under_second, under_third] = [
        Terminal::new(&office),
        terminal_under(&office, SECOND, &second()),
        terminal_under(&office, THIRD, &third()),
    ];
    assert_eq!(opens(&mut card, &under_second), refused(0x6A88));
    plain(&mut card, &SELECT).unwrap();
    changes_nothing(&mut card, &second_link(), refused(0x6A88), "under a root to come");

    cut_at(&mut card, None);
    present(&mut card, 0x90, &first_link(&office)).unwrap();
    assert_eq!(card.memory().writes, 1);
    opens(&mut card, &first).unwrap();
    opens(&mut card, &under_second).unwrap();
    assert_eq!(opens(&mut card, &under_third), refused(0x6A88));
    plain(&mut card, &SELECT).unwrap();
    changes_nothing(&mut card, &first_link(&office), Ok(()), "again");

    present(&mut card, 0x90, &second_link()).unwrap();
    assert_eq!(opens(&mut card, &first), refused(0x6A88));
    opens(&mut card, &under_second).unwrap();
    opens(&mut card, &under_third).unwrap();
    plain(&mut card, &SELECT).unwrap();
    changes_nothing(&mut card, &second_link(), Ok(()), "again");
    changes_nothing(
        &mut card,
        &first_link(&office),
        refused(0x6A88),
        "under a root that is gone",
    );
}

/// SPEC 13.3: with its root goes the issuer whose certificate was loaded, until the next root certifies it.
#[test]
fn an_issuer_is_as_good_as_the_root_above_it() {
    let (office, mut card) = ready();
    let fill = from_issuer(&script(0, Action::FillPinTries));
    let execute = |card: &mut Card, data: &[u8]| {
        let mut host = IssuerHost::open(card).unwrap();
        host.secure.status(card, EXECUTE, data)
    };
    let certified = |authority, root: &SecretKey| {
        let plan = CertificatePlan {
            authority,
            dates: (date(2026, 6, 1), date(2046, 12, 31)),
            ..office.issuer_plan()
        };
        with_certificate::<IssuerScript>(&plan.sign(root, office.issuer.public_key()), &fill)
    };
    assert_eq!(execute(&mut card, &certified(SECOND, &second())), 0x6982);
    plain(&mut card, &SELECT).unwrap();
    present(&mut card, 0x90, &first_link(&office)).unwrap();
    present(&mut card, 0x90, &second_link()).unwrap();
    let before = card.memory().slots.clone();
    assert_eq!(execute(&mut card, &fill), 0x6982);
    assert_eq!(execute(&mut card, &certified(ROOT, &office.root)), 0x6982);
    assert_eq!(execute(&mut card, &certified(SECOND, &third())), 0x6982);
    assert!(card.memory().slots == before);
    assert_eq!(execute(&mut card, &certified(SECOND, &second())), 0x9000);
}

#[test]
fn a_link_that_is_not_right_is_refused() {
    let (office, mut card) = ready();
    let right = link_plan(ROOT, SECOND);
    let with = |change: &dyn Fn(&mut CertificatePlan)| {
        let mut plan = right.clone();
        change(&mut plan);
        plan.sign(&office.root, second().public_key())
    };
    let mut flipped = first_link(&office);
    *flipped.last_mut().unwrap() ^= 0x01;
    let wrong = [
        ("signature", flipped),
        ("signer", right.sign(&office.issuer, second().public_key())),
        ("signed by itself", right.sign(&second(), second().public_key())),
        ("the same sequence", with(&|plan| plan.holder = ROOT)),
        ("a lower sequence", with(&|plan| plan.holder = "VNROOT00000")),
        ("another mnemonic", with(&|plan| plan.holder = "VNISS7900002")),
        ("flags", with(&|plan| plan.flags = Flags::Production)),
        (
            "from before the root",
            with(&|plan| plan.dates.0 = date(2025, 12, 31)),
        ),
        (
            "from behind the root",
            with(&|plan| {
                plan.dates = (date(2057, 1, 1), date(2066, 12, 31));
            }),
        ),
        ("backwards", with(&|plan| plan.dates.1 = date(2026, 5, 31))),
        ("expired", with(&|plan| plan.dates.1 = date(2026, 10, 31))),
    ];
    for (name, link) in &wrong {
        changes_nothing(&mut card, link, refused(0x6982), name);
    }
    // The last day on which it is accepted is the remembered date.
    present(&mut card, 0x90, &with(&|plan| plan.dates.1 = date(2026, 11, 1))).unwrap();
}

#[test]
fn the_older_root_hands_nothing_on_a_second_time() {
    let (office, mut card) = ready();
    present(&mut card, 0x90, &first_link(&office)).unwrap();
    let other_key = link_plan(ROOT, SECOND).sign(&office.root, secret(99).public_key());
    let other_root = link_plan(ROOT, THIRD).sign(&office.root, third().public_key());
    let other_dates = CertificatePlan {
        dates: (date(2026, 6, 1), date(2066, 12, 30)),
        ..link_plan(ROOT, SECOND)
    };
    let other_dates = other_dates.sign(&office.root, second().public_key());
    for link in [other_key, other_root, other_dates] {
        changes_nothing(&mut card, &link, refused(0x6982), "another successor");
    }
}

#[test]
fn a_link_leaves_the_chain_as_it_was_and_is_no_part_of_it() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    // As the last certificate it is none: there is no terminal CA, then it is not one of a terminal.
    assert_eq!(present(&mut card, 0x10, &first_link(&office)), refused(0x6A88));
    present(&mut card, 0x90, &terminal.ca_certificate).unwrap();
    assert_eq!(present(&mut card, 0x10, &first_link(&office)), refused(0x6A88));
    // Between the certificates of a chain it disturbs nothing.
    present(&mut card, 0x90, &first_link(&office)).unwrap();
    present(&mut card, 0x10, &terminal.certificate).unwrap();
    present(&mut card, 0x90, &first_link(&office)).unwrap();
    plain(&mut card, &[0x00, 0xB0, 0x9D, 0x00, 0x00]).unwrap();
    // A wrong one ends it.
    let wrong = link_plan(ROOT, SECOND).sign(&office.issuer, second().public_key());
    assert_eq!(present(&mut card, 0x90, &wrong), refused(0x6982));
    assert_eq!(plain(&mut card, &[0x00, 0xB0, 0x9D, 0x00, 0x00]), refused(0x6982));
}

#[test]
fn links_are_for_cards_that_were_activated() {
    let office = Office::new();
    let (mut card, _, _) = card_with_keys();
    plain(&mut card, &SELECT).unwrap();
    assert_eq!(present(&mut card, 0x90, &first_link(&office)), refused(0x6985));
    for state in [LifeCycle::Blocked, LifeCycle::Terminated] {
        let (office, mut card) = ready();
        set_life_cycle(&mut card, state);
        present(&mut card, 0x90, &first_link(&office)).unwrap();
        terminal_under(&office, SECOND, &second())
            .open(&mut card)
            .unwrap();
    }
}

#[test]
fn a_handover_survives_a_cut() {
    for side in [Cut::Before, Cut::After] {
        let (office, mut card) = ready();
        cut_at(&mut card, Some((0, side)));
        assert_eq!(present(&mut card, 0x90, &first_link(&office)), Err(Failure::Gone));
        cut_at(&mut card, None);
        card.reset();
        Terminal::new(&office).open(&mut card).unwrap();
        let under_second = terminal_under(&office, SECOND, &second())
            .open(&mut card)
            .map(drop);
        assert_eq!(under_second.is_ok(), side == Cut::After);
        plain(&mut card, &SELECT).unwrap();
        present(&mut card, 0x90, &first_link(&office)).unwrap();
        terminal_under(&office, SECOND, &second())
            .open(&mut card)
            .unwrap();
        IssuerHost::open(&mut card).unwrap();
    }
}
