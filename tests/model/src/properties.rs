//! What must always hold, and what must be possible, lest the model prove nothing.

use stateright::Property;

use crate::card::{Answer, Done, LifeCycle};
use crate::issuer::ScriptAction;
use crate::terminal::{Entry, Exchange, Task};
use crate::world::{Origin, World};
use crate::{Line, OrderIndex, PAIR, Scope, Thief};

/// SPEC 9.3, DESIGN "Once".
pub const ONE_STANDING_RECEIPT: &str = "a line has at most one standing receipt, over both cards";
/// What it is all about.
pub const HANDED_ONCE: &str = "money is handed over at most once for a line";
/// A reversal never takes away what was handed over.
pub const HANDED_STANDS: &str = "money handed over rests on a standing receipt";
/// SPEC 9.3.
pub const AUTHORIZED: &str = "a card pays only for the order's terminal, and with a PIN";
/// DATA 5.3.
pub const INTENT_FIRST: &str = "an Intent comes before each payment";
/// DESIGN "Nothing lost".
pub const CALLED_PAID_IS_KEPT: &str = "what a terminal called paid is in its journal or with the issuer";
/// SPEC 9.7, DATA 5.3 and 6.
pub const NO_LOST_RECEIPT: &str =
    "a standing receipt is on the card, in a journal, with the issuer, or its Intent is open";
/// DATA 5.3.
pub const REFUSED_DOES_NOT_STAND: &str = "an order closed as refused does not stand";
/// SPEC 9.3, 9.8.
pub const REVERSED_IS_DEAD: &str = "a reversed order never stands again";
/// SPEC 14.2.
pub const BLOCKED_PAYS_NOTHING: &str = "a card that is not active pays nothing new";
/// SPEC 13.5, 13.10.
pub const UNBLOCKED_STAYS: &str = "an old block list does not undo an unblock";
/// SPEC 13.2.
pub const SCRIPT_ONCE: &str = "a script takes effect at most once";
/// SPEC 9.7.
pub const RING_IS_FULL: &str = "a card keeps its newest receipts";

/// What must hold in every state, and what must occur in some state of a run with this scope.
pub(crate) fn all(scope: &Scope) -> Vec<Property<Scope>> {
    let mut properties = always();
    if scope.fault.is_none() {
        properties.extend(sometimes(scope));
    }
    properties
}

fn always() -> Vec<Property<Scope>> {
    vec![
        Property::<Scope>::always(ONE_STANDING_RECEIPT, |_, world| {
            lines(world, |line| {
                on_line(world, line)
                    .map(|order| world.history.standing(order))
                    .sum::<u8>()
                    <= 1
            })
        }),
        Property::<Scope>::always(HANDED_ONCE, |_, world| {
            lines(world, |line| {
                on_line(world, line).filter(|order| handed(world, *order)).count() <= 1
            })
        }),
        Property::<Scope>::always(HANDED_STANDS, |scope, world| {
            // Whoever has key and PIN can also reverse the newest payment of that terminal (SPEC 11.5).
            scope.thief == Thief::KeyAndPin
                || orders(world, |order| {
                    !handed(world, order) || world.history.standing(order) == 1
                })
        }),
        Property::<Scope>::always(AUTHORIZED, |_, world| !world.history.unauthorized),
        Property::<Scope>::always(INTENT_FIRST, |_, world| {
            orders(world, |order| {
                let facts = world.order(order);
                let journal = &world.terminal(facts.terminal).journal;
                facts.origin == Origin::Thief
                    || !paid(world, order)
                    || journal.contains(&Entry::Intent(order))
            })
        }),
        Property::<Scope>::always(CALLED_PAID_IS_KEPT, |_, world| {
            orders(world, |order| {
                let terminal = world.terminal(world.order(order).terminal);
                !handed(world, order) || terminal.burnt || terminal.has(Entry::Paid(order))
            })
        }),
        Property::<Scope>::always(NO_LOST_RECEIPT, |_, world| {
            orders(world, |order| {
                world.history.standing(order) == 0 || is_kept(world, order)
            })
        }),
        Property::<Scope>::always(REFUSED_DOES_NOT_STAND, |scope, world| {
            // Whoever has key and PIN can send a refused order again.
            scope.thief == Thief::KeyAndPin
                || orders(world, |order| {
                    let journal = &world.terminal(world.order(order).terminal).journal;
                    !journal.contains(&Entry::Refused(order)) || world.history.standing(order) == 0
                })
        }),
        Property::<Scope>::always(REVERSED_IS_DEAD, |scope, world| {
            // Whoever has key and PIN can send it again when the card has forgotten the reversal, as any new order.
            let strict = scope.thief != Thief::KeyAndPin;
            orders(world, |order| {
                let undone = world.history.undone[usize::from(order)] > 0;
                let dead = world.history.standing(order) == 0;
                !undone || dead || !strict && !revived(world, order)
            })
        }),
        Property::<Scope>::always(BLOCKED_PAYS_NOTHING, |_, world| !world.history.paid_while_blocked),
        Property::<Scope>::always(UNBLOCKED_STAYS, |_, world| !world.history.blocked_by_old_list),
        Property::<Scope>::always(SCRIPT_ONCE, |_, world| {
            world.history.scripts.iter().all(|times| *times <= 1)
        }),
        Property::<Scope>::always(RING_IS_FULL, |scope, world| {
            world
                .cards
                .iter()
                .all(|card| card.ring.len() == scope.ring.min(usize::from(card.counter)))
        }),
    ]
}

