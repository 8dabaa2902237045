//! The power goes at any flash operation of a terminal's life, and comes back: nothing that was promised is lost, no line
//! is paid twice, and everything can be finished.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use std::cell::RefCell;

use bench::card::Card;
use bench::card::issuer::plan;
use bench::host::{Host, card, line};
use bench::nor::{TEARS, Tear};
use bench::{Bench, Chip, Story, chip, copy, story};
use link::TerminalState;

/// A step of a terminal's life. Each can be asked for again after a power cut.
type Step = fn(&mut Bench<'_>, &mut Host, &mut Card) -> Option<()>;

fn provision(bench: &mut Bench<'_>, host: &mut Host, _: &mut Card) -> Option<()> {
    host.prepare(bench).ok()
}

/// From wherever the last attempt ended to money handed over.
fn pay(bench: &mut Bench<'_>, host: &mut Host, card: &mut Card) -> Option<()> {
    host.prepare(bench).ok()?;
    bench.type_keys("\noLan\n");
    // An order that is open is settled by the first tap; then nobody may be left who is to be paid.
    for _ in 0..4 {
        bench.tap(card);
        if bench.screen.contains("đã trả rồi") {
            return Some(());
        }
        bench.type_keys("271828\n");
        bench.tap(card);
        bench.type_keys("\n");
    }
    None
}

fn sync(bench: &mut Bench<'_>, host: &mut Host, _: &mut Card) -> Option<()> {
    let last = bench.journal().pop()?;
    host.acknowledge(bench, &last).ok()
}

/// What was promised before the cut.
struct Promises {
    provisioned: bool,
    list: u32,
    blocks: u32,
    /// Entries that were reported to be in flash.
    tail: u32,
    /// The clerk has read that a line is paid.
    paid: bool,
}

/// The flash is dead by now; the terminal still knows what it was told was kept.
fn promises(bench: &mut Bench<'_>) -> Promises {
    let hello = bench.hello();
    Promises {
        provisioned: hello.state == TerminalState::Provisioned,
        list: hello.list_number,
        blocks: hello.block_list_number,
        tail: hello.journal_tail,
        paid: bench.screen.contains("ĐÃ TRẢ"),
    }
}

fn kept(bench: &mut Bench<'_>, promised: &Promises) {
    let hello = bench.hello();
    assert!(!promised.provisioned || hello.state == TerminalState::Provisioned);
    assert!(hello.list_number >= promised.list && hello.block_list_number >= promised.blocks);
    assert!(
        hello.journal_tail >= promised.tail,
        "{} of {}",
        hello.journal_tail,
        promised.tail
    );
}

fn payments(card: &Card) -> usize {
    let orders = card
        .memory()
        .slots
        .iter()
        .filter(|slot| slot.starts_with(&[0xFF, 0x23]));
    orders.count()
}

/// Cuts `step` at every `stride`-th flash operation, from a terminal on which `before` was done.
fn sweep(before: &[Step], step: Step, tears: impl Fn(u64) -> Vec<Tear>) -> u64 {
    let lines = || vec![line(1, 1, 500_000), line(2, 2, 7)];
    let mut host = Host::new(lines());
    let first = card(&plan());
    let mut original_card = copy(&first, 1);
    let original = chip();
    {
        let mut bench = Bench::power_on(&original).unwrap();
        for done in before {
            done(&mut bench, &mut host, &mut original_card).expect("without a cut");
        }
    }
    let mut cuts = 0;
    for operation in 0.. {
        let mut ended = true;
        for tear in tears(operation) {
            let flash = RefCell::new(original.borrow().clone());
            let mut host = Host {
                journal_key: host.journal_key,
                ..Host::new(lines())
            };
            let mut card = copy(&original_card, 2);
            flash.borrow_mut().cut(operation, tear);
            let mut promised = None;
            if let Ok(mut bench) = Bench::power_on(&flash) {
                step(&mut bench, &mut host, &mut card);
                promised = Some(promises(&mut bench));
            }
            if !flash.borrow().is_dead() {
                continue;
            }
            ended = false;
            cuts += 1;
            let context = format!("cut at operation {operation}, {tear:?}");
            finish(&flash, &mut host, &mut card, promised.as_ref(), &context);
        }
        if ended {
            break;
        }
    }
    cuts
}

/// Power comes back, twice; then the life goes on to its end.
fn finish(
    flash: &RefCell<Chip>,
    host: &mut Host,
    card: &mut Card,
    promised: Option<&Promises>,
    context: &str,
) {
    flash.borrow_mut().power_up();
    let bench = Bench::power_on(flash);
    assert!(bench.is_ok(), "{context}: {:?}", bench.err());
    drop(bench);
    flash.borrow_mut().power_up();
    let mut bench = Bench::power_on(flash).unwrap();
    if let Some(promised) = promised {
        kept(&mut bench, promised);
    }
    if bench.hello().state == TerminalState::Provisioned && promised.is_some_and(|promised| promised.paid) {
        let told = told(&mut bench, host);
        assert!(
            !told.paid.is_empty() || told.open.is_some(),
            "{context}: paid was shown"
        );
    }
    assert_eq!(
        pay(&mut bench, host, card),
        Some(()),
        "{context}: {}",
        bench.screen
    );
    let told = told(&mut bench, host);
    assert_eq!((told.open, payments(card)), (None, 2), "{context}");
    let mut paid = told.paid.clone();
    paid.sort_unstable();
    assert_eq!(paid, [1, 2], "{context}: {told:?}");
    assert_eq!(told.handed.len(), 2, "{context}: {told:?}");
    assert_eq!(sync(&mut bench, host, card), Some(()), "{context}");
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// One kind of tear at each operation, another one at the next; with `ALL_TEARS` set in the environment, all at each.
fn in_turn(operation: u64) -> Vec<Tear> {
    if std::env::var_os("ALL_TEARS").is_some() {
        return TEARS.to_vec();
    }
    vec![TEARS[(operation % 7) as usize]]
}

#[test]
fn while_it_is_provisioned() {
    let cuts = sweep(&[], provision, in_turn);
    println!("{cuts} cuts while provisioning");
    assert!(cuts > 1_000);
}

#[test]
fn while_it_pays() {
    let cuts = sweep(&[provision], pay, in_turn);
    println!("{cuts} cuts while paying");
    assert!(cuts > 500);
}

#[test]
fn while_it_syncs() {
    let cuts = sweep(&[provision, pay], sync, in_turn);
    println!("{cuts} cuts while syncing");
    assert!(cuts > 300);
}
