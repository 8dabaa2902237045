//! Every command with no data, in every state of a card's life and every kind of session: it answers what SPEC 14 says, a
//! refused one changes nothing, and none leads out of its session but those that SPEC.md names.
//!
//! CI takes every class and instruction with a few P1 and P2, every P1 and P2 of each command that there is, and one byte of
//! data. `ALL_HEADERS=1 cargo test --release -p reference-applet --test exhaustive -- --nocapture` takes all 2^32 headers in
//! plain, and all 2^24 of INS, P1 and P2 in a session, and prints how long each situation took.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;
#[path = "exhaustive/tables.rs"]
mod tables;

use std::time::Instant;

use card_spec::command::LifeCycle::{self, Active, Blank, Blocked, Personalizing, Terminated};
use common::issuer::{IssuerHost, Office, card_with_keys, objects, plan};
use common::terminal::{Terminal, present};
use common::{Card, SELECT, SecureHost, blank_card, cut_at, plain, set_life_cycle};
use tables::{Answer, STATES, Session, Situation, Verdict, commands};

/// States in which a terminal finds something to talk to.
const ACTIVATED: [LifeCycle; 3] = [Active, Blocked, Terminated];

/// Values that some clause gives to P1 or P2, and their neighbours.
const INTERESTING: [u8; 19] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x0F, 0x10, 0x11, 0x33, 0x3F, 0x7F, 0x80, 0x81, 0x84, 0x90, 0x9D, 0xDC,
    0xE4, 0xFF,
];

/// What each class and instruction is tried with, where not all P1 and P2 are: those of each command, and nobody's.
const FEW: [[u8; 2]; 16] = [
    [0x00, 0x00],
    [0x00, 0x01],
    [0x00, 0x81],
    [0x01, 0x00],
    [0x01, 0x10],
    [0x01, 0x11],
    [0x01, 0x81],
    [0x01, 0x90],
    [0x01, 0xDC],
    [0x04, 0x00],
    [0x33, 0x00],
    [0x7F, 0x7F],
    [0x80, 0x00],
    [0x9D, 0x00],
    [0xFF, 0x3F],
    [0xFF, 0xFF],
];

fn everything() -> bool {
    std::env::var_os("ALL_HEADERS").is_some()
}

fn all() -> impl Iterator<Item = [u8; 2]> {
    (0..=u16::MAX).map(u16::to_be_bytes)
}

/// All parameters with at least one interesting half.
fn crossed() -> impl Iterator<Item = [u8; 2]> {
    all().filter(|parameters| parameters.iter().any(|half| INTERESTING.contains(half)))
}

/// A card in this state; a personalizing one lacks the PIN alone, an activated one has paid twice.
fn card_in(state: LifeCycle, session: Session) -> (Card, Situation) {
    let mut situation = Situation {
        state,
        session,
        files: [None; 32],
        records: 0,
        current: None,
    };
    if state == Blank {
        return (blank_card(), situation);
    }
    let (office, plan) = (Office::new(), plan());
    let (mut card, mut host, keys) = card_with_keys();
    let objects = objects(&office, &plan, &keys);
    host.store(&mut card, &objects.concatenated(), 223).unwrap();
    situation.files[0x1D] = Some(objects.cso.len());
    for (file, group) in [1, 3, 4, 5, 6].into_iter().zip(&objects.groups) {
        situation.files[file] = Some(group.len());
    }
    if state == Personalizing {
        return (card, situation);
    }
    host.set_pin(&mut card, &plan.pin).unwrap();
    host.activate(&mut card).unwrap();
    let mut session = Terminal::new(&office).open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &plan.pin, 2, 2_000), 0x9000);
    for month in [10, 11] {
        let order = session.order((2026, month), 1_000, month);
        assert_eq!(session.disburse(&mut card, &order).unwrap().0, 0x9000);
        situation.records += 1;
    }
    set_life_cycle(&mut card, state);
    (card, situation)
}

fn status(card: &mut Card, apdu: &[u8]) -> u16 {
    let answer = card.transmit(apdu);
    u16::from_be_bytes([answer[answer.len() - 2], answer[answer.len() - 1]])
}

#[track_caller]
fn check(situation: &Situation, command: &[u8], answer: u16, expected: Answer) {
    assert!(
        expected.contains(&answer),
        "{:?}, {:?}: {command:02X?} is answered {answer:04X}, not {expected:04X?}",
        situation.state,
        situation.session
    );
}

/// Nothing persistent changed since this memory was taken.
fn unchanged(card: &Card, slots: &[Vec<u8>], situation: &Situation) {
    assert!(card.memory().slots == slots, "{:?} wrote", situation);
}

