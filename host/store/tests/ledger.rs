//! The ledger's promises, with the sqlite3 command as the outside checker.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use ansinh_store::cards::{BlockReason, Card, CardState, Claim};
use ansinh_store::deliveries::{ChipSerial, Delivery};
use ansinh_store::import::{ApprovedLine, ApprovedList, Due, ImportError, ImportMode};
use ansinh_store::issuer_log::{Issuer, NewCertificate, Position, SignedObject};
use ansinh_store::journal::{JournalEntry, Payment};
use ansinh_store::lists::{DueLine, NewPaymentList};
use ansinh_store::people::{Entitlement, Person, Representative};
use ansinh_store::terminals::Terminal;
use ansinh_store::{Store, StoreError};
use tempfile::TempDir;

const ISSUER: Issuer<'static> = Issuer {
    reference: "VNISS7900001",
    certificate_hash: [0xCE; 32],
};

struct Ledger {
    folder: TempDir,
    store: Store,
}

impl Ledger {
    /// A store with so many persons, each due 500,000, and so many blank chips.
    fn new(people: u8, chips: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store.sqlite")).unwrap();
        store.import(&list(1, people), ImportMode::Commit).unwrap();
        let delivery = Delivery {
            name: "2026-11-A".to_owned(),
            key_version: 1,
            check_values: [7; 9],
        };
        store
            .add_delivery(&delivery, &(0..chips).map(chip).collect::<Vec<_>>())
            .unwrap();
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    fn claim(&self, number: u8) -> Card {
        match self
            .store
            .claim_next_person(&chip(number), "reader 0", 79)
            .unwrap()
        {
            Claim::New(card) | Claim::Resumed(card) => card,
            Claim::NobodyWaiting => panic!("nobody is waiting"),
        }
    }

    /// A card with proved keys.
    fn with_keys(&self, number: u8) -> Card {
        let card = self.claim(number);
        self.store.keys_replaced(&card.number).unwrap();
        self.store
            .keys_generated(&card.number, &key(2 * number), &key(2 * number + 1))
            .unwrap();
        card
    }

    fn released(&self, number: u8) -> Card {
        let card = self.with_keys(number);
        self.store
            .release_cso(&card.number, ISSUER, sign(number))
            .unwrap();
        self.store.card(&card.number).unwrap()
    }

    fn active(&self, number: u8) -> Card {
        let card = self.released(number);
        self.store.activated(&card.number).unwrap();
        self.store.card(&card.number).unwrap()
    }

    fn terminal(&self, number: u8) -> String {
        let name = self.store.next_terminal_name().unwrap();
        let terminal = Terminal {
            name: name.clone(),
            agreement_key: key(200 + number),
            journal_key: key(220 + number),
        };
        self.store.add_terminal(&terminal, &[]).unwrap();
        name
    }
}

fn chip(number: u8) -> ChipSerial {
    [number; 10]
}

fn key(number: u8) -> [u8; 65] {
    [number; 65]
}

fn sign(number: u8) -> impl FnOnce(Position) -> Result<SignedObject, StoreError> {
    move |position| {
        let object = [position.sequence.to_be_bytes().as_slice(), &[number]].concat();
        Ok(SignedObject {
            body_hash: hash(&object),
            object,
        })
    }
}

/// Any injective function does for these tests.
fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0x5A; 32];
    hash[..bytes.len()].copy_from_slice(bytes);
    hash
}

fn list(file: u8, people: u8) -> ApprovedList {
    let lines = (0..people)
        .map(|person| approved(person, "BTXH", "1/QĐ", "202611", 500_000))
        .collect();
    ApprovedList {
        file_hash: [file; 32],
        file_name: format!("{file}.csv"),
        lines,
    }
}

