//! Command chaining (SPEC 8.5; ISO/IEC 7816-4:2020, 5.3.3): several APDUs make one command.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::MAXIMUM_CHAIN;
use heapless::Vec;

use crate::PROPRIETARY;
use crate::answer::Stop;

/// CLA without the chaining bit, INS, P1 and P2, which stay the same over a chain.
type Header = [u8; 4];

/// The chain being received, if any.
#[derive(Default)]
pub(crate) struct CommandChain {
    header: Option<Header>,
    /// Its length is checked before anything is copied (CVE-2025-49010).
    data: Vec<u8, MAXIMUM_CHAIN>,
}

impl CommandChain {
    /// Forgets a chain under way.
    pub(crate) fn drop_chain(&mut self) {
        self.header = None;
        self.data.clear();
    }

    /// May this APDU begin a chain or go on with the one under way? Only the instructions `chainable`, of the class of our
    /// own, may take more than one APDU: nothing else is worth keeping.
    pub(crate) fn admit(&mut self, command: &Command<'_>, chainable: &[u8]) -> Result<(), Stop> {
        let [class, ..] = header(command);
        let Some(open) = self.header else {
            self.data.clear();
            let allowed = class == PROPRIETARY && chainable.contains(&command.instruction);
            return if allowed || !command.is_chained() {
                Ok(())
            } else {
                Err(Stop::CLASS)
            };
        };
        if open == header(command) {
            return Ok(());
        }
        self.drop_chain();
        Err(BROKEN)
    }

    /// Takes an APDU that was admitted: the complete command, or `None` if more have to come.
    pub(crate) fn take<'c>(&'c mut self, command: Command<'c>) -> Result<Option<Command<'c>>, Stop> {
        if self.header.is_none() && !command.is_chained() {
            return Ok(Some(command));
        }
        if self.data.extend_from_slice(command.data).is_err() {
            self.drop_chain();
            return Err(BROKEN);
        }
        self.header = command.is_chained().then(|| header(&command));
        if command.is_chained() {
            return Ok(None);
        }
        Ok(Some(Command {
            data: &self.data,
            ..command
        }))
    }
}

/// `6883`.
const BROKEN: Stop = Stop::Refused(StatusWord::LAST_COMMAND_OF_CHAIN_EXPECTED);

fn header(command: &Command<'_>) -> Header {
    let class = command.with_chaining(false).class;
    [class, command.instruction, command.p1, command.p2]
}
