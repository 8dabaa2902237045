//! Journal entries of terminals, the payments in them, and the acknowledgements that let a terminal use their space again.
//!
//! Whoever calls has verified signatures and chain; this module keeps one entry per (terminal, sequence), books each line at
//! most once, and acknowledges only what is committed. A payment has two witnesses, the terminal's journal and the card: it is
//! kept when the first tells of it, and recognised at the next. Which of a line's payments is in the books `bookings.rs` decides.

use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::card_receipts::note_counter;
use crate::cards::card_number;
use crate::carried_scripts::ScriptReceipt;
pub use crate::ingestion::Ingestion;
use crate::lists::{LineKey, line_key, optional_number};
use crate::reversals::AnnouncedReversal;
use crate::store::{now, number, octets};
use crate::{Store, StoreError, reversals, terminals};

/// A verified journal entry.
#[derive(Debug, Clone)]
pub struct JournalEntry {
    /// Its sequence number, first 1.
    pub sequence: u32,
    /// SHA-256 of its body.
    pub hash: [u8; 32],
    /// The whole entry `FF20`.
    pub entry: Vec<u8>,
    /// What it means for the ledger.
    pub meaning: Meaning,
}

/// What a journal entry means for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing but itself.
    Record,
    /// A payment list is in force at the terminal from here on.
    ListLoaded {
        /// Its number.
        number: u32,
        /// SHA-256 of its header's body.
        header: [u8; 32],
    },
    /// An order for this line was about to be sent to a card.
    Intent(LineKey),
    /// An open order is settled without payment.
    Refused {
        /// Sequence number of its Intent.
        intent: u32,
    },
    /// An open order is paid.
    Paid(Payment),
    /// Two operators have paid a line without its card.
    PaidByHand(Payment),
    /// The clerk says what became of the money of a payment.
    HandOver {
        /// Sequence number of its Intent.
        intent: u32,
        /// Was it handed over?
        handed: bool,
    },
    /// A reversal was about to be sent to a card.
    ReverseIntent(AnnouncedReversal),
    /// A card has carried out a reversal.
    Reversed {
        /// The reversal.
        reversal: AnnouncedReversal,
        /// The card that signed.
        card: CardNumber,
        /// Its receipt counter.
        counter: u32,
    },
    /// A card has shown its receipt of a reversal at another terminal.
    CarriedReversal {
        /// The card.
        card: CardNumber,
        /// Its receipt counter.
        counter: u32,
        /// SHA-256 of the order that it has undone.
        order: [u8; 32],
    },
    /// A card has shown its receipt of a payment at another terminal.
    CarriedReceipt {
        /// The card.
        card: CardNumber,
        /// Its receipt counter.
        counter: u32,
        /// SHA-256 of what the receipt is for.
        object: [u8; 32],
        /// The payment, if its order is for a line that the issuer listed.
        payment: Option<CarriedPayment>,
    },
    /// A card has blocked itself.
    CardBlocked {
        /// The card.
        card: CardNumber,
        /// Its receipt counter.
        counter: u32,
    },
    /// A card has executed an issuer script that the terminal carried.
    ScriptExecuted(ScriptReceipt),
    /// A card has refused something that was no order and no reversal.
    CardRefused {
        /// The card.
        card: CardNumber,
        /// Its status word.
        status: u16,
    },
    /// A receipt of a card that the ledger does not know, so that nobody can say whether it signed.
    ReceiptOfUnknownCard {
        /// The card.
        card: CardNumber,
        /// Its receipt counter.
        counter: u32,
        /// SHA-256 of what the receipt is for.
        object: [u8; 32],
    },
}

impl Meaning {
    /// The card whose receipt it tells of, and the receipt's counter; none if there is none, or if nobody can say whether it is genuine.
    pub(crate) fn receipt(&self) -> Option<(&CardNumber, u32)> {
        match self {
            Self::Paid(payment) => payment.card_counter.map(|counter| (&payment.card, counter)),
            Self::Reversed { card, counter, .. }
            | Self::CarriedReversal { card, counter, .. }
            | Self::CarriedReceipt { card, counter, .. }
            | Self::CardBlocked { card, counter } => Some((card, *counter)),
            Self::ScriptExecuted(told) => Some((&told.card, told.counter)),
            _ => None,
        }
    }
}

/// A payment, from an order and the card's receipt for it, or from the word of two operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// SHA-256 of the order.
    pub order: [u8; 32],
    /// Sequence number of the Intent entry, or of the one of a payment by hand.
    pub intent: u32,
    /// The line.
    pub key: LineKey,
    /// VND.
    pub amount: u64,
    /// The card that signed, or that failed.
    pub card: CardNumber,
    /// The card's receipt counter; `None` for a payment by hand.
    pub card_counter: Option<u32>,
    /// Time in the order, `yyyymmddhhmmss`.
    pub paid_at: String,
}

