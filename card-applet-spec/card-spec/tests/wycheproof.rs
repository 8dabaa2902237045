//! Project Wycheproof against what this crate calls: AES-CMAC, ECDSA and ECDH on P-256.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use card_spec::crypto::{Agree, PortableP256, PublicKey, SecretKey, Signature, Verify};
use card_spec::scp03::AesKey;
use wycheproof::{TestResult, ecdh, ecdsa, mac};

#[test]
fn ecdsa_p256_sha256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut tests = 0;
    for group in set.test_groups {
        let key = PublicKey::from_sec1(&group.key.key).unwrap();
        for test in group.tests {
            let verified = Signature::try_from(&test.sig[..])
                .and_then(|signature| PortableP256.verify(&key, &test.msg, &signature))
                .is_ok();
            assert_eq!(
                verified,
                test.result == TestResult::Valid,
                "test {}: {}",
                test.tc_id,
                test.comment
            );
            tests += 1;
        }
    }
    assert!(tests >= 262, "only {tests} tests");
}

#[test]
fn ecdh_p256() {
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    let mut tests = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        // Wycheproof writes integers: with a sign octet, without leading zeros.
        let private = left_padded(&test.private_key);
        let shared = PublicKey::from_sec1(&test.public_key)
            .map(|public| *SecretKey::from_bytes(&private).unwrap().agree(&public).as_bytes());
        // "Acceptable" is the compressed form of a valid point, which the profile refuses.
        match test.result {
            TestResult::Valid => assert_eq!(shared.unwrap(), test.shared_secret[..], "test {}", test.tc_id),
            _ => assert!(shared.is_err(), "test {}: {}", test.tc_id, test.comment),
        }
        tests += 1;
    }
    assert!(tests >= 355, "only {tests} tests");
}

#[test]
fn aes_cmac() {
    let set = mac::TestSet::load(mac::TestName::AesCmac).unwrap();
    let mut tests = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let matches =
            AesKey::from_bytes(&test.key).is_some_and(|key| key.cmac(&[&test.msg])[..] == test.tag[..]);
        assert_eq!(
            matches,
            test.result == TestResult::Valid,
            "test {}: {}",
            test.tc_id,
            test.comment
        );
        tests += 1;
    }
    assert!(tests >= 311, "only {tests} tests");
}

fn left_padded(integer: &[u8]) -> [u8; 32] {
    let significant: Vec<u8> = integer.iter().copied().skip_while(|&octet| octet == 0).collect();
    let mut padded = [0; 32];
    padded[32 - significant.len()..].copy_from_slice(&significant);
    padded
}
