//! Orders that a terminal has put aside (DATA 5.3): each is settled by itself, and what is missing excuses only itself.

use ansinh_audit::Code;
use card_spec::journal::{EncodedOrder, Event, Refusal, RefusalReason};
use card_spec::payment::LineType;
use vectors::{LineSpec, World, sign};

use crate::{november, world_gives};

/// What becomes of two open orders and their Intents.
type Settle<'s> = dyn Fn(&mut World, [Vec<u8>; 2], [u32; 2]) + 's;

/// Two holders' orders are open at a time; the second is settled first.
#[test]
fn orders_put_aside_are_settled_by_themselves() {
    let put_aside = |world: &mut World, settle: &Settle<'_>| {
        let lines = [0, 2].map(|card| LineSpec::new(card, november(), LineType::OneOff, 1_000));
        let list = world.issue_list(0, &lines);
        world.load_list(0, list);
        let open = [1, 2].map(|line| {
            let order = world.order(0, list, line);
            (world.intent(0, &order), world.terminals[0].sequence)
        });
        for (order, _) in &open {
            world.terminals[0].log(Event::StillOpen(EncodedOrder::parse(order).unwrap()));
        }
        let [(one, first), (other, second)] = open;
        settle(world, [one, other], [first, second]);
    };
    let pay = |world: &mut World, card: usize, order: &[u8], intent: u32| {
        let receipt = world.receipt(card, order);
        let receipt = sign(&receipt, &world.cards[card].signing);
        world.paid(0, intent, &receipt);
        world.terminals[0].log(Event::Handed { intent });
    };
    let report = world_gives(
        |world| {
            put_aside(world, &|world, [_, other], [_, second]| {
                pay(world, 2, &other, second)
            });
        },
        &[],
    );
    assert_eq!(report.terminals[0].open_intents.len(), 1);
    let report = world_gives(
        |world| {
            put_aside(world, &|world, [one, other], [first, second]| {
                pay(world, 2, &other, second);
                pay(world, 0, &one, first);
            });
        },
        &[],
    );
    assert!(report.terminals[0].open_intents.is_empty());
    world_gives(
        |world| {
            put_aside(world, &|world, [one, _], [first, _]| {
                pay(world, 0, &one, first);
                world.terminals[0].log(Event::StillOpen(EncodedOrder::parse(&one).unwrap()));
            });
        },
        &[Code::StillOpen],
    );
}

/// Entries are lost while an order is open: whatever they may have settled is no contradiction, and nothing else is excused.
#[test]
fn what_missing_entries_may_have_settled() {
    let close = |world: &mut World, intent: u32| {
        world.terminals[0].log(Event::Refused(Refusal {
            reason: RefusalReason::RefusedByCard,
            card_number: None,
            line_number: Some(3),
            status_word: Some(0x6344),
            closes_intent: Some(intent),
        }));
    };
    let intent = |world: &mut World| {
        let order = world.order(0, 0, 3);
        world.intent(0, &order);
        world.terminals[0].sequence
    };
    let lose = |world: &mut World, sequence: u32| {
        world.terminals[0].entries.remove(sequence as usize - 1);
    };
    // The closing entry is lost: its holder may have another order.
    world_gives(
        |world| {
            let first = intent(world);
            close(world, first);
            let closing = world.terminals[0].sequence;
            intent(world);
            lose(world, closing);
        },
        &[Code::EntryGap],
    );
    // The Intent is lost: it is closed and told again all the same.
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            let order = world.intent(0, &order);
            let lost = world.terminals[0].sequence;
            world.terminals[0].log(Event::StillOpen(EncodedOrder::parse(&order).unwrap()));
            close(world, lost);
            lose(world, lost);
        },
        &[Code::EntryGap],
    );
    // Something else is lost before both: they contradict.
    world_gives(
        |world| {
            world.terminals[0].log(Event::Refused(Refusal {
                reason: RefusalReason::CardRemoved,
                card_number: None,
                line_number: None,
                status_word: None,
                closes_intent: None,
            }));
            let lost = world.terminals[0].sequence;
            intent(world);
            intent(world);
            lose(world, lost);
        },
        &[Code::EntryGap, Code::IntentOpen],
    );
    // An entry is lost, and it is not the Intent that is closed.
    world_gives(
        |world| {
            let first = intent(world);
            close(world, first);
            let lost = intent(world);
            close(world, first);
            lose(world, lost);
        },
        &[Code::EntryGap, Code::RefusedIntent],
    );
}
