//! SPEC 7 and 8: who gets in, what they may read, and what ends a session.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::apdu::{Command, StatusWord};
use card_spec::certificate::{Flags, Role};
use card_spec::scp11::TerminalAgreement;
use common::issuer::{CertificatePlan, IssuerHost, Office, active_card, plan, secret};
use common::terminal::{Session, Terminal, bytes, encode, present, read_security_object};
use common::{Card, Failure, SELECT, blank_card, date, plain, status};

fn refused<T>(status: u16) -> Result<T, Failure> {
    Err(Failure::Refused(StatusWord(status)))
}

fn ready() -> (Office, Card) {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    plain(&mut card, &SELECT).unwrap();
    (office, card)
}

#[test]
fn certificates_are_for_active_cards() {
    let office = Office::new();
    let terminal = Terminal::new(&office);
    let mut card = blank_card();
    plain(&mut card, &SELECT).unwrap();
    assert_eq!(terminal.present(&mut card), refused(0x6985));
}

#[test]
fn a_chain_needs_both_certificates_in_order() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    assert_eq!(present(&mut card, 0x10, &terminal.certificate), refused(0x6A88));
    assert_eq!(present(&mut card, 0x90, &terminal.certificate), refused(0x6A88));
    present(&mut card, 0x90, &terminal.ca_certificate).unwrap();
    assert_eq!(read_security_object(&mut card), refused(0x6982));
    assert_eq!(
        present(&mut card, 0x10, &terminal.ca_certificate),
        refused(0x6A88)
    );
    assert_eq!(present(&mut card, 0x11, &terminal.certificate), refused(0x6A86));
    present(&mut card, 0x10, &terminal.certificate).unwrap();
    read_security_object(&mut card).unwrap();
    // SELECT forgets it.
    plain(&mut card, &SELECT).unwrap();
    assert_eq!(read_security_object(&mut card), refused(0x6982));
}

#[test]
fn a_certificate_that_is_not_right_starts_the_chain_anew() {
    let (office, mut card) = ready();
    let right = office.terminal_plan();
    let signer = &office.terminal_ca;
    let key = secret(50).public_key();
    let wrong = [
        right.sign(&secret(77), key),
        CertificatePlan {
            role: Role::TerminalJournal,
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            role: Role::Issuer,
            holder: "VNISS7900001",
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            holder: "VNT0000001J00001",
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            holder: "VNTCA00002",
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            flags: Flags::Production,
            ..right.clone()
        }
        .sign(signer, key),
        // 36 days; after the CA's end; ended before the card's remembered date (1 November).
        CertificatePlan {
            dates: (date(2026, 11, 15), date(2026, 12, 20)),
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            dates: (date(2031, 12, 20), date(2032, 1, 1)),
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            dates: (date(2026, 10, 1), date(2026, 10, 31)),
            ..right.clone()
        }
        .sign(signer, key),
        CertificatePlan {
            dates: (date(2026, 12, 1), date(2026, 11, 30)),
            ..right.clone()
        }
        .sign(signer, key),
    ];
    let terminal = Terminal::new(&office);
    for (number, certificate) in wrong.iter().enumerate() {
        present(&mut card, 0x90, &terminal.ca_certificate).unwrap();
        assert_eq!(
            present(&mut card, 0x10, certificate),
            refused(0x6982),
            "certificate {number}"
        );
        // The CA has to come again.
        assert_eq!(
            present(&mut card, 0x10, &terminal.certificate),
            refused(0x6A88),
            "certificate {number}"
        );
        assert_eq!(read_security_object(&mut card), refused(0x6982));
    }
    terminal.present(&mut card).unwrap();
}

#[test]
fn an_issuer_is_no_terminal_ca() {
    let (office, mut card) = ready();
    let issuer = office
        .issuer_plan()
        .sign(&office.root, office.issuer.public_key());
    assert_eq!(present(&mut card, 0x90, &issuer), refused(0x6982));
}

