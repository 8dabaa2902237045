//! SPEC 13.1 to 13.9 (but 13.4: `pin_scripts.rs`): who may have a card do what, that it is done once, and what it does.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::certificate::{Flags, Role};
use card_spec::command::{CardStatus, LifeCycle};
use card_spec::crypto::{SecretKey, sha256};
use card_spec::list::BlockReason;
use card_spec::payment::{Order, ReceiptKind};
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Period};
use common::issuer::{CertificatePlan, ISSUER, IssuerHost, Office, plan, reference, secret, signed};
use common::scripts::{EXECUTE, from_issuer, order_hash, script, with_certificate};
use common::terminal::Terminal;
use common::till::{Till, at};
use common::{Cut, Failure, cut_at, date};

fn period(year: u16, month: u8) -> Period {
    Period::new(year, month).unwrap()
}

/// All actions, with a content that an active card of [`Till::new`] takes, once it paid `order` and holds `update`.
fn actions(order: &Order<'_>, update: [u8; 32]) -> [Action; 9] {
    [
        Action::FillPinTries,
        Action::PermitNewPin,
        Action::Block(BlockReason::Lost),
        Action::Unblock(0),
        Action::Terminate(BlockReason::HolderDeceased),
        Action::PutInForce(update),
        Action::Prune(period(2026, 1)),
        Action::SetDate(date(2026, 11, 20)),
        Action::Reverse(order_hash(order)),
    ]
}

/// A till whose card has paid this order and holds an update with this CSO hash.
fn ready() -> (Till, Order<'static>, [u8; 32]) {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    let update = till.load_update(|_| {});
    till.open_again();
    (till, order, update)
}

#[test]
fn every_action_gives_a_receipt_and_works_once() {
    for number in 0..9 {
        let (mut till, order, update) = ready();
        let action = actions(&order, update)[number];
        if let Action::Unblock(_) = action {
            till.executes(Action::Block(BlockReason::Lost));
        }
        let script = till.script(action);
        let (receipt, object) = till.gives_receipt(EXECUTE, &script);
        assert_eq!(receipt.kind, ReceiptKind::IssuerScript);
        assert!(!receipt.holder_check.pin_verified);
        let body = Signed::<IssuerScript>::parse(&script).unwrap();
        assert_eq!(receipt.object_hash, body.hash());
        if let Action::Terminate(_) = action {
            // SPEC 14.2: a terminated card takes no script at all.
            till.refuses_command(0x6985, EXECUTE, &script);
        } else {
            till.repeats(EXECUTE, &script, &object);
            // In the issuer's session, too.
            let mut host = IssuerHost::open(&mut till.card).unwrap();
            let again = host.secure.done(&mut till.card, EXECUTE, &script).unwrap();
            assert_eq!(again, object);
        }
    }
}

#[test]
fn the_issuers_session_carries_scripts_too() {
    let (mut till, _, _) = ready();
    let script = till.script(Action::Block(BlockReason::Stolen));
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    host.secure.done(&mut till.card, EXECUTE, &script).unwrap();
    let status = host.card_status(&mut till.card).unwrap();
    assert_eq!((status.life_cycle, status.counter), (LifeCycle::Blocked, 2));
}

#[test]
fn encodings_and_parameters() {
    let (mut till, _, _) = ready();
    let right = till.script(Action::FillPinTries);
    let mut unknown_action = right.clone();
    let at = right.windows(4).position(|w| w == [0x82, 1, 1, 0xA3]).unwrap();
    unknown_action[at + 2] = 0x0A;
    let mut content_missing = right.clone();
    content_missing[at + 2] = 0x03;
    let unset = IssuerScript {
        issued: card_spec::values::Time::UNSET,
        ..script(1, Action::FillPinTries)
    };
    let refused = [
        Vec::new(),
        right[..right.len() - 1].to_vec(),
        [&right[..], &[0]].concat(),
        [&right[..], &right[..]].concat(),
        unknown_action,
        content_missing,
        from_issuer(&unset),
    ];
    for data in refused {
        till.refuses_command(0x6A80, EXECUTE, &data);
    }
    till.refuses_command(0x6A86, [0x80, 0x5A, 0x01, 0x00], &right);
    till.refuses_command(0x6A86, [0x80, 0x5A, 0x00, 0x01], &right);
    till.gives_receipt(EXECUTE, &right);
}

