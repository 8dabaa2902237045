//! An operator proves to be the one by a card (DATA 11.4): the right one, genuine, in use, with its PIN; and nothing is paid by it.
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

use bench::card::issuer::{
    CertificatePlan, ISSUER, Office, Plan, card_with_keys, cso, objects, plan, reference, secret, signed,
};
use bench::card::{Card, date, set_life_cycle};
use bench::host::{Host, NAME, card, line, noon};
use bench::scripted_card::ScriptedCard;
use bench::{Bench, Chip, Story, chip, copy, honest, story};
use card_spec::command::{LifeCycle, VerifyData};
use card_spec::cso::CardSecurityObject;
use card_spec::journal::{Entry, Event};
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::payment::ClockSource;
use card_spec::signed::Signed;
use card_spec::values::{Amount, Ascii, CardNumber, Time};
use link::{Refusal, Request};
use reference_applet::Slot;

const MINUTE: u64 = 60_000;
/// VERIFY in a session.
const VERIFY: [u8; 2] = [0x84, 0x20];

/// The card of Lan, who is no holder here.
fn lans() -> Plan {
    of(11)
}

/// The card of another person.
fn of(serial: u64) -> Plan {
    Plan {
        number: CardNumber::new(79, serial).unwrap(),
        person: [0x40 | serial as u8; 16],
        pin: *b"161803",
        ..plan()
    }
}

fn operator<'a>(number: u16, name: &'a str, roles: u8, proof: Proof) -> TerminalOperator<'a> {
    TerminalOperator {
        number,
        name: Ascii::new(name).unwrap(),
        roles: Roles::from_byte(roles).unwrap(),
        proof,
    }
}

fn by_card(serial: u64) -> Proof {
    Proof::Card(CardNumber::new(79, serial).unwrap())
}

fn by_pin() -> Proof {
    Proof::Pin(PinVerifier::new(b"314159", [9; 16]).unwrap())
}

fn list<'a>(number: u32, operators: &[TerminalOperator<'a>]) -> OperatorList<'a> {
    OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number,
        operators: heapless::Vec::from_slice(operators).unwrap(),
    }
}

/// Lan, Tam and the supervisor Hoa have cards, minh has a PIN; Binh has the card of the bench's usual holder.
fn staff() -> OperatorList<'static> {
    list(
        1,
        &[
            operator(1, "Lan", Roles::CLERK, by_card(11)),
            operator(2, "minh", Roles::CLERK, by_pin()),
            operator(3, "Hoa", Roles::SUPERVISOR, by_card(12)),
            operator(4, "Tam", Roles::CLERK, by_card(13)),
            operator(5, "Binh", Roles::CLERK, by_card(1)),
        ],
    )
}

fn load(bench: &mut Bench<'_>, host: &Host, list: &OperatorList<'_>) -> Result<(), Refusal> {
    bench.done(&Request::Operators {
        signed: &signed(list, &host.office.issuer),
    })
}

fn ready(flash: &RefCell<Chip>) -> (Bench<'_>, Host) {
    blocking(flash, Vec::new())
}

/// With a block list that has these cards.
fn blocking(flash: &RefCell<Chip>, blocked: Vec<CardNumber>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.blocked = blocked;
    host.prepare(&mut bench).unwrap();
    load(&mut bench, &host, &staff()).unwrap();
    bench.read_screen();
    (bench, host)
}

/// What the journal tells about operators, in few words.
fn told(bench: &mut Bench<'_>) -> Vec<String> {
    let entries = bench.journal();
    let told = entries.iter().filter_map(|entry| {
        let entry = Signed::<Entry<'_>>::parse(entry).unwrap();
        Some(match &entry.claimed().event {
            Event::ShiftOpened { operator } => format!("{} in", operator.as_str()),
            Event::OperatorRefused { operator, attempts } => {
                format!("{} wrong {attempts}", operator.as_str())
            }
            Event::ClockSetByOperator { operator, .. } => format!("{} sets the clock", operator.as_str()),
            _ => return None,
        })
    });
    told.collect()
}

