//! A terminal carries scripts of the issuer to their cards (DATA 12): whatever tears, each is executed once, and its receipt comes home.
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
use bench::card::issuer::{CertificatePlan, ISSUER, Office, plan, reference, secret, signed};
use bench::card::scripts::{from_issuer, script};
use bench::host::{Host, ListPlan, card, line, noon};
use bench::nor::TEARS;
use bench::scripted_card::{Decision, ScriptedCard};
use bench::{Bench, Chip, Story, chip, copy, execute, layout, story};
use card_spec::crypto::{Digest, PortableP256, PublicKey, SecretKey, sha256};
use card_spec::journal::{Entry, Event};
use card_spec::list::ListLine;
use card_spec::payment::{HolderCheckOutcome, Receipt, ReceiptKind};
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use link::{Refusal, Request};

const SCRIPT_EXECUTED: u8 = 25;
const EXECUTE: [u8; 2] = [0x84, 0x5A];
const UNDONE: &str = "Nơi cấp thẻ ĐÃ HỦY";

fn lines() -> Vec<ListLine> {
    vec![line(1, 1, 500_000), line(2, 2, 700_000)]
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

fn both_taps(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
}

fn work(bench: &mut Bench<'_>, host: &Host) {
    host.set_time(bench, noon()).unwrap_or_default();
    bench.type_keys("oLan\n");
    bench.read_screen();
}

/// Both lines were paid; of the one who has the money nothing is told here. The next list has both once more. With the hashes of both
/// orders, the first one first.
fn paid<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> (Bench<'f>, Card, [Digest; 2]) {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, host).paid, [1, 2]);
    // One of somebody else besides: it is another list.
    let other = ListLine {
        card_number: CardNumber::new(79, 9).unwrap(),
        ..line(3, 3, 1)
    };
    let next = [lines(), vec![other]].concat();
    host.load_list(&mut bench, &ListPlan::new(2, next)).unwrap();
    bench.read_screen();
    let orders = orders(&mut bench);
    (bench, card, orders.try_into().unwrap())
}

fn orders(bench: &mut Bench<'_>) -> Vec<Digest> {
    let order = |entry: Vec<u8>| match Signed::<Entry<'_>>::parse(&entry).unwrap().claimed().event {
        Event::Intent(order) => Some(order.hash()),
        _ => None,
    };
    bench.journal().into_iter().filter_map(order).collect()
}

/// What undoes both payments, the newest first as a station signs it.
fn both(orders: &[Digest; 2]) -> [Vec<u8>; 2] {
    [
        from_issuer(&script(2, Action::Reverse(orders[1]))),
        from_issuer(&script(3, Action::Reverse(orders[0]))),
    ]
}

fn load(bench: &mut Bench<'_>, scripts: &[Vec<u8>]) -> Result<(), Refusal> {
    bench.done(&Request::Scripts {
        bytes: &scripts.concat(),
    })
}

fn executed(story: &Story) -> usize {
    let kinds = story.kinds.iter();
    kinds.filter(|kind| **kind == SCRIPT_EXECUTED).count()
}

/// What the receipts in ScriptExecuted entries name, each of which the card has signed.
fn receipts(bench: &mut Bench<'_>, key: &PublicKey) -> Vec<Receipt> {
    let verified = |entry: &Vec<u8>| match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
        Event::ScriptExecuted(receipt) => Some(*receipt.signed().verify(&PortableP256, key).unwrap()),
        _ => None,
    };
    bench.journal().iter().filter_map(verified).collect()
}

fn signing_key(card: &mut Card) -> PublicKey {
    let terminal = bench::card::terminal::Terminal::new(&Office::new());
    terminal.open(card).unwrap().cso.signing_key
}

fn hash(script: &[u8]) -> Digest {
    Signed::<IssuerScript>::parse(script).unwrap().hash()
}

/// Scripts that reach the card in one tap.
fn sent(bench: &mut Bench<'_>, card: &mut Card) -> usize {
    let mut scripts = 0;
    card.reset();
    bench.tap_any(&mut |_, command| {
        scripts += usize::from(command[..2] == EXECUTE);
        Some(card.transmit(command).to_vec())
    });
    scripts
}

