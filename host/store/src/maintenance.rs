//! Cards after they were issued: further versions, issuer scripts, and what a card in the reader said of itself.
//!
//! A script is stored in the transaction that signs it, before any card sees it: whoever holds it can have it executed, so the
//! ledger counts from there: a card that a script may bring back to life is a live one before the script exists, and a card that
//! a script blocks was blocked before.

use card_spec::certificate::Reference;
use card_spec::payment::ReceiptKind;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::bookings::{OF_NO_LINE, note_receipt, tell_carried};
pub use crate::card_receipts::CardReceipt;
use crate::card_receipts::{
    Kept, Source, keep_receipt, known_counter, note_counter, receipts_to, settle_scripts,
};
use crate::cards::{BlockReason, Card, CardState, card, card_on_chip, wrong_state};
use crate::deliveries::{ChipSerial, serial_text};
use crate::issuer_log::{Issuer, Position, SignedObject, append};
use crate::journal::CarriedPayment;
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::store::{now, number, signed};
use crate::{Store, StoreError, reversals};

/// One version of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardVersion {
    /// Its number, first is 1.
    pub version: u16,
    /// The signed CSO.
    pub cso: Vec<u8>,
    /// Whether the card was seen with it.
    pub confirmed: bool,
}

/// Everything that the maintenance of a card needs to know. Holds personal data while an update is under way: no `Debug`.
pub struct Dossier {
    /// The card.
    pub card: Card,
    /// Why it is blocked, if it is.
    pub blocked: Option<BlockReason>,
    /// All versions that were signed, ascending.
    pub versions: Vec<CardVersion>,
    /// The data groups of the newest version, until the card is known to have them.
    pub groups: Option<Vec<u8>>,
    /// Counters, up to that of its newest receipt as far as is known, of the scripts of which it is not known whether the card executed
    /// them. Further ones that terminals carry wait for counters that the card need not have reached.
    pub open_scripts: Vec<u32>,
    /// Highest counter up to which receipts were read back, 0 if none.
    pub receipts_to: u32,
    /// Hashes of the orders that stand as paid while a committed journal says that their money was not handed over, newest first.
    pub not_handed: Vec<[u8; 32]>,
    /// Number of the newest change of the holder's record that the card does not have, 0 if it has them all.
    pub change: u64,
}

/// A version that is to be signed.
#[derive(Clone, Copy)]
pub struct NewVersion<'a> {
    /// Its number, the one after the newest.
    pub version: u16,
    /// Its data groups.
    pub groups: &'a [u8],
    /// The newest change of the holder's record that they take in.
    pub change: u64,
}

/// A receipt as an authenticated card shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenReceipt {
    /// The receipt.
    pub receipt: CardReceipt,
    /// The payment that it proves, if its order is for a line that the issuer listed.
    pub payment: Option<CarriedPayment>,
}

/// What the ledger makes of the payments whose receipts were read back from a card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardPayments {
    /// Booked, and no terminal's journal has told of them yet.
    pub from_card_only: u64,
    /// Counters of receipts that are kept and not booked: of no listed line, or of a line that another order paid.
    pub unbooked: Vec<u32>,
}

/// A script as the ledger lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardScript {
    /// The receipt counter it is good for.
    pub counter: u32,
    /// What it does (SPEC.md 13.1).
    pub action: u8,
    /// The signed script.
    pub object: Vec<u8>,
    /// `executed`, `passed-by`, or nothing while it is not known.
    pub outcome: Option<String>,
}