fn story_of(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// Holds the card to the reader; was a PIN sent to it?
fn tap(bench: &mut Bench<'_>, card: &mut Card) -> bool {
    let mut sent = false;
    bench.tap_with(card, &mut |_, command, answer| {
        sent |= command[..2] == VERIFY;
        Some(answer)
    });
    sent
}

/// Tries left on the card.
fn tries(card: &mut Card) -> u16 {
    let office = Office::new();
    card.reset();
    let mut session = bench::card::terminal::Terminal::new(&office).open(card).unwrap();
    session
        .secure
        .send(card, [0x80, 0x20, 0x00, 0x81], &[])
        .unwrap()
        .0
        .0
}

/// What SELECT says (SPEC 6.1).
fn life_cycle(card: &mut Card) -> u8 {
    card.reset();
    let answer = card.transmit(&bench::card::SELECT).to_vec();
    let at = answer.windows(2).position(|tag| tag == [0x8A, 0x01]).unwrap();
    answer[at + 2]
}

/// A card of this plan whose CSO an issuer has signed that the terminal does not know.
fn foreign_card(plan: &Plan) -> Card {
    const FOREIGN: &str = "VNISS8000001";
    let key = secret(20);
    let certificate = CertificatePlan {
        holder: FOREIGN,
        ..Office::new().issuer_plan()
    };
    let (mut card, mut host, _) = card_with_keys();
    let keys = host.key_pairs(&mut card, 1, plan.number).unwrap();
    let mut objects = objects(&Office::new(), plan, &keys);
    objects.issuer = certificate.sign(&Office::new().root, key.public_key());
    let body = CardSecurityObject {
        issuer: reference(FOREIGN),
        ..cso(plan, objects.digests(), &keys)
    };
    objects.cso = signed(&body, &key);
    host.store(&mut card, &objects.concatenated(), 223).unwrap();
    host.set_pin(&mut card, &plan.pin).unwrap();
    host.activate(&mut card).unwrap();
    card
}

#[test]
fn the_card_and_its_pin_open_a_shift() {
    for named in ["Lan", "lan", "1", "001"] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        bench.type_keys(&format!("o{named}\n9\x08161803\n"));
        let screen = bench.read_screen();
        assert!(screen.contains("Chạm thẻ của Lan"), "{screen}");
        assert!(
            !screen.contains("161803") && screen.contains("******"),
            "{screen}"
        );
        assert_eq!(told(&mut bench), [""; 0], "a PIN alone proves nothing");
        assert!(tap(&mut bench, &mut card(&lans())));
        assert!(bench.read_screen().contains("Mở ca: Lan"));
        assert!(bench.field);
        assert_eq!(told(&mut bench), ["Lan in"], "{named}");
    }
}

/// The session ends with the field; and the card that lies there still is no holder's.
#[test]
fn the_card_is_let_go_before_anybody_else_comes() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut card = card(&lans());
    bench.type_keys("o1\n161803\n");
    bench.switched.clear();
    let mut command = bench.look(true);
    assert!(command.is_some());
    while let Some(sent) = command.take() {
        let answer = card.transmit(&sent).to_vec();
        bench.answer(&answer);
        command = bench.look(true);
    }
    assert!(bench.read_screen().contains("Mở ca: Lan"));
    assert_eq!(bench.switched, [false, true]);
    for _ in 0..3 {
        assert_eq!(bench.look(true), None);
    }
    assert_eq!(bench.read_screen(), "");
    bench.look(false);
    assert!(bench.look(true).is_some(), "a card that comes now is a holder's");
}

#[test]
fn the_pin_authorizes_no_order_that_could_pay() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = ScriptedCard::new(&lans(), 1);
    bench.type_keys("oLan\n161803\n");
    bench.tap_any(&mut |_, command| {
        Some(lan.transmit(command, &mut |_, _| panic!("an operator's tap sends no order")))
    });
    assert_eq!(told(&mut bench), ["Lan in"]);
    let [claim] = &lan.claims[..] else {
        panic!("one PIN is sent")
    };
    let claim = VerifyData::parse(claim).unwrap();
    // No order is of 0 VND (SPEC 9.2).
    assert_eq!((claim.orders, claim.total), (1, Amount::default()));
    assert_eq!(claim.pin.digits(), b"161803");
}

#[test]
fn a_payment_straight_after_needs_the_holders_pin() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    // The clerk is a holder, too.
    let mut binhs = card(&plan());
    bench.type_keys("oBinh\n271828\n");
    assert!(tap(&mut bench, &mut binhs));
    assert_eq!(told(&mut bench), ["Binh in"]);
    assert!(!tap(&mut bench, &mut binhs));
    assert!(bench.read_screen().contains("500.000"));
    bench.type_keys("\n");
    assert!(bench.read_screen().contains("6 chữ số"));
    bench.tap(&mut binhs);
    assert_eq!(bench.commands, 0, "it is not asked for");
    bench.type_keys("161803\n");
    bench.tap(&mut binhs);
    assert_eq!(story_of(&mut bench, &host).paid, [], "another PIN");
    bench.type_keys("271828\n");
    bench.tap(&mut binhs);
    assert_eq!(story_of(&mut bench, &host).paid, [1]);
}