fn erasures(flash: &RefCell<Chip>) -> u32 {
    let block = layout().scripts.start as usize / bench::nor::BLOCK;
    flash.borrow().erased.get(&block).copied().unwrap_or_default()
}

#[test]
fn two_payments_are_undone_in_one_tap_and_their_holder_is_served_as_usual() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    let key = signing_key(&mut card);
    let scripts = both(&orders);
    load(&mut bench, &scripts).unwrap();
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert_eq!(screen.matches(UNDONE).count(), 2, "{screen}");
    assert!(
        screen.contains("danh sách sau") && screen.contains("PIN"),
        "{screen}"
    );
    let named: Vec<Digest> = receipts(&mut bench, &key)
        .iter()
        .map(|receipt| {
            assert_eq!(
                (receipt.kind, receipt.card_number),
                (ReceiptKind::IssuerScript, plan().number)
            );
            receipt.object_hash
        })
        .collect();
    assert_eq!(named, scripts.each_ref().map(|script| hash(script)));
    // What is undone can be paid again, in the service that goes on.
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.paid, executed(&told(&mut bench, &host))),
        (vec![1, 2, 1, 2], 2)
    );
    assert_eq!(story.refused, []);
    // They are done: not even a start has them sent again.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    work(&mut bench, &host);
    assert_eq!(sent(&mut bench, &mut card), 0);
}

#[test]
fn the_clerks_own_reversal_comes_first_and_the_others_follow_at_the_next_tap() {
    let flash = chip();
    let mut host = Host::new(lines());
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("c7");
    let first = orders(&mut bench)[0];
    load(&mut bench, &[from_issuer(&script(3, Action::Reverse(first)))]).unwrap();
    both_taps(&mut bench, &mut card);
    let story = told(&mut bench, &host);
    assert_eq!((story.reversed.clone(), executed(&story)), (vec![2], 0));
    bench.tap(&mut card);
    assert!(bench.read_screen().contains(UNDONE));
    let story = told(&mut bench, &host);
    assert_eq!((executed(&story), story.status_words), (1, vec![]));
}

/// The desk has signed for both, not knowing that the terminal undoes one by itself: the card has counted on, which is nobody's fault.
#[test]
fn the_script_for_what_the_terminal_has_undone_says_nothing_to_the_clerk() {
    let flash = chip();
    let mut host = Host::new(lines());
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("c7");
    let orders: [Digest; 2] = orders(&mut bench).try_into().unwrap();
    load(&mut bench, &both(&orders)).unwrap();
    both_taps(&mut bench, &mut card);
    bench.read_screen();
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert_eq!(screen.matches(UNDONE).count(), 1, "{screen}");
    assert!(!screen.contains("Chưa hủy được"), "{screen}");
    let story = told(&mut bench, &host);
    assert_eq!((story.reversed.clone(), executed(&story)), (vec![2], 1));
    assert_eq!(story.status_words, [0x634D]);
}

/// The next list has the very lines of the one that was paid from, and so its root: what the journal says of that one is not said of it.
#[test]
fn lines_that_come_again_unchanged_are_due_also_after_a_start() {
    let flash = chip();
    let mut host = Host::new(lines());
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    let orders: [Digest; 2] = orders(&mut bench).try_into().unwrap();
    host.load_list(&mut bench, &ListPlan::new(2, lines())).unwrap();
    load(&mut bench, &both(&orders)).unwrap();
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    work(&mut bench, &host);
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).paid, [1, 2, 1, 2]);
    // What was paid from it is paid, after another start as well.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    work(&mut bench, &host);
    bench.tap(&mut card);
    assert_eq!(told(&mut bench, &host).refused, [6]);
}

#[test]
fn a_card_of_another_number_is_sent_nothing() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    let other = IssuerScript {
        card_number: CardNumber::new(79, 9).unwrap(),
        ..script(2, Action::Reverse(orders[1]))
    };
    load(&mut bench, &[from_issuer(&other)]).unwrap();
    assert_eq!(sent(&mut bench, &mut card), 0);
    assert!(bench.read_screen().contains("PIN"));
    assert_eq!(executed(&told(&mut bench, &host)), 0);
}

