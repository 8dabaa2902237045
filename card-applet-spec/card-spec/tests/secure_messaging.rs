//! Secure messaging and its handshakes under attack: whatever is altered, cut, repeated or reordered is refused, and
//! the channel stays closed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::crypto::SecretKey;
use card_spec::scp03::{
    AesKey, CardChannel, CardHandshake, ChannelError, HandshakeError, HostChannel, HostHandshake,
    InitializeUpdateResponse, MAX_COMMAND_DATA, MAX_PROTECTED_COMMAND, MAX_PROTECTED_RESPONSE,
    MAX_RESPONSE_DATA, Reply, SecurityLevel, StaticKeys,
};
use card_spec::scp11::{AgreementError, TerminalAgreement, card_agreement};

const SERIAL: [u8; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const VERIFY: Command<'_> = Command {
    class: 0x80,
    instruction: 0x20,
    p1: 0,
    p2: 0x80,
    data: b"123456",
    expected: Some(256),
};

fn keys() -> StaticKeys {
    StaticKeys::new([1; 16], [2; 16], [3; 16])
}

fn secret(octet: u8) -> SecretKey {
    SecretKey::from_bytes(&[octet; 32]).unwrap()
}

fn card_handshake(host: &HostHandshake) -> (CardHandshake, InitializeUpdateResponse) {
    let apdu = host.initialize_update(0x30);
    let command = Command::parse(&apdu).unwrap();
    let (card, response) = CardHandshake::initialize_update(&command, &keys(), 0x30, SERIAL, [7; 8]).unwrap();
    (card, InitializeUpdateResponse::parse(&response).unwrap())
}

fn session() -> (HostChannel, CardChannel) {
    let host = HostHandshake::new([5; 8]);
    let (card, response) = card_handshake(&host);
    let (host, apdu) = host.card_response(&keys(), &response).unwrap();
    (
        host,
        card.external_authenticate(&Command::parse(&apdu).unwrap())
            .unwrap(),
    )
}

fn wrap(host: &mut HostChannel, command: &Command<'_>) -> Vec<u8> {
    host.wrap(command, &mut [0; 261]).unwrap().to_vec()
}

fn deliver(card: &mut CardChannel, octets: &[u8]) -> Result<Vec<u8>, ChannelError> {
    let mut out = [0; 255];
    card.unwrap(&Command::parse(octets).unwrap(), &mut out)
        .map(|command| command.data.to_vec())
}

fn answer(card: &mut CardChannel, data: &[u8], status: StatusWord) -> Vec<u8> {
    card.wrap(&Response::new(data, status), &mut [0; 252])
        .unwrap()
        .to_vec()
}

/// Asserts that a refusal has closed the channel for good.
fn assert_closed(card: &mut CardChannel, valid: &[u8]) {
    assert!(card.is_closed());
    assert_eq!(deliver(card, valid), Err(ChannelError::Closed));
    let response = Response::new(&[], StatusWord::SUCCESS);
    assert_eq!(card.wrap(&response, &mut [0; 252]), Err(ChannelError::Closed));
}

fn assert_host_closed(host: &mut HostChannel, valid: &[u8]) {
    assert!(host.is_closed());
    assert_eq!(host.unwrap(valid, &mut [0; 252]), Err(ChannelError::Closed));
    assert_eq!(host.wrap(&VERIFY, &mut [0; 261]), Err(ChannelError::Closed));
}

#[test]
fn every_length_goes_both_ways_and_fits_the_frame() {
    let (mut host, mut card) = session();
    assert!(!host.is_closed() && !card.is_closed());
    let data = [0x80; 256];
    for length in 0..=MAX_RESPONSE_DATA {
        let sent = &data[..length.min(MAX_COMMAND_DATA)];
        let apdu = wrap(&mut host, &Command { data: sent, ..VERIFY });
        assert!(apdu.len() <= MAX_PROTECTED_COMMAND);
        assert_eq!(deliver(&mut card, &apdu).unwrap(), sent);

        let response = answer(&mut card, &data[..length], StatusWord::SUCCESS);
        assert!(response.len() <= MAX_PROTECTED_RESPONSE);
        let mut out = [0; 252];
        let reply = host.unwrap(&response, &mut out).unwrap().authenticated().unwrap();
        assert_eq!(reply.ok().unwrap(), &data[..length]);
    }
}

