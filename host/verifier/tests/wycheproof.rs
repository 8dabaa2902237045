//! Project Wycheproof against what this crate calls.
#![allow(clippy::unwrap_used, reason = "a test that panics has done its work")]

use ansinh_verifier::AwsLc;
use card_spec::crypto::{PublicKey, Signature, Verify as _};
use wycheproof::{TestResult, ecdsa};

#[test]
fn every_signature_has_the_verdict_stated() {
    let file = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut cases = 0;
    for group in file.test_groups {
        let key = PublicKey::from_sec1(&group.key.key).unwrap();
        for test in group.tests {
            let signature = Signature::try_from(&**test.sig);
            let verified = signature.is_ok_and(|signature| AwsLc.verify(&key, &test.msg, &signature).is_ok());
            let expected = test.result == TestResult::Valid;
            assert_eq!(verified, expected, "case {}: {}", test.tc_id, test.comment);
            cases += 1;
        }
    }
    assert_eq!(cases, 262);
}