fn approved(person: u8, programme: &str, decision: &str, period: &str, amount: u64) -> ApprovedLine {
    ApprovedLine {
        file_line: u64::from(person) + 2,
        person: Person {
            personal_id: format!("0792400000{person:02}"),
            full_name: format!("Nguyễn Thị {person}"),
            birth_date: "19400000".to_owned(),
            sex: 2,
            province: "79".to_owned(),
            commune: "26734".to_owned(),
            pay_point: None,
            social_insurance_number: None,
            health_insurance_code: None,
        },
        representative: None,
        entitlement: Entitlement {
            programme: programme.to_owned(),
            sub_code: None,
            decision: decision.to_owned(),
            decision_date: None,
            decided_by: None,
            month_from: "202501".to_owned(),
            month_to: None,
            active: true,
            monthly_amount: amount,
        },
        period: period.to_owned(),
        method: 1,
        due: vec![Due { line_type: 1, amount }],
    }
}

fn sqlite3(path: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .arg(path)
        .arg(sql)
        .output()
        .expect("sqlite3 is missing: apt-get install sqlite3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn sqlite_itself_finds_the_file_sound_and_complete_after_closing() {
    let ledger = Ledger::new(3, 3);
    ledger.active(0);
    let Ledger { folder, store } = ledger;
    drop(store);
    let copy = folder.path().join("copy.sqlite");
    std::fs::copy(folder.path().join("store.sqlite"), &copy).unwrap();
    assert_eq!(
        sqlite3(
            &copy,
            "PRAGMA integrity_check; PRAGMA foreign_key_check; PRAGMA journal_mode;"
        ),
        "ok\nwal"
    );
    assert_eq!(
        sqlite3(&copy, "SELECT state, count(*) FROM card GROUP BY state"),
        "active|1"
    );
}

#[test]
fn a_store_is_neither_made_twice_nor_opened_where_none_is() {
    let ledger = Ledger::new(1, 1);
    assert!(matches!(
        Store::create(&ledger.path()),
        Err(StoreError::Exists { .. })
    ));
    let nowhere = ledger.folder.path().join("none.sqlite");
    assert!(matches!(Store::open(&nowhere), Err(StoreError::NoStore { .. })));
    assert!(!nowhere.exists());
}

#[test]
fn a_store_may_lie_in_a_folder_of_any_name_and_be_named_from_where_we_are() {
    // Relative to the crate, where cargo runs the tests.
    let folder = tempfile::Builder::new()
        .prefix("sổ cái #1 100%? ")
        .tempdir_in(".")
        .unwrap();
    let relative = PathBuf::from(folder.path().file_name().unwrap()).join("store.sqlite");
    drop(Store::create(&relative).unwrap());
    assert!(folder.path().join("store.sqlite").is_file());
    assert_eq!(Store::open(&relative).unwrap().waiting_persons().unwrap(), 0);
}

#[test]
fn no_person_is_given_to_two_readers_of_two_processes() {
    let ledger = Ledger::new(40, 60);
    // A second pool on the same file is what a second process has.
    let second = Store::open(&ledger.path()).unwrap();
    let claimed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for reader in 0..6_u8 {
            let store = if reader % 2 == 0 { &ledger.store } else { &second };
            let claimed = &claimed;
            scope.spawn(move || {
                for number in reader * 10..reader * 10 + 10 {
                    let claim = store.claim_next_person(&chip(number), "reader", 79).unwrap();
                    if let Claim::New(card) = claim {
                        claimed.lock().unwrap().push(card);
                    }
                }
            });
        }
    });
    let claimed = claimed.into_inner().unwrap();
    assert_eq!(claimed.len(), 40);
    assert_eq!(
        claimed
            .iter()
            .map(|card| card.person)
            .collect::<HashSet<_>>()
            .len(),
        40
    );
    assert_eq!(
        claimed
            .iter()
            .map(|card| card.number)
            .collect::<HashSet<_>>()
            .len(),
        40
    );
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    assert_eq!(ledger.store.blank_cards().unwrap(), 20);
}

