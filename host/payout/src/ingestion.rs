//! Journals of terminals on their way into the ledger: every entry is verified before it is stored, in order.
//!
//! Checked are signature, terminal, sequence and chain of each entry (DATA 5.1), that an Intent names its own place, and for
//! a payment that the card's receipt verifies and that order, receipt and payment list agree on card, line and amount.
//! The first entry that fails stops the ingestion: what is before it is committed, it and what follows is not.

use std::collections::HashMap;

use ansinh_store::journal::{Ingestion, JournalEntry, JournalHead, Payment};
use ansinh_store::lists::LineKey as StoredLineKey;
use ansinh_store::terminals::Terminal;
use ansinh_store::{Store, StoreError};
use card_spec::crypto::{Digest, PortableP256, PublicKey};
use card_spec::cso::CardSecurityObject;
use card_spec::journal::{EncodedOrder, EncodedReceipt, Entry, Event, genesis};
use card_spec::list::{ListHeader, ListLine};
use card_spec::payment::Order;
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{self, Field as _, Reader};
use card_spec::values::{CardNumber, TerminalName};

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
    /// A Paid entry without an Intent before it, or for another order.
    #[error("its receipt is for another order than the Intent before it")]
    NoIntent,
    /// The card is not in the ledger.
    #[error("its receipt names a card that this issuer does not know")]
    UnknownCard,
    /// The receipt does not verify under the card's signing key.
    #[error("the card's signature on the receipt does not verify")]
    Receipt,
    /// The order names a list or line that the issuer did not sign, or other values than the line's.
    #[error("card, line or amount are not those of a payment list that the issuer signed for this terminal")]
    NotOnList,
    /// The ledger could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
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
}

/// Takes in the journal of one terminal, where the ledger has left off.
pub struct JournalIngestion<'s> {
    store: &'s Store,
    terminal: TerminalName,
    journal_key: PublicKey,
    head: JournalHead,
    /// Order of the last Intent, as encoded.
    intent: Option<Vec<u8>>,
    lines: HashMap<Digest, Vec<Vec<u8>>>,
}

