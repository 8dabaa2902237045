//! The money was not handed over: the clerk says so, and the card undoes its newest payment (SPEC 9.8, DATA 5.5).
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
use bench::scripted_card::{Decision, ScriptedCard};
use bench::{Bench, Chip, Story, chip, copy, execute, story};
use card_spec::crypto::sha256;
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::script::Action;
use card_spec::values::CardNumber;

const REVERSE: [u8; 2] = [0x84, 0x56];

fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

/// A host whose list has so many lines for the usual holder.
fn host(lines: u16) -> Host {
    let line = |entitlement: u16| line(u32::from(entitlement), entitlement, 500_000);
    Host::new((1..=lines).map(line).collect())
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

fn both_taps(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
}

/// The usual card has paid, and the clerk has said that the money is still there.
fn not_handed(bench: &mut Bench<'_>, card: &mut Card) {
    both_taps(bench, card);
    bench.type_keys("c7");
}

/// Both taps; at REVERSE the card is torn away before the command reaches it, or before its answer comes.
fn tear(bench: &mut Bench<'_>, card: &mut Card, reaches: bool) {
    bench.tap(card);
    bench.type_keys("271828\n");
    card.reset();
    bench.tap_any(&mut |_, command| {
        let torn = command[..2] == REVERSE;
        if torn && !reaches {
            return None;
        }
        let answer = card.transmit(command).to_vec();
        (!torn).then_some(answer)
    });
}

/// Payments and reversals that a card holds.
fn memory(card: &Card) -> (usize, usize) {
    let of = |tag: [u8; 2]| {
        let slots = card.memory().slots.iter();
        slots.filter(|slot| slot.starts_with(&tag)).count()
    };
    (of([0xFF, 0x23]), of([0xFF, 0x2C]))
}

#[test]
fn what_was_not_handed_over_is_undone_and_can_be_paid_again() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    assert!(bench.read_screen().contains("bấm c"));
    bench.type_keys("c");
    let screen = bench.read_screen();
    assert!(
        screen.contains("bấm 7") && !screen.contains("khoản cuối"),
        "{screen}"
    );
    bench.type_keys("7");
    let screen = bench.read_screen();
    assert!(
        screen.contains("CHƯA GIAO TIỀN") && screen.contains("chạm thẻ đó để hủy"),
        "{screen}"
    );
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.not_handed.len(), story.handed.len(), story.announced),
        (1, 0, 0)
    );
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("HỦY KHOẢN CHƯA GIAO") && screen.contains("500.000"),
        "{screen}"
    );
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("ĐÃ HỦY") && !screen.contains("CHƯA HỦY"),
        "{screen}"
    );
    let story = told(&mut bench, &host);
    assert_eq!((story.reversed, story.announced), (vec![1], 1));
    assert_eq!(memory(&card), (1, 1));

    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.handed.len()), (vec![1, 1], 1));
    bench.read_screen();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
    // Also after a start that reads the last entries once more.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
}

#[test]
fn a_slip_of_the_clerk_gives_nothing_away() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    for keys in ["c\n", "cc", "c1", "c\x1B", "7"] {
        bench.read_screen();
        bench.type_keys(keys);
        let story = told(&mut bench, &host);
        assert_eq!((story.not_handed, story.handed), (vec![], vec![]), "{keys:?}");
        assert!(!bench.field);
    }
    // Nor does time.
    bench.type_keys("c");
    assert!(!bench.field, "no card is asked while the clerk is");
    bench.wait(120_001);
    assert!(bench.read_screen().contains("Đưa 500.000 đồng"));
    bench.type_keys("7");
    assert_eq!(told(&mut bench, &host).not_handed, []);
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!((story.handed.len(), story.not_handed.len()), (1, 0));
    // What is handed over is not taken back.
    bench.type_keys("c7");
    assert_eq!(told(&mut bench, &host).not_handed, []);
}