/// A set that is refused leaves the one before as it was.
#[test]
fn what_no_terminal_carries_is_refused_and_changes_nothing() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    let kept = both(&orders);
    load(&mut bench, &kept).unwrap();
    let [newest, first] = kept.clone();
    let by = |script: &IssuerScript, key: &SecretKey| signed(script, key);
    let reverse = script(2, Action::Reverse(orders[1]));
    let named = |issuer| IssuerScript {
        issuer: reference(issuer),
        ..reverse
    };
    let wrong_signature = [&newest[..newest.len() - 1], &[newest.last().unwrap() ^ 1]].concat();
    let thirteen: Vec<Vec<u8>> = (1..=13)
        .map(|counter| from_issuer(&script(counter, Action::Reverse([7; 32]))))
        .collect();
    let mut refused = vec![
        (vec![wrong_signature], Refusal::NotGenuine),
        (vec![by(&reverse, &secret(99))], Refusal::NotGenuine),
        (
            vec![by(&named("VNISS7900007"), host.issuer())],
            Refusal::NotGenuine,
        ),
        (
            vec![by(&named("VNISS0100001"), host.issuer())],
            Refusal::NotForThisTerminal,
        ),
        (vec![first.clone(), newest.clone()], Refusal::Malformed),
        (vec![newest.clone(), newest.clone()], Refusal::Malformed),
        (vec![newest.clone(), vec![0]], Refusal::Malformed),
        (vec![newest[..newest.len() - 1].to_vec()], Refusal::Malformed),
        (thirteen.clone(), Refusal::TooLarge),
        // One that is wrong spoils the others.
        (
            vec![newest.clone(), from_issuer(&script(3, Action::FillPinTries))],
            Refusal::NotForThisTerminal,
        ),
    ];
    let others = [
        Action::FillPinTries,
        Action::PermitNewPin,
        Action::Block(card_spec::list::BlockReason::Lost),
        Action::Unblock(1),
        Action::Terminate(card_spec::list::BlockReason::Lost),
        Action::PutInForce([1; 32]),
        Action::SetDate(noon().date().unwrap()),
    ];
    refused.extend(others.map(|action| (vec![from_issuer(&script(2, action))], Refusal::NotForThisTerminal)));
    let (bytes, operations) = (flash.borrow().bytes.clone(), flash.borrow().operations);
    for (set, refusal) in refused {
        assert_eq!(load(&mut bench, &set), Err(refusal), "{set:02X?}");
    }
    assert!(flash.borrow().bytes == bytes && flash.borrow().operations == operations);
    // Nor while somebody is served.
    bench.tap(&mut card);
    assert_eq!(load(&mut bench, &[]), Err(Refusal::Busy));
    assert_eq!(executed(&told(&mut bench, &host)), 2);
    bench.type_keys("c");
    // Twelve are taken.
    load(&mut bench, &thirteen[..12]).unwrap();
    // Without certificates there is nothing to verify with.
    let blank = chip();
    let mut bench = Bench::power_on(&blank).unwrap();
    assert_eq!(load(&mut bench, &kept), Err(Refusal::OutOfOrder));
    assert_eq!(load(&mut bench, &[]), Err(Refusal::OutOfOrder));
}

#[test]
fn the_same_set_again_erases_nothing_and_another_replaces_it() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    let scripts = both(&orders);
    load(&mut bench, &[]).unwrap();
    assert_eq!(erasures(&flash), 0, "there was none");
    load(&mut bench, &scripts).unwrap();
    let operations = flash.borrow().operations;
    load(&mut bench, &scripts).unwrap();
    assert_eq!((erasures(&flash), flash.borrow().operations), (1, operations));
    // Also when a card has had its own: the marks stay.
    bench.tap(&mut card);
    bench.type_keys("c");
    let operations = flash.borrow().operations;
    load(&mut bench, &scripts).unwrap();
    assert_eq!((erasures(&flash), flash.borrow().operations), (1, operations));
    assert_eq!(sent(&mut bench, &mut card), 0);
    bench.type_keys("c");
    // The empty set is one, too, and takes all away.
    let fresh = from_issuer(&script(4, Action::Reverse(orders[0])));
    load(&mut bench, &[fresh]).unwrap();
    load(&mut bench, &[]).unwrap();
    load(&mut bench, &[]).unwrap();
    assert_eq!((erasures(&flash), sent(&mut bench, &mut card)), (3, 0));
}