/// Who may be clerk at all is decided before any card.
#[test]
fn who_has_not_the_role_is_asked_for_no_card() {
    for keys in ["oHoa\n", "o3\n", "o9\n", "oNobody\n", "gLan\n"] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        if keys.starts_with('g') {
            drop(bench);
            bench = Bench::power_on(&flash).unwrap();
        }
        bench.read_screen();
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(screen.contains("Không ai có tên hoặc số này"), "{keys}: {screen}");
        bench.type_keys("161803\n");
        assert!(!tap(&mut bench, &mut card(&lans())), "{keys}");
        assert_eq!(told(&mut bench), [""; 0], "{keys}");
    }
}

#[test]
fn what_is_no_pin_of_a_card_is_not_sent_and_costs_nothing() {
    for digits in ["", "1", "16180", "1618033", "161803398874"] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        bench.type_keys(&format!("oLan\n{digits}\n"));
        let screen = bench.read_screen();
        assert!(screen.contains("6 chữ số") && !screen.contains("Chờ"), "{screen}");
        assert!(!bench.field);
        bench.type_keys("161803\n");
        assert!(tap(&mut bench, &mut card(&lans())), "{digits}");
        assert_eq!(told(&mut bench), ["Lan in"], "{digits}");
    }
}

/// What is held to the reader instead, what is said, and does it count as an attempt?
#[test]
fn no_other_card_is_sent_the_pin() {
    let hers = lans().number;
    let ended = Plan {
        dates: (date(2026, 10, 1), date(2026, 11, 21)),
        ..lans()
    };
    let not_yet = Plan {
        dates: (date(2026, 11, 23), date(2036, 10, 31)),
        ..lans()
    };
    type Case = (&'static str, Card, Vec<CardNumber>, &'static str, bool);
    let cases: [Case; 6] = [
        ("Tam's", card(&of(13)), vec![], "đây không phải thẻ của Lan", true),
        (
            "nobody's",
            card(&of(14)),
            vec![],
            "đây không phải thẻ của Lan",
            true,
        ),
        (
            "of another issuer",
            foreign_card(&lans()),
            vec![],
            "thiết bị chưa có chứng thư của nơi cấp thẻ",
            false,
        ),
        ("blocked", card(&lans()), vec![hers], "thẻ đã ngừng dùng", false),
        (
            "expired",
            card(&ended),
            vec![],
            "thẻ hết hạn hoặc chưa có hiệu lực",
            false,
        ),
        (
            "not yet valid",
            card(&not_yet),
            vec![],
            "thẻ hết hạn hoặc chưa có hiệu lực",
            false,
        ),
    ];
    for (what, mut wrong, blocked, said, counts) in cases {
        let flash = chip();
        let (mut bench, _) = blocking(&flash, blocked);
        let before = pin_of(&wrong);
        bench.type_keys("oLan\n161803\n");
        bench.read_screen();
        assert!(!tap(&mut bench, &mut wrong), "{what}: the PIN was sent");
        let screen = bench.read_screen();
        assert!(
            screen.contains(&format!("CHƯA MỞ CA: {said}")),
            "{what}: {screen}"
        );
        assert_eq!(screen.contains("Chờ 2 giây, bấm o"), counts, "{what}: {screen}");
        assert!(!bench.field, "{what}");
        assert_eq!(told(&mut bench), [""; 0], "{what}");
        assert_eq!(pin_of(&wrong), before, "{what}");
        assert_eq!(
            life_cycle(&mut wrong),
            LifeCycle::Active as u8,
            "{what}: it is left as it is"
        );
        // The PIN is forgotten.
        bench.wait(2_000);
        bench.type_keys("oLan\n\n");
        assert!(bench.read_screen().contains("6 chữ số"), "{what}");
    }
}

/// The card's PIN and its tries, as it keeps them.
fn pin_of(card: &Card) -> Vec<u8> {
    card.memory().slots[usize::from(Slot::Pin.index())].clone()
}

/// How many slots of the card's memory are others than before.
fn differing(before: &[Vec<u8>], card: &Card) -> usize {
    let pairs = before.iter().zip(&card.memory().slots);
    pairs.filter(|(one, other)| one != other).count()
}

#[test]
fn what_only_pretends_to_be_the_card_is_sent_no_pin() {
    for (key, agreement) in [("agreement", true), ("signing", false)] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        let mut clone = ScriptedCard::new(&lans(), 1).without_a_key(agreement);
        bench.type_keys("oLan\n161803\n");
        bench.tap_any(&mut |_, command| Some(clone.transmit(command, &mut |_, _| panic!("no order"))));
        let screen = bench.read_screen();
        assert!(
            screen.contains("CHƯA MỞ CA: thẻ không hợp lệ") && screen.contains("Chờ 2 giây, bấm o"),
            "{key}: {screen}"
        );
        assert!(clone.claims.is_empty(), "{key}");
        assert_eq!(told(&mut bench), [""; 0], "{key}");
    }
    // A card of another kind.
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    bench.type_keys("oLan\n161803\n");
    bench.tap_any(&mut |_, _| Some(vec![0x6A, 0x82]));
    assert_eq!(bench.commands, 1);
    assert!(bench.read_screen().contains("CHƯA MỞ CA: thẻ không hợp lệ"));
}

