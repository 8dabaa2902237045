//! Contact transport: the card connects to a virtual reader of pcscd (vpcd, Debian's vsmartcard-vpcd) over TCP.
//!
//! Each message is a length (2 bytes, big-endian) and as many bytes. A message of one byte from the reader is a control:
//! power off, power on, reset, or the request for the answer to reset, the only one with a reply. Any other is an APDU.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::TcpStreamExt;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Chip, Control};

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const ANSWER_TO_RESET: u8 = 4;

/// pcscd opens its readers' ports within 0.1 s for 16 readers; a busy machine gets more.
const READER_START: Duration = Duration::from_secs(10);

/// pcscd looks at a reader every 0.4 s. A card that was back sooner, as no hand can put it, would never have been out, or
/// never be in again, by what pcscd believes.
const OUT_AT_LEAST: Duration = Duration::from_millis(600);

/// Serves the chip in the reader at `address` (host:port), over insertions and removals, until [`Control::end`].
///
/// # Errors
/// When there is no reader at that address, or no longer: pcscd has ended.
pub fn run(chip: &mut impl Chip, address: &str, control: &Control) -> io::Result<()> {
    while control.wait_until_inserted() {
        let mut reader = connect(address)?;
        control.attach(&reader)?;
        // The connection ends when either side hangs up; a card still inserted then finds out by connecting anew.
        let _ = serve(chip, &mut reader, control);
        drop(reader);
        thread::sleep(OUT_AT_LEAST);
    }
    Ok(())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(reader) => {
                reader.set_nodelay(true)?;
                return Ok(reader);
            }
            Err(error) if begun.elapsed() > READER_START => {
                let message = format!("no virtual reader at {address} ({error}): is its pcscd running?");
                return Err(io::Error::new(error.kind(), message));
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn serve(chip: &mut impl Chip, reader: &mut TcpStream, control: &Control) -> io::Result<()> {
    let mut message = Vec::new();
    loop {
        receive(reader, &mut message)?;
        match message[..] {
            [POWER_OFF] => {}
            [POWER_ON | RESET] => chip.reset(),
            [ANSWER_TO_RESET] => send(reader, &chip.answer_to_reset())?,
            [] | [_] => return Err(ErrorKind::InvalidData.into()),
            _ => match control.transmit(chip, &message) {
                Some(answer) => send(reader, &answer)?,
                None => return Ok(()),
            },
        }
    }
}

fn receive(reader: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 2];
    reader.read_exact(&mut length)?;
    // The driver sends length and data apart with Nagle's algorithm on: unless the length is acknowledged at once, the
    // data comes 40 ms later. The kernel forgets this setting, so it is made at each read.
    reader.set_quickack(true)?;
    message.resize(usize::from(u16::from_be_bytes(length)), 0);
    reader.read_exact(message)?;
    reader.set_quickack(true)
}

fn send(reader: &mut TcpStream, payload: &[u8]) -> io::Result<()> {
    let length = u16::try_from(payload.len()).map_err(|_| ErrorKind::InvalidData)?;
    reader.write_all(&[&length.to_be_bytes()[..], payload].concat())
}
