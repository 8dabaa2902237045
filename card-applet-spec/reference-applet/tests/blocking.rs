//! SPEC 13.10: a card blocks itself by the block list of its issuer, and by nothing else.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::{LifeCycle, MAXIMUM_AUDIT_PATH};
use card_spec::list::{BlockListHeader, BlockReason};
use card_spec::payment::{Order, ReceiptKind};
use card_spec::script::Action;
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use common::issuer::{CertificatePlan, IssuerHost, Office, reference, secret, signed};
use common::scripts::{REVERSE, TestBlockList, reversal_bytes, with_certificate};
use common::till::Till;
use common::{Cut, Failure, SELECT, cut_at, plain};

const HEADER: [u8; 4] = [0x80, 0x04, 0x00, 0x00];
const ENTRY: [u8; 4] = [0x80, 0x04, 0x01, 0x00];

fn card(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).unwrap()
}

/// A list of seven cards, the one of `plan()` at index 4.
fn list(number: u32) -> TestBlockList {
    TestBlockList::new(number, &[2, 3, 4, 5, 1, 6, 7].map(card))
}

const INDEX: usize = 4;

fn issuers(list: &TestBlockList) -> Vec<u8> {
    list.signed(&Office::new().issuer)
}

impl Till {
    fn show_header(&mut self, list: &TestBlockList) {
        let before = self.card.memory().slots.clone();
        assert_eq!(self.send(HEADER, &issuers(list)), Ok((0x9000, Vec::new())));
        assert!(self.card.memory().slots == before, "a header alone wrote");
    }
}

#[test]
fn the_card_blocks_itself() {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    let list = list(1);
    till.show_header(&list);
    let (receipt, _) = till.gives_receipt(ENTRY, &list.proof(INDEX));
    assert_eq!(receipt.kind, ReceiptKind::BlockList);
    assert!(!receipt.holder_check.pin_verified);
    let header = issuers(&list);
    let header = Signed::<BlockListHeader>::parse(&header).unwrap();
    assert_eq!(receipt.object_hash, header.hash());
    // It still tells what it has paid, and does nothing more.
    assert_eq!(till.disburse(&order).unwrap().0, 0x9000);
    till.refuses(0x634C, &till.session.order((2026, 10), 1_000, 2));
    let reversal = till.reversal(&order, 9);
    till.refuses_command(0x634C, REVERSE, &reversal_bytes(&reversal));
    for (header, data) in [
        (ENTRY, list.proof(INDEX)),
        (HEADER, issuers(&list)),
        ([0x80, 0x20, 0x00, 0x81], Vec::new()),
        ([0x80, 0x24, 0x00, 0x81], b"271828314159".to_vec()),
    ] {
        till.refuses_command(0x6985, header, &data);
    }
    // If the answer is lost, SELECT says so.
    let answer = plain(&mut till.card, &SELECT).unwrap();
    let life_cycle = answer.windows(2).position(|w| w == [0x8A, 1]).unwrap() + 2;
    assert_eq!(answer[life_cycle], LifeCycle::Blocked as u8);
}

#[test]
fn lists_of_any_shape() {
    for count in 1..=9 {
        for index in 0..count {
            let serials = (0..count).map(|place| if place == index { 1 } else { place as u64 + 10 });
            let cards: Vec<CardNumber> = serials.map(card).collect();
            let list = TestBlockList::new(1, &cards);
            let mut till = Till::new();
            till.show_header(&list);
            assert_eq!(
                till.send(ENTRY, &list.proof(index)).unwrap().0,
                0x9000,
                "{index} of {count}"
            );
        }
    }
}

#[test]
fn the_longest_path_fits_one_chain() {
    let cards: Vec<CardNumber> = (1..=1 << MAXIMUM_AUDIT_PATH).map(card).collect();
    let list = TestBlockList::new(1, &cards);
    let mut till = Till::new();
    till.show_header(&list);
    till.gives_receipt(ENTRY, &list.proof(0));
}

