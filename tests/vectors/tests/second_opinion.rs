//! A second opinion: the verifier in `tests/independent-verifier`, which shares no code with the auditor, gives the same
//! verdict on every ledger here, broken or not. What only one of them finds, and why, stands in `DIFFERENCES`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;

use ansinh_audit::{Code, Finding, audit};
use card_spec::journal::{EncodedOrder, EncodedReceipt, Event, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, LineType, Order, Receipt};
use card_spec::values::{Amount, Period, Time};
use vectors::{LineSpec, Person, World, date, secret, sign};

type Files = BTreeMap<String, Vec<u8>>;
/// A name, and what happens to the honest world.
type Change<'a> = (&'a str, &'a dyn Fn(&mut World));

/// Who finds something.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Finder {
    Both,
    Nobody,
    Auditor,
    Verifier,
}

/// Cases, by how their names begin and end, that only one finds.
const DIFFERENCES: &[(&str, &str, Finder)] = &[
    // The auditor takes a folder with fewer files for a smaller audit; the verifier demands all that DATA 2 names.
    ("acks/", " removed", Finder::Verifier),
    ("cards/", ".pem removed", Finder::Verifier),
    ("cards/", ".sig.der removed", Finder::Verifier),
    ("cards/", ".signed.bin removed", Finder::Verifier),
    ("receipts/", " removed", Finder::Verifier),
    ("issuer", ".pem removed", Finder::Verifier),
    ("root", ".pem removed", Finder::Verifier),
    ("terminal-", ".pem removed", Finder::Verifier),
    // The certificate of the terminal's sessions signs nothing in a ledger; its journal key's is what proves.
    ("certificates/VNT0000001A", " removed", Finder::Verifier),
    ("certificates/VNT0000002A", " removed", Finder::Verifier),
    // What the issuer shall not do, and no clause of the formats forbids.
    ("world key on two cards", "", Finder::Auditor),
    ("world person with two cards", "", Finder::Auditor),
];

/// Tells the findings in each folder, one line for all of them.
const SCRIPT: &str = "
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tlv import Refused
from verify import verify_folder
for folder in map(Path, sys.argv[2:]):
    try:
        findings, _ = verify_folder(folder, folder / '../root.pem')
    except Refused as refused:
        findings = [str(refused)]
    print('\\t'.join(finding.splitlines()[0] for finding in findings))
";

/// Both verdicts on a ledger; without findings it is a clean one.
struct Verdicts {
    name: String,
    ours: Vec<Finding>,
    theirs: Vec<String>,
}

