//! Names and keys of terminals.

use ansinh_store::StoreError;
use ansinh_store::issuer_log::NewCertificate;
use ansinh_store::operators::Role;
use ansinh_store::terminals::Terminal;

use crate::fixture::*;

on_each_engine!(
    a_terminals_name_and_keys_are_bound_for_ever,
    a_terminal_is_registered_with_its_certificates_or_not_at_all,
    only_an_approver_or_administrator_declares_a_terminal_lost,
    only_an_operator_renews_a_terminal,
);

fn a_terminals_name_and_keys_are_bound_for_ever(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let name = ledger.terminal(0);
    let terminal = ledger.store.terminal(&name).unwrap();
    ledger
        .store
        .add_terminal(&ledger.officer, &terminal, &[])
        .unwrap();
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
            ledger.store.add_terminal(&ledger.officer, &wrong, &[]),
            Err(StoreError::Exists { .. })
        ));
    }
    assert_ne!(ledger.store.next_terminal_name().unwrap(), name);
}

fn a_terminal_is_registered_with_its_certificates_or_not_at_all(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
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
        ledger
            .store
            .add_terminal(&ledger.officer, &terminal, &certificates),
        Err(StoreError::Exists { .. })
    ));
    assert!(ledger.store.terminals().unwrap().is_empty());
    assert_eq!(ledger.store.certificates().unwrap().len(), 1);
    ledger
        .store
        .add_terminal(&ledger.officer, &terminal, &certificates[..1])
        .unwrap();
    assert_eq!(ledger.store.certificates().unwrap().len(), 2);
}

fn only_an_approver_or_administrator_declares_a_terminal_lost(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let lose = |name: &str, role| {
        let terminal = ledger.terminal(role as u8);
        let actor = ledger.with_role(name, role);
        let declared = ledger.store.declare_lost(&actor, &terminal);
        assert_eq!(
            ledger.store.is_terminal_lost(&terminal).unwrap(),
            declared.is_ok()
        );
        declared
    };
    for (name, role) in [("operator", Role::Operator), ("auditor", Role::Auditor)] {
        let refused = lose(name, role);
        assert!(matches!(refused, Err(StoreError::NotAllowed { .. })), "{name}");
    }
    // Only approves.
    lose("second", Role::Approver).unwrap();
    lose("administrator", Role::Administrator).unwrap();
}

fn only_an_operator_renews_a_terminal(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let certificate = NewCertificate {
        holder: "VNT0000001J00002",
        authority: "VNTCA00001",
        object: &[2],
    };
    for role in [Role::Approver, Role::Auditor, Role::Administrator] {
        let actor = ledger.with_role(&format!("only-{role}"), role);
        let refused = ledger.store.renew_terminal(&actor, &terminal, &[certificate]);
        assert!(matches!(refused, Err(StoreError::NotAllowed { .. })), "{role}");
    }
    assert_eq!(ledger.store.certificates().unwrap().len(), 0);
    let operator = ledger.with_role("operator", Role::Operator);
    ledger
        .store
        .renew_terminal(&operator, &terminal, &[certificate])
        .unwrap();
    assert_eq!(ledger.store.certificates().unwrap().len(), 1);
}
