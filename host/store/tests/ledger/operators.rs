//! Who may act, and the log of what they did.

use ansinh_store::operators::{Role, Roles, Token};
use ansinh_store::{Location, StoreError};

use crate::fixture::*;

on_each_engine!(
    a_token_opens_exactly_its_operator,
    a_renewed_or_suspended_token_is_worth_nothing,
    only_an_administrator_names_operators,
    there_is_one_first_operator,
    the_last_administrator_stays,
    names_that_could_be_read_twice_are_refused,
    a_refused_act_leaves_no_line,
    the_log_shows_every_change_from_outside,
    the_hash_of_a_line_is_what_sha256sum_says,
);

impl Ledger {
    /// Takes away what keeps a table as it is, as whoever owns the database can.
    fn without_triggers(&self, table: &str) {
        match &self.location {
            Location::Server(_) => drop(self.sql(&format!("ALTER TABLE {table} DISABLE TRIGGER ALL"))),
            Location::File(_) => {
                self.sql(&format!("DROP TRIGGER {table}_is_kept"));
                self.sql(&format!("DROP TRIGGER {table}_stays"));
            }
        }
    }
}

fn a_token_opens_exactly_its_operator(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    let hoa = [Role::Auditor].into_iter().collect();
    let token = ledger.store.add_operator(&ledger.officer, "hoa", hoa).unwrap();
    let actor = ledger.store.authenticate(&token).unwrap();
    assert_eq!(actor.name(), "hoa");
    let roles: Vec<_> = actor.roles().iter().collect();
    assert_eq!(roles, [Role::Auditor]);
    let shown = token.reveal().to_owned();
    assert_eq!(shown.len(), 64);
    assert_eq!(
        ledger
            .store
            .authenticate(&Token::new(&format!(" {shown}\n")))
            .unwrap(),
        actor
    );
    for wrong in [
        String::new(),
        "0".repeat(64),
        shown.to_uppercase(),
        shown[..63].to_owned(),
        shown.clone() + "0",
    ] {
        let refused = ledger.store.authenticate(&Token::new(&wrong));
        assert!(
            matches!(refused, Err(StoreError::UnknownToken)),
            "{wrong:?}: {refused:?}"
        );
    }
}

fn a_renewed_or_suspended_token_is_worth_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    let roles: Roles = [Role::Operator].into_iter().collect();
    let old = ledger.store.add_operator(&ledger.officer, "hoa", roles).unwrap();
    let hoa = ledger.store.authenticate(&old).unwrap();
    let new = ledger.store.renew_token(&hoa, "hoa").unwrap();
    assert!(matches!(
        ledger.store.authenticate(&old),
        Err(StoreError::UnknownToken)
    ));
    assert_eq!(ledger.store.authenticate(&new).unwrap(), hoa);
    ledger.store.suspend_operator(&ledger.officer, "hoa").unwrap();
    assert!(matches!(
        ledger.store.authenticate(&new),
        Err(StoreError::UnknownToken)
    ));
    assert!(
        !ledger
            .store
            .operators()
            .unwrap()
            .iter()
            .any(|operator| operator.name == "hoa" && operator.active)
    );
    let back = ledger.store.renew_token(&ledger.officer, "hoa").unwrap();
    assert_eq!(ledger.store.authenticate(&back).unwrap(), hoa);
}

fn only_an_administrator_names_operators(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    let before = ledger.store.operators().unwrap();
    let everything: Roles = Role::ALL.into_iter().collect();
    let store = &ledger.store;
    let refusals = [
        store.add_operator(&ledger.approver, "hoa", everything).err(),
        store.renew_token(&ledger.approver, "officer").err(),
        store.suspend_operator(&ledger.approver, "officer").err(),
    ];
    for refusal in refusals {
        assert!(
            matches!(refusal, Some(StoreError::NotAllowed { .. })),
            "{refusal:?}"
        );
    }
    let unknown = [
        store.renew_token(&ledger.officer, "nobody").err(),
        store.suspend_operator(&ledger.officer, "nobody").err(),
    ];
    for refusal in unknown {
        assert!(
            matches!(refusal, Some(StoreError::NotFound { .. })),
            "{refusal:?}"
        );
    }
    assert_eq!(store.operators().unwrap(), before);
}