#[test]
fn data_too_long_are_refused() {
    let (mut host, mut card) = session();
    let apdu = wrap(&mut host, &VERIFY);
    deliver(&mut card, &apdu).unwrap();
    let response = Response::new(&[0; MAX_RESPONSE_DATA + 1], StatusWord::SUCCESS);
    assert_eq!(card.wrap(&response, &mut [0; 300]), Err(ChannelError::TooLong));
    let (mut host, _) = session();
    let command = Command {
        data: &[0; MAX_COMMAND_DATA + 1],
        ..VERIFY
    };
    assert_eq!(host.wrap(&command, &mut [0; 300]), Err(ChannelError::TooLong));
    assert!(host.is_closed());
}

#[test]
fn buffers_too_small_are_refused() {
    let (mut host, _) = session();
    assert_eq!(
        host.wrap(&VERIFY, &mut [0; 29]),
        Err(ChannelError::BufferTooSmall)
    );
    let (mut host, mut card) = session();
    let apdu = wrap(&mut host, &VERIFY);
    assert_eq!(
        card.unwrap(&Command::parse(&apdu).unwrap(), &mut [0; 15])
            .map(|_| ()),
        Err(ChannelError::BufferTooSmall)
    );
    for size in 0..26 {
        let (mut host, mut card) = session();
        deliver(&mut card, &wrap(&mut host, &VERIFY)).unwrap();
        let response = Response::new(b"data", StatusWord::SUCCESS);
        assert_eq!(
            card.wrap(&response, &mut vec![0; size]),
            Err(ChannelError::BufferTooSmall),
            "{size}"
        );
    }
}

#[test]
fn every_altered_octet_of_a_command_is_refused() {
    let (mut host, _) = session();
    let valid = wrap(&mut host, &VERIFY);
    // The last octet is Le, which is not protected.
    for position in 0..valid.len() - 1 {
        for bit in 0..8 {
            let mut altered = valid.clone();
            altered[position] ^= 1 << bit;
            let Ok(command) = Command::parse(&altered) else {
                continue;
            };
            let (_, mut card) = session();
            assert!(
                card.unwrap(&command, &mut [0; 255]).is_err(),
                "octet {position} bit {bit}"
            );
            assert_closed(&mut card, &valid);
        }
    }
}

#[test]
fn every_cut_of_a_command_is_refused() {
    let (mut host, _) = session();
    let valid = wrap(&mut host, &VERIFY);
    let whole = Command::parse(&valid).unwrap();
    for length in 0..whole.data.len() {
        let (_, mut card) = session();
        let cut = Command {
            data: &whole.data[..length],
            ..whole
        };
        assert!(card.unwrap(&cut, &mut [0; 255]).is_err(), "{length} octets");
        assert_closed(&mut card, &valid);
    }
}

#[test]
fn every_altered_octet_of_a_response_is_refused() {
    let valid = {
        let (mut host, mut card) = session();
        deliver(&mut card, &wrap(&mut host, &VERIFY)).unwrap();
        answer(&mut card, b"twelve bytes", StatusWord::SUCCESS)
    };
    for position in 0..valid.len() {
        for bit in 0..8 {
            let (mut host, _) = session();
            wrap(&mut host, &VERIFY);
            let mut altered = valid.clone();
            altered[position] ^= 1 << bit;
            assert!(
                host.unwrap(&altered, &mut [0; 252]).is_err(),
                "octet {position} bit {bit}"
            );
            assert_host_closed(&mut host, &valid);
        }
    }
}

#[test]
fn every_cut_of_a_response_is_refused() {
    let valid = {
        let (mut host, mut card) = session();
        deliver(&mut card, &wrap(&mut host, &VERIFY)).unwrap();
        answer(&mut card, b"twelve bytes", StatusWord::SUCCESS)
    };
    for length in 0..valid.len() {
        let (mut host, _) = session();
        wrap(&mut host, &VERIFY);
        // The status word stays in place, so that it is the data that are short.
        let cut = if length < 2 {
            valid[..length].to_vec()
        } else {
            [&valid[..length - 2], &[0x90, 0]].concat()
        };
        assert!(host.unwrap(&cut, &mut [0; 252]).is_err(), "{length} octets");
        assert_host_closed(&mut host, &valid);
    }
}