#[test]
fn a_select_that_fails_ends_the_session_too() {
    let (office, mut card) = ready();
    let mut session = Terminal::new(&office).open(&mut card).unwrap();
    let mut other = SELECT;
    other[12] = 0x02;
    assert_eq!(status(&mut card, &other), 0x6A82);
    let next = next_command(&mut session);
    assert_eq!(status(&mut card, &next), 0x6982);
}

#[test]
fn every_flipped_byte_of_a_certificate_is_refused() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    for place in 0..terminal.certificate.len() {
        let mut flipped = terminal.certificate.clone();
        flipped[place] ^= 0x01;
        present(&mut card, 0x90, &terminal.ca_certificate).unwrap();
        let outcome = present(&mut card, 0x10, &flipped);
        let known = [refused(0x6982), refused(0x6A80), refused(0x6A88)];
        assert!(known.contains(&outcome), "byte {place}: {outcome:?}");
        assert_eq!(read_security_object(&mut card), refused(0x6982), "byte {place}");
    }
}

#[test]
fn outside_a_session_the_security_object_is_all_there_is() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    terminal.present(&mut card).unwrap();
    for file in 0x80..=0xFF {
        let answer = status(&mut card, &[0x00, 0xB0, file, 0x00, 0x00]);
        assert_eq!(answer, if file == 0x9D { 0x9000 } else { 0x6982 }, "{file:02X}");
    }
    for instruction in [0x88, 0x20, 0x54, 0xCA, 0xE2, 0x44] {
        assert_eq!(status(&mut card, &[0x84, instruction, 0, 0]), 0x6982);
        assert_eq!(status(&mut card, &[0x80, instruction, 0, 0]), 0x6D00);
    }
}

#[test]
fn only_the_holder_of_the_terminals_key_gets_further() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    assert_eq!(
        status(&mut card, &encode(0x80, 0x82, 0x01, 0x11, &[0; 83])),
        0x6982,
        "no certificate yet"
    );
    // A thief has the certificates, and not the key.
    let thief = Terminal {
        key: secret(66),
        ..Terminal::new(&office)
    };
    assert!(matches!(thief.open(&mut card), Err(Failure::NotGenuine)));

    plain(&mut card, &SELECT).unwrap();
    terminal.present(&mut card).unwrap();
    let agreement = TerminalAgreement::new(secret(51));
    let data = agreement.command_data();
    assert_eq!(status(&mut card, &encode(0x80, 0x82, 0x00, 0x11, data)), 0x6A86);
    assert_eq!(
        status(&mut card, &encode(0x80, 0x82, 0x01, 0x11, &data[..82])),
        0x6A80
    );
    let mut off_curve = *data;
    off_curve[82] ^= 0x01;
    assert_eq!(
        status(&mut card, &encode(0x80, 0x82, 0x01, 0x11, &off_curve)),
        0x6A80
    );
    let mut weaker = *data;
    weaker[8] = 0x00;
    assert_eq!(
        status(&mut card, &encode(0x80, 0x82, 0x01, 0x11, &weaker)),
        0x6A80
    );
    assert_eq!(status(&mut card, &encode(0x80, 0x82, 0x01, 0x11, data)), 0x9000);
}

#[test]
fn a_terminal_reads_what_is_for_terminals() {
    let (office, mut card) = ready();
    let mut session = Terminal::new(&office).open(&mut card).unwrap();
    for file in 0x80..=0x9F {
        let expected = match file {
            0x81 | 0x83 | 0x85 | 0x9D => 0x9000,
            0x84 | 0x86 => 0x6982,
            _ => 0x6A82,
        };
        let answer = session.secure.status(&mut card, [0x80, 0xB0, file, 0x00], &[]);
        assert_eq!(answer, expected, "{file:02X}");
    }
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0xB0, 0x81, 0x01], &[]),
        0x6A86
    );
    // The issuer's commands are not a terminal's.
    for instruction in [0x47, 0xE2, 0x44, 0xD8] {
        assert_eq!(
            session.secure.status(&mut card, [0x80, instruction, 0, 0], &[]),
            0x6D00
        );
    }
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0xCA, 0xFF, 0x3F], &[]),
        0x9000
    );
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0xCA, 0xFF, 0x3E], &[]),
        0x6A88
    );
    assert_eq!(
        session.secure.status(&mut card, [0x00, 0x88, 0x00, 0x00], &[]),
        0x6E00
    );
}

