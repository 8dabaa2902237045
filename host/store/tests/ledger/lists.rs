//! What terminals are sent.

use std::collections::HashSet;
use std::thread;

use ansinh_store::cards::BlockReason;
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::journal::Meaning;
use ansinh_store::lists::{DueLine, Others};
use ansinh_store::people::Representative;
use ansinh_store::{Store, StoreError};
use card_spec::values::Date;

use crate::fixture::*;
use crate::life::with_meaning;

on_each_engine!(
    only_active_cards_unpaid_cash_lines_and_one_terminal_are_due,
    a_line_listed_for_a_lost_card_is_not_listed_for_its_replacement_while_it_may_be_paid,
    lists_made_at_once_for_many_terminals_share_no_line,
    an_authorization_that_ended_before_the_list_begins_gives_nobody_the_money,
    a_lost_terminals_lines_are_paid_by_another_one_to_the_same_cards_only,
    a_list_beside_others_has_what_is_due_besides_and_they_keep_their_lines,
    a_list_that_is_over_is_not_kept,
);

const NOVEMBER: [&str; 2] = ["20261101", "20261130"];

impl Ledger {
    /// The lines of the terminal's next list beside those that it has, and the numbers of these.
    fn beside(&self, terminal: &str, days: [&str; 2]) -> (Vec<DueLine>, Vec<u32>) {
        self.beside_on(20, terminal, days)
    }

    /// The same, made on this day of November.
    fn beside_on(&self, day: u8, terminal: &str, days: [&str; 2]) -> (Vec<DueLine>, Vec<u32>) {
        let today = Date::new(2026, 11, day).unwrap();
        try_list(&self.store, &self.officer, terminal, days, Others::Stay { today }).unwrap()
    }

    fn loaded(&self, terminal: &str, sequence: u32, list: u32) {
        let header = self.list_header(list.into());
        let entry = with_meaning(sequence, Meaning::ListLoaded { number: list, header });
        self.store.ingest(terminal, &[entry]).unwrap();
    }

    fn in_force(&self, terminal: &str) -> Vec<u32> {
        let lists = self.store.list_summaries(Some(terminal)).unwrap();
        let in_force = lists.iter().filter(|list| list.is_in_force);
        in_force.map(|list| list.number).collect()
    }
}

fn a_list_beside_others_has_what_is_due_besides_and_they_keep_their_lines(engine: Engine) {
    let ledger = Ledger::new(engine, 4, 4);
    let (first, second) = (ledger.terminal(0), ledger.terminal(1));
    let keys = |lines: &[DueLine]| lines.iter().map(|line| line.key.clone()).collect::<HashSet<_>>();
    ledger.active(0);
    let monthly = ledger.next_list(&first);
    assert_eq!(monthly.len(), 1);
    // Nothing else is due, so a list beside it has nothing.
    assert_eq!(ledger.beside(&first, NOVEMBER), (vec![], vec![1]));
    ledger.active(1);
    let (beside, kept) = ledger.beside(&first, NOVEMBER);
    assert_eq!((beside.len(), kept), (1, vec![1, 2]));
    assert!(keys(&monthly).is_disjoint(&keys(&beside)));
    assert_eq!(
        ledger.next_list(&second),
        [],
        "the lines are the first terminal's"
    );

    // What the journal shows as loaded holds the lines of what it keeps.
    assert_eq!(ledger.in_force(&first), [0; 0]);
    for (sequence, list, in_force) in [(1, 1, vec![1]), (2, 2, vec![1, 2]), (3, 3, vec![1, 2, 3])] {
        ledger.loaded(&first, sequence, list);
        assert_eq!(ledger.in_force(&first), in_force);
        assert_eq!(ledger.next_list(&second), [], "list {list} is loaded");
    }
    // A payment of a kept list's line, and of the newest one's.
    let paid = [
        entry(4, 1, None),
        entry(5, 2, Some(payment(&monthly[0], 4, 1))),
        entry(6, 3, None),
        entry(7, 4, Some(payment(&beside[0], 6, 1))),
    ];
    assert_eq!(ledger.store.ingest(&first, &paid).unwrap().booked, 2);
    assert_eq!(ledger.beside(&first, NOVEMBER).0, [], "nothing is due");

    // One that keeps none takes over what is unpaid, and holds it alone once it is loaded.
    ledger.active(2);
    let unpaid = ledger.beside(&second, NOVEMBER).0;
    assert_eq!(unpaid.len(), 1, "it was on no list");
}

