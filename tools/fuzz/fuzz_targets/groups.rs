//! Data groups (SPEC 5).
#![no_main]

use card_spec::groups::{Holder, Issuance, LinkedNumbers, Portrait, Programmes, Representatives};
use fuzz::reads_as_it_writes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    reads_as_it_writes::<Holder<'_>>(input, 0xFF31);
    reads_as_it_writes::<Portrait<'_>>(input, 0xFF32);
    reads_as_it_writes::<Programmes>(input, 0xFF33);
    reads_as_it_writes::<LinkedNumbers<'_>>(input, 0xFF34);
    reads_as_it_writes::<Representatives<'_>>(input, 0xFF35);
    reads_as_it_writes::<Issuance<'_>>(input, 0xFF36);
});