#[test]
fn new_keys_take_the_scripts_away() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, _, orders) = paid(&flash, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    let start = layout().scripts.start as usize;
    let head = |flash: &RefCell<Chip>| flash.borrow().bytes[start..start + 16].to_vec();
    assert_eq!(head(&flash), [2; 16]);
    let new = Request::MakeKeys { name: *b"VNT0000002" };
    assert_eq!(bench.refusal(&new), Some(Refusal::Unacknowledged));
    assert_eq!(head(&flash), [2; 16], "refused, and nothing changes");
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    assert_eq!(bench.refusal(&new), None);
    assert_eq!(head(&flash), [0xFF; 16]);
}

/// Flash is not trusted: with any byte of a script changed the card is not sent it, and its holder is served.
#[test]
fn a_script_that_the_flash_has_changed_is_not_sent() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    let [newest, _] = both(&orders);
    load(&mut bench, std::slice::from_ref(&newest)).unwrap();
    let start = layout().scripts.start as usize + 32;
    assert_eq!(flash.borrow().bytes[start..start + newest.len()], newest);
    for at in start..start + newest.len() {
        flash.borrow_mut().bytes[at] ^= 1;
        assert_eq!(sent(&mut bench, &mut card), 0, "byte {}", at - start);
        flash.borrow_mut().bytes[at] ^= 1;
        let screen = bench.read_screen();
        assert!(screen.contains("PIN") && !screen.contains("HỦY"), "{screen}");
        bench.type_keys("c");
    }
    assert_eq!(executed(&told(&mut bench, &host)), 0);
    assert_eq!(sent(&mut bench, &mut card), 1);
}

/// The card has given another receipt since: its word is in the journal once, and it is asked no second time.
#[test]
fn a_counter_that_has_passed_is_told_and_not_repeated() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    execute(&mut card, 2, Action::FillPinTries);
    execute(&mut card, 3, Action::FillPinTries);
    assert_eq!(sent(&mut bench, &mut card), 2);
    let screen = bench.read_screen();
    assert!(
        !screen.contains("Chưa hủy được") && !screen.contains(UNDONE),
        "there is nothing for the clerk to do: {screen}"
    );
    assert!(screen.contains("PIN"), "the service goes on: {screen}");
    bench.type_keys("c");
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.status_words.clone(), executed(&story)),
        (vec![0x634D; 2], 0)
    );
    assert_eq!(sent(&mut bench, &mut card), 0);
    assert_eq!(told(&mut bench, &host).status_words, [0x634D; 2]);
}

#[test]
fn what_the_station_has_executed_comes_home_by_the_stored_receipt() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    execute(&mut card, 2, Action::Reverse(orders[1]));
    execute(&mut card, 3, Action::Reverse(orders[0]));
    let before = card.memory().slots.clone();
    bench.tap(&mut card);
    assert!(card.memory().slots == before, "a repetition wrote");
    assert_eq!(executed(&told(&mut bench, &host)), 2);
}

/// The issuer has changed its key since the card was issued: the card gets the newer certificate with the script.
#[test]
fn a_script_by_the_issuers_next_key() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    let next = |key: u64, name: &'static str| {
        let script = IssuerScript {
            issuer: reference(name),
            ..script(2, Action::Reverse(orders[1]))
        };
        signed(&script, &secret(key))
    };
    assert_eq!(
        load(&mut bench, &[next(20, "VNISS7900002")]),
        Err(Refusal::NotGenuine)
    );
    let office = Office::new();
    let certificate = CertificatePlan {
        holder: "VNISS7900002",
        ..office.issuer_plan()
    };
    let certificate = certificate.sign(&office.root, secret(20).public_key());
    bench
        .done(&Request::Install {
            objects: &certificate,
        })
        .unwrap();
    // That of the key before is good, too: what it signed goes on to its cards.
    let old = IssuerScript {
        issuer: reference(ISSUER),
        ..script(3, Action::Reverse(orders[0]))
    };
    load(&mut bench, &[next(20, "VNISS7900002"), from_issuer(&old)]).unwrap();
    let mut parts = Vec::new();
    bench.tap_with(&mut card, &mut |_, command, answer| {
        if command[1] == EXECUTE[1] {
            parts.push(command[0]);
        }
        Some(answer)
    });
    assert_eq!(
        parts,
        [0x94, 0x84, 0x84],
        "the first one comes behind the certificate"
    );
    assert_eq!(executed(&told(&mut bench, &host)), 2);
    assert_eq!(bench.read_screen().matches(UNDONE).count(), 2);
}

