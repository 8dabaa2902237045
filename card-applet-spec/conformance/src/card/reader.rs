//! A card in a PC/SC reader.

use std::process::Command;
use std::time::Duration;

use ansinh_readers::CardConnection;

use super::{Card, Cut, NoAnswer};

/// A card that says nothing for so long is dead: key generation takes seconds, not half a minute.
const TIME_OUT: Duration = Duration::from_secs(30);

/// A card behind the computer's PC/SC service.
pub struct ReaderCard {
    reader: String,
    fresh_command: Option<String>,
    connection: Option<CardConnection>,
}

impl ReaderCard {
    /// Connects to the card in the reader of this name. `fresh_command` is what a shell runs to make that card blank
    /// again; while it runs, the kit lets go of the card.
    ///
    /// # Errors
    /// [`NoAnswer`] when there is no such reader, or no card in it.
    pub fn open(reader: &str, fresh_command: Option<String>) -> Result<Self, NoAnswer> {
        let mut card = Self {
            reader: reader.to_owned(),
            fresh_command,
            connection: None,
        };
        card.power_cycle()?;
        Ok(card)
    }
}

impl Card for ReaderCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let connection = self
            .connection
            .as_mut()
            .ok_or_else(|| NoAnswer("there is no connection to the card".to_owned()))?;
        let answer = connection
            .transaction()
            .and_then(|mut transaction| transaction.transmit(command))
            .map_err(|error| NoAnswer(error.to_string()))?;
        Ok(answer.into_apdu())
    }

    /// Dropping the connection resets the card.
    fn power_cycle(&mut self) -> Result<(), NoAnswer> {
        self.connection = None;
        let connection =
            CardConnection::open(&self.reader, TIME_OUT).map_err(|error| NoAnswer(error.to_string()))?;
        self.connection = Some(connection);
        Ok(())
    }

    fn replace_by_blank(&mut self) -> Result<(), NoAnswer> {
        let Some(command) = &self.fresh_command else {
            return Err(NoAnswer("no --fresh-command was given".to_owned()));
        };
        self.connection = None;
        let status = Command::new("sh")
            .arg("-c")
            .arg(command)
            .status()
            .map_err(|error| NoAnswer(format!("--fresh-command could not be started: {error}")))?;
        if !status.success() {
            return Err(NoAnswer(format!("--fresh-command failed: {status}")));
        }
        // Letting go of the card resets it; a chip that was reset before the command ended still has what it had.
        self.power_cycle()?;
        self.power_cycle()
    }

    fn can_be_replaced(&self) -> bool {
        self.fresh_command.is_some()
    }

    /// A reader cannot see a write: it can only take the power between two commands.
    fn cut_power_at(&mut self, _write: u32, _side: Cut) -> Option<()> {
        None
    }

    fn can_be_cut(&self) -> bool {
        false
    }
}
