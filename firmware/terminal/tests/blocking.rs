//! A card on the block list is shown the list and blocks itself (SPEC 13.10), however the tap goes; and a card that says anything
//! else is not believed.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use std::cell::RefCell;

use bench::card::Card;
use bench::card::issuer::{CertificatePlan, Office, plan, secret, signed};
use bench::host::{Host, block_entry, block_header, card, line, noon};
use bench::nor::{BLOCK, TEARS};
use bench::scripted_card::ScriptedCard;
use bench::{Bench, Chip, Story, chip, copy, execute, layout, story};
use card_spec::APPLICATION_IDENTIFIER;
use card_spec::crypto::PublicKey;
use card_spec::journal::{Entry, Event};
use card_spec::list::BlockReason;
use card_spec::payment::{HolderCheckOutcome, Receipt, ReceiptKind};
use card_spec::script::Action;
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use link::Request;
use terminal::Layout;

const CARD_BLOCKED: u8 = 17;
const REASON_BLOCKED: u8 = 4;

/// A terminal in whose block list the usual card stands behind so many others and before so many.
fn listing<'f>(flash: &'f RefCell<Chip>, host: &mut Host, before: u64, after: u64) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.blocked = around(before, after);
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

fn around(before: u64, after: u64) -> Vec<CardNumber> {
    let others = |province, count| (1..=count).map(move |serial| CardNumber::new(province, serial).unwrap());
    others(10, before)
        .chain([plan().number])
        .chain(others(90, after))
        .collect()
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// What SELECT says (SPEC 6.1): 5 active, 4 blocked.
fn life_cycle(card: &mut Card) -> u8 {
    card.reset();
    let select = [
        &[0x00, 0xA4, 0x04, 0x00, 0x08][..],
        &APPLICATION_IDENTIFIER,
        &[0x00],
    ]
    .concat();
    let answer = card.transmit(&select).to_vec();
    let at = answer.windows(2).position(|tag| tag == [0x8A, 0x01]).unwrap();
    answer[at + 2]
}

fn blocks(story: &Story) -> usize {
    story.kinds.iter().filter(|kind| **kind == CARD_BLOCKED).count()
}

/// The receipts in CardBlocked entries, each of which the card has signed.
fn receipts(bench: &mut Bench<'_>, key: &PublicKey) -> Vec<Receipt> {
    let verified = |entry: &Vec<u8>| match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
        Event::CardBlocked(receipt) => {
            let receipt = receipt.signed().verify(&card_spec::crypto::PortableP256, key);
            Some(*receipt.unwrap())
        }
        _ => None,
    };
    bench.journal().iter().filter_map(verified).collect()
}

fn signing_key(card: &mut Card) -> PublicKey {
    bench::card::terminal::Terminal::new(&Office::new())
        .open(card)
        .unwrap()
        .cso
        .signing_key
}

#[test]
fn it_blocks_itself_at_its_first_contact_wherever_it_stands_in_the_list() {
    let first = card(&plan());
    for (before, after) in [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
        (2, 2),
        (5, 6),
        (63, 1),
        (64, 0),
        (100, 128),
        (200, 37),
    ] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = listing(&flash, &mut host, before, after);
        let mut card = copy(&first, 1);
        let key = signing_key(&mut card);
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert_eq!(
            life_cycle(&mut card),
            4,
            "{before} before, {after} after: {screen}"
        );
        assert!(
            screen.contains("ngừng dùng") && screen.contains("đã tự khóa"),
            "{screen}"
        );
        let story = told(&mut bench, &host);
        assert_eq!((story.refused.clone(), blocks(&story)), (vec![REASON_BLOCKED], 1));
        let receipt = receipts(&mut bench, &key).remove(0);
        let header = block_header(1, &host.blocked, noon());
        let header = Signed::<card_spec::list::BlockListHeader>::parse(&signed(&header, host.issuer()))
            .unwrap()
            .hash();
        assert_eq!(
            (receipt.kind, receipt.object_hash, receipt.card_number),
            (ReceiptKind::BlockList, header, plan().number)
        );
        // Whom the list does not name it does not touch.
        assert!(bench.field, "the next holder can come");
    }
}

#[test]
fn a_card_that_is_not_listed_is_not_blocked() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = listing(&flash, &mut host, 3, 3);
    host.blocked.remove(3);
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    let mut card = card(&plan());
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("PIN"));
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, life_cycle(&mut card)), (vec![1], 5));
}

