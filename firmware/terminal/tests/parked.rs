//! A card is torn away in the middle of a payment and its holder walks off: the clerk goes on with the next person, and the
//! order is settled whenever its card comes back (DATA 5.3, decision 21).
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
use bench::card::issuer::{Plan, plan};
use bench::host::{Host, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, Chip, Story, chip, copy, story};
use card_spec::crypto::PublicKey;
use card_spec::list::ListLine;
use card_spec::payment::{LineKey, LineKeyParts};
use card_spec::values::{Amount, CardNumber};
use link::{Answer, Refusal, Request, receive};

/// The holder of the `n`th line; the first is the bench's usual one.
fn holder(n: u8) -> Plan {
    if n == 1 {
        return plan();
    }
    Plan {
        number: CardNumber::new(79, u64::from(n)).unwrap(),
        person: [0xC0 | n; 16],
        ..plan()
    }
}

fn line_of(n: u8) -> ListLine {
    let holder = holder(n);
    let usual = line(u32::from(n), 1, 100_000 * u64::from(n));
    let mut key = usual.line_key.parts();
    key.person = holder.person;
    ListLine {
        card_number: holder.number,
        line_key: LineKey::new(&key),
        ..usual
    }
}

/// A host whose list has a line for each of so many holders.
fn host(holders: u8) -> Host {
    Host::new((1..=holders).map(line_of).collect())
}

fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

fn both_taps(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
}

#[test]
fn the_next_person_is_paid_and_the_order_is_settled_when_its_card_is_back() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, true);
    bench.tap(&mut second);
    let screen = bench.read_screen();
    assert!(
        screen.contains("Thẻ khác") && screen.contains("bấm n"),
        "{screen}"
    );
    bench.type_keys("n");
    assert!(bench.read_screen().contains("Để lại"));
    both_taps(&mut bench, &mut second);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    // Nobody comes between money and its confirmation, not even that card.
    assert!(!bench.field);
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.all_open.len()), (vec![2], 1));
    bench.tap(&mut first);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.paid, story.open, story.handed.len()),
        (vec![2, 1], None, 2)
    );
    bench.tap(&mut first);
    assert!(bench.read_screen().contains("đã trả rồi"));
}

#[test]
fn money_is_handed_over_before_anybody_elses_order_is_settled() {
    let flash = chip();
    let mut host = Host::new(vec![
        line_of(1),
        line_of(2),
        ListLine {
            number: 3,
            amount: Amount::new(70_000).unwrap(),
            line_key: LineKey::new(&LineKeyParts {
                entitlement: 9,
                ..line_of(2).line_key.parts()
            }),
            ..line_of(2)
        },
    ]);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, true);
    bench.type_keys("n");
    // Of two lines one is paid, and the card is gone before it has answered for the other.
    bench.tap(&mut second);
    bench.type_keys("271828\n");
    second.reset();
    let mut orders = 0;
    bench.tap_any(&mut |_, command| {
        let answer = second.transmit(command).to_vec();
        orders += usize::from(command[..2] == [0x84, 0x54]);
        (orders < 2).then_some(answer)
    });
    let screen = bench.read_screen();
    assert!(screen.contains("Đưa") && !bench.field, "{screen}");
    bench.tap(&mut first);
    assert_eq!(
        bench.commands, 0,
        "the other one's money would be asked for with it"
    );
    bench.type_keys("n\n");
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.paid.len(), story.handed.len(), story.all_open.len()),
        (1, 1, 2)
    );
    bench.read_screen();
    bench.tap(&mut first);
    assert!(
        bench.read_screen().contains("Đưa 100.000 đồng"),
        "of the first one alone"
    );
    bench.type_keys("\n");
    bench.tap(&mut second);
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!((story.paid.len(), story.handed.len(), story.open), (3, 3, None));
}

