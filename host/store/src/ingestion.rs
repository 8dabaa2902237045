//! What taking in the entries of a journal does to the books, entry by entry, and what is told of it.

use card_spec::values::CardNumber;
use sqlx::AnyConnection;

use crate::bookings::{self, OF_NO_LINE, State, Told};
use crate::carried_scripts::{self, Executed, ScriptReceipt};
use crate::journal::{CarriedPayment, Meaning, Payment};
use crate::operators::system;
use crate::reversals::AnnouncedReversal;
use crate::{StoreError, operations, reversals};

/// What taking in entries did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingestion {
    /// Entries stored now.
    pub stored: u64,
    /// Entries that were there already.
    pub known: u64,
    /// Payments told now that change no sum of the books: those that were told before by their cards, those that are undone already, and
    /// those that take the place of another one of their line, which only its card tells of.
    pub carried: u64,
    /// Payments of other terminals booked, because their cards have told of them here.
    pub brought: u64,
    /// Receipts of other terminals, told for the first time, whose orders are for no listed line.
    pub brought_unlisted: u64,
    /// Hashes of the orders of payments that only cards tell of, and whose lines other orders have paid.
    pub brought_second: Vec<[u8; 32]>,
    /// Receipts of cards that this ledger does not know: nothing was checked, nothing booked.
    pub brought_unknown: u64,
    /// Payments booked.
    pub booked: u64,
    /// Their sum in VND.
    pub booked_amount: u64,
    /// How many of them two operators have paid by hand.
    pub by_hand: u64,
    /// Sequence numbers (of the Intent) of payments for lines that are booked as paid already: money left twice.
    pub paid_twice: Vec<u32>,
    /// Of payments that had been told as second ones before, now or earlier, and are none after all: numbers of this terminal's Intents.
    pub settled: Vec<u32>,
    /// The same of all terminals' payments: hashes of their orders.
    pub cleared: Vec<[u8; 32]>,
    /// Payments that are not paid any more: their cards have undone them, or the money of one by hand was not handed over.
    pub reversed: u64,
    /// How many of them by scripts of the issuer that terminals carried.
    pub undone_by_scripts: u64,
    /// Receipts, told for the first time, of issuer scripts that this ledger has not signed for that card and counter: nothing was booked.
    pub unknown_scripts: u64,
    /// Sequence numbers (of the Intent) of reversals that undo no payment in the ledger whose money was not handed over: nothing was
    /// booked for them.
    pub unfounded_reversals: Vec<u32>,
}

impl Ingestion {
    /// Books what an entry means.
    pub(crate) async fn book(
        &mut self,
        connection: &mut AnyConnection,
        terminal: &str,
        meaning: &Meaning,
    ) -> Result<(), StoreError> {
        match meaning {
            Meaning::Paid(payment) | Meaning::PaidByHand(payment) => {
                let told = bookings::tell_announced(connection, terminal, payment).await?;
                self.count(terminal, &told);
                self.pay(payment, &told);
            }
            Meaning::Reversed { reversal, card, .. } => {
                self.reverse(connection, terminal, reversal, card).await?;
            }
            Meaning::HandOver { intent, handed } => {
                self.hand_over(connection, terminal, *intent, *handed).await?;
            }
            Meaning::CarriedReversal { card, order, .. } => {
                let told = reversals::note_carried(connection, card, order).await?;
                self.count(terminal, &told);
            }
            Meaning::CarriedReceipt {
                card,
                counter,
                object,
                payment: None,
            } => {
                let receipt = (card, *counter, object);
                let is_new = bookings::note_receipt(connection, &system(), OF_NO_LINE, receipt).await?;
                self.brought_unlisted += u64::from(is_new);
            }
            Meaning::CarriedReceipt {
                payment: Some(carried),
                ..
            } => self.carry(connection, terminal, carried).await?,
            Meaning::ScriptExecuted(told) => self.script_executed(connection, terminal, told).await?,
            Meaning::CardRefused { card, status } => {
                carried_scripts::note_refused(connection, terminal, card, *status).await?;
            }
            Meaning::ReceiptOfUnknownCard {
                card,
                counter,
                object,
            } => {
                let (act, receipt) = ("receipt-of-unknown-card", (card, *counter, object));
                let is_new = bookings::note_receipt(connection, &system(), act, receipt).await?;
                self.brought_unknown += u64::from(is_new);
            }
            _ => {}
        }
        Ok(())
    }

