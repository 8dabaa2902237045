//! Block lists as they are published, and the way of a terminal from one to another.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{FULL_EVERY_DAYS, IssuerKey, PayoutError, Publication, WholeBlockList, make_block_list};
use ansinh_store::block_lists::BlockList;
use ansinh_store::cards::BlockReason;
use ansinh_store::operators::{Actor, Role};
use ansinh_store::{Location, Store, StoreError};
use card_spec::block_delta::BlockChange;
use card_spec::certificate::Role as CertificateRole;
use card_spec::crypto::PortableP256;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason as Reason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::Signed;
use card_spec::tlv::Reader;
use card_spec::values::{Date, Time};
use common::{
    Card, Office, alter, certificate, days_from_now, first_operator, key, location, today, two_cards,
};
use tempfile::TempDir;

struct Bench {
    office: Office,
    location: Location,
    store: Store,
    lan: Actor,
    cards: [Card; 2],
    _folder: TempDir,
}

fn noon(day: Date) -> Time {
    Time::new(day, 12, 0, 0).unwrap()
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = location(folder.path());
        let store = Store::create(location.clone()).unwrap();
        let office = Office::new();
        let lan = first_operator(&store);
        let cards = two_cards(&store, &lan, &office.issuer());
        Self {
            office,
            location,
            store,
            lan,
            cards,
            _folder: folder,
        }
    }

    fn block(&self, card: usize, reason: BlockReason) {
        self.store
            .block(&self.lan, &self.cards[card].number, reason)
            .unwrap();
    }

    fn unblock(&self, card: usize) {
        let token = self
            .store
            .add_operator(&self.lan, "thu", [Role::Approver].into_iter().collect());
        let thu = self.store.authenticate(&token.unwrap()).unwrap();
        self.store.unblock_card(&thu, &self.cards[card].number).unwrap();
    }

    fn publish(&self, publication: Publication) -> BlockList {
        self.publish_at(noon(today()), publication)
    }

    fn publish_at(&self, time: Time, publication: Publication) -> BlockList {
        make_block_list(&self.store, &self.lan, &self.office.issuer(), time, publication).unwrap()
    }

    fn newest(&self) -> WholeBlockList {
        WholeBlockList::newest(&self.store).unwrap().unwrap()
    }
}

fn changes(bytes: &[u8]) -> Vec<BlockChange> {
    let mut reader = Reader::new(bytes);
    let mut changes = Vec::new();
    while !reader.rest().is_empty() {
        changes.push(BlockChange::read(&mut reader).unwrap());
    }
    changes
}

#[test]
fn a_full_block_list_is_sorted_and_signed() {
    let bench = Bench::new();
    let empty = bench.publish(Publication::Full);
    assert!(empty.content.is_empty() && empty.base.is_none());
    bench.block(1, BlockReason::Stolen);
    bench.block(0, BlockReason::Lost);
    let list = bench.publish(Publication::Full);
    let header = Signed::<BlockListHeader>::parse(&list.header).unwrap();
    let header = header
        .verify(&PortableP256, &bench.office.issuer.public_key())
        .unwrap();
    assert_eq!(
        (header.number, header.count, header.issued),
        (2, 2, noon(today()))
    );
    let expected = [(0, Reason::Lost), (1, Reason::Stolen)].map(|(card, reason)| {
        BlockChange::Blocked(BlockEntry {
            card_number: bench.cards[card].number,
            reason,
        })
    });
    assert_eq!(changes(&list.content), expected);
    let mut tree = RootBuilder::new();
    for entry in list.content.chunks(BlockEntry::LENGTH) {
        tree.push(leaf_hash(entry), |_, _, _| {});
    }
    assert_eq!(header.root, tree.root());
}

