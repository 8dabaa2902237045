//! What becomes of cards, blanks and people after issuance.

use ansinh_store::StoreError;
use ansinh_store::cards::{BlockReason, CardState, Claim};
use ansinh_store::handover::Handover;
use ansinh_store::journal::Meaning;
use ansinh_store::life::Death;
use ansinh_store::numbers::NumberScheme;
use ansinh_store::stock::WriteOff;

use crate::fixture::*;

on_each_engine!(
    a_replaced_card_is_blocked_and_its_person_gets_one_other,
    a_card_is_replaced_for_a_reason_after_which_there_is_another,
    a_found_card_lives_again_unless_there_is_another,
    the_dead_get_no_card_and_lose_the_one_they_have,
    a_line_moves_to_the_replacement_when_the_terminal_has_shown_that_it_cannot_pay_it,
    a_terminal_that_names_a_list_of_another_gives_no_line_away,
    every_blank_is_accounted_for,
    a_card_is_handed_over_once,
    a_renumbered_person_stays_who_they_are,
    records_of_one_person_are_merged_only_when_nothing_hangs_on_the_second,
    social_security_numbers_are_given_once,
);

const UNTIL: &str = "20991231";

fn a_replaced_card_is_blocked_and_its_person_gets_one_other(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    let old = ledger.active(0);
    let batch = ledger
        .store
        .replace_card(&ledger.officer, &old.number, BlockReason::Lost, UNTIL)
        .unwrap();
    assert_eq!(
        (batch.persons, batch.quota, batch.drafted_by.as_str()),
        (1, 1, "officer")
    );
    assert_eq!(ledger.store.card(&old.number).unwrap().state, CardState::Blocked);
    let nobody = ledger
        .store
        .claim_next_person(&ledger.officer, &chip(1), "reader", 79);
    assert!(
        matches!(nobody, Ok(Claim::NobodyWaiting)),
        "without approval: {nobody:?}"
    );
    ledger
        .store
        .approve_batch(&ledger.approver, batch.number)
        .unwrap();
    let new = ledger.active(1);
    assert_eq!(new.person, old.person);
    assert_ne!(new.number, old.number);
    let again = ledger
        .store
        .replace_card(&ledger.officer, &old.number, BlockReason::Lost, UNTIL);
    assert!(matches!(again, Err(StoreError::WrongState { .. })), "{again:?}");
}

fn a_card_is_replaced_for_a_reason_after_which_there_is_another(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let card = ledger.active(0);
    for reason in [
        BlockReason::Deceased,
        BlockReason::Ended,
        BlockReason::IssuanceFailed,
    ] {
        let refused = ledger
            .store
            .replace_card(&ledger.officer, &card.number, reason, UNTIL);
        assert!(
            matches!(refused, Err(StoreError::OutOfRange(_))),
            "{reason:?}: {refused:?}"
        );
    }
    // The block is undone with the draft that could not be made.
    let past = ledger
        .store
        .replace_card(&ledger.officer, &card.number, BlockReason::Lost, "20200101");
    assert!(matches!(past, Err(StoreError::OutOfRange(_))), "{past:?}");
    let by_approver = ledger
        .store
        .replace_card(&ledger.approver, &card.number, BlockReason::Lost, UNTIL);
    assert!(
        matches!(by_approver, Err(StoreError::NotAllowed { .. })),
        "{by_approver:?}"
    );
    assert_eq!(ledger.store.card(&card.number).unwrap().state, CardState::Active);
}

fn a_found_card_lives_again_unless_there_is_another(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 3);
    let card = ledger.active(0);
    let unblock = || ledger.store.unblock_card(&ledger.approver, &card.number);
    assert!(
        matches!(unblock(), Err(StoreError::WrongState { .. })),
        "an active card"
    );
    ledger
        .store
        .block(&ledger.officer, &card.number, BlockReason::Lost)
        .unwrap();
    let by_officer = ledger
        .store
        .authenticate(&ledger.store.renew_token(&ledger.approver, "approver").unwrap());
    assert!(by_officer.is_ok());
    unblock().unwrap();
    assert_eq!(ledger.store.card(&card.number).unwrap().state, CardState::Active);
    assert_eq!(ledger.sql("SELECT count(*) FROM block"), "0");
    // With another card on its way or in hand the old one stays blocked.
    let batch = ledger
        .store
        .replace_card(&ledger.officer, &card.number, BlockReason::Stolen, UNTIL)
        .unwrap();
    ledger
        .store
        .approve_batch(&ledger.approver, batch.number)
        .unwrap();
    let planned = ledger.claim(1);
    assert!(matches!(unblock(), Err(StoreError::Exists { .. })));
    ledger.store.give_up(&ledger.officer, &planned.number).unwrap();
    // Damaged, or its holder dead: never.
    unblock().unwrap();
    ledger
        .store
        .block(&ledger.officer, &card.number, BlockReason::Ended)
        .unwrap();
    assert!(matches!(unblock(), Err(StoreError::WrongState { .. })));
}