#[test]
fn somebody_elses_script() {
    let (mut till, _, _) = ready();
    let right = script(till.status().counter, Action::FillPinTries);
    // Another signer in the issuer's name.
    till.refuses_command(0x6982, EXECUTE, &signed(&right, &secret(66)));
    let office = Office::new();
    till.refuses_command(0x6982, EXECUTE, &signed(&right, &office.root));
    // A signature over another script.
    let mut changed = from_issuer(&right);
    let at = changed.windows(4).position(|w| w == [0x82, 1, 1, 0xA3]).unwrap();
    changed[at + 2] = 0x02;
    till.refuses_command(0x6982, EXECUTE, &changed);
    // An issuer that the card does not know, without a certificate.
    let unknown = IssuerScript {
        issuer: reference("VNISS7900002"),
        ..right
    };
    till.refuses_command(0x6A88, EXECUTE, &from_issuer(&unknown));
}

/// A script of the issuer's next key, with this certificate for it.
fn script_under(till: &mut Till, certificate: &CertificatePlan) -> Vec<u8> {
    let office = Office::new();
    let next = secret(20);
    let script = IssuerScript {
        issuer: reference(certificate.holder),
        ..script(till.status().counter, Action::FillPinTries)
    };
    let certificate = certificate.sign(&office.root, next.public_key());
    with_certificate::<IssuerScript>(&certificate, &signed(&script, &next))
}

#[test]
fn the_issuer_changes_its_key() {
    let next = CertificatePlan {
        holder: "VNISS7900002",
        ..Office::new().issuer_plan()
    };
    let (mut till, _, _) = ready();
    let data = script_under(&mut till, &next);
    till.gives_receipt(EXECUTE, &data);
    // The old key is not thrown away by that.
    till.executes(Action::FillPinTries);
    let refused = [
        // Another province, an earlier key, another role, another flag, a certificate that has expired.
        CertificatePlan {
            holder: "VNISS8000002",
            ..next.clone()
        },
        CertificatePlan {
            holder: "VNISS7900000",
            ..next.clone()
        },
        CertificatePlan {
            holder: "VNTCA00002",
            role: Role::TerminalAuthority,
            ..next.clone()
        },
        CertificatePlan {
            flags: Flags::Production,
            ..next.clone()
        },
        CertificatePlan {
            dates: (date(2026, 1, 1), date(2026, 11, 14)),
            ..next.clone()
        },
        CertificatePlan {
            authority: "VNROOT00002",
            ..next.clone()
        },
    ];
    for plan in refused {
        let data = script_under(&mut till, &plan);
        till.refuses_command(0x6982, EXECUTE, &data);
    }
    // The remembered date is the terminal certificate's first day: on it a certificate is still good.
    let last_day = CertificatePlan {
        dates: (date(2026, 1, 1), date(2026, 11, 15)),
        ..next.clone()
    };
    let data = script_under(&mut till, &last_day);
    till.gives_receipt(EXECUTE, &data);
}

