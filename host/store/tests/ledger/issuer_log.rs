//! What an issuer signed.

use ansinh_store::StoreError;
use ansinh_store::issuer_log::Position;

use crate::fixture::*;

on_each_engine!(
    what_an_issuer_signs_is_one_chain_without_gaps,
    a_certificate_keeps_its_name,
);

fn what_an_issuer_signs_is_one_chain_without_gaps(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 3);
    ledger.released(0);
    let card = ledger.with_keys(1);
    let failed = ledger
        .store
        .release_cso(&card.number, (&[], "reader 0"), ISSUER, |_| {
            Err(StoreError::Random)
        });
    assert!(matches!(failed, Err(StoreError::Random)));
    ledger.released(2);
    ledger
        .store
        .release_cso(&card.number, (&[], "reader 0"), ISSUER, sign(1))
        .unwrap();
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

fn a_certificate_keeps_its_name(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
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
