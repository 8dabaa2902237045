//! What a journal tells of cards beside its own payments: they have blocked themselves (DATA 5.2, kind 17).

use ansinh_audit::Code;
use card_spec::journal::{EncodedReceipt, Event};
use card_spec::payment::{HolderCheckOutcome, Receipt, ReceiptKind};
use vectors::{World, secret, sign};

use crate::world_gives;

/// The card's receipt for a block list, in the first terminal's journal, where that list is in force.
fn block(world: &mut World, card: usize, listed: &[usize], lie: impl FnOnce(&mut Receipt)) {
    let list = world.issue_block_list(listed);
    world.load_block_list(0, &list);
    tell(world, card, |receipt| {
        receipt.object_hash = list.header;
        lie(receipt);
    });
}

fn tell(world: &mut World, card: usize, change: impl FnOnce(&mut Receipt)) {
    let receipt = blocked(world, card, change);
    let receipt = sign(&receipt, &world.cards[card].signing);
    log(world, &receipt);
}

fn log(world: &mut World, receipt: &[u8]) {
    world
        .terminal(0)
        .log(Event::CardBlocked(EncodedReceipt::parse(receipt).unwrap()));
}

fn blocked(world: &World, card: usize, change: impl FnOnce(&mut Receipt)) -> Receipt {
    let card = &world.cards[card];
    let mut receipt = Receipt {
        suite: Default::default(),
        card_number: card.number,
        cso_version: 1,
        counter: card.counter + 1,
        previous: card.head,
        object_hash: [0; 32],
        holder_check: HolderCheckOutcome {
            pin_verified: false,
            tries_left: 3,
        },
        kind: ReceiptKind::BlockList,
    };
    change(&mut receipt);
    receipt
}

/// Card 0 has paid twice before.
#[test]
fn a_card_that_blocked_itself_has_the_place_in_its_chain() {
    let report = world_gives(|world| block(world, 0, &[0, 4], |_| {}), &[]);
    let card = world_number(0);
    let summary = report.cards.iter().find(|summary| summary.card == card).unwrap();
    assert_eq!((summary.counter, summary.missing.len()), (3, 0));
    world_gives(
        |world| block(world, 0, &[0, 4], |receipt| receipt.counter += 1),
        &[Code::ReceiptGap],
    );
    world_gives(
        |world| block(world, 0, &[0, 4], |receipt| receipt.previous = [7; 32]),
        &[Code::ReceiptPrevious],
    );
    world_gives(
        |world| block(world, 0, &[0, 4], |receipt| receipt.counter -= 1),
        &[Code::ReceiptFork],
    );
}

fn world_number(card: usize) -> String {
    World::standard().cards[card].number.to_string()
}

/// Its answer was lost, or the holder came again.
#[test]
fn it_may_tell_of_it_again() {
    world_gives(
        |world| {
            let list = world.issue_block_list(&[0]);
            world.load_block_list(0, &list);
            let receipt = blocked(world, 0, |receipt| receipt.object_hash = list.header);
            let receipt = sign(&receipt, &world.cards[0].signing);
            (0..3).for_each(|_| log(world, &receipt));
        },
        &[],
    );
}

#[test]
fn what_no_card_says_and_no_list_demands() {
    world_gives(|world| block(world, 0, &[1, 4], |_| {}), &[Code::CardBlocked]);
    world_gives(
        |world| block(world, 0, &[0, 4], |receipt| receipt.object_hash = [9; 32]),
        &[Code::CardBlocked],
    );
    // By a list that was in force before.
    world_gives(
        |world| {
            let before = world.issue_block_list(&[0]);
            world.load_block_list(0, &before);
            let present = world.issue_block_list(&[0, 1]);
            world.load_block_list(0, &present);
            tell(world, 0, |receipt| receipt.object_hash = before.header);
        },
        &[Code::CardBlocked],
    );
    for kind in [ReceiptKind::Reversal, ReceiptKind::IssuerScript] {
        world_gives(
            |world| block(world, 0, &[0], |receipt| receipt.kind = kind),
            &[Code::ReceiptKind],
        );
    }
    world_gives(
        |world| {
            let list = world.issue_block_list(&[0]);
            world.load_block_list(0, &list);
            let receipt = blocked(world, 0, |receipt| receipt.object_hash = list.header);
            log(world, &sign(&receipt, &secret("somebody else")));
        },
        &[Code::ReceiptSignature],
    );
    world_gives(
        |world| {
            block(world, 0, &[0], |receipt| {
                receipt.card_number = card_spec::values::CardNumber::new(79, 99).unwrap();
            });
        },
        &[Code::CardUnknown],
    );
}
