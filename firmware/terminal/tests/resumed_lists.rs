//! Lists that are cut off on their way: under the same header, and base, they go on where the terminal stands, and nothing else does.
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

use bench::card::issuer::{encoded, plan, signed};
use bench::host::{Host, ListPlan, block_entry, block_header, card, line, noon};
use bench::{Bench, Chip, chip};
use card_spec::block_delta::Unblocked;
use card_spec::crypto::Digest;
use card_spec::list::{BlockListHeader, ListLine};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use link::{Answer, Refusal, Request, receive};

/// Items in a message.
const STEP: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Lines,
    Entries,
    Changes,
}

/// A list of five items on its way.
#[derive(Clone)]
struct Transfer {
    kind: Kind,
    header: Vec<u8>,
    base: Digest,
    items: Vec<Vec<u8>>,
}

/// What the cable swallows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    Request,
    Answer,
}

impl Transfer {
    fn begin(&self) -> Request<'_> {
        let (header, base) = (&self.header[..], self.base);
        match self.kind {
            Kind::Lines => Request::ListBegin { header },
            Kind::Entries => Request::BlockBegin { header },
            Kind::Changes => Request::BlockDelta { header, base },
        }
    }

    fn part<'b>(&self, bytes: &'b [u8]) -> Request<'b> {
        match self.kind {
            Kind::Lines => Request::ListLines { bytes },
            Kind::Entries | Kind::Changes => Request::BlockEntries { bytes },
        }
    }

    fn end(&self) -> Request<'static> {
        match self.kind {
            Kind::Lines => Request::ListEnd,
            Kind::Entries | Kind::Changes => Request::BlockEnd,
        }
    }

    /// Begins; gives how many items the terminal says it has.
    fn begun(&self, bench: &mut Bench<'_>) -> Result<usize, Refusal> {
        match receive::<Answer<'_>>(&bench.ask(&self.begin())).unwrap() {
            Answer::Done => Ok(0),
            Answer::Taken { count } if count > 0 => Ok(count as usize),
            Answer::Refused { code } => Err(code),
            other => panic!("{other:?}"),
        }
    }

    fn send(&self, bench: &mut Bench<'_>, from: usize, to: usize) -> Result<(), Refusal> {
        let mut parts = self.items[from..to].chunks(STEP);
        parts.try_for_each(|part| bench.done(&self.part(&part.concat())))
    }

    fn rest(&self, bench: &mut Bench<'_>, from: usize) -> Result<(), Refusal> {
        self.send(bench, from, self.items.len())?;
        bench.done(&self.end())
    }

    /// The terminal after so many messages of which the last is lost, or its answer; how many items it must have then.
    fn cut(&self, bench: &mut Bench<'_>, message: usize, lost: Lost) -> usize {
        let arrived = message - usize::from(lost == Lost::Request);
        if arrived > 0 {
            assert_eq!(self.begun(bench), Ok(0));
        }
        let items = (arrived.saturating_sub(1) * STEP).min(self.items.len());
        self.send(bench, 0, items).unwrap();
        if arrived == self.messages() {
            bench.done(&self.end()).unwrap();
        }
        items
    }

    /// Beginning, parts, end.
    fn messages(&self) -> usize {
        self.items.len().div_ceil(STEP) + 2
    }

    fn is_in_force(&self, bench: &mut Bench<'_>) -> bool {
        let hello = bench.hello();
        match self.kind {
            Kind::Lines => hello.list_number == 2,
            Kind::Entries | Kind::Changes => hello.block_list_number == 2,
        }
    }
}

fn cards(serials: &[u64]) -> Vec<CardNumber> {
    let card = |serial: &u64| CardNumber::new(79, *serial).unwrap();
    serials.iter().map(card).collect()
}

fn off(serial: u64) -> Vec<u8> {
    let card_number = CardNumber::new(79, serial).unwrap();
    encoded(&Unblocked { card_number }, Unblocked::TAG)
}

fn on(serial: u64) -> Vec<u8> {
    block_entry(CardNumber::new(79, serial).unwrap())
}

/// Of one line, and block list 1.
const BEFORE: [u64; 3] = [2, 4, 6];

fn list(number: u32) -> ListPlan {
    let lines =
        (1..=5).map(|line_number| line(line_number, line_number as u16, 100 * u64::from(line_number)));
    ListPlan::new(number, lines.collect())
}

/// Each kind of list, all with number 2. The block lists have the usual card, 1.
fn transfers(host: &Host) -> [Transfer; 3] {
    let blocks = |cards: &[CardNumber]| signed(&block_header(2, cards, noon()), host.issuer());
    let base = signed(&block_header(1, &cards(&BEFORE), noon()), host.issuer());
    let base = Signed::<BlockListHeader>::parse(&base).unwrap().hash();
    let (full, changed) = (cards(&[1, 3, 5, 7, 9]), cards(&[1, 5, 6, 7]));
    let lines = list(2).body();
    [
        Transfer {
            kind: Kind::Lines,
            header: signed(&list(2).header(), host.issuer()),
            base,
            items: lines.chunks(ListLine::LENGTH).map(<[u8]>::to_vec).collect(),
        },
        Transfer {
            kind: Kind::Entries,
            header: blocks(&full),
            base,
            items: full.iter().map(|card| block_entry(*card)).collect(),
        },
        Transfer {
            kind: Kind::Changes,
            header: blocks(&changed),
            base,
            items: vec![on(1), off(2), off(4), on(5), on(7)],
        },
    ]
}