// Without a session.

/// Leads a card to where the situation says.
fn enter(card: &mut Card, session: Session) {
    card.reset();
    if session != Session::Closed {
        plain(card, &SELECT).unwrap();
    }
    let terminal = Terminal::new(&Office::new());
    match session {
        Session::Challenged => {
            plain(card, &[0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]).unwrap();
        }
        Session::AuthorityPresented => present(card, 0x90, &terminal.ca_certificate).unwrap(),
        Session::TerminalPresented => terminal.present(card).unwrap(),
        _ => {}
    }
}

/// The card is still where [`enter`] led it.
fn is_still_there(card: &mut Card, session: Session) {
    let authenticate = |card: &mut Card| status(card, &[0x84, 0x82, 0x33, 0x00]);
    let agree = |card: &mut Card| status(card, &[0x80, 0x82, 0x01, 0x11]);
    match session {
        Session::Closed => assert_eq!(status(card, &[0x80, 0x50, 0x00, 0x00]), 0x6982),
        Session::Challenged => assert_eq!(authenticate(card), 0x6700),
        Session::AuthorityPresented => {
            let certificate = Terminal::new(&Office::new()).certificate;
            present(card, 0x10, &certificate).unwrap();
        }
        Session::TerminalPresented => assert_eq!(agree(card), 0x6A80),
        _ => {
            assert_eq!(authenticate(card), 0x6982);
            assert_eq!(status(card, &[0x80, 0x50, 0x00, 0x00]), 0x6700);
        }
    }
}

/// One command with `body` behind its header, which is `length` bytes of data.
fn one(
    card: &mut Card,
    situation: &Situation,
    verdict: &Verdict,
    command: (u8, u8),
    p: [u8; 2],
    (body, length): (&[u8], usize),
) {
    let (class, instruction) = command;
    let apdu = [&[class, instruction, p[0], p[1]], body].concat();
    let answer = status(card, &apdu);
    match verdict {
        Verdict::Fixed(expected) => check(situation, &apdu, answer, expected),
        Verdict::ByParameters => {
            let expected = situation.by_parameters(class, instruction, p, length);
            check(situation, &apdu, answer, expected);
        }
    }
    if command == (0x90, 0x2A) && answer == 0x9000 {
        // The chain ends here, with what was in it.
        let last = [0x80, 0x2A, p[0], p[1]];
        let expected = situation.by_parameters(0x80, 0x2A, p, length);
        check(situation, &last, status(card, &last), expected);
    }
}

/// All parameters of a command that cannot tell them apart, as fast as it goes.
fn fixed(card: &mut Card, situation: &Situation, (class, instruction): (u8, u8), expected: Answer) {
    for [p1, p2] in all() {
        let apdu = [class, instruction, p1, p2];
        let answer = status(card, &apdu);
        if !expected.contains(&answer) {
            check(situation, &apdu, answer, expected);
        }
    }
}

fn sweep_plain(card: &mut Card, situation: &Situation) {
    let (known, everything) = (commands(situation.session), everything());
    for [class, instruction] in all().filter(|command| *command != [0x00, 0xA4]) {
        let command = (class, instruction);
        let is_known = known.contains(&command) || command == (0x90, 0x2A);
        let verdict = situation.plain(class, instruction);
        let one = |card: &mut Card, parameters, body, length| {
            one(card, situation, &verdict, command, parameters, (body, length));
        };
        match verdict {
            Verdict::Fixed(expected) if everything && !is_known => {
                fixed(card, situation, command, expected);
            }
            _ if everything || is_known => all().for_each(|parameters| one(card, parameters, &[], 0)),
            _ => FEW
                .into_iter()
                .for_each(|parameters| one(card, parameters, &[], 0)),
        }
        if !everything && !matches!(class, 0x00 | 0x80 | 0x84 | 0x90 | 0xFF) {
            continue;
        }
        for parameters in FEW {
            one(card, parameters, &[0x00], 0);
            one(card, parameters, &[0x01, 0x00], 1);
            one(card, parameters, &[0x01, 0x00, 0x00], 1);
            is_no_command(
                card,
                situation,
                [class, instruction, parameters[0], parameters[1]],
            );
        }
    }
    is_still_there(card, situation.session);
    // SELECT, right or wrong, ends whatever there was.
    let select = |card: &mut Card, parameters, body| {
        let verdict = Verdict::ByParameters;
        one(card, situation, &verdict, (0x00, 0xA4), parameters, body);
    };
    for parameters in FEW {
        for body in [(&[][..], 0), (&[0x00], 0), (&[0x01, 0x00], 1)] {
            enter(card, situation.session);
            select(card, parameters, body);
            is_still_there(card, Session::Closed);
        }
    }
    all().for_each(|parameters| select(card, parameters, (&[], 0)));
}

