//! The card: SPEC 9.3, 9.7, 9.8 and 13 without amounts and dates.

use heapless::Vec;

use crate::issuer::{Script, ScriptAction};
use crate::world::{Order, Origin};
use crate::{CardIndex, Fault, Line, MAXIMUM_RING, OrderIndex, Scope, ScriptIndex, TerminalIndex};

/// SPEC 14.1, of an activated card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LifeCycle {
    /// Pays.
    Active,
    /// Pays nothing new.
    Blocked,
    /// Blocked for ever.
    Terminated,
}

/// What a receipt is for: SPEC 9.4, kinds `01` to `04`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// The order was paid.
    Payment(OrderIndex),
    /// The order was reversed at its terminal, by whoever spoke for it.
    Reversal(OrderIndex, Origin),
    /// The script took effect.
    Script(ScriptIndex),
    /// The card blocked itself by the list of this number.
    BlockList(u8),
}

/// An answer that secure messaging protects (SPEC 8.3). The network can lose it, not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// `9000` with a receipt.
    Receipt(Done),
    /// `6340` with the standing receipt, if it is still stored.
    Standing(Option<OrderIndex>),
    /// `634A`: the order was reversed.
    Dead,
    /// Any other decision about an order (SPEC 10).
    Refused,
    /// `634B`: not the newest payment.
    NotNewest,
    /// A bare status word or silence: no result.
    Nothing,
}

/// Who speaks to the card.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The authenticated terminal.
    pub terminal: TerminalIndex,
    /// The holder's PIN was verified for the order.
    pub pin: bool,
}

/// What a card remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Card {
    /// Where it is in its life.
    pub life_cycle: LifeCycle,
    /// Receipts given.
    pub counter: u8,
    /// Version of the CSO in force.
    pub version: u8,
    /// Lines held as paid, a bit each.
    pub paid: u8,
    /// SPEC 13.5.
    pub block_list_number: u8,
    /// The last receipts, newest first.
    pub ring: Vec<Done, MAXIMUM_RING, u8>,
}

/// What the card did anew, if anything, with its answer.
pub type Step = (Answer, Option<Done>);

/// What the card is told of the world beside the command: the objects that its ring names, and the run's rules.
#[derive(Clone, Copy)]
pub struct Objects<'a> {
    /// All orders.
    pub orders: &'a [Order],
    /// All scripts.
    pub scripts: &'a [Script],
    /// The run's bounds and fault.
    pub scope: &'a Scope,
}

