//! The reference applet on the terminal's processor, as a card in a virtual PC/SC reader: shows that the applet builds and runs
//! without an operating system, and lets its instructions be counted for each command.
//!
//! The card reader's line speaks vpcd's protocol (see `tools/virtual-card`): the length in 2 bytes, big-endian, and as many
//! bytes; one byte is a control, all else an APDU. The memory is RAM: each start is a new blank card.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::fmt::{Arguments, Write as _};

use card_spec::scp03::{ChipSerial, StaticKeys};
use chacha20::ChaCha20Rng;
use cortex_m_rt::entry;
use embedded_io_async::{Read, ReadExactError, Write};
use heapless::Vec;
use qemu_mps2::uart::{LastWords, Uart};
use qemu_mps2::{clock, executor, flash, seed, uart};
use reference_applet::memory::MAX_WRITE;
use reference_applet::{Applet, Memory, PowerLost, ResponseApdu, Slot, blank};
use static_cell::ConstStaticCell;

const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const ANSWER_TO_RESET: u8 = 4;
/// T=1 at the default speed, no historical bytes: TS, T0, TD1, TCK (ISO/IEC 7816-3, 8.2).
const ATR: [u8; 4] = [0x3B, 0x80, 0x01, 0x81];
/// Longest short command APDU: header, Lc, data, Le.
const MAX_COMMAND: usize = 261;

/// Known to everybody: the card is for tests.
const CHIP_SERIAL: ChipSerial = *b"MPS2\x00\x00\x00\x00\x00\x01";
/// The transport keys of the conformance kit's test cards.
const TRANSPORT_KEYS: StaticKeys = StaticKeys::new([0xA1; 16], [0xA2; 16], [0xA3; 16]);

const SLOTS: usize = Slot::COUNT as usize;
type Slots = [Vec<u8, MAX_WRITE>; SLOTS];

static SLOT_CONTENTS: ConstStaticCell<Slots> = ConstStaticCell::new([const { Vec::new() }; SLOTS]);

/// The card's memory in RAM.
struct Ram(&'static mut Slots);

impl Memory for Ram {
    fn read(&self, slot: Slot) -> &[u8] {
        self.0
            .get(usize::from(slot.index()))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), PowerLost> {
        let content = self.0.get_mut(usize::from(slot.index())).ok_or(PowerLost)?;
        *content = Vec::from_slice(bytes).map_err(|_| PowerLost)?;
        Ok(())
    }
}

type Card = Applet<Ram, ChaCha20Rng>;

#[entry]
fn main() -> ! {
    clock::start();
    executor::run(|spawner| {
        if let Ok(task) = card() {
            spawner.spawn(task);
        }
    })
}

#[embassy_executor::task]
async fn card() {
    let lines = uart::enable();
    let random = match seed::consume(flash::take().seed) {
        Ok(random) => random,
        Err(reason) => return say(format_args!("{reason}")),
    };
    let mut memory = Ram(SLOT_CONTENTS.take());
    if let Err(reason) = blank(&mut memory, &CHIP_SERIAL, &TRANSPORT_KEYS) {
        return say(format_args!("{reason}"));
    }
    serve(lines.card_reader, Applet::power_on(memory, random)).await;
}

fn say(words: Arguments<'_>) {
    // The console is all there is to complain to.
    let _ = write!(LastWords, "{words}\r\n");
}

async fn serve(mut reader: Uart, mut card: Card) {
    let mut buffer = [0; MAX_COMMAND];
    // The line has no end: only a broken one would stop the card.
    while let Ok(message) = receive(&mut reader, &mut buffer).await {
        match *message {
            [POWER_ON | RESET] => card.reset(),
            [ANSWER_TO_RESET] => send(&mut reader, &ATR).await,
            [] | [_] => {}
            _ => {
                let response = ansinh_mark_transmit(&mut card, message);
                send(&mut reader, &response).await;
            }
        }
    }
}

/// The place whose instructions are counted.
#[inline(never)]
fn ansinh_mark_transmit(card: &mut Card, command: &[u8]) -> ResponseApdu {
    card.transmit(command)
}

/// A message. Of one that is longer than any command the start is kept, which is no command, and the next one is found.
async fn receive<'b>(
    reader: &mut Uart,
    buffer: &'b mut [u8; MAX_COMMAND],
) -> Result<&'b [u8], ReadExactError<Infallible>> {
    let mut length = [0; 2];
    reader.read_exact(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    let kept = buffer.get_mut(..length.min(MAX_COMMAND)).unwrap_or_default();
    reader.read_exact(kept).await?;
    for _ in kept.len()..length {
        reader.read_exact(&mut [0]).await?;
    }
    Ok(kept)
}

async fn send(reader: &mut Uart, payload: &[u8]) {
    let Ok(length) = u16::try_from(payload.len()) else {
        return;
    };
    let Ok(()) = reader.write_all(&length.to_be_bytes()).await;
    let Ok(()) = reader.write_all(payload).await;
}