/// Lc, Le and what is there do not fit each other (ISO/IEC 7816-4:2020, 5.2).
fn is_no_command(card: &mut Card, situation: &Situation, header: [u8; 4]) {
    let [class, instruction, ..] = header;
    if class == 0xFF || matches!(instruction >> 4, 6 | 9) {
        return;
    }
    for body in [&[0x02, 0x00][..], &[0x00, 0x00], &[0x01, 0x00, 0x00, 0x00]] {
        let apdu = [&header, body].concat();
        check(situation, &apdu, status(card, &apdu), &[0x6700]);
    }
}

fn without_a_session(session: Session, states: &[LifeCycle]) {
    for state in states {
        let begun = Instant::now();
        let (mut card, situation) = card_in(*state, session);
        let slots = card.memory().slots.clone();
        enter(&mut card, session);
        cut_at(&mut card, None);
        sweep_plain(&mut card, &situation);
        assert_eq!(card.memory().writes, 0, "{state:?} {session:?}");
        unchanged(&card, &slots, &situation);
        println!("{state:?}, {session:?}: {} s", begun.elapsed().as_secs_f32());
    }
}

#[test]
fn closed() {
    without_a_session(Session::Closed, &STATES);
}

#[test]
fn selected() {
    without_a_session(Session::Selected, &STATES);
}

#[test]
fn challenged() {
    without_a_session(Session::Challenged, &STATES);
}

#[test]
fn authority_presented() {
    without_a_session(Session::AuthorityPresented, &ACTIVATED);
}

#[test]
fn terminal_presented() {
    without_a_session(Session::TerminalPresented, &ACTIVATED);
}

// In a session.

fn open(card: &mut Card, session: Session) -> SecureHost {
    if session == Session::Scp03 {
        return IssuerHost::open(card).unwrap().secure;
    }
    let mut terminal = Terminal::new(&Office::new()).open(card).unwrap();
    if session == Session::Verified {
        assert_eq!(terminal.verify(card, &plan().pin, 5, 5_000), 0x9000);
    }
    terminal.secure
}

/// A card and a session with it.
struct Bench {
    card: Card,
    secure: SecureHost,
    situation: Situation,
}

impl Bench {
    fn new(state: LifeCycle, session: Session) -> Self {
        let (mut card, situation) = card_in(state, session);
        let secure = open(&mut card, session);
        cut_at(&mut card, None);
        Self {
            card,
            secure,
            situation,
        }
    }

    fn send(&mut self, header: [u8; 4], data: &[u8]) -> u16 {
        self.secure.exchange(&mut self.card, header, data).unwrap().0.0
    }

    /// A protected command of class 84, or of class 94 and then 84.
    fn one(&mut self, verdict: &Verdict, class: u8, instruction: u8, parameters: [u8; 2], data: &[u8]) {
        let [p1, p2] = parameters;
        let chained = class == 0x94;
        let header = [class & !0x04, instruction, p1, p2];
        let answer = self.send(header, data);
        let situation = &self.situation;
        let expected = match verdict {
            Verdict::Fixed(expected) => expected,
            Verdict::ByParameters => situation.by_parameters(0x84, instruction, parameters, data.len()),
        };
        check(&self.situation, &header, answer, expected);
        if answer != 0x9000 {
            return;
        }
        if chained {
            // The chain ends here, with what was in it.
            let last = [0x80, instruction, p1, p2];
            let answer = self.send(last, &[]);
            let expected = self
                .situation
                .by_parameters(0x84, instruction, parameters, data.len());
            check(&self.situation, &last, answer, expected);
        } else if instruction == 0xB0 && p1 >= 0x80 {
            self.situation.current = self.situation.files[usize::from(p1 & 0x1F)];
        }
    }

    fn sweep(&mut self) {
        let known = commands(self.situation.session);
        for instruction in valid_instructions() {
            let is_known = known.contains(&(0x84, instruction));
            let [single, chained] = [0x84, 0x94].map(|class| self.situation.protected(class, instruction));
            if everything() || (is_known && self.situation.state == Active) {
                all().for_each(|parameters| self.one(&single, 0x84, instruction, parameters, &[]));
            } else if is_known {
                crossed().for_each(|parameters| self.one(&single, 0x84, instruction, parameters, &[]));
            }
            for parameters in FEW {
                self.one(&single, 0x84, instruction, parameters, &[]);
                self.one(&chained, 0x94, instruction, parameters, &[]);
                // A first block of STORE DATA is one, however short (SPEC 6.6).
                if (instruction, parameters) != (0xE2, [0, 0]) {
                    self.one(&single, 0x84, instruction, parameters, &[0]);
                    self.one(&chained, 0x94, instruction, parameters, &[0]);
                }
            }
        }
        if self.situation.current.is_some() {
            let offsets = all().filter(|[p1, _]| *p1 < 0x80);
            offsets.for_each(|parameters| self.one(&Verdict::ByParameters, 0x84, 0xB0, parameters, &[]));
        }
    }

