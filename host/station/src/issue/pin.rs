//! Where the holder's PIN comes from. It is in memory for the one card only, and in no file.

use std::io::{self, Read as _};
use std::process::{ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ansinh_issuance::Failure;
use card_spec::command::Pin;
use card_spec::values::CardNumber;
use dialoguer::Password;
use zeroize::Zeroizing;

use super::Report;
use super::command::{PinProcess, too_slow};

/// Gives the PIN of one card.
pub trait PinSource: Sync {
    /// The PIN for this card, whose reader it is in.
    ///
    /// # Errors
    /// [`Failure::Pin`].
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure>;
}

/// Longest output of a PIN command that can be a PIN: six digits and a line end.
const LONGEST_OUTPUT: usize = 8;

/// A program that is called for each card and prints six digits, such as one that drives a PIN pad.
pub struct PinCommand {
    command: String,
    time_limit: Duration,
}

impl PinCommand {
    /// How long a holder has to choose a PIN.
    pub const TIME_LIMIT: Duration = Duration::from_secs(60);

    /// A command for `/bin/sh`; it and all it started are killed when it takes longer than `time_limit`.
    pub fn new(command: String, time_limit: Duration) -> Self {
        Self { command, time_limit }
    }
}

impl PinSource for PinCommand {
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure> {
        let failed = |error| Failure::Pin(format!("--pin-command: {error}"));
        let deadline = Instant::now() + self.time_limit;
        let mut process = PinProcess::start(&self.command, number, reader, Stdio::null(), Stdio::piped())
            .map_err(failed)?;
        let printed = process
            .output()
            .map_or_else(|| Ok(Zeroizing::default()), |output| read(output, deadline));
        let printed = printed.map_err(failed)?;
        if printed.len() > LONGEST_OUTPUT {
            return Err(Failure::Pin(NO_PIN.to_owned()));
        }
        let status = process.end(deadline).map_err(failed)?;
        if !status.success() {
            return Err(Failure::Pin(format!("--pin-command: {status}")));
        }
        Pin::new(printed.trim_ascii_end()).ok_or_else(|| Failure::Pin(NO_PIN.to_owned()))
    }
}

const NO_PIN: &str = "--pin-command did not print six digits";

/// What a process prints, one byte beyond the longest PIN at most.
fn read(output: ChildStdout, deadline: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    // A thread, because a pipe cannot be read with a time limit; it ends with whoever holds the pipe open.
    thread::spawn(move || {
        let mut printed = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT + 1));
        let read = output.take(LONGEST_OUTPUT as u64 + 1).read_to_end(&mut printed);
        sender.send(read.map(|_| printed))
    });
    let time_left = deadline.saturating_duration_since(Instant::now());
    receiver.recv_timeout(time_left).map_err(|error| match error {
        RecvTimeoutError::Timeout => too_slow(),
        RecvTimeoutError::Disconnected => io::Error::other("its output cannot be read"),
    })?
}

/// The terminal: typed twice, hidden, one card at a time.
pub struct PinPrompt<'a> {
    report: &'a Report,
    terminal: Mutex<()>,
}

impl<'a> PinPrompt<'a> {
    /// Asks below what `report` shows.
    pub fn new(report: &'a Report) -> Self {
        Self {
            report,
            terminal: Mutex::new(()),
        }
    }
}

impl PinSource for PinPrompt<'_> {
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure> {
        let _one_at_a_time = self
            .terminal
            .lock()
            .map_err(|_| Failure::Program("a prompt broke off"))?;
        let typed = self.report.while_typing(|| {
            Password::new()
                .with_prompt(format!(
                    "Mã PIN 6 số cho thẻ {number} / PIN of card {number} ({reader})"
                ))
                .with_confirmation("Nhập lại / Once more", "Hai lần nhập khác nhau / The two differ")
                .validate_with(|typed: &String| {
                    Pin::new(typed.as_bytes())
                        .map(drop)
                        .ok_or("Cần đúng sáu chữ số / Six digits, please")
                })
                .interact()
        });
        let typed = typed.map_err(|_| {
            Failure::Pin("no terminal to type it: use --pin-command or --pin-letter-command".to_owned())
        })?;
        Pin::new(Zeroizing::new(typed).as_bytes()).ok_or_else(|| Failure::Pin("not six digits".to_owned()))
    }
}