#[test]
fn a_certificate_that_is_not_the_signers() {
    let (mut till, _, _) = ready();
    let office = Office::new();
    let script = from_issuer(&script(till.status().counter, Action::FillPinTries));
    let mut refuse = |plan: &CertificatePlan, signer: &SecretKey, key| {
        let data = with_certificate::<IssuerScript>(&plan.sign(signer, key), &script);
        till.refuses_command(0x6982, EXECUTE, &data);
    };
    let right = office.issuer_plan();
    let key = office.issuer.public_key();
    // For another name than the script's, with another key, signed by another than the root.
    let other = CertificatePlan {
        holder: "VNISS7900002",
        ..right.clone()
    };
    refuse(&other, &office.root, key);
    refuse(&right, &office.root, secret(66).public_key());
    refuse(&right, &secret(66), key);
    refuse(&right, &office.terminal_ca, key);
    let data = with_certificate::<IssuerScript>(&right.sign(&office.root, key), &script);
    till.gives_receipt(EXECUTE, &data);
}

#[test]
fn another_card_or_counter() {
    let (mut till, _, _) = ready();
    let counter = till.status().counter;
    let other = IssuerScript {
        card_number: CardNumber::new(79, 2).unwrap(),
        ..script(counter, Action::FillPinTries)
    };
    till.refuses_command(0x6349, EXECUTE, &from_issuer(&other));
    for wrong in [0, counter - 1, counter + 1, u32::MAX] {
        let script = script(wrong, Action::FillPinTries);
        till.refuses_command(0x634D, EXECUTE, &from_issuer(&script));
    }
    // One that was held back does nothing after the next payment.
    let held_back = till.script(Action::FillPinTries);
    till.pays(&till.session.order((2026, 10), 1_000, 7));
    till.refuses_command(0x634D, EXECUTE, &held_back);
}

#[test]
fn actions_by_life_cycle() {
    let (mut till, order, update) = ready();
    till.refuses_script(0x634E, Action::Unblock(0));
    till.executes(Action::Block(BlockReason::Lost));
    for action in actions(&order, update) {
        if !matches!(action, Action::Unblock(_) | Action::Terminate(_)) {
            till.refuses_script(0x634E, action);
        }
    }
    till.executes(Action::Terminate(BlockReason::Replaced));
    for action in actions(&order, update) {
        till.refuses_script(0x6985, action);
    }
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    let script = from_issuer(&script(3, Action::FillPinTries));
    assert_eq!(host.secure.status(&mut till.card, EXECUTE, &script), 0x6985);
}

#[test]
fn a_receipt_counter_at_its_end() {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    till.exhaust_counter();
    till.refuses_script(0x6348, Action::FillPinTries);
    // What is not possible is told first.
    till.refuses_script(0x634E, Action::Unblock(0));
}

/// One thing after the other is put right: each answer is that of the first row that is still wrong.
#[test]
fn the_rows_stand_in_their_order() {
    let (mut till, _, _) = ready();
    let counter = till.status().counter;
    let mut wrong = IssuerScript {
        issuer: reference("VNISS7900002"),
        card_number: CardNumber::new(79, 2).unwrap(),
        ..script(counter + 1, Action::Unblock(0))
    };
    till.refuses_command(0x6A88, EXECUTE, &signed(&wrong, &secret(66)));
    wrong.issuer = reference(ISSUER);
    till.refuses_command(0x6982, EXECUTE, &signed(&wrong, &secret(66)));
    till.refuses_command(0x6349, EXECUTE, &from_issuer(&wrong));
    wrong.card_number = plan().number;
    till.refuses_command(0x634D, EXECUTE, &from_issuer(&wrong));
    wrong.counter = counter;
    till.refuses_command(0x634E, EXECUTE, &from_issuer(&wrong));
}

#[test]
fn blocked_and_unblocked() {
    let (mut till, order, _) = ready();
    till.executes(Action::Block(BlockReason::Stolen));
    assert_eq!(till.status().life_cycle, LifeCycle::Blocked);
    till.refuses(0x634C, &till.session.order((2026, 10), 1_000, 7));
    assert_eq!(till.disburse(&order).unwrap().0, 0x9000);
    till.executes(Action::Unblock(5));
    // The authorization died with it.
    till.refuses(0x6346, &till.session.order((2026, 10), 1_000, 7));
    till.open_again();
    till.pays(&till.session.order((2026, 10), 1_000, 7));
    // A number below the card's.
    till.executes(Action::Block(BlockReason::Stolen));
    till.refuses_script(0x634E, Action::Unblock(4));
    till.executes(Action::Unblock(5));
}