fn there_is_one_first_operator(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    let second = ledger.store.add_first_operator("eve").err();
    assert!(matches!(second, Some(StoreError::Exists { .. })), "{second:?}");
}

fn the_last_administrator_stays(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    let refused = ledger.store.suspend_operator(&ledger.officer, "officer");
    assert!(
        matches!(refused, Err(StoreError::WrongState { .. })),
        "{refused:?}"
    );
    assert!(
        ledger
            .store
            .operators()
            .unwrap()
            .iter()
            .all(|operator| operator.active)
    );
    let hoa = [Role::Administrator].into_iter().collect();
    ledger.store.add_operator(&ledger.officer, "hoa", hoa).unwrap();
    ledger.store.suspend_operator(&ledger.officer, "officer").unwrap();
}

fn names_that_could_be_read_twice_are_refused(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    for wrong in ["", "a b", "an\n", "Ân", "ansinh", "123456789012345678901"] {
        let refused = ledger
            .store
            .add_operator(&ledger.officer, wrong, Roles::default())
            .err();
        assert!(
            matches!(refused, Some(StoreError::BadName(_))),
            "{wrong:?}: {refused:?}"
        );
    }
    let again = ledger
        .store
        .add_operator(&ledger.officer, "approver", Roles::default())
        .err();
    assert!(matches!(again, Some(StoreError::Exists { .. })), "{again:?}");
    let two_lines = ledger.store.log_operation(&ledger.officer, "test", "one\ntwo");
    assert!(matches!(two_lines, Err(StoreError::BadName(_))), "{two_lines:?}");
}

fn a_refused_act_leaves_no_line(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let before = ledger.store.verify_operations().unwrap();
    let card = ledger.claim(0);
    let after = ledger.store.verify_operations().unwrap();
    assert_eq!(after.position, before.position + 1, "an act without its line");
    assert!(ledger.store.activated(&ledger.officer, &card.number).is_err());
    assert_eq!(ledger.store.verify_operations().unwrap(), after);
    let last = ledger.store.operations_after(before.position, 9).unwrap();
    assert_eq!(
        (last[0].operator.as_str(), last[0].action.as_str()),
        ("officer", "card-begun")
    );
    assert_eq!(last[0].subject, card.number.to_string());
}

/// The triggers are taken away first, as whoever owns the file can.
fn the_log_shows_every_change_from_outside(engine: Engine) {
    let changes = [
        "UPDATE operation SET operator = 'eve' WHERE position = 2",
        "UPDATE operation SET action = 'nothing' WHERE position = 2",
        "UPDATE operation SET subject = 'nobody' WHERE position = 2",
        "UPDATE operation SET at = '2020-01-01T00:00:00Z' WHERE position = 2",
        "DELETE FROM operation WHERE position = 2",
        "DELETE FROM operation WHERE position = 1",
    ];
    for change in changes {
        let ledger = Ledger::new(engine, 1, 1);
        assert!(ledger.store.verify_operations().unwrap().position >= 3);
        ledger.without_triggers("operation");
        ledger.sql(change);
        let found = ledger.store.verify_operations();
        assert!(
            matches!(found, Err(StoreError::BrokenLog { position: 1 | 2 })),
            "{change}: {found:?}"
        );
    }
}

fn the_hash_of_a_line_is_what_sha256sum_says(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 0);
    let line = &ledger.store.operations().unwrap()[1];
    let text = format!(
        "ansinh operation 1\n{}\n{}\n{}\n{}\n{}\n{}\n",
        line.position,
        line.at,
        line.operator,
        line.action,
        line.subject,
        hex::encode(line.previous_hash)
    );
    let file = ledger.folder.path().join("line");
    std::fs::write(&file, text).unwrap();
    let said = std::process::Command::new("sha256sum")
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        String::from_utf8(said.stdout)
            .unwrap()
            .starts_with(&hex::encode(line.hash))
    );
}