/// A card that its issuer has blocked opens sessions still, and compares no PIN.
#[test]
fn a_card_that_is_not_active_proves_nothing() {
    for life_cycle in [LifeCycle::Blocked, LifeCycle::Terminated] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        let mut dead = card(&lans());
        set_life_cycle(&mut dead, life_cycle);
        bench.type_keys("oLan\n161803\n");
        tap(&mut bench, &mut dead);
        let screen = bench.read_screen();
        assert!(
            screen.contains("CHƯA MỞ CA: thẻ từ chối") && !screen.contains("Chờ"),
            "{screen}"
        );
        assert_eq!(told(&mut bench), [""; 0]);
    }
}

/// Whatever the answers are changed to on their way: nobody works here who has not the card.
#[test]
fn an_answer_that_was_changed_opens_no_shift() {
    let first = card(&lans());
    let mut steps = 0;
    for at in 0.. {
        let mut reached = false;
        for last in [false, true] {
            let flash = chip();
            let (mut bench, _) = ready(&flash);
            let mut lan = copy(&first, 1);
            bench.type_keys("oLan\n161803\n");
            bench.tap_with(&mut lan, &mut |number, _, mut answer| {
                if number == at {
                    reached = true;
                    let place = if last { answer.len() - 1 } else { 0 };
                    answer[place] ^= 0x01;
                }
                Some(answer)
            });
            if reached {
                // SELECT's data are the card's own affair.
                let untouched = at == 0 && !last;
                assert_eq!(told(&mut bench).is_empty(), !untouched, "step {at}, last: {last}");
            }
        }
        if !reached {
            break;
        }
        steps += 1;
    }
    assert!(steps > 6, "{steps}");
}

#[test]
fn wrong_pins_cost_the_cards_tries_and_time_and_from_the_third_on_an_entry() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    for (wrong, seconds, said) in [
        (1, 2, "Thẻ còn 2 lần thử"),
        (2, 4, "Thẻ còn 1 lần thử"),
        (3, 8, "PIN thẻ đã khóa: nơi cấp thẻ mở."),
    ] {
        bench.type_keys("oLan\n000000\n");
        assert!(tap(&mut bench, &mut lan));
        let screen = bench.read_screen();
        assert!(
            screen.contains(said)
                && screen.contains("CHƯA MỞ CA: sai mã PIN.")
                && screen.contains(&format!("Chờ {seconds} giây, bấm o")),
            "{wrong}: {screen}"
        );
        assert!(!bench.field && !screen.contains("bấm c"), "{wrong}: {screen}");
        assert_eq!(tries(&mut lan), [0x63C2, 0x63C1, 0x6983][wrong - 1]);
        // Nobody tries anything before its time.
        bench.wait(seconds * 1_000 - 1);
        bench.type_keys("ominh\n");
        assert!(bench.read_screen().contains("Chờ thêm 1 giây"), "{wrong}");
        bench.wait(1);
    }
    assert_eq!(told(&mut bench), ["Lan wrong 3"]);
    // No PIN helps any more, and none is compared: that is no attempt.
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    let screen = bench.read_screen();
    assert!(
        screen.contains("CHƯA MỞ CA: PIN đã bị khóa") && !screen.contains("Chờ"),
        "{screen}"
    );
    assert_eq!(told(&mut bench), ["Lan wrong 3"]);
    // Whoever else works here may.
    bench.type_keys("ominh\n314159\n");
    assert_eq!(told(&mut bench), ["Lan wrong 3", "minh in"]);
}

#[test]
fn a_right_pin_gives_the_tries_back_and_forgives_the_attempts() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n000000\n");
    tap(&mut bench, &mut lan);
    bench.wait(2_000);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    assert_eq!(
        (told(&mut bench), tries(&mut lan)),
        (vec!["Lan in".to_owned()], 0x63C3)
    );
    bench.type_keys("xoLan\n000000\n");
    tap(&mut bench, &mut lan);
    assert!(bench.read_screen().contains("Chờ 2 giây"));
}