fn the_dead_get_no_card_and_lose_the_one_they_have(engine: Engine) {
    let ledger = Ledger::new(engine, 4, 4);
    let active = ledger.active(0);
    let released = ledger.released(1);
    let planned = ledger.claim(2);
    let deaths: Vec<_> = (0..4)
        .map(|person| Death {
            personal_id: approved(person, "BTXH", "1/QĐ", "202611", 1).person.personal_id,
            died_on: "20261101".to_owned(),
        })
        .chain([Death {
            personal_id: "001000000000".to_owned(),
            died_on: "20261101".to_owned(),
        }])
        .collect();
    let result = ledger.store.record_deaths(&ledger.officer, &deaths).unwrap();
    assert_eq!((result.recorded, result.known, result.strangers), (4, 0, 1));
    assert_eq!(result.blocked, [active.number, released.number]);
    assert_eq!(result.given_up, [planned.number]);
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    let nobody = ledger
        .store
        .claim_next_person(&ledger.officer, &chip(3), "reader", 79);
    assert!(matches!(nobody, Ok(Claim::NobodyWaiting)), "{nobody:?}");
    let again = ledger.store.record_deaths(&ledger.officer, &deaths).unwrap();
    assert_eq!((again.recorded, again.known, again.blocked.len()), (0, 4, 0));
    assert_eq!(ledger.sql("SELECT DISTINCT reason FROM block"), "4");
    assert!(
        ledger
            .store
            .stock()
            .unwrap()
            .iter()
            .all(|stock| stock.unaccounted() == 0)
    );
}

/// DATA.md 3.4.
fn a_line_moves_to_the_replacement_when_the_terminal_has_shown_that_it_cannot_pay_it(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 3);
    let (lost, kept) = (ledger.active(0), ledger.active(1));
    let terminal = ledger.terminal(0);
    let first = ledger.next_list(&terminal);
    let line = first
        .iter()
        .find(|line| line.card == lost.number)
        .unwrap()
        .clone();
    let batch = ledger
        .store
        .replace_card(&ledger.officer, &lost.number, BlockReason::Lost, UNTIL)
        .unwrap();
    ledger
        .store
        .approve_batch(&ledger.approver, batch.number)
        .unwrap();
    let new = ledger.active(2);
    let of_new = |ledger: &Ledger| {
        ledger
            .next_list(&terminal)
            .iter()
            .any(|line| line.card == new.number)
    };
    let loaded = |number: i64| Meaning::ListLoaded {
        number: u32::try_from(number).unwrap(),
        header: ledger.list_header(number),
    };
    let ingest = |sequence: u32, meaning: Meaning| {
        let entry = with_meaning(sequence, meaning);
        ledger.store.ingest(&terminal, &[entry]).unwrap();
    };
    assert!(!of_new(&ledger), "list 2: nothing was heard of the terminal");
    ingest(1, loaded(1));
    assert!(!of_new(&ledger), "list 3: the list with the line is in force");
    // An order for the old card was open when the terminal loaded a list without the line.
    ingest(2, Meaning::Intent(line.key.clone()));
    ingest(3, loaded(2));
    assert!(!of_new(&ledger), "list 4: the order may have been paid");
    ingest(4, Meaning::Refused { intent: 2 });
    let list = ledger.next_list(&terminal);
    assert!(
        list.iter()
            .any(|due| due.card == new.number && due.key == line.key)
    );
    assert!(
        list.iter().any(|line| line.card == kept.number),
        "the other one is still due"
    );
    assert_eq!(ledger.store.lines_of_earlier_cards().unwrap(), 0);
    // And back it never goes: now the new card's list holds it.
    let other = ledger.terminal(1);
    assert!(!ledger.next_list(&other).iter().any(|due| due.key == line.key));
}

fn a_terminal_that_names_a_list_of_another_gives_no_line_away(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let (first, second) = (ledger.terminal(0), ledger.terminal(1));
    assert_eq!(ledger.next_list(&first).len(), 1);
    ledger.next_list(&second);
    let header = ledger.list_header(2);
    for (sequence, number, header) in [(1, 2, header), (2, 7, header), (3, 1, header), (4, 2, [0; 32])] {
        let entry = with_meaning(sequence, Meaning::ListLoaded { number, header });
        ledger.store.ingest(&first, &[entry]).unwrap();
        assert_eq!(ledger.next_list(&second), [], "entry {sequence}");
    }
}

