//! The reference card (SPEC.md) as a pure state machine: a command goes in, a response and persistent writes come out.
//!
//! [`Applet`] does no I/O. It keeps what must outlast the power in a [`Memory`] that its owner lends it, draws keys and
//! challenges from the owner's random source, and forgets the rest at a reset. Each write is atomic and no two depend
//! on each other, so a power cut at any of them leaves the card before or after the command (SPEC 6.12).
#![no_std]

mod activation;
mod answer;
mod blocking;
mod command_chain;
mod commit;
mod content;
mod holder_check;
mod life_cycle;
pub mod memory;
mod paid_lines;
mod payment;
mod personalization;
mod receipts;
mod record;
mod reversal;
mod script;
mod session;
mod state;
mod terminal_session;
mod trust_anchors;

use card_spec::APPLICATION_IDENTIFIER;
use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::command::instruction::{
    DEACTIVATE, DISBURSE, EXECUTE_ISSUER_SCRIPT, EXTERNAL_AUTHENTICATE, INITIALIZE_UPDATE,
    PERFORM_SECURITY_OPERATION, READ_BINARY, REVERSE, SELECT,
};
use card_spec::command::{FileControlInformation, ProprietaryInformation, TRANSPORT_KEY_VERSION};
use card_spec::scp03::{CardChannel, ChannelError, ChipSerial, MAX_PROTECTED_RESPONSE, StaticKeys};
use card_spec::scp11::MUTUAL_AUTHENTICATE;
use card_spec::tlv::{Field as _, Writer};
use heapless::Vec;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use answer::{Answer, MAX_DATA, Stop};
use command_chain::CommandChain;
use life_cycle::{ISSUER_SESSION, PLAIN, TERMINAL_SESSION, rule};
pub use memory::{Memory, PowerLost, Slot};
use personalization::external_authenticate;
use record::Record as _;
use session::{Peer, Session};
use state::{State, StoredKeys};

/// Version of SPEC.md that this card follows.
pub const SPECIFICATION_VERSION: u8 = 1;
/// A response APDU: at most 256 bytes of data and the status word.
pub type ResponseApdu = Vec<u8, 258>;

const INTERINDUSTRY: u8 = 0x00;
const PROPRIETARY: u8 = 0x80;
/// Proprietary class with secure messaging.
const PROTECTED: u8 = 0x84;

/// Commands that may be longer than an APDU (SPEC 8.5).
const CHAINABLE_IN_PLAIN: [u8; 1] = [PERFORM_SECURITY_OPERATION];
const CHAINABLE_IN_SESSION: [u8; 4] = [DISBURSE, REVERSE, EXECUTE_ISSUER_SCRIPT, DEACTIVATE];

/// What stays when the session goes: memory and random source.
struct Card<M, R> {
    memory: M,
    random: R,
}

/// What goes with the power.
struct Volatile {
    session: Session,
    chain: CommandChain,
    /// EXTERNAL AUTHENTICATE failed this often in a row (SPEC 6.3).
    wrong_authentications: u8,
}

impl Volatile {
    fn new() -> Self {
        Self {
            session: Session::Closed,
            chain: CommandChain::default(),
            wrong_authentications: 0,
        }
    }
}

/// The card.
pub struct Applet<M, R> {
    card: Card<M, R>,
    /// `None` after a power loss: the chip is dead until the next reset.
    volatile: Option<Volatile>,
}

/// Makes `memory` that of a blank card: chip serial and transport keys (key version `01`), nothing else.
///
/// # Errors
/// [`BlankError`]; the memory is not that of a card then.
pub fn blank(
    memory: &mut impl Memory,
    chip_serial: &ChipSerial,
    transport_keys: &StaticKeys,
) -> Result<(), BlankError> {
    let keys = StoredKeys::new(TRANSPORT_KEY_VERSION, transport_keys).ok_or(BlankError::Keys)?;
    memory
        .write(Slot::ChipSerial, chip_serial)
        .map_err(|_| BlankError::Memory)?;
    keys.store(memory, Slot::StaticKeys)
        .map_err(|_| BlankError::Memory)
}