#[test]
fn of_several_payments_of_a_tap_the_last_is_undone_and_the_others_stand() {
    let flash = chip();
    let mut host = host(2);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.read_screen();
    // The clerk knows it before anything is recorded.
    bench.type_keys("c");
    let screen = bench.read_screen();
    assert!(
        screen.contains("Chỉ hủy được khoản cuối") && screen.contains("7 = đúng"),
        "{screen}"
    );
    bench.type_keys("7");
    let screen = bench.read_screen();
    assert!(screen.contains("chỉ hủy được khoản cuối"), "{screen}");
    both_taps(&mut bench, &mut card);
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.not_handed.len()), (vec![1, 2], 2));
    assert_eq!(story.reversed, [2]);
    // Line 1 stands: it is not paid again; line 2 is.
    bench.read_screen();
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).paid, [1, 2, 2]);
    assert_eq!(memory(&card), (3, 1));
}

#[test]
fn a_wrong_pin_undoes_nothing_and_a_right_one_after_it_does() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    not_handed(&mut bench, &mut card);
    bench.tap(&mut card);
    bench.type_keys("000000\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("Còn 2 lần thử"));
    assert_eq!(told(&mut bench, &host).announced, 0);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(told(&mut bench, &host).reversed, [1]);
    // Cancelled, nothing is announced.
    not_handed(&mut bench, &mut card);
    bench.tap(&mut card);
    bench.type_keys("c");
    assert!(bench.read_screen().contains("CHƯA HỦY"));
    assert_eq!(told(&mut bench, &host).announced, 1);
    both_taps(&mut bench, &mut card);
    assert_eq!(told(&mut bench, &host).reversed, [1, 1]);
}

#[test]
fn its_holder_is_not_paid_meanwhile_and_everybody_else_is() {
    let flash = chip();
    let other = Plan {
        number: CardNumber::new(79, 2).unwrap(),
        person: [0xC2; 16],
        ..plan()
    };
    let mut host = host(1);
    let mut second = line(2, 1, 70_000);
    second.card_number = other.number;
    let mut key = second.line_key.parts();
    key.person = other.person;
    second.line_key = card_spec::payment::LineKey::new(&key);
    host.list.lines.push(second);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&plan()), card(&other));
    not_handed(&mut bench, &mut first);
    both_taps(&mut bench, &mut second);
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).paid, [1, 2]);
    // Another card of the second holder's cannot undo the first one's.
    bench.read_screen();
    bench.tap(&mut first);
    bench.type_keys("271828\n");
    bench.tap(&mut second);
    assert!(bench.read_screen().contains("Thẻ khác"));
    assert_eq!(told(&mut bench, &host).announced, 0);
    bench.type_keys("271828\n");
    bench.tap(&mut first);
    let story = told(&mut bench, &host);
    assert_eq!((story.reversed, memory(&second)), (vec![1], (1, 0)));
}

#[test]
fn a_card_torn_away_at_the_reversal_settles_when_it_is_back() {
    for reaches in [false, true] {
        for power in [false, true] {
            let flash = chip();
            let mut host = host(1);
            let mut bench = ready(&flash, &mut host);
            let mut card = card(&plan());
            not_handed(&mut bench, &mut card);
            tear(&mut bench, &mut card, reaches);
            let screen = bench.read_screen();
            assert!(
                screen.contains("CHƯA HỦY") && !screen.contains("ĐÃ HỦY"),
                "{screen}"
            );
            if power {
                drop(bench);
                bench = Bench::power_on(&flash).unwrap();
                host.set_time(&mut bench, noon()).unwrap();
                bench.type_keys("oLan\n");
            }
            let story = told(&mut bench, &host);
            assert_eq!((story.announced, story.reversed.len()), (1, 0));
            bench.tap(&mut card);
            // One that has done it says so without a PIN.
            assert_eq!(told(&mut bench, &host).reversed.len(), usize::from(reaches));
            bench.type_keys("271828\n");
            bench.tap(&mut card);
            let story = told(&mut bench, &host);
            assert_eq!((story.reversed, memory(&card)), (vec![1], (1, 1)));
            assert_eq!(story.announced, if reaches { 1 } else { 2 });
        }
    }
}

