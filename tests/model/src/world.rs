//! Everything together: the state, and what each action does to it.

use heapless::Vec;
use stateright::{Model, Property};

use crate::actions::{self, Action, STOLEN};
use crate::card::{Answer, Card, Done, LifeCycle, Objects, Session};
use crate::issuer::{Issuer, Listing, MAXIMUM_SIGNED, Script, ScriptAction};
use crate::terminal::{Entry, Exchange, Task, Terminal};
use crate::{
    CardIndex, Fault, LINES, Line, MAXIMUM_ORDERS, OrderIndex, PAIR, Scope, TerminalIndex, Thief, properties,
};

/// Who made an order or a reversal in the name of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The terminal itself.
    Terminal,
    /// A thief with its key.
    Thief,
}

/// An order (SPEC 9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Its terminal name.
    pub terminal: TerminalIndex,
    /// The card whose CSO hash it has,
    pub card: CardIndex,
    /// in this version.
    pub version: u8,
    /// Its line.
    pub line: Line,
    /// Who made it.
    pub origin: Origin,
}

/// What really happened, known to nobody in the model; the properties are about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct History {
    /// How often a card has paid each order.
    pub paid: [u8; MAXIMUM_ORDERS],
    /// How often a card has undone each order.
    pub undone: [u8; MAXIMUM_ORDERS],
    /// For which orders the clerk has handed money over, a bit each.
    pub handed: u8,
    /// How often each script took effect.
    pub scripts: [u8; MAXIMUM_SIGNED],
    /// A card paid for somebody who was not the order's terminal, or without a PIN.
    pub unauthorized: bool,
    /// A card that was not active paid.
    pub paid_while_blocked: bool,
    /// A card was blocked by a list up to the number to which it had been unblocked.
    pub blocked_by_old_list: bool,
    /// Number up to which lists no longer count, of each card.
    pub unblocked: [u8; PAIR],
}

impl History {
    /// Receipts of this order that stand.
    #[must_use]
    pub const fn standing(&self, order: OrderIndex) -> u8 {
        let order = order as usize;
        self.paid[order].saturating_sub(self.undone[order])
    }
}

/// The state of everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The person's cards.
    pub cards: [Card; PAIR],
    /// The terminals.
    pub terminals: [Terminal; PAIR],
    /// The issuer.
    pub issuer: Issuer,
    /// Every order ever made.
    pub orders: Vec<Order, MAXIMUM_ORDERS, u8>,
    /// What really happened.
    pub history: History,
}

impl World {
    fn new(scope: &Scope) -> Self {
        Self {
            cards: [Card::new(), Card::new()],
            terminals: [Terminal::new(), Terminal::new()],
            issuer: Issuer::new(scope),
            orders: Vec::new(),
            history: History::default(),
        }
    }

    /// The order with this index.
    #[must_use]
    pub fn order(&self, index: OrderIndex) -> Order {
        self.orders[usize::from(index)]
    }

    /// The terminal with this index.
    #[must_use]
    pub const fn terminal(&self, index: TerminalIndex) -> &Terminal {
        &self.terminals[index as usize]
    }

    /// The card with this index.
    #[must_use]
    pub const fn card(&self, index: CardIndex) -> &Card {
        &self.cards[index as usize]
    }

    fn terminal_mut(&mut self, index: TerminalIndex) -> &mut Terminal {
        &mut self.terminals[usize::from(index)]
    }

    /// Indices of all orders.
    pub fn order_indices(&self) -> impl Iterator<Item = OrderIndex> + use<> {
        0..self.orders.len() as u8
    }

    /// What the card is told beside a command.
    #[must_use]
    pub fn objects<'a>(&'a self, scope: &'a Scope) -> Objects<'a> {
        Objects {
            orders: &self.orders,
            scripts: &self.issuer.scripts,
            scope,
        }
    }

    fn create(&mut self, order: Order) -> OrderIndex {
        let index = self.orders.len() as u8;
        // `actions` offers no order beyond the bound.
        let _ = self.orders.push(order);
        index
    }

