//! Certificates, requests and trust anchors, and the chain that a card builds of them (SPEC 3) when every signature holds.
#![no_main]

use card_spec::certificate::{
    Authorization, AuthorizationBits, Certificate, Certified, Flags, Reference, Request, Role, TrustAnchor,
    verify_request,
};
use card_spec::crypto::{PublicKey, SecretKey};
use card_spec::signed::Signed;
use card_spec::tlv::Reader;
use card_spec::values::Date;
use fuzz::{AnySignature, reads_as_it_writes, signed_reads_as_it_writes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    signed_reads_as_it_writes::<Certificate>(input);
    signed_reads_as_it_writes::<Request>(input);
    reads_as_it_writes::<TrustAnchor>(input, TrustAnchor::TAG);
    if let Ok(request) = Signed::<Request>::parse(input)
        && let Ok(proven) = verify_request(&AnySignature, &request)
    {
        assert!(!request.claimed().public_key.with_domain_parameters);
        assert_eq!(proven.hash(), request.hash());
    }
    chain(input);
});

/// Each certificate of the input under the one before it, the first under the root.
fn chain(input: &[u8]) {
    let mut reader = Reader::new(input);
    let mut authority = root();
    while let Ok(certificate) = Signed::<Certificate>::read_next(&mut reader) {
        let Ok(certified) = authority.certify(&AnySignature, &certificate) else {
            continue;
        };
        follows_the_table(&authority, &certified);
        authority = certified;
    }
}

/// SPEC 3.2 to 3.4, read once more.
fn follows_the_table(authority: &Certified, certified: &Certified) {
    let holder = certified.holder();
    let name = holder.as_str();
    let (signer, form) = match certified.role() {
        Role::Root => panic!("{name}: nobody signs a root but itself"),
        Role::Issuer => (Role::Root, "VNISS0000000"),
        Role::TerminalAuthority => (Role::Root, "VNTCA00000"),
        Role::TerminalAgreement => (Role::TerminalAuthority, "VNT0000000A00000"),
        Role::TerminalJournal => (Role::TerminalAuthority, "VNT0000000J00000"),
    };
    assert_eq!(authority.role(), signer, "{name}");
    assert_eq!(name.len(), form.len(), "{name}");
    let fits = |(byte, like): (u8, u8)| {
        if like == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == like
        }
    };
    assert!(name.bytes().zip(form.bytes()).all(fits), "{name}");
    assert_eq!(certified.flags(), authority.flags());
    let (first, last) = (certified.effective(), certified.expiry());
    assert!(authority.effective() <= first && first <= last && last <= authority.expiry());
    let days = last.day_number() - first.day_number() + 1;
    assert!(signer == Role::Root || days <= 35, "{name} spans {days} days");
}

fn root() -> Certified {
    let anchor = TrustAnchor {
        reference: Reference::new("VNROOT00001").expect("a reference"),
        key: key(),
        effective: Date::new(2026, 1, 1).expect("a date"),
        expiry: Date::new(2046, 12, 31).expect("a date"),
        authorization: AuthorizationBits(Authorization {
            role: Role::Root,
            flags: Flags::Test,
        }),
    };
    Certified::trust(&anchor).expect("a root")
}

fn key() -> PublicKey {
    use std::sync::LazyLock;
    static KEY: LazyLock<PublicKey> =
        LazyLock::new(|| SecretKey::from_bytes(&[1; 32]).expect("a key").public_key());
    *KEY
}
