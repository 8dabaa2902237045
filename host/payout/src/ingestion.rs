//! Journals of terminals on their way into the ledger: every entry is verified before it is stored, in order.
//!
//! Checked are signature, terminal, sequence and chain of each entry (DATA 5.1), that an Intent names its own place and no
//! more are open than may be (DATA 5.3), for a payment that the card's receipt verifies and that order, receipt, card and
//! payment list agree, and for what a card has told besides (that it has blocked itself, or of another terminal) that its receipt
//! verifies. The first entry that fails stops the ingestion: what is before it is committed, it and what follows is not.

use ansinh_store::carried_scripts::ScriptReceipt;
use ansinh_store::journal::{Ingestion, JournalEntry, JournalHead, Meaning, Payment};
use ansinh_store::reversals::AnnouncedReversal;
use ansinh_store::terminals::Terminal;
use ansinh_store::{Store, StoreError};
use ansinh_verifier::AwsLc;
use card_spec::apdu::StatusWord;
use card_spec::crypto::{Digest, PublicKey};
use card_spec::journal::{
    CarriedReceipt, EncodedOrder, EncodedReceipt, EncodedReversal, Entry, Event, MAXIMUM_OPEN_INTENTS,
    Refusal, RefusalReason, genesis,
};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::refusal::Refusal as Decision;
use card_spec::signed::{Body as _, Signed, Verified};
use card_spec::tlv::{self, Field as _, Reader, Writer};
use card_spec::values::TerminalName;

use crate::proof::{if_listed, line_key, paid_by_hand, proven_carried, proven_payment, verify_receipt};

/// Why an entry was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not an entry in canonical encoding.
    #[error("it is malformed: {0}")]
    Encoding(#[from] tlv::Error),
    /// The signature does not verify under the terminal's journal key.
    #[error("its signature does not verify under the terminal's journal key")]
    Signature,
    /// It names another terminal.
    #[error("it names another terminal")]
    OtherTerminal,
    /// It does not continue the chain.
    #[error("it does not follow the entry before it: one was changed, removed or repeated")]
    Chain,
    /// Its Intent states another place than its own.
    #[error("the order in it states another sequence number or log head than the entry's own")]
    OrderPlace,
    /// An Intent while one of the same holder is open, or as many as can be (DATA 5.3).
    #[error(
        "it is an Intent, but one of the same holder, or as many as a terminal may leave open, are not settled"
    )]
    OpenIntent,
    /// A StillOpen entry for an order that is not open (DATA 5.3).
    #[error("it repeats an order that no open Intent announces")]
    NotOpen,
    /// A Refused entry that closes an Intent which is not open, or without the card's decision (DATA 5.3).
    #[error("it closes an Intent that is not open, or without a status word of the card that decides so")]
    Closing,
    /// A Paid entry without an open Intent for its order.
    #[error("its receipt is for no order of an open Intent")]
    NoIntent,
    /// The card is not in the ledger.
    #[error("its receipt names a card that this issuer does not know")]
    UnknownCard,
    /// The receipt does not verify under the card's signing key.
    #[error("the card's signature on the receipt does not verify")]
    Receipt,
    /// The receipt states another CSO version than the card has, or another holder check than the order (SPEC 9.4).
    #[error("its receipt states another version of the card or another holder check than card and order")]
    OtherReceipt,
    /// The receipt is of a reversal, an issuer script or a block list (SPEC 9.4).
    #[error("its receipt is of another kind than a payment")]
    NoPayment,
    /// A payment by hand that no list allows (DATA 5.7).
    #[error("it is a payment by hand, and its list allows none, or not so much")]
    NotByHand,
    /// A NotHanded entry that tells again of a payment whose money was not kept back, as far as is known (DATA 5.5).
    #[error("it tells again of money that was not handed over, and no entry before says so")]
    NotTold,
    /// Its reversal states another place than its own (DATA 5.2).
    #[error("the reversal in it states another terminal, sequence number or log head than the entry's own")]
    ReversalPlace,
    /// A Reversed entry whose receipt answers no reversal that was announced for its Intent (DATA 5.5).
    #[error("its receipt is for no reversal that a ReverseIntent announced for this payment")]
    NoReversal,
    /// The receipt is of a payment, an issuer script or a block list (SPEC 9.4).
    #[error("its receipt is of another kind than a reversal")]
    OtherKind,
    /// A CarriedReceipt entry with what its own terminal did (DATA 5.6).
    #[error("the receipt in it is of this terminal's own payment or reversal, which its other entries tell")]
    OwnReceipt,
    /// A CardBlocked entry whose receipt is of a payment, a reversal or an issuer script (DATA 5.2).
    #[error("its receipt is of another kind than a block list")]
    NoBlock,
    /// A ScriptExecuted entry whose receipt is of a payment, a reversal or a block list (DATA 5.2).
    #[error("its receipt is of another kind than an issuer script")]
    NoScript,
    /// The order names a list or line that the issuer did not sign, or other values than the line's.
    #[error(
        "card, line, amount or recipient are not those of a payment list that the issuer signed for this terminal"
    )]
    NotOnList,
}

