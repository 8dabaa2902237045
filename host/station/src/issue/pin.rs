//! Where the holder's PIN comes from. It is in memory for the one card only, and in no file.

use std::io::{self, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
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
/// How often the end of a PIN command that closed its output is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A program that is called for each card and prints six digits, such as one that drives a PIN pad or prints PIN letters.
pub struct PinCommand {
    command: String,
    time_limit: Duration,
}

impl PinCommand {
    /// How long a holder has to choose a PIN.
    pub const TIME_LIMIT: Duration = Duration::from_secs(60);

    /// A command for `/bin/sh`, killed when it takes longer than `time_limit`.
    pub fn new(command: String, time_limit: Duration) -> Self {
        Self { command, time_limit }
    }

    fn start(&self, number: &CardNumber, reader: &str) -> io::Result<Child> {
        Command::new("/bin/sh")
            .args(["-c", &self.command])
            .env("ANSINH_CARD_NUMBER", number.to_string())
            .env("ANSINH_READER", reader)
            .env_remove("ANSINH_PASSPHRASE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
    }
}

impl PinSource for PinCommand {
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure> {
        let failed = |error| Failure::Pin(format!("--pin-command: {error}"));
        let mut process = self.start(number, reader).map_err(failed)?;
        let ended = run(&mut process, Instant::now() + self.time_limit);
        // Fails when it has ended, as it should have; whoever printed too much or took too long is not waited for.
        let _ = process.kill();
        let _ = process.wait();
        let (printed, status) = ended.map_err(failed)?;
        if printed.len() > LONGEST_OUTPUT {
            return Err(Failure::Pin(NO_PIN.to_owned()));
        }
        if !status.success() {
            return Err(Failure::Pin(format!("--pin-command: {status}")));
        }
        Pin::new(printed.trim_ascii_end()).ok_or_else(|| Failure::Pin(NO_PIN.to_owned()))
    }
}

const NO_PIN: &str = "--pin-command did not print six digits";

/// What the process prints, one byte beyond the longest PIN at most, and how it ended (after too much output: at once).
fn run(process: &mut Child, deadline: Instant) -> io::Result<(Zeroizing<Vec<u8>>, ExitStatus)> {
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = process.stdout.take() {
        // A thread, because a pipe cannot be read with a time limit; it ends with whoever holds the pipe open.
        thread::spawn(move || {
            let mut printed = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT + 1));
            let read = output.take(LONGEST_OUTPUT as u64 + 1).read_to_end(&mut printed);
            sender.send(read.map(|_| printed))
        });
    }
    let time_left = deadline.saturating_duration_since(Instant::now());
    let printed = receiver.recv_timeout(time_left).map_err(|error| match error {
        RecvTimeoutError::Timeout => too_slow(),
        RecvTimeoutError::Disconnected => io::Error::other("its output cannot be read"),
    })??;
    if printed.len() > LONGEST_OUTPUT {
        return Ok((printed, ExitStatus::default()));
    }
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok((printed, status));
        }
        if Instant::now() >= deadline {
            return Err(too_slow());
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it took too long and was ended")
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
        let typed =
            typed.map_err(|_| Failure::Pin("no terminal to type it: use --pin-command".to_owned()))?;
        Pin::new(Zeroizing::new(typed).as_bytes()).ok_or_else(|| Failure::Pin("not six digits".to_owned()))
    }
}