#[test]
fn what_ends_an_authorization() {
    for number in 0..9 {
        let (mut till, order, update) = ready();
        let action = actions(&order, update)[number];
        let ends = match action {
            Action::Unblock(_) | Action::Terminate(_) | Action::Block(_) => continue,
            Action::PutInForce(_) => true,
            _ => false,
        };
        till.executes(action);
        let order = till.session.order((2026, 10), 1_000, 7);
        let order = Order {
            cso_hash: till.status().cso_hash.unwrap(),
            ..order
        };
        let expected = if ends { 0x6346 } else { 0x9000 };
        assert_eq!(till.disburse(&order).unwrap().0, expected, "{action:?}");
    }
    // Block and unblock in one session: tested in blocked_and_unblocked. Terminate leaves nothing to authorize.
    let (mut till, _, _) = ready();
    till.executes(Action::Terminate(BlockReason::HolderDeceased));
    till.refuses(0x634C, &till.session.order((2026, 10), 1_000, 7));
}

#[test]
fn an_update_in_force() {
    let (mut till, order, update) = ready();
    let before = till.status();
    assert_ne!(before.flags & CardStatus::UPDATE_LOADED, 0);
    for other in [[0; 32], before.cso_hash.unwrap()] {
        till.refuses_script(0x634E, Action::PutInForce(other));
    }
    let (receipt, _) = till.executes(Action::PutInForce(update));
    assert_eq!(receipt.cso_version, 2);
    let after = till.status();
    assert_eq!(after.cso_hash, Some(update));
    assert_eq!(after.flags & CardStatus::UPDATE_LOADED, 0);
    assert_eq!((after.pin_tries, after.date), (before.pin_tries, before.date));
    // The update is in force and gone; orders for the old version are not taken, paid lines stay.
    till.refuses_script(0x634E, Action::PutInForce(update));
    assert_eq!(till.disburse(&order).unwrap().0, 0x9000);
    till.open_again();
    assert_eq!(till.session.cso.version, 2);
    let again = Order {
        nonce: [8; 16],
        ..till.order()
    };
    assert_eq!(till.disburse(&again).unwrap().0, 0x6340);
    till.pays(&till.session.order((2026, 10), 1_000, 9));
}

#[test]
fn updates_that_are_not_this_cards() {
    type Change = fn(&mut card_spec::cso::CardSecurityObject);
    let wrong: [Change; 6] = [
        |cso| cso.version = 1,
        |cso| cso.version = 0,
        |cso| cso.card_number = CardNumber::new(79, 2).unwrap(),
        |cso| cso.person = [0xAA; 16],
        |cso| std::mem::swap(&mut cso.agreement_key, &mut cso.signing_key),
        |cso| cso.digests.holder = [0; 32],
    ];
    for change in wrong {
        let mut till = Till::new();
        let update = till.load_update(change);
        till.open_again();
        till.refuses_script(0x634E, Action::PutInForce(update));
    }
    let mut till = Till::new();
    till.refuses_script(0x634E, Action::PutInForce([0; 32]));
}

#[test]
fn a_floor() {
    let (mut till, _, _) = ready();
    // After the month of the remembered date.
    till.refuses_script(0x634E, Action::Prune(period(2026, 12)));
    till.executes(Action::Prune(period(2026, 10)));
    till.refuses(0x6342, &till.session.order((2026, 9), 1_000, 7));
    till.pays(&till.session.order((2026, 10), 1_000, 8));
    // Before the present one.
    till.refuses_script(0x634E, Action::Prune(period(2026, 9)));
    till.executes(Action::Prune(period(2026, 10)));
    till.executes(Action::Prune(period(2026, 11)));
    // What was paid does not become payable, nor what was not.
    let paid = till.session.order((2026, 10), 1_000, 9);
    assert_eq!(till.disburse(&paid).unwrap().0, 0x6340);
    till.refuses(0x6342, &till.session.order((2026, 9), 1_000, 9));
}

