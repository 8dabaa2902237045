//! The board in QEMU, tried out by its self-test image: serial lines, clock, flash and its rules, seed page, the real
//! PN532 driver against the simulated chip, and power cuts.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rig::{Image, Instructions, Machine, QemuTerminal, firmware_image};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use virtual_card::{Chip, Control, pn532};

const SOON: Duration = Duration::from_secs(30);
const SEED_PAGE: u64 = (16 << 20) - 4096;

/// A chip that answers SELECT after a while.
struct Chips(Duration, &'static [u8]);

impl Chip for Chips {
    fn answer_to_reset(&self) -> Vec<u8> {
        vec![]
    }
    fn reset(&mut self) {}
    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        assert_eq!(command[..4], [0x00, 0xA4, 0x04, 0x00]);
        thread::sleep(self.0);
        self.1.to_vec()
    }
}

struct Bench {
    folder: TempDir,
    machine: Machine,
    card: Control,
}

impl Bench {
    fn new(chip: Chips) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let card = Control::default();
        let hand = card.clone();
        let mut chip = chip;
        thread::spawn(move || pn532::run(&mut chip, &listener, &hand));
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(
            firmware_image("self-test").unwrap(),
            folder.path().join("flash"),
            address,
        )
        .host_link_at(folder.path().join("host"));
        Self {
            folder,
            machine,
            card,
        }
    }

    fn plain() -> Self {
        Self::new(Chips(Duration::ZERO, &[0x90, 0x00]))
    }

    fn start(&self) -> QemuTerminal {
        self.machine.start().unwrap()
    }

    fn flash(&self) -> File {
        let path = self.folder.path().join("flash");
        OpenOptions::new().read(true).write(true).open(path).unwrap()
    }
}

fn answer(terminal: &mut QemuTerminal, key: &str, expected: &str) -> String {
    terminal.press(key).unwrap();
    terminal.wait_for(expected, SOON).unwrap();
    terminal.wait_for("\r\n", SOON).unwrap().trim().to_owned()
}

#[test]
fn flash_and_host_link_outlive_a_power_cut() {
    let bench = Bench::plain();
    for boots in 0..3 {
        let mut terminal = bench.start();
        terminal.wait_for(&format!("boots Ok({boots})"), SOON).unwrap();
        let mut host = OpenOptions::new()
            .read(true)
            .write(true)
            .open(bench.folder.path().join("host"))
            .unwrap();
        let sent: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let mut received = vec![0; sent.len()];
        host.write_all(&sent).unwrap();
        host.read_exact(&mut received).unwrap();
        assert!(received == sent, "the host link garbled bytes");
        terminal.kill().unwrap();
    }
}

#[test]
fn flash_obeys_the_rules_of_nor() {
    let bench = Bench::plain();
    let mut terminal = bench.start();
    // Erase, program, clear one more bit; then: set bits, odd place, odd length, half a block, three times beyond the end.
    assert_eq!(
        answer(&mut terminal, "f", "flash"),
        "oooeaaabbbo [70, 70, 70, 70]"
    );
}

#[test]
fn the_clock_measures_time() {
    let bench = Bench::plain();
    let mut terminal = bench.start();
    let waited = answer(&mut terminal, "t", "waited");
    let milliseconds: u32 = waited.trim_end_matches(" ms").parse().unwrap();
    assert!((300..2000).contains(&milliseconds), "{waited}");
}

#[test]
fn no_two_runs_share_a_random_number() {
    let bench = Bench::plain();
    let mut drawn = Vec::new();
    for _ in 0..3 {
        let mut terminal = bench.start();
        drawn.push(answer(&mut terminal, "r", "random"));
        drawn.push(answer(&mut terminal, "r", "random"));
    }
    drawn.sort();
    drawn.dedup();
    assert_eq!(drawn.len(), 6);
}

#[test]
fn a_seed_is_replaced_before_it_is_used_and_gives_the_same_numbers_only_if_written_again() {
    let bench = Bench::plain();
    let seed = [0x5A; 64];
    let again = bench.machine.clone().seed(seed);
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let mut terminal = again.start().unwrap();
        numbers.push(answer(&mut terminal, "r", "random"));
        let mut page = [0; 72];
        let mut flash = bench.flash();
        flash.seek(SeekFrom::Start(SEED_PAGE)).unwrap();
        flash.read_exact(&mut page).unwrap();
        assert_eq!(page[..8], *b"ANSINHSD");
        assert_ne!(page[8..], seed);
    }
    assert_eq!(numbers[0], numbers[1]);
}

