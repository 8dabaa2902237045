//! The card security object (SPEC 4).
#![no_main]

use card_spec::cso::CardSecurityObject;
use card_spec::signed::Signed;
use fuzz::signed_reads_as_it_writes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    signed_reads_as_it_writes::<CardSecurityObject>(input);
    if let Ok(signed) = Signed::<CardSecurityObject>::parse(input) {
        let policy = signed.claimed().policy;
        assert!((1..=3).contains(&policy.methods) && (1..=15).contains(&policy.pin_tries));
        assert_ne!(policy.orders_per_verify, 0);
    }
});