#[test]
fn after_an_issuer_script_the_card_refuses_and_the_payment_stands() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    not_handed(&mut bench, &mut card);
    // Its receipt takes the place of the newest payment.
    execute(&mut card, 1, Action::FillPinTries);
    bench.read_screen();
    both_taps(&mut bench, &mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("634B") && screen.contains("không hủy được nữa"),
        "{screen}"
    );
    let story = told(&mut bench, &host);
    assert_eq!((story.reversed.len(), story.status_words), (0, vec![0x634B]));
    // It is the station's now; the line stays paid here, and nobody is locked.
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
}

fn scripted_tap(
    bench: &mut Bench<'_>,
    card: &mut ScriptedCard,
    mut decide: impl FnMut(&ScriptedCard, &[u8]) -> Decision,
) {
    bench.tap_any(&mut |_, command| Some(card.transmit(command, &mut decide)));
}

fn pays(card: &ScriptedCard, order: &[u8]) -> Decision {
    (0x9000, card.sign(&card.receipt(order)))
}

/// A scripted card has paid, the money is not handed over, and the card has come back twice and answers to the reversal.
fn answers(decide: impl FnMut(&ScriptedCard, &[u8]) -> Decision) -> (Story, String) {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = ScriptedCard::new(&plan(), 1);
    scripted_tap(&mut bench, &mut card, pays);
    bench.type_keys("271828\n");
    scripted_tap(&mut bench, &mut card, pays);
    bench.type_keys("c7");
    scripted_tap(&mut bench, &mut card, pays);
    bench.type_keys("271828\n");
    bench.read_screen();
    scripted_tap(&mut bench, &mut card, decide);
    let screen = bench.read_screen();
    (told(&mut bench, &host), screen)
}

/// The card's receipt of a reversal.
fn undone(card: &ScriptedCard, reversal: &[u8]) -> Receipt {
    Receipt {
        kind: ReceiptKind::Reversal,
        counter: 2,
        object_hash: sha256(&[reversal]),
        ..card.receipt(reversal)
    }
}

#[test]
fn each_decision_of_the_card_leaves_the_payment_and_says_so() {
    for status in [0x6345, 0x6346, 0x6348, 0x6349, 0x634B, 0x634C] {
        let (story, screen) = answers(|_, _| (status, Vec::new()));
        assert_eq!(
            (story.reversed.len(), story.status_words),
            (0, vec![status]),
            "{status:04X}"
        );
        // Only what a better holder check can change is tried again here.
        assert_eq!(
            screen.contains("không hủy được nữa"),
            status != 0x6346,
            "{screen}"
        );
        // The issuer's script leaves a card that says this.
        assert_eq!(
            screen.contains("nơi cấp thẻ hủy rồi"),
            status == 0x634B,
            "{screen}"
        );
        assert!(
            screen.contains("CHƯA HỦY") && !screen.contains("ĐÃ HỦY"),
            "{screen}"
        );
    }
}

#[test]
fn a_card_that_lies_undoes_nothing() {
    let (story, _) = answers(|card, reversal| (0x9000, card.sign(&undone(card, reversal))));
    assert_eq!(story.reversed, [1], "the honest one");
    type Lie = fn(&ScriptedCard, &[u8]) -> Decision;
    let lies: [Lie; 7] = [
        |_, _| (0x9000, Vec::new()),
        |card, reversal| {
            let receipt = Receipt {
                kind: ReceiptKind::Payment,
                ..undone(card, reversal)
            };
            (0x9000, card.sign(&receipt))
        },
        |card, _| (0x9000, card.sign(&undone(card, b"another"))),
        |card, reversal| {
            let receipt = Receipt {
                card_number: CardNumber::new(79, 9).unwrap(),
                ..undone(card, reversal)
            };
            (0x9000, card.sign(&receipt))
        },
        |card, reversal| {
            let mut receipt = card.sign(&undone(card, reversal));
            *receipt.last_mut().unwrap() ^= 1;
            (0x9000, receipt)
        },
        |_, _| (0x6985, Vec::new()),
        |card, reversal| (0x6310, card.sign(&undone(card, reversal))),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (story, screen) = answers(lie);
        assert!(
            story.reversed.is_empty() && !screen.contains("ĐÃ HỦY"),
            "lie {number}: {screen}"
        );
        assert!(screen.contains("chạm lại thẻ đó"), "lie {number}: {screen}");
    }
}

