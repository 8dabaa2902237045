//! MUTUAL AUTHENTICATE of SCP11a (SPEC 7.5), both sides: only the genuine messages open a session.
#![no_main]

use std::sync::LazyLock;

use card_spec::crypto::SecretKey;
use card_spec::scp11::{TerminalAgreement, card_agreement};
use fuzz::Pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut pieces = Pieces(input);
    match pieces.byte() {
        0 => card(&altered(&KEYS.command, &mut pieces)),
        1 => card(pieces.0),
        2 => terminal(&altered(&KEYS.response, &mut pieces)),
        _ => terminal(pieces.0),
    }
});

/// Fixed keys, and the messages of the agreement that they lead to.
struct Keys {
    terminal: SecretKey,
    card: SecretKey,
    card_ephemeral: SecretKey,
    command: Vec<u8>,
    response: Vec<u8>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let (terminal, card, card_ephemeral) = (secret(1), secret(2), secret(3));
    let command = TerminalAgreement::new(secret(4)).command_data().to_vec();
    let (_, _, response) = card_agreement(&command, &card, &terminal.public_key(), &card_ephemeral)
        .expect("the genuine agreement");
    Keys {
        terminal,
        card,
        card_ephemeral,
        command,
        response: response.to_vec(),
    }
});

fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).expect("a key")
}

/// The genuine message with some bytes changed.
fn altered(genuine: &[u8], pieces: &mut Pieces<'_>) -> Vec<u8> {
    let mut message = genuine.to_vec();
    while !pieces.is_empty() {
        let place = usize::from(pieces.byte()) % message.len();
        message[place] ^= pieces.byte();
    }
    message
}

fn card(command: &[u8]) {
    let Keys {
        terminal,
        card,
        card_ephemeral,
        ..
    } = &*KEYS;
    // Anybody may send an ephemeral key of his own: then the session is his who has its private part.
    match card_agreement(command, card, &terminal.public_key(), card_ephemeral) {
        Ok((_, _, response)) => {
            assert_eq!(command[..18], KEYS.command[..18]);
            assert_eq!(response == KEYS.response[..], command == KEYS.command);
        }
        Err(_) => assert_ne!(command, KEYS.command),
    }
}

fn terminal(response: &[u8]) {
    let agreement = TerminalAgreement::new(secret(4));
    let opened = agreement.finish(&KEYS.terminal, &KEYS.card.public_key(), response);
    assert_eq!(
        opened.is_ok(),
        response == KEYS.response,
        "another response opened the session"
    );
}