#[test]
fn a_card_on_the_block_list_is_shown_that_list_and_no_script() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    host.blocked = vec![plan().number];
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    assert_eq!(sent(&mut bench, &mut card), 0);
    assert_eq!(executed(&told(&mut bench, &host)), 0);
}

/// Without room for the receipt the card is not asked; once there is, it is.
#[test]
fn with_a_full_journal_no_script_is_sent() {
    let flash = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut card, orders) = paid(&flash, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    let mut tail = 0;
    while bench.hello().journal_tail > tail {
        tail = bench.hello().journal_tail;
        bench.type_keys("oLan\n");
    }
    assert_eq!(sent(&mut bench, &mut card), 0);
    assert!(bench.screen.contains("nhật ký đầy"));
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    assert_eq!(sent(&mut bench, &mut card), 2);
}

/// Torn away at each command, before the card has it and after: the next tap ends what the first began.
#[test]
fn a_card_that_is_torn_away_at_any_command() {
    let original = chip();
    let mut host = Host::new(lines());
    let (mut bench, first, orders) = paid(&original, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    drop(bench);
    let mut lost_answers = 0;
    for reaches in [false, true] {
        for at in 0.. {
            let flash = RefCell::new(original.borrow().clone());
            let mut bench = Bench::power_on(&flash).unwrap();
            work(&mut bench, &host);
            let mut card = copy(&first, 1);
            card.reset();
            bench.tap_any(&mut |number, command| {
                let answer = (number != at || reaches).then(|| card.transmit(command).to_vec());
                answer.filter(|_| number != at)
            });
            if bench.commands <= at {
                assert!(at > 10, "{at} commands");
                break;
            }
            let before = executed(&told(&mut bench, &host));
            bench.type_keys("c");
            let again = sent(&mut bench, &mut card);
            // Those whose receipts are here are not sent any more.
            assert_eq!(before + again, 2, "torn at {at}");
            let story = told(&mut bench, &host);
            assert_eq!(
                (executed(&story), story.status_words),
                (2, vec![]),
                "torn at {at}"
            );
            lost_answers += usize::from(reaches && before < 2 && again > 0);
            bench.type_keys("271828\n");
            bench.tap(&mut card);
            bench.type_keys("\n");
            assert_eq!(told(&mut bench, &host).paid, [1, 2, 1, 2], "torn at {at}");
        }
    }
    assert!(lost_answers > 2);
}

/// An answer that is altered decides nothing, and the next tap ends it.
#[test]
fn an_answer_that_is_altered() {
    let original = chip();
    let mut host = Host::new(lines());
    let (mut bench, first, orders) = paid(&original, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    drop(bench);
    type Alteration = fn(&mut Vec<u8>);
    // A bare error is no answer of the card, and keeps nobody from their money; after all else the session is dead.
    let alterations: [(Alteration, bool); 6] = [
        (|answer| answer[0] ^= 0x01, false),
        (|answer| answer.truncate(2), true),
        (|answer| *answer = vec![0x90, 0x00], false),
        (|answer| *answer = vec![0x63, 0x4D], false),
        (
            |answer| *answer = [vec![0xAA; 250], vec![0x90, 0x00]].concat(),
            false,
        ),
        (|answer| *answer = vec![0x69, 0x82], true),
    ];
    for (alter, serves) in alterations {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        work(&mut bench, &host);
        let mut card = copy(&first, 1);
        bench.tap_with(&mut card, &mut |_, command, mut answer| {
            if command[..2] == EXECUTE {
                alter(&mut answer);
            }
            Some(answer)
        });
        let story = told(&mut bench, &host);
        assert_eq!(executed(&story), 0);
        assert_eq!(bench.read_screen().contains("PIN"), serves);
        bench.type_keys("c");
        bench.tap(&mut card);
        assert_eq!(executed(&told(&mut bench, &host)), 2);
    }
}

/// A card with genuine keys that answers to the script as it wants.
fn answers(decide: impl Fn(&ScriptedCard, &[u8]) -> Decision) -> (Story, usize, String) {
    let flash = chip();
    let mut host = Host::new(lines());
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    work(&mut bench, &host);
    load(&mut bench, &[from_issuer(&script(1, Action::Reverse([7; 32])))]).unwrap();
    let (mut sent, mut screen) = (0, String::new());
    for _ in 0..2 {
        let mut card = ScriptedCard::new(&plan(), 1);
        bench.tap_any(&mut |_, command| {
            sent += usize::from(command[..2] == EXECUTE);
            Some(card.transmit(command, &mut |card, data| decide(card, data)))
        });
        screen += &bench.read_screen();
        bench.type_keys("c");
    }
    (told(&mut bench, &host), sent, screen)
}

/// The card's receipt of a script.
fn done(card: &ScriptedCard, script: &[u8]) -> Receipt {
    Receipt {
        kind: ReceiptKind::IssuerScript,
        counter: 2,
        object_hash: hash(script),
        holder_check: HolderCheckOutcome {
            pin_verified: false,
            tries_left: 3,
        },
        ..card.receipt(&[])
    }
}

#[test]
fn only_the_receipt_of_this_script_counts() {
    let (story, sent, screen) = answers(|card, script| (0x9000, card.sign(&done(card, script))));
    assert_eq!((executed(&story), sent), (1, 1), "the honest one");
    assert!(screen.contains(UNDONE));
    type Lie = fn(&mut Receipt);
    let lies: [Lie; 8] = [
        |receipt| receipt.counter += 1,
        |receipt| receipt.counter -= 1,
        |receipt| receipt.object_hash = sha256(&[b"another"]),
        |receipt| receipt.kind = ReceiptKind::Payment,
        |receipt| receipt.kind = ReceiptKind::Reversal,
        |receipt| receipt.kind = ReceiptKind::BlockList,
        |receipt| receipt.card_number = CardNumber::new(79, 9).unwrap(),
        |receipt| receipt.cso_version += 1,
    ];
    for lie in lies {
        let (story, sent, screen) = answers(|card, script| {
            let mut receipt = done(card, script);
            lie(&mut receipt);
            (0x9000, card.sign(&receipt))
        });
        // Nothing is decided: the next tap asks again.
        assert_eq!((executed(&story), sent), (0, 2));
        assert!(!screen.contains(UNDONE) && !screen.contains("PIN"), "{screen}");
    }
    let answered: [Decision; 3] = [
        (0x9000, Vec::new()),
        (0x9000, vec![0xFF, 0x20, 0x00]),
        (0x6310, Vec::new()),
    ];
    for decision in answered {
        let (story, sent, _) = answers(|_, _| decision.clone());
        assert_eq!((executed(&story), sent), (0, 2), "{decision:02X?}");
    }
    let (story, sent, _) = answers(|card, script| {
        let other = ScriptedCard::new(&plan(), 1).without_a_key(false);
        (0x9000, other.sign(&done(card, script)))
    });
    assert_eq!((executed(&story), sent), (0, 2), "another key");
}

#[test]
fn each_decision_of_the_card_is_told_once_and_its_holder_served() {
    for status in [0x6348, 0x6349, 0x634D, 0x634E] {
        let (story, sent, screen) = answers(|_, _| (status, Vec::new()));
        assert_eq!(
            (executed(&story), sent, story.status_words),
            (0, 1, vec![status]),
            "{status:04X}"
        );
        assert_eq!(screen.contains("Chưa hủy được"), status != 0x634D, "{screen}");
        assert!(screen.contains("PIN"), "{screen}");
    }
    // These come bare (SPEC 8.3), so anybody may have said them: asked again at the next tap.
    for status in [0x6A80, 0x6A88, 0x6982, 0x6985] {
        let (story, sent, screen) = answers(|_, _| (status, Vec::new()));
        assert_eq!(
            (executed(&story), sent, story.status_words),
            (0, 2, vec![status; 2]),
            "{status:04X}"
        );
        assert_eq!(screen.matches("Chưa hủy được").count(), 2, "{screen}");
        assert!(screen.contains("PIN"), "{screen}");
    }
}

/// Flash operations of loading these scripts.
fn writes(original: &RefCell<Chip>, host: &Host, scripts: &[Vec<u8>]) -> u64 {
    let flash = RefCell::new(original.borrow().clone());
    let mut bench = Bench::power_on(&flash).unwrap();
    work(&mut bench, host);
    let before = flash.borrow().operations;
    load(&mut bench, scripts).unwrap();
    flash.borrow().operations - before
}

/// The power goes at any flash operation of loading: what was there before, nothing, or all that was sent, and the next sync mends it.
#[test]
fn the_power_goes_while_they_are_loaded() {
    for before in [false, true] {
        let original = chip();
        let mut host = Host::new(lines());
        let (mut bench, first, orders) = paid(&original, &mut host);
        if before {
            let other = IssuerScript {
                card_number: CardNumber::new(79, 9).unwrap(),
                ..script(2, Action::Reverse(orders[1]))
            };
            load(&mut bench, &[from_issuer(&other)]).unwrap();
        }
        drop(bench);
        let scripts = both(&orders);
        let (mut cuts, operations) = (0, writes(&original, &host, &scripts));
        for operation in 0..operations {
            // The block is erased first, and the count written last.
            let is_decisive = operation == 0 || operation + 4 >= operations;
            let in_turn = TEARS[operation as usize % TEARS.len()];
            for tear in TEARS.into_iter().filter(|tear| is_decisive || *tear == in_turn) {
                let flash = RefCell::new(original.borrow().clone());
                let mut bench = Bench::power_on(&flash).unwrap();
                work(&mut bench, &host);
                flash.borrow_mut().cut(operation, tear);
                let promised = load(&mut bench, &scripts).is_ok();
                assert!(flash.borrow().is_dead());
                cuts += 1;
                drop(bench);
                flash.borrow_mut().power_up();
                let mut bench = Bench::power_on(&flash).unwrap();
                work(&mut bench, &host);
                let mut card = copy(&first, 1);
                let some = sent(&mut bench, &mut card);
                assert!(
                    some == 2 || some == 0 && !promised,
                    "{some}, cut at {operation}, {tear:?}"
                );
                bench.type_keys("c");
                load(&mut bench, &scripts).unwrap();
                bench.tap(&mut card);
                let story = told(&mut bench, &host);
                assert!(
                    executed(&story) >= 2 && story.status_words.is_empty(),
                    "cut at {operation}, {tear:?}"
                );
            }
        }
        println!("{cuts} cuts while loading");
        assert!(cuts > 100);
    }
}

/// The power goes at any flash operation of the tap: the card has executed each script once, and both receipts come home.
#[test]
fn the_power_goes_while_they_are_executed() {
    let original = chip();
    let mut host = Host::new(lines());
    let (mut bench, mut first, orders) = paid(&original, &mut host);
    load(&mut bench, &both(&orders)).unwrap();
    drop(bench);
    let key = signing_key(&mut first);
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        flash
            .borrow_mut()
            .cut(operation, TEARS[operation as usize % TEARS.len()]);
        let mut card = copy(&first, 1);
        let mut shown = 0;
        if let Ok(mut bench) = Bench::power_on(&flash) {
            work(&mut bench, &host);
            bench.tap(&mut card);
            shown = bench.read_screen().matches(UNDONE).count();
        }
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        let kept = executed(&told(&mut bench, &host));
        assert!(kept >= shown, "cut at {operation}");
        work(&mut bench, &host);
        bench.tap(&mut card);
        let mut named: Vec<Digest> = receipts(&mut bench, &key)
            .iter()
            .map(|receipt| receipt.object_hash)
            .collect();
        named.dedup();
        assert_eq!(
            named,
            both(&orders).map(|script| hash(&script)),
            "cut at {operation}"
        );
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        bench.type_keys("\n");
        let story = told(&mut bench, &host);
        assert_eq!(
            (story.paid, story.status_words),
            (vec![1, 2, 1, 2], vec![]),
            "cut at {operation}"
        );
    }
    println!("{cuts} cuts while executing");
    assert!(cuts > 10);
}