impl Store {
    /// What the ledger knows of the card on a chip; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn dossier(&self, chip: &ChipSerial) -> Result<Option<Dossier>, StoreError> {
        let serial = serial_text(chip);
        self.read(async |connection| {
            let Some(card) = card_on_chip(connection, &serial).await? else {
                return Ok(None);
            };
            let number = card.number;
            Ok(Some(Dossier {
                blocked: block_reason(connection, &number).await?,
                versions: versions(connection, &number).await?,
                groups: waiting_groups(connection, &number).await?,
                open_scripts: open_scripts(connection, &number).await?,
                receipts_to: receipts_to(connection, &number).await?,
                not_handed: reversals::not_handed_of(connection, &number).await?,
                change: newest_change(connection, &number).await?,
                card,
            }))
        })
    }

    /// All versions that were signed for a card, ascending.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn card_versions(&self, number: &CardNumber) -> Result<Vec<CardVersion>, StoreError> {
        self.read(async |connection| versions(connection, number).await)
    }

    /// What the ledger makes of the payments whose receipts were read back from a card.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn card_payments(&self, number: &CardNumber) -> Result<CardPayments, StoreError> {
        self.read(async |connection| {
            Ok(CardPayments {
                from_card_only: from_card_only(connection, number).await?,
                unbooked: unbooked(connection, number).await?,
            })
        })
    }

    /// The scripts that were signed for a card, in the order of their counters.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn card_scripts(&self, card: &CardNumber) -> Result<Vec<CardScript>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM card_script WHERE card = $1 ORDER BY counter, signed_at")
                .bind(card.to_string())
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(CardScript {
                        counter: number(row, "counter")?,
                        action: number(row, "action")?,
                        object: row.try_get("object")?,
                        outcome: row.try_get("outcome")?,
                    })
                })
                .collect()
        })
    }

    /// Lets `sign` make the next version of an active card as the next object of the issuer's sequence, and stores it with its
    /// data groups.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] for a card that is not active, or of which another version was signed meanwhile; whatever
    /// `sign` answers.
    pub fn release_version<E: From<StoreError>>(
        &self,
        actor: &Actor,
        number: &CardNumber,
        new: NewVersion<'_>,
        issuer: Issuer<'_>,
        sign: impl FnOnce(Position) -> Result<SignedObject, E>,
    ) -> Result<Vec<u8>, E> {
        actor.demand(Role::Operator)?;
        let version = new.version;
        self.write(async |connection| {
            let card = card(connection, number).await?;
            if card.state != CardState::Active || card.version.checked_add(1) != Some(version) {
                return Err(wrong_state(&card, "an active card, and the version after its newest").into());
            }
            let (_, cso) = append(connection, issuer, "cso", sign).await?;
            insert_version(connection, number, version, &cso.object, Some(&new)).await?;
            sqlx::query("UPDATE card SET cso = $2, version = $3 WHERE number = $1")
                .bind(number.to_string())
                .bind(cso.object.clone())
                .bind(i64::from(version))
                .execute(&mut *connection)
                .await
                .map_err(StoreError::from)?;
            let subject = format!("{number} version {version}");
            log(connection, actor, "card-version-signed", &subject).await?;
            Ok(cso.object)
        })
    }

    /// Lets `sign` make a script for a card and one of its receipt counters, and stores it. `action` is told the number of the
    /// newest block list, for unblocking (SPEC.md 13.5). If a script with this action was signed for this counter before, that
    /// one is the answer.
    ///
    /// `03` and `05` need a card that the ledger has blocked; all others an active one, `04` one that an approver has unblocked
    /// ([`Store::unblock_card`]), `09` one whose payment the committed journal says was not handed over (SPEC 13.7).
    ///
    /// # Errors
    /// [`StoreError::WrongState`]; whatever `sign` answers.
    pub fn sign_script<E: From<StoreError>>(
        &self,
        actor: &Actor,
        number: &CardNumber,
        counter: u32,
        issuer: Reference,
        action: impl FnOnce(u32) -> Action,
        sign: impl FnOnce(Action) -> Result<SignedObject, E>,
    ) -> Result<Vec<u8>, E> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            let card = card(connection, number).await?;
            let action = action(newest_block_list(connection).await?);
            demand(&card, action)?;
            reversals::demand_not_handed(connection, &card, action).await?;
            if let Some(object) = signed_before(connection, number, counter, issuer, action).await? {
                return Ok(object);
            }
            let script = sign(action)?;
            insert_script(connection, actor, (number, counter, action), &script).await?;
            Ok(script.object)
        })
    }

    /// Takes down what an authenticated card said of itself: the version in force, its receipt counter, and receipts. From
    /// them follows which scripts it executed and which it can execute no more. A payment among them that no journal has told
    /// of is booked: its line is paid and goes on no list again. One of no listed line, or of a line that another order paid, is
    /// kept, and the operations log names it. The same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the card showed another receipt under a counter before: it, or a copy of it, has two
    /// histories. Nothing is stored then.
    pub fn card_seen(
        &self,
        actor: &Actor,
        number: &CardNumber,
        version: u16,
        counter: u32,
        receipts: &[SeenReceipt],
    ) -> Result<(), StoreError> {
        self.write(async |connection| {
            // First: what the card has undone is not booked (DATA 5.6).
            for order in receipts
                .iter()
                .filter_map(|seen| reversals::reversed_by(&seen.receipt))
            {
                reversals::note_carried(connection, number, &order).await?;
            }
            for seen in receipts {
                match keep_receipt(connection, number, &seen.receipt, Source::Card).await? {
                    Kept::New => {
                        book_seen(connection, actor, number, seen).await?;
                        reversals::book_by_issuer(connection, actor, number, &seen.receipt).await?;
                    }
                    Kept::Known => {}
                    Kept::Other => {
                        return Err(StoreError::Exists {
                            what: "another receipt",
                            name: format!("{} of card {number}", seen.receipt.counter),
                        });
                    }
                }
            }
            note_counter(connection, number, counter).await?;
            confirm_version(connection, number, version).await?;
            settle_scripts(connection, number, counter).await?;
            let subject = format!(
                "{number} version {version} counter {counter} receipts {}",
                receipts.len()
            );
            log(connection, actor, "card-seen", &subject).await
        })
    }
}