#[test]
fn an_order_that_the_flash_has_lost_keeps_no_other_one_open() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, true);
    bench.type_keys("n");
    let lost = bench.journal().pop().unwrap();
    bench.tear(&mut second, true);
    let place = flash
        .borrow()
        .bytes
        .windows(lost.len())
        .position(|bytes| bytes == lost);
    flash.borrow_mut().bytes[place.unwrap() + 40] ^= 0x01;
    bench.tap(&mut second);
    assert!(bench.read_screen().contains("Đưa 200.000 đồng"));
}

#[test]
fn an_order_that_never_reached_its_card_is_closed_and_its_line_paid() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, false);
    bench.type_keys("n");
    both_taps(&mut bench, &mut second);
    bench.type_keys("\n");
    bench.tap(&mut first);
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.paid, story.open, story.status_words),
        (vec![2], None, vec![0x6346])
    );
    both_taps(&mut bench, &mut first);
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).paid, [2, 1]);
}

#[test]
fn after_power_on_the_clerk_is_asked_again_and_the_holder_stays_locked() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, true);
    bench.type_keys("n");
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    assert!(bench.read_screen().contains("CHƯA RÕ KẾT QUẢ"));
    bench.tap(&mut second);
    assert!(bench.read_screen().contains("Thẻ khác"));
    bench.type_keys("n");
    both_taps(&mut bench, &mut second);
    bench.type_keys("\n");
    bench.tap(&mut first);
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.open), (vec![2, 1], None));
}

#[test]
fn without_a_shift_only_the_open_order_is_served() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, true);
    drop(bench);
    // Nor is there a clock.
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("n");
    bench.read_screen();
    bench.tap(&mut second);
    let screen = bench.read_screen();
    assert!(
        screen.contains("Bấm o") && !screen.contains("Nhập PIN"),
        "{screen}"
    );
    bench.tap(&mut first);
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.open, story.refused), (vec![1], None, vec![14]));
}

#[test]
fn a_replacement_of_the_card_is_not_paid_by_this_terminal() {
    let flash = chip();
    let mut host = host(2);
    let replacement = Plan {
        number: CardNumber::new(79, 7).unwrap(),
        ..holder(1)
    };
    // The next list has something else for it.
    let mut key = line_of(1).line_key.parts();
    key.entitlement = 9;
    host.list.lines.push(ListLine {
        number: 3,
        card_number: replacement.number,
        line_key: LineKey::new(&key),
        ..line_of(1)
    });
    let mut bench = ready(&flash, &mut host);
    let mut first = card(&holder(1));
    bench.tear(&mut first, true);
    bench.type_keys("n");
    bench.tap(&mut card(&replacement));
    let screen = bench.read_screen();
    assert!(
        screen.contains("nơi cấp thẻ") && !screen.contains("Nhập PIN"),
        "{screen}"
    );
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.all_open.len()), (vec![], 1));
    bench.tap(&mut first);
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

#[test]
fn as_many_as_can_be_stop_the_terminal_until_one_is_settled() {
    const MOST: u8 = card_spec::journal::MAXIMUM_OPEN_INTENTS as u8;
    let flash = chip();
    let mut host = host(MOST + 1);
    let mut bench = ready(&flash, &mut host);
    let mut cards: Vec<Card> = (1..=MOST + 1).map(|n| card(&holder(n))).collect();
    for card in &mut cards[..usize::from(MOST)] {
        bench.tear(card, true);
        bench.type_keys("n");
    }
    let screen = bench.read_screen();
    assert!(
        screen.contains("Quá nhiều") && !screen.contains("bấm n"),
        "{screen}"
    );
    let (last, first) = cards.split_last_mut().unwrap();
    bench.tap(last);
    assert!(bench.read_screen().contains("Thẻ khác"));
    bench.tap(&mut first[3]);
    // The others are looked after first, then the money of this one is asked for.
    bench.type_keys("n");
    assert!(bench.read_screen().contains("Đưa 400.000 đồng"));
    bench.type_keys("\n");
    both_taps(&mut bench, last);
    bench.type_keys("\n");
    for card in first {
        bench.tap(card);
        bench.type_keys("\n");
    }
    let story = told(&mut bench, &host);
    assert_eq!((story.open, story.handed.len()), (None, 9));
    assert_eq!(story.paid, [4, 9, 1, 2, 3, 5, 6, 7, 8]);
}