#[test]
fn without_a_seed_page_there_is_no_random_number() {
    let bench = Bench::plain();
    let flash = bench.folder.path().join("flash");
    fs::write(&flash, vec![0xFF; 16 << 20]).unwrap();
    let mut terminal = bench.machine.clone().without_seed().start().unwrap();
    terminal.press("r").unwrap();
    terminal.wait_for("no seed page", SOON).unwrap();
}

#[test]
fn the_driver_finds_a_card_and_lets_it_go() {
    let bench = Bench::plain();
    let mut terminal = bench.start();
    assert_eq!(answer(&mut terminal, "c", "card"), "Ok(None)");
    bench.card.insert();
    for _ in 0..3 {
        assert_eq!(answer(&mut terminal, "c", "card"), "Ok(Some([90, 00]))");
    }
    bench.card.remove();
    assert_eq!(answer(&mut terminal, "c", "card"), "Ok(None)");
}

#[test]
fn a_slow_card_is_waited_for_and_a_dead_one_is_not() {
    let slow = Bench::new(Chips(Duration::from_secs(2), &[0x90, 0x00]));
    let dead = Bench::new(Chips(Duration::from_secs(4), &[0x90, 0x00]));
    for (bench, outcome) in [(slow, "Ok(Some([90, 00]))"), (dead, "Err(CardLost)")] {
        let mut terminal = bench.start();
        bench.card.insert();
        assert_eq!(answer(&mut terminal, "c", "card"), outcome);
    }
}

#[test]
fn a_card_torn_away_is_an_error_and_the_next_one_is_found() {
    let bench = Bench::plain();
    let mut terminal = bench.start();
    bench.card.insert();
    terminal.press("C").unwrap();
    terminal.wait_for("holding", SOON).unwrap();
    bench.card.remove();
    terminal.wait_for("held until CardLost", SOON).unwrap();
    bench.card.insert();
    assert_eq!(answer(&mut terminal, "c", "card"), "Ok(Some([90, 00]))");
}

#[test]
fn an_answer_too_long_for_a_frame_is_an_error() {
    let bench = Bench::new(Chips(Duration::ZERO, &[0x90; 253]));
    let mut terminal = bench.start();
    bench.card.insert();
    assert_eq!(answer(&mut terminal, "c", "card"), "Err(TooLong)");
}

#[test]
fn a_reader_that_is_not_there_is_silent_and_found_when_it_comes() {
    // An address of its own: on 127.0.0.1 another test's reader may be given the port that is freed here.
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let bench = Bench::plain();
    let machine = Machine::new(
        firmware_image("self-test").unwrap(),
        bench.folder.path().join("flash"),
        address.to_string(),
    );
    let mut terminal = machine.start().unwrap();
    assert_eq!(answer(&mut terminal, "c", "card"), "Err(Silent)");
    let listener = TcpListener::bind(address).unwrap();
    let card = Control::default();
    card.insert();
    thread::spawn(move || pn532::run(&mut Chips(Duration::ZERO, &[0x90, 0x00]), &listener, &card));
    // QEMU tries to connect once a second.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(answer(&mut terminal, "c", "card"), "Ok(Some([90, 00]))");
}

#[test]
fn a_failure_of_the_firmware_says_what_to_do() {
    for (key, expected) in [
        ("p", "PANIC qemu-mps2/src/bin/self-test.rs:"),
        ("h", "PANIC HardFault at 0x"),
    ] {
        let bench = Bench::plain();
        let mut terminal = bench.start();
        terminal.press(key).unwrap();
        let shown = terminal.wait_for(expected, SOON).unwrap();
        assert!(shown.contains("Tắt máy rồi bật lại"), "{shown}");
        assert!(
            !shown.contains("provoked"),
            "a panic's message may hold personal data"
        );
    }
}

#[test]
fn the_image_knows_its_own_hash() {
    let bench = Bench::plain();
    let image = Image::open(&firmware_image("self-test").unwrap()).unwrap();
    let shown = answer(&mut bench.start(), "i", "image");
    // Without the note, whose hash it is (`board_parts::image`).
    let noted = &image.flash()[..image.flash().len() - 36];
    assert_eq!(
        shown,
        format!("{} as written", hex::encode(Sha256::digest(noted)))
    );
}

