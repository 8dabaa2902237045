//! One issued card in one reader, from its insertion to the end of one job.

use ansinh_issuance::maintenance::{Event, Job, Maintenance, Outcome, Step};
use ansinh_issuance::{Failure, Randomness};
use ansinh_readers::{CardConnection, TransmitError};
use ansinh_store::maintenance::CardPayments;
use card_spec::command::Pin;
use card_spec::values::CardNumber;
use getrandom::SysRng;

use super::Ledger;
use crate::issue::PinSource;
use crate::issue::desk::{CARD_TIME_OUT, RESTARTS, Stop};

/// How it ended with one card.
pub struct Served {
    /// Its number, once it was known.
    pub number: Option<CardNumber>,
    /// The end.
    pub end: Result<Outcome, Failure>,
    /// What the ledger makes of the payments that were read back from it, once it was known.
    pub payments: Option<CardPayments>,
}

/// A reader with all that a card in it needs.
pub struct Bench<'a> {
    /// Ledger and keys.
    pub ledger: Ledger<'a>,
    /// Where a new PIN comes from.
    pub pins: &'a dyn PinSource,
}

/// What is known of a card while it is worked on.
#[derive(Default)]
struct Course {
    number: Option<CardNumber>,
    /// Kept over a restart on the same insertion, so that nobody is asked twice.
    pin: Option<Pin>,
}

impl Bench<'_> {
    /// Does the job on the card in the reader. A card that another program reset meanwhile is begun with anew, which costs it
    /// nothing: the job finds out what is done.
    pub fn serve(&self, job: Job) -> Served {
        let mut course = Course::default();
        let mut restarts = 0;
        let end = loop {
            match self.attempt(job, &mut course) {
                Err(Stop::Reset) if restarts < RESTARTS => restarts += 1,
                Err(Stop::Reset) => break Err(Failure::Reader(TransmitError::Reset.to_string())),
                Err(Stop::Failed(failure)) => break Err(failure),
                Ok(outcome) => break Ok(outcome),
            }
        };
        // Where the ledger cannot tell, the card's next visit does: how the job ended is said in any case.
        let payments = course
            .number
            .and_then(|number| self.ledger.store.card_payments(&number).ok());
        Served {
            number: course.number,
            end,
            payments,
        }
    }

    fn attempt(&self, job: Job, course: &mut Course) -> Result<Outcome, Stop> {
        let randomness = Randomness::draw(&mut SysRng)
            .map_err(|_| Failure::Keys("the operating system's random source failed".to_owned()))?;
        let mut connection = CardConnection::open(self.ledger.reader, CARD_TIME_OUT)?;
        let (mut maintenance, mut step) = Maintenance::start(self.ledger.station, job, randomness);
        loop {
            step = match step {
                Step::Done(outcome) => return Ok(*outcome),
                Step::Failed(failure) => return Err(failure.into()),
                Step::AskPin(number) => maintenance.answer(self.pin(number, course)),
                other => self.with_card(&mut connection, &mut maintenance, other, course)?,
            };
        }
    }

    /// One card transaction: until the PIN is to be asked for, or the end.
    fn with_card(
        &self,
        connection: &mut CardConnection,
        maintenance: &mut Maintenance<'_>,
        mut step: Step,
        course: &mut Course,
    ) -> Result<Step, Stop> {
        let mut transaction = connection.transaction()?;
        loop {
            let event = match step {
                Step::Transmit(command) => Event::Response(transaction.transmit(&command)?.into_apdu()),
                step => match self.ledger.answer(step) {
                    Ok(event) => event,
                    Err(step) => return Ok(step),
                },
            };
            if let Event::Card(card) = &event {
                course.number = Some(card.number);
            }
            step = maintenance.answer(event);
        }
    }

    fn pin(&self, number: CardNumber, course: &mut Course) -> Event {
        if course.pin.is_none() {
            match self.pins.pin(&number, self.ledger.reader) {
                Ok(pin) => course.pin = Some(pin),
                Err(failure) => return Event::Refused(failure),
            }
        }
        let copy = course.pin.as_ref().and_then(|pin| Pin::new(pin.digits()));
        copy.map_or(Event::Refused(Failure::Program("a PIN changed")), Event::Pin)
    }
}
