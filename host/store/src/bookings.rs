//! Which payment of a line is in the books: one at most, whatever is told, by whom, and in which order (promise 4).
//!
//! A payment is told by its terminal's journal, and by its card wherever that is read. The first one told of a line is booked; any
//! other is kept as a second payment and told, to be looked into: two orders have paid one line, or one of them was undone and
//! that is not told yet. So a second payment whose reversal comes home (DATA 5.5) is reversed like any other, and one whose line is
//! unpaid after all is booked.

use card_spec::values::CardNumber;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use crate::StoreError;
use crate::journal::{CarriedPayment, Payment};
use crate::operations::{is_logged, log};
use crate::operators::{Actor, system};
use crate::reversals::{AnnouncedReversal, is_undone};
use crate::store::{number, octets, signed};

/// What became of a payment that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Booking {
    /// It is booked.
    Now,
    /// It was told before, and is booked or looked into.
    Before,
    /// Its line is paid by another order, or its card has used the receipt's counter for another one.
    SecondPayment,
    /// It is not booked: only its card tells of it, and tells that it has undone it.
    Undone,
}

/// The columns of both tables, but for `reversed`.
const COLUMNS: &str = "order_hash, announced, terminal, sequence, person, programme, entitlement, line_type, period, amount, card,
    card_counter, paid_at";

/// Payments and second payments of one line.
const SAME_LINE: &str = "second.person = payment.person AND second.programme = payment.programme
    AND second.entitlement = payment.entitlement AND second.line_type = payment.line_type AND second.period = payment.period";

/// Only its card tells of the second payment, and tells that it has undone it.
const UNDONE: &str = "(second.announced IS NULL AND EXISTS (SELECT 1 FROM carried_reversal
    WHERE carried_reversal.order_hash = second.order_hash AND carried_reversal.card = second.card))";

/// Books a payment that the terminal's journal tells of.
pub(crate) async fn book_announced(
    connection: &mut AnyConnection,
    terminal: &str,
    payment: &Payment,
) -> Result<Booking, StoreError> {
    if announce(connection, "payment", payment).await? {
        return Ok(Booking::Before);
    }
    let announced = Some(payment.intent);
    if insert(connection, "payment", terminal, payment, announced).await? {
        return Ok(Booking::Now);
    }
    if !announce(connection, "second_payment", payment).await? {
        insert(connection, "second_payment", terminal, payment, announced).await?;
    }
    if exchange(connection, &payment.card).await? {
        return Ok(Booking::Now);
    }
    let subject = format!("{terminal}-{}", payment.intent);
    log(connection, &system(), "second-payment-not-booked", &subject).await?;
    Ok(Booking::SecondPayment)
}

/// Books the payment that a card's receipt proves, once for all who tell of it, and writes down what became of it; `None` if its
/// order is for no listed line.
pub(crate) async fn book_told(
    connection: &mut AnyConnection,
    actor: &Actor,
    subject: &str,
    payment: Option<&CarriedPayment>,
) -> Result<Option<Booking>, StoreError> {
    let Some(payment) = payment else {
        return Ok(
            match log_once(connection, actor, "receipt-of-no-line", subject).await? {
                true => None,
                false => Some(Booking::Before),
            },
        );
    };
    let booking = book_carried(connection, payment).await?;
    let act = match booking {
        Booking::Now => "payment-booked-from-card",
        Booking::Before => return Ok(Some(booking)),
        Booking::SecondPayment => "second-payment-not-booked",
        Booking::Undone => "undone-payment-not-booked",
    };
    log_once(connection, actor, act, subject).await?;
    Ok(Some(booking))
}

