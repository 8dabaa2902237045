//! Which payment of a line is in the books: one at most, whatever is told, by whom, and in which order (promise 4).
//!
//! A payment is told by its terminal's journal, and by its card wherever that is read. Words come home in any order, so nothing is
//! decided once and for all: each word is kept, and then all payments of its line are looked at anew ([`settle`]). A payment is
//!
//! - **undone** if all is told that undoes it (DATA 5.5), or its card tells so and nobody's journal that its money left (DATA 5.6);
//! - else it stands, and one of those that stand is **booked**: rather one that its journal tells of than one that only its card does, and
//!   rather the one that is booked already;
//! - any other that stands is a **second payment**: two orders have paid one line, or what undid one of them is not told yet.
//!
//! A line of which any payment stands is due to nobody.
//!
//! The table `payment` has what is in the books (`reversed` 0, one of a line at most) and what was undone there; `second_payment` has the
//! second payments, and such as were told or undone beside the books. So whether a payment was told, or stands, neither of them knows:
//! ask the views `told_payment` and `standing_payment`. Only what is in the books may be asked of `payment` with `reversed` 0.

use card_spec::values::CardNumber;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use crate::StoreError;
use crate::cards::card_number;
use crate::journal::{CarriedPayment, Payment};
use crate::lists::optional_number;
use crate::operations::{is_logged, log};
use crate::operators::{Actor, system};
use crate::store::{number, octets, signed};

/// SHA-256 of an order.
type OrderHash = [u8; 32];

/// What a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It stands, and is in the books.
    Booked,
    /// Wherever it is kept.
    Undone,
    /// It stands, and is not in the books.
    Second,
}

/// A payment of a line, as it was and as it is after a word was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) order: OrderHash,
    pub(crate) terminal: String,
    /// Sequence number of its Intent.
    pub(crate) intent: u32,
    /// Does its journal tell of it?
    pub(crate) is_announced: bool,
    card: CardNumber,
    card_counter: Option<u32>,
    /// `None`: nobody told of it.
    pub(crate) before: Option<State>,
    pub(crate) now: State,
    is_undone: bool,
    /// In `second_payment`.
    is_apart: bool,
}

impl Told {
    fn from(row: &AnyRow, new: Option<&OrderHash>) -> Result<Self, StoreError> {
        let order = octets(row, "order_hash")?;
        let is_apart = number::<u32>(row, "is_apart")? > 0;
        let state = match (number::<u32>(row, "reversed")?, is_apart) {
            (0, false) => State::Booked,
            (0, true) => State::Second,
            _ => State::Undone,
        };
        Ok(Self {
            terminal: row.try_get("terminal")?,
            intent: number(row, "sequence")?,
            is_announced: optional_number(row, "announced")?.is_some(),
            card: card_number(row, "card")?,
            card_counter: optional_number(row, "card_counter")?,
            before: (new != Some(&order)).then_some(state),
            now: state,
            is_undone: number::<u32>(row, "undone")? > 0,
            is_apart,
            order,
        })
    }

    /// Was it told as a second payment before, and is it none any more?
    pub(crate) fn is_cleared(&self) -> bool {
        self.before == Some(State::Second) && self.now != State::Second
    }

    fn table(&self) -> &'static str {
        if self.is_apart {
            "second_payment"
        } else {
            "payment"
        }
    }

    /// The names that the operations log has for it: by its journal, by its card.
    fn subjects(&self) -> impl Iterator<Item = String> {
        let announced = self
            .is_announced
            .then(|| format!("{}-{}", self.terminal, self.intent));
        let counter = self
            .card_counter
            .map(|counter| receipt_name(&self.card, counter, &self.order));
        announced.into_iter().chain(counter)
    }
}

const COLUMNS: &str = "order_hash, announced, terminal, sequence, person, programme, entitlement, line_type, period, amount, card,
    card_counter, paid_at";

/// Keeps a payment that the terminal's journal tells of. All payments of its line.
pub(crate) async fn tell_announced(
    connection: &mut AnyConnection,
    terminal: &str,
    payment: &Payment,
) -> Result<Vec<Told>, StoreError> {
    let is_known = announce(connection, &payment.order).await?;
    if !is_known {
        keep(connection, terminal, payment, Some(payment.intent)).await?;
    }
    let told = settle_line(connection, &payment.order, !is_known).await?;
    // Accused under the name that its card has until now.
    let own = told.iter().find(|told| told.order == payment.order);
    if own.is_some_and(|own| own.before == Some(State::Second) && own.now == State::Second) {
        let subject = format!("{terminal}-{}", payment.intent);
        log(connection, &system(), SECOND, &subject).await?;
    }
    Ok(told)
}

