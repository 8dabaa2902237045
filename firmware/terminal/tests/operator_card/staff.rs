//! Who works at the terminal, their cards, and what the journal tells of them.

use std::cell::RefCell;

use crate::bench::card::Card;
use crate::bench::card::issuer::{
    CertificatePlan, ISSUER, Office, Plan, card_with_keys, cso, objects, plan, reference, secret, signed,
};
use crate::bench::host::{Host, NAME, line};
use crate::bench::{Bench, Chip, Story, story};
use card_spec::cso::CardSecurityObject;
use card_spec::journal::{Entry, Event};
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::signed::Signed;
use card_spec::values::{Ascii, CardNumber};
use link::{Refusal, Request};

pub(crate) const MINUTE: u64 = 60_000;
/// VERIFY in a session.
pub(crate) const VERIFY: [u8; 2] = [0x84, 0x20];

/// The card of Lan, who is no holder here.
pub(crate) fn lans() -> Plan {
    of(11)
}

/// The card of another person.
pub(crate) fn of(serial: u64) -> Plan {
    Plan {
        number: CardNumber::new(79, serial).unwrap(),
        person: [0x40 | serial as u8; 16],
        pin: *b"161803",
        ..plan()
    }
}

pub(crate) fn operator<'a>(number: u16, name: &'a str, roles: u8, proof: Proof) -> TerminalOperator<'a> {
    TerminalOperator {
        number,
        name: Ascii::new(name).unwrap(),
        roles: Roles::from_byte(roles).unwrap(),
        proof,
    }
}

pub(crate) fn by_card(serial: u64) -> Proof {
    Proof::Card(CardNumber::new(79, serial).unwrap())
}

pub(crate) fn by_pin() -> Proof {
    Proof::Pin(PinVerifier::new(b"314159", [9; 16]).unwrap())
}

pub(crate) fn list<'a>(number: u32, operators: &[TerminalOperator<'a>]) -> OperatorList<'a> {
    OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number,
        operators: heapless::Vec::from_slice(operators).unwrap(),
    }
}

/// Lan, Tam and the supervisor Hoa have cards, minh has a PIN; Binh has the card of the bench's usual holder.
pub(crate) fn staff() -> OperatorList<'static> {
    list(
        1,
        &[
            operator(1, "Lan", Roles::CLERK, by_card(11)),
            operator(2, "minh", Roles::CLERK, by_pin()),
            operator(3, "Hoa", Roles::SUPERVISOR, by_card(12)),
            operator(4, "Tam", Roles::CLERK, by_card(13)),
            operator(5, "Binh", Roles::CLERK, by_card(1)),
        ],
    )
}

pub(crate) fn load(bench: &mut Bench<'_>, host: &Host, list: &OperatorList<'_>) -> Result<(), Refusal> {
    bench.done(&Request::Operators {
        signed: &signed(list, &host.office.issuer),
    })
}

pub(crate) fn ready(flash: &RefCell<Chip>) -> (Bench<'_>, Host) {
    blocking(flash, Vec::new())
}

/// With a block list that has these cards.
pub(crate) fn blocking(flash: &RefCell<Chip>, blocked: Vec<CardNumber>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.blocked = blocked;
    host.prepare(&mut bench).unwrap();
    load(&mut bench, &host, &staff()).unwrap();
    bench.read_screen();
    (bench, host)
}

/// What the journal tells about operators, in few words.
pub(crate) fn told(bench: &mut Bench<'_>) -> Vec<String> {
    let entries = bench.journal();
    let told = entries.iter().filter_map(|entry| {
        let entry = Signed::<Entry<'_>>::parse(entry).unwrap();
        Some(match &entry.claimed().event {
            Event::ShiftOpened { operator } => format!("{} in", operator.as_str()),
            Event::OperatorRefused { operator, attempts } => {
                format!("{} wrong {attempts}", operator.as_str())
            }
            Event::ClockSetByOperator { operator, .. } => format!("{} sets the clock", operator.as_str()),
            _ => return None,
        })
    });
    told.collect()
}

pub(crate) fn story_of(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// Holds the card to the reader; was a PIN sent to it?
pub(crate) fn tap(bench: &mut Bench<'_>, card: &mut Card) -> bool {
    let mut sent = false;
    bench.tap_with(card, &mut |_, command, answer| {
        sent |= command[..2] == VERIFY;
        Some(answer)
    });
    sent
}

/// Tries left on the card.
pub(crate) fn tries(card: &mut Card) -> u16 {
    let office = Office::new();
    card.reset();
    let mut session = crate::bench::card::terminal::Terminal::new(&office)
        .open(card)
        .unwrap();
    session
        .secure
        .send(card, [0x80, 0x20, 0x00, 0x81], &[])
        .unwrap()
        .0
        .0
}

/// What SELECT says (SPEC 6.1).
pub(crate) fn life_cycle(card: &mut Card) -> u8 {
    card.reset();
    let answer = card.transmit(&crate::bench::card::SELECT).to_vec();
    let at = answer.windows(2).position(|tag| tag == [0x8A, 0x01]).unwrap();
    answer[at + 2]
}

/// A card of this plan whose CSO an issuer has signed that the terminal does not know.
pub(crate) fn foreign_card(plan: &Plan) -> Card {
    const FOREIGN: &str = "VNISS8000001";
    let key = secret(20);
    let certificate = CertificatePlan {
        holder: FOREIGN,
        ..Office::new().issuer_plan()
    };
    let (mut card, mut host, _) = card_with_keys();
    let keys = host.key_pairs(&mut card, 1, plan.number).unwrap();
    let mut objects = objects(&Office::new(), plan, &keys);
    objects.issuer = certificate.sign(&Office::new().root, key.public_key());
    let body = CardSecurityObject {
        issuer: reference(FOREIGN),
        ..cso(plan, objects.digests(), &keys)
    };
    objects.cso = signed(&body, &key);
    host.store(&mut card, &objects.concatenated(), 223).unwrap();
    host.set_pin(&mut card, &plan.pin).unwrap();
    host.activate(&mut card).unwrap();
    card
}

/// How many slots of the card's memory are others than before.
pub(crate) fn differing(before: &[Vec<u8>], card: &Card) -> usize {
    let pairs = before.iter().zip(&card.memory().slots);
    pairs.filter(|(one, other)| one != other).count()
}
