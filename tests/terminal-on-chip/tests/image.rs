//! An image that is not as the build has made it does not start (decision 31).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use board_parts::image::{Damaged, NOTE, written_hash};
use link::{Answer, FrameDecoder, MAX_ENCODED, Request, VERSION, receive, send};
use rig::{Image, Machine, firmware_image, firmware_image_with_assembly};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);
const REFUSED: &str = "The image is damaged";

fn verdict(image: &[u8]) -> Result<[u8; 32], Damaged> {
    let (first, rest) = image.split_first_chunk().unwrap();
    written_hash(*first, rest)
}

fn flip(image: &mut [u8], bit: usize) {
    image[bit / 8] ^= 1 << (bit % 8);
}

#[test]
fn every_flipped_bit_that_was_tried_is_found() {
    for path in [
        firmware_image("qemu-mps2"),
        firmware_image_with_assembly("qemu-mps2"),
    ] {
        let mut image = Image::open(&path.unwrap()).unwrap().flash().to_vec();
        let hash = verdict(&image).unwrap();
        assert_eq!(hash, *Sha256::digest(&image[..image.len() - NOTE]));
        let bits = 8 * image.len();
        // One in 997 of all, every one of the first words, and every one of the note.
        let bits = (0..bits).step_by(997).chain(0..64).chain(bits - 8 * NOTE..bits);
        for bit in bits {
            flip(&mut image, bit);
            assert_eq!(verdict(&image), Err(Damaged), "bit {bit}");
            flip(&mut image, bit);
        }
        assert_eq!(verdict(&image), Ok(hash));
    }
}

#[test]
fn erased_cut_and_shifted_images_are_found() {
    let image = firmware_image("qemu-mps2").unwrap();
    let image = Image::open(&image).unwrap().flash().to_vec();
    // A page of the nRF52840's flash: erased, or programmed a second time over another.
    for page in (0..image.len()).step_by(4_096) {
        let end = image.len().min(page + 4_096);
        for fill in [0xFF, 0x00] {
            let mut damaged = image.clone();
            damaged[page..end].fill(fill);
            assert_eq!(verdict(&damaged), Err(Damaged), "page {page}, {fill:02X}");
        }
    }
    for missing in 1..=2 * NOTE {
        assert_eq!(
            verdict(&image[..image.len() - missing]),
            Err(Damaged),
            "{missing} missing"
        );
    }
    for length in 4..=4 + NOTE {
        assert_eq!(verdict(&vec![0xFF; length]), Err(Damaged), "{length} bytes");
    }
    let mut shifted = image.clone();
    shifted.rotate_right(4);
    assert_eq!(verdict(&shifted), Err(Damaged));
    let mut longer = image;
    longer.push(0xFF);
    assert_eq!(verdict(&longer), Err(Damaged));
}

/// A file for QEMU, which takes bytes that are no ELF file as what lies in flash from address 0.
fn file(folder: &TempDir, flash: &[u8]) -> PathBuf {
    let path = folder.path().join("image");
    fs::write(&path, flash).unwrap();
    path
}

/// It says so, and leaves everything alone that it keeps.
fn refuses(image: &Path) {
    let folder = TempDir::new().unwrap();
    let flash = folder.path().join("flash");
    let machine = Machine::new(image, &flash, "127.0.0.1:9").without_seed();
    let mut terminal = machine.start().unwrap();
    let shown = terminal.wait_for(REFUSED, SOON).unwrap();
    assert!(shown.contains("Phần mềm hỏng"), "{shown}");
    assert!(!shown.contains("TEST"), "{shown}");
    terminal.wait_for("flash the image again.\r\n", SOON).unwrap();
    terminal.kill().unwrap();
    assert!(fs::read(flash).unwrap().iter().all(|byte| *byte == 0xFF));
}

#[test]
fn a_damaged_image_does_not_start() {
    let path = firmware_image_with_assembly("qemu-mps2").unwrap();
    let image = Image::open(&path).unwrap();
    let end = image.flash().len();
    let verification = image.functions("ansinh_mark_verify").unwrap()[0] as usize;
    let text = b"No certificates yet";
    let text = image.flash().windows(text.len()).position(|bytes| bytes == text);
    let folder = TempDir::new().unwrap();
    for (what, bit) in [
        // The stack begins 2 KiB lower, which it has room for.
        ("the first word", 11),
        ("code", 8 * verification + 3),
        ("a text", 8 * text.unwrap()),
        ("the hash", 8 * (end - NOTE)),
        ("the CRC-32", 8 * end - 1),
    ] {
        println!("{what}");
        let mut damaged = image.flash().to_vec();
        flip(&mut damaged, bit);
        refuses(&file(&folder, &damaged));
    }
    // What these differ from does start.
    let whole = file(&folder, image.flash());
    let machine = Machine::new(whole, folder.path().join("flash"), "127.0.0.1:9");
    machine
        .start()
        .unwrap()
        .wait_for("No certificates yet", SOON)
        .unwrap();
}

#[test]
fn an_image_without_a_note_does_not_start() {
    let image = firmware_image("qemu-mps2").unwrap();
    // As cargo has linked it, beside the folder of the images that the build has finished (firmware/boards/build).
    let linked = image.ancestors().nth(2).unwrap();
    refuses(&linked.join("thumbv7em-none-eabihf/release/qemu-mps2"));
}

#[test]
fn the_host_is_told_the_hash_that_the_build_wrote() {
    let path = firmware_image("qemu-mps2").unwrap();
    let image = Image::open(&path).unwrap();
    let folder = TempDir::new().unwrap();
    let machine = Machine::new(path, folder.path().join("flash"), "127.0.0.1:9");
    let mut terminal = machine.start().unwrap();
    terminal.wait_for("No certificates yet", SOON).unwrap();
    let mut line = OpenOptions::new()
        .read(true)
        .write(true)
        .open(terminal.host_link())
        .unwrap();
    let mut encoded = [0; MAX_ENCODED];
    line.write_all(send(&Request::Hello { version: VERSION }, &mut encoded).unwrap())
        .unwrap();
    let mut decoder = FrameDecoder::new();
    let mut byte = [0];
    let hello = loop {
        line.read_exact(&mut byte).unwrap();
        if let Some(message) = decoder.feed(byte[0]) {
            match receive(message.unwrap()).unwrap() {
                Answer::Hello(hello) => break hello,
                other => panic!("{other:?}"),
            }
        }
    };
    let flash = image.flash();
    assert_eq!(hello.firmware, *Sha256::digest(&flash[..flash.len() - NOTE]));
}