#[test]
fn a_claimed_chip_resumes_the_same_card_after_a_crash() {
    let ledger = Ledger::new(2, 2);
    let card = ledger.claim(0);
    ledger
        .store
        .record_step(&card.number, "replace keys", Some(&[1, 2]), "reader 0")
        .unwrap();
    let path = ledger.path();
    // A killed process closes nothing.
    std::mem::forget(ledger.store);
    let store = Store::open(&path).unwrap();
    let Claim::Resumed(resumed) = store.claim_next_person(&chip(0), "reader 9", 79).unwrap() else {
        panic!("not resumed")
    };
    assert_eq!((resumed.number, resumed.person), (card.number, card.person));
    let steps: Vec<_> = store
        .steps(&card.number)
        .unwrap()
        .into_iter()
        .map(|step| (step.step, step.note))
        .collect();
    assert_eq!(
        steps,
        [
            ("claimed".to_owned(), None),
            ("replace keys".to_owned(), Some(vec![1, 2]))
        ]
    );
}

#[test]
fn a_chip_of_no_delivery_is_refused() {
    let ledger = Ledger::new(1, 1);
    let refused = ledger.store.claim_next_person(&chip(9), "reader", 79);
    assert!(matches!(refused, Err(StoreError::NotFound { what: "chip", .. })));
    assert!(matches!(
        ledger.store.delivery_of(&chip(9)),
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(ledger.store.delivery_of(&chip(0)).unwrap().name, "2026-11-A");
}

#[test]
fn with_nobody_waiting_a_chip_stays_blank() {
    let ledger = Ledger::new(1, 2);
    ledger.claim(0);
    assert!(matches!(
        ledger.store.claim_next_person(&chip(1), "reader", 79).unwrap(),
        Claim::NobodyWaiting
    ));
    assert_eq!(ledger.store.blank_cards().unwrap(), 1);
}

#[test]
fn a_delivery_or_chip_is_not_registered_twice() {
    let ledger = Ledger::new(1, 2);
    let again = |name: &str, number| {
        let delivery = Delivery {
            name: name.to_owned(),
            key_version: 1,
            check_values: [7; 9],
        };
        ledger.store.add_delivery(&delivery, &[chip(7), chip(number)])
    };
    assert!(matches!(
        again("2026-11-A", 8),
        Err(StoreError::Exists { what: "delivery", .. })
    ));
    assert!(matches!(
        again("2026-12-A", 1),
        Err(StoreError::Exists { what: "chip", .. })
    ));
    assert_eq!(
        ledger.store.delivery_names().unwrap(),
        ["2026-11-A"],
        "half a delivery was registered"
    );
    assert_eq!(ledger.store.blank_cards().unwrap(), 2);
}

#[test]
fn steps_out_of_order_are_refused() {
    let ledger = Ledger::new(2, 2);
    let card = ledger.claim(0);
    let wrong =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::WrongState { .. })));
    wrong(ledger.store.activated(&card.number));
    wrong(ledger.store.block(&card.number, BlockReason::Lost));
    wrong(ledger.store.release_cso(&card.number, ISSUER, sign(0)).map(drop));
    assert_eq!(
        ledger.store.issuer_log(ISSUER.reference).unwrap(),
        [],
        "a refused CSO used a sequence number"
    );
    let active = ledger.active(1);
    wrong(ledger.store.keys_generated(&active.number, &key(90), &key(91)));
    wrong(ledger.store.give_up(&active.number).map(drop));
    assert_eq!(
        ledger.store.card(&active.number).unwrap().state,
        CardState::Active
    );
}

#[test]
fn repeated_steps_change_nothing() {
    let ledger = Ledger::new(1, 1);
    let card = ledger.active(0);
    ledger.store.keys_replaced(&card.number).unwrap();
    ledger
        .store
        .keys_generated(&card.number, &key(0), &key(1))
        .unwrap();
    ledger.store.activated(&card.number).unwrap();
    let again = ledger
        .store
        .release_cso(&card.number, ISSUER, |_| Err(StoreError::Random))
        .unwrap();
    assert_eq!(Some(again), card.cso);
    assert_eq!(ledger.store.issuer_log(ISSUER.reference).unwrap().len(), 1);
}