/// Why no blank card was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlankError {
    /// The transport keys are not AES-128.
    Keys,
    /// The memory failed.
    Memory,
}

impl core::fmt::Display for BlankError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Keys => "transport keys must be AES-128; no blank card was made",
            Self::Memory => "the memory could not be written; no blank card was made",
        })
    }
}

impl core::error::Error for BlankError {}

impl<M: Memory, R: CryptoRng> Applet<M, R> {
    /// Power comes on over `memory`, which [`blank`] prepared once.
    pub fn power_on(memory: M, random: R) -> Self {
        Self {
            card: Card { memory, random },
            volatile: Some(Volatile::new()),
        }
    }

    /// Power off and on, or a reset by the reader: everything volatile is gone.
    pub fn reset(&mut self) {
        self.volatile = Some(Volatile::new());
    }

    /// The persistent memory.
    pub const fn memory(&self) -> &M {
        &self.card.memory
    }

    /// The persistent memory, for whoever owns the power: a test, a process that is about to end.
    pub const fn memory_mut(&mut self) -> &mut M {
        &mut self.card.memory
    }

    /// Carries out a command APDU. The response is empty if the power was lost on the way, and from then on until
    /// [`Self::reset`].
    pub fn transmit(&mut self, command: &[u8]) -> ResponseApdu {
        let Some(volatile) = &mut self.volatile else {
            return ResponseApdu::new();
        };
        self.card.process(volatile, command).unwrap_or_else(|PowerLost| {
            self.volatile = None;
            ResponseApdu::new()
        })
    }
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    fn process(&mut self, volatile: &mut Volatile, octets: &[u8]) -> Result<ResponseApdu, PowerLost> {
        let Volatile {
            session,
            chain,
            wrong_authentications,
        } = volatile;
        let command = match Command::parse(octets) {
            Ok(command) => command,
            Err(error) => {
                // SPEC 8.4: what is no command ends a session.
                session.end_if_secure();
                return respond(Err(Stop::Refused(error.status())));
            }
        };
        if (command.class, command.instruction) == (INTERINDUSTRY, SELECT) {
            chain.drop_chain();
            *session = Session::Closed;
            let answer = self.select(&command);
            if answer.is_ok() {
                *session = Session::Selected;
            }
            return respond(answer);
        }
        match session {
            Session::Closed => respond(Err(Stop::SECURITY)),
            Session::Secure(channel, peer) => {
                self.secure(channel, peer, chain, &command)?.or_else(|error| {
                    // SPEC 8.4: the session is dead.
                    chain.drop_chain();
                    *session = Session::Closed;
                    respond(Err(error.into()))
                })
            }
            _ => respond(self.plain(session, wrong_authentications, chain, command)),
        }
    }

    /// SELECT (SPEC 6.1). What it answers is the same for all cards of a life cycle.
    fn select(&self, command: &Command<'_>) -> Result<Answer, Stop> {
        require_parameters(command, [0x04, 0x00])?;
        if command.data != APPLICATION_IDENTIFIER {
            return Err(Stop::Refused(StatusWord::FILE_NOT_FOUND));
        }
        let life_cycle = State::of(&self.memory)?.life_cycle();
        let information = FileControlInformation {
            identifier: APPLICATION_IDENTIFIER,
            life_cycle,
            proprietary: ProprietaryInformation {
                version: SPECIFICATION_VERSION,
            },
        };
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        information.write(&mut writer, FileControlInformation::TAG)?;
        Answer::data(writer.finish())
    }