/// The first entry that was not taken in.
#[derive(Debug, thiserror::Error)]
#[error(
    "journal entry {sequence}: {reason}. The entries before it are stored; this one and those after it are not, and must be kept as evidence"
)]
pub struct Rejected {
    /// Its sequence number, as it should be.
    pub sequence: u32,
    /// Why.
    #[source]
    pub reason: EntryError,
    /// What was done with the entries before it.
    pub taken: Box<Ingestion>,
}

/// Why a journal was not taken in wholly.
#[derive(Debug, thiserror::Error)]
pub enum IngestionError {
    /// An entry is not what it should be.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The ledger could not be read or written. Nothing of the entries was stored and nothing is said against them: begin
    /// again with [`JournalIngestion::resume`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What ends the verification of an entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tlv::Error> for Fault {
    fn from(error: tlv::Error) -> Self {
        Self::Entry(error.into())
    }
}

/// Takes in the journal of one terminal, where the ledger has left off.
pub struct JournalIngestion<'s> {
    store: &'s Store,
    terminal: TerminalName,
    journal_key: PublicKey,
    head: JournalHead,
    open: Vec<OpenIntent>,
    /// Intents whose payments were not handed over.
    not_handed: Vec<u32>,
    announced: Vec<AnnouncedReversal>,
}

/// An Intent that neither a Paid nor a Refused entry has settled.
struct OpenIntent {
    sequence: u32,
    /// The order, as encoded.
    order: Vec<u8>,
    hash: Digest,
}

impl OpenIntent {
    fn new(sequence: u32, order: &EncodedOrder<'_>) -> Self {
        Self {
            sequence,
            order: order.encoding().to_vec(),
            hash: order.hash(),
        }
    }
}

impl<'s> JournalIngestion<'s> {
    /// Continues after the last entry in the ledger.
    ///
    /// # Errors
    /// [`StoreError`]; it is [`StoreError::Malformed`] if the ledger was changed from outside.
    pub fn resume(store: &'s Store, terminal: &Terminal) -> Result<Self, StoreError> {
        let name: TerminalName = terminal
            .name
            .parse()
            .map_err(|_| StoreError::Malformed("terminal"))?;
        let journal_key =
            PublicKey::from_sec1(&terminal.journal_key).map_err(|_| StoreError::Malformed("terminal"))?;
        let start = JournalHead {
            sequence: 0,
            hash: genesis(&journal_key),
        };
        let head = store.journal_head(name.as_str())?.unwrap_or(start);
        Ok(Self {
            store,
            terminal: name,
            journal_key,
            head,
            open: open_intents(store, name)?,
            not_handed: store.not_handed_as_told(name.as_str())?,
            announced: store.announced_reversals(name.as_str())?,
        })
    }

    /// Sequence number of the next entry that is wanted.
    pub fn next_sequence(&self) -> u32 {
        self.head.sequence.saturating_add(1)
    }

    /// The journal key, as registered.
    pub fn journal_key(&self) -> &PublicKey {
        &self.journal_key
    }