impl Card {
    /// A card as ACTIVATE leaves it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            life_cycle: LifeCycle::Active,
            counter: 0,
            version: 1,
            paid: 0,
            block_list_number: 0,
            ring: Vec::new(),
        }
    }

    /// Is the line held as paid?
    #[must_use]
    pub const fn holds(&self, line: Line) -> bool {
        self.paid & (1 << line) != 0
    }

    /// Is this order's reversal stored?
    #[must_use]
    pub fn is_dead(&self, order: OrderIndex, objects: Objects<'_>) -> bool {
        self.ring.iter().any(|done| match *done {
            Done::Reversal(reversed, _) => reversed == order,
            Done::Script(script) => {
                objects.scripts[usize::from(script)].action == ScriptAction::Reverse(order)
            }
            Done::Payment(_) | Done::BlockList(_) => false,
        })
    }

    fn standing(&self, line: Line, objects: Objects<'_>) -> Option<OrderIndex> {
        self.ring.iter().find_map(|done| match *done {
            Done::Payment(order)
                if objects.orders[usize::from(order)].line == line && !self.is_dead(order, objects) =>
            {
                Some(order)
            }
            _ => None,
        })
    }

    /// DISBURSE: the rows of SPEC 9.3 in their order. `torn`: the power goes away in the middle of the writes.
    pub fn disburse(
        &mut self,
        own: CardIndex,
        index: OrderIndex,
        session: Session,
        torn: bool,
        objects: Objects<'_>,
    ) -> Step {
        let Objects { orders, scope, .. } = objects;
        let order = orders[usize::from(index)];
        if order.terminal != session.terminal && !scope.has(Fault::CardTakesForeignOrders) {
            return (Answer::Nothing, None);
        }
        if self.is_dead(index, objects) && !scope.has(Fault::CardRevivesReversedOrders) {
            return (Answer::Dead, None);
        }
        let dead = self.is_dead(index, objects);
        if self.ring.contains(&Done::Payment(index)) && !dead {
            return (Answer::Receipt(Done::Payment(index)), None);
        }
        if self.holds(order.line) && !scope.has(Fault::CardAnswersPaidLast) {
            return (Answer::Standing(self.standing(order.line, objects)), None);
        }
        if self.life_cycle != LifeCycle::Active && !scope.has(Fault::CardPaysWhileBlocked) {
            return (Answer::Refused, None);
        }
        if (order.card, order.version) != (own, self.version) {
            return (Answer::Refused, None);
        }
        if self.holds(order.line) {
            return (Answer::Standing(self.standing(order.line, objects)), None);
        }
        if !session.pin && !scope.has(Fault::CardIgnoresPin) {
            return (Answer::Refused, None);
        }
        if !(torn && scope.has(Fault::CardForgetsMarkOnTear)) {
            self.paid |= 1 << order.line;
        }
        self.commit(Done::Payment(index), scope)
    }

    /// REVERSE: the rows of SPEC 9.8.
    pub fn reverse(
        &mut self,
        index: OrderIndex,
        origin: Origin,
        session: Session,
        objects: Objects<'_>,
    ) -> Step {
        let Objects { orders, scope, .. } = objects;
        let order = orders[usize::from(index)];
        let reversal = Done::Reversal(index, origin);
        if self.ring.contains(&reversal) {
            if scope.has(Fault::CardReversesAgain) {
                self.paid &= !(1 << order.line);
            }
            return (Answer::Receipt(reversal), None);
        }
        if self.life_cycle != LifeCycle::Active {
            return (Answer::Refused, None);
        }
        if self.ring.first() != Some(&Done::Payment(index)) || order.terminal != session.terminal {
            return (Answer::NotNewest, None);
        }
        if !session.pin {
            return (Answer::Refused, None);
        }
        self.paid &= !(1 << order.line);
        self.commit(reversal, scope)
    }

    /// EXECUTE ISSUER SCRIPT: the rows of SPEC 13.2. The caller brings the script to the card that it names.
    pub fn execute(&mut self, index: ScriptIndex, objects: Objects<'_>) -> Option<Done> {
        let Objects {
            orders,
            scripts,
            scope,
        } = objects;
        let script = scripts[usize::from(index)];
        let replay = self.ring.contains(&Done::Script(index));
        let any_counter = scope.has(Fault::CardIgnoresScriptCounter);
        if (replay || script.counter != self.counter) && !any_counter {
            return None;
        }
        let active = self.life_cycle == LifeCycle::Active;
        match script.action {
            ScriptAction::Block if active => self.life_cycle = LifeCycle::Blocked,
            ScriptAction::Unblock(number)
                if self.life_cycle == LifeCycle::Blocked && number >= self.block_list_number =>
            {
                self.life_cycle = LifeCycle::Active;
                self.block_list_number = number;
            }
            ScriptAction::Terminate if self.life_cycle != LifeCycle::Terminated => {
                self.life_cycle = LifeCycle::Terminated;
            }
            ScriptAction::Update if active => self.version += 1,
            ScriptAction::Reverse(order)
                if active && self.ring.contains(&Done::Payment(order)) && !self.is_dead(order, objects) =>
            {
                self.paid &= !(1 << orders[usize::from(order)].line);
            }
            _ => return None,
        }
        self.commit(Done::Script(index), scope).1
    }

    /// DEACTIVATE with a list that names this card (SPEC 13.10).
    pub fn deactivate(&mut self, number: u8, scope: &Scope) -> Option<Done> {
        let old = number <= self.block_list_number && !scope.has(Fault::CardIgnoresBlockListNumber);
        if self.life_cycle != LifeCycle::Active || old {
            return None;
        }
        self.life_cycle = LifeCycle::Blocked;
        self.commit(Done::BlockList(number), scope).1
    }

    fn commit(&mut self, done: Done, scope: &Scope) -> Step {
        self.counter += 1;
        let kept = if scope.has(Fault::CardOverwritesRingEarly) {
            1
        } else {
            scope.ring
        };
        self.ring.truncate(kept - 1);
        // There is room now.
        let _ = self.ring.insert(0, done);
        (Answer::Receipt(done), Some(done))
    }
}

impl Default for Card {
    fn default() -> Self {
        Self::new()
    }
}
