//! DISBURSE (SPEC 9.3): the checks in the order of the clause, one function a row, and the payment.

use card_spec::apdu::{Command, StatusWord};
use card_spec::crypto::{Digest, sha256};
use card_spec::cso::{CardSecurityObject, HolderCheckPolicy};
use card_spec::groups::{ProgrammeStatus, Programmes};
use card_spec::payment::{HolderCheckMethod, HolderCheckOutcome, LineKeyParts, Order, ReceiptKind};
use card_spec::tlv::{DataObject, Field as _, Reader};
use card_spec::values::{Amount, Date, Period, Programme};
use heapless::Vec;
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::commit::{Deed, ReceiptNumber};
use crate::content::{LoadedSecurityObject, Object};
use crate::holder_check::Authorized;
use crate::memory::{Memory, PAID_ROWS, Slot};
use crate::paid_lines::{Entitlement, Mark, Row, Standing, Window, look_up};
use crate::receipts;
use crate::record::Record as _;
use crate::state::{Ledger, NewestRow, State};
use crate::terminal_session::TerminalSession;
use crate::{Card, require_parameters};

/// Why the card does not carry an order out: a decision about money, which a terminal may trust because it comes
/// protected (SPEC 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Refusal {
    Paid = 0x6340,
    Programme = 0x6341,
    Period = 0x6342,
    OrderCap = 0x6343,
    MonthCap = 0x6344,
    Date = 0x6345,
    HolderCheck = 0x6346,
    NoRoom = 0x6347,
    Counter = 0x6348,
    OtherCard = 0x6349,
}

/// All that the checks look at.
struct Facts<'a> {
    order: &'a Order<'a>,
    line: LineKeyParts,
    date: Date,
    session: &'a TerminalSession,
    ledger: &'a Ledger,
    cso: &'a LoadedSecurityObject,
    programmes: &'a Programmes,
    rows: &'a [Option<Row>],
    tries_left: u8,
}

/// An order that passed every check, with what its payment writes. Only [`check`] makes it, and only it can be executed.
struct CheckedOrder {
    number: ReceiptNumber,
    month: Period,
    total: Amount,
    mark: Mark,
    holder_check: HolderCheckOutcome,
    /// What the holder's PIN still authorizes afterwards; `None` if this order does not rest on a PIN.
    authorized: Option<Authorized>,
}

fn check(facts: &Facts<'_>) -> Result<CheckedOrder, Refusal> {
    is_for_this_card(facts)?;
    is_in_time(facts)?;
    programme_is_active(facts)?;
    let mark = is_unpaid(facts)?;
    is_within_order_cap(facts)?;
    let (month, total) = is_within_month_cap(facts)?;
    let (holder_check, authorized) = holder_was_checked(facts)?;
    let number = has_a_number_left(facts)?;
    let mark = mark.ok_or(Refusal::NoRoom)?;
    Ok(CheckedOrder {
        number,
        month,
        total,
        mark,
        holder_check,
        authorized,
    })
}

fn is_for_this_card(facts: &Facts<'_>) -> Result<(), Refusal> {
    let right = facts.order.cso_hash == facts.cso.hash && facts.line.person == facts.cso.body.person;
    if right { Ok(()) } else { Err(Refusal::OtherCard) }
}