/// Books a payment that its card tells of.
async fn book_carried(
    connection: &mut AnyConnection,
    CarriedPayment { terminal, payment }: &CarriedPayment,
) -> Result<Booking, StoreError> {
    let sql = "SELECT 1 AS found FROM payment WHERE order_hash = $1 AND card = $2 AND card_counter = $3
               UNION SELECT 1 AS found FROM second_payment WHERE order_hash = $1 AND card = $2 AND card_counter = $3";
    let known = sqlx::query(sql)
        .bind(payment.order.to_vec())
        .bind(payment.card.to_string())
        .bind(payment.card_counter.map(i64::from));
    if known.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(Booking::Before);
    }
    if is_undone(connection, &payment.card, &payment.order).await? {
        return Ok(Booking::Undone);
    }
    if insert(connection, "payment", terminal, payment, None).await? {
        return Ok(Booking::Now);
    }
    insert(connection, "second_payment", terminal, payment, None).await?;
    Ok(match exchange(connection, &payment.card).await? {
        true => Booking::Now,
        false => Booking::SecondPayment,
    })
}

/// Of two payments of a line of which only their card tells, the one that it also tells undone leaves the books for the later one: the
/// line stays paid once. True if there was one.
pub(crate) async fn exchange(connection: &mut AnyConnection, card: &CardNumber) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT payment.order_hash AS undone, second.order_hash AS standing FROM payment
         JOIN carried_reversal ON carried_reversal.order_hash = payment.order_hash AND carried_reversal.card = payment.card
         JOIN second_payment AS second ON {SAME_LINE} AND second.card = payment.card
         AND second.card_counter > payment.card_counter AND NOT {UNDONE}
         WHERE payment.card = $1 AND payment.announced IS NULL AND payment.reversed = 0 ORDER BY second.card_counter LIMIT 1"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(card.to_string());
    let Some(row) = query.fetch_optional(&mut *connection).await? else {
        return Ok(false);
    };
    let (undone, standing) = (octets(&row, "undone")?, octets(&row, "standing")?);
    let sql = format!(
        "INSERT INTO second_payment ({COLUMNS}) SELECT {COLUMNS} FROM payment WHERE order_hash = $1 ON CONFLICT DO NOTHING"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(undone.to_vec());
    query.execute(&mut *connection).await?;
    forget(connection, "payment", &undone).await?;
    bring_home(connection, &standing, false).await
}

/// Books that a second payment was undone, as for one that is in the books: `false` if there is none of this terminal, card and order
/// whose money was not handed over.
pub(crate) async fn settle(
    connection: &mut AnyConnection,
    terminal: &str,
    card: &CardNumber,
    reversal: &AnnouncedReversal,
) -> Result<bool, StoreError> {
    let sql =
        "SELECT 1 AS found FROM second_payment JOIN hand_over ON hand_over.terminal = second_payment.terminal
               AND hand_over.intent = second_payment.announced AND hand_over.handed = 0
               WHERE order_hash = $1 AND second_payment.terminal = $2 AND announced = $3 AND card = $4";
    let query = sqlx::query(sql).bind(reversal.order.to_vec()).bind(terminal);
    let query = query.bind(i64::from(reversal.intent)).bind(card.to_string());
    if query.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(false);
    }
    let subject = format!("{terminal}-{}", reversal.intent);
    log(connection, &system(), "second-payment-undone", &subject).await?;
    bring_home(connection, &reversal.order, true).await
}

/// The same for one by hand, which its clerk's word undoes.
pub(crate) async fn settle_by_hand(
    connection: &mut AnyConnection,
    terminal: &str,
    entry: u32,
) -> Result<bool, StoreError> {
    let sql =
        "SELECT order_hash FROM second_payment JOIN hand_over ON hand_over.terminal = second_payment.terminal
               AND hand_over.intent = second_payment.announced AND hand_over.handed = 0
               WHERE second_payment.terminal = $1 AND announced = $2 AND card_counter IS NULL";
    let query = sqlx::query(sql).bind(terminal).bind(i64::from(entry));
    let Some(row) = query.fetch_optional(&mut *connection).await? else {
        return Ok(false);
    };
    let order = octets(&row, "order_hash")?;
    let subject = format!("{terminal}-{entry}");
    log(connection, &system(), "second-payment-undone", &subject).await?;
    bring_home(connection, &order, true).await
}

