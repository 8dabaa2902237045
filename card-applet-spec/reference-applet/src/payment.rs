//! DISBURSE (SPEC 9.3): the checks in the order of the clause, one function a row, and the payment.

use card_spec::apdu::Command;
use card_spec::crypto::{Digest, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::groups::{ProgrammeStatus, Programmes, Representatives};
use card_spec::payment::{LineKeyParts, Order, ReceiptKind, Recipient};
use card_spec::refusal::Refusal;
use card_spec::tlv::{DataObject, Field as _, Reader};
use card_spec::values::{Amount, Date, Period, Programme};
use heapless::Vec;
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::commit::{Deed, ReceiptNumber};
use crate::content::{LoadedSecurityObject, Object};
use crate::holder_check::{Claim, HolderChecked};
use crate::memory::{Memory, PAID_ROWS, Slot};
use crate::paid_lines::{Entitlement, Mark, Row, Standing, Unpaid, Window, look_up};
use crate::receipts;
use crate::record::Record as _;
use crate::state::{Ledger, NewestRow, State};
use crate::terminal_session::TerminalSession;
use crate::{Card, require_parameters};

/// All that the checks look at.
struct Facts<'a> {
    order: &'a Order<'a>,
    line: LineKeyParts,
    date: Date,
    session: &'a TerminalSession,
    state: &'a State,
    ledger: &'a Ledger,
    cso: &'a LoadedSecurityObject,
    programmes: &'a Programmes,
    representatives: &'a Representatives<'a>,
    rows: &'a [Option<Row>],
    tries_left: u8,
}

/// An order that passed every check, with what its payment writes. Only [`check`] makes it, and only it can be executed.
struct CheckedOrder {
    number: ReceiptNumber,
    month: Period,
    total: Amount,
    mark: Mark,
    holder: HolderChecked,
}

fn check(facts: &Facts<'_>) -> Result<CheckedOrder, Refusal> {
    is_for_this_person(facts)?;
    let standing = is_unpaid(facts)?;
    card_is_active(facts)?;
    is_for_this_version(facts)?;
    is_in_time(facts.date, &facts.cso.body, facts.session)?;
    programme_is_active(facts)?;
    let mark = is_in_window(standing)?;
    is_within_order_cap(facts)?;
    let (month, total) = is_within_month_cap(facts)?;
    let holder = holder_was_checked(facts)?;
    recipient_is_authorized(facts)?;
    let number = facts.ledger.next_receipt().ok_or(Refusal::Counter)?;
    let mark = mark.ok_or(Refusal::NoRoom)?;
    Ok(CheckedOrder {
        number,
        month,
        total,
        mark,
        holder,
    })
}

fn is_for_this_person(facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.line.person == facts.cso.body.person {
        Ok(())
    } else {
        Err(Refusal::OtherCard)
    }
}

/// Before everything that may have changed since the line was paid: whoever asks for a line that this card has paid
/// must not be told that it was refused, even if the order's receipt is no longer stored (DATA 5.3).
fn is_unpaid(facts: &Facts<'_>) -> Result<Unpaid, Refusal> {
    let window = Window::around(facts.ledger.remembered.period(), facts.ledger.floor);
    let entitlement = Entitlement::of(&facts.line);
    match look_up(facts.rows.iter().copied(), entitlement, facts.line.period, window) {
        Standing::Paid => Err(Refusal::Paid),
        Standing::Unpaid(unpaid) => Ok(unpaid),
    }
}

fn card_is_active(facts: &Facts<'_>) -> Result<(), Refusal> {
    match facts.state {
        State::Active(_) => Ok(()),
        _ => Err(Refusal::Blocked),
    }
}

fn is_for_this_version(facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.order.cso_hash == facts.cso.hash {
        Ok(())
    } else {
        Err(Refusal::OtherCard)
    }
}

/// The day lies within the card's dates and the terminal certificate's.
pub(crate) fn is_in_time(
    date: Date,
    cso: &CardSecurityObject,
    session: &TerminalSession,
) -> Result<(), Refusal> {
    let card = (cso.effective..=cso.expiry).contains(&date);
    let terminal = session.terminal.valid_on(date).is_ok();
    if card && terminal {
        Ok(())
    } else {
        Err(Refusal::Date)
    }
}

fn programme_is_active(facts: &Facts<'_>) -> Result<(), Refusal> {
    let programme = facts.line.programme;
    let active = facts
        .programmes
        .entries
        .iter()
        .any(|entry| entry.programme == programme && entry.status == ProgrammeStatus::Active);
    if active || programme == Programme::SUDDEN_RELIEF {
        Ok(())
    } else {
        Err(Refusal::Programme)
    }
}

/// The mark is missing if the table has no room, which is a later row.
fn is_in_window(standing: Unpaid) -> Result<Option<Mark>, Refusal> {
    match standing {
        Unpaid::OutsideWindow => Err(Refusal::Period),
        Unpaid::NoRoom => Ok(None),
        Unpaid::Payable(mark) => Ok(Some(mark)),
    }
}

/// A PIN that is blocked leaves less to pay.
fn is_within_order_cap(facts: &Facts<'_>) -> Result<(), Refusal> {
    let caps = facts.cso.body.caps;
    let cap = if facts.tries_left == 0 {
        caps.order.min(caps.order_without_pin)
    } else {
        caps.order
    };
    if facts.order.amount <= cap {
        Ok(())
    } else {
        Err(Refusal::OrderCap)
    }
}

