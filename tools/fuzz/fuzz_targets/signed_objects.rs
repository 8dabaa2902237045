//! All other signed objects: issuer scripts (SPEC 13), lists, journal entries, acknowledgements, time statements (DATA 3 to 7).
#![no_main]

use card_spec::block_delta::{BlockDeltaBase, Unblocked};
use card_spec::journal::{Acknowledgement, Entry, TimeStatement};
use card_spec::list::{BlockEntry, BlockListHeader, ListHeader, ListLine};
use card_spec::script::IssuerScript;
use fuzz::{reads_as_it_writes, signed_reads_as_it_writes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    signed_reads_as_it_writes::<IssuerScript>(input);
    signed_reads_as_it_writes::<ListHeader<'_>>(input);
    signed_reads_as_it_writes::<BlockListHeader>(input);
    signed_reads_as_it_writes::<Entry<'_>>(input);
    signed_reads_as_it_writes::<Acknowledgement>(input);
    signed_reads_as_it_writes::<TimeStatement>(input);
    reads_as_it_writes::<ListLine>(input, ListLine::TAG);
    reads_as_it_writes::<BlockEntry>(input, BlockEntry::TAG);
    reads_as_it_writes::<BlockDeltaBase>(input, BlockDeltaBase::TAG);
    reads_as_it_writes::<Unblocked>(input, Unblocked::TAG);
});
