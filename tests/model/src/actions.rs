//! What somebody can do, and when.

use crate::card::LifeCycle;
use crate::issuer::{Listing, ScriptAction};
use crate::terminal::{Entry, Exchange, Task};
use crate::world::{Order, World};
use crate::{CardIndex, Fault, Line, OrderIndex, PAIR, Scope, ScriptIndex, TerminalIndex, Thief};

/// The thief has the key of this terminal.
pub(crate) const STOLEN: TerminalIndex = 0;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The issuer lists a line for a card at a terminal.
    List(Line, CardIndex, TerminalIndex),
    /// The issuer makes a list without the line.
    Withdraw(Line),
    /// The issuer publishes a block list with this card and those before, but for the cards unblocked since.
    PublishBlockList(CardIndex),
    /// The issuer signs a script for the card at its present counter.
    Sign(CardIndex, ScriptAction),
    /// The issuer commits the terminal's journal.
    Commit(TerminalIndex),
    /// The issuer acknowledges it, and the terminal gets the acknowledgement.
    Acknowledge(TerminalIndex),
    /// The issuer reads the receipts that the card stores.
    Collect(CardIndex),
    /// The terminal loads its newest list.
    LoadList(TerminalIndex),
    /// The terminal is given its first list again.
    LoadFirstList(TerminalIndex),
    /// The terminal gives up entries.
    Erase(TerminalIndex),
    /// The terminal writes an Intent for a line of its list.
    Announce(TerminalIndex, Line),
    /// The terminal sends the order, or the reversal, of its open task to this card.
    Send(TerminalIndex, CardIndex),
    /// The same, and the power of the card goes away in the middle of its writes.
    SendAndTear(TerminalIndex, CardIndex),
    /// The answer reaches the terminal.
    Deliver(TerminalIndex),
    /// A forged bare status word reaches the terminal instead.
    DeliverForged(TerminalIndex),
    /// An old receipt of the card reaches the terminal instead.
    DeliverOld(TerminalIndex, OrderIndex),
    /// The terminal writes the verified receipt into its journal.
    Record(TerminalIndex),
    /// The terminal says that it is paid, and the clerk hands the money over.
    HandOver(TerminalIndex),
    /// The clerk says that the money was not handed over: a reversal is announced.
    AnnounceReversal(TerminalIndex),
    /// The terminal loses its power, the answer is lost, or the card goes away.
    Cut(TerminalIndex),
    /// The terminal is destroyed.
    Burn(TerminalIndex),
    /// Anybody brings a script to the card that it names.
    Execute(ScriptIndex),
    /// Anybody shows the card the block list with this number.
    ShowBlockList(CardIndex, u8),
    /// Another terminal sends an order in its own session.
    Divert(OrderIndex),
    /// The thief pays a line from a card.
    Steal(CardIndex, Line),
    /// The thief sends an order of the terminal again.
    Replay(OrderIndex),
    /// The thief sends a reversal of the terminal again.
    ReplayReversal(OrderIndex),
    /// The thief reverses an order of the terminal.
    StealReversal(OrderIndex),
}

/// Every action that is possible in this state; some of them change nothing.
pub(crate) fn offer(scope: &Scope, world: &World, actions: &mut Vec<Action>) {
    for terminal in 0..PAIR as u8 {
        if !world.terminal(terminal).burnt {
            offer_exchange(scope, world, terminal, actions);
            offer_journal(scope, world, terminal, actions);
        }
    }
    for line in 0..scope.lines {
        offer_listing(scope, world, line, actions);
    }
    for card in 0..scope.cards {
        offer_signing(scope, world, card, actions);
        actions.push(Action::Collect(card));
        let lists = world.issuer.block_lists.iter().zip(1..);
        let naming = lists.filter(|(list, _)| *list & (1 << card) != 0);
        actions.extend(naming.map(|(_, number)| Action::ShowBlockList(card, number)));
    }
    actions.extend((0..world.issuer.scripts.len() as u8).map(Action::Execute));
    if scope.has(Fault::CardTakesForeignOrders) {
        actions.extend(world.order_indices().map(Action::Divert));
    }
    if scope.thief != Thief::None {
        offer_thief(scope, world, actions);
    }
}

fn offer_exchange(scope: &Scope, world: &World, index: TerminalIndex, actions: &mut Vec<Action>) {
    let terminal = world.terminal(index);
    let task = terminal.task();
    match terminal.exchange {
        Exchange::Idle => {
            if let Some(Task::Pay(order) | Task::Undo(order)) = task {
                offer_send(scope, world, index, order, actions);
            }
        }
        Exchange::Unannounced(order) => offer_send(scope, world, index, order, actions),
        Exchange::Answered(order, _) => {
            actions.push(Action::Deliver(index));
            actions.push(Action::DeliverForged(index));
            let card = world.order(order).card;
            let seen = |old: &OrderIndex| {
                world.order(*old).card == card && world.history.paid[usize::from(*old)] > 0
            };
            if scope.has(Fault::TerminalTakesAnyReceipt) {
                actions.extend(
                    world
                        .order_indices()
                        .filter(seen)
                        .map(|old| Action::DeliverOld(index, old)),
                );
            }
        }
        Exchange::Verified(order) => {
            actions.push(Action::Record(index));
            let early = scope.has(Fault::TerminalSaysPaidBeforeJournal);
            if early && task == Some(Task::Pay(order)) && world.history.handed & (1 << order) == 0 {
                actions.push(Action::HandOver(index));
            }
        }
    }
    if terminal.exchange != Exchange::Idle {
        actions.push(Action::Cut(index));
    }
}

