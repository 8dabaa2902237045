//! Names and keys of terminals.

use ansinh_store::StoreError;
use ansinh_store::issuer_log::NewCertificate;
use ansinh_store::terminals::Terminal;

use crate::fixture::*;

on_each_engine!(
    a_terminals_name_and_keys_are_bound_for_ever,
    a_terminal_is_registered_with_its_certificates_or_not_at_all,
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
