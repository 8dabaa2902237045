//! Who may work at a terminal.

use ansinh_store::cards::BlockReason;
use ansinh_store::operators::{Actor, Role};
use ansinh_store::terminal_operators::{OperatorList, TerminalOperator};
use ansinh_store::{Store, StoreError};
use card_spec::operators::{MAXIMUM_OPERATORS, PinVerifier, Proof, Roles};
use card_spec::values::CardNumber;

use crate::fixture::*;

on_each_engine!(
    operators_of_a_terminal_are_set_changed_and_removed,
    what_is_no_operator_is_refused_and_changes_nothing,
    only_an_administrator_says_who_works_where,
    a_list_is_signed_once_for_the_same_operators,
    only_an_operator_signs_a_list_and_none_for_a_lost_terminal,
    the_last_one_stays_once_a_list_was_signed,
    a_copy_without_pins_holds_no_octet_to_search_them_with,
    an_operator_has_an_active_card_of_this_ledger_or_a_pin,
    a_copy_without_pins_tells_whose_card_it_is,
);

/// What is found nowhere by chance.
const SALT: [u8; 16] = *b"a salt to look 4";
const DERIVED: [u8; 32] = *b"what a typed PIN is compared to!";
const LIST: &[u8] = b"a list signed by the issuer";

fn clerk(number: u16, name: &str) -> TerminalOperator {
    TerminalOperator {
        number,
        name: name.to_owned(),
        roles: Roles::from_byte(Roles::CLERK).unwrap(),
        proof: Proof::Pin(PinVerifier {
            salt: [number as u8; 16],
            derived: [7; 32],
        }),
    }
}

/// One with a card instead of a PIN.
fn with_card(number: u16, name: &str, card: CardNumber) -> TerminalOperator {
    TerminalOperator {
        proof: Proof::Card(card),
        ..clerk(number, name)
    }
}

fn names(ledger: &Ledger, terminal: &str) -> Vec<(u16, String)> {
    let operators = ledger.store.terminal_operators(terminal).unwrap().into_iter();
    operators
        .map(|operator| (operator.number, operator.name))
        .collect()
}

fn operators_of_a_terminal_are_set_changed_and_removed(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let (one, other) = (ledger.terminal(0), ledger.terminal(1));
    let set = |terminal: &str, operator| {
        ledger
            .store
            .set_terminal_operator(&ledger.officer, terminal, &operator)
            .unwrap();
    };
    set(&one, clerk(7, "lan"));
    set(&one, clerk(3, "minh.2"));
    set(&other, clerk(7, "lan"));
    let expected = [(3, "minh.2".to_owned()), (7, "lan".to_owned())];
    assert_eq!(names(&ledger, &one), expected);
    // The same number again is the same operator.
    let supervisor = TerminalOperator {
        roles: Roles::from_byte(3).unwrap(),
        ..clerk(7, "Lan")
    };
    set(&one, supervisor.clone());
    assert!(ledger.store.terminal_operators(&one).unwrap()[1] == supervisor);
    ledger
        .store
        .remove_terminal_operator(&ledger.officer, &one, 3)
        .unwrap();
    assert_eq!(names(&ledger, &one), [(7, "Lan".to_owned())]);
    assert_eq!(names(&ledger, &other), [(7, "lan".to_owned())]);
    let again = ledger.store.remove_terminal_operator(&ledger.officer, &one, 3);
    assert!(matches!(again, Err(StoreError::NotFound { .. })));
}

fn what_is_no_operator_is_refused_and_changes_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let set = |terminal: &str, operator: TerminalOperator| {
        ledger
            .store
            .set_terminal_operator(&ledger.officer, terminal, &operator)
    };
    set(&terminal, clerk(7, "lan")).unwrap();
    // Twelve letters are too many for a second operator of an order (SPEC.md 9.2).
    for name in ["", "7", "2024", "a name", "lân", "abcdefghijkl", "a\nb", "a_b"] {
        let refused = set(&terminal, clerk(8, name));
        assert!(matches!(refused, Err(StoreError::OutOfRange(_))), "{name}");
    }
    for number in [0, 10_000, u16::MAX] {
        let refused = set(&terminal, clerk(number, "minh"));
        assert!(matches!(refused, Err(StoreError::OutOfRange(_))), "{number}");
    }
    for name in ["lan", "LAN", "Lan"] {
        let refused = set(&terminal, clerk(8, name));
        assert!(matches!(refused, Err(StoreError::Exists { .. })), "{name}");
    }
    let nowhere = set("VNT0009999", clerk(8, "minh"));
    assert!(matches!(nowhere, Err(StoreError::NotFound { .. })));
    assert_eq!(names(&ledger, &terminal), [(7, "lan".to_owned())]);
    for number in 100..100 + u16::try_from(MAXIMUM_OPERATORS).unwrap() - 1 {
        set(&terminal, clerk(number, &format!("clerk-{number}"))).unwrap();
    }
    let ninth = set(&terminal, clerk(999, "ninth"));
    assert!(matches!(ninth, Err(StoreError::OutOfRange(_))));
    assert_eq!(names(&ledger, &terminal).len(), MAXIMUM_OPERATORS);
    set(&terminal, clerk(100, "another-one")).unwrap();
}