#[test]
fn pruning_makes_room() {
    let mut till = Till::new();
    let line = |till: &Till, entitlement: u16, month: (u16, u8), nonce: u8| Order {
        line_key: common::terminal::line(till.plan.person, b"BTXH", entitlement, month),
        ..till.session.order(month, 1, nonce)
    };
    for entitlement in 0..40 {
        if entitlement % 5 == 0 {
            till.open_again();
        }
        till.pays(&line(&till, entitlement, (2026, 1), 1));
    }
    till.open_again();
    till.refuses(0x6347, &line(&till, 40, (2026, 11), 1));
    till.executes(Action::Prune(period(2026, 2)));
    till.pays(&line(&till, 40, (2026, 11), 1));
    // The first row has a new owner; all others still know what was paid.
    till.refuses(0x6342, &line(&till, 0, (2026, 1), 2));
    for entitlement in 1..40 {
        let paid = line(&till, entitlement, (2026, 1), 2);
        assert_eq!(till.disburse(&paid).unwrap().0, 0x6340, "{entitlement}");
    }
}

#[test]
fn a_date_set_back_and_forth() {
    let (mut till, order, _) = ready();
    till.executes(Action::SetDate(date(2031, 6, 1)));
    assert_eq!(till.status().date, Some(date(2031, 6, 1)));
    // Far ahead, the lines of now are outside the window.
    till.refuses(0x6342, &till.session.order((2026, 10), 1_000, 7));
    till.executes(Action::SetDate(date(2026, 11, 15)));
    // A date that paid nothing costs nothing.
    till.pays(&till.session.order((2026, 10), 1_000, 7));
    let again = Order {
        nonce: [8; 16],
        ..order
    };
    assert_eq!(till.disburse(&again).unwrap().0, 0x6340);
}

#[test]
fn a_date_that_paid_lets_no_row_forget() {
    let mut till = Till::new();
    let line = |till: &Till, entitlement, month, nonce| Order {
        line_key: common::terminal::line(till.plan.person, b"BTXH", entitlement, month),
        ..till.session.order(month, 1, nonce)
    };
    till.pays(&line(&till, 1, (2026, 11), 1));
    till.executes(Action::SetDate(date(2031, 6, 1)));
    // The row of the line paid before is marked at the later date, and forgets.
    till.pays(&line(&till, 1, (2031, 6), 2));
    till.executes(Action::SetDate(date(2026, 11, 15)));
    till.refuses(0x6342, &line(&till, 1, (2026, 11), 3));
    till.refuses(0x6342, &line(&till, 2, (2026, 12), 4));
}

#[test]
fn a_month_kept_after_the_new_date_keeps_its_total() {
    let mut till = Till::new();
    let december = |till: &Till, month, vnd, nonce| Order {
        time: at(2026, 12, 1),
        ..till.session.order(month, vnd, nonce)
    };
    for (month, nonce) in [(12, 1), (11, 2)] {
        till.pays(&december(&till, (2026, month), 5_000_000, nonce));
    }
    till.executes(Action::SetDate(date(2026, 11, 20)));
    // December's total is November's now: 10 of 12 million are used up.
    till.refuses(0x6344, &till.session.order((2026, 10), 2_000_001, 3));
    till.pays(&till.session.order((2026, 10), 2_000_000, 4));
    // And December starts anew.
    till.pays(&december(&till, (2026, 9), 5_000_000, 5));
}