fn a_list_that_is_over_is_not_kept(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let terminal = ledger.terminal(0);
    let other = ledger.terminal(1);
    ledger.active(0);
    let (short, _) = ledger.beside_on(1, &terminal, ["20261101", "20261110"]);
    ledger.active(1);
    let later = ["20261125", "20261130"];
    let (long, kept) = ledger.beside_on(10, &terminal, later);
    assert_eq!(
        (long.len(), kept),
        (1, vec![1]),
        "today is its last day, whenever the new one begins"
    );
    // Then its unpaid lines come again, and only those of the other one stay where they are.
    let (again, kept) = ledger.beside_on(11, &terminal, later);
    assert_eq!((&again, kept), (&short, vec![2]));
    // The terminal pays from the first list until its journal shows that it has ended.
    assert_eq!(ledger.next_list(&other), []);
    (1..)
        .zip([1, 2, 3])
        .for_each(|(sequence, list)| ledger.loaded(&terminal, sequence, list));
    assert_eq!(ledger.in_force(&terminal), [2, 3]);
    // All are taken over, those that stayed as well.
    assert_eq!(ledger.next_list(&terminal).len(), 2);
    assert_eq!(ledger.next_list(&other), []);
}

fn only_active_cards_unpaid_cash_lines_and_one_terminal_are_due(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 3);
    ledger.active(0);
    ledger.released(1);
    let (first, second) = (ledger.terminal(0), ledger.terminal(1));
    let due = ledger.next_list(&first);
    assert_eq!(due.len(), 1);
    assert_eq!(
        ledger.next_list(&second),
        [],
        "one line on the lists of two terminals"
    );
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    assert_eq!(ledger.store.ingest(&first, &entries).unwrap().booked, 1);
    assert_eq!(ledger.next_list(&first), [], "a paid line is due again");
    assert_eq!(ledger.store.payment_lists().unwrap().len(), 3);
}

fn a_line_listed_for_a_lost_card_is_not_listed_for_its_replacement_while_it_may_be_paid(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    let lost = ledger.active(0);
    let (first, second) = (ledger.terminal(0), ledger.terminal(1));
    assert_eq!(ledger.next_list(&first).len(), 1);
    assert_eq!(ledger.store.lines_of_earlier_cards().unwrap(), 0);
    // The terminal paid it and was not synchronised; then the card was lost and replaced.
    ledger
        .store
        .block(&ledger.officer, &lost.number, BlockReason::Lost)
        .unwrap();
    ledger.approve_everybody();
    let replacement = ledger.active(1);
    assert_eq!(replacement.person, lost.person);
    for terminal in [&first, &second] {
        assert_eq!(ledger.next_list(terminal), [], "{terminal}");
    }
    assert_eq!(ledger.store.lines_of_earlier_cards().unwrap(), 1);
    // What was on no list is due on the new card.
    let december = ApprovedList {
        file_hash: [2; 32],
        file_name: "12.csv".to_owned(),
        kind: ListKind::Plain,
        lines: vec![approved(0, "BTXH", "1/QĐ", "202612", 500_000)],
        warnings: Vec::new(),
    };
    ledger
        .store
        .import(&ledger.officer, &december, ImportMode::Commit)
        .unwrap();
    let due = ledger.next_list(&first);
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].card, due[0].key.period.as_str()),
        (replacement.number, "202612")
    );
}