fn only_an_administrator_says_who_works_where(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let roles = [Role::Operator, Role::Approver, Role::Auditor]
        .into_iter()
        .collect();
    let token = ledger
        .store
        .add_operator(&ledger.officer, "other", roles)
        .unwrap();
    let other = ledger.store.authenticate(&token).unwrap();
    let set = ledger
        .store
        .set_terminal_operator(&other, &terminal, &clerk(7, "lan"));
    assert!(matches!(set, Err(StoreError::NotAllowed { .. })));
    ledger
        .store
        .set_terminal_operator(&ledger.officer, &terminal, &clerk(7, "lan"))
        .unwrap();
    let removed = ledger.store.remove_terminal_operator(&other, &terminal, 7);
    assert!(matches!(removed, Err(StoreError::NotAllowed { .. })));
    assert_eq!(names(&ledger, &terminal).len(), 1);
}

fn a_list_is_signed_once_for_the_same_operators(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let one = ledger.terminal(0);
    ledger
        .store
        .set_terminal_operator(&ledger.officer, &one, &clerk(7, "lan"))
        .unwrap();
    let list = |terminal: &str, is_current: bool| {
        let made = ledger.store.operator_list(
            &ledger.officer,
            terminal,
            |_, operators| {
                assert_eq!(operators.len(), 1);
                is_current
            },
            |number, _| Ok::<_, StoreError>(vec![u8::try_from(number).unwrap()]),
        );
        made.unwrap().object
    };
    assert_eq!(list(&one, true), [1]);
    assert_eq!(list(&one, true), [1]);
    assert_eq!(list(&one, false), [2]);
    assert_eq!(list(&one, true), [2]);
    // One that cannot be signed leaves nothing.
    let failed = ledger.store.operator_list(
        &ledger.officer,
        &one,
        |_, _| false,
        |_, _| Err(StoreError::Random),
    );
    assert!(matches!(failed, Err(StoreError::Random)));
    assert_eq!(list(&one, true), [2]);
}

fn sign(ledger: &Ledger, actor: &Actor, terminal: &str) -> Result<OperatorList, StoreError> {
    ledger
        .store
        .operator_list(actor, terminal, |_, _| false, |_, _| Ok(LIST.to_vec()))
}

fn only_an_operator_signs_a_list_and_none_for_a_lost_terminal(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let set = |operator| {
        ledger
            .store
            .set_terminal_operator(&ledger.officer, &terminal, &operator)
    };
    set(clerk(7, "lan")).unwrap();
    for role in [Role::Approver, Role::Auditor, Role::Administrator] {
        let actor = ledger.with_role(&format!("only-{role}"), role);
        let refused = sign(&ledger, &actor, &terminal);
        assert!(matches!(refused, Err(StoreError::NotAllowed { .. })), "{role}");
    }
    let operator = ledger.with_role("operator", Role::Operator);
    assert_eq!(sign(&ledger, &operator, &terminal).unwrap().number, 1);
    ledger.store.declare_lost(&ledger.officer, &terminal).unwrap();
    let refused = sign(&ledger, &operator, &terminal);
    assert!(matches!(refused, Err(StoreError::WrongState { .. })));
    assert_eq!(ledger.sql("SELECT count(*) FROM terminal_operator_list"), "1");
}

fn the_last_one_stays_once_a_list_was_signed(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let set = |number, name| {
        ledger
            .store
            .set_terminal_operator(&ledger.officer, &terminal, &clerk(number, name))
            .unwrap();
    };
    let remove = |number| {
        ledger
            .store
            .remove_terminal_operator(&ledger.officer, &terminal, number)
    };
    // The terminal has no list yet: whoever was named by mistake goes.
    set(7, "lan");
    remove(7).unwrap();
    set(7, "lan");
    sign(&ledger, &ledger.officer, &terminal).unwrap();
    assert!(matches!(remove(7), Err(StoreError::WrongState { .. })));
    assert!(matches!(remove(8), Err(StoreError::NotFound { .. })));
    assert_eq!(names(&ledger, &terminal), [(7, "lan".to_owned())]);
    set(8, "minh");
    remove(7).unwrap();
    assert_eq!(names(&ledger, &terminal), [(8, "minh".to_owned())]);
}

