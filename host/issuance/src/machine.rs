//! Steps out, events in: what the personalization of a card asks of its caller, and what it is told.

use card_spec::command::Pin;
use card_spec::crypto::SecretKey;
use card_spec::cso::PersonReference;
use card_spec::groups::Salt;
use card_spec::scp03::{Challenge, ChipSerial, StaticKeys};
use card_spec::values::CardNumber;
use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use crate::exchange::{self, Course, Dialogue, Turn, WRONG_ANSWER};
use crate::{CsoDraft, Failure, PersonRecord, ProvenKeys, Station, protocol};

/// What the caller is to do next. The event that answers it is named with each; [`Event::Refused`] answers any.
pub enum Step {
    /// Send this command APDU to the card: [`Event::Response`]. May hold a PIN or personal data under encryption.
    Transmit(Vec<u8>),
    /// Look up the keys of this chip: [`Event::Keys`], or [`Failure::UnknownChip`] if it came with no delivery.
    FindKeys(ChipSerial),
    /// Find the card that this chip carries; if `blank`, and there is none, bind the next waiting person to it:
    /// [`Event::Assigned`] or [`Event::NobodyWaiting`].
    Claim {
        /// The chip; it has proved that it is this one.
        chip: ChipSerial,
        /// Whether the chip has its transport keys still. Only then may it get a person.
        blank: bool,
    },
    /// Have the holder's PIN typed for this card: [`Event::Pin`]. Release the card's transaction first.
    AskPin(CardNumber),
    /// Commit this to the ledger, all of it in one transaction, before anything else: [`Event::Written`].
    Write(CardNumber, Vec<LedgerWrite>),
    /// Commit to the ledger what has become of the chip: [`Event::Written`].
    End(CardNumber, End),
    /// Write this to the ledger, give the CSO its place in the issuer's sequence, sign and store it, all in one transaction:
    /// [`Event::Signed`]. If a CSO was signed for this card before, that one is the answer.
    SignCso(Box<CsoDraft>, Vec<LedgerWrite>),
    /// The end: the chip is what this says.
    Done(Done),
    /// The end: the chip is not (yet) a card.
    Failed(Failure),
}

/// What is written to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerWrite {
    /// The journal: this is about to be done to the chip.
    Journal(JournalStep),
    /// The chip answered to the issuer's keys.
    KeysReplaced,
    /// The chip has proved these keys: refuse them ([`Failure::DuplicateKey`]) if any card ever had one of them.
    KeysProven(Box<ProvenKeys>),
}

/// What has become of a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The card confirmed that it is active.
    Activated,
    /// The chip is spoilt: the person waits again, and if a CSO was released its number is blocked in the same transaction.
    GivenUp,
}

/// A step on the chip as its journal names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalStep {
    /// PUT KEY: from here on the chip may answer to either key set.
    ReplaceKeys,
    /// GENERATE ASYMMETRIC KEY PAIR.
    ProveKeys,
    /// The CSO is about to be signed over these data groups. They are kept, because their salts cannot be had twice.
    ReleaseCso {
        /// The groups' data objects in the order of STORE DATA.
        groups: Vec<u8>,
    },
    /// STORE DATA.
    LoadData,
    /// CHANGE REFERENCE DATA.
    SetPin,
    /// ACTIVATE.
    Activate,
}

impl JournalStep {
    /// The name in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ReplaceKeys => "replace-keys",
            Self::ProveKeys => "prove-keys",
            Self::ReleaseCso { .. } => Self::RELEASE_CSO,
            Self::LoadData => "load-data",
            Self::SetPin => "set-pin",
            Self::Activate => "activate",
        }
    }

    /// Name of [`Self::ReleaseCso`], whose groups a resumed card needs.
    pub const RELEASE_CSO: &'static str = "release-cso";
}

/// The answer to a [`Step`].
pub enum Event {
    /// What the card answered, status word included.
    Response(Vec<u8>),
    /// The chip's keys.
    Keys(Box<CardKeys>),
    /// The card that the chip carries or is to become.
    Assigned(Box<Assignment>),
    /// Nobody waits for a card.
    NobodyWaiting,
    /// The PIN.
    Pin(Pin),
    /// Committed.
    Written,
    /// The signed CSO, `FF20`.
    Signed(Vec<u8>),
    /// It could not be done.
    Refused(Failure),
}

/// The static keys of one chip, both sets, because a torn PUT KEY leaves either.
pub struct CardKeys {
    /// As the chip was delivered.
    pub transport: StaticKeys,
    /// As the issuer replaces them.
    pub issuer: StaticKeys,
}

/// A card in the ledger. Holds personal data: no `Debug`.
pub struct Assignment {
    /// Its number.
    pub number: CardNumber,
    /// Whose it is.
    pub reference: PersonReference,
    /// CSO version, first is 1.
    pub version: u16,
    /// What the ledger knows to be done.
    pub progress: Progress,
    /// What goes into the data groups.
    pub person: PersonRecord,
}