impl<'s> JournalIngestion<'s> {
    /// Continues after the last entry in the ledger.
    ///
    /// # Errors
    /// [`EntryError::Store`]; [`EntryError::Encoding`] if the ledger was changed from outside.
    pub fn resume(store: &'s Store, terminal: &Terminal) -> Result<Self, EntryError> {
        let malformed = |_| StoreError::Malformed("terminal");
        let name: TerminalName = terminal
            .name
            .parse()
            .map_err(|_| StoreError::Malformed("terminal"))?;
        let journal_key = PublicKey::from_sec1(&terminal.journal_key).map_err(malformed)?;
        let start = JournalHead {
            sequence: 0,
            hash: genesis(&journal_key),
        };
        let head = store.journal_head(name.as_str())?.unwrap_or(start);
        let intent = last_intent(&store.journal(name.as_str())?)?;
        Ok(Self {
            store,
            terminal: name,
            journal_key,
            head,
            intent,
            lines: lines_by_root(store, name)?,
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
    /// [`Rejected`] names the first entry that was not taken in; those before it are committed.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Ingestion, Rejected> {
        let mut reader = Reader::new(bytes);
        let mut good = Vec::new();
        let mut rejected = None;
        while !reader.rest().is_empty() {
            let sequence = self.next_sequence();
            match self.verify_next(&mut reader) {
                Ok(entry) => good.push(entry),
                Err(reason) => {
                    rejected = Some(Rejected { sequence, reason });
                    break;
                }
            }
        }
        let stored = self.store.ingest(self.terminal.as_str(), &good);
        let first = good.first().map_or(self.head.sequence, |entry| entry.sequence);
        let ingestion = stored.map_err(|error| Rejected {
            sequence: first,
            reason: error.into(),
        })?;
        rejected.map_or(Ok(ingestion), Err)
    }

    fn verify_next(&mut self, reader: &mut Reader<'_>) -> Result<JournalEntry, EntryError> {
        let signed = Signed::<Entry<'_>>::read_next(reader)?;
        let entry = signed
            .verify(&PortableP256, &self.journal_key)
            .map_err(|_| EntryError::Signature)?;
        if entry.terminal != self.terminal {
            return Err(EntryError::OtherTerminal);
        }
        if entry.sequence != self.next_sequence() || entry.previous != self.head.hash {
            return Err(EntryError::Chain);
        }
        let payment = self.check_event(&entry)?;
        self.head = JournalHead {
            sequence: entry.sequence,
            hash: entry.hash(),
        };
        Ok(JournalEntry {
            sequence: entry.sequence,
            hash: entry.hash(),
            entry: entry.encoding().to_vec(),
            payment,
        })
    }

    fn check_event(&mut self, entry: &Verified<'_, Entry<'_>>) -> Result<Option<Payment>, EntryError> {
        match &entry.event {
            Event::Intent(order) => {
                let place = (order.order().sequence, order.order().log_head);
                if place != (entry.sequence, entry.previous) || order.order().terminal != self.terminal {
                    return Err(EntryError::OrderPlace);
                }
                self.intent = Some(order.encoding().to_vec());
                Ok(None)
            }
            Event::Paid(receipt) => self.check_payment(receipt).map(Some),
            _ => Ok(None),
        }
    }

    fn check_payment(&mut self, receipt: &EncodedReceipt<'_>) -> Result<Payment, EntryError> {
        let intent = self.intent.as_deref().ok_or(EntryError::NoIntent)?;
        let order = EncodedOrder::parse(intent)?;
        let claimed = *receipt.signed().claimed();
        if claimed.order_hash != order.hash() {
            return Err(EntryError::NoIntent);
        }
        let (signing_key, cso_hash) = self.card_keys(&claimed.card_number)?;
        receipt
            .signed()
            .verify(&PortableP256, &signing_key)
            .map_err(|_| EntryError::Receipt)?;
        if order.order().cso_hash != cso_hash || !self.is_on_list(order.order(), claimed.card_number)? {
            return Err(EntryError::NotOnList);
        }
        let payment = payment(order.order(), claimed.card_number, claimed.counter);
        self.intent = None;
        Ok(payment)
    }

    fn card_keys(&self, number: &CardNumber) -> Result<(PublicKey, Digest), EntryError> {
        let card = self.store.card(number).map_err(|error| match error {
            StoreError::NotFound { .. } => EntryError::UnknownCard,
            other => other.into(),
        })?;
        let cso = card.cso.ok_or(EntryError::UnknownCard)?;
        let cso = Signed::<CardSecurityObject>::parse(&cso)?;
        Ok((cso.claimed().signing_key, cso.hash()))
    }

    fn is_on_list(&self, order: &Order<'_>, card_number: CardNumber) -> Result<bool, EntryError> {
        let index = (order.line_number as usize).checked_sub(1);
        let line = self
            .lines
            .get(&order.list_root)
            .zip(index)
            .and_then(|(lines, index)| lines.get(index));
        let Some(line) = line else { return Ok(false) };
        let line = ListLine::read(&mut Reader::new(line), ListLine::TAG)?;
        Ok(line.card_number == card_number && line.line_key == order.line_key && line.amount == order.amount)
    }
}

fn payment(order: &Order<'_>, card: CardNumber, card_counter: u32) -> Payment {
    let key = order.line_key.parts();
    let paid_at = order
        .time
        .to_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Payment {
        intent: order.sequence,
        key: StoredLineKey {
            person: key.person,
            programme: key.programme.as_str().to_owned(),
            entitlement: key.entitlement,
            line_type: key.line_type as u8,
            period: format!("{:04}{:02}", key.period.year(), key.period.month()),
        },
        amount: order.amount.vnd(),
        card,
        card_counter,
        paid_at,
    }
}

/// Order of the last Intent in stored entries, if no Paid follows it.
fn last_intent(entries: &[Vec<u8>]) -> Result<Option<Vec<u8>>, EntryError> {
    for entry in entries.iter().rev() {
        let entry = Signed::<Entry<'_>>::parse(entry)?;
        match &entry.claimed().event {
            Event::Intent(order) => return Ok(Some(order.encoding().to_vec())),
            Event::Paid(_) => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

/// The lines of every list that this terminal was ever given.
fn lines_by_root(store: &Store, terminal: TerminalName) -> Result<HashMap<Digest, Vec<Vec<u8>>>, EntryError> {
    let mut lines = HashMap::new();
    let lists = store.payment_lists()?.into_iter();
    for list in lists.filter(|list| list.terminal == terminal.as_str()) {
        let header = Signed::<ListHeader<'_>>::parse(&list.header)?;
        lines.insert(header.claimed().root, list.lines);
    }
    Ok(lines)
}