/// Whoever collects a journal whose first entries are written over.
#[derive(Default)]
struct Collected(Vec<Vec<u8>>);

impl Collected {
    fn read(&mut self, bench: &mut Bench<'_>) {
        loop {
            let from = self.0.len() as u32 + 1;
            let answer = bench.ask(&Request::ReadJournal { from });
            let Ok(Answer::Entries { bytes }) = receive::<Answer<'_>>(&answer) else {
                panic!("entries");
            };
            let mut reader = card_spec::tlv::Reader::new(bytes);
            let before = self.0.len();
            while let Some(entry) = reader.next_object().unwrap() {
                self.0.push(entry.encoding().to_vec());
            }
            if self.0.len() == before {
                return;
            }
        }
    }

    fn acknowledge(&mut self, bench: &mut Bench<'_>, host: &Host) {
        self.read(bench);
        host.acknowledge(bench, self.0.last().unwrap()).unwrap();
    }

    fn story(&self, key: &PublicKey) -> Story {
        story(&self.0, key)
    }
}

#[test]
fn an_acknowledged_order_outlives_its_block() {
    let flash = chip();
    let mut host = host(3);
    let mut bench = ready(&flash, &mut host);
    let mut cards = [1, 2].map(|n| card(&holder(n)));
    for card in &mut cards {
        bench.tear(card, true);
        bench.type_keys("n");
    }
    let mut collected = Collected::default();
    for _ in 0..8 {
        for _ in 0..40 {
            bench.type_keys("oLan\n");
        }
        collected.acknowledge(&mut bench, &host);
        // Once more for the same entries: nothing happens.
        let tail = bench.hello().journal_tail;
        host.acknowledge(&mut bench, collected.0.last().unwrap()).unwrap();
        assert_eq!(bench.hello().journal_tail, tail);
    }
    let other = Request::MakeKeys { name: *b"VNT0000002" };
    assert_eq!(bench.refusal(&other), Some(Refusal::Unacknowledged));
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    for card in &mut cards {
        bench.tap(card);
        bench.type_keys("n\n");
    }
    collected.read(&mut bench);
    let story = collected.story(&host.journal_key.unwrap());
    assert_eq!(
        (story.paid, story.open, story.handed.len()),
        (vec![1, 2], None, 2)
    );
    assert!(story.still_open.len() >= 16, "{:?}", story.still_open);
    assert_ne!(
        bench.journal()[0],
        collected.0[0],
        "the first block was used again"
    );
    // What is settled is told no more.
    collected.acknowledge(&mut bench, &host);
    bench.type_keys("oLan\n");
    collected.acknowledge(&mut bench, &host);
    let after = collected.story(&host.journal_key.unwrap());
    assert_eq!(after.still_open.len(), story.still_open.len());
}

#[test]
fn each_open_order_keeps_the_room_to_settle_it() {
    let flash = chip();
    let mut host = host(4);
    let mut bench = ready(&flash, &mut host);
    let mut cards = [1, 2, 3, 4].map(|n| card(&holder(n)));
    for card in &mut cards {
        bench.tear(card, true);
        bench.type_keys("n");
    }
    let mut before = 0;
    loop {
        bench.type_keys("oLan\n");
        let _ = host.prepare(&mut bench);
        drop(bench);
        bench = Bench::power_on(&flash).unwrap();
        let tail = bench.hello().journal_tail;
        if core::mem::replace(&mut before, tail) == tail {
            break;
        }
    }
    for card in &mut cards {
        bench.tap(card);
        drop(bench);
        bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("n\n");
        drop(bench);
        bench = Bench::power_on(&flash).unwrap();
    }
    let story = told(&mut bench, &host);
    assert_eq!((story.paid.len(), story.open, story.handed.len()), (4, None, 4));
}

