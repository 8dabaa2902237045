//! The life of a card in the issuer's reader after it was issued (SPEC 13), without I/O: steps out, events in.
//!
//! A [`Maintenance`] opens the issuer's session, brings the ledger up to date with what the card says of itself (version in
//! force, receipts, scripts executed), and then does one [`Job`]. Whatever changes the card is a script that the issuer has
//! signed and the ledger has stored before it is sent; it names card and receipt counter, so it works once. After a tear the
//! same job on the same card asks the card first, goes on with the same script, and ends where it would have ended.
//!
//! | module | job |
//! |---|---|
//! | `course` | the order of things, from SELECT to the job's end |
//! | `sighting` | what an authenticated card says of itself, its receipts verified |
//! | [`script`] | scripts before and after they are signed |

mod course;
pub mod script;
mod sighting;

use card_spec::command::{CardStatus, Pin};
use card_spec::crypto::Digest;
use card_spec::cso::PersonReference;
use card_spec::list::BlockReason;
use card_spec::scp03::{ChipSerial, StaticKeys};
use card_spec::values::CardNumber;

use crate::exchange::{Course, Desk, Dialogue, Turn, WRONG_ANSWER};
use crate::{CsoDraft, Failure, PersonRecord, Randomness, Station};

pub use script::{Order, ScriptDraft};
pub use sighting::{ReadReceipt, Sighting};

/// What is to be done with the card in the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Say what card this is; its receipts are read back.
    Inspect,
    /// A new PIN, chosen by the holder; all tries are left then.
    NewPin,
    /// Block the card; ledger first. It can be unblocked.
    Block(BlockReason),
    /// Let a blocked card pay again that counts as a live one in the ledger.
    Unblock,
    /// Write the person's record as it is today: a new CSO version with new data groups.
    Update,
    /// Close the card for ever; ledger first.
    Terminate(BlockReason),
    /// Undo the payments whose money was not handed over, as committed journals tell (SPEC 13.7).
    UndoPayments,
}

/// What the caller is to do next. The event that answers it is named with each; [`Event::Refused`] answers any.
pub enum Step {
    /// Send this command APDU to the card: [`Event::Response`]. May hold a PIN or personal data under encryption.
    Transmit(Vec<u8>),
    /// Look up the issuer's keys of this chip: [`Event::Keys`], or [`Failure::UnknownChip`] if it came with no delivery.
    FindKeys(ChipSerial),
    /// Find the card that this chip carries: [`Event::Card`], or [`Failure::UnrecordedCard`]. The chip has proved its serial.
    FindCard(ChipSerial),
    /// Have the holder's new PIN typed for this card: [`Event::Pin`]. Release the card's transaction first.
    AskPin(CardNumber),
    /// Commit this to the ledger before anything else: [`Event::Written`].
    Write(CardNumber, Fact),
    /// Give the CSO its place in the issuer's sequence, sign it and store it with its groups as a further version of the
    /// card, all in one transaction: [`Event::Signed`].
    SignVersion(Box<VersionDraft>),
    /// Sign and store the script in one transaction: [`Event::Signed`]. If a script with this order was signed for this
    /// card and counter before, that one is the answer.
    SignScript(ScriptDraft),
    /// The end: the job is done.
    Done(Box<Outcome>),
    /// The end: the job is not done.
    Failed(Failure),
}

/// A new version of a card, not yet signed. Its groups hold personal data: no `Debug`.
pub struct VersionDraft {
    /// What is to be signed.
    pub cso: CsoDraft,
    /// The groups' data objects in the order of STORE DATA: kept until the card has them, because their salts cannot be
    /// had twice.
    pub groups: Vec<u8>,
    /// [`KnownCard::change`] of the record they are made from.
    pub change: u64,
}

/// What is written to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The journal: this is about to be done to the card.
    About(Act),
    /// The card counts as blocked from here on, whatever its chip knows of it.
    Blocked(BlockReason),
    /// What the authenticated card says of itself.
    Seen(Sighting),
    /// The card has taken the new PIN.
    PinSet,
}

/// An act on the card that is not a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// STORE DATA of this version to the card's spare place.
    LoadUpdate(u16),
    /// CHANGE REFERENCE DATA.
    SetPin,
}

impl Act {
    /// The name in the card's journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LoadUpdate(_) => "load-update",
            Self::SetPin => "set-new-pin",
        }
    }
}

/// The answer to a [`Step`].
pub enum Event {
    /// What the card answered, status word included.
    Response(Vec<u8>),
    /// The issuer's keys of the chip.
    Keys(Box<StaticKeys>),
    /// The card that the chip carries.
    Card(Box<KnownCard>),
    /// The PIN.
    Pin(Pin),
    /// Committed.
    Written,
    /// The signed object, `FF20`.
    Signed(Vec<u8>),
    /// It could not be done.
    Refused(Failure),
}

