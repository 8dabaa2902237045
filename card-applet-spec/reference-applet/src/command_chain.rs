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

    /// Takes an APDU: the complete command, or `None` if more have to come. Only the instructions `chainable`, of the class
    /// of our own, may take more than one APDU: nothing else is worth keeping.
    pub(crate) fn take<'c>(
        &'c mut self,
        command: Command<'c>,
        chainable: &[u8],
    ) -> Result<Option<Command<'c>>, Stop> {
        let class = command.with_chaining(false).class;
        let header = [class, command.instruction, command.p1, command.p2];
        if self.header.is_none() {
            self.data.clear();
            if !command.is_chained() {
                return Ok(Some(command));
            }
            if class != PROPRIETARY || !chainable.contains(&command.instruction) {
                return Err(Stop::CLASS);
            }
        }
        let continues = self.header.is_none_or(|open| open == header);
        if !continues || self.data.extend_from_slice(command.data).is_err() {
            self.drop_chain();
            return Err(Stop::Refused(StatusWord::LAST_COMMAND_OF_CHAIN_EXPECTED));
        }
        if command.is_chained() {
            self.header = Some(header);
            return Ok(None);
        }
        self.header = None;
        Ok(Some(Command {
            data: &self.data,
            ..command
        }))
    }
}