/// A terminal that can pay, and its host; a flash with it to begin from.
fn prepared() -> (RefCell<Chip>, Host, Vec<u8>) {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.blocked = cards(&BEFORE);
    let mut bench = Bench::power_on(&flash).unwrap();
    let agreement = host.make_keys(&mut bench).unwrap();
    let objects = host.objects(agreement);
    bench.done(&Request::Install { objects: &objects }).unwrap();
    host.prepare(&mut bench).unwrap();
    drop(bench);
    (flash, host, objects)
}

/// Switches on, with the clock set.
fn switch_on<'f>(flash: &'f RefCell<Chip>, host: &Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench
}

/// What a card is told shows that the whole list is there, each line under the issuer's root, each entry under its tag.
fn demand_whole(bench: &mut Bench<'_>, kind: Kind) {
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench.tap(&mut card(&plan()));
    let expected = match kind {
        Kind::Lines => "1.500 đồng",
        Kind::Entries | Kind::Changes => "thẻ đã ngừng dùng",
    };
    let screen = bench.read_screen();
    assert!(screen.contains(expected), "{kind:?}: {screen}");
}

#[test]
fn a_list_goes_on_after_the_cable_was_cut_at_any_message() {
    let (flash, host, objects) = prepared();
    for transfer in transfers(&host) {
        for message in 1..=transfer.messages() {
            for lost in [Lost::Request, Lost::Answer] {
                let place = format!("{:?} {message} {lost:?}", transfer.kind);
                let flash = flash.clone();
                let mut bench = switch_on(&flash, &host);
                let taken = transfer.cut(&mut bench, message, lost);
                let is_over = message == transfer.messages() && lost == Lost::Answer;
                assert_eq!(transfer.is_in_force(&mut bench), is_over, "{place}");
                // What a host does at each connection takes nothing away.
                bench.done(&Request::Install { objects: &objects }).unwrap();
                host.set_time(&mut bench, noon()).unwrap();
                if is_over {
                    assert_eq!(transfer.begun(&mut bench), Err(Refusal::NotNewer), "{place}");
                } else {
                    assert_eq!(transfer.begun(&mut bench), Ok(taken), "{place}");
                    transfer.rest(&mut bench, taken).unwrap();
                }
                assert!(transfer.is_in_force(&mut bench), "{place}");
                demand_whole(&mut bench, transfer.kind);
            }
        }
    }
}

#[test]
fn a_cable_that_is_cut_at_every_message_brings_the_list_all_the_same() {
    let (flash, host, _) = prepared();
    for transfer in transfers(&host) {
        let flash = flash.clone();
        let mut bench = switch_on(&flash, &host);
        for sent in (0..transfer.items.len()).step_by(STEP) {
            assert_eq!(transfer.begun(&mut bench), Ok(sent));
            let to = (sent + STEP).min(transfer.items.len());
            transfer.send(&mut bench, sent, to).unwrap();
        }
        assert_eq!(transfer.begun(&mut bench), Ok(5));
        transfer.rest(&mut bench, 5).unwrap();
        demand_whole(&mut bench, transfer.kind);
    }
}

#[test]
fn another_beginning_drops_what_came() {
    let (flash, host, _) = prepared();
    let [lines, entries, changes] = transfers(&host);
    let other_list = Transfer {
        header: signed(&list(3).header(), host.issuer()),
        ..transfers(&host)[0].clone()
    };
    let other_blocks = Transfer {
        header: signed(&block_header(3, &cards(&[1, 3, 5, 7, 9]), noon()), host.issuer()),
        ..transfers(&host)[1].clone()
    };
    // The same header, once for all entries and once for changes.
    let not_changes = Transfer {
        kind: Kind::Entries,
        ..changes.clone()
    };
    let not_entries = Transfer {
        kind: Kind::Changes,
        ..entries.clone()
    };
    let pairs = [
        (&lines, &other_list),
        (&lines, &entries),
        (&entries, &other_blocks),
        (&entries, &not_entries),
        (&changes, &not_changes),
        (&changes, &lines),
    ];
    for (transfer, other) in pairs {
        let flash = flash.clone();
        let mut bench = switch_on(&flash, &host);
        assert_eq!(transfer.begun(&mut bench), Ok(0));
        transfer.send(&mut bench, 0, 4).unwrap();
        assert_eq!(other.begun(&mut bench), Ok(0), "{:?}", other.kind);
        assert_eq!(transfer.begun(&mut bench), Ok(0), "{:?}", transfer.kind);
        transfer.rest(&mut bench, 0).unwrap();
        demand_whole(&mut bench, transfer.kind);
    }
}