/// Stores a version of a card that was just signed.
pub(crate) async fn insert_version(
    connection: &mut AnyConnection,
    number: &CardNumber,
    version: u16,
    cso: &[u8],
    update: Option<&NewVersion<'_>>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO card_version (card, version, cso, data_groups, change, released_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(number.to_string())
    .bind(i64::from(version))
    .bind(cso.to_vec())
    .bind(update.map(|update| update.groups.to_vec()))
    .bind(signed(update.map_or(0, |update| update.change), "a change")?)
    .bind(now())
    .execute(connection)
    .await?;
    Ok(())
}

/// The card was seen with this version. What was kept to load it, or one before it, nobody needs any more.
pub(crate) async fn confirm_version(
    connection: &mut AnyConnection,
    number: &CardNumber,
    version: u16,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE card_version SET data_groups = NULL WHERE card = $1 AND version <= $2")
        .bind(number.to_string())
        .bind(i64::from(version))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM outdated_card WHERE card = $1 AND change <=
         (SELECT change FROM card_version WHERE card = $1 AND version = $2)",
    )
    .bind(number.to_string())
    .bind(i64::from(version))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE card_version SET confirmed_at = $3 WHERE card = $1 AND version = $2 AND confirmed_at IS NULL",
    )
    .bind(number.to_string())
    .bind(i64::from(version))
    .bind(now())
    .execute(connection)
    .await?;
    Ok(())
}

/// What a script needs of the ledger's word on the card.
pub(crate) fn demand(card: &Card, action: Action) -> Result<(), StoreError> {
    match (action, card.state) {
        (Action::Block(_) | Action::Terminate(_), CardState::Blocked) => Ok(()),
        (Action::Block(_) | Action::Terminate(_), _) => {
            Err(wrong_state(card, "a card that was blocked before"))
        }
        (_, CardState::Active) => Ok(()),
        _ => Err(wrong_state(card, "an active card")),
    }
}

/// A card that was closed for ever does not come back, be it by a script that its chip has not seen yet.
pub(crate) async fn demand_not_closed(connection: &mut AnyConnection, card: &Card) -> Result<(), StoreError> {
    let closed = sqlx::query("SELECT 1 AS found FROM card_script WHERE card = $1 AND action = 5")
        .bind(card.number.to_string())
        .fetch_optional(connection)
        .await?;
    match closed {
        Some(_) => Err(wrong_state(card, "a card that no script has closed for ever")),
        None => Ok(()),
    }
}