/// A second payment that is booked after all.
pub(crate) struct BookedSecond {
    pub(crate) terminal: String,
    /// Sequence number of its Intent.
    pub(crate) intent: u32,
    /// VND.
    pub(crate) amount: u64,
}

/// The line of a payment that was just undone is unpaid: books a second payment of it that stands, if there is one.
pub(crate) async fn book_second(
    connection: &mut AnyConnection,
    undone: &[u8; 32],
) -> Result<Option<BookedSecond>, StoreError> {
    let sql = format!(
        "SELECT second.* FROM payment JOIN second_payment AS second ON {SAME_LINE} AND NOT {UNDONE}
         WHERE payment.order_hash = $1 ORDER BY second.terminal, second.sequence LIMIT 1"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(undone.to_vec());
    let Some(row) = query.fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    if !bring_home(connection, &octets(&row, "order_hash")?, false).await? {
        return Ok(None);
    }
    let second = BookedSecond {
        terminal: row.try_get("terminal")?,
        intent: number(&row, "sequence")?,
        amount: number(&row, "amount")?,
    };
    let subject = format!("{}-{}", second.terminal, second.intent);
    log(connection, &system(), "second-payment-booked", &subject).await?;
    Ok(Some(second))
}

/// Is the order a second payment still, and does its card not tell that it has undone it?
pub(crate) async fn is_second(connection: &mut AnyConnection, order: &[u8; 32]) -> Result<bool, StoreError> {
    let sql =
        format!("SELECT 1 AS found FROM second_payment AS second WHERE order_hash = $1 AND NOT {UNDONE}");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(order.to_vec());
    Ok(query.fetch_optional(connection).await?.is_some())
}

/// The terminal's journal tells of a payment that until now only its card told of. `false` if there is none.
async fn announce(
    connection: &mut AnyConnection,
    table: &str,
    payment: &Payment,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE {table} SET announced = sequence
         WHERE order_hash = $1 AND card = $2 AND card_counter = $3 AND announced IS NULL"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(payment.order.to_vec())
        .bind(payment.card.to_string())
        .bind(payment.card_counter.map(i64::from));
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// `false` if line, receipt counter or order is there already.
async fn insert(
    connection: &mut AnyConnection,
    table: &str,
    terminal: &str,
    payment: &Payment,
    announced: Option<u32>,
) -> Result<bool, StoreError> {
    // Not an error that is passed over: after a failed statement PostgreSQL commits nothing of a transaction.
    let sql = format!(
        "INSERT INTO {table} ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING"
    );
    let booked = sqlx::query(AssertSqlSafe(sql))
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
        .execute(connection)
        .await?;
    Ok(booked.rows_affected() == 1)
}

/// A second payment gets into the books; `false` if they have no room for it, and then it stays where it is.
async fn bring_home(
    connection: &mut AnyConnection,
    order: &[u8; 32],
    is_reversed: bool,
) -> Result<bool, StoreError> {
    let sql = format!(
        "INSERT INTO payment ({COLUMNS}, reversed) SELECT {COLUMNS}, {} FROM second_payment WHERE order_hash = $1
         ON CONFLICT DO NOTHING",
        i64::from(is_reversed)
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(order.to_vec());
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    forget(connection, "second_payment", order).await?;
    Ok(true)
}

async fn forget(connection: &mut AnyConnection, table: &str, order: &[u8; 32]) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM {table} WHERE order_hash = $1");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(order.to_vec());
    query.execute(connection).await?;
    Ok(())
}

/// `false` if that was written down before.
pub(crate) async fn log_once(
    connection: &mut AnyConnection,
    actor: &Actor,
    action: &str,
    subject: &str,
) -> Result<bool, StoreError> {
    if is_logged(connection, action, subject).await? {
        return Ok(false);
    }
    log(connection, actor, action, subject).await?;
    Ok(true)
}
