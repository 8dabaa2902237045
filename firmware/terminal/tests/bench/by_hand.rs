//! A list that lets lines be paid by hand, and the two who do it.

use std::cell::RefCell;

use card_spec::list::ListLine;
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::values::Ascii;
use link::Request;

use super::card::issuer::{ISSUER, plan, reference, signed};
use super::host::{Host, ListPlan, NAME, card};
use super::{Bench, Chip, Story, story};

pub const CAP: u64 = 500_000;
pub const SECOND: &str = "2minh\n314159\n";

pub fn operator<'a>(number: u16, name: &'a str) -> TerminalOperator<'a> {
    let pin = PinVerifier::new(b"314159", [number as u8; 16]).unwrap();
    TerminalOperator {
        number,
        name: Ascii::new(name).unwrap(),
        roles: Roles::from_byte(Roles::CLERK).unwrap(),
        proof: Proof::Pin(pin),
    }
}

pub fn load_operators(bench: &mut Bench<'_>, host: &Host) {
    let list = OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number: 1,
        operators: heapless::Vec::from_slice(&[operator(1, "Lan"), operator(2, "minh")]).unwrap(),
    };
    let signed = &signed(&list, &host.office.issuer);
    bench.done(&Request::Operators { signed }).unwrap();
}

pub fn by_hand(number: u32, lines: Vec<ListLine>) -> ListPlan {
    ListPlan {
        by_hand_up_to: CAP,
        ..ListPlan::new(number, lines)
    }
}

/// A terminal with operators and a list that allows it, and Lan's shift.
pub fn ready(flash: &RefCell<Chip>, lines: Vec<ListLine>) -> (Bench<'_>, Host) {
    let mut host = Host::new(Vec::new());
    host.list = by_hand(1, lines);
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    load_operators(&mut bench, &host);
    bench.type_keys("oLan\n314159\n");
    bench.read_screen();
    (bench, host)
}

/// The second operator, and the number of the bench's card.
pub fn ask(bench: &mut Bench<'_>) -> String {
    bench.type_keys(SECOND);
    bench.type_keys(&format!("m{}\n", plan().number));
    bench.read_screen()
}

pub fn pay(bench: &mut Bench<'_>) -> String {
    let asked = ask(bench);
    bench.type_keys("7");
    asked + &bench.read_screen()
}

pub fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// The host takes all entries into its ledger.
pub fn sync(bench: &mut Bench<'_>, host: &Host) {
    let journal = bench.journal();
    host.acknowledge(bench, journal.last().unwrap()).unwrap();
}

pub fn pay_by_card(bench: &mut Bench<'_>) {
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
}

#[track_caller]
pub fn nothing_paid(bench: &mut Bench<'_>, host: &Host) {
    assert!(told(bench, host).by_hand.is_empty());
}
