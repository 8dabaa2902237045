//! The cases of Project Wycheproof that apply to what `card-spec` calls, and how many do not, with the reason.
#![allow(dead_code, reason = "shared by two tests, each of which uses its part")]

pub(crate) mod verdict;

use std::collections::BTreeMap;

use der::asn1::UintRef;
use der::{Decode as _, Reader as _, SliceReader};
use wycheproof::{TestResult, ecdh, ecdsa, mac};

use verdict::{AGREE, CMAC, VERIFY, Verdict};

/// One case: what to call with which three inputs, and what has to come out.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) operation: u16,
    pub(crate) inputs: [Vec<u8>; 3],
    pub(crate) expected: Verdict,
}

/// A file of Wycheproof: the cases to run, and the number of the others by the reason for which they are not run.
#[derive(Default)]
pub(crate) struct Set {
    pub(crate) cases: Vec<Case>,
    pub(crate) skipped: BTreeMap<&'static str, usize>,
}

impl Set {
    fn add(&mut self, name: String, operation: u16, inputs: [&[u8]; 3], expected: Verdict) {
        self.cases.push(Case {
            name,
            operation,
            inputs: inputs.map(<[u8]>::to_vec),
            expected,
        });
    }

    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }
}

/// The signature is none in DER: nothing of ours reads DER, a chip's applet converts (SPEC 2.1). All of them are invalid.
pub(crate) const NOT_DER: &str = "no two integers of 32 bytes in DER";
/// Keys come as points (SPEC 1): nothing of ours reads an X.509 SubjectPublicKeyInfo.
pub(crate) const NOT_A_POINT: &str =
    "no SubjectPublicKeyInfo of an uncompressed point on the named curve secp256r1";

/// All files.
pub(crate) fn sets() -> [(&'static str, Set); 5] {
    [
        ("ecdsa_secp256r1_sha256_p1363", ecdsa_p1363()),
        ("ecdsa_secp256r1_sha256", ecdsa_der()),
        ("ecdh_secp256r1_ecpoint", ecdh_points()),
        ("ecdh_secp256r1", ecdh_asn()),
        ("aes_cmac", aes_cmac()),
    ]
}

fn signature_verdict(result: TestResult) -> Verdict {
    match result {
        TestResult::Valid => Verdict::Right,
        _ => Verdict::Refused,
    }
}

fn ecdsa_p1363() -> Set {
    let mut set = Set::default();
    let file = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    for group in file.test_groups {
        for test in group.tests {
            set.add(
                format!("P1363 {} {}", test.tc_id, test.comment),
                VERIFY,
                [&group.key.key, &test.msg, &test.sig],
                signature_verdict(test.result),
            );
        }
    }
    set
}

fn ecdsa_der() -> Set {
    let mut set = Set::default();
    let file = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
    for group in file.test_groups {
        for test in group.tests {
            let Some(signature) = plain_signature(&test.sig) else {
                assert_eq!(
                    test.result,
                    TestResult::Invalid,
                    "DER {}: {}",
                    test.tc_id,
                    test.comment
                );
                set.skip(NOT_DER);
                continue;
            };
            set.add(
                format!("DER {} {}", test.tc_id, test.comment),
                VERIFY,
                [&group.key.key, &test.msg, &signature],
                signature_verdict(test.result),
            );
        }
    }
    set
}

/// `r ‖ s` of `SEQUENCE { r INTEGER, s INTEGER }`.
fn plain_signature(encoding: &[u8]) -> Option<[u8; 64]> {
    let mut reader = SliceReader::new(encoding).ok()?;
    let integers =
        reader.sequence(|inner| Ok::<_, der::Error>([UintRef::decode(inner)?, UintRef::decode(inner)?]));
    let integers = integers.ok().filter(|_| reader.is_finished())?;
    let mut signature = [0; 64];
    for (half, integer) in signature.chunks_exact_mut(32).zip(integers) {
        half.copy_from_slice(&left_padded(integer.as_bytes())?);
    }
    Some(signature)
}

/// 32 bytes of an integer with any number of leading zeros; `None` if it is larger.
fn left_padded(integer: &[u8]) -> Option<[u8; 32]> {
    let zeros = integer.iter().take_while(|octet| **octet == 0).count();
    let significant = &integer[zeros..];
    let mut padded = [0; 32];
    padded[32_usize.checked_sub(significant.len())?..].copy_from_slice(significant);
    Some(padded)
}

fn add_agreement(set: &mut Set, file: &str, test: &ecdh::Test, public: &[u8]) {
    // "Acceptable" among the points is a compressed one, which the profile refuses.
    let expected = match test.result {
        TestResult::Valid => Verdict::Right,
        _ => Verdict::Refused,
    };
    set.add(
        format!("{file} {} {}", test.tc_id, test.comment),
        AGREE,
        [
            &left_padded(&test.private_key).unwrap(),
            public,
            &test.shared_secret,
        ],
        expected,
    );
}

fn ecdh_points() -> Set {
    let mut set = Set::default();
    let file = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    for test in file.test_groups.into_iter().flat_map(|group| group.tests) {
        add_agreement(&mut set, "ECDH point", &test, &test.public_key);
    }
    set
}

/// `SEQUENCE { SEQUENCE { id-ecPublicKey, secp256r1 }, BIT STRING }` up to the 65 bytes of the point (RFC 5480).
const POINT_FOLLOWS: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
    0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn ecdh_asn() -> Set {
    let mut set = Set::default();
    let file = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1).unwrap();
    for test in file.test_groups.into_iter().flat_map(|group| group.tests) {
        match test.public_key.strip_prefix(&POINT_FOLLOWS) {
            Some(point) if point.len() == 65 => add_agreement(&mut set, "ECDH ASN.1", &test, point),
            _ => {
                assert_ne!(test.result, TestResult::Valid, "ECDH ASN.1 {}", test.tc_id);
                set.skip(NOT_A_POINT);
            }
        }
    }
    set
}

fn aes_cmac() -> Set {
    let mut set = Set::default();
    let file = mac::TestSet::load(mac::TestName::AesCmac).unwrap();
    for test in file.test_groups.into_iter().flat_map(|group| group.tests) {
        let expected = match test.result {
            TestResult::Valid => Verdict::Right,
            _ if test.flags.contains(&mac::TestFlag::InvalidKeySize) => Verdict::Refused,
            _ => Verdict::Wrong,
        };
        let name = format!("CMAC {} {}", test.tc_id, test.comment);
        set.add(name, CMAC, [&test.key, &test.msg, &test.tag], expected);
    }
    set
}
