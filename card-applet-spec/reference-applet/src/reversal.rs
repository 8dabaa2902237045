//! REVERSE (SPEC 9.8): the newest payment is undone at the terminal that made it. The checks in the order of the clause.

use card_spec::apdu::Command;
use card_spec::crypto::{Digest, sha256};
use card_spec::payment::{Order, ReceiptKind};
use card_spec::refusal::Refusal;
use card_spec::reversal::Reversal;
use card_spec::tlv::DataObject;
use card_spec::values::Amount;
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::commit::{Deed, ReceiptNumber};
use crate::content::LoadedSecurityObject;
use crate::holder_check::{Claim, HolderChecked};
use crate::memory::Memory;
use crate::paid_lines::{Entitlement, unmark};
use crate::payment::is_in_time;
use crate::receipts;
use crate::state::{Ledger, NewestRow, State};
use crate::terminal_session::TerminalSession;
use crate::{Card, require_parameters};

/// All that the checks look at.
struct Facts<'a> {
    reversal: &'a Reversal<'a>,
    session: &'a TerminalSession,
    ledger: &'a Ledger,
    cso: &'a LoadedSecurityObject,
    /// Hash and order of the newest receipt, if that is a payment's.
    newest: Option<(Digest, Order<'a>)>,
    tries_left: u8,
}

/// A reversal that passed every check, with the order that it undoes. Only [`check`] makes it, and only it can be executed.
struct CheckedReversal<'a> {
    order: Order<'a>,
    number: ReceiptNumber,
    holder: HolderChecked,
}

fn check<'a>(facts: &Facts<'a>) -> Result<CheckedReversal<'a>, Refusal> {
    if facts.reversal.cso_hash != facts.cso.hash {
        return Err(Refusal::OtherCard);
    }
    let date = facts.reversal.time.date().ok_or(Refusal::Date)?;
    is_in_time(date, &facts.cso.body, facts.session)?;
    let order = is_of_the_newest_payment(facts)?;
    let holder = holder_was_checked(facts)?;
    let number = facts.ledger.next_receipt().ok_or(Refusal::Counter)?;
    Ok(CheckedReversal {
        order,
        number,
        holder,
    })
}

/// Of the newest payment, and at the terminal that made it.
fn is_of_the_newest_payment<'a>(facts: &Facts<'a>) -> Result<Order<'a>, Refusal> {
    match facts.newest {
        Some((hash, order)) if hash == facts.reversal.order_hash && order.terminal == facts.session.name => {
            Ok(order)
        }
        _ => Err(Refusal::NotNewest),
    }
}

/// As for an order; a PIN must cover one more, of 0 VND.
fn holder_was_checked(facts: &Facts<'_>) -> Result<HolderChecked, Refusal> {
    let claim = Claim {
        method: facts.reversal.method,
        second_operator: facts.reversal.second_operator.is_some(),
        amount: Amount::default(),
    };
    claim.check(
        facts.cso.body.policy,
        facts.tries_left,
        facts.session.authorized.as_ref(),
    )
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// REVERSE.
    pub(crate) fn reverse(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let state = State::of(&self.memory)?;
        let ledger = state.activated()?;
        require_parameters(command, [0x00, 0x00])?;
        let object = DataObject::parse(command.data)?;
        let reversal = Reversal::parse(object)?;
        if reversal.terminal != session.name {
            return Err(Stop::SECURITY);
        }
        let hash = sha256(&[object.encoding()]);
        if let Some(done) = receipts::for_object(&self.memory, &ledger, ReceiptKind::Reversal, &hash)? {
            return Answer::data(done.receipt);
        }
        let ledger = state.active().map_err(|_| Refusal::Blocked)?;
        let cso = self.content()?.security_object()?;
        let newest = match receipts::newest(&self.memory, &ledger)? {
            Some(newest) => newest.order()?.map(|order| (newest.body.object_hash, order)),
            None => None,
        };
        let CheckedReversal {
            order,
            number,
            holder,
        } = check(&Facts {
            reversal: &reversal,
            session,
            ledger: &ledger,
            cso: &cso,
            newest,
            tries_left: self.tries_left(cso.body.policy, ledger.pin_grants)?,
        })?;
        let undone = self.undo(&ledger, &order)?;
        let deed = Deed {
            kind: ReceiptKind::Reversal,
            object: object.encoding(),
            hash,
            holder_check: holder.outcome(),
            number,
        };
        let answer = self.commit(&ledger, undone, &cso.body, &deed)?;
        holder.use_up(&mut session.authorized);
        Ok(answer)
    }

    /// The ledger without a payment: the line is unpaid again, and the month's total falls by the amount if it is the month
    /// of the order.
    pub(crate) fn undo(&self, ledger: &Ledger, order: &Order<'_>) -> Result<Ledger, Stop> {
        let line = order.line_key.parts();
        let rows = self.paid_rows(ledger)?;
        let unmarked = unmark(rows.iter().copied(), Entitlement::of(&line), line.period);
        let counted = order.time.date().map(|date| date.period()) == Some(ledger.month);
        let taken = if counted { order.amount.vnd() } else { 0 };
        let total = ledger.total.vnd().saturating_sub(taken);
        Ok(Ledger {
            total: Amount::new(total).ok_or(Stop::FAULT)?,
            newest_row: unmarked
                .map(|(number, row)| NewestRow { number, row })
                .or(ledger.newest_row),
            ..*ledger
        })
    }
}