#[test]
fn a_public_key_seen_before_is_refused_in_either_role() {
    let ledger = Ledger::new(2, 2);
    ledger.with_keys(0);
    let card = ledger.claim(1);
    ledger.store.keys_replaced(&card.number).unwrap();
    for (agreement, signing) in [(0, 50), (50, 1), (1, 50), (50, 0), (50, 50)] {
        let refused = ledger
            .store
            .keys_generated(&card.number, &key(agreement), &key(signing));
        assert!(
            matches!(refused, Err(StoreError::KeySeenBefore { .. })),
            "{agreement} {signing}"
        );
    }
    ledger
        .store
        .keys_generated(&card.number, &key(50), &key(51))
        .unwrap();
}

#[test]
fn who_died_or_is_entitled_to_nothing_waits_for_no_card() {
    for (reason, waits) in [
        (BlockReason::Lost, true),
        (BlockReason::Stolen, true),
        (BlockReason::Deceased, false),
        (BlockReason::Ended, false),
    ] {
        let ledger = Ledger::new(1, 2);
        let card = ledger.active(0);
        ledger.store.block(&card.number, reason).unwrap();
        assert_eq!(
            ledger.store.waiting_persons().unwrap(),
            u64::from(waits),
            "{reason:?}"
        );
        let claim = ledger.store.claim_next_person(&chip(1), "reader 0", 79).unwrap();
        assert_eq!(matches!(claim, Claim::New(_)), waits, "{reason:?}");
    }
}

#[test]
fn who_lost_a_card_and_died_waits_no_more() {
    let ledger = Ledger::new(1, 2);
    let card = ledger.active(0);
    ledger.store.block(&card.number, BlockReason::Lost).unwrap();
    assert_eq!(ledger.store.waiting_persons().unwrap(), 1);
    ledger.store.block(&card.number, BlockReason::Deceased).unwrap();
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    // Nothing brings the person back.
    for reason in [BlockReason::Stolen, BlockReason::Ended] {
        ledger.store.block(&card.number, reason).unwrap();
        let blocked = sqlite3(&ledger.path(), "SELECT reason FROM block");
        assert_eq!(blocked, "4", "{reason:?}");
    }
}

#[test]
fn an_unfinished_card_without_a_cso_is_abandoned_and_its_person_waits_again() {
    let ledger = Ledger::new(1, 2);
    let card = ledger.with_keys(0);
    assert_eq!(ledger.store.give_up(&card.number).unwrap(), CardState::Abandoned);
    assert_eq!(sqlite3(&ledger.path(), "SELECT count(*) FROM block"), "0");
    assert!(matches!(
        ledger.store.claim_next_person(&chip(0), "reader", 79),
        Err(StoreError::WrongState { .. })
    ));
    let second = ledger.claim(1);
    assert_eq!(second.person, card.person);
    assert_ne!(second.number, card.number);
}

#[test]
fn an_unfinished_card_with_a_cso_is_blocked_in_the_same_step() {
    let ledger = Ledger::new(1, 2);
    let card = ledger.released(0);
    assert_eq!(ledger.store.give_up(&card.number).unwrap(), CardState::Blocked);
    assert_eq!(
        sqlite3(&ledger.path(), "SELECT card, reason FROM block"),
        format!("{}|6", card.number)
    );
    let second = ledger.active(1);
    assert_eq!(second.person, card.person);
}

#[test]
fn the_database_itself_refuses_a_second_live_card() {
    let ledger = Ledger::new(1, 2);
    ledger.claim(0);
    let sql =
        "PRAGMA foreign_keys = ON; INSERT INTO card (number, person, chip_serial, version, state, planned_at)
               SELECT '7900000000000099', person, '01010101010101010101', 1, 'planned', '' FROM card";
    let output = Command::new("sqlite3")
        .arg(ledger.path())
        .arg(sql)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("UNIQUE constraint failed"));
}

#[test]
fn what_an_issuer_signs_is_one_chain_without_gaps() {
    let ledger = Ledger::new(3, 3);
    ledger.released(0);
    let card = ledger.with_keys(1);
    let failed = ledger
        .store
        .release_cso(&card.number, ISSUER, |_| Err(StoreError::Random));
    assert!(matches!(failed, Err(StoreError::Random)));
    ledger.released(2);
    ledger.store.release_cso(&card.number, ISSUER, sign(1)).unwrap();
    let log = ledger.store.issuer_log(ISSUER.reference).unwrap();
    let mut previous = ISSUER.certificate_hash;
    for (entry, sequence) in log.iter().zip(1..) {
        assert_eq!(
            entry.position,
            Position {
                sequence,
                previous_hash: previous
            }
        );
        previous = entry.signed.body_hash;
    }
    assert_eq!(log.len(), 3);
}