#[test]
fn what_waits_outlives_an_acknowledgement_and_its_block() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    not_handed(&mut bench, &mut card);
    tear(&mut bench, &mut card, false);
    let mut entries = Vec::new();
    for _ in 0..8 {
        for _ in 0..40 {
            bench.type_keys("oLan\n");
        }
        collect(&mut bench, &mut entries);
        host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    }
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    collect(&mut bench, &mut entries);
    let story = story(&entries, &host.journal_key.unwrap());
    assert_eq!((story.reversed, memory(&card)), (vec![1], (1, 1)));
    assert!(story.not_handed_again.len() >= 8 && story.announced > 8);
    assert_ne!(bench.journal()[0], entries[0], "the first block was used again");
    both_taps(&mut bench, &mut card);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
}

/// Where the entry of this kind is in flash.
fn place_of(bench: &mut Bench<'_>, host: &Host, kind: u8) -> std::ops::Range<usize> {
    let index = told(bench, host).kinds.iter().rposition(|known| *known == kind);
    let entry = &bench.journal()[index.unwrap()];
    let flash = bench.flash.borrow();
    let place = flash.bytes.windows(entry.len()).position(|part| part == entry);
    place.unwrap()..place.unwrap() + entry.len()
}

const INTENT: u8 = 6;
const REVERSE_INTENT: u8 = 13;

#[test]
fn a_reversal_that_the_flash_has_lost_holds_nothing_back_and_a_new_one_takes_its_place() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    not_handed(&mut bench, &mut card);
    tear(&mut bench, &mut card, false);
    let newest = bench.journal().pop().unwrap();
    let before = bench.hello().journal_tail;
    let lost = place_of(&mut bench, &host, REVERSE_INTENT);
    flash.borrow_mut().bytes[lost.start + 20] ^= 0x01;
    host.acknowledge(&mut bench, &newest).unwrap();
    assert_eq!(bench.hello().acknowledged, before);
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(screen.contains("ĐÃ HỦY"), "{screen}");
    assert_eq!(memory(&card), (1, 1));
}

#[test]
fn a_read_that_fails_forgets_no_payment_and_makes_no_second_reversal() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    not_handed(&mut bench, &mut card);
    tear(&mut bench, &mut card, true);
    let newest = bench.journal().pop().unwrap();
    for kind in [INTENT, REVERSE_INTENT] {
        let place = place_of(&mut bench, &host, kind);
        flash.borrow_mut().unreadable = place;
        assert_eq!(host.acknowledge(&mut bench, &newest), Err(link::Refusal::Storage));
        bench.read_screen();
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert!(
            screen.contains("Không ghi được nhật ký") && !screen.contains("Nhập PIN"),
            "{kind}: {screen}"
        );
        flash.borrow_mut().unreadable = 0..0;
    }
    bench.tap(&mut card);
    let story = told(&mut bench, &host);
    assert_eq!((story.reversed, story.announced), (vec![1], 1));
}