/// A PIN of an operator's own, a card's PIN, another card and a forged one: all are attempts, in one row.
#[test]
fn attempts_of_all_kinds_count_together_and_outlive_the_power() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    bench.type_keys("ominh\n000000\n");
    assert!(bench.read_screen().contains("Chờ 2 giây"));
    bench.wait(2_000);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut card(&of(13)));
    assert!(bench.read_screen().contains("Chờ 4 giây"));
    bench.wait(4_000);
    bench.type_keys("oTam\n161803\n");
    bench.tap_any(&mut |_, _| Some(vec![0x6A, 0x82]));
    assert!(bench.read_screen().contains("Chờ 8 giây"));
    bench.wait(8_000);
    bench.type_keys("oLan\n000000\n");
    tap(&mut bench, &mut card(&lans()));
    assert!(bench.read_screen().contains("Chờ 16 giây"));
    assert_eq!(told(&mut bench), ["Tam wrong 3", "Lan wrong 4"]);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n");
    assert!(bench.read_screen().contains("Chờ thêm 16 giây"));
}

/// The card leaves at each command of its tap, before the command reaches it or before its answer comes. It opens the shift as
/// soon as it stays; a PIN that was sent is typed anew, and one that was not is not.
#[test]
fn a_card_torn_away_at_any_moment_comes_back() {
    let first = card(&lans());
    let (mut torn, mut typed_anew) = (0, 0);
    for at in 0.. {
        let mut is_over = false;
        for reaches in [false, true] {
            let flash = chip();
            let (mut bench, host) = ready(&flash);
            let mut lan = copy(&first, 1);
            bench.type_keys("oLan\n161803\n");
            bench.read_screen();
            let mut sent = false;
            lan.reset();
            bench.tap_any(&mut |number, command| {
                sent |= command[..2] == VERIFY;
                if number == at && !reaches {
                    return None;
                }
                let answer = lan.transmit(command).to_vec();
                (number != at).then_some(answer)
            });
            if bench.commands <= at {
                assert_eq!(told(&mut bench), ["Lan in"]);
                is_over = true;
                continue;
            }
            torn += 1;
            let screen = bench.read_screen();
            assert!(
                screen.contains("CHƯA MỞ CA: thẻ bị nhấc ra quá sớm") && !screen.contains("Chờ"),
                "{screen}"
            );
            assert_eq!(told(&mut bench), [""; 0]);
            if sent {
                typed_anew += 1;
                assert!(screen.contains("PIN thẻ của Lan"), "{screen}");
                assert!(!bench.field, "the PIN is gone");
                assert!(!tap(&mut bench, &mut lan));
                bench.type_keys("\n");
                assert!(bench.read_screen().contains("6 chữ số"));
                bench.type_keys("161803\n");
            } else {
                assert!(screen.contains("Chạm thẻ của Lan"), "{screen}");
            }
            assert!(tap(&mut bench, &mut lan));
            assert_eq!(told(&mut bench), ["Lan in"], "{at}");
            assert_eq!(tries(&mut lan), 0x63C3);
            assert_eq!(story_of(&mut bench, &host).refused, [], "no holder was refused");
        }
        if is_over {
            break;
        }
    }
    assert_eq!(typed_anew, 2);
    assert!(torn > 12, "{torn}");
}

/// The card's own tries bound whoever tears it away before it tells.
#[test]
fn tearing_the_card_away_saves_no_try() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n000000\n");
    for left in [0x63C2, 0x63C1, 0x6983] {
        bench.tap_with(&mut lan, &mut |_, command, answer| {
            (command[..2] != VERIFY).then_some(answer)
        });
        assert_eq!(tries(&mut lan), left);
        bench.type_keys("000000\n");
    }
    bench.type_keys("\x1B");
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    assert!(bench.read_screen().contains("PIN đã bị khóa"));
    assert_eq!(told(&mut bench), [""; 0]);
}

/// Escape, `c` and two minutes of silence, before, while and after the PIN is typed, and after a card that was torn away.
#[test]
fn whoever_leaves_leaves_no_pin_behind() {
    let mut lan = card(&lans());
    for typed in ["oLan\n", "oLan\n1618", "oLan\n161803", "oLan\n161803\n", "torn"] {
        for leave in ["\x1B", "c", "C", "silence"] {
            let flash = chip();
            let (mut bench, _) = ready(&flash);
            if typed == "torn" {
                bench.type_keys("oLan\n161803\n");
                bench.tap_with(&mut lan, &mut |number, _, answer| (number < 3).then_some(answer));
                assert!(bench.field);
            } else {
                bench.type_keys(typed);
            }
            match leave {
                "silence" => {
                    bench.wait(2 * MINUTE - 1);
                    assert!(!bench.screen.contains("Bấm o"), "{typed:?}");
                    bench.wait(1);
                }
                key => bench.type_keys(key),
            }
            assert!(bench.read_screen().contains("Bấm o"), "{typed:?} {leave:?}");
            assert!(!bench.field, "{typed:?} {leave:?}");
            assert!(!tap(&mut bench, &mut lan), "{typed:?} {leave:?}");
            bench.type_keys("oLan\n\n");
            assert!(bench.read_screen().contains("6 chữ số"), "{typed:?} {leave:?}");
            assert_eq!(told(&mut bench), [""; 0]);
        }
    }
}