#[test]
fn a_certificate_keeps_its_name() {
    let ledger = Ledger::new(1, 1);
    ledger
        .store
        .add_certificate("VNROOT00001", "VNROOT00001", &[1])
        .unwrap();
    ledger
        .store
        .add_certificate("VNROOT00001", "VNROOT00001", &[1])
        .unwrap();
    let other = ledger.store.add_certificate("VNROOT00001", "VNROOT00001", &[2]);
    assert!(matches!(other, Err(StoreError::Exists { .. })));
    assert_eq!(ledger.store.certificate("VNROOT00001").unwrap(), [1]);
    assert!(matches!(
        ledger.store.certificate("VNTCA00001"),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let ledger = Ledger::new(3, 1);
    let again = ledger.store.import(&list(1, 3), ImportMode::Commit).unwrap();
    assert!(again.known_file);
    assert_eq!((again.new_persons, again.new_lines), (0, 0));
    assert_eq!(
        sqlite3(
            &ledger.path(),
            "SELECT count(*) FROM import; SELECT count(*) FROM payment_line"
        ),
        "1\n3"
    );
}

#[test]
fn a_rehearsal_counts_and_changes_nothing() {
    let ledger = Ledger::new(2, 1);
    let counts = ledger.store.import(&list(2, 5), ImportMode::Rehearse).unwrap();
    assert_eq!(
        (counts.new_persons, counts.new_lines, counts.carried_lines),
        (3, 3, 2)
    );
    assert_eq!(counts.new_amount, 1_500_000);
    assert_eq!(sqlite3(&ledger.path(), "SELECT count(*) FROM person"), "2");
}

#[test]
fn a_carried_line_keeps_its_key_and_a_changed_amount_is_refused() {
    let ledger = Ledger::new(2, 1);
    let carried = ledger.store.import(&list(2, 2), ImportMode::Commit).unwrap();
    assert_eq!((carried.new_lines, carried.carried_lines), (0, 2));
    let mut changed = list(3, 3);
    changed.lines[1].due[0].amount += 1;
    let Err(ImportError::Contradictions(found)) = ledger.store.import(&changed, ImportMode::Commit) else {
        panic!("not refused")
    };
    assert_eq!(
        found
            .iter()
            .map(|wrong| (wrong.file_line, wrong.column))
            .collect::<Vec<_>>(),
        [(3, "so_tien_thang")]
    );
    assert_eq!(
        sqlite3(
            &ledger.path(),
            "SELECT count(*) FROM person; SELECT count(*) FROM import"
        ),
        "2\n2"
    );
}

#[test]
fn a_known_line_does_not_change_its_payment_method() {
    let ledger = Ledger::new(1, 1);
    let mut list = list(2, 1);
    list.lines[0].method = 3;
    let refused = ledger.store.import(&list, ImportMode::Commit);
    let Err(ImportError::Contradictions(found)) = refused else {
        panic!("a line was turned from cash to bank")
    };
    let columns: Vec<_> = found.iter().map(|wrong| wrong.column).collect();
    assert_eq!(columns, ["phuong_thuc_chi_tra"]);
}

#[test]
fn the_same_month_under_another_decision_is_refused_but_arrears_are_not() {
    let ledger = Ledger::new(1, 1);
    let mut second = approved(0, "BTXH", "2/QĐ", "202611", 300_000);
    let import = |file: u8, line: &ApprovedLine| {
        let list = ApprovedList {
            file_hash: [file; 32],
            file_name: String::new(),
            lines: vec![line.clone()],
        };
        ledger.store.import(&list, ImportMode::Commit)
    };
    assert!(matches!(import(2, &second), Err(ImportError::Contradictions(found)) if found.len() == 1));
    second.due[0].line_type = 2;
    assert_eq!(import(3, &second).unwrap().new_lines, 1);
    let third = ApprovedLine {
        entitlement: Entitlement {
            decision: "3/QĐ".to_owned(),
            ..second.entitlement.clone()
        },
        ..second
    };
    assert_eq!(import(4, &third).unwrap().new_lines, 1);
    assert_eq!(
        sqlite3(&ledger.path(), "SELECT number FROM entitlement ORDER BY number"),
        "1\n2\n3"
    );
}

#[test]
fn personal_data_that_a_card_holds_do_not_change_by_an_import() {
    let ledger = Ledger::new(1, 1);
    let mut list = list(2, 1);
    list.lines[0].person.full_name = "Nguyễn Thị Khác".to_owned();
    list.lines[0].person.birth_date = "19410000".to_owned();
    let Err(ImportError::Contradictions(found)) = ledger.store.import(&list, ImportMode::Commit) else {
        panic!("not refused")
    };
    assert_eq!(
        found.iter().map(|wrong| wrong.column).collect::<HashSet<_>>(),
        ["ho_ten", "ngay_sinh"].into()
    );
}

/// Makes the next list of a terminal from everything that is due.
fn next_list(store: &Store, terminal: &str) -> Vec<DueLine> {
    let mut listed = Vec::new();
    store
        .add_payment_list(terminal, "20261101", ISSUER, |due, number, position| {
            listed.clone_from(&due);
            let object = [b"list".as_slice(), &position.sequence.to_be_bytes()].concat();
            let header = SignedObject {
                body_hash: hash(&object),
                object,
            };
            Ok::<_, StoreError>(NewPaymentList {
                header,
                list_id: number.to_string(),
                root: [1; 32],
                lines: due.into_iter().map(|line| (line, vec![1])).collect(),
            })
        })
        .unwrap();
    listed
}

fn entry(sequence: u32, mark: u8, payment: Option<Payment>) -> JournalEntry {
    let hash = hash(&[sequence.to_be_bytes().as_slice(), &[mark]].concat());
    JournalEntry {
        sequence,
        hash,
        entry: vec![mark],
        payment,
    }
}

fn payment(line: &DueLine, intent: u32, counter: u32) -> Payment {
    Payment {
        intent,
        key: line.key.clone(),
        amount: line.amount,
        card: line.card,
        card_counter: counter,
        paid_at: "20261122090000".to_owned(),
    }
}

#[test]
fn only_active_cards_unpaid_cash_lines_and_one_terminal_are_due() {
    let ledger = Ledger::new(3, 3);
    ledger.active(0);
    ledger.released(1);
    let (first, second) = (ledger.terminal(0), ledger.terminal(1));
    let due = next_list(&ledger.store, &first);
    assert_eq!(due.len(), 1);
    assert_eq!(
        next_list(&ledger.store, &second),
        [],
        "one line on the lists of two terminals"
    );
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    assert_eq!(ledger.store.ingest(&first, &entries).unwrap().booked, 1);
    assert_eq!(next_list(&ledger.store, &first), [], "a paid line is due again");
    assert_eq!(ledger.store.payment_lists().unwrap().len(), 3);
}

#[test]
fn a_line_listed_for_a_lost_card_is_never_listed_for_its_replacement() {
    let ledger = Ledger::new(1, 2);
    let lost = ledger.active(0);
    let (first, second) = (ledger.terminal(0), ledger.terminal(1));
    assert_eq!(next_list(&ledger.store, &first).len(), 1);
    assert_eq!(ledger.store.lines_of_earlier_cards().unwrap(), 0);
    // The terminal paid it and was not synchronised; then the card was lost and replaced.
    ledger.store.block(&lost.number, BlockReason::Lost).unwrap();
    let replacement = ledger.active(1);
    assert_eq!(replacement.person, lost.person);
    for terminal in [&first, &second] {
        assert_eq!(next_list(&ledger.store, terminal), [], "{terminal}");
    }
    assert_eq!(ledger.store.lines_of_earlier_cards().unwrap(), 1);
    // What was on no list is due on the new card.
    let december = ApprovedList {
        file_hash: [2; 32],
        file_name: "12.csv".to_owned(),
        lines: vec![approved(0, "BTXH", "1/QĐ", "202612", 500_000)],
    };
    ledger.store.import(&december, ImportMode::Commit).unwrap();
    let due = next_list(&ledger.store, &first);
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].card, due[0].key.period.as_str()),
        (replacement.number, "202612")
    );
}