/// Keeps a payment that its card tells of. All payments of its line, or none if it was told before.
pub(crate) async fn tell_carried(
    connection: &mut AnyConnection,
    actor: &Actor,
    CarriedPayment { terminal, payment }: &CarriedPayment,
) -> Result<Vec<Told>, StoreError> {
    let sql = "SELECT 1 AS found FROM told_payment WHERE order_hash = $1";
    let known = sqlx::query(sql).bind(payment.order.to_vec());
    if known.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(Vec::new());
    }
    keep(connection, terminal, payment, None).await?;
    let told = settle_line(connection, &payment.order, true).await?;
    let own = told.iter().find(|told| told.order == payment.order);
    let act = match own.map(|own| own.now) {
        Some(State::Booked) => "payment-booked-from-card",
        Some(State::Undone) => "undone-payment-not-booked",
        Some(State::Second) | None => return Ok(told),
    };
    for subject in own.into_iter().flat_map(Told::subjects) {
        log(connection, actor, act, &subject).await?;
    }
    Ok(told)
}

/// Keeps that an order is undone by all that has to be told of it. All payments of its line; none if that was told before.
pub(crate) async fn tell_undone(
    connection: &mut AnyConnection,
    order: &OrderHash,
) -> Result<Vec<Told>, StoreError> {
    let sql = "INSERT INTO undone_order (order_hash) VALUES ($1) ON CONFLICT DO NOTHING";
    let query = sqlx::query(sql).bind(order.to_vec());
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(Vec::new());
    }
    settle_line(connection, order, false).await
}

/// The operations log's word for a payment that becomes a second one, and for one that is none after all.
const SECOND: &str = "second-payment-not-booked";
const CLEARED: &str = "second-payment-cleared";

/// Looks anew at all payments of the line that an order is for; none if no payment by this order was told. `is_new`: it is told just now.
pub(crate) async fn settle_line(
    connection: &mut AnyConnection,
    order: &OrderHash,
    is_new: bool,
) -> Result<Vec<Told>, StoreError> {
    let mut told = payments_of_line(connection, order, is_new).await?;
    for payment in &mut told {
        if payment.is_undone && payment.now != State::Undone {
            set_reversed(connection, payment, true).await?;
            payment.now = State::Undone;
        } else if !payment.is_undone && payment.now == State::Undone {
            put_apart(connection, payment).await?;
        }
    }
    let first = told.iter().find(|payment| !payment.is_undone);
    if first.is_some_and(|first| first.now != State::Booked) {
        if let Some(booked) = told.iter_mut().find(|payment| payment.now == State::Booked) {
            put_apart(connection, booked).await?;
        }
        for payment in told.iter_mut().filter(|payment| !payment.is_undone) {
            if bring_home(connection, payment).await? {
                break;
            }
        }
    }
    for payment in &told {
        // Accused under one name, cleared under each that it may have been accused under.
        let (act, names) = match (payment.before, payment.now) {
            (Some(State::Second), State::Second) => continue,
            (_, State::Second) => (SECOND, 1),
            (Some(State::Second), _) => (CLEARED, 2),
            _ => continue,
        };
        for subject in payment.subjects().take(names) {
            log(connection, &system(), act, &subject).await?;
        }
    }
    Ok(told)
}

/// The operations log's word for a receipt whose order is for no listed line.
pub(crate) const OF_NO_LINE: &str = "receipt-of-no-line";

/// What the operations log calls a receipt. The name has what the receipt is for, since whoever has the key of a card can sign two under one
/// counter, and what is said of one is not said of the other.
fn receipt_name(card: &CardNumber, counter: u32, object: &[u8; 32]) -> String {
    format!("{card}-{counter}-{:.16}", hex::encode(object))
}

/// Writes down, once, that a receipt is kept and books nothing. `false` if that was written down before.
pub(crate) async fn note_receipt(
    connection: &mut AnyConnection,
    actor: &Actor,
    act: &str,
    (card, counter, object): (&CardNumber, u32, &[u8; 32]),
) -> Result<bool, StoreError> {
    let subject = receipt_name(card, counter, object);
    if is_logged(connection, act, &subject).await? {
        return Ok(false);
    }
    log(connection, actor, act, &subject).await?;
    Ok(true)
}