fn every_blank_is_accounted_for(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 7);
    ledger.active(0);
    ledger.claim(1);
    let given_up = ledger.released(2);
    ledger.store.give_up(&ledger.officer, &given_up.number).unwrap();
    let write_off = |number, reason| {
        ledger
            .store
            .write_off_blank(&ledger.officer, &chip(number), reason)
    };
    write_off(3, WriteOff::Spoilt).unwrap();
    write_off(4, WriteOff::Missing).unwrap();
    for (number, what) in [
        (0, "a card"),
        (1, "a card in work"),
        (2, "a spoilt one"),
        (3, "one written off"),
    ] {
        let refused = write_off(number, WriteOff::Returned);
        assert!(
            matches!(refused, Err(StoreError::WrongState { .. })),
            "{what}: {refused:?}"
        );
    }
    assert!(matches!(
        write_off(99, WriteOff::Spoilt),
        Err(StoreError::NotFound { .. })
    ));
    let by_approver = ledger
        .store
        .write_off_blank(&ledger.approver, &chip(5), WriteOff::Spoilt);
    assert!(matches!(by_approver, Err(StoreError::NotAllowed { .. })));
    let claimed = ledger
        .store
        .claim_next_person(&ledger.officer, &chip(4), "reader", 79);
    assert!(
        matches!(claimed, Err(StoreError::WrongState { .. })),
        "a missing blank turned up: {claimed:?}"
    );
    let stock = &ledger.store.stock().unwrap()[0];
    let counts = [
        stock.received,
        stock.blank,
        stock.in_work,
        stock.issued,
        stock.spoilt_in_issuance,
        stock.written_off,
    ];
    assert_eq!(counts, [7, 2, 1, 1, 1, 2]);
    assert_eq!(stock.unaccounted(), 0);
    ledger.sql("UPDATE blank SET state = 'spoilt' WHERE state = 'blank'");
    assert_eq!(
        ledger.store.stock().unwrap()[0].unaccounted(),
        2,
        "spoilt without a reason"
    );
}

fn a_card_is_handed_over_once(engine: Engine) {
    use Handover::{Dispatched, ToHolder, ToRepresentative, Undelivered};
    let ledger = Ledger::new(engine, 2, 2);
    let card = ledger.active(0).number;
    let unfinished = ledger.claim(1).number;
    let record = |event| {
        ledger
            .store
            .record_handover(&ledger.officer, &card, event, Some("BD-26734"))
    };
    let refused = |event| matches!(record(event), Err(StoreError::WrongState { .. }));
    assert!(refused(Undelivered), "it never left");
    record(Dispatched).unwrap();
    assert!(refused(Dispatched));
    let waiting = ledger.store.not_handed_over().unwrap();
    assert_eq!(
        (waiting.len(), waiting[0].last, waiting[0].place.as_deref()),
        (1, Some(Dispatched), Some("BD-26734"))
    );
    record(Undelivered).unwrap();
    assert!(refused(Undelivered));
    record(Dispatched).unwrap();
    record(ToRepresentative).unwrap();
    for event in [Dispatched, ToHolder, ToRepresentative, Undelivered] {
        assert!(refused(event), "{event:?} after it was handed over");
    }
    assert_eq!(ledger.store.not_handed_over().unwrap(), []);
    let unready = ledger
        .store
        .record_handover(&ledger.officer, &unfinished, ToHolder, None);
    assert!(
        matches!(unready, Err(StoreError::WrongState { .. })),
        "{unready:?}"
    );
    let by_approver = ledger
        .store
        .record_handover(&ledger.approver, &card, ToHolder, None);
    assert!(matches!(by_approver, Err(StoreError::NotAllowed { .. })));
}

fn personal_id(person: u8) -> String {
    approved(person, "BTXH", "1/QĐ", "202611", 1).person.personal_id
}