fn a_lost_terminals_lines_are_paid_by_another_one_to_the_same_cards_only(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 3);
    let lost_card = ledger.active(0);
    let card = ledger.active(1);
    let (lost, successor) = (ledger.terminal(0), ledger.terminal(1));
    let listed = ledger.next_list(&lost);
    assert_eq!(listed.len(), 2);
    ledger
        .store
        .block(&ledger.officer, &lost_card.number, BlockReason::Lost)
        .unwrap();
    ledger.approve_everybody();
    ledger.active(2);
    assert_eq!(ledger.next_list(&successor), [], "a line of a terminal in use");

    assert!(!ledger.store.is_terminal_lost(&lost).unwrap());
    let declare = |name: &str| ledger.store.declare_lost(&ledger.officer, name);
    declare(&lost).unwrap();
    declare(&lost).unwrap();
    assert!(ledger.store.is_terminal_lost(&lost).unwrap());
    assert!(matches!(declare("VNT0000099"), Err(StoreError::NotFound { .. })));
    let due = ledger.next_list(&successor);
    assert_eq!(
        due.len(),
        1,
        "a line moved to another card, or none to the same one"
    );
    assert_eq!(due[0].card, card.number);

    // It gets nothing more, and its journal is taken in all the same.
    let refused = try_next_list(&ledger.store, &ledger.officer, &lost);
    assert!(matches!(refused, Err(StoreError::WrongState { .. })));
    let renewed = ledger.store.renew_terminal(&ledger.officer, &lost, &[]);
    assert!(matches!(renewed, Err(StoreError::WrongState { .. })));
    let paid = listed.iter().find(|line| line.card == card.number).unwrap();
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(paid, 1, 1)))];
    assert_eq!(ledger.store.ingest(&lost, &entries).unwrap().booked, 1);
    assert_eq!(ledger.next_list(&successor), [], "a paid line is due again");
    let declared = ledger.store.operations().unwrap();
    let declared = declared.iter().filter(|line| line.action == "terminal-lost");
    assert_eq!(declared.count(), 1);
}

fn lists_made_at_once_for_many_terminals_share_no_line(engine: Engine) {
    let ledger = Ledger::new(engine, 6, 6);
    for number in 0..6 {
        ledger.active(number);
    }
    let terminals = [0, 1, 2, 3].map(|number| ledger.terminal(number));
    let second = Store::open(&ledger.location).unwrap();
    let officer = &ledger.officer;
    let listed: Vec<Vec<DueLine>> = thread::scope(|scope| {
        let made = terminals.each_ref().map(|terminal| {
            let store = if terminal == &terminals[0] {
                &second
            } else {
                &ledger.store
            };
            scope.spawn(move || next_list(store, officer, terminal))
        });
        made.into_iter().map(|list| list.join().unwrap()).collect()
    });
    let lines: Vec<_> = listed.iter().flatten().map(|line| line.key.clone()).collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines.iter().collect::<HashSet<_>>().len(), 6);
}

fn an_authorization_that_ended_before_the_list_begins_gives_nobody_the_money(engine: Engine) {
    for (valid_to, counts) in [("20261031", false), ("20261101", true)] {
        let ledger = Ledger::new(engine, 0, 1);
        let mut list = list(1, 1);
        list.lines[0].representative = Some(Representative {
            personal_id: "079240000099".to_owned(),
            full_name: "Trần Văn B".to_owned(),
            relation: "02".to_owned(),
            document: None,
            valid_to: valid_to.to_owned(),
        });
        list.file_hash = [9; 32];
        ledger
            .store
            .import(&ledger.officer, &list, ImportMode::Commit)
            .unwrap();
        ledger.approve_everybody();
        ledger.active(0);
        let terminal = ledger.terminal(0);
        assert_eq!(
            ledger.next_list(&terminal)[0].has_representative,
            counts,
            "{valid_to}"
        );
    }
}