    /// What became of a payment of this journal, among all payments of its line.
    fn pay(&mut self, payment: &Payment, told: &[Told]) {
        let own = told.iter().find(|told| told.order == payment.order);
        let was_paid = told.iter().any(|told| told.before == Some(State::Booked));
        match own.map(|own| own.now) {
            Some(State::Second) => self.paid_twice.push(payment.intent),
            Some(State::Booked) if !was_paid => {
                self.booked += 1;
                self.booked_amount += payment.amount;
                self.by_hand += u64::from(payment.card_counter.is_none());
            }
            _ => self.carried += 1,
        }
    }

    async fn carry(
        &mut self,
        connection: &mut AnyConnection,
        terminal: &str,
        carried: &CarriedPayment,
    ) -> Result<(), StoreError> {
        let told = bookings::tell_carried(connection, &system(), carried).await?;
        self.count(terminal, &told);
        let own = told.iter().find(|told| told.order == carried.payment.order);
        self.brought += u64::from(own.is_some_and(|own| own.now == State::Booked));
        Ok(())
    }

    async fn reverse(
        &mut self,
        connection: &mut AnyConnection,
        terminal: &str,
        reversal: &AnnouncedReversal,
        card: &CardNumber,
    ) -> Result<(), StoreError> {
        if reversals::is_founded(connection, terminal, card, reversal).await? {
            return self.undo(connection, terminal, &reversal.order).await;
        }
        let subject = format!("{terminal}-{}", reversal.intent);
        operations::log(connection, &system(), "reversal-not-booked", &subject).await?;
        self.unfounded_reversals.push(reversal.intent);
        Ok(())
    }

    /// The clerk's word undoes what was paid by hand, and what its card tells undone.
    async fn hand_over(
        &mut self,
        connection: &mut AnyConnection,
        terminal: &str,
        intent: u32,
        handed: bool,
    ) -> Result<(), StoreError> {
        if !handed && let Some(order) = reversals::not_handed_by_hand(connection, terminal, intent).await? {
            return self.undo(connection, terminal, &order).await;
        }
        if let Some(order) = reversals::told_undone(connection, terminal, intent).await? {
            let told = bookings::settle_line(connection, &order, false).await?;
            self.count(terminal, &told);
        }
        Ok(())
    }

    async fn undo(
        &mut self,
        connection: &mut AnyConnection,
        terminal: &str,
        order: &[u8; 32],
    ) -> Result<(), StoreError> {
        let told = bookings::tell_undone(connection, order).await?;
        self.reversed += u64::from(!told.is_empty());
        self.count(terminal, &told);
        Ok(())
    }

    async fn script_executed(
        &mut self,
        connection: &mut AnyConnection,
        terminal: &str,
        receipt: &ScriptReceipt,
    ) -> Result<(), StoreError> {
        match carried_scripts::executed(connection, receipt).await? {
            Executed::Booked(told) => {
                self.undone_by_scripts += u64::from(!told.is_empty());
                self.reversed += u64::from(!told.is_empty());
                self.count(terminal, &told);
            }
            Executed::Unknown => {
                let is_new = carried_scripts::note_unknown(connection, receipt).await?;
                self.unknown_scripts += u64::from(is_new);
            }
        }
        Ok(())
    }

    /// What a word has made of the payments of a line: second ones that only cards tell of, and such that are none any more.
    fn count(&mut self, terminal: &str, told: &[Told]) {
        for payment in told {
            let is_second = payment.now == State::Second && !payment.is_announced;
            if is_second && payment.before != Some(State::Second) {
                self.brought_second.push(payment.order);
            } else if !is_second {
                self.brought_second.retain(|second| *second != payment.order);
            }
            if payment.is_cleared() {
                self.clear(terminal, payment);
            }
        }
    }

    fn clear(&mut self, terminal: &str, payment: &Told) {
        self.cleared.push(payment.order);
        if payment.terminal == terminal {
            self.paid_twice.retain(|second| *second != payment.intent);
            self.settled.push(payment.intent);
        }
    }

    /// What was done with the next entries of the same journal.
    pub fn add(&mut self, next: Self) {
        self.paid_twice.retain(|second| !next.settled.contains(second));
        self.brought_second
            .retain(|second| !next.cleared.contains(second));
        self.stored += next.stored;
        self.known += next.known;
        self.carried += next.carried;
        self.brought += next.brought;
        self.brought_unlisted += next.brought_unlisted;
        self.brought_second.extend(next.brought_second);
        self.brought_unknown += next.brought_unknown;
        self.booked += next.booked;
        self.booked_amount += next.booked_amount;
        self.by_hand += next.by_hand;
        self.paid_twice.extend(next.paid_twice);
        self.settled.extend(next.settled);
        self.cleared.extend(next.cleared);
        self.reversed += next.reversed;
        self.undone_by_scripts += next.undone_by_scripts;
        self.unknown_scripts += next.unknown_scripts;
        self.unfounded_reversals.extend(next.unfounded_reversals);
    }
}