    /// Verifies and commits concatenated entries.
    ///
    /// # Errors
    /// [`IngestionError::Rejected`] names the first entry that was not taken in; those before it are committed.
    /// [`IngestionError::Store`] if the ledger failed; nothing was committed.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Ingestion, IngestionError> {
        let mut reader = Reader::new(bytes);
        let mut good = Vec::new();
        let mut rejected = None;
        while !reader.rest().is_empty() {
            let sequence = self.next_sequence();
            match self.verify_next(&mut reader) {
                Ok(entry) => good.push(entry),
                Err(Fault::Store(error)) => return Err(error.into()),
                Err(Fault::Entry(reason)) => {
                    rejected = Some((sequence, reason));
                    break;
                }
            }
        }
        let taken = self.store.ingest(self.terminal.as_str(), &good)?;
        let Some((sequence, reason)) = rejected else {
            return Ok(taken);
        };
        Err(Rejected {
            sequence,
            reason,
            taken: Box::new(taken),
        }
        .into())
    }

    fn verify_next(&mut self, reader: &mut Reader<'_>) -> Result<JournalEntry, Fault> {
        let signed = Signed::<Entry<'_>>::read_next(reader)?;
        let entry = signed
            .verify(&AwsLc, &self.journal_key)
            .map_err(|_| EntryError::Signature)?;
        if entry.terminal != self.terminal {
            return Err(EntryError::OtherTerminal.into());
        }
        if entry.sequence != self.next_sequence() || entry.previous != self.head.hash {
            return Err(EntryError::Chain.into());
        }
        let meaning = self.check_event(&entry)?;
        self.head = JournalHead {
            sequence: entry.sequence,
            hash: entry.hash(),
        };
        Ok(JournalEntry {
            sequence: entry.sequence,
            hash: entry.hash(),
            entry: entry.encoding().to_vec(),
            meaning,
        })
    }

    fn check_event(&mut self, entry: &Verified<'_, Entry<'_>>) -> Result<Meaning, Fault> {
        Ok(match &entry.event {
            Event::ListLoaded { number, header } => Meaning::ListLoaded {
                number: *number,
                header: *header,
            },
            Event::Intent(order) => {
                self.check_intent(entry, order)?;
                Meaning::Intent(line_key(order.order()))
            }
            Event::StillOpen(order) => {
                let hash = order.hash();
                if !self.open.iter().any(|open| open.hash == hash) {
                    return Err(EntryError::NotOpen.into());
                }
                Meaning::Record
            }
            Event::Paid(receipt) => Meaning::Paid(self.check_payment(receipt)?),
            Event::CarriedReceipt(carried) => self.check_carried(carried)?,
            Event::ManualPaid(paid) => {
                self.check_place(entry, paid.order())?;
                Meaning::PaidByHand(paid_by_hand(self.store, paid)?)
            }
            Event::CardBlocked(receipt) => {
                if receipt.signed().claimed().kind != ReceiptKind::BlockList {
                    return Err(EntryError::NoBlock.into());
                }
                self.check_witness(receipt)?
                    .unwrap_or_else(|| blocked(&receipt.signed()))
            }
            Event::ScriptExecuted(receipt) => {
                if receipt.signed().claimed().kind != ReceiptKind::IssuerScript {
                    return Err(EntryError::NoScript.into());
                }
                match self.check_witness(receipt)? {
                    Some(unknown) => unknown,
                    None => executed(&receipt.signed())?,
                }
            }
            Event::Refused(refusal) => {
                self.check_refusal(refusal)?;
                refused(refusal)
            }
            Event::Handed { intent } => Meaning::HandOver {
                intent: *intent,
                handed: true,
            },
            Event::NotHanded {
                intent,
                order: Some(_),
            } => match self.not_handed.contains(intent) {
                true => Meaning::Record,
                false => return Err(EntryError::NotTold.into()),
            },
            Event::NotHanded { intent, order: None } => {
                self.not_handed.push(*intent);
                Meaning::HandOver {
                    intent: *intent,
                    handed: false,
                }
            }
            Event::ReverseIntent { intent, reversal } => self.check_reversal(entry, *intent, reversal)?,
            Event::Reversed { intent, receipt } => self.check_reversed(*intent, receipt)?,
            _ => Meaning::Record,
        })
    }

    /// An order repeats its entry's place, and no order of the same holder is open (DATA 5.3).
    fn check_place(&self, entry: &Entry<'_>, order: &EncodedOrder<'_>) -> Result<(), EntryError> {
        let place = (order.order().sequence, order.order().log_head);
        if place != (entry.sequence, entry.previous) || order.order().terminal != self.terminal {
            return Err(EntryError::OrderPlace);
        }
        let same_holder = |open: &OpenIntent| {
            EncodedOrder::parse(&open.order).is_ok_and(|open| open.order().same_holder(order.order()))
        };
        if self.open.iter().any(same_holder) {
            return Err(EntryError::OpenIntent);
        }
        Ok(())
    }

    fn check_intent(&mut self, entry: &Entry<'_>, order: &EncodedOrder<'_>) -> Result<(), EntryError> {
        self.check_place(entry, order)?;
        if self.open.len() >= MAXIMUM_OPEN_INTENTS {
            return Err(EntryError::OpenIntent);
        }
        self.open.push(OpenIntent::new(entry.sequence, order));
        Ok(())
    }

    fn check_refusal(&mut self, refusal: &Refusal) -> Result<(), EntryError> {
        let Some(closed) = refusal.closes_intent else {
            return Ok(());
        };
        // Only a protected answer of the card is a decision about an order (SPEC 8.3).
        let decision = refusal
            .status_word
            .map(StatusWord)
            .and_then(Decision::from_status);
        // The card does not reverse a payment at this terminal: the payment stands.
        if decision.is_some() && self.announced.iter().any(|known| known.intent == closed) {
            return Ok(());
        }
        let place = self.open.iter().position(|open| open.sequence == closed);
        match place.filter(|_| decision.is_some()) {
            Some(place) => {
                self.open.remove(place);
                Ok(())
            }
            None => Err(EntryError::Closing),
        }
    }

    fn check_reversal(
        &mut self,
        entry: &Entry<'_>,
        intent: u32,
        encoded: &EncodedReversal<'_>,
    ) -> Result<Meaning, EntryError> {
        let reversal = encoded.reversal();
        let hash = encoded.hash();
        let is_same = |known: &AnnouncedReversal| known.intent == intent && known.hash == hash;
        if self.announced.iter().any(is_same) {
            return Ok(Meaning::Record);
        }
        let place = (reversal.terminal, reversal.sequence, reversal.log_head);
        if place != (entry.terminal, entry.sequence, entry.previous) {
            return Err(EntryError::ReversalPlace);
        }
        // Before NotHanded it is evidence, and of no payment (DATA 5.5, "in this order").
        let is_kept = self.not_handed.contains(&intent);
        let order = if is_kept { reversal.order_hash } else { [0; 32] };
        let announced = AnnouncedReversal { intent, order, hash };
        self.announced.push(announced);
        Ok(Meaning::ReverseIntent(announced))
    }

    /// What the card says; whether the money is still there the ledger knows.
    fn check_reversed(&self, intent: u32, receipt: &EncodedReceipt<'_>) -> Result<Meaning, Fault> {
        let signed = receipt.signed();
        let claimed = *signed.claimed();
        let answers =
            |known: &&AnnouncedReversal| known.intent == intent && known.hash == claimed.object_hash;
        let reversal = self.announced.iter().find(answers);
        let reversal = *reversal.ok_or(EntryError::NoReversal)?;
        verify_receipt(self.store, &signed)?;
        if claimed.kind != ReceiptKind::Reversal {
            return Err(EntryError::OtherKind.into());
        }
        Ok(Meaning::Reversed {
            reversal,
            card: claimed.card_number,
            counter: claimed.counter,
        })
    }

    /// The card's word on what another terminal did. Whether its order is for a listed line is nothing that this terminal could know.
    fn check_carried(&self, carried: &CarriedReceipt<'_>) -> Result<Meaning, Fault> {
        if carried
            .source()
            .is_none_or(|source| source.terminal == self.terminal)
        {
            return Err(EntryError::OwnReceipt.into());
        }
        if let Some(unknown) = self.check_witness(&carried.receipt())? {
            return Ok(unknown);
        }
        let signed = carried.receipt().signed();
        // It undoes what its own terminal's journal says was not handed over (DATA 5.5), and keeps from the books what only its card tells of.
        if let Some(undone) = carried.reversal() {
            return Ok(Meaning::CarriedReversal {
                card: signed.claimed().card_number,
                counter: signed.claimed().counter,
                order: undone.reversal().order_hash,
            });
        }
        let Some(order) = carried.order() else {
            return Ok(Meaning::Record);
        };
        Ok(Meaning::CarriedReceipt {
            card: signed.claimed().card_number,
            counter: signed.claimed().counter,
            object: signed.claimed().object_hash,
            payment: if_listed(proven_carried(self.store, &order, &signed))?,
        })
    }

    /// What a card tells besides the payments of this journal. A ledger that was restored may not know the card yet; what others were paid
    /// comes home all the same.
    fn check_witness(&self, receipt: &EncodedReceipt<'_>) -> Result<Option<Meaning>, Fault> {
        let signed = receipt.signed();
        match verify_receipt(self.store, &signed) {
            Err(Fault::Entry(EntryError::UnknownCard)) => Ok(Some(Meaning::ReceiptOfUnknownCard {
                card: signed.claimed().card_number,
                counter: signed.claimed().counter,
                object: signed.claimed().object_hash,
            })),
            verified => verified.map(|()| None),
        }
    }

    fn check_payment(&mut self, receipt: &EncodedReceipt<'_>) -> Result<Payment, Fault> {
        let paid = receipt.signed().claimed().object_hash;
        let place = self.open.iter().position(|open| open.hash == paid);
        let place = place.ok_or(EntryError::NoIntent)?;
        let intent = self.open.get(place).ok_or(EntryError::NoIntent)?;
        let order = EncodedOrder::parse(&intent.order)?;
        let payment = proven_payment(self.store, &order, &receipt.signed())?;
        self.open.remove(place);
        Ok(payment)
    }
}