#[test]
fn encodings_and_parameters() {
    let mut till = Till::new();
    let list = list(1);
    let (header, proof) = (issuers(&list), list.proof(INDEX));
    till.show_header(&list);
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    for data in [Vec::new(), cut(&header), longer(&header), proof.clone()] {
        till.refuses_command(0x6A80, HEADER, &data);
    }
    let mut reason = proof.clone();
    reason[15] = 0;
    for data in [
        Vec::new(),
        cut(&proof),
        longer(&proof),
        header.clone(),
        reason,
        proof[16..].to_vec(),
    ] {
        till.refuses_command(0x6A80, ENTRY, &data);
    }
    for header in [
        [0x80, 0x04, 0x02, 0x00],
        [0x80, 0x04, 0x00, 0x01],
        [0x80, 0x04, 0x01, 0x01],
    ] {
        till.refuses_command(0x6A86, header, &proof);
    }
    // What was refused did not drop the header.
    till.gives_receipt(ENTRY, &proof);
}

#[test]
fn not_in_the_issuers_session() {
    let mut till = Till::new();
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    let status = host.secure.status(&mut till.card, HEADER, &issuers(&list(1)));
    assert_eq!(status, 0x6D00);
}

#[test]
fn an_entry_without_a_header() {
    let mut till = Till::new();
    let list = list(1);
    till.refuses_command(0x6A88, ENTRY, &list.proof(INDEX));
    // A header that was refused is not kept, and one that was kept dies with its session.
    till.refuses_command(0x6982, HEADER, &list.signed(&secret(66)));
    till.refuses_command(0x6A88, ENTRY, &list.proof(INDEX));
    till.show_header(&list);
    till.open_again();
    till.refuses_command(0x6A88, ENTRY, &list.proof(INDEX));
}

#[test]
fn somebody_elses_list() {
    let mut till = Till::new();
    let list = list(1);
    let office = Office::new();
    for signer in [&secret(66), &office.root, &office.terminal_ca] {
        till.refuses_command(0x6982, HEADER, &list.signed(signer));
    }
    let mut changed = issuers(&list);
    let at = changed
        .windows(6)
        .position(|w| w == [0x82, 4, 0, 0, 0, 1])
        .unwrap();
    changed[at + 5] = 2;
    till.refuses_command(0x6982, HEADER, &changed);
    let unknown = BlockListHeader {
        issuer: reference("VNISS7900002"),
        ..list.header
    };
    till.refuses_command(0x6A88, HEADER, &signed(&unknown, &office.issuer));
    // With a certificate for its next key the card knows it; another province's key is not the card's issuer.
    let next = secret(20);
    for (holder, status) in [("VNISS8000002", 0x6982), ("VNISS7900002", 0x9000)] {
        let header = BlockListHeader {
            issuer: reference(holder),
            ..list.header
        };
        let certificate = CertificatePlan {
            holder,
            ..office.issuer_plan()
        };
        let certificate = certificate.sign(&office.root, next.public_key());
        let data = with_certificate::<BlockListHeader>(&certificate, &signed(&header, &next));
        assert_eq!(
            till.session.secure.status(&mut till.card, HEADER, &data),
            status,
            "{holder}"
        );
    }
    till.gives_receipt(ENTRY, &list.proof(INDEX));
}

#[test]
fn another_card_of_the_list() {
    let mut till = Till::new();
    let list = list(1);
    till.show_header(&list);
    for index in (0..7).filter(|index| *index != INDEX) {
        till.refuses_command(0x6349, ENTRY, &list.proof(index));
    }
}

#[test]
fn a_path_that_does_not_lead_to_the_root() {
    let mut till = Till::new();
    till.show_header(&list(1));
    let right = list(1).proof(INDEX);
    // Another reason than the signed one, another index, a hash changed, one missing, one too many.
    let mut reason = right.clone();
    reason[15] = BlockReason::Lost as u8;
    let mut index = right.clone();
    index[16 + 5] ^= 1;
    let mut outside = right.clone();
    outside[16 + 2] = 0xFF;
    let mut hash = right.clone();
    *hash.last_mut().unwrap() ^= 1;
    let with_hashes = |count: u8| {
        let path = vec![0xAB; usize::from(count) * 32];
        let length = [0x82, 0x81, count * 32];
        [&right[..16 + 6], &length[..], &path].concat()
    };
    let mut missing = right[..right.len() - 32].to_vec();
    missing[16 + 6 + 1] = 64;
    for data in [
        reason,
        index,
        outside,
        hash,
        missing,
        with_hashes(4),
        with_hashes(7),
    ] {
        till.refuses_command(0x6982, ENTRY, &data);
    }
    // An entry of another list that does not have the card.
    let empty = TestBlockList::new(2, &[]);
    till.show_header(&empty);
    till.refuses_command(0x6982, ENTRY, &right);
    till.show_header(&list(3));
    till.gives_receipt(ENTRY, &right);
}

