//! Payment, reversal, issuer scripts and blocking: SPEC 9 and 13.

use card_spec::command::LifeCycle;
use card_spec::values::{Date, Period};

use super::objects::{Action, Answer, Data, Done, HolderCheck, Order, Receipt, Reversal, Script};
use super::{Oracle, plain};

/// SPEC 4.1 `87`, as the test's CSO has them.
const CAP: u64 = 5_000_000;
const MONTH_CAP: u64 = 12_000_000;
const CAP_WITHOUT_PIN: u64 = 1_000_000;

/// The CSO's dates, as the test's CSO has them: SPEC 1, `date`.
const CSO_DATES: ([u8; 6], [u8; 6]) = ([2, 6, 1, 1, 0, 1], [3, 6, 1, 0, 3, 1]);

/// SPEC 9.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    line: (&'static [u8; 4], u16),
    base: Period,
    paid: Vec<Period>,
}

impl Oracle {
    fn stored(&self, done: &Done) -> Option<Answer> {
        let receipt = self.ring.iter().find(|receipt| receipt.done == *done)?;
        Some((0x9000, Data::Receipt(receipt.clone())))
    }

    fn reversal_of(&self, order: &Order) -> Option<&Receipt> {
        self.ring.iter().find(|receipt| match &receipt.done {
            Done::Reversal(reversal) => reversal.order == *order,
            Done::Script(script) => script.action == Action::Reverse(order.clone()),
            Done::Payment(_) | Done::BlockList(_) => false,
        })
    }

    /// Writes the receipt; the caller has made what it is for take effect.
    fn commit(&mut self, done: Done, pin_verified: bool) -> Answer {
        self.counter += 1;
        let receipt = Receipt {
            counter: self.counter,
            version: self.version(),
            done,
            pin_verified,
            tries: self.tries(),
        };
        self.ring.insert(0, receipt.clone());
        self.ring.truncate(32);
        (0x9000, Data::Receipt(receipt))
    }

    fn row(&mut self, order: &Order) -> Option<&mut Row> {
        let line = (order.programme, order.entitlement);
        self.rows.iter_mut().find(|row| row.line == line)
    }

    /// First and last month that may be paid: SPEC 9.3, 13.8.
    fn window(&self) -> (Period, Period) {
        let month = self.remembered.period().index();
        let first = Period::from_index(month.saturating_sub(36)).unwrap_or(Period::FIRST);
        (first.max(self.floor), Period::from_index(month + 3).unwrap())
    }

    fn in_time(&mut self, date: Date) -> bool {
        let (from, to) = self.terminal().certificate;
        CSO_DATES.0 <= date.to_bytes() && date.to_bytes() <= CSO_DATES.1 && (from..=to).contains(&date)
    }

    /// The row "method" of SPEC 9.3; what is left of the authorization if the PIN covers it.
    fn holder_check(&mut self, check: HolderCheck, amount: u64) -> Option<Option<(u8, u64)>> {
        let photo = self.tries() > 0 || check == HolderCheck::PhotoByTwo;
        let authorized = self.terminal().authorized;
        match (check, authorized) {
            (HolderCheck::Pin, Some((orders, total))) if orders > 0 && amount <= total => {
                Some(Some((orders - 1, total - amount)))
            }
            (HolderCheck::Pin, _) => None,
            _ => photo.then_some(authorized),
        }
    }

    fn refusal(&mut self, order: &Order) -> Option<u16> {
        let (first, last) = self.window();
        let row = self
            .row(order)
            .map(|row| (row.base, row.paid.contains(&order.period)));
        let active: &[&[u8; 4]] = if self.version() % 2 == 1 {
            &[b"BTXH", b"DXUA"]
        } else {
            &[b"HTXH", b"DXUA"]
        };
        let forgotten = row.is_some_and(|(base, _)| order.period < base);
        let total = if order.date.period() > self.month {
            0
        } else {
            self.total
        };
        let cap = if self.tries() == 0 { CAP_WITHOUT_PIN } else { CAP };
        let rows = [
            (!order.own_person, 0x6349),
            (row.is_some_and(|(_, paid)| paid), 0x6340),
            (self.life_cycle != LifeCycle::Active, 0x634C),
            (order.version != self.version(), 0x6349),
            (!self.in_time(order.date), 0x6345),
            (!active.contains(&order.programme), 0x6341),
            (order.period < first || order.period > last || forgotten, 0x6342),
            (order.amount > cap, 0x6343),
            (total + order.amount > MONTH_CAP, 0x6344),
            (self.holder_check(order.check, order.amount).is_none(), 0x6346),
            (order.recipient == 3, 0x634F),
        ];
        rows.into_iter()
            .find(|(refused, _)| *refused)
            .map(|(_, status)| status)
    }

    /// SPEC 9.3.
    pub(super) fn disburse(&mut self, order: &Order) -> Answer {
        if !order.encoding {
            return plain(0x6A80);
        }
        if order.terminal != self.terminal().name {
            return plain(0x6982);
        }
        if let Some(reversal) = self.reversal_of(order) {
            return (0x634A, Data::Receipt(reversal.clone()));
        }
        if let Some(answer) = self.stored(&Done::Payment(order.clone())) {
            return answer;
        }
        match self.refusal(order) {
            Some(0x6340) => return (0x6340, self.standing(order)),
            Some(status) => return plain(status),
            None => {}
        }
        let left = self.holder_check(order.check, order.amount).flatten();
        self.terminal().authorized = left;
        if order.date.period() > self.month {
            (self.month, self.total) = (order.date.period(), 0);
        }
        self.total += order.amount;
        self.mark(order);
        self.commit(Done::Payment(order.clone()), order.check == HolderCheck::Pin)
    }