#[test]
fn what_waits_lets_a_full_journal_go_once_it_is_acknowledged() {
    let flash = chip();
    let mut host = host(1);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    not_handed(&mut bench, &mut card);
    tear(&mut bench, &mut card, false);
    let mut entries = Vec::new();
    while bench.hello().journal_tail as usize > entries.len() {
        collect(&mut bench, &mut entries);
        for _ in 0..40 {
            bench.type_keys("oLan\n");
        }
    }
    for _ in 0..3 {
        collect(&mut bench, &mut entries);
        host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    }
    let hello = bench.hello();
    assert!(hello.journal_tail - hello.acknowledged < 8, "{hello:?}");
    bench.read_screen();
    both_taps(&mut bench, &mut card);
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    collect(&mut bench, &mut entries);
    let story = story(&entries, &host.journal_key.unwrap());
    assert_eq!((story.reversed, story.handed.len()), (vec![1], 1));
    assert_eq!((story.paid, memory(&card)), (vec![1, 1], (2, 1)));
}

fn collect(bench: &mut Bench<'_>, entries: &mut Vec<Vec<u8>>) {
    loop {
        let from = entries.len() as u32 + 1;
        let answer = bench.ask(&link::Request::ReadJournal { from });
        let Ok(link::Answer::Entries { bytes }) = link::receive::<link::Answer<'_>>(&answer) else {
            panic!("entries");
        };
        let mut reader = card_spec::tlv::Reader::new(bytes);
        let before = entries.len();
        while let Some(entry) = reader.next_object().unwrap() {
            entries.push(entry.encoding().to_vec());
        }
        if entries.len() == before {
            return;
        }
    }
}

/// Not handed over, undone, paid again and handed over.
fn script(bench: &mut Bench<'_>, card: &mut Card) {
    bench.type_keys("c7");
    both_taps(bench, card);
    both_taps(bench, card);
    bench.type_keys("\n");
}

/// From wherever the power went to one payment that stands and is handed over.
fn evening(bench: &mut Bench<'_>, host: &mut Host, card: &mut Card) -> Option<()> {
    host.set_time(bench, noon()).ok()?;
    bench.type_keys("oLan\n");
    for _ in 0..6 {
        bench.read_screen();
        bench.type_keys("\n");
        bench.tap(card);
        if bench.screen.contains("đã trả rồi") {
            return Some(());
        }
        bench.type_keys("271828\n");
        bench.tap(card);
    }
    None
}

#[test]
fn the_power_goes_at_any_flash_operation_of_a_reversal() {
    let original = chip();
    let mut host = host(1);
    let mut paid = card(&plan());
    both_taps(&mut ready(&original, &mut host), &mut paid);
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut card = copy(&paid, 2);
        let mut bench = Bench::power_on(&flash).unwrap();
        host.set_time(&mut bench, noon()).unwrap();
        bench.type_keys("oLan\n");
        let tear = TEARS[operation as usize % TEARS.len()];
        flash.borrow_mut().cut(operation, tear);
        script(&mut bench, &mut card);
        let undone = bench.screen.contains("ĐÃ HỦY");
        drop(bench);
        if !flash.borrow().is_dead() {
            assert!(undone);
            break;
        }
        cuts += 1;
        let context = format!("cut at operation {operation}, {tear:?}");
        // The power goes again while the terminal starts, at another operation each time.
        flash.borrow_mut().power_up();
        flash.borrow_mut().cut(operation % 13, tear);
        let _ = Bench::power_on(&flash);
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).expect(&context);
        let before = told(&mut bench, &host);
        assert!(!undone || before.reversed == [1], "{context}: undone was shown");
        assert_eq!(
            evening(&mut bench, &mut host, &mut card),
            Some(()),
            "{context}: {}",
            bench.screen
        );
        let story = told(&mut bench, &host);
        let (payments, reversals) = memory(&card);
        assert_eq!(
            payments,
            reversals + 1,
            "{context}: one payment stands on the card"
        );
        assert_eq!(
            (story.paid.len(), story.reversed.len()),
            (payments, reversals),
            "{context}: {story:?}"
        );
        assert_eq!(
            (story.open, story.handed.len()),
            (None, 1),
            "{context}: {story:?}"
        );
    }
    println!("{cuts} cuts");
    assert!(cuts > 100);
}