#[test]
fn parameters_and_data_are_as_the_clause_has_them() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    // Key version and identifier of the trust anchor (SPEC 7.3).
    for (p1, p2) in [(0x00, 0x90), (0x02, 0x90), (0x01, 0x91), (0x01, 0x11)] {
        let apdu = encode(0x80, 0x2A, p1, p2, &[0]);
        assert_eq!(status(&mut card, &apdu), 0x6A86, "{p1:02X} {p2:02X}");
    }
    present(&mut card, 0x90, &terminal.ca_certificate).unwrap();
    let apdu = encode(0x80, 0x2A, 0x02, 0x10, &terminal.certificate[..200]);
    assert_eq!(status(&mut card, &apdu), 0x6A86);
    terminal.present(&mut card).unwrap();
    assert_eq!(status(&mut card, &encode(0x00, 0xB0, 0x9D, 0x00, &[0])), 0x6700);
    assert_eq!(status(&mut card, &encode(0x00, 0xB0, 0x9D, 0x01, &[])), 0x6A86);
    assert_eq!(status(&mut card, &encode(0x00, 0xB0, 0x7F, 0xFF, &[])), 0x6B00);

    let mut session = terminal.open(&mut card).unwrap();
    let order = bytes(&session.order((2026, 11), 1_000_000, 1));
    let order = &order[..200];
    let refused: [([u8; 4], &[u8], u16); 9] = [
        ([0x80, 0x88, 0x01, 0x00], &[], 0x6A86),
        ([0x80, 0x88, 0x00, 0x01], &[], 0x6A86),
        ([0x80, 0x88, 0x00, 0x00], &[0], 0x6700),
        ([0x80, 0x20, 0x01, 0x81], &[], 0x6A86),
        ([0x80, 0x54, 0x01, 0x00], order, 0x6A86),
        ([0x80, 0x54, 0x00, 0x01], order, 0x6A86),
        ([0x80, 0xCA, 0xFF, 0x3F], &[0], 0x6700),
        ([0x80, 0xB0, 0x00, 0x00], &[], 0x6A82),
        ([0x80, 0xB0, 0x81, 0x00], &[0], 0x6700),
    ];
    for (header, data, status) in refused {
        let answer = session.secure.status(&mut card, header, data);
        assert_eq!(answer, status, "{header:02X?}");
    }
}

#[test]
fn the_remembered_date_moves_forward_and_not_beyond_the_ca() {
    let (office, mut card) = ready();
    let remembered = |card: &mut Card| {
        IssuerHost::open(card)
            .unwrap()
            .card_status(card)
            .unwrap()
            .date
            .unwrap()
    };
    let terminal = |effective, expiry| {
        Terminal::with(
            &office,
            &CertificatePlan {
                dates: (effective, expiry),
                ..office.terminal_plan()
            },
        )
    };
    // Presenting a certificate moves nothing: it may be a copy.
    let later = terminal(date(2027, 3, 1), date(2027, 3, 31));
    later.present(&mut card).unwrap();
    assert_eq!(remembered(&mut card), date(2026, 11, 1));
    later.open(&mut card).unwrap();
    assert_eq!(remembered(&mut card), date(2027, 3, 1));
    // An older certificate that has not expired by then opens a session and moves nothing back.
    terminal(date(2027, 2, 20), date(2027, 3, 10))
        .open(&mut card)
        .unwrap();
    assert_eq!(remembered(&mut card), date(2027, 3, 1));
    // One that expired before is refused.
    assert!(matches!(
        terminal(date(2027, 2, 1), date(2027, 2, 28)).open(&mut card),
        Err(Failure::Refused(StatusWord(0x6982)))
    ));
}