/// The one to be booked rather than others stands first. What a card tells undone counts where no journal says that the money left, and
/// what the issuer's script has undone where a journal says that it did not.
async fn payments_of_line(
    connection: &mut AnyConnection,
    order: &OrderHash,
    is_new: bool,
) -> Result<Vec<Told>, StoreError> {
    // Ordered by columns of the answer alone: by anything else SQLite would read all payments there are.
    let sql = "SELECT told.*, CASE WHEN told.announced IS NULL THEN 1 ELSE 0 END AS is_from_card,
         (SELECT count(*) FROM undone_order WHERE undone_order.order_hash = told.order_hash)
         + (SELECT count(*) FROM carried_reversal WHERE carried_reversal.order_hash = told.order_hash
            AND carried_reversal.card = told.card AND (told.announced IS NULL OR EXISTS (SELECT 1 FROM hand_over
            WHERE hand_over.terminal = told.terminal AND hand_over.intent = told.announced AND hand_over.handed = 0)))
         + (SELECT count(*) FROM undone_by_issuer WHERE undone_by_issuer.order_hash = told.order_hash
            AND undone_by_issuer.card = told.card AND EXISTS (SELECT 1 FROM hand_over
            WHERE hand_over.terminal = told.terminal AND hand_over.intent = told.announced AND hand_over.handed = 0)) AS undone
         FROM (SELECT DISTINCT person, programme, entitlement, line_type, period FROM told_payment WHERE order_hash = $1) AS line
         JOIN told_payment AS told ON told.person = line.person AND told.programme = line.programme
         AND told.entitlement = line.entitlement AND told.line_type = line.line_type AND told.period = line.period
         ORDER BY is_from_card, is_apart, paid_at, order_hash";
    let query = sqlx::query(sql).bind(order.to_vec());
    let rows = query.fetch_all(connection).await?;
    let new = is_new.then_some(order);
    rows.iter().map(|row| Told::from(row, new)).collect()
}

/// The terminal's journal tells of a payment that until now only its card told of. `false` if there is none.
async fn announce(connection: &mut AnyConnection, order: &OrderHash) -> Result<bool, StoreError> {
    for table in ["payment", "second_payment"] {
        let sql =
            format!("UPDATE {table} SET announced = sequence WHERE order_hash = $1 AND announced IS NULL");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(order.to_vec());
        if query.execute(&mut *connection).await?.rows_affected() == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Among the booked ones if line, receipt counter and order are free there, else apart.
async fn keep(
    connection: &mut AnyConnection,
    terminal: &str,
    payment: &Payment,
    announced: Option<u32>,
) -> Result<(), StoreError> {
    for table in ["payment", "second_payment"] {
        // Not an error that is passed over: after a failed statement PostgreSQL commits nothing of a transaction.
        let sql = format!(
            "INSERT INTO {table} ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING"
        );
        let kept = sqlx::query(AssertSqlSafe(sql))
            .bind(payment.order.to_vec())
            .bind(announced.map(i64::from))
            .bind(terminal)
            .bind(i64::from(payment.intent))
            .bind(payment.key.person.to_vec())
            .bind(&payment.key.programme)
            .bind(i64::from(payment.key.entitlement))
            .bind(i64::from(payment.key.line_type))
            .bind(&payment.key.period)
            .bind(signed(payment.amount, "an amount")?)
            .bind(payment.card.to_string())
            .bind(payment.card_counter.map(i64::from))
            .bind(&payment.paid_at)
            .execute(&mut *connection)
            .await?;
        if kept.rows_affected() == 1 {
            return Ok(());
        }
    }
    Ok(())
}

async fn set_reversed(
    connection: &mut AnyConnection,
    payment: &Told,
    is_reversed: bool,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE {} SET reversed = $2 WHERE order_hash = $1",
        payment.table()
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(payment.order.to_vec());
    query.bind(i64::from(is_reversed)).execute(connection).await?;
    Ok(())
}

/// It stands, and leaves the books.
async fn put_apart(connection: &mut AnyConnection, payment: &mut Told) -> Result<(), StoreError> {
    if payment.is_apart {
        set_reversed(connection, payment, false).await?;
    } else {
        shift(connection, &payment.order, "payment", "second_payment").await?;
    }
    (payment.is_apart, payment.now) = (true, State::Second);
    Ok(())
}

/// It gets into the books; `false` if its receipt's counter is another one's there.
async fn bring_home(connection: &mut AnyConnection, payment: &mut Told) -> Result<bool, StoreError> {
    if shift(connection, &payment.order, "second_payment", "payment").await? {
        (payment.is_apart, payment.now) = (false, State::Booked);
        return Ok(true);
    }
    Ok(false)
}

/// `false` if there is no room, and then nothing changes.
async fn shift(
    connection: &mut AnyConnection,
    order: &OrderHash,
    from: &str,
    to: &str,
) -> Result<bool, StoreError> {
    let sql = format!(
        "INSERT INTO {to} ({COLUMNS}) SELECT {COLUMNS} FROM {from} WHERE order_hash = $1 ON CONFLICT DO NOTHING"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(order.to_vec());
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let sql = format!("DELETE FROM {from} WHERE order_hash = $1");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(order.to_vec());
    query.execute(connection).await?;
    Ok(true)
}