/// How far the ledger knows a card to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bound to the chip.
    Claimed,
    /// The chip has the issuer's keys.
    KeysReplaced,
    /// The issuer's signature is out.
    Released {
        /// The signed CSO, `FF20`.
        cso: Vec<u8>,
        /// The data groups it covers, as [`JournalStep::ReleaseCso`] kept them.
        groups: Vec<u8>,
    },
    /// Activated.
    Active,
}

/// A good end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The card is active now.
    Issued(CardNumber),
    /// The card had been activated before, but its confirmation was lost: it is recorded now.
    Confirmed(CardNumber),
    /// The card was issued before; nothing was done.
    AlreadyIssued(CardNumber),
    /// Everybody has a card; the chip is still blank.
    NobodyWaiting,
}

/// All randomness of one run.
pub struct Randomness {
    pub(crate) host_challenge: Challenge,
    pub(crate) nonce: [u8; 16],
    pub(crate) ephemeral: SecretKey,
    pub(crate) salts: [Salt; 5],
}

impl Randomness {
    /// Draws it from a certified source.
    ///
    /// # Errors
    /// The source's.
    pub fn draw<R: TryCryptoRng>(source: &mut R) -> Result<Self, R::Error> {
        let (mut host_challenge, mut nonce, mut salts) = ([0; 8], [0; 16], [[0; 16]; 5]);
        source.try_fill_bytes(&mut host_challenge)?;
        source.try_fill_bytes(&mut nonce)?;
        source.try_fill_bytes(salts.as_flattened_mut())?;
        let ephemeral = loop {
            let mut scalar = Zeroizing::new([0; 32]);
            source.try_fill_bytes(scalar.as_mut_slice())?;
            // One string in 2^32 is no scalar of P-256 (FIPS 186-5, A.2.2: rejection sampling).
            if let Ok(key) = SecretKey::from_bytes(&scalar) {
                break key;
            }
        };
        Ok(Self {
            host_challenge,
            nonce,
            ephemeral,
            salts,
        })
    }
}

/// The personalization of the chip in one reader, from power-up to its end.
pub struct Issuance<'a>(Course<'a, Personalization, Done>);

impl<'a> Issuance<'a> {
    /// Starts on a chip that was just powered up.
    pub fn start(station: &'a Station, random: Randomness) -> (Self, Step) {
        let (course, turn) = Course::start(|desk| protocol::personalize(desk, station, random));
        (Self(course), turn.into())
    }

    /// Goes on with the answer to the last step. An answer to another question is [`Failure::Program`].
    pub fn answer(&mut self, event: Event) -> Step {
        self.0.answer(event).into()
    }
}

impl From<Turn<Self, Done>> for Step {
    fn from(turn: Turn<Self, Done>) -> Self {
        match turn {
            Turn::Asks(step) => step,
            Turn::Ended(Ok(done)) => Self::Done(done),
            Turn::Ended(Err(failure)) => Self::Failed(failure),
        }
    }
}

/// The questions of this module.
pub(crate) struct Personalization;

impl Dialogue for Personalization {
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

/// Where the personalization puts its questions.
pub(crate) type Desk = exchange::Desk<Personalization>;

impl Desk {
    pub(crate) async fn find_keys(&self, chip: ChipSerial) -> Result<Box<CardKeys>, Failure> {
        match self.ask(Step::FindKeys(chip)).await? {
            Event::Keys(keys) => Ok(keys),
            _ => Err(WRONG_ANSWER),
        }
    }

    /// `None` if nobody waits.
    pub(crate) async fn claim(
        &self,
        chip: ChipSerial,
        blank: bool,
    ) -> Result<Option<Box<Assignment>>, Failure> {
        match self.ask(Step::Claim { chip, blank }).await? {
            Event::Assigned(assignment) => Ok(Some(assignment)),
            Event::NobodyWaiting => Ok(None),
            _ => Err(WRONG_ANSWER),
        }
    }

    pub(crate) async fn pin(&self, number: CardNumber) -> Result<Pin, Failure> {
        match self.ask(Step::AskPin(number)).await? {
            Event::Pin(pin) => Ok(pin),
            _ => Err(WRONG_ANSWER),
        }
    }

    pub(crate) async fn write(&self, number: CardNumber, writes: Vec<LedgerWrite>) -> Result<(), Failure> {
        match self.ask(Step::Write(number, writes)).await? {
            Event::Written => Ok(()),
            _ => Err(WRONG_ANSWER),
        }
    }

    pub(crate) async fn end(&self, number: CardNumber, end: End) -> Result<(), Failure> {
        match self.ask(Step::End(number, end)).await? {
            Event::Written => Ok(()),
            _ => Err(WRONG_ANSWER),
        }
    }

    pub(crate) async fn sign(&self, draft: CsoDraft, writes: Vec<LedgerWrite>) -> Result<Vec<u8>, Failure> {
        match self.ask(Step::SignCso(Box::new(draft), writes)).await? {
            Event::Signed(cso) => Ok(cso),
            _ => Err(WRONG_ANSWER),
        }
    }
}