    /// What is wrong about the protection ends the session.
    fn ends(&mut self, apdu: &[u8], expected: Answer) {
        self.secure = open(&mut self.card, self.situation.session);
        cut_at(&mut self.card, None);
        check(&self.situation, apdu, status(&mut self.card, apdu), expected);
        is_still_there(&mut self.card, Session::Closed);
    }

    /// SPEC 8.4: every class without protection, and every class that no protection helps.
    fn sweep_classes(&mut self) {
        for class in 0..=0xFF {
            let instructions = [0xCA, 0xB0, 0x54, 0x20, 0x00];
            for instruction in instructions {
                let header = [class, instruction, 0x00, 0x00];
                self.ends(&header, unprotected(class));
                // Eight bytes that are no MAC.
                let forged = [&header[..], &[8, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
                self.ends(&forged, forged_answer(class));
            }
            self.ends(&[class, 0xCA, 0xFF, 0x3F, 0x02, 0x00], no_command(class));
        }
        for instruction in (0..=0xFF).filter(|instruction| matches!(instruction >> 4, 6 | 9)) {
            for [p1, p2] in FEW {
                // ISO/IEC 7816-4:2020, 5.4.2: invalid in whatever application.
                self.ends(&[0x84, instruction, p1, p2], &[0x6D00]);
            }
        }
    }

    /// SPEC 14.2: another class than `84` and `94` is refused after its C-MAC, and the session goes on.
    fn sweep_interindustry(&mut self) {
        self.secure = open(&mut self.card, self.situation.session);
        cut_at(&mut self.card, None);
        for instruction in valid_instructions() {
            for class in [0x00, 0x10] {
                for [p1, p2] in FEW {
                    let header = [class, instruction, p1, p2];
                    let answer = self.send(header, &[]);
                    check(&self.situation, &header, answer, &[0x6E00]);
                }
            }
        }
        assert_eq!(self.send([0x80, 0xCA, 0xFF, 0x3F], &[]), 0x9000);
    }
}

/// ISO/IEC 7816-4:2020, 5.4.2: no instruction begins with 6 or 9.
fn valid_instructions() -> impl Iterator<Item = u8> {
    (0..=0xFFu8).filter(|instruction| !matches!(instruction >> 4, 6 | 9))
}

/// Does the class announce our secure messaging, on the basic logical channel?
const fn announces(class: u8) -> bool {
    class & !0x90 == 0x04
}

/// SPEC 8.4: a missing class bit is `6987`, a logical channel `6E00`; where both are wrong it does not say which comes first.
const fn unprotected(class: u8) -> Answer {
    match class {
        0xFF => &[0x6E00],
        0x00 | 0x10 | 0x80 | 0x90 => &[0x6987],
        _ if announces(class) => &[0x6987],
        _ if class & 0x04 == 0 => &[0x6987, 0x6E00],
        _ => &[0x6E00],
    }
}

const fn forged_answer(class: u8) -> Answer {
    if announces(class) {
        &[0x6988]
    } else {
        unprotected(class)
    }
}

const fn no_command(class: u8) -> Answer {
    if class == 0xFF { &[0x6E00] } else { &[0x6700] }
}

fn in_a_session(session: Session, states: &[LifeCycle]) {
    for state in states {
        let begun = Instant::now();
        let mut bench = Bench::new(*state, session);
        let slots = bench.card.memory().slots.clone();
        bench.sweep();
        assert_eq!(bench.card.memory().writes, 0, "{state:?} {session:?}");
        if session != Session::Verified {
            bench.sweep_interindustry();
        }
        if session == Session::Scp03 || everything() {
            bench.sweep_classes();
        }
        // VERIFY counts a try and gives it back: nothing else was written.
        unchanged(&bench.card, &slots, &bench.situation);
        println!("{state:?}, {session:?}: {} s", begun.elapsed().as_secs_f32());
    }
}

#[test]
fn in_the_issuers_session() {
    in_a_session(Session::Scp03, &STATES);
}

#[test]
fn in_a_terminals_session() {
    in_a_session(Session::Terminal, &ACTIVATED);
}

#[test]
fn in_a_terminals_session_after_verify() {
    in_a_session(Session::Verified, &[Active]);
}