/// A command as a terminal would send it next.
fn next_command(session: &mut Session) -> Vec<u8> {
    let command = Command {
        class: 0x80,
        instruction: 0xB0,
        p1: 0x81,
        p2: 0,
        data: &[1, 2, 3],
        expected: Some(256),
    };
    let mut buffer = [0; 261];
    session
        .secure
        .channel
        .wrap(&command, &mut buffer)
        .unwrap()
        .to_vec()
}

#[test]
fn every_flipped_byte_ends_the_session() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let length = next_command(&mut terminal.open(&mut card).unwrap()).len();
    // The last byte is Le, which no MAC covers; the length byte makes it no command at all.
    for place in (0..length - 1).filter(|place| *place != 4) {
        let mut session = terminal.open(&mut card).unwrap();
        let mut apdu = next_command(&mut session);
        apdu[place] ^= 0x01;
        // The lowest bit of the class names a logical channel.
        let expected = if place == 0 { 0x6E00 } else { 0x6988 };
        assert_eq!(status(&mut card, &apdu), expected, "byte {place}");
        apdu[place] ^= 0x01;
        assert_eq!(status(&mut card, &apdu), 0x6982, "byte {place}");
    }
}

#[test]
fn plain_short_and_replayed_commands_end_the_session() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let plain_commands: [&[u8]; 4] = [
        &[0x00, 0xB0, 0x9D, 0x00, 0x00],
        &[0x80, 0x88, 0x00, 0x00],
        &[0x80, 0x50, 0, 0, 1, 7],
        &[0x84, 0x88, 0, 0],
    ];
    for apdu in plain_commands {
        let _session = terminal.open(&mut card).unwrap();
        assert_eq!(status(&mut card, apdu), 0x6987, "{apdu:02X?}");
        assert_eq!(status(&mut card, apdu), 0x6982);
    }
    let mut session = terminal.open(&mut card).unwrap();
    let apdu = next_command(&mut session);
    assert_eq!(status(&mut card, &apdu), 0x6700, "READ BINARY takes no data");
    assert_eq!(status(&mut card, &apdu), 0x6988);
    let mut session = terminal.open(&mut card).unwrap();
    let apdu = next_command(&mut session);
    assert_eq!(status(&mut card, &apdu[..20]), 0x6700);
    assert_eq!(
        status(&mut card, &apdu),
        0x6982,
        "octets that are no command are unprotected too"
    );
}

#[test]
fn chains_are_of_one_command_and_bounded() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let mut session = terminal.open(&mut card).unwrap();
    let pin = plan().pin;
    assert_eq!(session.verify(&mut card, &pin, 1, 1_000_000), 0x9000);
    let order = bytes(&session.order((2026, 11), 1_000_000, 1));
    let (first, rest) = order.split_at(100);
    let mut send = |card: &mut Card, header: [u8; 4], data: &[u8]| {
        session.secure.exchange(card, header, data).unwrap().0.0
    };
    const MORE: [u8; 4] = [0x90, 0x54, 0x00, 0x00];
    const LAST: [u8; 4] = [0x80, 0x54, 0x00, 0x00];
    // Another command, or other parameters, in between.
    for other in [
        [0x80, 0x88, 0x00, 0x00],
        [0x80, 0x54, 0x00, 0x01],
        [0x90, 0x54, 0x01, 0x00],
    ] {
        assert_eq!(send(&mut card, MORE, first), 0x9000);
        assert_eq!(send(&mut card, other, &[]), 0x6883, "{other:02X?}");
        assert_eq!(send(&mut card, LAST, rest), 0x6A80, "the chain was dropped");
    }
    // 512 bytes and not one more.
    for _ in 0..2 {
        assert_eq!(send(&mut card, MORE, &[0; 223]), 0x9000);
    }
    assert_eq!(send(&mut card, MORE, &[0; 66]), 0x9000);
    assert_eq!(send(&mut card, MORE, &[0; 1]), 0x6883);
    // Nothing else is chained, certificates neither: they come in plain.
    for other in [
        [0x90, 0x20, 0x00, 0x81],
        [0x90, 0x2A, 0x01, 0x90],
        [0x90, 0x88, 0x00, 0x00],
    ] {
        assert_eq!(send(&mut card, other, &[0x80]), 0x6E00, "{other:02X?}");
        assert_eq!(send(&mut card, LAST, rest), 0x6A80, "nothing was kept");
    }
    assert_eq!(send(&mut card, MORE, first), 0x9000);
    assert_eq!(send(&mut card, LAST, rest), 0x9000);
}