/// A payment that its card told of (SPEC.md 9.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedPayment {
    /// The terminal that the order names.
    pub terminal: String,
    /// The payment.
    pub payment: Payment,
}

/// The last entry the host holds of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    /// Its sequence number.
    pub sequence: u32,
    /// SHA-256 of its body.
    pub hash: [u8; 32],
}

/// A stored acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The terminal.
    pub terminal: String,
    /// Up to this entry.
    pub sequence: u32,
    /// The signed object.
    pub object: Vec<u8>,
}

impl Store {
    /// Takes in verified entries in order, in one transaction. Entries that are there already are skipped.
    ///
    /// A second payment of a line is stored as an entry (it is evidence) but not booked; the operations log and the answer
    /// name it.
    ///
    /// # Errors
    /// [`StoreError::Equivocation`] for another entry under a stored number, or a number that leaves a gap;
    /// [`StoreError::NotFound`] for an unknown terminal.
    pub fn ingest(&self, terminal: &str, entries: &[JournalEntry]) -> Result<Ingestion, StoreError> {
        self.write(async |connection| {
            terminals::demand(connection, terminal).await?;
            let mut result = Ingestion::default();
            for entry in entries {
                if !store_entry(connection, terminal, entry).await? {
                    result.known += 1;
                    continue;
                }
                result.stored += 1;
                follow(connection, terminal, entry).await?;
                if let Some((card, counter)) = entry.meaning.receipt() {
                    note_counter(connection, card, counter).await?;
                }
                result.book(connection, terminal, &entry.meaning).await?;
            }
            Ok(result)
        })
    }

    /// The last entry held of a terminal, if any.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn journal_head(&self, terminal: &str) -> Result<Option<JournalHead>, StoreError> {
        self.read(async |connection| head(connection, terminal).await)
    }

    /// The entries of a terminal, in order, as they were received.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn journal(&self, terminal: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT entry FROM journal_entry WHERE terminal = $1 ORDER BY sequence")
                .bind(terminal)
                .fetch_all(connection)
                .await?;
            rows.iter().map(|row| Ok(row.try_get("entry")?)).collect()
        })
    }

    /// The Intent entries of a terminal whose orders are open, in order.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn open_intents(&self, terminal: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT entry FROM journal_entry JOIN open_intent ON open_intent.terminal = journal_entry.terminal
                   AND open_intent.sequence = journal_entry.sequence WHERE journal_entry.terminal = $1
                   ORDER BY journal_entry.sequence";
        self.read(async |connection| {
            let rows = sqlx::query(sql).bind(terminal).fetch_all(connection).await?;
            rows.iter().map(|row| Ok(row.try_get("entry")?)).collect()
        })
    }

    /// Lets `sign` acknowledge everything committed of a terminal, and stores the acknowledgement before it is returned.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if nothing is held of the terminal; whatever `sign` answers.
    pub fn acknowledge<E: From<StoreError>>(
        &self,
        terminal: &str,
        sign: impl FnOnce(JournalHead) -> Result<Vec<u8>, E>,
    ) -> Result<Acknowledgement, E> {
        self.write(async |connection| {
            let nothing = || StoreError::NotFound {
                what: "journal of terminal",
                name: terminal.to_owned(),
            };
            let head = head(connection, terminal).await?.ok_or_else(nothing)?;
            if let Some(object) = acknowledged(connection, terminal, head.sequence).await? {
                return Ok(Acknowledgement {
                    terminal: terminal.to_owned(),
                    sequence: head.sequence,
                    object,
                });
            }
            let object = sign(head)?;
            insert_acknowledgement(connection, terminal, head, &object).await?;
            Ok(Acknowledgement {
                terminal: terminal.to_owned(),
                sequence: head.sequence,
                object,
            })
        })
    }

    /// All acknowledgements, by terminal and sequence number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        let sql = "SELECT terminal, sequence, object FROM acknowledgement ORDER BY terminal, sequence";
        self.read(async |connection| {
            let rows = sqlx::query(sql).fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    Ok(Acknowledgement {
                        terminal: row.try_get("terminal")?,
                        sequence: number(row, "sequence")?,
                        object: row.try_get("object")?,
                    })
                })
                .collect()
        })
    }

    /// All booked payments with the terminal that made them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn payments(&self) -> Result<Vec<(String, Payment)>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM payment WHERE reversed = 0 ORDER BY terminal, sequence")
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| {
                    let payment = Payment {
                        order: octets(row, "order_hash")?,
                        intent: number(row, "sequence")?,
                        key: line_key(row)?,
                        amount: number(row, "amount")?,
                        card: card_number(row, "card")?,
                        card_counter: optional_number(row, "card_counter")?,
                        paid_at: row.try_get("paid_at")?,
                    };
                    Ok((row.try_get("terminal")?, payment))
                })
                .collect()
        })
    }
}

