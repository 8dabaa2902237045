//! Runs test cases of Project Wycheproof on the processor: the terminal's flash holds them, the console gets one letter for
//! each. `tests/rig/tests/wycheproof_image.rs` writes them and knows what has to come out.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use embedded_io_async::Write;
use embedded_storage::nor_flash::ReadNorFlash;
use qemu_mps2::curve::CURVE;
use qemu_mps2::flash::Flash;
use qemu_mps2::{clock, executor, flash, uart};

use card_spec::tlv::{DataObject, length_of_first_object};

#[path = "../../../../../card-applet-spec/card-spec/tests/wycheproof_cases/verdict.rs"]
mod verdict;

/// Bytes of a case at most.
const MAXIMUM_CASE: usize = 512;
/// What the console gets for a case that could not be read.
const UNREADABLE: u8 = b'?';

#[entry]
fn main() -> ! {
    clock::start();
    executor::run(|spawner| {
        if let Ok(task) = run_cases() {
            spawner.spawn(task);
        }
    })
}

/// The cases stand one after the other from the start of the flash; erased flash is the end.
#[embassy_executor::task]
async fn run_cases() {
    let uart::Lines { mut console, .. } = uart::enable();
    let mut flash = flash::take().terminal;
    let mut buffer = [0; MAXIMUM_CASE];
    let mut offset = 0;
    while let Some(case) = read_case(&mut flash, offset, &mut buffer) {
        let letter = run(case).map_or(UNREADABLE, |verdict| verdict as u8);
        let Ok(()) = console.write_all(&[letter]).await;
        offset += case.len() as u32;
    }
    let Ok(()) = console.write_all(b"\r\n").await;
}

fn read_case<'b>(flash: &mut Flash, offset: u32, buffer: &'b mut [u8; MAXIMUM_CASE]) -> Option<&'b [u8]> {
    flash.read(offset, buffer).ok()?;
    let extent = length_of_first_object(buffer).ok()??;
    buffer.get(..extent.total)
}

/// A case is `A1`, `A2` or `A3`, the operation, around `80`, `81` and `82`, its inputs.
fn run(case: &[u8]) -> Option<verdict::Verdict> {
    let case = DataObject::parse(case).ok()?;
    let mut members = case.members().ok()?;
    let mut input = |tag| members.expect(tag).map(|object| object.value()).ok();
    let inputs = [input(0x80)?, input(0x81)?, input(0x82)?];
    verdict::verdict(&CURVE, case.tag(), inputs)
}