#[test]
fn repeated_and_reordered_commands_are_refused() {
    let (mut host, mut card) = session();
    let first = wrap(&mut host, &VERIFY);
    deliver(&mut card, &first).unwrap();
    let response = answer(&mut card, &[], StatusWord::SUCCESS);
    host.unwrap(&response, &mut [0; 252]).unwrap();
    assert_eq!(deliver(&mut card, &first), Err(ChannelError::Forged));
    assert_closed(&mut card, &first);

    let (mut host, mut shadow) = session();
    let first = wrap(&mut host, &VERIFY);
    deliver(&mut shadow, &first).unwrap();
    host.unwrap(&answer(&mut shadow, &[], StatusWord::SUCCESS), &mut [0; 252])
        .unwrap();
    let second = wrap(&mut host, &VERIFY);
    assert_ne!(first, second);
    let (_, mut card) = session();
    assert_eq!(deliver(&mut card, &second), Err(ChannelError::Forged));
    assert_closed(&mut card, &first);
}

#[test]
fn repeated_and_reflected_responses_are_refused() {
    let (mut host, mut card) = session();
    let command = wrap(&mut host, &VERIFY);
    deliver(&mut card, &command).unwrap();
    let response = answer(&mut card, b"data", StatusWord::SUCCESS);
    host.unwrap(&response, &mut [0; 252]).unwrap();
    wrap(&mut host, &VERIFY);
    assert_eq!(host.unwrap(&response, &mut [0; 252]), Err(ChannelError::Forged));
    assert_host_closed(&mut host, &response);

    let (mut host, _) = session();
    let command = wrap(&mut host, &VERIFY);
    let data = Command::parse(&command).unwrap().data.to_vec();
    let reflected = [&data[..], &[0x90, 0x00]].concat();
    assert_eq!(host.unwrap(&reflected, &mut [0; 252]), Err(ChannelError::Forged));
}

#[test]
fn messages_out_of_turn_are_refused() {
    let (mut host, mut card) = session();
    assert_eq!(
        host.unwrap(&[0x90, 0x00], &mut [0; 252]),
        Err(ChannelError::OutOfTurn)
    );
    assert!(host.is_closed());
    let response = Response::new(&[], StatusWord::SUCCESS);
    assert_eq!(card.wrap(&response, &mut [0; 252]), Err(ChannelError::OutOfTurn));
    assert!(card.is_closed());

    let (mut host, _) = session();
    wrap(&mut host, &VERIFY);
    assert_eq!(host.wrap(&VERIFY, &mut [0; 261]), Err(ChannelError::OutOfTurn));
}

/// Amendment D, 6.2.4: the protected response is longer than the plain one, so any Le becomes 00.
#[test]
fn le_asks_for_all_or_is_missing() {
    for (expected, protected) in [(None, None), (Some(1), Some(256)), (Some(256), Some(256))] {
        let (mut host, _) = session();
        let apdu = wrap(&mut host, &Command { expected, ..VERIFY });
        assert_eq!(Command::parse(&apdu).unwrap().expected, protected);
    }
}

/// SPEC 8.4: `6987` where protection is missing, `6988` where it is wrong.
#[test]
fn a_class_without_the_bit_is_no_protection() {
    let (mut host, mut card) = session();
    let apdu = wrap(&mut host, &VERIFY);
    let protected = Command::parse(&apdu).unwrap();
    let bare = Command {
        class: 0x80,
        ..protected
    };
    assert_eq!(card.unwrap(&bare, &mut [0; 255]), Err(ChannelError::Unprotected));
}

#[test]
fn unprotected_messages_are_refused() {
    let (mut host, mut card) = session();
    assert_eq!(
        card.unwrap(&VERIFY, &mut [0; 255]),
        Err(ChannelError::Unprotected)
    );
    assert!(card.is_closed());
    wrap(&mut host, &VERIFY);
    assert_eq!(
        host.unwrap(&[0x90, 0x00], &mut [0; 252]),
        Err(ChannelError::Unprotected)
    );
    assert!(host.is_closed());
}

#[test]
fn logical_channels_and_foreign_protection_are_refused() {
    for class in [0x01, 0x04, 0x08, 0x0C, 0x84, 0xC0] {
        let (mut host, _) = session();
        assert_eq!(
            host.wrap(&Command { class, ..VERIFY }, &mut [0; 261]),
            Err(ChannelError::Class),
            "{class:02X}"
        );
    }
    for class in [0x05, 0x0C, 0x85, 0xC4] {
        let (_, mut card) = session();
        let command = Command {
            class,
            data: &[0; 24],
            ..VERIFY
        };
        assert_eq!(
            card.unwrap(&command, &mut [0; 255]),
            Err(ChannelError::Class),
            "{class:02X}"
        );
    }
}

