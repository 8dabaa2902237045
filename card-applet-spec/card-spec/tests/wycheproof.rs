//! Project Wycheproof against what this crate calls: AES-CMAC, ECDSA and ECDH on P-256. The same cases run in the firmware
//! image: `tests/rig/tests/wycheproof_image.rs`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod wycheproof_cases;

use card_spec::crypto::PortableP256;
use wycheproof_cases::verdict::verdict;
use wycheproof_cases::{NOT_A_POINT, NOT_DER, sets};

#[test]
fn every_case_has_the_verdict_stated() {
    for (_, set) in sets() {
        for case in set.cases {
            let inputs = case.inputs.each_ref().map(Vec::as_slice);
            assert_eq!(
                verdict(&PortableP256, case.operation, inputs),
                Some(case.expected),
                "{}",
                case.name
            );
        }
    }
}

/// Run, and not run for which reason: all cases of the files are counted here.
#[test]
fn no_case_is_lost() {
    let counts = sets().map(|(file, set)| (file, set.cases.len(), set.skipped.into_iter().next()));
    assert_eq!(
        counts,
        [
            ("ecdsa_secp256r1_sha256_p1363", 262, None),
            ("ecdsa_secp256r1_sha256", 249, Some((NOT_DER, 235))),
            ("ecdh_secp256r1_ecpoint", 355, None),
            ("ecdh_secp256r1", 349, Some((NOT_A_POINT, 263))),
            ("aes_cmac", 311, None),
        ]
    );
}