/// The clerk is asked for a card and presses anything else: nothing happens.
#[test]
fn no_other_key_means_anything_while_the_card_is_awaited() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    bench.type_keys("oLan\n161803\n");
    bench.read_screen();
    bench.type_keys("ogxtlbdpnm32 \n\x7F161803");
    assert_eq!(bench.read_screen(), "");
    assert!(tap(&mut bench, &mut card(&lans())));
    assert_eq!(told(&mut bench), ["Lan in"]);
}

/// Another list comes between two steps: of somebody else's card, of a PIN, without the name, or of other roles only. Nobody has proven
/// anything; the same list once more changes nothing.
#[test]
fn another_list_of_operators_ends_what_was_begun() {
    let lists = [
        list(2, &[operator(1, "Lan", Roles::CLERK, by_card(13))]),
        list(2, &[operator(1, "Lan", Roles::CLERK, by_pin())]),
        list(2, &[operator(1, "Tam", Roles::CLERK, by_card(11))]),
        list(2, &[operator(1, "Lan", Roles::SUPERVISOR, by_card(11))]),
        list(2, &[operator(1, "Lan", Roles::CLERK, by_card(11))]),
    ];
    for (place, other) in lists.iter().enumerate() {
        for typed in ["oLan\n161803", "oLan\n161803\n"] {
            let flash = chip();
            let (mut bench, host) = ready(&flash);
            bench.type_keys(typed);
            load(&mut bench, &host, other).unwrap();
            bench.read_screen();
            if !typed.ends_with('\n') {
                bench.type_keys("\n");
            }
            assert!(!tap(&mut bench, &mut card(&lans())), "{place} {typed:?}");
            let screen = bench.read_screen();
            assert!(
                screen.contains("CHƯA MỞ CA: có danh sách người trả mới. Hãy bấm o lần nữa."),
                "{place} {typed:?}: {screen}"
            );
            assert!(!bench.field);
            assert_eq!(told(&mut bench), [""; 0], "{place} {typed:?}");
        }
    }
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    bench.type_keys("oLan\n161803");
    load(&mut bench, &host, &staff()).unwrap();
    bench.type_keys("\n");
    load(&mut bench, &host, &staff()).unwrap();
    assert!(tap(&mut bench, &mut card(&lans())));
    assert_eq!(told(&mut bench), ["Lan in"]);
}

#[test]
fn no_list_comes_while_the_card_is_there() {
    let first = card(&lans());
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut lan = copy(&first, 1);
    bench.type_keys("oLan\n161803\n");
    let other = list(2, &[operator(1, "Lan", Roles::CLERK, by_card(13))]);
    let mut command = bench.look(true);
    let mut steps = 0;
    while let Some(sent) = command.take() {
        assert_eq!(
            load(&mut bench, &host, &other),
            Err(Refusal::Busy),
            "step {steps}"
        );
        steps += 1;
        let answer = lan.transmit(&sent).to_vec();
        bench.answer(&answer);
        command = bench.look(true);
    }
    assert!(steps > 6, "{steps}");
    assert_eq!(told(&mut bench), ["Lan in"]);
}

/// Neither clock nor a fresh block list is needed to work here, and both are to be paid.
#[test]
fn a_supervisor_sets_the_clock_by_her_card() {
    let flash = chip();
    let (bench, host) = ready(&flash);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    let (mut hoa, mut lan) = (card(&of(12)), card(&lans()));
    // Another card, a wrong PIN.
    bench.type_keys("gHoa\n161803\n");
    tap(&mut bench, &mut lan);
    let screen = bench.read_screen();
    assert!(
        screen.contains("CHƯA ĐẶT GIỜ: đây không phải thẻ của Hoa") && screen.contains("Chờ 2 giây, bấm g"),
        "{screen}"
    );
    bench.wait(2_000);
    bench.type_keys("gHoa\n000000\n");
    tap(&mut bench, &mut hoa);
    assert!(bench.read_screen().contains("CHƯA ĐẶT GIỜ: sai mã PIN"));
    bench.wait(4_000);
    // Nobody is asked for a time before the card has said that the PIN is right.
    bench.type_keys("gHoa\n161803\n202611230830\n");
    tap(&mut bench, &mut hoa);
    assert!(bench.read_screen().contains("12 chữ số"));
    assert!(!bench.field);
    bench.type_keys("202611230830\n");
    assert_eq!(told(&mut bench), ["Hoa sets the clock"]);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    let mut holder = card(&plan());
    bench.tap(&mut holder);
    bench.type_keys("271828\n");
    bench.tap(&mut holder);
    assert_eq!(story_of(&mut bench, &host).paid, [1]);
    let last = bench.journal().pop().unwrap();
    let last = Signed::<Entry<'_>>::parse(&last).unwrap();
    assert_eq!(last.claimed().clock, ClockSource::Operator);
}