    /// A command outside secure messaging.
    fn plain(
        &mut self,
        session: &mut Session,
        wrong_authentications: &mut u8,
        chain: &mut CommandChain,
        command: Command<'_>,
    ) -> Result<Answer, Stop> {
        chain.admit(&command, &CHAINABLE_IN_PLAIN)?;
        let class = command.with_chaining(false).class;
        let rule = rule(&PLAIN, [class, command.instruction]).ok_or(match class {
            PROTECTED => Stop::SECURITY,
            INTERINDUSTRY | PROPRIETARY => Stop::INSTRUCTION,
            _ => Stop::CLASS,
        })?;
        rule.require(State::of(&self.memory)?.life_cycle())?;
        let Some(command) = chain.take(command)? else {
            return Ok(Answer::done());
        };
        match (command.class, command.instruction) {
            (PROPRIETARY, INITIALIZE_UPDATE) => {
                self.initialize_update(session, *wrong_authentications, &command)
            }
            (PROTECTED, EXTERNAL_AUTHENTICATE) => {
                external_authenticate(session, wrong_authentications, &command)
            }
            (PROPRIETARY, PERFORM_SECURITY_OPERATION) => self.present_certificate(session, &command),
            (PROPRIETARY, MUTUAL_AUTHENTICATE) => self.mutual_authenticate(session, &command),
            (INTERINDUSTRY, READ_BINARY) => self.read_security_object(session, &command),
            _ => Err(Stop::INSTRUCTION),
        }
    }

    /// A command inside a secure session. A channel error ends the session.
    fn secure(
        &mut self,
        channel: &mut CardChannel,
        peer: &mut Peer,
        chain: &mut CommandChain,
        command: &Command<'_>,
    ) -> Result<Result<ResponseApdu, ChannelError>, PowerLost> {
        let mut buffer = Zeroizing::new([0; MAX_DATA]);
        let command = match channel.unwrap(command, buffer.as_mut()) {
            Ok(command) => command,
            Err(error) => return Ok(Err(error)),
        };
        let answer = settle(self.protected(peer, chain, command))?;
        let mut buffer = [0; MAX_PROTECTED_RESPONSE];
        let response = Response::new(&answer.data, answer.status);
        let wrapped = channel.wrap(&response, &mut buffer);
        Ok(wrapped.map(|octets| ResponseApdu::from_slice(octets).unwrap_or_default()))
    }

    /// A command that came through secure messaging, without its protection.
    fn protected(
        &mut self,
        peer: &mut Peer,
        chain: &mut CommandChain,
        command: Command<'_>,
    ) -> Result<Answer, Stop> {
        if let Peer::Terminal(terminal) = peer {
            self.authenticated(terminal)?;
        }
        if command.with_chaining(false).class != PROPRIETARY {
            return Err(Stop::CLASS);
        }
        chain.admit(&command, &CHAINABLE_IN_SESSION)?;
        let rule = match peer {
            Peer::Issuer(_) => rule(&ISSUER_SESSION, command.instruction),
            Peer::Terminal(_) => rule(&TERMINAL_SESSION, command.instruction),
        };
        let state = State::of(&self.memory)?;
        rule.ok_or(Stop::INSTRUCTION)?.require(state.life_cycle())?;
        let Some(command) = chain.take(command)? else {
            return Ok(Answer::done());
        };
        match peer {
            Peer::Issuer(issuer) => self.issuer_command(issuer, &state, &command),
            Peer::Terminal(terminal) => self.terminal_command(terminal, &command),
        }
    }
}

/// P1 and P2 as the clause gives them.
fn require_parameters(command: &Command<'_>, expected: [u8; 2]) -> Result<(), Stop> {
    if [command.p1, command.p2] == expected {
        Ok(())
    } else {
        Err(Stop::P1_P2)
    }
}

/// A command without data.
fn require_no_data(command: &Command<'_>) -> Result<(), Stop> {
    if command.data.is_empty() {
        Ok(())
    } else {
        Err(Stop::LENGTH)
    }
}

/// A refusal is an answer too; the loss of power is none.
fn settle(answer: Result<Answer, Stop>) -> Result<Answer, PowerLost> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(Stop::Refused(status)) => Ok(Answer::status(status)),
        Err(Stop::PowerLost) => Err(PowerLost),
    }
}

/// The response in plain.
fn respond(answer: Result<Answer, Stop>) -> Result<ResponseApdu, PowerLost> {
    let Answer { data, status } = settle(answer)?;
    let octets = data.iter().copied().chain(status.to_bytes());
    Ok(octets.collect())
}