    /// Lets a card act on what everybody has signed, and notes in the history what it did.
    fn at_card<R>(
        &mut self,
        index: CardIndex,
        scope: &Scope,
        act: impl FnOnce(&mut Card, Objects<'_>) -> (R, Option<Done>),
    ) -> R {
        let mut card = self.card(index).clone();
        let life_cycle = card.life_cycle;
        let (answer, done) = act(&mut card, self.objects(scope));
        self.cards[usize::from(index)] = card;
        let history = &mut self.history;
        match done {
            Some(Done::Payment(order)) => {
                history.paid[usize::from(order)] += 1;
                history.paid_while_blocked |= life_cycle != LifeCycle::Active;
            }
            Some(Done::Reversal(order, _)) => history.undone[usize::from(order)] += 1,
            Some(Done::Script(script)) => {
                history.scripts[usize::from(script)] += 1;
                match self.issuer.scripts[usize::from(script)].action {
                    ScriptAction::Reverse(order) => history.undone[usize::from(order)] += 1,
                    ScriptAction::Unblock(number) => history.unblocked[usize::from(index)] = number,
                    _ => {}
                }
            }
            Some(Done::BlockList(number)) => {
                history.blocked_by_old_list |= number <= history.unblocked[usize::from(index)];
            }
            None => {}
        }
        answer
    }

    fn disburse(
        &mut self,
        card: CardIndex,
        order: OrderIndex,
        session: Session,
        torn: bool,
        scope: &Scope,
    ) -> Answer {
        let before = self.history.paid;
        let answer = self.at_card(card, scope, |own, objects| {
            own.disburse(card, order, session, torn, objects)
        });
        let authorized = session.terminal == self.order(order).terminal && session.pin;
        self.history.unauthorized |= before != self.history.paid && !authorized;
        answer
    }

    fn reverse(&mut self, order: OrderIndex, origin: Origin, session: Session, scope: &Scope) -> Answer {
        let before = self.history.undone;
        let card = self.order(order).card;
        let answer = self.at_card(card, scope, |own, objects| {
            own.reverse(order, origin, session, objects)
        });
        self.history.unauthorized |= before != self.history.undone && !session.pin;
        answer
    }

    fn send(&mut self, index: TerminalIndex, card: CardIndex, torn: bool, scope: &Scope) {
        let session = Session {
            terminal: index,
            pin: true,
        };
        let terminal = self.terminal(index);
        let (order, answer) = match (terminal.exchange, terminal.task()) {
            (Exchange::Unannounced(order), _) | (_, Some(Task::Pay(order))) => {
                (order, self.disburse(card, order, session, torn, scope))
            }
            (_, Some(Task::Undo(order))) => (order, self.reverse(order, Origin::Terminal, session, scope)),
            _ => return,
        };
        self.terminal_mut(index).exchange = if torn {
            Exchange::Idle
        } else {
            Exchange::Answered(order, answer)
        };
    }

    /// What the terminal makes of an answer: DATA 5.3.
    fn receive(&mut self, index: TerminalIndex, order: OrderIndex, answer: Answer, scope: &Scope) {
        let terminal = self.terminal_mut(index);
        terminal.exchange = Exchange::Idle;
        let undoing = terminal.task() == Some(Task::Undo(order));
        match answer {
            Answer::Receipt(Done::Payment(paid))
                if !undoing && (paid == order || scope.has(Fault::TerminalTakesAnyReceipt)) =>
            {
                terminal.exchange = Exchange::Verified(order);
            }
            Answer::Receipt(Done::Reversal(undone, Origin::Terminal)) if undoing && undone == order => {
                terminal.exchange = Exchange::Verified(order);
            }
            Answer::Refused | Answer::NotNewest if undoing => {
                terminal.record(Entry::NotReversed(order));
            }
            Answer::Standing(Some(paid)) if paid == order => {
                terminal.exchange = Exchange::Verified(order);
            }
            Answer::Standing(None) if scope.has(Fault::TerminalTakesBareStandingForRefusal) => {
                terminal.record(Entry::Refused(order));
            }
            Answer::Refused | Answer::Dead | Answer::Standing(Some(_)) => {
                terminal.record(Entry::Refused(order));
            }
            _ => {}
        }
    }

    fn record_receipt(&mut self, index: TerminalIndex, order: OrderIndex) {
        let terminal = self.terminal_mut(index);
        terminal.exchange = Exchange::Idle;
        if terminal.task() == Some(Task::Undo(order)) {
            return terminal.record(Entry::Reversed(order));
        }
        if !terminal.journal.contains(&Entry::Intent(order)) {
            terminal.record(Entry::Intent(order));
        }
        if !terminal.journal.contains(&Entry::Paid(order)) {
            terminal.record(Entry::Paid(order));
        }
    }

    fn hand_over(&mut self, index: TerminalIndex) {
        let terminal = self.terminal_mut(index);
        let order = match (terminal.exchange, terminal.task()) {
            (Exchange::Verified(order), _) => order,
            (_, Some(Task::HandOver(order) | Task::Undo(order))) => order,
            _ => return,
        };
        if terminal.task() == Some(Task::HandOver(order)) {
            terminal.record(Entry::Handed(order));
        }
        self.history.handed |= 1 << order;
    }

    fn load_list(&mut self, index: TerminalIndex) {
        let number = self.issuer.list_numbers[usize::from(index)];
        let mut list = [None; LINES];
        for (place, listing) in list.iter_mut().zip(self.issuer.listings) {
            if let Listing::For(card, terminal) = listing {
                *place = (terminal == index).then_some(card);
            }
        }
        let terminal = self.terminal_mut(index);
        terminal.list_number = number;
        terminal.list = list;
        terminal.record(Entry::ListLoaded(number));
    }

    fn announce(&mut self, index: TerminalIndex, line: Line, scope: &Scope) {
        let Some(card) = self.terminal(index).list[usize::from(line)] else {
            return;
        };
        let order = self.create(Order {
            terminal: index,
            card,
            version: self.card(card).version,
            line,
            origin: Origin::Terminal,
        });
        let terminal = self.terminal_mut(index);
        if scope.has(Fault::TerminalSendsBeforeIntent) {
            terminal.exchange = Exchange::Unannounced(order);
        } else {
            terminal.record(Entry::Intent(order));
        }
    }

    fn collect(&mut self, card: CardIndex) {
        for done in self.cards[usize::from(card)].ring.iter() {
            match *done {
                Done::Payment(order) => self.issuer.collected |= 1 << order,
                Done::Reversal(order, _) => self.issuer.reversals |= 1 << order,
                Done::Script(script) => {
                    if let ScriptAction::Reverse(order) = self.issuer.scripts[usize::from(script)].action {
                        self.issuer.reversals |= 1 << order;
                    }
                }
                Done::BlockList(_) => {}
            }
        }
    }

    fn list(&mut self, line: Line, card: CardIndex, terminal: TerminalIndex) {
        self.issuer.listings[usize::from(line)] = Listing::For(card, terminal);
        self.issuer.list_numbers[usize::from(terminal)] += 1;
        self.issuer.lists += 1;
    }

    fn withdraw(&mut self, line: Line) {
        if let Listing::For(card, terminal) = self.issuer.listings[usize::from(line)] {
            let number = &mut self.issuer.list_numbers[usize::from(terminal)];
            *number += 1;
            self.issuer.listings[usize::from(line)] = Listing::WithdrawnFrom(card, terminal, *number);
        }
    }

    fn publish_block_list(&mut self, card: CardIndex) {
        let unblocked = |card: u8| {
            self.issuer
                .scripts
                .iter()
                .any(|script| script.card == card && matches!(script.action, ScriptAction::Unblock(_)))
        };
        let former = self.issuer.block_lists.last().copied().unwrap_or_default();
        let kept = (0..PAIR as u8).filter(|&card| former & (1 << card) != 0 && !unblocked(card));
        let list = kept.fold(1 << card, |list, card| list | 1 << card);
        // `actions` offers no list beyond the bound.
        let _ = self.issuer.block_lists.push(list);
    }

    fn steal(&mut self, card: CardIndex, line: Line, pin: bool, scope: &Scope) {
        let order = self.create(Order {
            terminal: STOLEN,
            card,
            version: self.card(card).version,
            line,
            origin: Origin::Thief,
        });
        self.disburse(
            card,
            order,
            Session {
                terminal: STOLEN,
                pin,
            },
            false,
            scope,
        );
    }
}

impl Model for Scope {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> std::vec::Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, offered: &mut std::vec::Vec<Action>) {
        actions::offer(self, world, offered);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        let thief = Session {
            terminal: STOLEN,
            pin: self.thief == Thief::KeyAndPin,
        };
        match action {
            Action::List(line, card, terminal) => next.list(line, card, terminal),
            Action::Withdraw(line) => next.withdraw(line),
            Action::PublishBlockList(card) => next.publish_block_list(card),
            Action::Sign(card, action) => {
                let counter = world.card(card).counter;
                // `actions` offers no script beyond the bound.
                let _ = next.issuer.scripts.push(Script {
                    card,
                    counter,
                    action,
                });
            }
            Action::Commit(index) => {
                let terminal = next.terminal_mut(index);
                terminal.committed = terminal.journal.len() as u8;
            }
            Action::Acknowledge(index) => {
                let early = self.has(Fault::IssuerAcknowledgesEarly);
                let terminal = next.terminal_mut(index);
                let committed = terminal.committed;
                terminal.acknowledged = if early {
                    terminal.journal.len() as u8
                } else {
                    committed
                };
            }
            Action::Collect(card) => next.collect(card),
            Action::LoadList(index) => next.load_list(index),
            Action::LoadFirstList(index) => {
                let terminal = next.terminal_mut(index);
                terminal.list = [None; LINES];
                terminal.list[usize::from(index)] = Some(0);
            }
            Action::Erase(index) => {
                let early = self.has(Fault::TerminalErasesEarly);
                let terminal = next.terminal_mut(index);
                let finished = terminal.finished();
                terminal.erased = if early {
                    finished
                } else {
                    terminal.acknowledged.min(finished)
                };
            }
            Action::Announce(index, line) => next.announce(index, line, self),
            Action::Send(index, card) => next.send(index, card, false, self),
            Action::SendAndTear(index, card) => next.send(index, card, true, self),
            Action::Deliver(index) => {
                if let Exchange::Answered(order, answer) = world.terminal(index).exchange {
                    next.receive(index, order, answer, self);
                }
            }
            Action::DeliverForged(index) => {
                if let Exchange::Answered(order, _) = world.terminal(index).exchange {
                    let trusted = self.has(Fault::TerminalTrustsBareStatus);
                    let answer = if trusted { Answer::Refused } else { Answer::Nothing };
                    next.receive(index, order, answer, self);
                }
            }
            Action::DeliverOld(index, old) => {
                if let Exchange::Answered(order, _) = world.terminal(index).exchange {
                    next.receive(index, order, Answer::Receipt(Done::Payment(old)), self);
                }
            }
            Action::Record(index) => {
                if let Exchange::Verified(order) = world.terminal(index).exchange {
                    next.record_receipt(index, order);
                }
            }
            Action::HandOver(index) => next.hand_over(index),
            Action::AnnounceReversal(index) => {
                if let Some(Task::HandOver(order)) = world.terminal(index).task() {
                    next.terminal_mut(index).record(Entry::Reversing(order));
                }
            }
            Action::Cut(index) => next.terminal_mut(index).exchange = Exchange::Idle,
            Action::Burn(index) => {
                let terminal = next.terminal_mut(index);
                terminal.exchange = Exchange::Idle;
                terminal.burnt = true;
            }
            Action::Execute(script) => {
                let card = world.issuer.scripts[usize::from(script)].card;
                next.at_card(card, self, |card, objects| ((), card.execute(script, objects)));
            }
            Action::ShowBlockList(card, number) => {
                next.at_card(card, self, |card, _| ((), card.deactivate(number, self)));
            }
            Action::Divert(order) => {
                let Order { card, terminal, .. } = world.order(order);
                let session = Session {
                    terminal: 1 - terminal,
                    pin: true,
                };
                next.disburse(card, order, session, false, self);
            }
            Action::Steal(card, line) => next.steal(card, line, thief.pin, self),
            Action::Replay(order) => {
                next.disburse(world.order(order).card, order, thief, false, self);
            }
            Action::ReplayReversal(order) => {
                next.reverse(order, Origin::Terminal, thief, self);
            }
            Action::StealReversal(order) => {
                next.reverse(order, Origin::Thief, thief, self);
            }
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> std::vec::Vec<Property<Self>> {
        properties::all(self)
    }

    fn within_boundary(&self, world: &World) -> bool {
        !self.ring_outlasts_intents || properties::rings_outlast_intents(self, world)
    }
}