fn blocked(receipt: &Signed<'_, Receipt>) -> Meaning {
    Meaning::CardBlocked {
        card: receipt.claimed().card_number,
        counter: receipt.claimed().counter,
    }
}

fn executed(receipt: &Signed<'_, Receipt>) -> Result<Meaning, tlv::Error> {
    Ok(Meaning::ScriptExecuted(ScriptReceipt {
        card: receipt.claimed().card_number,
        counter: receipt.claimed().counter,
        script: receipt.claimed().object_hash,
        receipt: whole(receipt)?,
    }))
}

/// A receipt as its card gave it: an entry has body and signature without the template around them (DATA 5.2).
fn whole(receipt: &Signed<'_, Receipt>) -> Result<Vec<u8>, tlv::Error> {
    const SIGNATURE: u16 = 0x5F37;
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    writer.template(Receipt::WRAPPER, |members| {
        members.raw(receipt.signed_bytes())?;
        receipt.signature().write(members, SIGNATURE)
    })?;
    Ok(writer.finish().to_vec())
}

/// What a card has decided, and what is neither order nor reversal, may be a script that the terminal carries (DATA 12.3).
fn refused(refusal: &Refusal) -> Meaning {
    let decided = refusal
        .status_word
        .filter(|status| Decision::from_status(StatusWord(*status)).is_some());
    let by_card = refusal.reason == RefusalReason::RefusedByCard && refusal.line_number.is_none();
    match (refusal.closes_intent, refusal.card_number, decided) {
        (Some(intent), _, _) => Meaning::Refused { intent },
        (None, Some(card), Some(status)) if by_card => Meaning::CardRefused { card, status },
        _ => Meaning::Record,
    }
}

/// The Intents that are open at the end of what is stored of a terminal.
fn open_intents(store: &Store, terminal: TerminalName) -> Result<Vec<OpenIntent>, StoreError> {
    let malformed = || StoreError::Malformed("journal entry");
    let entries = store.open_intents(terminal.as_str())?;
    let open = entries.iter().map(|entry| {
        let entry = Signed::<Entry<'_>>::parse(entry).map_err(|_| malformed())?;
        match &entry.claimed().event {
            Event::Intent(order) => Ok(OpenIntent::new(entry.claimed().sequence, order)),
            _ => Err(malformed()),
        }
    });
    open.collect()
}