fn sometimes(scope: &Scope) -> Vec<Property<Scope>> {
    let mut properties = vec![
        Property::<Scope>::sometimes("handed over, and acknowledged space given up", |_, world| {
            world.history.handed != 0 && world.terminals.iter().any(|terminal| terminal.erased > 0)
        }),
        Property::<Scope>::sometimes("reversed at the terminal", |_, world| {
            any_entry(world, |entry| matches!(entry, Entry::Reversed(_)))
        }),
    ];
    if scope.orders > 1 {
        properties.push(Property::<Scope>::sometimes(
            "handed over after another order of the line was reversed",
            |_, world| {
                !lines(world, |line| {
                    let undone =
                        on_line(world, line).any(|order| world.history.undone[usize::from(order)] > 0);
                    !(undone && on_line(world, line).any(|order| handed(world, order)))
                })
            },
        ));
        properties.push(Property::<Scope>::sometimes(
            "the ring overwrites",
            |scope, world| {
                world
                    .cards
                    .iter()
                    .any(|card| usize::from(card.counter) > scope.ring)
            },
        ));
    }
    if scope.scripts > 0 {
        properties.extend(with_scripts());
    }
    if scope.block_lists > 0 {
        properties.push(Property::<Scope>::sometimes(
            "a card blocked by a list",
            |_, world| {
                world
                    .cards
                    .iter()
                    .any(|card| matches!(card.ring.first(), Some(Done::BlockList(_))))
            },
        ));
    }
    if scope.scripts > 0 && scope.block_lists > 0 {
        properties.push(Property::<Scope>::sometimes(
            "unblocked, and the list that blocked still about",
            |_, world| {
                let mut cards = world.history.unblocked.iter().zip(&world.cards);
                cards.any(|(number, card)| *number > 0 && card.life_cycle == LifeCycle::Active)
            },
        ));
    }
    if scope.burning {
        properties.push(Property::<Scope>::sometimes(
            "a destroyed terminal's payment comes back",
            |_, world| {
                any_order(world, |order| {
                    let terminal = world.terminal(world.order(order).terminal);
                    let known = terminal.committed().contains(&Entry::Paid(order));
                    let collected = world.issuer.collected & (1 << order) != 0;
                    terminal.burnt && collected && !known && handed(world, order)
                })
            },
        ));
    }
    if scope.burning && scope.lists > 0 && scope.orders > 1 {
        properties.push(Property::<Scope>::sometimes(
            "refused with the receipt of another order",
            |_, world| {
                world.terminals.iter().any(|terminal| match terminal.exchange {
                    Exchange::Answered(order, Answer::Standing(Some(standing))) => order != standing,
                    _ => false,
                })
            },
        ));
    }
    if scope.cards > 1 && scope.lists > 0 {
        properties.push(Property::<Scope>::sometimes(
            "the replacement card pays a line that moved",
            |_, world| {
                any_order(world, |order| {
                    world.order(order).card == 1 && handed(world, order)
                })
            },
        ));
    }
    if scope.thief == Thief::KeyAndPin {
        properties.push(Property::<Scope>::sometimes(
            "a theft is undone and the holder gets the money",
            |_, world| {
                any_order(world, |order| {
                    let facts = world.order(order);
                    let undone = world.history.undone[usize::from(order)] > 0;
                    let repaired = on_line(world, facts.line).any(|other| handed(world, other));
                    facts.origin == Origin::Thief && undone && repaired
                })
            },
        ));
    }
    properties
}