fn a_copy_without_pins_holds_no_octet_to_search_them_with(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let operator = TerminalOperator {
        proof: Proof::Pin(PinVerifier {
            salt: SALT,
            derived: DERIVED,
        }),
        ..clerk(7, "lan")
    };
    ledger
        .store
        .set_terminal_operator(&ledger.officer, &terminal, &operator)
        .unwrap();
    sign(&ledger, &ledger.officer, &terminal).unwrap();
    let [backup, copy, given] =
        ["backup", "copy", "given"].map(|name| ledger.folder.path().join(format!("{name}.sqlite")));
    ledger.store.copy_to(&backup).unwrap();
    ledger.store.copy_to(&copy).unwrap();
    let cleared = Store::open_copy_without_pins(&copy).unwrap();
    cleared.copy_to(&given).unwrap();
    for secret in [&SALT[..], &DERIVED, LIST] {
        let holds = |path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret)
        };
        assert!(holds(&backup), "a backup restores everything");
        assert!(!holds(&given));
    }
    // Who works where is told all the same.
    let left = cleared.terminal_operators(&terminal).unwrap();
    assert_eq!((left.len(), left[0].name.as_str()), (1, "lan"));
    assert!(ledger.store.terminal_operators(&terminal).unwrap()[0] == operator);
}

fn an_operator_has_an_active_card_of_this_ledger_or_a_pin(engine: Engine) {
    let ledger = Ledger::new(engine, 4, 4);
    let (one, other) = (ledger.terminal(0), ledger.terminal(1));
    let set = |terminal: &str, operator: &TerminalOperator| {
        ledger
            .store
            .set_terminal_operator(&ledger.officer, terminal, operator)
    };
    let lans = ledger.active(1).number;
    let operator = with_card(7, "lan", lans);
    set(&one, &operator).unwrap();
    assert!(ledger.store.terminal_operators(&one).unwrap() == [operator.clone()]);
    // The same operator once more is no second one; nor is she at another terminal.
    set(&one, &operator).unwrap();
    set(&other, &with_card(9, "LAN", lans)).unwrap();

    let unknown = CardNumber::new(79, 999_999).unwrap();
    let nobodys = set(&one, &with_card(8, "minh", unknown));
    assert!(matches!(nobodys, Err(StoreError::NotFound { what: "card", .. })));
    for (step, card) in [ledger.claim(2), ledger.with_keys(2), ledger.released(2)]
        .into_iter()
        .enumerate()
    {
        let unfinished = set(&one, &with_card(8, "minh", card.number));
        assert!(
            matches!(unfinished, Err(StoreError::WrongState { what: "card", .. })),
            "{step}"
        );
    }
    let blocked = ledger.active(3).number;
    ledger
        .store
        .block(&ledger.officer, &blocked, BlockReason::Lost)
        .unwrap();
    let refused = set(&one, &with_card(8, "minh", blocked));
    assert!(matches!(
        refused,
        Err(StoreError::WrongState { what: "card", .. })
    ));
    // One card for two would make two people of its holder.
    let twice = set(&one, &with_card(8, "minh", lans));
    assert!(matches!(twice, Err(StoreError::Exists { .. })));
    assert_eq!(names(&ledger, &one), [(7, "lan".to_owned())]);

    // From a card to a PIN and back, and then it is free for another one.
    set(&one, &clerk(7, "lan")).unwrap();
    assert!(ledger.store.terminal_operators(&one).unwrap() == [clerk(7, "lan")]);
    set(&one, &with_card(8, "minh", lans)).unwrap();
    let back = set(&one, &operator);
    assert!(matches!(back, Err(StoreError::Exists { .. })));
    // Not even from outside is there an operator with both, or with neither.
    for wrong in [
        "salt = NULL",
        "derived = NULL",
        "salt = NULL, derived = NULL",
        "card = NULL",
        "card = 'nobody'",
    ] {
        let number = if wrong.starts_with("card") { 8 } else { 7 };
        let sql = format!("UPDATE terminal_operator SET {wrong} WHERE number = {number}");
        assert!(!ledger.try_sql(&sql).0, "{wrong}");
    }
    let both = format!("UPDATE terminal_operator SET card = '{blocked}' WHERE number = 7");
    assert!(!ledger.try_sql(&both).0);
}

fn a_copy_without_pins_tells_whose_card_it_is(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let operator = with_card(7, "lan", ledger.active(0).number);
    for operator in [&operator, &clerk(8, "minh")] {
        ledger
            .store
            .set_terminal_operator(&ledger.officer, &terminal, operator)
            .unwrap();
    }
    let copy = ledger.folder.path().join("copy.sqlite");
    ledger.store.copy_to(&copy).unwrap();
    let cleared = Store::open_copy_without_pins(&copy).unwrap();
    let left = cleared.terminal_operators(&terminal).unwrap();
    assert!(left[0] == operator);
    let nothing = PinVerifier {
        salt: [0; 16],
        derived: [0; 32],
    };
    assert!(left[1].proof == Proof::Pin(nothing));
}