/// The longest list that a card can be shown, and one that is longer: the terminal refuses the card all the same.
#[test]
fn a_list_of_16_384_cards_is_shown_and_a_longer_one_is_not() {
    let standard = layout();
    let blocks_at = standard.block_lists[0].start;
    let layout = Layout {
        block_lists: [
            blocks_at..blocks_at + 0x5_0000,
            blocks_at + 0x5_0000..blocks_at + 0xA_0000,
        ],
        scripts: blocks_at + 0xA_0000..blocks_at + 0xA_1000,
        journal: blocks_at + 0xA_1000..blocks_at + 0xB_1000,
        ..standard
    };
    let flash = RefCell::new(Chip::new(layout.journal.end as usize / BLOCK));
    let mut bench = Bench::laid_out(&flash, layout, true, 1).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    for (number, length, blocked) in [(2, 16_385, 5), (3, 16_384, 4)] {
        let cards = around(11_111, length - 11_112);
        let header = signed(&block_header(number, &cards, noon()), host.issuer());
        bench.done(&Request::BlockBegin { header: &header }).unwrap();
        for part in cards.chunks(120) {
            let bytes: Vec<u8> = part.iter().flat_map(|card| block_entry(*card)).collect();
            bench.done(&Request::BlockEntries { bytes: &bytes }).unwrap();
        }
        bench.done(&Request::BlockEnd).unwrap();
        bench.tap(&mut card);
        assert!(bench.read_screen().contains("ngừng dùng"));
        assert_eq!(life_cycle(&mut card), blocked, "{length} cards");
    }
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.refused.clone(), blocks(&story)),
        (vec![REASON_BLOCKED; 2], 1)
    );
}

/// The issuer has changed its key since the card was issued: the card is shown the newer certificate, too.
#[test]
fn a_list_by_the_issuers_next_key() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    let office = Office::new();
    let next = CertificatePlan {
        holder: "VNISS7900002",
        ..office.issuer_plan()
    };
    let certificate = next.sign(&office.root, secret(20).public_key());
    bench
        .done(&Request::Install {
            objects: &certificate,
        })
        .unwrap();
    (host.office.issuer, host.issuer_name) = (secret(20), "VNISS7900002");
    host.blocked = around(4, 90);
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    bench.tap(&mut card);
    assert_eq!((life_cycle(&mut card), blocks(&told(&mut bench, &host))), (4, 1));
}

/// Torn away at each command, before the card has it and after: nothing is paid, and the next contact ends what the first began.
#[test]
fn a_card_that_is_torn_away_at_any_command() {
    let first = card(&plan());
    let mut lost_answers = 0;
    for reaches in [false, true] {
        for at in 0.. {
            let flash = chip();
            let mut host = Host::new(vec![line(1, 1, 500_000)]);
            let mut bench = listing(&flash, &mut host, 100, 130);
            let mut card = copy(&first, 1);
            card.reset();
            bench.tap_any(&mut |number, command| {
                let answer = (number != at || reaches).then(|| card.transmit(command).to_vec());
                answer.filter(|_| number != at)
            });
            if bench.commands <= at {
                assert!(at > 12);
                break;
            }
            let was_blocked = life_cycle(&mut card) == 4;
            lost_answers += usize::from(was_blocked);
            assert_eq!(blocks(&told(&mut bench, &host)), 0);
            bench.tap(&mut card);
            assert_eq!(life_cycle(&mut card), 4, "torn at {at}");
            let story = told(&mut bench, &host);
            assert_eq!(
                (blocks(&story), story.paid.len(), story.open),
                (1, 0, None),
                "torn at {at}"
            );
        }
    }
    assert_eq!(lost_answers, 1, "one command blocks");
}

/// Any answer altered: no entry but a genuine receipt's, no panic, no endless talk.
#[test]
fn an_answer_that_is_altered_in_any_way() {
    let first = card(&plan());
    let alterations: [fn(&mut Vec<u8>); 7] = [
        |answer| answer[0] ^= 0x01,
        |answer| *answer.last_mut().unwrap() ^= 0x01,
        |answer| answer.truncate(2),
        |answer| answer.insert(0, 0),
        |answer| *answer = vec![0x90, 0x00],
        |answer| *answer = vec![0x69, 0x85],
        |answer| *answer = [vec![0xAA; 250], vec![0x90, 0x00]].concat(),
    ];
    for alter in alterations {
        for at in 0.. {
            let flash = chip();
            let mut host = Host::new(vec![line(1, 1, 500_000)]);
            let mut bench = listing(&flash, &mut host, 3, 7);
            let mut card = copy(&first, 1);
            bench.tap_with(&mut card, &mut |number, _, mut answer| {
                if number == at {
                    alter(&mut answer);
                }
                Some(answer)
            });
            if bench.commands <= at {
                break;
            }
            let story = told(&mut bench, &host);
            assert_eq!((story.paid.len(), story.open), (0, None));
            bench.tap(&mut card);
            let story = told(&mut bench, &host);
            assert!(
                life_cycle(&mut card) == 4 && blocks(&story) > 0,
                "altered at {at}"
            );
        }
    }
}