fn is_in_time(facts: &Facts<'_>) -> Result<(), Refusal> {
    let CardSecurityObject {
        effective, expiry, ..
    } = facts.cso.body;
    let card = (effective..=expiry).contains(&facts.date);
    let terminal = facts.session.terminal.valid_on(facts.date).is_ok();
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

/// Period and paid lines, two rows of the clause. The mark is missing if the table has no room, which is a later row.
fn is_unpaid(facts: &Facts<'_>) -> Result<Option<Mark>, Refusal> {
    let LineKeyParts {
        programme,
        entitlement,
        line_type,
        period,
        ..
    } = facts.line;
    let entitlement = Entitlement {
        programme,
        number: entitlement,
        line_type: line_type as u8,
    };
    let window = Window::around(facts.ledger.remembered.period(), facts.ledger.floor);
    match look_up(facts.rows.iter().copied(), entitlement, period, window) {
        Standing::OutsideWindow => Err(Refusal::Period),
        Standing::Paid => Err(Refusal::Paid),
        Standing::Unpaid(mark) => Ok(mark),
    }
}

fn is_within_order_cap(facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.order.amount <= facts.cso.body.caps.order {
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

fn holder_was_checked(facts: &Facts<'_>) -> Result<(HolderCheckOutcome, Option<Authorized>), Refusal> {
    let (bit, pin_verified) = match facts.order.method {
        HolderCheckMethod::Pin => (HolderCheckPolicy::PIN, true),
        HolderCheckMethod::PhotoDocument => (HolderCheckPolicy::PHOTO_DOCUMENT, false),
    };
    if facts.cso.body.policy.methods & bit == 0 {
        return Err(Refusal::HolderCheck);
    }
    let outcome = HolderCheckOutcome {
        pin_verified,
        tries_left: facts.tries_left,
    };
    if !pin_verified {
        return Ok((outcome, None));
    }
    let authorized = facts.session.authorized.as_ref().ok_or(Refusal::HolderCheck)?;
    let after = authorized.after(facts.order.amount).ok_or(Refusal::HolderCheck)?;
    Ok((outcome, Some(after)))
}

fn has_a_number_left(facts: &Facts<'_>) -> Result<ReceiptNumber, Refusal> {
    facts.ledger.next_receipt().ok_or(Refusal::Counter)
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// DISBURSE.
    pub(crate) fn disburse(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let ledger = State::of(&self.memory)?.active()?;
        require_parameters(command, [0x00, 0x00])?;
        let object = DataObject::parse(command.data)?;
        let order = Order::parse(object)?;
        if order.terminal != session.name {
            return Err(Stop::SECURITY);
        }
        let hash = sha256(&[object.encoding()]);
        if let Some(receipt) = receipts::for_object(&self.memory, &ledger, ReceiptKind::Payment, &hash)? {
            return Answer::data(receipt.receipt);
        }
        let cso = self.content()?.security_object()?;
        match self.check_order(session, &ledger, &cso, &order)? {
            Ok(checked) => self.execute(session, &ledger, &cso.body, object.encoding(), &hash, checked),
            Err(Refusal::Paid) => {
                let standing = receipts::for_line(&self.memory, &ledger, order.line_key)?;
                Answer::with(
                    standing.map_or(&[], |standing| standing.receipt),
                    StatusWord::REFUSED_RECEIPT_FOLLOWS,
                )
            }
            Err(refusal) => Ok(Answer::status(StatusWord(refusal as u16))),
        }
    }

    fn check_order(
        &self,
        session: &TerminalSession,
        ledger: &Ledger,
        cso: &LoadedSecurityObject,
        order: &Order<'_>,
    ) -> Result<Result<CheckedOrder, Refusal>, Stop> {
        let programmes = self.content()?.object(Object::Programmes)?;
        let programmes = Programmes::read(&mut Reader::new(&programmes), 0xFF33).map_err(|_| Stop::FAULT)?;
        Ok(check(&Facts {
            order,
            line: order.line_key.parts(),
            date: order.time.date().ok_or(Stop::DATA)?,
            session,
            ledger,
            cso,
            programmes: &programmes,
            rows: &self.paid_rows(ledger)?,
            tries_left: self.tries_left(cso.body.policy, ledger.pin_grants)?,
        }))
    }

    /// The table of paid lines: the slots, and over them the row that the newest payment committed in the ledger.
    fn paid_rows(&self, ledger: &Ledger) -> Result<Vec<Option<Row>, { PAID_ROWS as usize }>, Stop> {
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

    /// Pays (SPEC 9.3), and takes what the holder authorized.
    fn execute(
        &mut self,
        session: &mut TerminalSession,
        ledger: &Ledger,
        cso: &CardSecurityObject,
        order: &[u8],
        order_hash: &Digest,
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
            hash: *order_hash,
            holder_check: checked.holder_check,
            number: checked.number,
        };
        let answer = self.commit(ledger, paid, cso, &deed)?;
        if checked.authorized.is_some() {
            session.authorized = checked.authorized;
        }
        Ok(answer)
    }
}