#[test]
fn warnings_are_authentic_and_errors_are_not() {
    let (mut host, mut card) = session();
    let mut out = [0; 252];
    deliver(&mut card, &wrap(&mut host, &VERIFY)).unwrap();
    let warning = answer(&mut card, b"receipt", StatusWord::REFUSED_RECEIPT_FOLLOWS);
    let reply = host.unwrap(&warning, &mut out).unwrap().authenticated().unwrap();
    assert_eq!(
        reply.checked(StatusWord::REFUSED_RECEIPT_FOLLOWS),
        Ok(&b"receipt"[..])
    );

    deliver(&mut card, &wrap(&mut host, &VERIFY)).unwrap();
    let error = answer(&mut card, b"never sent", StatusWord::CONDITIONS_NOT_SATISFIED);
    assert_eq!(error, [0x69, 0x85]);
    let reply = host.unwrap(&error, &mut out).unwrap();
    assert!(matches!(reply, Reply::Unauthenticated(_)));
    assert_eq!(reply.authenticated(), Err(StatusWord::CONDITIONS_NOT_SATISFIED));

    // An error does not end the session.
    assert!(deliver(&mut card, &wrap(&mut host, &VERIFY)).is_ok());
}

#[test]
fn a_bare_warning_or_an_error_with_data_is_refused() {
    for forged in [
        &[0x63, 0xC2][..],
        &[0x62, 0x82],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0x6A, 0x80],
        &[1, 0x6A, 0x80],
    ] {
        let (mut host, _) = session();
        wrap(&mut host, &VERIFY);
        assert!(host.unwrap(forged, &mut [0; 252]).is_err());
        assert!(host.is_closed());
    }
}

#[test]
fn every_part_of_a_command_chain_is_protected_by_itself() {
    let (mut host, mut card) = session();
    let mut out = [0; 255];
    let first = wrap(&mut host, &VERIFY.with_chaining(true));
    assert_eq!(first[0], 0x94);
    assert!(
        card.unwrap(&Command::parse(&first).unwrap(), &mut out)
            .unwrap()
            .is_chained()
    );
    host.unwrap(&answer(&mut card, &[], StatusWord::SUCCESS), &mut [0; 252])
        .unwrap();
    let mut last = wrap(&mut host, &VERIFY);
    assert_eq!(last[0], 0x84);
    last[0] ^= 0x10;
    assert_eq!(deliver(&mut card, &last), Err(ChannelError::Forged));
}

#[test]
fn a_handshake_with_other_keys_fails_on_both_sides() {
    let other = StaticKeys::new([1; 16], [9; 16], [3; 16]);
    let host = HostHandshake::new([5; 8]);
    let (_, response) = card_handshake(&host);
    assert_eq!(
        host.card_response(&other, &response).err(),
        Some(HandshakeError::NotAuthentic)
    );

    let host = HostHandshake::new([5; 8]);
    let (card, response) = card_handshake(&host);
    let (_, mut apdu) = host.card_response(&keys(), &response).unwrap();
    apdu[5] ^= 1;
    let refusal = card.external_authenticate(&Command::parse(&apdu).unwrap()).err();
    assert_eq!(refusal, Some(HandshakeError::NotAuthentic));
}

#[test]
fn every_altered_octet_of_external_authenticate_is_refused() {
    for position in 0..21 {
        let host = HostHandshake::new([5; 8]);
        let (card, response) = card_handshake(&host);
        let (_, mut apdu) = host.card_response(&keys(), &response).unwrap();
        apdu[position] ^= 0x02;
        let Ok(command) = Command::parse(&apdu) else {
            continue;
        };
        assert!(card.external_authenticate(&command).is_err(), "octet {position}");
    }
}

#[test]
fn less_than_full_protection_is_refused() {
    for level in [
        SecurityLevel::C_MAC,
        SecurityLevel::C_MAC_C_DECRYPTION,
        SecurityLevel::C_MAC_R_MAC,
    ] {
        let host = HostHandshake::new([5; 8]).at_level(level);
        let (card, response) = card_handshake(&host);
        let (_, apdu) = host.card_response(&keys(), &response).unwrap();
        let refusal = card.external_authenticate(&Command::parse(&apdu).unwrap()).err();
        assert_eq!(refusal, Some(HandshakeError::SecurityLevel));
    }
}

