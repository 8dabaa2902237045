//! Money that was not handed over (DATA 5.5): the payment stands until the terminal's journal has told, in this order, that the money is
//! still there, which reversal goes to the card, and the card's receipt for it. Then its line is unpaid again.
//!
//! Where the journal tells only the first of the three, the card's own word stands for the other two, whichever comes home first: its
//! receipt of the reversal, read at another terminal or at the station (DATA 5.6), or of a script by which the issuer has undone what no
//! terminal can undo any more (SPEC 13.7). The terminal hears of neither, so its journal may go on to tell of that payment.

use card_spec::journal::EncodedReversal;
use card_spec::payment::ReceiptKind;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::bookings::{State, Told};
use crate::cards::{Card, wrong_state};
use crate::maintenance::CardReceipt;
use crate::operations::log;
use crate::operators::Actor;
use crate::store::{number, octets};
use crate::{Store, StoreError, bookings};

/// A reversal that a terminal's journal announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncedReversal {
    /// Sequence number of the Intent whose payment it undoes.
    pub intent: u32,
    /// SHA-256 of the order that it undoes; zeros if it was announced before NotHanded, so that it undoes none (DATA 5.5).
    pub order: [u8; 32],
    /// SHA-256 of the reversal as the card gets it.
    pub hash: [u8; 32],
}

impl Store {
    /// The reversals that a terminal's journal has announced so far, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn announced_reversals(&self, terminal: &str) -> Result<Vec<AnnouncedReversal>, StoreError> {
        let sql = "SELECT intent, order_hash, hash FROM reversal WHERE terminal = $1 ORDER BY sequence";
        self.read(async |connection| {
            let rows = sqlx::query(sql).bind(terminal).fetch_all(connection).await?;
            let announced = rows.iter().map(|row| {
                Ok(AnnouncedReversal {
                    intent: number(row, "intent")?,
                    order: octets(row, "order_hash")?,
                    hash: octets(row, "hash")?,
                })
            });
            announced.collect()
        })
    }

    /// Intents of a terminal whose payments the clerk did not hand over and that stand, in order: the card has paid, and the money is
    /// still there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn not_handed(&self, terminal: &str) -> Result<Vec<u32>, StoreError> {
        self.not_handed_but(terminal, "told.reversed = 1")
    }

    /// The same as far as the terminal's journal goes: it does not know what the card or the issuer has told elsewhere, and may tell of
    /// them again.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn not_handed_as_told(&self, terminal: &str) -> Result<Vec<u32>, StoreError> {
        let by_journal =
            "EXISTS (SELECT 1 FROM undone_order WHERE undone_order.order_hash = told.order_hash)";
        self.not_handed_but(terminal, by_journal)
    }

    /// All but those whose payments are undone.
    fn not_handed_but(&self, terminal: &str, undone: &'static str) -> Result<Vec<u32>, StoreError> {
        let sql = format!(
            "SELECT intent FROM hand_over WHERE terminal = $1 AND handed = 0 AND NOT EXISTS
             (SELECT 1 FROM told_payment AS told WHERE told.terminal = hand_over.terminal
              AND told.announced = hand_over.intent AND {undone})
             ORDER BY intent"
        );
        self.read(async |connection| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(terminal);
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(|row| number(row, "intent")).collect()
        })
    }
}

/// Keeps what the journal says of a payment's money.
pub(crate) async fn hand_over(
    connection: &mut AnyConnection,
    terminal: &str,
    intent: u32,
    handed: bool,
) -> Result<(), StoreError> {
    let sql = if handed {
        "INSERT INTO hand_over (terminal, intent, handed) VALUES ($1, $2, 1)
         ON CONFLICT (terminal, intent) DO UPDATE SET handed = 1"
    } else {
        "INSERT INTO hand_over (terminal, intent, handed) VALUES ($1, $2, 0) ON CONFLICT (terminal, intent) DO NOTHING"
    };
    let query = sqlx::query(sql).bind(terminal).bind(i64::from(intent));
    query.execute(connection).await?;
    Ok(())
}

/// The order of a payment by hand whose money was not handed over: no card knows of it, so the clerk's word undoes it. `None` if it was
/// paid by a card, or handed over before.
pub(crate) async fn not_handed_by_hand(
    connection: &mut AnyConnection,
    terminal: &str,
    entry: u32,
) -> Result<Option<[u8; 32]>, StoreError> {
    let sql = "SELECT told.order_hash AS order_hash FROM told_payment AS told
               JOIN hand_over ON hand_over.terminal = told.terminal AND hand_over.intent = told.announced AND hand_over.handed = 0
               WHERE told.terminal = $1 AND told.announced = $2 AND told.card_counter IS NULL";
    let query = sqlx::query(sql).bind(terminal).bind(i64::from(entry));
    let row = query.fetch_optional(connection).await?;
    row.map(|row| octets(&row, "order_hash")).transpose()
}

/// The order of this terminal's payment if its card tells that it has undone it, at a terminal or by a script of the issuer.
pub(crate) async fn told_undone(
    connection: &mut AnyConnection,
    terminal: &str,
    intent: u32,
) -> Result<Option<[u8; 32]>, StoreError> {
    let sql = "SELECT told.order_hash AS order_hash FROM told_payment AS told
               WHERE told.terminal = $1 AND told.announced = $2 AND (EXISTS (SELECT 1 FROM carried_reversal AS its
                   WHERE its.order_hash = told.order_hash AND its.card = told.card)
               OR EXISTS (SELECT 1 FROM undone_by_issuer AS its WHERE its.order_hash = told.order_hash AND its.card = told.card))";
    let query = sqlx::query(sql).bind(terminal).bind(i64::from(intent));
    let row = query.fetch_optional(connection).await?;
    row.map(|row| octets(&row, "order_hash")).transpose()
}