    fn mark(&mut self, order: &Order) {
        let (base, _) = self.window();
        if self.row(order).is_none() {
            let row = Row {
                line: (order.programme, order.entitlement),
                base,
                paid: Vec::new(),
            };
            // SPEC 9.6: a row whose months all lie before the window may be reused, and the reference applet takes the first.
            let is_spent = |row: &Row| row.paid.iter().all(|period| *period < base);
            match self.rows.iter().position(is_spent) {
                Some(spent) => self.rows[spent] = row,
                None => self.rows.push(row),
            }
        }
        let row = self.row(order).unwrap();
        row.base = base;
        row.paid.retain(|period| *period >= base);
        row.paid.push(order.period);
    }

    fn standing(&self, order: &Order) -> Data {
        let same_line = |other: &Order| {
            (other.programme, other.entitlement, other.period)
                == (order.programme, order.entitlement, order.period)
        };
        let receipt = self.ring.iter().find(|receipt| match &receipt.done {
            Done::Payment(paid) => same_line(paid) && self.reversal_of(paid).is_none(),
            _ => false,
        });
        receipt.cloned().map_or(Data::None, Data::Receipt)
    }

    fn undo(&mut self, order: &Order) {
        if let Some(row) = self.row(order) {
            row.paid.retain(|period| *period != order.period);
        }
        if order.date.period() == self.month {
            self.total = self.total.saturating_sub(order.amount);
        }
    }

    /// SPEC 9.8.
    pub(super) fn reverse(&mut self, reversal: &Reversal) -> Answer {
        if reversal.terminal != self.terminal().name {
            return plain(0x6982);
        }
        let done = Done::Reversal(reversal.clone());
        if let Some(answer) = self.stored(&done) {
            return answer;
        }
        let newest = self.ring.first().map(|receipt| receipt.done.clone());
        let right = newest == Some(Done::Payment(reversal.order.clone()))
            && reversal.order.terminal == reversal.terminal;
        let left = self.holder_check(reversal.check, 0);
        let rows = [
            (self.life_cycle != LifeCycle::Active, 0x634C),
            (reversal.version != self.version(), 0x6349),
            (!self.in_time(reversal.date), 0x6345),
            (!right, 0x634B),
            (left.is_none(), 0x6346),
        ];
        if let Some((_, status)) = rows.into_iter().find(|(refused, _)| *refused) {
            return plain(status);
        }
        self.terminal().authorized = left.flatten();
        self.undo(&reversal.order);
        self.commit(done, reversal.check == HolderCheck::Pin)
    }

    /// SPEC 13.2.
    pub(super) fn execute(&mut self, script: &Script) -> Answer {
        // The body is the script, whatever its signature is (SPEC 2.3).
        let done = Done::Script(Script {
            own_signature: true,
            ..script.clone()
        });
        if let Some(answer) = self.stored(&done) {
            return answer;
        }
        if !script.own_signature {
            return plain(0x6982);
        }
        if !script.own_card {
            return plain(0x6349);
        }
        if script.counter != self.counter {
            return plain(0x634D);
        }
        if !self.act(&script.action) {
            return plain(0x634E);
        }
        self.commit(done, false)
    }

    /// SPEC 13.4 to 13.9; false: not possible now.
    fn act(&mut self, action: &Action) -> bool {
        let active = self.life_cycle == LifeCycle::Active;
        match action {
            Action::Unblock(number) if !active && *number >= self.block_list_number => {
                (self.life_cycle, self.block_list_number) = (LifeCycle::Active, *number);
                self.end_authorization();
            }
            Action::Terminate => {
                self.life_cycle = LifeCycle::Terminated;
                self.end_authorization();
            }
            _ if !active => return false,
            Action::FillTries => self.used = 0,
            Action::PermitPin => self.pin_permitted = true,
            Action::Block => {
                self.life_cycle = LifeCycle::Blocked;
                self.end_authorization();
            }
            Action::PutInForce(load)
                if self.update == Some(*load) && load.right && load.version > self.version() =>
            {
                (self.loaded, self.update) = (self.update, None);
                self.end_authorization();
            }
            Action::Prune(floor) if (self.floor..=self.remembered.period()).contains(floor) => {
                self.floor = *floor
            }
            Action::SetDate(date) => {
                let latest = self.rows.iter().map(|row| row.base).max();
                self.floor = self.floor.max(latest.unwrap_or(Period::FIRST));
                self.remembered = *date;
                self.month = self.month.min(date.period());
            }
            Action::Reverse(order)
                if self.stored(&Done::Payment(order.clone())).is_some()
                    && self.reversal_of(order).is_none() =>
            {
                self.undo(order);
            }
            _ => return false,
        }
        true
    }

    /// SPEC 13.10.
    pub(super) fn show_header(&mut self, number: u32, own_signature: bool) -> Answer {
        if !own_signature {
            return plain(0x6982);
        }
        if number <= self.block_list_number {
            return plain(0x634D);
        }
        self.terminal().list = Some(number);
        plain(0x9000)
    }

    pub(super) fn show_entry(&mut self, own_card: bool, path: bool) -> Answer {
        let Some(number) = self.terminal().list else {
            return plain(0x6A88);
        };
        if number <= self.block_list_number {
            return plain(0x634D);
        }
        if !own_card {
            return plain(0x6349);
        }
        if !path {
            return plain(0x6982);
        }
        self.life_cycle = LifeCycle::Blocked;
        self.end_authorization();
        self.commit(Done::BlockList(number), false)
    }
}