/// Stores an entry; `false` if the same one is there already.
async fn store_entry(
    connection: &mut AnyConnection,
    terminal: &str,
    entry: &JournalEntry,
) -> Result<bool, StoreError> {
    let sequence = entry.sequence;
    let equivocation = || StoreError::Equivocation {
        terminal: terminal.to_owned(),
        sequence: sequence.into(),
    };
    let known = sqlx::query("SELECT hash FROM journal_entry WHERE terminal = $1 AND sequence = $2")
        .bind(terminal)
        .bind(i64::from(sequence))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = known {
        return if octets::<32>(&row, "hash")? == entry.hash {
            Ok(false)
        } else {
            Err(equivocation())
        };
    }
    let last = head(connection, terminal).await?.map_or(0, |head| head.sequence);
    if last.checked_add(1) != Some(sequence) {
        return Err(equivocation());
    }
    let sql = "INSERT INTO journal_entry (terminal, sequence, hash, entry, ingested_at) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(terminal)
        .bind(i64::from(sequence))
        .bind(entry.hash.to_vec())
        .bind(entry.entry.clone())
        .bind(now())
        .execute(connection)
        .await?;
    Ok(true)
}

/// Keeps what tells whether a terminal may still pay a line: its list in force, and the orders that it left open.
async fn follow(
    connection: &mut AnyConnection,
    terminal: &str,
    entry: &JournalEntry,
) -> Result<(), StoreError> {
    match &entry.meaning {
        // A reversal is booked, or not, where its outcome is told; what another terminal did is for its own journal to follow.
        Meaning::Record
        | Meaning::Reversed { .. }
        | Meaning::CarriedReceipt { .. }
        | Meaning::CarriedReversal { .. }
        | Meaning::CardBlocked { .. }
        | Meaning::ScriptExecuted(_)
        | Meaning::CardRefused { .. }
        | Meaning::ReceiptOfUnknownCard { .. }
        | Meaning::PaidByHand(_) => {}
        Meaning::HandOver { intent, handed } => {
            reversals::hand_over(connection, terminal, *intent, *handed).await?;
        }
        Meaning::ReverseIntent(reversal) => {
            reversals::announce(connection, terminal, entry.sequence, reversal).await?;
        }
        Meaning::ListLoaded { number, header } => {
            // Only a list that we made for this terminal: by the number of another one it would give its lines away unseen.
            let sql = "INSERT INTO list_in_force (terminal, list)
                       SELECT payment_list.terminal, payment_list.number FROM payment_list JOIN issuer_log
                       ON issuer_log.issuer = payment_list.issuer AND issuer_log.sequence = payment_list.sequence
                       WHERE payment_list.terminal = $1 AND payment_list.number = $2 AND issuer_log.body_hash = $3
                       ON CONFLICT (terminal) DO UPDATE SET list = excluded.list WHERE list_in_force.list < excluded.list";
            let query = sqlx::query(sql).bind(terminal).bind(i64::from(*number));
            query.bind(header.to_vec()).execute(connection).await?;
        }
        Meaning::Intent(key) => {
            let sql = "INSERT INTO open_intent (terminal, sequence, person, programme, entitlement, line_type, period)
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let query = sqlx::query(sql).bind(terminal).bind(i64::from(entry.sequence));
            let query = query.bind(key.person.to_vec()).bind(&key.programme);
            let query = query
                .bind(i64::from(key.entitlement))
                .bind(i64::from(key.line_type));
            query.bind(&key.period).execute(connection).await?;
        }
        Meaning::Refused { intent } | Meaning::Paid(Payment { intent, .. }) => {
            let query = sqlx::query("DELETE FROM open_intent WHERE terminal = $1 AND sequence = $2");
            let query = query.bind(terminal).bind(i64::from(*intent));
            query.execute(connection).await?;
        }
    }
    Ok(())
}

async fn head(connection: &mut AnyConnection, terminal: &str) -> Result<Option<JournalHead>, StoreError> {
    let sql = "SELECT sequence, hash FROM journal_entry WHERE terminal = $1 ORDER BY sequence DESC LIMIT 1";
    let row = sqlx::query(sql).bind(terminal).fetch_optional(connection).await?;
    row.map(|row| {
        Ok(JournalHead {
            sequence: number(&row, "sequence")?,
            hash: octets(&row, "hash")?,
        })
    })
    .transpose()
}

async fn acknowledged(
    connection: &mut AnyConnection,
    terminal: &str,
    sequence: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT object FROM acknowledgement WHERE terminal = $1 AND sequence = $2")
        .bind(terminal)
        .bind(i64::from(sequence))
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(row.try_get("object")?)).transpose()
}

async fn insert_acknowledgement(
    connection: &mut AnyConnection,
    terminal: &str,
    head: JournalHead,
    object: &[u8],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO acknowledgement (terminal, sequence, head, object, signed_at) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(terminal)
        .bind(i64::from(head.sequence))
        .bind(head.hash.to_vec())
        .bind(object)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}