/// Keeps a reversal that the entry of this number announces.
pub(crate) async fn announce(
    connection: &mut AnyConnection,
    terminal: &str,
    sequence: u32,
    reversal: &AnnouncedReversal,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO reversal (terminal, sequence, intent, order_hash, hash) VALUES ($1, $2, $3, $4, $5)";
    let query = sqlx::query(sql).bind(terminal).bind(i64::from(sequence));
    let query = query
        .bind(i64::from(reversal.intent))
        .bind(reversal.order.to_vec());
    query.bind(reversal.hash.to_vec()).execute(connection).await?;
    Ok(())
}

/// Does a reversal undo a payment of this terminal, card and order whose money was not handed over?
pub(crate) async fn is_founded(
    connection: &mut AnyConnection,
    terminal: &str,
    card: &CardNumber,
    reversal: &AnnouncedReversal,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS found FROM told_payment AS told
               JOIN hand_over ON hand_over.terminal = told.terminal AND hand_over.intent = told.announced AND hand_over.handed = 0
               WHERE told.order_hash = $1 AND told.terminal = $2 AND told.announced = $3 AND told.card = $4";
    let query = sqlx::query(sql).bind(reversal.order.to_vec()).bind(terminal);
    let query = query.bind(i64::from(reversal.intent)).bind(card.to_string());
    Ok(query.fetch_optional(connection).await?.is_some())
}

/// Keeps that a card has told of its reversal of an order; it counts for that card's own orders alone. All payments of that order's line.
pub(crate) async fn note_carried(
    connection: &mut AnyConnection,
    card: &CardNumber,
    order: &[u8; 32],
) -> Result<Vec<Told>, StoreError> {
    let sql = "INSERT INTO carried_reversal (order_hash, card) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let query = sqlx::query(sql).bind(order.to_vec()).bind(card.to_string());
    query.execute(&mut *connection).await?;
    bookings::settle_line(connection, order, false).await
}

/// Hashes of the orders of a card that stand as paid while a committed journal says that their money was not handed over, newest
/// first.
pub(crate) async fn not_handed_of(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<Vec<[u8; 32]>, StoreError> {
    let sql = "SELECT payment.order_hash AS order_hash FROM standing_payment AS payment
               JOIN hand_over ON hand_over.terminal = payment.terminal AND hand_over.intent = payment.announced
               WHERE payment.card = $1 AND hand_over.handed = 0
               ORDER BY payment.card_counter DESC";
    let rows = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| octets(row, "order_hash")).collect()
}

/// The issuer undoes no other payment (SPEC 13.7).
pub(crate) async fn demand_not_handed(
    connection: &mut AnyConnection,
    card: &Card,
    action: Action,
) -> Result<(), StoreError> {
    let Action::Reverse(order) = action else {
        return Ok(());
    };
    if not_handed_of(connection, &card.number).await?.contains(&order) {
        return Ok(());
    }
    Err(wrong_state(card, "a payment of it that was not handed over"))
}

/// Keeps that an issuer script has undone an order, from the card's receipt for it: the payments of its line, if it counts now. As long as
/// no journal says that the money was not handed over, it changes nothing.
pub(crate) async fn book_by_issuer(
    connection: &mut AnyConnection,
    actor: &Actor,
    card: &CardNumber,
    receipt: &CardReceipt,
) -> Result<Vec<Told>, StoreError> {
    let Some(order) = undone_by(receipt) else {
        return Ok(Vec::new());
    };
    let sql =
        "INSERT INTO undone_by_issuer (order_hash, card, counter) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let query = sqlx::query(sql).bind(order.to_vec()).bind(card.to_string());
    let query = query.bind(i64::from(receipt.counter));
    query.execute(&mut *connection).await?;
    let told = bookings::settle_line(connection, &order, false).await?;
    let subject = format!("{card}-{}", receipt.counter);
    let own = told.iter().find(|told| told.order == order);
    if !own.is_some_and(|own| own.before != Some(State::Undone) && own.now == State::Undone) {
        log(connection, actor, "undone-payment-not-booked", &subject).await?;
        return Ok(Vec::new());
    }
    log(connection, actor, "payment-undone-by-issuer", &subject).await?;
    Ok(told)
}

/// The order that a card has undone at a terminal, if this is its receipt for it.
pub(crate) fn reversed_by(receipt: &CardReceipt) -> Option<[u8; 32]> {
    let reversal = EncodedReversal::parse(&receipt.object).ok()?;
    let is_its = receipt.kind == ReceiptKind::Reversal as u8 && reversal.hash() == receipt.object_hash;
    is_its.then_some(reversal.reversal().order_hash)
}

/// The order that a script `09` has undone, if this is its receipt.
fn undone_by(receipt: &CardReceipt) -> Option<[u8; 32]> {
    let script = Signed::<IssuerScript>::parse(&receipt.object).ok()?;
    let is_its = receipt.kind == ReceiptKind::IssuerScript as u8 && script.hash() == receipt.object_hash;
    match script.claimed().action {
        Action::Reverse(order) if is_its => Some(order),
        _ => None,
    }
}