#[test]
fn a_refused_beginning_drops_what_came() {
    let (flash, host, _) = prepared();
    for transfer in transfers(&host) {
        let mut forged = transfer.clone();
        *forged.header.last_mut().unwrap() ^= 1;
        let other_base = Transfer {
            kind: Kind::Changes,
            base: [9; 32],
            ..transfers(&host)[2].clone()
        };
        for (refused, refusal) in [(forged, Refusal::NotGenuine), (other_base, Refusal::OtherBase)] {
            let flash = flash.clone();
            let mut bench = switch_on(&flash, &host);
            assert_eq!(transfer.begun(&mut bench), Ok(0));
            transfer.send(&mut bench, 0, 4).unwrap();
            assert_eq!(refused.begun(&mut bench), Err(refusal));
            assert_eq!(bench.refusal(&transfer.end()), Some(Refusal::OutOfOrder));
            assert_eq!(transfer.begun(&mut bench), Ok(0), "{:?}", transfer.kind);
        }
    }
}

#[test]
fn what_goes_on_is_believed_no_more_than_what_comes_at_once() {
    let (flash, host, _) = prepared();
    for transfer in transfers(&host) {
        let kind = transfer.kind;
        let flash = flash.clone();
        let mut bench = switch_on(&flash, &host);
        let stands_at_four = |bench: &mut Bench<'_>| {
            assert_eq!(transfer.begun(bench), Ok(0), "{kind:?}");
            transfer.send(bench, 0, 4).unwrap();
            assert_eq!(transfer.begun(bench), Ok(4), "{kind:?}");
        };
        // The end too early, also when nothing came; a list from its beginning, though the terminal has it; more than there is.
        assert_eq!(transfer.begun(&mut bench), Ok(0));
        assert_eq!(
            bench.refusal(&transfer.end()),
            Some(Refusal::Incomplete),
            "{kind:?}"
        );
        stands_at_four(&mut bench);
        assert_eq!(
            bench.refusal(&transfer.end()),
            Some(Refusal::Incomplete),
            "{kind:?}"
        );
        assert_eq!(
            bench.refusal(&transfer.end()),
            Some(Refusal::OutOfOrder),
            "{kind:?}"
        );
        stands_at_four(&mut bench);
        assert_eq!(transfer.rest(&mut bench, 0), Err(Refusal::Incomplete), "{kind:?}");
        stands_at_four(&mut bench);
        transfer.send(&mut bench, 4, 5).unwrap();
        let again = transfer.rest(&mut bench, 4);
        assert_eq!(again, Err(Refusal::Incomplete), "{kind:?}");
        // Half of the next one drops the rest with it.
        stands_at_four(&mut bench);
        let half = &transfer.items[4][..transfer.items[4].len() - 1];
        assert_eq!(
            bench.refusal(&transfer.part(half)),
            Some(Refusal::Malformed),
            "{kind:?}"
        );
        assert!(!transfer.is_in_force(&mut bench), "{kind:?}");
        stands_at_four(&mut bench);
        transfer.rest(&mut bench, 4).unwrap();
        demand_whole(&mut bench, kind);
    }
}

#[test]
fn a_service_in_between_takes_nothing_away() {
    let (flash, host, _) = prepared();
    for transfer in transfers(&host) {
        let flash = flash.clone();
        let mut bench = switch_on(&flash, &host);
        assert_eq!(transfer.begun(&mut bench), Ok(0));
        transfer.send(&mut bench, 0, 2).unwrap();
        bench.type_keys("oLan\n");
        bench.read_screen();
        bench.tap(&mut card(&plan()));
        assert!(
            bench.read_screen().contains("500.000 đồng"),
            "the list before is in force"
        );
        assert_eq!(transfer.send(&mut bench, 2, 4), Err(Refusal::Busy));
        assert_eq!(bench.refusal(&transfer.end()), Some(Refusal::Busy));
        assert_eq!(transfer.begun(&mut bench), Err(Refusal::Busy));
        bench.type_keys("c");
        assert_eq!(transfer.begun(&mut bench), Ok(2), "{:?}", transfer.kind);
        transfer.rest(&mut bench, 2).unwrap();
        bench.type_keys("x");
        demand_whole(&mut bench, transfer.kind);
    }
}

#[test]
fn a_power_cut_begins_a_list_anew() {
    let (flash, host, _) = prepared();
    for transfer in transfers(&host) {
        for taken in [2, 4, 5] {
            let flash = flash.clone();
            let mut bench = switch_on(&flash, &host);
            assert_eq!(transfer.begun(&mut bench), Ok(0));
            transfer.send(&mut bench, 0, taken).unwrap();
            drop(bench);
            let mut bench = switch_on(&flash, &host);
            assert!(!transfer.is_in_force(&mut bench));
            assert_eq!(bench.refusal(&transfer.end()), Some(Refusal::OutOfOrder));
            assert_eq!(transfer.begun(&mut bench), Ok(0));
            transfer.rest(&mut bench, 0).unwrap();
            demand_whole(&mut bench, transfer.kind);
        }
    }
}