#[test]
fn a_list_that_the_issuer_has_lifted() {
    let mut till = Till::new();
    till.executes(Action::Block(BlockReason::Lost));
    till.executes(Action::Unblock(5));
    for number in [0, 1, 4, 5] {
        till.refuses_command(0x634D, HEADER, &issuers(&list(number)));
    }
    let newer = list(6);
    till.show_header(&newer);
    // The issuer lifts it in the same session, after its header came.
    till.executes(Action::Block(BlockReason::Lost));
    till.executes(Action::Unblock(6));
    till.refuses_command(0x634D, ENTRY, &newer.proof(INDEX));
    let newest = list(7);
    till.show_header(&newest);
    till.gives_receipt(ENTRY, &newest.proof(INDEX));
    // Blocking alone does not move the number: unblocking up to it is the issuer's word.
    till.executes(Action::Unblock(7));
    till.refuses_command(0x634D, HEADER, &issuers(&newest));
}

#[test]
fn an_authorization_dies() {
    let mut till = Till::new();
    let list = list(1);
    till.show_header(&list);
    till.gives_receipt(ENTRY, &list.proof(INDEX));
    till.executes(Action::Unblock(1));
    till.refuses(0x6346, &till.order());
}

#[test]
fn a_receipt_counter_at_its_end() {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    till.exhaust_counter();
    let list = list(1);
    till.show_header(&list);
    till.refuses_command(0x6348, ENTRY, &list.proof(INDEX));
    // The rows before it come first.
    till.refuses_command(0x6349, ENTRY, &list.proof(0));
}

#[test]
fn the_power_goes_at_every_write() {
    let list = list(1);
    let mut cuts = 0;
    for (write, side) in (0..).flat_map(|write| [(write, Cut::Before), (write, Cut::After)]) {
        let mut till = Till::new();
        let order = till.order();
        till.pays(&order);
        let before = till.status();
        till.show_header(&list);
        cut_at(&mut till.card, Some((write, side)));
        let outcome = till.send(ENTRY, &list.proof(INDEX));
        let done = till.card.memory().writes <= write;
        cut_at(&mut till.card, None);
        if done {
            assert_eq!(outcome.unwrap().0, 0x9000);
            break;
        }
        cuts += 1;
        assert_eq!(outcome, Err(Failure::Gone));
        till.card.reset();
        till.open_without_pin();
        let torn = till.status();
        assert_eq!(torn.counter == 1, torn.life_cycle == LifeCycle::Active);
        if torn.life_cycle == LifeCycle::Active {
            assert_eq!(torn.head, before.head);
            till.show_header(&list);
            till.gives_receipt(ENTRY, &list.proof(INDEX));
        } else {
            till.refuses_command(0x6985, HEADER, &issuers(&list));
        }
        assert_eq!(till.disburse(&order).unwrap().0, 0x9000);
    }
    // Header, receipt, ledger.
    println!("blocking: {cuts} cuts");
    assert_eq!(cuts, 6);
}

/// The model of the money found it: with `634C` first, a terminal would have closed an Intent as refused that stands.
#[test]
fn an_order_whose_receipt_was_overwritten_is_never_told_that_it_was_refused() {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    for _ in 0..32 {
        till.executes(Action::FillPinTries);
    }
    let paid_but_forgotten = Ok((0x6340, Vec::new()));
    assert_eq!(till.disburse(&order), paid_but_forgotten);
    let of_another_version = Order {
        cso_hash: [0; 32],
        ..order
    };
    assert_eq!(till.disburse(&of_another_version), paid_but_forgotten);
    let of_another_day = Order {
        time: common::till::at(2030, 1, 1),
        ..order
    };
    assert_eq!(till.disburse(&of_another_day), paid_but_forgotten);
    till.executes(Action::Block(BlockReason::Lost));
    assert_eq!(till.disburse(&order), paid_but_forgotten);
    till.executes(Action::Terminate(BlockReason::Lost));
    assert_eq!(till.disburse(&order), paid_but_forgotten);
}
