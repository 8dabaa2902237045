//! Who may work at a terminal, as the host signs it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{PayoutError, operator_list};
use ansinh_store::Store;
use ansinh_store::operators::Actor;
use ansinh_store::terminal_operators::TerminalOperator;
use card_spec::certificate::Role;
use card_spec::crypto::PortableP256;
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator as Listed};
use card_spec::signed::Signed;
use common::{Office, Till, certificate, first_operator, key, location};
use tempfile::TempDir;

struct Bench {
    office: Office,
    store: Store,
    lan: Actor,
    till: Till,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(location(folder.path())).unwrap();
        let office = Office::new();
        let lan = first_operator(&store);
        let till = Till::new(1);
        till.register(&store, &lan, &office.authority());
        Self {
            office,
            store,
            lan,
            till,
            _folder: folder,
        }
    }

    fn set(&self, number: u16, name: &str, pin: &str) {
        let operator = TerminalOperator {
            number,
            name: name.to_owned(),
            roles: Roles::from_byte(Roles::CLERK).unwrap(),
            proof: Proof::Pin(PinVerifier::new(pin.as_bytes(), [9; 16]).unwrap()),
        };
        self.store
            .set_terminal_operator(&self.lan, self.till.name.as_str(), &operator)
            .unwrap();
    }

    fn list(&self) -> Result<(u32, Vec<u8>), PayoutError> {
        let issuer = self.office.issuer();
        operator_list(&self.store, &self.lan, &issuer, self.till.name).map(|list| (list.number, list.object))
    }
}

fn accepts(operator: &Listed<'_>, pin: &[u8]) -> bool {
    matches!(operator.proof, Proof::Pin(verifier) if verifier.accepts(pin))
}

#[test]
fn a_list_says_who_may_work_and_is_the_issuers() {
    let bench = Bench::new();
    bench.set(12, "minh", "123456789012");
    bench.set(7, "lan", "314159");
    let (number, object) = bench.list().unwrap();
    let signed = Signed::<OperatorList<'_>>::parse(&object).unwrap();
    let list = signed
        .verify(&PortableP256, &bench.office.issuer.public_key())
        .unwrap();
    assert!(list.is_consistent());
    assert_eq!((list.number, list.terminal), (number, bench.till.name));
    assert!(accepts(list.find("7").unwrap(), b"314159"));
    assert!(accepts(list.find("MINH").unwrap(), b"123456789012"));
    assert!(!accepts(list.find("lan").unwrap(), b"123456789012"));
    // Neither PIN nor name of anybody else is in it.
    assert!(!object.windows(6).any(|window| window == b"314159"));
}

#[test]
fn a_list_is_signed_anew_only_when_something_has_changed() {
    let bench = Bench::new();
    bench.set(7, "lan", "314159");
    let first = bench.list().unwrap();
    assert_eq!(bench.list().unwrap(), first);
    // Another PIN, another name, another operator, one less.
    bench.set(7, "lan", "271828");
    let second = bench.list().unwrap();
    bench.set(7, "lan2", "271828");
    let third = bench.list().unwrap();
    bench.set(8, "minh", "271828");
    let fourth = bench.list().unwrap();
    bench
        .store
        .remove_terminal_operator(&bench.lan, bench.till.name.as_str(), 8)
        .unwrap();
    let fifth = bench.list().unwrap();
    let numbers = [&first, &second, &third, &fourth, &fifth].map(|(number, _)| *number);
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(bench.list().unwrap(), fifth);
}

#[test]
fn a_list_of_nobody_is_never_signed() {
    let bench = Bench::new();
    assert!(matches!(bench.list(), Err(PayoutError::NoOperators(_))));
    let remove = || {
        bench
            .store
            .remove_terminal_operator(&bench.lan, bench.till.name.as_str(), 7)
    };
    bench.set(7, "lan", "314159");
    remove().unwrap();
    assert!(matches!(bench.list(), Err(PayoutError::NoOperators(_))));
    // Once there is a list it is the terminal's for good, and has somebody on it.
    bench.set(7, "lan", "314159");
    let signed = bench.list().unwrap();
    assert!(remove().is_err());
    assert_eq!(bench.list().unwrap(), signed);
}

#[test]
fn another_key_of_the_issuer_signs_another_list() {
    let mut bench = Bench::new();
    bench.set(7, "lan", "314159");
    let (number, first) = bench.list().unwrap();
    let next = key(9);
    bench.office.issuer_certificate =
        certificate("VNROOT00001", "VNISS7900002", Role::Issuer, &next, &key(1));
    bench.office.issuer = next;
    let (later, second) = bench.list().unwrap();
    assert_eq!(later, number + 1);
    assert_ne!(first, second);
    let signed = Signed::<OperatorList<'_>>::parse(&second).unwrap();
    assert_eq!(signed.claimed().issuer.as_str(), "VNISS7900002");
}
