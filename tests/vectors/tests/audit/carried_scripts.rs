//! Issuer scripts that terminals carried (DATA 5.2, kind 25, and 12): what they undid counts as what was read back from the card does.

use ansinh_audit::Code;
use card_spec::journal::{EncodedReceipt, Event};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::script::IssuerScript;
use card_spec::signed::Body as _;
use card_spec::tlv::{Field as _, Reader};
use vectors::{World, secret, sign};

use crate::reversals::{ISSUER, not_handed, undo_by_issuer};

const CARD: &str = "card 3 signing";

/// Card 2 executes a script that the first terminal carries: its receipt is in that journal, and the ledger has filed script and receipt. The
/// receipt's stem.
fn execute(
    world: &mut World,
    order: &[u8],
    change: impl FnOnce(&mut IssuerScript),
    lie: impl FnOnce(&mut Receipt),
    signers: [&str; 2],
) -> String {
    let stem = undo_by_issuer(world, order, change, lie, signers[0]);
    log(world, &stem, signers[1]);
    stem
}

fn log(world: &mut World, stem: &str, signer: &str) {
    let body = world.files[&format!("{stem}.signed.bin")].clone();
    let receipt = Receipt::read(&mut Reader::new(&body), Receipt::TAG).unwrap();
    let receipt = sign(&receipt, &secret(signer));
    let receipt = EncodedReceipt::parse(&receipt).unwrap();
    world.terminals[0].log(Event::ScriptExecuted(receipt));
}

fn honest(world: &mut World, order: &[u8]) -> String {
    execute(world, order, |_| {}, |_| {}, [ISSUER, CARD])
}

/// The files of the receipt, but for its script.
fn take_receipt_away(world: &mut World, stem: &str) {
    for suffix in ["signed.bin", "sig.der"] {
        world.files.remove(&format!("{stem}.{suffix}")).unwrap();
    }
}

#[test]
fn what_a_carried_script_undid_may_be_paid_again_once() {
    // The receipt stands in the journal alone, or in a file as well, or the journal tells of it again.
    for (alone, again) in [(false, false), (true, false), (true, true)] {
        let world = |world: &mut World, intent, order: &[u8]| {
            world.not_handed(0, intent);
            let stem = honest(world, order);
            if again {
                log(world, &stem, CARD);
            }
            if alone {
                take_receipt_away(world, &stem);
            }
            world.pay(0, 0, 3);
        };
        let report = not_handed(world, &[]);
        assert_eq!((report.totals.reversed, report.totals.not_handed), (1, 0));
        not_handed(
            |world_, intent, order| {
                world(world_, intent, order);
                world_.pay(0, 0, 3);
            },
            &[Code::PaidTwice],
        );
    }
}

#[test]
fn without_its_script_it_says_nothing_of_what_it_undid() {
    let report = not_handed(
        |world, intent, order| {
            world.not_handed(0, intent);
            let stem = honest(world, order);
            take_receipt_away(world, &stem);
            world.files.remove(&format!("{stem}.script")).unwrap();
        },
        &[Code::ScriptMissing],
    );
    assert_eq!((report.totals.reversed, report.totals.not_handed), (0, 1));
}

#[test]
fn it_undoes_no_money_that_was_handed_over() {
    for told in [false, true] {
        let report = not_handed(
            |world, intent, order| {
                if told {
                    world.terminals[0].log(Event::Handed { intent });
                }
                let stem = honest(world, order);
                take_receipt_away(world, &stem);
            },
            &[Code::UndoneHanded],
        );
        assert_eq!(report.totals.reversed, 0);
    }
}

#[test]
fn what_proves_no_execution() {
    type Change<T> = fn(&mut T);
    type Case = (
        Change<IssuerScript>,
        Change<Receipt>,
        [&'static str; 2],
        &'static [Code],
    );
    let cases: [Case; 5] = [
        (|_| {}, |_| {}, ["somebody", CARD], &[Code::ScriptSignature]),
        (|_| {}, |_| {}, [ISSUER, "somebody"], &[Code::ReceiptSignature]),
        (
            |script| script.counter += 1,
            |_| {},
            [ISSUER, CARD],
            &[Code::Script],
        ),
        (
            |_| {},
            |receipt| receipt.object_hash = [7; 32],
            [ISSUER, CARD],
            &[Code::Script],
        ),
        (
            |_| {},
            |receipt| receipt.kind = ReceiptKind::BlockList,
            [ISSUER, CARD],
            &[Code::ReceiptKind],
        ),
    ];
    for (change, lie, signers, codes) in cases {
        let report = not_handed(
            |world, intent, order| {
                world.not_handed(0, intent);
                let stem = execute(world, order, change, lie, signers);
                take_receipt_away(world, &stem);
            },
            codes,
        );
        assert_eq!((report.totals.reversed, report.totals.not_handed), (0, 1));
    }
}