fn a_renumbered_person_stays_who_they_are(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 1);
    let card = ledger.active(0);
    let (old, other, new) = (personal_id(0), personal_id(1), "001099999999");
    let change = |old: &str, new: &str| ledger.store.change_personal_id(&ledger.approver, old, new);
    change(&old, new).unwrap();
    change(&old, new).unwrap();
    assert_eq!(ledger.store.holder(&card.person).unwrap().person.personal_id, new);
    for number in [old.as_str(), new] {
        assert_eq!(
            ledger.store.person_by_number(number).unwrap(),
            Some(card.person),
            "{number}"
        );
    }
    assert!(
        matches!(change(new, &other), Err(StoreError::Exists { .. })),
        "another one's number"
    );
    assert!(
        matches!(change(&other, &old), Err(StoreError::Exists { .. })),
        "a number that was another one's"
    );
    assert!(matches!(
        change("001000000000", "001000000001"),
        Err(StoreError::NotFound { .. })
    ));
    for wrong in ["", "12345678901", "1234567890123", "00109999999a"] {
        assert!(
            matches!(change(new, wrong), Err(StoreError::OutOfRange(_))),
            "{wrong:?}"
        );
    }
    change(new, &old).unwrap();
    assert_eq!(ledger.store.holder(&card.person).unwrap().person.personal_id, old);
    assert_eq!(ledger.store.person_by_number(new).unwrap(), Some(card.person));
    let eve = [ansinh_store::operators::Role::Operator].into_iter().collect();
    let eve = ledger.store.add_operator(&ledger.officer, "eve", eve).unwrap();
    let eve = ledger.store.authenticate(&eve).unwrap();
    let refused = ledger.store.change_personal_id(&eve, &old, new);
    assert!(
        matches!(refused, Err(StoreError::NotAllowed { .. })),
        "{refused:?}"
    );
}

fn records_of_one_person_are_merged_only_when_nothing_hangs_on_the_second(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let card = ledger.active(0);
    let (kept, duplicate) = (personal_id(0), personal_id(1));
    let merge = || ledger.store.merge_persons(&ledger.approver, &kept, &duplicate);
    assert!(
        matches!(merge(), Err(StoreError::WrongState { .. })),
        "it is due money"
    );
    ledger.sql("DELETE FROM payment_line WHERE person <> (SELECT person FROM card)");
    let begun = ledger.claim(1);
    assert!(
        matches!(merge(), Err(StoreError::WrongState { .. })),
        "its card is being made"
    );
    ledger.store.give_up(&ledger.officer, &begun.number).unwrap();
    merge().unwrap();
    merge().unwrap();
    assert_eq!(
        ledger.store.person_by_number(&duplicate).unwrap(),
        Some(card.person)
    );
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    let unknown = ledger
        .store
        .merge_persons(&ledger.approver, &kept, "001000000000");
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
}

fn social_security_numbers_are_given_once(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 3);
    let persons = [0, 1, 2].map(|number| ledger.claim(number).person);
    let number = |person: usize| {
        ledger
            .store
            .social_security_number(&ledger.officer, &persons[person])
    };
    assert_eq!(number(0).unwrap(), personal_id(0));
    let serial = NumberScheme::Serial {
        prefix: "AS".to_owned(),
    };
    assert!(matches!(
        ledger.store.set_number_scheme(&ledger.approver, &serial),
        Err(StoreError::NotAllowed { .. })
    ));
    for prefix in ["", "TOOLONG", "a", "A B"] {
        let prefix = prefix.to_owned();
        let scheme = NumberScheme::Serial { prefix };
        let refused = ledger.store.set_number_scheme(&ledger.officer, &scheme);
        assert!(matches!(refused, Err(StoreError::OutOfRange(_))), "{refused:?}");
    }
    ledger.store.set_number_scheme(&ledger.officer, &serial).unwrap();
    assert_eq!(ledger.store.number_scheme().unwrap(), serial);
    assert_eq!(number(0).unwrap(), personal_id(0), "a number given stays");
    let second = number(1).unwrap();
    assert!(second.starts_with("AS") && second.len() == 12, "{second}");
    let change = |person: usize, to: &str| {
        ledger
            .store
            .change_social_security_number(&ledger.approver, &persons[person], to)
    };
    assert!(
        matches!(change(2, &second), Err(StoreError::Exists { .. })),
        "another one's"
    );
    change(1, "AS0000000X").unwrap();
    assert_eq!(number(1).unwrap(), "AS0000000X");
    assert!(
        matches!(change(2, &second), Err(StoreError::Exists { .. })),
        "a retired one"
    );
    assert!(matches!(change(2, ""), Err(StoreError::OutOfRange(_))));
    assert_ne!(number(2).unwrap(), second);
}

pub(crate) fn with_meaning(sequence: u32, meaning: Meaning) -> ansinh_store::journal::JournalEntry {
    let mut entry = entry(sequence, 1, None);
    entry.meaning = meaning;
    entry
}

impl Ledger {
    /// Hash of the header of a payment list.
    pub(crate) fn list_header(&self, number: i64) -> [u8; 32] {
        let log = self.store.issuer_log(ISSUER.reference).unwrap();
        let mut lists = log.iter().filter(|entry| entry.kind == "payment-list");
        let place = usize::try_from(number - 1).unwrap();
        lists.nth(place).unwrap().signed.body_hash
    }
}