/// A card as the ledger knows it. Holds personal data: no `Debug`.
pub struct KnownCard {
    /// Its number.
    pub number: CardNumber,
    /// Whose it is.
    pub reference: PersonReference,
    /// Whether it may pay.
    pub standing: Standing,
    /// Every version that was ever signed for it, ascending.
    pub versions: Vec<KnownVersion>,
    /// Counters of scripts that were signed and of which it is not known whether the card executed them.
    pub open_scripts: Vec<u32>,
    /// Highest receipt counter of which the receipt is in the ledger, 0 if none.
    pub receipts_to: u32,
    /// Hashes of the orders that stand as paid in the ledger while a committed journal says that their money was not handed over,
    /// newest first.
    pub not_handed: Vec<Digest>,
    /// What an update writes.
    pub person: PersonRecord,
    /// The ledger's number of the newest change that `person` takes in; handed back with a new version.
    pub change: u64,
}

/// What the ledger holds of a card's right to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its issuance is not finished.
    Unfinished,
    /// It may pay.
    Active,
    /// It may not.
    Blocked(BlockReason),
}

/// One version of a card.
pub struct KnownVersion {
    /// The signed CSO, `FF20`.
    pub cso: Vec<u8>,
    /// Its data groups, as long as the card is not known to have them.
    pub groups: Option<Vec<u8>>,
    /// Whether the card was seen with it.
    pub confirmed: bool,
}

/// A good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The card.
    pub number: CardNumber,
    /// What was done.
    pub deed: Deed,
    /// Version of the CSO in force.
    pub version: u16,
    /// The ledger's word on the card after the job.
    pub standing: Standing,
    /// What the card said of itself at the end.
    pub status: CardStatus,
    /// Receipts that were read back for the first time.
    pub new_receipts: usize,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing was to be changed.
    Inspected,
    /// The new PIN is set.
    PinSet,
    /// The card is blocked.
    Blocked,
    /// The card pays again.
    Unblocked,
    /// The person's record of today is in force, or a run before this one had put it in force and this one confirmed it.
    Updated,
    /// The card is closed for ever.
    Terminated,
    /// Of the payments whose money was not handed over, the card has undone so many.
    PaymentsUndone {
        /// Undone, and unpaid from here on.
        undone: usize,
        /// The card has undone them before, or keeps them no more: they stand as paid.
        left: usize,
    },
}

/// One job on the card in one reader, from power-up to its end.
pub struct Maintenance<'a>(Course<'a, Talk, Outcome>);

impl<'a> Maintenance<'a> {
    /// Starts on a card that was just powered up.
    pub fn start(station: &'a Station, job: Job, random: Randomness) -> (Self, Step) {
        let (course, turn) = Course::start(|desk| course::maintain(desk, station, job, random));
        (Self(course), turn.into())
    }

    /// Goes on with the answer to the last step. An answer to another question is [`Failure::Program`].
    pub fn answer(&mut self, event: Event) -> Step {
        self.0.answer(event).into()
    }
}

impl From<Turn<Self, Outcome>> for Step {
    fn from(turn: Turn<Self, Outcome>) -> Self {
        match turn {
            Turn::Asks(step) => step,
            Turn::Ended(Ok(outcome)) => Self::Done(Box::new(outcome)),
            Turn::Ended(Err(failure)) => Self::Failed(failure),
        }
    }
}

/// The questions of this module.
struct Talk;

impl Dialogue for Talk {
    type Step = Step;
    type Event = Event;

    fn transmit(command: Vec<u8>) -> Step {
        Step::Transmit(command)
    }

    fn response(event: Event) -> Option<Vec<u8>> {
        match event {
            Event::Response(response) => Some(response),
            _ => None,
        }
    }

    fn accepted(event: Event) -> Result<Event, Failure> {
        match event {
            Event::Refused(failure) => Err(failure),
            event => Ok(event),
        }
    }
}

impl Desk<Talk> {
    async fn issuer_keys(&self, chip: ChipSerial) -> Result<Box<StaticKeys>, Failure> {
        match self.ask(Step::FindKeys(chip)).await? {
            Event::Keys(keys) => Ok(keys),
            _ => Err(WRONG_ANSWER),
        }
    }

    async fn card(&self, chip: ChipSerial) -> Result<KnownCard, Failure> {
        match self.ask(Step::FindCard(chip)).await? {
            Event::Card(card) => Ok(*card),
            _ => Err(WRONG_ANSWER),
        }
    }

    async fn new_pin(&self, number: CardNumber) -> Result<Pin, Failure> {
        match self.ask(Step::AskPin(number)).await? {
            Event::Pin(pin) => Ok(pin),
            _ => Err(WRONG_ANSWER),
        }
    }

    async fn record(&self, number: CardNumber, fact: Fact) -> Result<(), Failure> {
        match self.ask(Step::Write(number, fact)).await? {
            Event::Written => Ok(()),
            _ => Err(WRONG_ANSWER),
        }
    }

    async fn signed(&self, step: Step) -> Result<Vec<u8>, Failure> {
        match self.ask(step).await? {
            Event::Signed(object) => Ok(object),
            _ => Err(WRONG_ANSWER),
        }
    }
}