fn with_scripts() -> [Property<Scope>; 4] {
    [
        Property::<Scope>::sometimes(
            "a torn payment is settled after the card did something else",
            |_, world| settles(world, LifeCycle::Active),
        ),
        Property::<Scope>::sometimes("a blocked card settles what it paid", |_, world| {
            settles(world, LifeCycle::Blocked)
        }),
        Property::<Scope>::sometimes("a terminated card settles what it paid", |_, world| {
            settles(world, LifeCycle::Terminated)
        }),
        Property::<Scope>::sometimes("reversed by a script", |_, world| {
            world
                .issuer
                .scripts
                .iter()
                .zip(world.history.scripts)
                .any(|(script, times)| times > 0 && matches!(script.action, ScriptAction::Reverse(_)))
        }),
    ]
}

/// No receipt that an open task waits for was overwritten.
pub(crate) fn rings_outlast_intents(scope: &Scope, world: &World) -> bool {
    world.terminals.iter().all(|terminal| match terminal.task() {
        Some(Task::Pay(order)) => {
            !paid(world, order) || is_stored(world, order) || is_dead(scope, world, order)
        }
        Some(Task::Undo(order)) => {
            world.history.undone[usize::from(order)] == 0 || is_dead(scope, world, order)
        }
        _ => true,
    })
}

fn orders(world: &World, holds: impl Fn(OrderIndex) -> bool) -> bool {
    world.order_indices().all(holds)
}

fn any_order(world: &World, is: impl Fn(OrderIndex) -> bool) -> bool {
    world.order_indices().any(is)
}

fn lines(world: &World, holds: impl Fn(Line) -> bool) -> bool {
    (0..world.issuer.listings.len() as u8).all(holds)
}

fn on_line(world: &World, line: Line) -> impl Iterator<Item = OrderIndex> + '_ {
    world
        .order_indices()
        .filter(move |order| world.order(*order).line == line)
}

fn paid(world: &World, order: OrderIndex) -> bool {
    world.history.paid[usize::from(order)] > 0
}

fn handed(world: &World, order: OrderIndex) -> bool {
    world.history.handed & (1 << order) != 0
}

fn is_stored(world: &World, order: OrderIndex) -> bool {
    world
        .card(world.order(order).card)
        .ring
        .contains(&Done::Payment(order))
}

fn is_dead(scope: &Scope, world: &World, order: OrderIndex) -> bool {
    world
        .card(world.order(order).card)
        .is_dead(order, world.objects(scope))
}

/// A destroyed terminal's receipts are kept by the cards, as many as their rings have places (SPEC 9.7); a thief's order is
/// missed by nobody.
fn is_kept(world: &World, order: OrderIndex) -> bool {
    let facts = world.order(order);
    let terminal = world.terminal(facts.terminal);
    facts.origin == Origin::Thief
        || terminal.burnt
        || is_stored(world, order)
        || world.issuer.collected & (1 << order) != 0
        || terminal.has(Entry::Paid(order))
        || terminal.task() == Some(Task::Pay(order)) && terminal.has(Entry::Intent(order))
}

/// Was the order paid again while its reversal was stored?
fn revived(world: &World, order: OrderIndex) -> bool {
    let ring = &world.card(world.order(order).card).ring;
    let reversed = ring.iter().position(|done| match *done {
        Done::Reversal(undone, _) => undone == order,
        Done::Script(script) => {
            world.issuer.scripts[usize::from(script)].action == ScriptAction::Reverse(order)
        }
        _ => false,
    });
    let again = ring.iter().position(|done| *done == Done::Payment(order));
    matches!((again, reversed), (Some(again), Some(reversed)) if again < reversed)
}

/// Does a card in this state answer an order with its older receipt?
fn settles(world: &World, life_cycle: LifeCycle) -> bool {
    (0..PAIR as u8).any(|index| match world.terminal(index).exchange {
        Exchange::Answered(order, Answer::Receipt(Done::Payment(paid))) => {
            let card = world.card(world.order(order).card);
            paid == order && card.life_cycle == life_cycle && card.ring.first() != Some(&Done::Payment(order))
        }
        _ => false,
    })
}

fn any_entry(world: &World, is: impl Fn(&Entry) -> bool) -> bool {
    world
        .terminals
        .iter()
        .any(|terminal| terminal.journal.iter().any(&is))
}