#[test]
fn malformed_handshake_messages_are_refused() {
    let host = HostHandshake::new([5; 8]);
    let (_, response) = card_handshake(&host);
    let valid = response.to_bytes();
    for length in 0..valid.len() {
        assert!(
            InitializeUpdateResponse::parse(&valid[..length]).is_err(),
            "{length} octets"
        );
    }
    assert_eq!(
        InitializeUpdateResponse::parse(&[&valid[..], &[0]].concat()),
        Err(HandshakeError::Malformed)
    );

    let begin = |command: &Command<'_>| {
        CardHandshake::initialize_update(command, &keys(), 0x30, SERIAL, [7; 8])
            .map(|_| ())
            .unwrap_err()
    };
    let apdu = host.initialize_update(0x31);
    assert_eq!(
        begin(&Command::parse(&apdu).unwrap()),
        HandshakeError::UnknownKeyVersion
    );
    let apdu = host.initialize_update(0x30);
    let valid = Command::parse(&apdu).unwrap();
    assert_eq!(
        begin(&Command {
            data: &[5; 7],
            ..valid
        }),
        HandshakeError::Malformed
    );
    assert_eq!(
        begin(&Command {
            data: &[5; 16],
            ..valid
        }),
        HandshakeError::Malformed
    );
    assert_eq!(begin(&Command { p2: 1, ..valid }), HandshakeError::Malformed);
    assert_eq!(
        begin(&Command { class: 0x84, ..valid }),
        HandshakeError::Malformed
    );
}

#[test]
fn keys_of_other_lengths_do_not_exist() {
    for length in (0..40).filter(|length| ![16, 24, 32].contains(length)) {
        assert!(AesKey::from_bytes(&vec![1; length]).is_none());
    }
}

#[test]
fn debug_output_shows_no_key() {
    assert_eq!(format!("{:?}", keys().enc), "AesKey(..)");
    assert_eq!(format!("{:?}", secret(1)), "SecretKey(..)");
}

#[test]
fn every_altered_octet_of_the_key_agreement_is_refused() {
    let (terminal, card) = (secret(1), secret(2));
    let agreement = TerminalAgreement::new(secret(3));
    let command = *agreement.command_data();
    let (_, _, response) = card_agreement(&command, &card, &terminal.public_key(), &secret(4)).unwrap();
    for position in 0..response.len() {
        let mut altered = response;
        altered[position] ^= 1;
        let result = TerminalAgreement::new(secret(3)).finish(&terminal, &card.public_key(), &altered);
        assert!(result.is_err(), "octet {position}");
    }
    for position in 0..command.len() {
        let mut altered = command;
        altered[position] ^= 1;
        let result = card_agreement(&altered, &card, &terminal.public_key(), &secret(4));
        assert!(result.is_err(), "octet {position}");
    }
    for length in 0..response.len() {
        let result =
            TerminalAgreement::new(secret(3)).finish(&terminal, &card.public_key(), &response[..length]);
        assert_eq!(result.err(), Some(AgreementError::Malformed));
    }
    assert!(agreement.finish(&terminal, &card.public_key(), &response).is_ok());
}

#[test]
fn a_card_without_its_certificates_key_is_found_out() {
    let agreement = TerminalAgreement::new(secret(3));
    let (impostor, expected) = (secret(9), secret(2).public_key());
    let (_, _, response) = card_agreement(
        agreement.command_data(),
        &impostor,
        &secret(1).public_key(),
        &secret(4),
    )
    .unwrap();
    assert_eq!(
        agreement.finish(&secret(1), &expected, &response).err(),
        Some(AgreementError::NotAuthentic)
    );
}

#[test]
fn a_terminal_without_its_certificates_key_gets_no_command_through() {
    let claimed = secret(1).public_key();
    let agreement = TerminalAgreement::new(secret(3));
    let (mut card, _, response) =
        card_agreement(agreement.command_data(), &secret(2), &claimed, &secret(4)).unwrap();
    // The impostor ignores the receipt and guesses a session with its own key: any MAC will do for the test.
    assert!(
        agreement
            .finish(&secret(9), &secret(2).public_key(), &response)
            .is_err()
    );
    let forged = Command {
        class: 0x84,
        data: &[0; 24],
        ..VERIFY
    };
    assert_eq!(card.unwrap(&forged, &mut [0; 255]), Err(ChannelError::Forged));
    assert!(card.is_closed());
}
