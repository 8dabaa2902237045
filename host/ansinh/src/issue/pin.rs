//! Where the holder's PIN comes from. It is in memory for the one card only, and in no file.

use std::process::{Command, Stdio};
use std::sync::Mutex;

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

/// Longest output that is read of a PIN command: six digits and a line end.
const LONGEST_OUTPUT: usize = 8;

/// A program that is called for each card and prints six digits, such as one that drives a PIN pad or prints PIN letters.
pub struct PinCommand(pub String);

impl PinSource for PinCommand {
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure> {
        let output = Command::new("/bin/sh")
            .args(["-c", &self.0])
            .env("ANSINH_CARD_NUMBER", number.to_string())
            .env("ANSINH_READER", reader)
            .env_remove("ANSINH_PASSPHRASE")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Failure::Pin(format!("--pin-command: {error}")))?;
        let printed = Zeroizing::new(output.stdout);
        if !output.status.success() {
            return Err(Failure::Pin(format!("--pin-command: {}", output.status)));
        }
        let digits = printed.trim_ascii_end();
        let pin = if printed.len() <= LONGEST_OUTPUT {
            Pin::new(digits)
        } else {
            None
        };
        pin.ok_or_else(|| Failure::Pin("--pin-command did not print six digits".to_owned()))
    }
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
        let typed = self.report.suspended(|| {
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