fn judge(cases: Vec<(String, Files)>) -> Vec<Verdicts> {
    let all = tempfile::tempdir().unwrap();
    let folders: Vec<_> = (0..cases.len())
        .map(|index| all.path().join(index.to_string()))
        .collect();
    std::fs::write(
        all.path().join("root.pem"),
        vectors::pem(&secret("root").public_key()),
    )
    .unwrap();
    for (folder, (_, files)) in folders.iter().zip(&cases) {
        for (path, content) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
    // Debian's own interpreter, because python3-cryptography is installed for that one.
    let output = Command::new("/usr/bin/python3")
        .args(["-B", "-c", SCRIPT])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../independent-verifier"))
        .args(&folders)
        .output()
        .unwrap_or_else(|error| panic!("{error}: install Debian's python3 and python3-cryptography"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "is python3-cryptography installed? {errors}"
    );
    let theirs = String::from_utf8(output.stdout).unwrap();
    assert_eq!(theirs.lines().count(), cases.len());
    let verdicts = cases.into_iter().zip(&folders).zip(theirs.lines());
    verdicts
        .map(|(((name, _), folder), theirs)| {
            let report = audit(
                std::slice::from_ref(folder),
                &secret("root").public_key(),
                NonZero::<usize>::MIN,
            );
            let findings = theirs.split('\t').filter(|finding| !finding.is_empty());
            Verdicts {
                name,
                ours: report.unwrap().findings,
                theirs: findings.map(str::to_owned).collect(),
            }
        })
        .collect()
}

/// Both find something in every case, or nobody does, except where [`DIFFERENCES`] says otherwise.
fn assert_found_by(finder: Finder, cases: Vec<(String, Files)>) {
    let mut wrong = Vec::new();
    for Verdicts { name, ours, theirs } in judge(cases) {
        let (ours, theirs) = (ours.first(), theirs.first());
        let found = match (ours, theirs) {
            (Some(_), Some(_)) => Finder::Both,
            (Some(_), None) => Finder::Auditor,
            (None, Some(_)) => Finder::Verifier,
            (None, None) => Finder::Nobody,
        };
        let mut differences = DIFFERENCES.iter();
        let known = differences.find(|(start, end, _)| name.starts_with(start) && name.ends_with(end));
        let expected = known.map_or(finder, |(.., finder)| *finder);
        if found != expected {
            wrong.push(format!(
                "{name}: {found:?} instead of {expected:?}\n  auditor: {ours:?}\n  verifier: {theirs:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Both say of the same entries, and of these, that they pay a line that was paid before.
#[track_caller]
fn assert_paid_twice(entries: &[(&str, u32)], cases: Vec<(String, Files)>) {
    let expected: Vec<_> = entries
        .iter()
        .map(|(journal, entry)| format!("{journal} entry {entry}"))
        .collect();
    for Verdicts { name, ours, theirs } in judge(cases) {
        let twice = ours.iter().filter(|finding| finding.code == Code::PaidTwice);
        let entry = |finding: &Finding| {
            let file = finding.place.file.rsplit('/').next().unwrap();
            let terminal = file.strip_suffix(".journal").unwrap();
            format!("{terminal} entry {}", finding.place.sequence.unwrap())
        };
        let mut by_auditor: Vec<_> = twice.map(entry).collect();
        by_auditor.sort();
        assert_eq!(by_auditor, expected, "{name}, auditor: {ours:?}");
        let twice = theirs
            .iter()
            .filter(|finding| finding.contains("the line was paid before"));
        let entry = |finding: &String| {
            let (place, _) = finding.split_once(": ").unwrap();
            let place = place.strip_prefix("journals/").unwrap();
            place.replace(".journal", "")
        };
        let mut by_verifier: Vec<_> = twice.map(entry).collect();
        by_verifier.sort();
        assert_eq!(by_verifier, expected, "{name}, verifier: {theirs:?}");
    }
}

fn november() -> Period {
    Period::new(2026, 11).unwrap()
}

fn one_off(card: usize, amount: u64) -> LineSpec {
    LineSpec::new(card, november(), LineType::OneOff, amount)
}

/// A line for a card, listed, loaded and paid by terminal 0.
fn pay(world: &mut World, card: usize, amount: u64) {
    let list = world.issue_list(0, &[one_off(card, amount)]);
    world.load_list(0, list);
    world.pay(0, list, 1);
}

/// 40,000,000 VND and then the last amount; the cards' caps are 20 and 50 million (SPEC 9.5).
fn pay_thrice(world: &mut World, last: u64) {
    let specs: Vec<_> = (1..)
        .zip([20_000_000, 20_000_000, last])
        .map(|(entitlement, amount)| LineSpec {
            entitlement,
            ..one_off(2, amount)
        })
        .collect();
    let list = world.issue_list(0, &specs);
    world.load_list(0, list);
    (1..=specs.len()).for_each(|line| world.pay(0, list, line));
}

fn worlds(changes: &[Change<'_>]) -> Vec<(String, Files)> {
    let case = |(name, change): &Change<'_>| {
        let mut world = World::standard();
        change(&mut world);
        (format!("world {name}"), world.all_files())
    };
    changes.iter().map(case).collect()
}

#[test]
fn honest_ledgers_are_clean_for_both() {
    let cases = worlds(&[
        ("standard", &|_| ()),
        ("one payment more", &|world| pay(world, 2, 1_000)),
        ("as much as the caps allow", &|world| {
            pay_thrice(world, 10_000_000)
        }),
        ("two lists with the same lines", &|world| {
            let spec = [one_off(2, 1_000)];
            let list = world.issue_list(0, &spec);
            world.issue_list(0, &spec);
            world.load_list(0, list);
            world.pay(0, list, 1);
        }),
        ("an open intent", &|world| {
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
        }),
        ("an order told again while it is open", &|world| {
            let order = world.order(0, 0, 3);
            let order = world.intent(0, &order);
            told_again(world, &order);
        }),
        ("an order refused by the card", &|world| {
            refuse_order(world, Some(0x6343))
        }),
        ("a line reversed and paid again", &|world| {
            reverse(world);
            world.pay(0, 0, 3);
        }),
        ("money not handed over", &|world| {
            let order = world.order(0, 0, 3);
            let (intent, _) = world.pay_only(0, 2, &order);
            world.not_handed(0, intent);
        }),
        (
            "a list beside one whose number another issuer has used, too",
            &|world| {
                let line = world.line(1, &one_off(2, 1_000));
                world.issue_beside(0, &[1], vec![(2, line)]);
                world.change_issuer();
                world.issue_list(1, &[one_off(3, 7)]);
            },
        ),
    ]);
    assert_found_by(Finder::Nobody, cases);
}

/// The third line is paid, not handed over, and reversed; gives the Intent.
fn reverse(world: &mut World) -> u32 {
    let order = world.order(0, 0, 3);
    let (intent, order) = world.pay_only(0, 2, &order);
    let reversal = world.announce_reversal(0, intent, &order);
    let receipt = world.reversal_receipt(2, &reversal);
    world.reversed(0, 2, intent, &receipt);
    intent
}

fn told_again(world: &mut World, order: &[u8]) {
    world.terminals[0].log(Event::StillOpen(EncodedOrder::parse(order).unwrap()));
}

fn refuse_order(world: &mut World, status_word: Option<u16>) {
    let order = world.order(0, 0, 3);
    world.intent(0, &order);
    let closes_intent = Some(world.terminals[0].sequence);
    world.terminals[0].log(Event::Refused(Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number: None,
        line_number: Some(3),
        status_word,
        closes_intent,
    }));
}

/// Every file flipped at three places, cut, lengthened, removed.
#[test]
fn broken_files_are_found_by_both() {
    let honest = World::standard().all_files();
    let mut cases = Vec::new();
    let mut add = |name: String, change: &dyn Fn(&mut Files)| {
        let mut files = honest.clone();
        change(&mut files);
        cases.push((name, files));
    };
    for (path, content) in &honest {
        // The lines around a PEM key are no part of it, and readers differ in what they take for them.
        let (places, is_pem) = match path.ends_with(".pem") {
            true => (vec![content.len() / 2], true),
            false => (vec![0, content.len() / 3, content.len() - 1], false),
        };
        for place in places {
            add(format!("{path} flipped at {place}"), &|files| {
                files.get_mut(path).unwrap()[place] ^= 1;
            });
        }
        if !is_pem {
            add(format!("{path} cut"), &|files| {
                files.get_mut(path).unwrap().pop();
            });
            add(format!("{path} lengthened"), &|files| {
                files.get_mut(path).unwrap().push(0);
            });
        }
        add(format!("{path} removed"), &|files| {
            files.remove(path);
        });
    }
    assert_found_by(Finder::Both, cases);
}

/// Every entry of a journal removed, repeated, swapped with the next, and a forged one put before it.
#[test]
fn broken_journals_are_found_by_both() {
    let mut cases = Vec::new();
    let honest = World::standard();
    let last = honest.terminals[0].entries.len() - 1;
    let mut add = |name: String, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut world = World::standard();
        change(&mut world.terminals[0].entries);
        cases.push((format!("journal {name}"), world.all_files()));
    };
    for place in 0..last {
        add(format!("without {place}"), &|entries| {
            entries.remove(place);
        });
        add(format!("with {place} twice"), &|entries| {
            entries.insert(place, entries[place].clone());
        });
        add(format!("with {place} later"), &|entries| {
            entries.swap(place, place + 1);
        });
        let mut entry = honest.terminals[0].next_entry(Event::ClockSet { before: Time::UNSET });
        entry.sequence = [u32::MAX, 4_000_000_000, 7][place % 3];
        let forged = sign(&entry, &secret("somebody"));
        add(format!("with a forged entry before {place}"), &|entries| {
            entries.insert(place, forged.clone());
        });
    }
    assert_found_by(Finder::Both, cases);
}

fn order(change: impl Fn(&mut Order<'_>)) -> impl Fn(&mut World) {
    move |world| {
        let mut order = world.order(0, 0, 3);
        change(&mut order);
        world.pay_order(0, 2, &order);
    }
}

fn receipt(key: &str, change: impl Fn(&mut Receipt)) -> impl Fn(&mut World) {
    move |world| {
        let order = world.order(0, 0, 3);
        let encoding = world.intent(0, &order);
        let intent = world.terminals[0].sequence;
        let mut receipt = world.receipt(2, &encoding);
        change(&mut receipt);
        world.paid(0, intent, &sign(&receipt, &secret(key)));
    }
}

/// What insiders with real keys do.
#[test]
fn broken_rules_are_found_by_both() {
    let card = "card 3 signing";
    let cases = worlds(&[
        ("line paid twice", &|world| world.pay(0, 0, 1)),
        ("blocked card paid", &|world| world.pay(1, 1, 2)),
        ("above the cap of an order", &|world| pay(world, 2, 20_000_001)),
        ("above the cap of a month", &|world| pay_thrice(world, 10_000_001)),
        ("list that was not loaded", &|world| {
            let list = world.issue_list(0, &[one_off(2, 1_000)]);
            world.pay(0, list, 1);
        }),
        ("list of another terminal", &|world| world.load_list(0, 1)),
        ("list loaded again", &|world| world.load_list(0, 0)),
        ("two intents open", &|world| {
            for _ in 0..2 {
                let order = world.order(0, 0, 3);
                world.intent(0, &order);
            }
        }),
        ("a closed order told again", &|world| {
            let order = world.order(0, 0, 3);
            let mut buffer = [0; Order::MAXIMUM_LENGTH];
            let order = order.encode(&mut buffer).unwrap();
            refuse_order(world, Some(0x6343));
            told_again(world, order);
        }),
        ("a second order of a holder", &|world| {
            for _ in 0..2 {
                let order = world.order(0, 0, 3);
                world.intent(0, &order);
            }
        }),
        ("intent closed without the card", &|world| {
            refuse_order(world, None)
        }),
        ("intent closed by a bare answer", &|world| {
            refuse_order(world, Some(0x6985))
        }),
        (
            "other amount",
            &order(|order| order.amount = Amount::new(5).unwrap()),
        ),
        ("other line", &order(|order| order.line_number = 99)),
        ("other list", &order(|order| order.list_root = [1; 32])),
        ("other card", &order(|order| order.cso_hash = [1; 32])),
        ("other place", &order(|order| order.log_head = [1; 32])),
        (
            "method not allowed",
            &order(|order| order.method = HolderCheckMethod::PhotoDocument),
        ),
        (
            "after the list's days",
            &order(|order| order.time = Time::new(date(2026, 11, 28), 12, 0, 0).unwrap()),
        ),
        ("receipt of a stranger", &receipt("somebody", |_| ())),
        (
            "receipt for another order",
            &receipt(card, |receipt| receipt.object_hash = [1; 32]),
        ),
        (
            "receipt of another version",
            &receipt(card, |receipt| receipt.cso_version = 2),
        ),
        (
            "receipt after another one",
            &receipt(card, |receipt| receipt.previous = [1; 32]),
        ),
        ("receipt left out", &receipt(card, |receipt| receipt.counter = 2)),
        (
            "receipt of another check",
            &receipt(card, |receipt| receipt.holder_check.pin_verified = false),
        ),
        ("key on two cards", &|world| {
            let keys = "card 1".into();
            world.issue(
                6,
                &Person {
                    keys,
                    ..Person::numbered(6)
                },
            );
        }),
        ("person with two cards", &|world| {
            let keys = "card 6".into();
            world.issue(
                6,
                &Person {
                    keys,
                    ..Person::numbered(1)
                },
            );
        }),
        ("card of a stranger", &|world| {
            world.issuer = secret("somebody");
            world.issue(6, &Person::numbered(6));
        }),
        ("gap in the issuer's sequence", &|world| {
            world.issuer_sequence += 1;
            world.issue(6, &Person::numbered(6));
        }),
        ("issuer's object not named", &|world| {
            world.issuer_previous = [1; 32];
            world.issue(6, &Person::numbered(6));
        }),
        ("list without lines", &|world| {
            world.issue_list(0, &[]);
        }),
        ("line twice in a list", &|world| {
            world.issue_list(0, &[one_off(2, 1), one_off(2, 1)]);
        }),
        ("acknowledged head of another journal", &|world| {
            let mut acknowledgement = world.acknowledgement(0);
            acknowledgement.head = [1; 32];
            world.file_acknowledgement(&acknowledgement);
        }),
        ("handed over after it was reversed", &|world| {
            let intent = reverse(world);
            world.terminals[0].log(Event::Handed { intent });
        }),
        ("reversed twice", &|world| {
            let intent = reverse(world);
            let receipt = world.reversal_receipt(2, &[1]);
            world.reversed(0, 2, intent, &receipt);
        }),
        ("announced for another order and not handed over", &|world| {
            let order = world.order(0, 0, 3);
            let (intent, _) = world.pay_only(0, 2, &order);
            let other = world.order(0, 0, 1);
            let other = other.encode(&mut [0; 512]).unwrap().to_vec();
            world.announce_reversal(0, intent, &other);
        }),
        ("handed over twice", &|world| {
            world.terminals[0].log(Event::Handed { intent: 6 });
        }),
    ]);
    assert_found_by(Finder::Both, cases);
}

/// An order for the third line of the first terminal's list, in no journal of it.
fn lost_order(world: &World, change: impl Fn(&mut Order<'_>)) -> Vec<u8> {
    let mut order = world.order(0, 0, 3);
    order.nonce = [7; 16];
    change(&mut order);
    order.encode(&mut [0; Order::MAXIMUM_LENGTH]).unwrap().to_vec()
}

/// The second terminal tells what this card has signed for an order; whose line it is makes no difference to a card whose key somebody has.
fn tell(world: &mut World, card: usize, order: &[u8]) {
    let receipt = world.receipt(card, order);
    let receipt = sign(&receipt, &world.cards[card].signing);
    world.carry(1, order, &receipt);
}

fn tell_undone(world: &mut World, card: usize, order: &[u8]) {
    let reversal = world.reversal(0, order).encode(&mut [0; 512]).unwrap().to_vec();
    let receipt = world.reversal_receipt(card, &reversal);
    let receipt = sign(&receipt, &world.cards[card].signing);
    world.carry(1, &reversal, &receipt);
}

#[test]
fn another_card_takes_no_payment_away_and_accuses_nobody_for_both() {
    let second = World::standard().terminals[1].sequence;
    let cases = worlds(&[
        ("its card alone", &|world| {
            world.refuse(1, 1);
            world.refuse(1, 1);
            let order = lost_order(world, |_| ());
            tell(world, 2, &order);
            world.pay(0, 0, 3);
        }),
        ("another card before", &|world| {
            let order = lost_order(world, |_| ());
            tell(world, 0, &order);
            tell_undone(world, 0, &order);
            tell(world, 2, &order);
            world.pay(0, 0, 3);
        }),
    ]);
    assert_paid_twice(&[("VNT0000002", second + 3)], cases);
    let first = World::standard().terminals[0].sequence;
    let cases = worlds(&[("in the journal, as another card's", &|world| {
        let order = world.order(0, 0, 3);
        let order = world.intent(0, &order);
        let receipt = world.receipt(0, &order);
        let intent = world.terminals[0].sequence;
        world.paid(0, intent, &sign(&receipt, &world.cards[0].signing));
        tell(world, 2, &order);
    })]);
    assert_paid_twice(&[("VNT0000001", first + 2)], cases);
    let cases = worlds(&[
        ("another card for the line", &|world| {
            let order = lost_order(world, |_| ());
            tell(world, 0, &order);
            world.pay(0, 0, 3);
        }),
        ("another card for the line, as its own", &|world| {
            let own = world.cards[0].cso_hash;
            let order = lost_order(world, |order| order.cso_hash = own);
            tell(world, 0, &order);
            world.pay(0, 0, 3);
        }),
        ("another card and a payment by hand", &|world| {
            let number = world.lists[0].lines[2].1.number;
            assert_eq!(number, 3);
            let order = lost_order(world, |_| ());
            tell(world, 0, &order);
            let order = world.order_by_hand(0, 0, 3);
            world.pay_by_hand(0, 2, &order);
        }),
    ]);
    assert_paid_twice(&[], cases);
}

/// The first terminal lies about a line that the second one has paid.
#[test]
fn a_forged_payment_accuses_no_proven_one_for_both() {
    let first = World::standard().terminals[0].sequence;
    let cases = worlds(&[("forged", &|world| {
        let order = world.order(0, 1, 1);
        let order = Order {
            nonce: [7; 16],
            ..order
        };
        let order = world.intent(0, &order);
        let intent = world.terminals[0].sequence;
        let receipt = world.receipt(3, &order);
        world.paid(0, intent, &sign(&receipt, &secret("somebody")));
    })]);
    assert_paid_twice(&[("VNT0000001", first + 2)], cases);
    // A line that the first terminal lists itself, and the second one has paid from a later list.
    let second = World::standard().terminals[1].sequence;
    let forge = |world: &mut World, key: &str| {
        let lines = world.lists[0].lines.clone();
        let lines = lines.into_iter().skip(2).take(1).map(|(card, mut line)| {
            line.number = 1;
            (card, line)
        });
        let list = world.issue_beside(1, &[2], lines.collect());
        world.load_list(1, list);
        let order = world.order(0, 0, 3);
        let order = world.intent(0, &order);
        let intent = world.terminals[0].sequence;
        let mut receipt = world.receipt(2, &order);
        if key == "somebody" {
            world.cards[2].counter = 0;
            world.cards[2].head = world.cards[2].cso_hash;
            receipt.counter = 9;
        }
        world.paid(0, intent, &sign(&receipt, &secret(key)));
        world.pay(1, list, 1);
    };
    let cases = worlds(&[("forged on its own list", &|world| forge(world, "somebody"))]);
    assert_paid_twice(&[("VNT0000001", first + 2)], cases);
    let cases = worlds(&[("genuine", &|world| forge(world, "card 3 signing"))]);
    assert_paid_twice(&[("VNT0000002", second + 3)], cases);
}

/// The first terminal has told that the money of line 3 was not handed over, or what is given, and no more of it: the card tells the second
/// one of its reversal. Then the line is paid `times` more.
fn undone_elsewhere(world: &mut World, by: usize, handed: Option<bool>, times: usize) {
    let order = world.order(0, 0, 3);
    let (intent, order) = world.pay_only(0, 2, &order);
    match handed {
        Some(true) => world.terminals[0].log(Event::Handed { intent }),
        Some(false) => world.not_handed(0, intent),
        None => {}
    }
    tell_undone(world, by, &order);
    (0..times).for_each(|_| world.pay(0, 0, 3));
}

#[test]
fn what_a_card_tells_undone_is_undone_where_its_money_was_not_handed_over_for_both() {
    let honest = worlds(&[("undone", &|world| undone_elsewhere(world, 2, Some(false), 1))]);
    assert_found_by(Finder::Nobody, honest);
    let first = World::standard().terminals[0].sequence;
    let again = worlds(&[("undone once", &|world| undone_elsewhere(world, 2, Some(false), 2))]);
    assert_paid_twice(&[("VNT0000001", first + 8)], again);
    let standing = worlds(&[
        ("handed over", &|world| undone_elsewhere(world, 2, Some(true), 1)),
        ("told by another card", &|world| {
            undone_elsewhere(world, 0, Some(false), 1)
        }),
    ]);
    assert_paid_twice(&[("VNT0000001", first + 5)], standing);
    let untold = worlds(&[("nothing told", &|world| undone_elsewhere(world, 2, None, 1))]);
    assert_paid_twice(&[("VNT0000001", first + 4)], untold);
}

/// A hostile terminal says one thing after the other of the money of line 3, and then its card's receipt of the reversal; then it pays again.
fn reversed_after(world: &mut World, event: impl Fn(u32) -> Event<'static>) {
    let order = world.order(0, 0, 3);
    let (intent, order) = world.pay_only(0, 2, &order);
    let reversal = world.announce_reversal(0, intent, &order);
    world.terminals[0].log(event(intent));
    let receipt = world.reversal_receipt(2, &reversal);
    world.reversed(0, 2, intent, &receipt);
    world.pay(0, 0, 3);
}

#[test]
fn what_the_card_has_reversed_is_undone_unless_its_money_had_left_for_both() {
    let refused = |intent| {
        Event::Refused(Refusal {
            reason: RefusalReason::RefusedByCard,
            card_number: None,
            line_number: None,
            status_word: Some(0x634B),
            closes_intent: Some(intent),
        })
    };
    let cases = worlds(&[("refused before", &|world| reversed_after(world, refused))]);
    assert_found_by(Finder::Both, cases);
    let cases = worlds(&[("refused before", &|world| reversed_after(world, refused))]);
    assert_paid_twice(&[], cases);
    let first = World::standard().terminals[0].sequence;
    let handed = |intent| Event::Handed { intent };
    let cases = worlds(&[("handed over before", &|world| reversed_after(world, handed))]);
    assert_paid_twice(&[("VNT0000001", first + 8)], cases);
}

/// The station has read the reversal from the card, and the ledger filed it beside its receipt.
fn read_back_undone(world: &mut World, order: &[u8], suffix: &str) {
    let reversal = world.reversal(0, order).encode(&mut [0; 512]).unwrap().to_vec();
    let receipt = world.reversal_receipt(2, &reversal);
    let receipt = sign(&receipt, &world.cards[2].signing);
    let receipt = EncodedReceipt::parse(&receipt).unwrap().signed();
    let stem = format!("receipts/{}-{}", world.cards[2].number, receipt.claimed().counter);
    let files = [
        ("signed.bin", receipt.signed_bytes().to_vec()),
        ("sig.der", vectors::der_signature(receipt.signature())),
        (suffix, reversal),
    ];
    for (suffix, content) in files {
        world.files.insert(format!("{stem}.{suffix}"), content);
    }
}

#[test]
fn a_reversal_that_only_the_station_has_read_undoes_for_both() {
    let undo = |world: &mut World, handed: bool| {
        let order = world.order(0, 0, 3);
        let (intent, order) = world.pay_only(0, 2, &order);
        match handed {
            true => world.terminals[0].log(Event::Handed { intent }),
            false => world.not_handed(0, intent),
        }
        read_back_undone(world, &order, "reversal");
        world.pay(0, 0, 3);
        order
    };
    let honest = worlds(&[("read back", &|world| drop(undo(world, false)))]);
    assert_found_by(Finder::Nobody, honest);
    let first = World::standard().terminals[0].sequence;
    let standing = worlds(&[
        ("handed over", &|world| drop(undo(world, true))),
        ("of another receipt", &|world| {
            undo(world, false);
            let files = world.files.iter_mut();
            let mut reversals = files.filter(|(path, _)| path.ends_with(".reversal"));
            // Another nonce: the reversal is whole, and not what the card has signed.
            *reversals.next().unwrap().1.last_mut().unwrap() ^= 1;
        }),
    ]);
    assert_paid_twice(&[("VNT0000001", first + 5)], standing);
}