#[test]
fn a_power_cut_hits_exactly_one_word_of_flash() {
    let bench = Bench::plain();
    let image = Image::open(&firmware_image("self-test").unwrap()).unwrap();
    fs::write(bench.folder.path().join("flash"), vec![0x00; 16 << 20]).unwrap();
    // The first writes of this image: it erases the seed page (1024 words), writes the next seed (16), then its magic (2).
    for (time, page) in [
        (1, "414e53494e48534400000000"),
        (2, "ffffffff4e48534400000000"),
        (1025, "ff"),
        (1041, "ffffffff"),
        (1042, "414e5349ffffffff"),
    ] {
        let mut instructions = Instructions::new().unwrap();
        instructions.cut_power_at(&image, "Flash::store", time).unwrap();
        let machine = bench
            .machine
            .clone()
            .seed([0; 64])
            .arguments(instructions.arguments());
        let status = machine.start().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(9));
        let mut found = vec![0; page.len() / 2];
        let mut flash = bench.flash();
        flash.seek(SeekFrom::Start(SEED_PAGE)).unwrap();
        flash.read_exact(&mut found).unwrap();
        let found = hex::encode(found);
        assert_eq!(found, page, "cut before write {time}");
    }
    // The page was cut short, and without another from the launcher there is no randomness.
    let mut terminal = bench.machine.clone().without_seed().start().unwrap();
    terminal.press("r").unwrap();
    terminal.wait_for("no seed page", SOON).unwrap();
}