/// A card with genuine keys that says whatever it wants.
#[test]
fn what_a_card_says_of_its_block_counts_only_if_it_is_this_list() {
    let honest = |card: &ScriptedCard, header: [u8; 32]| Receipt {
        object_hash: header,
        kind: ReceiptKind::BlockList,
        holder_check: HolderCheckOutcome {
            pin_verified: false,
            tries_left: 3,
        },
        ..card.receipt(&[])
    };
    type Lie = fn(&mut Receipt);
    let lies: [(Lie, usize); 6] = [
        (|_| {}, 1),
        (|receipt| receipt.object_hash[0] ^= 1, 0),
        (|receipt| receipt.kind = ReceiptKind::IssuerScript, 0),
        (|receipt| receipt.kind = ReceiptKind::Payment, 0),
        (|receipt| receipt.card_number = CardNumber::new(79, 2).unwrap(), 0),
        (|receipt| receipt.cso_version += 1, 0),
    ];
    for already in [false, true] {
        for (lie, entries) in lies {
            let flash = chip();
            let mut host = Host::new(vec![line(1, 1, 500_000)]);
            let mut bench = listing(&flash, &mut host, 0, 1);
            let header = signed(&block_header(1, &host.blocked, noon()), host.issuer());
            let header = Signed::<card_spec::list::BlockListHeader>::parse(&header)
                .unwrap()
                .hash();
            let mut card = ScriptedCard::new(&plan(), 1);
            let mut receipt = honest(&card, header);
            lie(&mut receipt);
            card.blocking = Some((already, card.sign(&receipt)));
            bench.tap_any(&mut |_, command| Some(card.transmit(command, &mut |_, _| (0x6F00, Vec::new()))));
            let story = told(&mut bench, &host);
            assert_eq!(
                (blocks(&story), story.refused.clone()),
                (entries, vec![REASON_BLOCKED])
            );
            assert_eq!(bench.read_screen().contains("đã tự khóa"), entries == 1);
        }
    }
    // No receipt at all, and one by another key.
    for answer in [
        Vec::new(),
        vec![0xFF, 0x20, 0x00],
        ScriptedCard::new(&plan(), 1)
            .without_a_key(false)
            .sign(&{ honest(&ScriptedCard::new(&plan(), 1), [0; 32]) }),
    ] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = listing(&flash, &mut host, 0, 1);
        let mut card = ScriptedCard::new(&plan(), 1);
        card.blocking = Some((false, answer));
        bench.tap_any(&mut |_, command| Some(card.transmit(command, &mut |_, _| (0x6F00, Vec::new()))));
        assert_eq!(blocks(&told(&mut bench, &host)), 0);
    }
}

/// The issuer has unblocked the card since this list: it is not blocked again, and this terminal pays it from its next list on.
#[test]
fn a_card_that_was_unblocked_since_stays_active() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = listing(&flash, &mut host, 1, 1);
    let mut card = card(&plan());
    execute(&mut card, 0, Action::Block(BlockReason::Lost));
    execute(&mut card, 1, Action::Unblock(1));
    bench.tap(&mut card);
    let story = told(&mut bench, &host);
    assert_eq!((life_cycle(&mut card), blocks(&story)), (5, 0));
    assert_eq!((story.refused, story.paid.len()), (vec![REASON_BLOCKED], 0));
}

/// What it had paid is settled first; in the same tap it blocks itself, and the money is handed over all the same.
#[test]
fn an_open_order_is_settled_before_the_block() {
    for reaches in [false, true] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = Bench::power_on(&flash).unwrap();
        host.prepare(&mut bench).unwrap();
        bench.type_keys("oLan\n");
        let mut card = card(&plan());
        bench.tear(&mut card, reaches);
        host.blocked = around(3, 3);
        host.load_blocks(&mut bench, 2, noon()).unwrap();
        bench.tap(&mut card);
        let story = told(&mut bench, &host);
        assert_eq!((story.open, story.paid.len()), (None, usize::from(reaches)));
        assert_eq!((life_cycle(&mut card), blocks(&story)), (4, 1));
        let screen = bench.read_screen();
        assert_eq!(screen.contains("Đưa 500.000 đồng"), reaches, "{screen}");
    }
}

/// The power goes at any flash operation of the tap: the card ends blocked, and the journal says so.
#[test]
fn the_power_goes_at_any_flash_operation() {
    let original = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    drop(listing(&original, &mut host, 3, 3));
    let first = card(&plan());
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        flash
            .borrow_mut()
            .cut(operation, TEARS[operation as usize % TEARS.len()]);
        let mut card = copy(&first, 1);
        let serve = |bench: &mut Bench<'_>, card: &mut Card| {
            host.set_time(bench, noon()).unwrap_or_default();
            bench.type_keys("oLan\n");
            bench.tap(card);
        };
        let mut shown = false;
        if let Ok(mut bench) = Bench::power_on(&flash) {
            serve(&mut bench, &mut card);
            shown = bench.read_screen().contains("đã tự khóa");
        }
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        let kept = blocks(&told(&mut bench, &host));
        serve(&mut bench, &mut card);
        let story = told(&mut bench, &host);
        assert_eq!(life_cycle(&mut card), 4, "cut at {operation}");
        assert!(
            blocks(&story) > 0 && blocks(&story) >= kept,
            "cut at {operation}, shown: {shown}"
        );
        assert_eq!(story.paid.len(), 0);
    }
    println!("{cuts} cuts while blocking");
    assert!(cuts > 10);
}