#[test]
fn lists_made_at_once_for_many_terminals_share_no_line() {
    let ledger = Ledger::new(6, 6);
    for number in 0..6 {
        ledger.active(number);
    }
    let terminals = [0, 1, 2, 3].map(|number| ledger.terminal(number));
    let second = Store::open(&ledger.path()).unwrap();
    let listed: Vec<Vec<DueLine>> = thread::scope(|scope| {
        let made = terminals.each_ref().map(|terminal| {
            let store = if terminal == &terminals[0] {
                &second
            } else {
                &ledger.store
            };
            scope.spawn(move || next_list(store, terminal))
        });
        made.into_iter().map(|list| list.join().unwrap()).collect()
    });
    let lines: Vec<_> = listed.iter().flatten().map(|line| line.key.clone()).collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines.iter().collect::<HashSet<_>>().len(), 6);
}

#[test]
fn an_authorization_that_ended_before_the_list_begins_gives_nobody_the_money() {
    for (valid_to, counts) in [("20261031", false), ("20261101", true)] {
        let ledger = Ledger::new(0, 1);
        let mut list = list(1, 1);
        list.lines[0].representative = Some(Representative {
            personal_id: "079240000099".to_owned(),
            full_name: "Trần Văn B".to_owned(),
            relation: "02".to_owned(),
            document: None,
            valid_to: valid_to.to_owned(),
        });
        list.file_hash = [9; 32];
        ledger.store.import(&list, ImportMode::Commit).unwrap();
        ledger.active(0);
        let terminal = ledger.terminal(0);
        assert_eq!(
            next_list(&ledger.store, &terminal)[0].has_representative,
            counts,
            "{valid_to}"
        );
    }
}