/// What the terminal knows although its clock is unset: days that are over, and cards on its block list.
#[test]
fn an_unset_clock_lets_in_no_card_that_has_ended_or_is_blocked() {
    let ended = Plan {
        dates: (date(2026, 10, 1), date(2026, 11, 21)),
        ..of(12)
    };
    let last_day = Plan {
        dates: (date(2026, 10, 1), date(2026, 11, 22)),
        ..of(12)
    };
    // Nobody knows whether its first day has come.
    let new = Plan {
        dates: (date(2026, 11, 23), date(2036, 10, 31)),
        ..of(12)
    };
    for (plan, blocked, said) in [
        (&ended, vec![], "CHƯA ĐẶT GIỜ: thẻ hết hạn"),
        (&of(12), vec![of(12).number], "CHƯA ĐẶT GIỜ: thẻ đã ngừng dùng"),
        (&last_day, vec![], "12 chữ số"),
        (&new, vec![], "12 chữ số"),
    ] {
        let flash = chip();
        drop(blocking(&flash, blocked));
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("gHoa\n161803\n");
        let is_sent = tap(&mut bench, &mut card(plan));
        let screen = bench.read_screen();
        assert!(screen.contains(said), "{screen}");
        assert_eq!(is_sent, said == "12 chữ số");
    }
}

#[test]
fn a_stale_or_missing_block_list_stops_no_operator_and_pays_nobody() {
    for missing in [false, true] {
        let flash = chip();
        let mut bench = Bench::power_on(&flash).unwrap();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        if missing {
            let agreement = host.make_keys(&mut bench).unwrap();
            let objects = host.objects(agreement);
            bench.done(&Request::Install { objects: &objects }).unwrap();
            host.set_time(&mut bench, noon()).unwrap();
            host.load_list(&mut bench, &host.list).unwrap();
        } else {
            host.prepare(&mut bench).unwrap();
        }
        load(&mut bench, &host, &staff()).unwrap();
        let later = if missing {
            noon()
        } else {
            Time::new(date(2026, 12, 28), 12, 0, 0).unwrap()
        };
        host.set_time(&mut bench, later).unwrap();
        bench.type_keys("oLan\n161803\n");
        assert!(tap(&mut bench, &mut card(&lans())), "missing: {missing}");
        assert_eq!(told(&mut bench), ["Lan in"], "missing: {missing}");
        bench.tap(&mut card(&plan()));
        let screen = bench.read_screen();
        assert!(screen.contains("KHÔNG TRẢ"), "{screen}");
        assert_eq!(story_of(&mut bench, &host).paid, []);
    }
}

/// A holder's card with a blocked PIN, in minh's shift.
fn blocked_holder(bench: &mut Bench<'_>) -> Card {
    bench.type_keys("ominh\n314159\n");
    let mut holder = card(&plan());
    bench.tap(&mut holder);
    for _ in 0..3 {
        bench.type_keys("000000\n");
        bench.tap(&mut holder);
    }
    assert!(bench.read_screen().contains("bấm 2"));
    holder
}

fn by_document(bench: &mut Bench<'_>, holder: &mut Card) {
    bench.tap(holder);
    bench.type_keys("d\n");
    bench.tap(holder);
}

#[test]
fn a_second_operator_joins_by_her_card_and_vouches_once() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut holder = blocked_holder(&mut bench);
    bench.switched.clear();
    bench.type_keys("2Tam\n161803\n");
    assert!(tap(&mut bench, &mut card(&of(13))));
    let screen = bench.read_screen();
    assert!(screen.contains("Người thứ hai: Tam"), "{screen}");
    // Off while name and PIN are typed, on for the card, and off and on when it is let go.
    assert_eq!(bench.switched, [false, true, false, true]);
    by_document(&mut bench, &mut holder);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    let story = story_of(&mut bench, &host);
    assert_eq!((story.paid, story.open), (vec![1], None));
    let voucher = bench.journal().iter().find_map(|entry| {
        match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
            Event::Intent(order) => Some(order.order().second_operator?.as_str().to_owned()),
            _ => None,
        }
    });
    assert_eq!(voucher.as_deref(), Some("Tam"));
}