#[test]
fn a_chain_does_not_outlive_its_session() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let half = terminal.ca_certificate.split_at(100).0;
    assert_eq!(status(&mut card, &encode(0x90, 0x2A, 0x01, 0x90, half)), 0x9000);
    assert_eq!(status(&mut card, &encode(0x80, 0x2A, 0x01, 0x10, half)), 0x6883);
    assert_eq!(status(&mut card, &encode(0x90, 0x2A, 0x01, 0x90, half)), 0x9000);
    plain(&mut card, &SELECT).unwrap();
    terminal.present(&mut card).unwrap();
}

#[test]
fn in_plain_only_certificates_are_chained_and_under_one_class() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let (first, rest) = terminal.ca_certificate.split_at(100);
    let more = encode(0x90, 0x2A, 0x01, 0x90, first);
    // An order before there is a session is not even kept.
    for (class, instruction) in [
        (0x90, 0x54),
        (0x90, 0x82),
        (0x10, 0x2A),
        (0x94, 0x2A),
        (0x10, 0xB0),
    ] {
        let other = encode(class, instruction, 0x01, 0x90, first);
        assert_eq!(status(&mut card, &other), 0x6E00, "{class:02X} {instruction:02X}");
        assert_eq!(status(&mut card, &encode(0x80, 0x2A, 0x01, 0x90, rest)), 0x6A80);
    }
    // Another class, instruction or parameter in between drops the chain.
    for header in [
        [0x00, 0x2A, 0x01, 0x90],
        [0x84, 0x2A, 0x01, 0x90],
        [0x10, 0x2A, 0x01, 0x90],
        [0x80, 0x54, 0x01, 0x90],
        [0x80, 0x2A, 0x00, 0x90],
        [0x80, 0x2A, 0x01, 0x10],
    ] {
        let [class, instruction, p1, p2] = header;
        assert_eq!(status(&mut card, &more), 0x9000);
        let other = encode(class, instruction, p1, p2, rest);
        assert_eq!(status(&mut card, &other), 0x6883, "{header:02X?}");
        assert_eq!(status(&mut card, &encode(0x80, 0x2A, 0x01, 0x90, rest)), 0x6A80);
    }
    assert_eq!(status(&mut card, &more), 0x9000);
    assert_eq!(status(&mut card, &encode(0x80, 0x2A, 0x01, 0x90, rest)), 0x9000);
}

#[test]
fn two_sessions_of_a_card_share_nothing() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let mut first = terminal.open(&mut card).unwrap();
    let mut second = terminal.open(&mut card).unwrap();
    let old = next_command(&mut first);
    assert_eq!(status(&mut card, &old), 0x6988);
    let new = next_command(&mut second);
    assert_eq!(status(&mut card, &new), 0x6982);
}

#[test]
fn whatever_octets_come_the_card_answers() {
    use common::TestRandom;
    use rand_core::Rng as _;
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let before = card.memory().slots.clone();
    let mut random = TestRandom(1 << 40);
    let mut apdu = [0; 300];
    for round in 0..20_000 {
        if round % 500 == 0 {
            plain(&mut card, &SELECT).unwrap();
            terminal.present(&mut card).unwrap();
        }
        let length = random.next_u32() as usize % apdu.len();
        random.fill_bytes(&mut apdu[..length]);
        // Half of them with a class and an instruction that exist.
        if length > 5 && round % 2 == 0 {
            apdu[0] = [0x00, 0x80, 0x84, 0x90][round / 2 % 4];
            apdu[1] = [0xB0, 0x2A, 0x82, 0x50, 0x88][round / 8 % 5];
            apdu[4] = u8::try_from(length - 5).unwrap_or(0);
        }
        assert!(card.transmit(&apdu[..length]).len() >= 2);
    }
    assert!(card.memory().slots == before, "noise wrote");
}