/// Stores a script that was just signed.
pub(crate) async fn insert_script(
    connection: &mut AnyConnection,
    actor: &Actor,
    (number, counter, action): (&CardNumber, u32, Action),
    script: &SignedObject,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO card_script (body_hash, card, counter, action, object, signed_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(script.body_hash.to_vec())
    .bind(number.to_string())
    .bind(i64::from(counter))
    .bind(i64::from(action.number()))
    .bind(script.object.clone())
    .bind(now())
    .execute(&mut *connection)
    .await?;
    let subject = format!("{number} script {:02} at {counter}", action.number());
    log(connection, actor, "script-signed", &subject).await
}

/// The script that was signed for this counter with this action by this issuer, if any.
pub(crate) async fn signed_before(
    connection: &mut AnyConnection,
    number: &CardNumber,
    counter: u32,
    issuer: Reference,
    action: Action,
) -> Result<Option<Vec<u8>>, StoreError> {
    let rows = sqlx::query("SELECT object FROM card_script WHERE card = $1 AND counter = $2")
        .bind(number.to_string())
        .bind(i64::from(counter))
        .fetch_all(connection)
        .await?;
    for row in rows {
        let object: Vec<u8> = row.try_get("object")?;
        let script =
            Signed::<IssuerScript>::parse(&object).map_err(|_| StoreError::Malformed("issuer script"))?;
        let (known, by) = (script.claimed().action, script.claimed().issuer);
        if known == action && by == issuer {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

async fn newest_block_list(connection: &mut AnyConnection) -> Result<u32, StoreError> {
    let sql = "SELECT coalesce(max(number), 0) AS newest FROM block_list";
    number(&sqlx::query(sql).fetch_one(connection).await?, "newest")
}

async fn block_reason(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<Option<BlockReason>, StoreError> {
    let row = sqlx::query("SELECT reason FROM block WHERE card = $1")
        .bind(card.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| BlockReason::from_code(number(&row, "reason")?))
        .transpose()
}

async fn versions(connection: &mut AnyConnection, card: &CardNumber) -> Result<Vec<CardVersion>, StoreError> {
    let sql = "SELECT version, cso, CASE WHEN confirmed_at IS NULL THEN 0 ELSE 1 END AS confirmed
               FROM card_version WHERE card = $1 ORDER BY version";
    let rows = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(CardVersion {
                version: number(row, "version")?,
                cso: row.try_get("cso")?,
                confirmed: number::<u8>(row, "confirmed")? == 1,
            })
        })
        .collect()
}

async fn waiting_groups(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT data_groups FROM card_version WHERE card = $1 ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(None), |row| Ok(row.try_get("data_groups")?))
}

async fn open_scripts(connection: &mut AnyConnection, card: &CardNumber) -> Result<Vec<u32>, StoreError> {
    let sql = "SELECT counter FROM card_script WHERE card = $1 AND outcome IS NULL AND counter <= $2 ORDER BY counter";
    let reached = known_counter(connection, card).await?;
    let rows = sqlx::query(sql)
        .bind(card.to_string())
        .bind(i64::from(reached))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| number(row, "counter")).collect()
}

async fn newest_change(connection: &mut AnyConnection, card: &CardNumber) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(change), 0) AS newest FROM outdated_card WHERE card = $1";
    let row = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_one(connection)
        .await?;
    number(&row, "newest")
}

async fn from_card_only(connection: &mut AnyConnection, card: &CardNumber) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) AS total FROM payment WHERE card = $1 AND announced IS NULL AND reversed = 0";
    let row = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_one(connection)
        .await?;
    number(&row, "total")
}

async fn unbooked(connection: &mut AnyConnection, card: &CardNumber) -> Result<Vec<u32>, StoreError> {
    let sql = "SELECT counter FROM card_receipt WHERE card = $1 AND kind = 1 AND NOT EXISTS
               (SELECT 1 FROM told_payment AS told WHERE told.order_hash = card_receipt.object_hash
                AND (told.is_apart = 0 OR told.reversed = 1)) ORDER BY counter";
    let rows = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| number(row, "counter")).collect()
}

/// Books the payment that a receipt proves, once for both witnesses.
async fn book_seen(
    connection: &mut AnyConnection,
    actor: &Actor,
    card: &CardNumber,
    SeenReceipt { receipt, payment }: &SeenReceipt,
) -> Result<(), StoreError> {
    if receipt.kind != ReceiptKind::Payment as u8 {
        return Ok(());
    }
    match payment {
        Some(payment) => tell_carried(connection, actor, payment).await.map(drop),
        None => {
            let receipt = (card, receipt.counter, &receipt.object_hash);
            note_receipt(connection, actor, OF_NO_LINE, receipt)
                .await
                .map(drop)
        }
    }
}