#[test]
fn a_second_payment_of_a_line_is_kept_as_evidence_and_not_booked() {
    let ledger = Ledger::new(1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = next_list(&ledger.store, &terminal);
    let entries = [
        entry(1, 1, None),
        entry(2, 2, Some(payment(&due[0], 1, 1))),
        entry(3, 3, None),
        entry(4, 4, Some(payment(&due[0], 3, 2))),
    ];
    let result = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!((result.stored, result.booked, result.paid_twice), (4, 1, vec![3]));
    assert_eq!(ledger.store.journal(&terminal).unwrap().len(), 4);
    assert_eq!(ledger.store.payments().unwrap().len(), 1);
    let subjects: Vec<_> = ledger
        .store
        .operations()
        .unwrap()
        .into_iter()
        .map(|operation| operation.subject)
        .collect();
    assert_eq!(subjects, [format!("{terminal}-3")]);
}

#[test]
fn ingesting_the_same_entries_again_books_nothing() {
    let ledger = Ledger::new(1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = next_list(&ledger.store, &terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    ledger.store.ingest(&terminal, &entries).unwrap();
    let again = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!(
        (again.stored, again.known, again.booked, again.paid_twice.len()),
        (0, 2, 0, 0)
    );
}

#[test]
fn a_journal_takes_neither_gaps_nor_two_entries_under_one_number() {
    let ledger = Ledger::new(1, 1);
    let terminal = ledger.terminal(0);
    ledger
        .store
        .ingest(&terminal, &[entry(1, 1, None), entry(2, 2, None)])
        .unwrap();
    for wrong in [
        vec![entry(2, 9, None)],
        vec![entry(4, 4, None)],
        vec![entry(3, 3, None), entry(5, 5, None)],
    ] {
        let refused = ledger.store.ingest(&terminal, &wrong);
        assert!(matches!(refused, Err(StoreError::Equivocation { .. })));
    }
    assert_eq!(
        ledger.store.journal_head(&terminal).unwrap().unwrap().sequence,
        2,
        "part of a refused batch was kept"
    );
    assert!(matches!(
        ledger.store.ingest("VNT9999999", &[]),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn an_acknowledgement_covers_what_is_committed_and_is_made_once() {
    let ledger = Ledger::new(1, 1);
    let terminal = ledger.terminal(0);
    let nothing = ledger
        .store
        .acknowledge(&terminal, |_| Ok::<_, StoreError>(vec![]));
    assert!(matches!(nothing, Err(StoreError::NotFound { .. })));
    ledger.store.ingest(&terminal, &[entry(1, 1, None)]).unwrap();
    let first = ledger
        .store
        .acknowledge(&terminal, |head| Ok::<_, StoreError>(head.hash.to_vec()))
        .unwrap();
    let again = ledger
        .store
        .acknowledge(&terminal, |_| Err(StoreError::Random))
        .unwrap();
    assert_eq!((first.sequence, &first), (1, &again));
    assert_eq!(ledger.store.acknowledgements().unwrap(), [first]);
}

#[test]
fn a_terminals_name_and_keys_are_bound_for_ever() {
    let ledger = Ledger::new(1, 1);
    let name = ledger.terminal(0);
    let terminal = ledger.store.terminal(&name).unwrap();
    ledger.store.add_terminal(&terminal, &[]).unwrap();
    let other_keys = Terminal {
        agreement_key: key(99),
        ..terminal.clone()
    };
    let other_name = Terminal {
        name: "VNT0000099".to_owned(),
        ..terminal
    };
    for wrong in [other_keys, other_name] {
        assert!(matches!(
            ledger.store.add_terminal(&wrong, &[]),
            Err(StoreError::Exists { .. })
        ));
    }
    assert_ne!(ledger.store.next_terminal_name().unwrap(), name);
}

#[test]
fn a_terminal_is_registered_with_its_certificates_or_not_at_all() {
    let ledger = Ledger::new(1, 1);
    ledger
        .store
        .add_certificate("VNT0000001J00001", "VNTCA00001", &[1])
        .unwrap();
    let terminal = Terminal {
        name: "VNT0000001".to_owned(),
        agreement_key: key(200),
        journal_key: key(201),
    };
    let certificates = ["VNT0000001A00001", "VNT0000001J00001"].map(|holder| NewCertificate {
        holder,
        authority: "VNTCA00001",
        object: &[2],
    });
    assert!(matches!(
        ledger.store.add_terminal(&terminal, &certificates),
        Err(StoreError::Exists { .. })
    ));
    assert!(ledger.store.terminals().unwrap().is_empty());
    assert_eq!(ledger.store.certificates().unwrap().len(), 1);
    ledger.store.add_terminal(&terminal, &certificates[..1]).unwrap();
    assert_eq!(ledger.store.certificates().unwrap().len(), 2);
}

#[test]
fn a_block_list_holds_every_blocked_card_and_its_numbers_rise() {
    let ledger = Ledger::new(3, 3);
    let (first, second) = (ledger.active(0), ledger.active(1));
    ledger.store.block(&second.number, BlockReason::Stolen).unwrap();
    ledger.store.block(&first.number, BlockReason::Lost).unwrap();
    ledger.store.block(&first.number, BlockReason::Stolen).unwrap();
    let make = |_: u32, position: Position, blocked: &[(card_spec::values::CardNumber, u8)]| {
        assert_eq!(blocked, [(first.number, 1), (second.number, 2)]);
        let object = [b"block".as_slice(), &position.sequence.to_be_bytes()].concat();
        Ok::<_, StoreError>((
            SignedObject {
                body_hash: hash(&object),
                object,
            },
            vec![9],
        ))
    };
    ledger.store.add_block_list(ISSUER, make).unwrap();
    ledger.store.add_block_list(ISSUER, make).unwrap();
    let numbers: Vec<_> = ledger
        .store
        .block_lists()
        .unwrap()
        .into_iter()
        .map(|list| list.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
}
