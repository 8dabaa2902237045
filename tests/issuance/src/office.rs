//! A station among real PC/SC readers: the `ansinh` process, and hands that put cards in and tear them out.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ansinh_readers::{Event, Events, watch};
use rig::VirtualReader;
use serde_json::Value;
use virtual_card::{Chip, Control, Moment, ReferenceCard, vpcd};

use crate::TestStation;

/// Prints the PIN of every test card.
pub const PIN_COMMAND: &str = "printf 271828";
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Several times as long as pcscd takes to look at a reader again, on a busy machine too.
const PAUSE: Duration = Duration::from_secs(3);

/// `ansinh issue --json` at work; killed when dropped.
pub struct Issuing {
    process: Child,
    /// `None` once it is hung up on.
    lines: Option<BufReader<ChildStdout>>,
}

impl Issuing {
    /// Starts it with these arguments besides `--json` and the PIN command.
    pub fn start(station: &TestStation, arguments: &[&str]) -> Self {
        Self::start_with_pin(station, arguments, PIN_COMMAND)
    }

    /// Starts it with another PIN command.
    pub fn start_with_pin(station: &TestStation, arguments: &[&str], pin_command: &str) -> Self {
        let mut command = station.ansinh(&["issue", "--json", "--pin-command", pin_command]);
        let mut process = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = process.stdout.take().map(BufReader::new);
        Self { process, lines }
    }

    /// The next line, `None` after the last.
    pub fn next_line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.as_mut()?.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Listens no more: its standard output is closed.
    pub fn hang_up(&mut self) {
        self.lines = None;
    }

    /// Ends it as nothing else can: `kill -9`.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for its end: exit status, and what it wrote to standard error.
    pub fn end(mut self) -> (ExitStatus, String) {
        while self.next_line().is_some() {}
        let mut errors = String::new();
        self.process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.process.wait().unwrap(), errors)
    }
}

impl Drop for Issuing {
    fn drop(&mut self) {
        // Fails when it has ended, as it should have.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The hand at one reader.
pub struct Hand<'a> {
    reader: &'a VirtualReader,
    events: Events,
}

impl<'a> Hand<'a> {
    /// A hand at this reader.
    pub fn at(reader: &'a VirtualReader) -> Self {
        Self {
            reader,
            events: watch().unwrap(),
        }
    }

    /// Inserts the card with this memory.
    pub fn insert(&self, memory: &Path) -> Control {
        let control = Control::default();
        let card = ReferenceCard::open(memory, control.writes_fuse(), false).unwrap();
        self.insert_chip(card, control)
    }

    /// Inserts any chip.
    pub fn insert_chip(&self, mut chip: impl Chip + Send + 'static, control: Control) -> Control {
        control.insert();
        let (hand, address) = (control.clone(), format!("127.0.0.1:{}", self.reader.port));
        thread::spawn(move || vpcd::run(&mut chip, &address, &hand));
        control
    }

    /// Takes the card out for good, and waits until the reader has noticed.
    pub fn take_out(&self, card: &Control) {
        card.end();
        self.wait_until_out();
    }

    /// Waits until the reader has noticed its first card.
    pub fn wait_until_in(&self) {
        let inserted =
            |event| matches!(event, Event::CardInserted { reader, .. } if reader == self.reader.name);
        while !inserted(
            self.events
                .next_within(PATIENCE)
                .expect("the card is never noticed"),
        ) {}
    }

    /// Waits until the reader has noticed that its card is out: one put in sooner could pass for the same.
    pub fn wait_until_out(&self) {
        assert!(
            self.is_out_within(PATIENCE),
            "the card's removal is never noticed"
        );
    }

    /// Leaves the reader empty for as long as anybody may need to notice. On a busy machine a card can be in and out again before
    /// this hand's own watch has looked, and then nobody tells it of a removal.
    pub fn pause(&self) {
        self.is_out_within(PAUSE);
    }

    fn is_out_within(&self, time: Duration) -> bool {
        let out = Event::CardRemoved(self.reader.name.clone());
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.events.next_within(left) {
                Some(event) if event == out => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
}

/// A card that falls silent at one command until it is told to go on.
pub struct Hanging {
    card: ReferenceCard,
    command: u64,
    moment: Moment,
    silent: Sender<()>,
    go_on: Receiver<()>,
}

impl Hanging {
    /// Falls silent at this command, from 1, `Before` or `After` carrying it out.
    pub fn new(
        card: ReferenceCard,
        command: u64,
        moment: Moment,
        silent: Sender<()>,
        go_on: Receiver<()>,
    ) -> Self {
        Self {
            card,
            command,
            moment,
            silent,
            go_on,
        }
    }
}

impl Chip for Hanging {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.card.answer_to_reset()
    }

    fn reset(&mut self) {
        self.card.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.command = self.command.wrapping_sub(1);
        if self.command != 0 {
            return self.card.transmit(command);
        }
        let answer = match self.moment {
            Moment::Before => vec![0x6F, 0x00],
            Moment::After => self.card.transmit(command),
        };
        self.silent.send(()).unwrap();
        self.go_on.recv().unwrap();
        answer
    }
}