#[test]
fn an_order_that_the_flash_has_lost_stops_payments_and_no_acknowledgement() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&holder(1)), card(&holder(2)));
    bench.tear(&mut first, true);
    bench.type_keys("n");
    let entries = bench.journal();
    let open = told(&mut bench, &host).open.unwrap();
    {
        let lost = &entries[open as usize - 1];
        let bytes = &mut flash.borrow_mut().bytes;
        let place = bytes.windows(lost.len()).position(|part| part == lost).unwrap();
        bytes[place + lost.len() / 2] ^= 0x01;
    }
    // The second holder may be the very one: nobody can tell any more.
    bench.read_screen();
    bench.tap(&mut second);
    let screen = bench.read_screen();
    assert!(
        screen.contains("Không ghi được nhật ký") && !screen.contains("Nhập PIN"),
        "{screen}"
    );
    host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    assert_eq!(bench.hello().acknowledged, open - 1);
}

/// The first holder's order is put aside, the second is paid, the host acknowledges, the first comes back.
fn afternoon(bench: &mut Bench<'_>, host: &Host, cards: &mut [Card; 2]) -> Option<()> {
    bench.type_keys("oLan\nn");
    let [first, second] = cards;
    both_taps(bench, second);
    bench.type_keys("\n");
    let last = bench.journal().pop()?;
    host.acknowledge(bench, &last).ok()?;
    bench.tap(first);
    bench.type_keys("\n");
    Some(())
}

/// From wherever the power went to both paid.
fn evening(bench: &mut Bench<'_>, host: &mut Host, cards: &mut [Card; 2]) -> Option<()> {
    host.set_time(bench, noon()).ok()?;
    bench.type_keys("\noLan\nn");
    for card in cards {
        let mut settled = false;
        for _ in 0..4 {
            bench.read_screen();
            bench.tap(card);
            if bench.screen.contains("đã trả rồi") {
                settled = true;
                break;
            }
            bench.type_keys("271828\n");
            bench.tap(card);
            bench.type_keys("n\n");
        }
        settled.then_some(())?;
    }
    Some(())
}

fn payments(card: &Card) -> usize {
    let orders = card
        .memory()
        .slots
        .iter()
        .filter(|slot| slot.starts_with(&[0xFF, 0x23]));
    orders.count()
}

#[test]
fn the_power_goes_at_any_flash_operation_while_an_order_is_put_aside() {
    let original = chip();
    let mut host = host(2);
    let mut cards = [1, 2].map(|n| card(&holder(n)));
    // How the order came to be open `power_cuts.rs` sweeps.
    ready(&original, &mut host).tear(&mut cards[0], true);
    let copies = |seed| cards.each_ref().map(|card| copy(card, seed));
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut cards = copies(2);
        let mut bench = Bench::power_on(&flash).unwrap();
        host.set_time(&mut bench, noon()).unwrap();
        flash
            .borrow_mut()
            .cut(operation, TEARS[operation as usize % TEARS.len()]);
        let done = afternoon(&mut bench, &host, &mut cards);
        drop(bench);
        if !flash.borrow().is_dead() {
            assert_eq!(done, Some(()));
            break;
        }
        cuts += 1;
        let context = format!("cut at operation {operation}");
        // The power goes again while the terminal starts, at another operation each time.
        flash.borrow_mut().power_up();
        flash
            .borrow_mut()
            .cut(operation % 13, TEARS[operation as usize % TEARS.len()]);
        let _ = Bench::power_on(&flash);
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).expect(&context);
        assert_eq!(
            evening(&mut bench, &mut host, &mut cards),
            Some(()),
            "{context}: {}",
            bench.screen
        );
        let told = told(&mut bench, &host);
        let mut paid = told.paid.clone();
        paid.sort_unstable();
        assert_eq!((paid, told.open), (vec![1, 2], None), "{context}: {told:?}");
        assert_eq!(told.handed.len(), 2, "{context}: {told:?}");
        assert_eq!(cards.each_ref().map(payments), [1, 1], "{context}");
    }
    println!("{cuts} cuts");
    assert!(cuts > 200);
}
