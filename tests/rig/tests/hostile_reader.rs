//! A PN532 that breaks its protocol, or is none: the driver in the firmware names the error, never hangs, and recovers.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rig::{Machine, QemuTerminal, firmware_image};

const SOON: Duration = Duration::from_secs(30);
const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
const SAM_CONFIGURATION: u8 = 0x14;
const LIST: u8 = 0x4A;
const EXCHANGE: u8 = 0x40;
const RELEASE: u8 = 0x52;

fn frame(content: &[u8]) -> Vec<u8> {
    let sum = content.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let length = content.len() as u8;
    [
        &[0x00, 0x00, 0xFF, length, length.wrapping_neg()],
        content,
        &[sum.wrapping_neg(), 0x00],
    ]
    .concat()
}

fn answer(command: u8, data: &[u8]) -> Vec<u8> {
    frame(&[&[0xD5, command + 1], data].concat())
}

fn well_behaved(command: u8) -> Vec<u8> {
    let data: &[u8] = match command {
        LIST => &[1, 1, 0x00, 0x04, 0x20, 4, 8, 1, 2, 3, 5, 0x78, 0x80, 0x70, 0x02],
        EXCHANGE => &[0x00, 0x90, 0x00],
        RELEASE => &[0x00],
        _ => &[],
    };
    [&ACK[..], &answer(command, data)].concat()
}

/// One misdeed: at which command, and the bytes sent instead.
type Misdeed = Arc<Mutex<Option<(u8, Vec<u8>)>>>;

fn misbehave(mut line: TcpStream, misdeed: &Misdeed) -> std::io::Result<()> {
    let mut window = [0; 7];
    loop {
        let mut byte = [0];
        line.read_exact(&mut byte)?;
        window.rotate_left(1);
        window[6] = byte[0];
        let [0x00, 0x00, 0xFF, length, _, 0xD4, command] = window else {
            continue;
        };
        let mut rest = vec![0; usize::from(length)];
        line.read_exact(&mut rest)?;
        let mut planned = misdeed.lock().unwrap();
        match planned.take_if(|(at, _)| *at == command) {
            Some((_, bytes)) => line.write_all(&bytes)?,
            None => line.write_all(&well_behaved(command))?,
        }
    }
}

fn tap(terminal: &mut QemuTerminal) -> String {
    terminal.press("c").unwrap();
    terminal.wait_for("card ", SOON).unwrap();
    terminal.wait_for("\r\n", SOON).unwrap().trim().to_owned()
}

#[test]
fn each_misdeed_is_named_and_survived() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let misdeed = Misdeed::default();
    let planned = Arc::clone(&misdeed);
    thread::spawn(move || misbehave(listener.accept().unwrap().0, &planned));
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(
        firmware_image("self-test").unwrap(),
        folder.path().join("flash"),
        address,
    );
    let mut terminal = machine.start().unwrap();

    let acknowledged = |bytes: &[u8]| [&ACK[..], bytes].concat();
    let spoilt = |place: usize| {
        let mut bytes = well_behaved(LIST);
        bytes[place] ^= 0x01;
        bytes
    };
    let mut cases = vec![
        // First, because the reader is set up once, and again only after an error.
        (
            "set-up refused",
            SAM_CONFIGURATION,
            acknowledged(&frame(&[0x7F])),
            "Garbled",
        ),
        ("silence", LIST, vec![], "Silent"),
        ("half an ACK", LIST, ACK[..5].to_vec(), "Silent"),
        (
            "a NACK",
            LIST,
            vec![0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00],
            "Garbled",
        ),
        ("no ACK", LIST, answer(LIST, &[0]), "Garbled"),
        ("noise", LIST, vec![0xA5; 600], "Garbled"),
        ("ACK and silence", LIST, ACK.to_vec(), "CardLost"),
        (
            "half an answer",
            EXCHANGE,
            acknowledged(&answer(EXCHANGE, &[0, 0x90, 0])[..9]),
            "CardLost",
        ),
        ("syntax error", LIST, acknowledged(&frame(&[0x7F])), "Garbled"),
        ("empty frame", LIST, acknowledged(&frame(&[])), "Garbled"),
        (
            "answer to another command",
            LIST,
            acknowledged(&answer(EXCHANGE, &[0])),
            "Garbled",
        ),
        (
            "from the host",
            LIST,
            acknowledged(&frame(&[0xD4, LIST + 1, 0])),
            "Garbled",
        ),
        (
            "extended frame",
            LIST,
            acknowledged(&[0x00, 0x00, 0xFF, 0xFF, 0xFF, 1, 0, 0xFF]),
            "Garbled",
        ),
        (
            "a target without data",
            LIST,
            acknowledged(&answer(LIST, &[1])),
            "NotASmartCard",
        ),
        (
            "a memory card",
            LIST,
            acknowledged(&answer(LIST, &[1, 1, 0, 4, 0x08, 4, 1, 2, 3, 4])),
            "NotASmartCard",
        ),
        (
            "no target count",
            LIST,
            acknowledged(&answer(LIST, &[])),
            "Garbled",
        ),
        (
            "no status",
            EXCHANGE,
            acknowledged(&answer(EXCHANGE, &[])),
            "Garbled",
        ),
        (
            "card gone",
            EXCHANGE,
            acknowledged(&answer(EXCHANGE, &[0x01])),
            "CardLost",
        ),
        (
            "error of no known meaning",
            EXCHANGE,
            acknowledged(&answer(EXCHANGE, &[0x3F])),
            "CardLost",
        ),
        (
            "more to come",
            EXCHANGE,
            acknowledged(&answer(EXCHANGE, &[0x40, 0x90, 0x00])),
            "TooLong",
        ),
        (
            "overflow",
            EXCHANGE,
            acknowledged(&answer(EXCHANGE, &[0x07])),
            "TooLong",
        ),
    ];
    // One wrong bit anywhere in ACK or answer, but the ignored postambles, the card's own data and what is covered above.
    let places = [2, 3, 4, 8, 10, 11, 12];
    cases.extend(places.map(|place| ("one wrong bit", LIST, spoilt(place), "")));
    for (name, command, bytes, expected) in cases {
        *misdeed.lock().unwrap() = Some((command, bytes));
        let shown = tap(&mut terminal);
        assert!(shown.starts_with(&format!("Err({expected}")), "{name}: {shown}");
        let recovered = tap(&mut terminal);
        assert_eq!(recovered, "Ok(Some([90, 00]))", "after {name}");
    }
}