#[test]
fn instructions_are_counted_apart_and_alike_in_every_run() {
    let bench = Bench::plain();
    let image = Image::open(&firmware_image("self-test").unwrap()).unwrap();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut instructions = Instructions::new().unwrap();
        let hashing = instructions
            .count_inside(&image, "sha2::sha256::compress256")
            .unwrap();
        let machine = bench.machine.clone().seed([0; 64]).instruction_time();
        let mut terminal = machine.arguments(instructions.arguments()).start().unwrap();
        terminal.wait_for("boots", SOON).unwrap();
        let before = instructions.read().unwrap();
        answer(&mut terminal, "i", "image");
        let counts = instructions.read().unwrap().since(&before);
        runs.push(counts.inside(hashing));
        // SHA-256 takes a few thousand instructions for a block of 64 bytes, and is nearly all of the work.
        let blocks = image.flash().len() as u64 / 64;
        assert!(
            (1000..6000).contains(&(counts.inside(hashing) / blocks)),
            "{counts:?}"
        );
        assert!(
            counts.inside(hashing) < counts.all() && counts.all() < counts.inside(hashing) * 2,
            "{counts:?}"
        );
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn cryptography_works_on_the_board_at_a_known_price() {
    let bench = Bench::plain();
    let image = Image::open(&firmware_image("self-test").unwrap()).unwrap();
    let mut instructions = Instructions::new().unwrap();
    let groups = ["make_key", "sign", "verify", "agree"].map(|name| {
        let group = instructions.count_inside(&image, &format!("self_test::{name}"));
        (name, group.unwrap())
    });
    let mut terminal = bench
        .machine
        .clone()
        .arguments(instructions.arguments())
        .start()
        .unwrap();
    assert_eq!(answer(&mut terminal, "k", "keys"), "true false true");
    let counts = instructions.read().unwrap();
    for (name, group) in groups {
        // Each of them runs twice, but for signing.
        assert_eq!(counts.calls(group), if name == "sign" { 1 } else { 2 }, "{name}");
        let millions = counts.inside(group) as f64 / counts.calls(group) as f64 / 1e6;
        println!("{name}: {millions:.2} million instructions");
        assert!((0.1..20.0).contains(&millions), "{name}: {millions}");
    }
    println!("stack: {} bytes", terminal.stack_used(&image).unwrap());
}

#[test]
fn the_terminal_boots_as_a_test_device_and_not_without_randomness() {
    let bench = Bench::plain();
    let machine = Machine::new(
        firmware_image("qemu-mps2").unwrap(),
        bench.folder.path().join("flash"),
        "127.0.0.1:9",
    );
    for _ in 0..2 {
        let mut terminal = machine.start().unwrap();
        terminal.wait_for("TEST", SOON).unwrap();
        terminal.wait_for("No certificates yet", SOON).unwrap();
    }
    fs::write(bench.folder.path().join("flash"), vec![0xFF; 16 << 20]).unwrap();
    let mut terminal = machine.without_seed().start().unwrap();
    let shown = terminal.wait_for("No seed page", SOON).unwrap();
    assert!(!shown.contains("TEST"), "{shown}");
}

#[test]
fn the_stack_tells_how_deep_it_was() {
    let bench = Bench::plain();
    let image = Image::open(&firmware_image("self-test").unwrap()).unwrap();
    let mut terminal = bench.start();
    terminal.wait_for("boots", SOON).unwrap();
    let at_boot = terminal.stack_used(&image).unwrap();
    answer(&mut terminal, "i", "image");
    bench.card.insert();
    answer(&mut terminal, "c", "card");
    let later = terminal.stack_used(&image).unwrap();
    assert!(
        (100..8192).contains(&at_boot) && (at_boot..8192).contains(&later),
        "{at_boot} {later}"
    );
}

#[test]
fn what_the_plugin_cannot_do_is_an_error() {
    let image = Image::open(&firmware_image("self-test").unwrap()).unwrap();
    let mut instructions = Instructions::new().unwrap();
    assert!(instructions.count_inside(&image, "no_such_function").is_err());
    assert!(
        instructions.cut_power_at(&image, "qemu_mps2", 1).is_err(),
        "several functions"
    );
    assert!(instructions.read().is_err(), "never started");
    let bench = Bench::plain();
    for wrong in [
        "cut=0:0",
        "cut=0",
        "cut=x",
        "function=0:10",
        "function=16:10",
        "nonsense=1",
    ] {
        let mut arguments = instructions.arguments();
        arguments[1] += &format!(",{wrong}");
        // QEMU announces its pty before it looks at plugins.
        let started = bench.machine.clone().arguments(arguments).start();
        assert!(started.unwrap().wait_for("boots", SOON).is_err(), "{wrong}");
    }
}

fn program(bench: &Bench, more: &[&str]) -> Command {
    let path = |name| bench.folder.path().join(name);
    let mut program = Command::new(env!("CARGO_BIN_EXE_qemu-terminal"));
    program
        .arg("--image")
        .arg(firmware_image("self-test").unwrap())
        .arg("--flash")
        .arg(path("flash"))
        .args(["--card-reader", "127.0.0.1:9", "--host-link"])
        .arg(path("tty"))
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    program
}

#[test]
fn the_program_connects_keys_and_screen_and_its_kill_is_a_power_cut() {
    let bench = Bench::plain();
    for boots in 0..2 {
        let mut running = program(&bench, &[]).spawn().unwrap();
        let mut screen = BufReader::new(running.stdout.take().unwrap()).lines();
        assert_eq!(screen.next().unwrap().unwrap(), format!("boots Ok({boots})"));
        running.stdin.as_mut().unwrap().write_all(b"t").unwrap();
        assert!(screen.next().unwrap().unwrap().starts_with("waited "));
        running.kill().unwrap();
        running.wait().unwrap();
        // The screen ends when QEMU has died with its launcher.
        assert!(screen.next().is_none());
    }
}

#[test]
fn the_program_cuts_the_power_in_time() {
    let bench = Bench::plain();
    let status = program(&bench, &["--cut-power", "no_such_function=1"]).status();
    assert_eq!(status.unwrap().code(), Some(1));
    let status = program(&bench, &["--cut-power", "Flash::store=5"]).status();
    assert_eq!(status.unwrap().code(), Some(137));
    for wrong in ["Flash::store", "Flash::store=", "Flash::store=-1"] {
        let status = program(&bench, &["--cut-power", wrong])
            .stderr(Stdio::null())
            .status();
        assert_eq!(status.unwrap().code(), Some(2), "{wrong}");
    }
}

#[test]
fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let image = firmware_image("self-test").unwrap();
    let flash = folder.path().join("flash");
    let error_of = |image: &Path| {
        let error = Machine::new(image, &flash, "127.0.0.1:9").start().unwrap_err();
        format!("{error:#}")
    };
    assert!(error_of(&folder.path().join("none")).contains("run firmware/boards/build"));
    fs::write(&flash, [0xFF; 100]).unwrap();
    assert!(error_of(&image).contains("no flash of this machine"));
    assert_eq!(
        fs::read(&flash).unwrap(),
        [0xFF; 100],
        "a file that is no flash stays as it is"
    );
}