#[test]
fn what_changed_is_published_alone_where_it_is_shorter() {
    let bench = Bench::new();
    let form = |publication| bench.publish(publication).base;
    assert_eq!(form(Publication::Daily), None, "the first");
    bench.block(0, BlockReason::Lost);
    assert_eq!(
        form(Publication::Daily),
        None,
        "all cards are as short as the change"
    );
    bench.block(1, BlockReason::Stolen);
    assert_eq!(form(Publication::Daily), Some(2));
    assert_eq!(form(Publication::Daily), Some(3), "no news");
    bench.unblock(0);
    assert_eq!(form(Publication::Daily), Some(4));
    assert_eq!(form(Publication::Full), None, "asked for");
    let published = bench.store.block_lists().unwrap();
    let lengths: Vec<_> = published.iter().map(|list| list.content.len()).collect();
    assert_eq!(lengths, [0, 16, 16, 0, 13, 16]);
    // Whatever way it was published, a list is all of it.
    for (number, cards) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 1), (6, 1)] {
        let list = WholeBlockList::numbered(&bench.store, number).unwrap().unwrap();
        assert_eq!((list.number(), list.entries().unwrap().len()), (number, cards));
    }
    assert_eq!(WholeBlockList::numbered(&bench.store, 7).unwrap(), None);
    assert_eq!(WholeBlockList::numbered(&bench.store, 0).unwrap(), None);
}

#[test]
fn a_month_after_a_full_list_or_under_another_key_all_cards_are_published() {
    let bench = Bench::new();
    bench.block(0, BlockReason::Lost);
    let publish_in = |days: u32| {
        let time = noon(days_from_now(i64::from(days)));
        bench.publish_at(time, Publication::Daily).base.is_none()
    };
    assert!(publish_in(0));
    assert!(!publish_in(FULL_EVERY_DAYS - 1));
    assert!(publish_in(FULL_EVERY_DAYS), "counted from the full one");
    // A clock that was set back: what is older than its base is no delta to it.
    assert!(publish_in(FULL_EVERY_DAYS - 1));
    let other = key(9);
    let certificate = certificate(
        "VNROOT00001",
        "VNISS7900002",
        CertificateRole::Issuer,
        &other,
        &key(1),
    );
    let issuer = IssuerKey::new(&other, &certificate).unwrap();
    let list = make_block_list(
        &bench.store,
        &bench.lan,
        &issuer,
        noon(days_from_now(i64::from(FULL_EVERY_DAYS))),
        Publication::Daily,
    );
    assert_eq!(list.unwrap().base, None);
}

#[test]
fn a_terminal_is_brought_to_the_newest_list_from_any_that_it_holds() {
    let bench = Bench::new();
    bench.publish(Publication::Daily);
    for card in [0, 1] {
        bench.block(card, BlockReason::Lost);
        bench.publish(Publication::Daily);
    }
    bench.block(1, BlockReason::Deceased);
    bench.publish(Publication::Daily);
    let newest = bench.newest();
    let from = |held| {
        let held = WholeBlockList::numbered(&bench.store, held).unwrap().unwrap();
        let changes = newest.changes_since(&held).unwrap();
        changes.map(|changes| changes.concat().len())
    };
    // From the empty one all entries are as short; from the others one step, over however many days.
    assert_eq!([1, 2, 3, 4].map(from), [None, Some(16), Some(16), Some(0)]);
}

#[test]
fn a_ledger_whose_deltas_do_not_lead_to_what_was_signed_sends_and_signs_nothing_more() {
    for (number, content) in [("2", ""), ("3", "")] {
        let bench = Bench::new();
        bench.publish(Publication::Daily);
        for card in [0, 1] {
            bench.block(card, BlockReason::Lost);
            bench.publish(Publication::Daily);
        }
        assert_eq!(bench.newest().entries().unwrap().len(), 2);
        let empty = match &bench.location {
            Location::Server(_) => format!("'{content}'::bytea"),
            Location::File(_) => format!("x'{content}'"),
        };
        alter(
            &bench.location,
            &format!("UPDATE block_list SET cards = {empty} WHERE number = {number}"),
        );
        let is_malformed = |result: Result<(), PayoutError>| {
            matches!(
                result,
                Err(PayoutError::Store(StoreError::Malformed("block list")))
            )
        };
        assert!(is_malformed(WholeBlockList::newest(&bench.store).map(drop)));
        let daily = make_block_list(
            &bench.store,
            &bench.lan,
            &bench.office.issuer(),
            noon(today()),
            Publication::Daily,
        );
        assert!(is_malformed(daily.map(drop)));
        // A full one does not rest on what is lost.
        assert_eq!(bench.publish(Publication::Full).number, 4);
        assert_eq!(bench.newest().entries().unwrap().len(), 2);
    }
}