fn offer_send(
    scope: &Scope,
    world: &World,
    index: TerminalIndex,
    order: OrderIndex,
    actions: &mut Vec<Action>,
) {
    let Order { card, .. } = world.order(order);
    actions.push(Action::Send(index, card));
    if scope.has(Fault::CardForgetsMarkOnTear) {
        actions.push(Action::SendAndTear(index, card));
    }
    if scope.has(Fault::TerminalSettlesWithAnyCard) {
        actions.push(Action::Send(index, 1 - card));
    }
}

fn offer_journal(scope: &Scope, world: &World, index: TerminalIndex, actions: &mut Vec<Action>) {
    let terminal = world.terminal(index);
    let task = terminal.task();
    match task {
        Some(Task::HandOver(_)) => {
            actions.push(Action::HandOver(index));
            actions.push(Action::AnnounceReversal(index));
        }
        Some(Task::Undo(_)) if scope.has(Fault::TerminalHandsOverAfterReversal) => {
            actions.push(Action::HandOver(index));
        }
        None if terminal.exchange == Exchange::Idle && world.orders.len() < scope.orders => {
            let payable = (0..scope.lines).filter(|&line| may_announce(world, index, line));
            actions.extend(payable.map(|line| Action::Announce(index, line)));
        }
        _ => {}
    }
    let newest = world.issuer.list_numbers[usize::from(index)];
    if terminal.list_number < newest
        || scope.has(Fault::TerminalLoadsOldList) && terminal.list_number == newest
    {
        actions.push(Action::LoadList(index));
    }
    if terminal.list_number > 1 && scope.has(Fault::TerminalLoadsOldList) {
        actions.push(Action::LoadFirstList(index));
    }
    actions.push(Action::Commit(index));
    actions.push(Action::Acknowledge(index));
    actions.push(Action::Erase(index));
    if scope.burning {
        actions.push(Action::Burn(index));
    }
}

/// The list in force has the line, and the journal no payment of it but one that is announced as reversed.
fn may_announce(world: &World, index: TerminalIndex, line: Line) -> bool {
    let terminal = world.terminal(index);
    let held = |entry: &Entry| match *entry {
        Entry::Paid(order) => {
            world.order(order).line == line && !terminal.journal.contains(&Entry::Reversing(order))
        }
        _ => false,
    };
    terminal.list[usize::from(line)].is_some() && !terminal.journal.iter().any(held)
}

fn offer_listing(scope: &Scope, world: &World, line: Line, actions: &mut Vec<Action>) {
    let issuer = &world.issuer;
    let more = issuer.lists < scope.lists;
    match issuer.listings[usize::from(line)] {
        Listing::For(..) if more => actions.push(Action::Withdraw(line)),
        Listing::For(..) => {}
        Listing::Nowhere | Listing::WithdrawnFrom(..) if more => {
            for (card, terminal) in (0..scope.cards).flat_map(|card| [(card, 0), (card, 1)]) {
                if issuer.may_list(line, card, &world.orders, &world.terminals, scope) {
                    actions.push(Action::List(line, card, terminal));
                }
            }
        }
        Listing::Nowhere | Listing::WithdrawnFrom(..) => {}
    }
}

fn offer_signing(scope: &Scope, world: &World, index: CardIndex, actions: &mut Vec<Action>) {
    let issuer = &world.issuer;
    if issuer.block_lists.len() < scope.block_lists {
        actions.push(Action::PublishBlockList(index));
    }
    if issuer.scripts.len() >= scope.scripts {
        return;
    }
    let number = issuer.block_lists.len() as u8;
    match world.card(index).life_cycle {
        LifeCycle::Active => {
            let simple = [ScriptAction::Block, ScriptAction::Terminate, ScriptAction::Update];
            actions.extend(simple.map(|action| Action::Sign(index, action)));
            let reversible = |order: &OrderIndex| {
                let facts = world.order(*order);
                facts.card == index && issuer.may_reverse(*order, facts, &world.terminals, scope)
            };
            let reversals = world
                .order_indices()
                .filter(reversible)
                .map(ScriptAction::Reverse);
            actions.extend(reversals.map(|action| Action::Sign(index, action)));
        }
        LifeCycle::Blocked => actions.push(Action::Sign(index, ScriptAction::Unblock(number))),
        LifeCycle::Terminated => {}
    }
}

fn offer_thief(scope: &Scope, world: &World, actions: &mut Vec<Action>) {
    if world.orders.len() < scope.orders {
        let pairs = (0..scope.cards).flat_map(|card| (0..scope.lines).map(move |line| (card, line)));
        actions.extend(pairs.map(|(card, line)| Action::Steal(card, line)));
    }
    for order in world
        .order_indices()
        .filter(|order| world.order(*order).terminal == STOLEN)
    {
        let announced = world.terminal(STOLEN).journal.contains(&Entry::Reversing(order));
        actions.push(Action::Replay(order));
        actions.push(Action::StealReversal(order));
        if announced {
            actions.push(Action::ReplayReversal(order));
        }
    }
}