#[test]
fn the_issuer_reverses_an_older_payment_of_any_terminal() {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    till.pays(&till.session.order((2026, 10), 1_000, 2));
    let office = Office::new();
    let other = CertificatePlan {
        holder: "VNT0000002A00001",
        ..office.terminal_plan()
    };
    till.session = Terminal::with(&office, &other).open(&mut till.card).unwrap();
    let (_, receipt) = till.executes(Action::Reverse(order_hash(&order)));
    till.refuses_script(0x634E, Action::Reverse(order_hash(&order)));
    till.open_again();
    assert_eq!(till.disburse(&order), Ok((0x634A, receipt)));
    till.pays(&Order {
        nonce: [9; 16],
        ..order
    });
}

#[test]
fn nothing_to_reverse() {
    let mut till = Till::new();
    let order = till.order();
    till.refuses_script(0x634E, Action::Reverse(order_hash(&order)));
    till.pays(&order);
    till.refuses_script(0x634E, Action::Reverse(sha256(&[b"another"])));
    let reversal = till.reversal(&order, 9);
    till.reverses(&reversal);
    // Neither the order that was reversed nor the reversal itself.
    till.refuses_script(0x634E, Action::Reverse(order_hash(&order)));
    let hash = sha256(&[&common::scripts::reversal_bytes(&reversal)]);
    till.refuses_script(0x634E, Action::Reverse(hash));
}

#[test]
fn a_script_goes_with_its_place_in_the_ring() {
    let mut till = Till::new();
    let script = till.script(Action::FillPinTries);
    till.gives_receipt(EXECUTE, &script);
    for _ in 0..31 {
        till.executes(Action::FillPinTries);
    }
    // The 32nd from the newest is still told, the one before is of another counter.
    assert_eq!(till.send(EXECUTE, &script).unwrap().0, 0x9000);
    till.executes(Action::FillPinTries);
    till.refuses_command(0x634D, EXECUTE, &script);
}

#[test]
fn the_power_goes_at_every_write_of_every_action() {
    let mut cuts = 0;
    for number in 0..9 {
        let (mut first, order, update) = ready();
        let action = actions(&order, update)[number];
        if let Action::Unblock(_) = action {
            first.executes(Action::Block(BlockReason::Lost));
        }
        let script = first.script(action);
        let before = first.status();
        let memory = first.card.memory().slots.clone();
        for (write, side) in (0..).flat_map(|write| [(write, Cut::Before), (write, Cut::After)]) {
            let mut till = Till::new();
            till.card.memory_mut().slots.clone_from(&memory);
            till.card.reset();
            till.open_without_pin();
            cut_at(&mut till.card, Some((write, side)));
            let outcome = till.send(EXECUTE, &script);
            let done = till.card.memory().writes <= write;
            cut_at(&mut till.card, None);
            if done {
                assert_eq!(outcome.unwrap().0, 0x9000);
                break;
            }
            cuts += 1;
            assert_eq!(outcome, Err(Failure::Gone));
            till.card.reset();
            till.open_without_pin();
            let torn = till.status();
            if torn.counter == before.counter {
                assert_eq!((torn.head, torn.life_cycle), (before.head, before.life_cycle));
                assert_eq!((torn.cso_hash, torn.flags), (before.cso_hash, before.flags));
                assert_eq!((torn.pin_tries, torn.date), (before.pin_tries, before.date));
                till.gives_receipt(EXECUTE, &script);
            } else if torn.life_cycle == LifeCycle::Terminated {
                till.refuses_command(0x6985, EXECUTE, &script);
            } else {
                let (status, object) = till.send(EXECUTE, &script).unwrap();
                assert_eq!(status, 0x9000);
                let (body, hash) = common::terminal::receipt(&till.session.cso, &object);
                assert_eq!((Some(body.previous), Some(hash)), (before.head, torn.head));
            }
        }
    }
    println!("scripts: {cuts} cuts");
    assert!(cuts >= 9 * 6, "only {cuts} cuts");
}
