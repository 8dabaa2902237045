//! Both ends of secure messaging (SPEC 8) with a stranger between them: what passes unaltered arrives as it was sent, and
//! nothing else is taken for genuine.
#![no_main]

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::scp03::{CardChannel, ChannelError, HostChannel, MAX_COMMAND_DATA, MAX_RESPONSE_DATA, Reply};
use fuzz::{Pieces, session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut pieces = Pieces(input);
    let (mut host, mut card) = session();
    while !pieces.is_empty() {
        let command = Sent::next(&mut pieces);
        if !command_passes(&mut host, &mut card, &command, &mut pieces)
            || !response_passes(&mut host, &mut card, &mut pieces)
        {
            return;
        }
    }
});

/// A command as the host means it.
struct Sent {
    header: [u8; 4],
    data: Vec<u8>,
}

impl Sent {
    fn next(pieces: &mut Pieces<'_>) -> Self {
        let [class, instruction, p1, p2] = pieces.array();
        let data = pieces.bytes();
        // No class of a logical channel, and no instruction that is none (ISO/IEC 7816-4:2020, 5.4.1, 5.4.2).
        let instruction = if matches!(instruction >> 4, 6 | 9) {
            0x20
        } else {
            instruction
        };
        Self {
            header: [class & 0x90, instruction, p1, p2],
            data: data[..data.len().min(MAX_COMMAND_DATA)].to_vec(),
        }
    }

    fn command(&self) -> Command<'_> {
        let [class, instruction, p1, p2] = self.header;
        Command {
            class,
            instruction,
            p1,
            p2,
            data: &self.data,
            expected: Some(256),
        }
    }
}

/// What the stranger does to a message; `None` if it passes as it is.
fn tampered(genuine: &[u8], pieces: &mut Pieces<'_>) -> Option<Vec<u8>> {
    let other = match pieces.byte() {
        0 => pieces.bytes().to_vec(),
        1 => {
            let mut altered = genuine.to_vec();
            let place = usize::from(pieces.byte()) % altered.len();
            altered[place] ^= pieces.byte();
            altered
        }
        2 => genuine[..usize::from(pieces.byte()).min(genuine.len())].to_vec(),
        3 => [genuine, pieces.bytes()].concat(),
        _ => return None,
    };
    (other != genuine).then_some(other)
}

/// Does the session go on?
fn command_passes(
    host: &mut HostChannel,
    card: &mut CardChannel,
    sent: &Sent,
    pieces: &mut Pieces<'_>,
) -> bool {
    let mut buffer = [0; 261];
    let genuine = host.wrap(&sent.command(), &mut buffer).expect("an open channel");
    let other = tampered(genuine, pieces);
    let mut plain = [0; 255];
    let Ok(arrived) = Command::parse(other.as_deref().unwrap_or(genuine)) else {
        assert!(other.is_some());
        return false;
    };
    // Le is the one thing that no MAC covers (Amendment D, 6.2.4).
    let same = Command::parse(genuine).is_ok_and(|genuine| {
        Command {
            expected: None,
            ..genuine
        } == Command {
            expected: None,
            ..arrived
        }
    });
    match card.unwrap(&arrived, &mut plain) {
        Ok(received) => {
            assert!(same, "an altered command was taken for genuine");
            assert_eq!(
                (received.class, received.instruction),
                (sent.header[0], sent.header[1])
            );
            assert_eq!((received.p1, received.p2), (sent.header[2], sent.header[3]));
            assert_eq!(received.data, sent.data);
            true
        }
        Err(_) => {
            assert!(!same, "a genuine command was refused");
            assert!(card.is_closed());
            assert_eq!(card.unwrap(&arrived, &mut plain), Err(ChannelError::Closed));
            false
        }
    }
}

/// Does the session go on?
fn response_passes(host: &mut HostChannel, card: &mut CardChannel, pieces: &mut Pieces<'_>) -> bool {
    let data = pieces.bytes();
    let data = &data[..data.len().min(MAX_RESPONSE_DATA)];
    let status = StatusWord(u16::from_be_bytes(match pieces.byte() {
        0 => [0x6A, 0x80],
        1 => [0x63, 0x40],
        _ => [0x90, 0x00],
    }));
    let mut buffer = [0; 252];
    let genuine = card
        .wrap(&Response::new(data, status), &mut buffer)
        .expect("an open channel");
    let other = tampered(genuine, pieces);
    let arrived = other.as_deref().unwrap_or(genuine);
    let mut plain = [0; fuzz::BUFFER];
    match host.unwrap(arrived, &mut plain) {
        Ok(Reply::Authenticated(response)) => {
            assert!(other.is_none(), "an altered response was taken for genuine");
            assert_eq!(response.checked(status), Ok(data));
            true
        }
        // Amendment D, 6.2.5: an error comes bare, and proves nothing.
        Ok(Reply::Unauthenticated(response)) => {
            assert_eq!(arrived.len(), 2, "unprotected data");
            assert!(response.ok().is_err() && !response.status().is_warning());
            other.is_none()
        }
        Err(_) => {
            assert!(other.is_some(), "a genuine response was refused");
            assert!(host.is_closed());
            false
        }
    }
}