/// The month and its total with this order (SPEC 9.5).
fn is_within_month_cap(facts: &Facts<'_>) -> Result<(Period, Amount), Refusal> {
    let month = facts.date.period();
    let (month, before) = if month > facts.ledger.month {
        (month, Amount::default())
    } else {
        (facts.ledger.month, facts.ledger.total)
    };
    let total = before.checked_add(facts.order.amount).ok_or(Refusal::MonthCap)?;
    if total <= facts.cso.body.caps.month {
        Ok((month, total))
    } else {
        Err(Refusal::MonthCap)
    }
}

fn holder_was_checked(facts: &Facts<'_>) -> Result<HolderChecked, Refusal> {
    let claim = Claim {
        method: facts.order.method,
        second_operator: facts.order.second_operator.is_some(),
        amount: facts.order.amount,
    };
    claim.check(
        facts.cso.body.policy,
        facts.tries_left,
        facts.session.authorized.as_ref(),
    )
}

/// A representative takes the money as long as the authorization lasts, its last day included.
fn recipient_is_authorized(facts: &Facts<'_>) -> Result<(), Refusal> {
    let place = match facts.order.recipient {
        Recipient::Holder => return Ok(()),
        Recipient::FirstRepresentative => 0,
        Recipient::SecondRepresentative => 1,
    };
    let representative = facts.representatives.entries.get(place);
    if representative.is_some_and(|representative| facts.date <= representative.expiry) {
        Ok(())
    } else {
        Err(Refusal::Recipient)
    }
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// DISBURSE.
    pub(crate) fn disburse(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let state = State::of(&self.memory)?;
        let ledger = state.activated()?;
        require_parameters(command, [0x00, 0x00])?;
        let object = DataObject::parse(command.data)?;
        let order = Order::parse(object)?;
        if order.terminal != session.name {
            return Err(Stop::SECURITY);
        }
        let hash = sha256(&[object.encoding()]);
        // An order that was reversed is dead as long as the card knows of either receipt.
        if let Some(reversal) = receipts::reversal_of(&self.memory, &ledger, &hash)? {
            return Answer::with(reversal.receipt, Refusal::Reversed.status());
        }
        if let Some(paid) = receipts::for_object(&self.memory, &ledger, ReceiptKind::Payment, &hash)? {
            return Answer::data(paid.receipt);
        }
        let cso = self.content()?.security_object()?;
        match self.check_order(session, &state, &ledger, &cso, &order)? {
            Ok(checked) => self.pay(session, &ledger, &cso.body, object.encoding(), hash, checked),
            Err(Refusal::Paid) => {
                let standing = receipts::for_line(&self.memory, &ledger, order.line_key)?;
                let receipt = standing.map_or(&[][..], |standing| standing.receipt);
                Answer::with(receipt, Refusal::Paid.status())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn check_order(
        &self,
        session: &TerminalSession,
        state: &State,
        ledger: &Ledger,
        cso: &LoadedSecurityObject,
        order: &Order<'_>,
    ) -> Result<Result<CheckedOrder, Refusal>, Stop> {
        let content = self.content()?;
        let programmes = content.object(Object::Programmes)?;
        let representatives = content.object(Object::Representatives)?;
        Ok(check(&Facts {
            order,
            line: order.line_key.parts(),
            date: order.time.date().ok_or(Stop::DATA)?,
            session,
            state,
            ledger,
            cso,
            programmes: &Programmes::read(&mut Reader::new(&programmes), 0xFF33).map_err(|_| Stop::FAULT)?,
            representatives: &Representatives::read(&mut Reader::new(&representatives), 0xFF35)
                .map_err(|_| Stop::FAULT)?,
            rows: &self.paid_rows(ledger)?,
            tries_left: self.tries_left(cso.body.policy, ledger.pin_grants)?,
        }))
    }

    /// The table of paid lines: the slots, and over them the row that the newest receipt committed in the ledger.
    pub(crate) fn paid_rows(
        &self,
        ledger: &Ledger,
    ) -> Result<Vec<Option<Row>, { PAID_ROWS as usize }>, Stop> {
        let mut rows = Vec::new();
        for number in 0..PAID_ROWS {
            let row = match ledger.newest_row {
                Some(newest) if newest.number == number => Some(newest.row),
                _ => Row::load(&self.memory, Slot::PaidRow(number))?,
            };
            rows.push(row).map_err(|_| Stop::FAULT)?;
        }
        Ok(rows)
    }

    /// The line is marked as paid and the month's total grows; the order takes its part of what the holder authorized.
    fn pay(
        &mut self,
        session: &mut TerminalSession,
        ledger: &Ledger,
        cso: &CardSecurityObject,
        order: &[u8],
        hash: Digest,
        checked: CheckedOrder,
    ) -> Result<Answer, Stop> {
        let paid = Ledger {
            month: checked.month,
            total: checked.total,
            newest_row: Some(NewestRow {
                number: checked.mark.number(),
                row: checked.mark.row(),
            }),
            ..*ledger
        };
        let deed = Deed {
            kind: ReceiptKind::Payment,
            object: order,
            hash,
            holder_check: checked.holder.outcome(),
            number: checked.number,
        };
        let answer = self.commit(ledger, paid, cso, &deed)?;
        checked.holder.use_up(&mut session.authorized);
        Ok(answer)
    }
}
