//! One card in one reader, from its insertion to its end.

use std::time::{Duration, Instant};

use ansinh_issuance::{Done, Event, Failure, Issuance, Randomness, Step};
use ansinh_readers::{CardConnection, Statistics, Transaction, TransmitError};
use card_spec::command::Pin;
use card_spec::values::CardNumber;
use getrandom::SysRng;

use super::{Ledger, PinSource, Report};

/// A card that says nothing for this long is dead; generating two key pairs takes the slowest chips a few seconds.
pub(crate) const CARD_TIME_OUT: Duration = Duration::from_secs(30);
/// Restarts on one insertion after another program has reset the card, which costs the card nothing.
pub(crate) const RESTARTS: u32 = 3;

/// How it ended with one card.
pub struct Outcome {
    /// Its number, once it was known.
    pub number: Option<CardNumber>,
    /// The end.
    pub end: Result<Done, Failure>,
    /// APDUs and bytes.
    pub statistics: Statistics,
    /// Time with the card, that of asking for the PIN excluded.
    pub time: Duration,
    /// Of this, the time until the card's answers were there.
    pub card_time: Duration,
    /// Of this, the time until the ledger's answers were there, signing included.
    pub ledger_time: Duration,
}

/// A reader with all that a card in it needs.
pub struct Desk<'a> {
    /// Ledger and keys.
    pub ledger: Ledger<'a>,
    /// Where PINs come from.
    pub pins: &'a dyn PinSource,
    /// What the operator sees.
    pub report: &'a Report,
}

/// What is known of a card while it is worked on.
#[derive(Default)]
struct Course {
    number: Option<CardNumber>,
    /// Kept over a restart on the same insertion, so that nobody is asked twice.
    pin: Option<Pin>,
    asking: Duration,
    card_time: Duration,
    ledger_time: Duration,
    statistics: Statistics,
}

impl Desk<'_> {
    /// Personalizes the card in the reader, or finishes it.
    pub fn serve(&self) -> Outcome {
        let start = Instant::now();
        let mut course = Course::default();
        let mut restarts = 0;
        let end = loop {
            match self.attempt(&mut course) {
                Err(Stop::Reset) if restarts < RESTARTS => restarts += 1,
                Err(Stop::Reset) => break Err(Failure::Reader(TransmitError::Reset.to_string())),
                Err(Stop::Failed(failure)) => break Err(failure),
                Ok(done) => break Ok(done),
            }
        };
        let Course {
            number,
            asking,
            card_time,
            ledger_time,
            statistics,
            ..
        } = course;
        Outcome {
            number,
            end,
            statistics,
            time: start.elapsed().saturating_sub(asking),
            card_time,
            ledger_time,
        }
    }

    fn attempt(&self, course: &mut Course) -> Result<Done, Stop> {
        let randomness = Randomness::draw(&mut SysRng)
            .map_err(|_| Failure::Keys("the operating system's random source failed".to_owned()))?;
        let mut connection = CardConnection::open(self.ledger.reader, CARD_TIME_OUT)?;
        let (mut issuance, mut step) = Issuance::start(self.ledger.station, randomness);
        let end = loop {
            step = match step {
                Step::Done(done) => break Ok(done),
                Step::Failed(failure) => break Err(failure.into()),
                Step::AskPin(number) => issuance.answer(self.pin(number, course)),
                other => match self.with_card(&mut connection, &mut issuance, other, course) {
                    Ok(step) => step,
                    Err(stop) => break Err(stop),
                },
            };
        };
        let statistics = connection.statistics();
        course.statistics.commands += statistics.commands;
        course.statistics.bytes_sent += statistics.bytes_sent;
        course.statistics.bytes_received += statistics.bytes_received;
        end
    }

    /// One card transaction: until the PIN is to be asked for, or the end.
    fn with_card(
        &self,
        connection: &mut CardConnection,
        issuance: &mut Issuance<'_>,
        mut step: Step,
        course: &mut Course,
    ) -> Result<Step, Stop> {
        let mut transaction = connection.transaction()?;
        loop {
            self.report.step(self.ledger.reader, &step);
            let chip = match &step {
                Step::Claim { chip, .. } => Some(*chip),
                _ => None,
            };
            let begun = Instant::now();
            let event = match step {
                Step::Transmit(command) => {
                    let event = transmit(&mut transaction, &command)?;
                    course.card_time += begun.elapsed();
                    event
                }
                step => match self.ledger.answer(step) {
                    Ok(event) => {
                        course.ledger_time += begun.elapsed();
                        event
                    }
                    Err(step) => return Ok(step),
                },
            };
            if let Some(chip) = chip {
                course.number = self.ledger.number_on(&chip);
            }
            step = issuance.answer(event);
        }
    }

    fn pin(&self, number: CardNumber, course: &mut Course) -> Event {
        if course.pin.is_none() {
            let start = Instant::now();
            match self.pins.pin(&number, self.ledger.reader) {
                Ok(pin) => course.pin = Some(pin),
                Err(failure) => return Event::Refused(failure),
            }
            course.asking += start.elapsed();
        }
        let copy = course.pin.as_ref().and_then(|pin| Pin::new(pin.digits()));
        copy.map_or(Event::Refused(Failure::Program("a PIN changed")), Event::Pin)
    }
}

/// What ends an attempt without a result.
pub(crate) enum Stop {
    /// Another program reset the card: start again.
    Reset,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<TransmitError> for Stop {
    fn from(error: TransmitError) -> Self {
        match error {
            TransmitError::Reset => Self::Reset,
            TransmitError::CardLost => Self::Failed(Failure::CardLost),
            TransmitError::Mute(_) => Self::Failed(Failure::MuteCard),
            TransmitError::ReaderLost => Self::Failed(Failure::ReaderGone),
            TransmitError::Unending => Self::Failed(Failure::Malformed("an answer without end")),
            other => Self::Failed(Failure::Reader(other.to_string())),
        }
    }
}

fn transmit(transaction: &mut Transaction<'_>, command: &[u8]) -> Result<Event, TransmitError> {
    Ok(Event::Response(transaction.transmit(command)?.into_apdu()))
}