#[test]
fn who_has_not_shown_the_card_vouches_for_nobody() {
    type Way = fn(&mut Bench<'_>, &mut Card);
    let ways: [(&str, &str, Way, &str); 5] = [
        (
            "the holder's card",
            "2Tam\n161803\n",
            |bench, holder| bench.tap(holder),
            "CHƯA CÓ NGƯỜI THỨ HAI: đây không phải thẻ của Tam",
        ),
        (
            "a wrong PIN",
            "2Tam\n271828\n",
            |bench, _| bench.tap(&mut card(&of(13))),
            "CHƯA CÓ NGƯỜI THỨ HAI: sai mã PIN",
        ),
        (
            "torn away",
            "2Tam\n161803\n",
            |bench, _| {
                bench.tap_with(&mut card(&of(13)), &mut |number, _, answer| {
                    (number < 5).then_some(answer)
                });
                bench.type_keys("c");
            },
            "CHƯA CÓ NGƯỜI THỨ HAI: thẻ bị nhấc ra quá sớm",
        ),
        (
            "no card",
            "2Tam\n161803\n",
            |bench, _| bench.type_keys("c"),
            "Chạm thẻ của Tam",
        ),
        (
            "a supervisor",
            "2Hoa\n",
            |_, _| {},
            "được làm người thứ hai ở đây",
        ),
    ];
    for (what, keys, way, said) in ways {
        let flash = chip();
        let (mut bench, host) = ready(&flash);
        let mut holder = blocked_holder(&mut bench);
        bench.type_keys(keys);
        way(&mut bench, &mut holder);
        let screen = bench.read_screen();
        assert!(
            screen.contains(said) && !screen.contains("Người thứ hai: Tam"),
            "{what}: {screen}"
        );
        by_document(&mut bench, &mut holder);
        let story = story_of(&mut bench, &host);
        assert_eq!(
            (story.paid, story.status_words.last()),
            (vec![], Some(&0x6346)),
            "{what}"
        );
    }
}

#[test]
fn the_clerk_is_no_second_operator_by_her_own_card() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    bench.type_keys("2Lan\n161803\n");
    tap(&mut bench, &mut lan);
    let screen = bench.read_screen();
    assert!(screen.contains("phải là người khác"), "{screen}");
}

/// An order of that very card is open, executed or not: its operator's tap neither settles nor disturbs it, and its tap as a holder's
/// card ends it as if there had been none.
#[test]
fn an_open_order_of_the_card_is_left_as_it_is() {
    for reaches in [false, true] {
        for is_aside in [false, true] {
            let stories = [false, true].map(|operator_taps| {
                let flash = chip();
                let (mut bench, host) = ready(&flash);
                let mut binhs = card(&plan());
                bench.type_keys("ominh\n314159\n");
                let order = bench.tear(&mut binhs, reaches);
                if is_aside {
                    bench.type_keys("n");
                }
                let before = story_of(&mut bench, &host);
                assert_eq!(before.all_open.len(), 1);
                if operator_taps {
                    let slots = binhs.memory().slots.clone();
                    bench.type_keys("oBinh\n271828\n");
                    assert!(tap(&mut bench, &mut binhs));
                    assert_eq!(told(&mut bench), ["minh in", "Binh in"]);
                    let after = story_of(&mut bench, &host);
                    assert_eq!((after.all_open, after.paid), (before.all_open, vec![]));
                    // The card has given its try back, and nothing else has changed.
                    assert_eq!(differing(&slots, &binhs), 0, "order {order:02X?}");
                }
                bench.tap(&mut binhs);
                let after = story_of(&mut bench, &host);
                assert_eq!(after.open, None);
                (after.paid, after.status_words)
            });
            assert_eq!(stories[0], stories[1], "reaches: {reaches}, aside: {is_aside}");
            assert_eq!(stories[0].0.is_empty(), !reaches);
        }
    }
}

/// Money of that card was not handed over: its operator's tap undoes nothing, its holder's does.
#[test]
fn a_payment_that_is_to_be_undone_waits_for_the_holder() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut binhs = card(&plan());
    bench.type_keys("ominh\n314159\n");
    bench.tap(&mut binhs);
    bench.type_keys("271828\n");
    bench.tap(&mut binhs);
    bench.type_keys("c7");
    bench.type_keys("oBinh\n271828\n");
    assert!(tap(&mut bench, &mut binhs));
    let story = story_of(&mut bench, &host);
    assert_eq!((story.announced, story.reversed), (0, vec![]));
    bench.tap(&mut binhs);
    bench.type_keys("271828\n");
    bench.tap(&mut binhs);
    assert_eq!(story_of(&mut bench, &host).reversed, [1]);
}

/// No holder was refused by anything that concerns an operator: a shift's count of refused payments is of payments.
#[test]
fn what_operators_do_wrong_is_no_refused_payment() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n000000\n");
    bench.tap_with(&mut lan, &mut honest);
    bench.wait(2_000);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut card(&of(13)));
    bench.wait(4_000);
    bench.type_keys("oLan\n161803\n");
    bench.tap_with(&mut lan, &mut |number, _, answer| (number < 2).then_some(answer));
    bench.type_keys("c");
    assert_eq!(story_of(&mut bench, &host).refused, []);
}
