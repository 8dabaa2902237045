//! Data fields of commands and answers (SPEC 6, 9, 13).
#![no_main]

use card_spec::command::{
    BlockProof, CardStatus, FileControlInformation, GenerateData, GeneratedKeys, IssuerMessage,
    KeyPossession, PinChange, SessionBinding, VerifyData,
};
use card_spec::list::BlockListHeader;
use card_spec::merkle::root_from_path;
use card_spec::script::IssuerScript;
use card_spec::signed::Body;
use fuzz::reads_as_it_writes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    reads_as_it_writes::<FileControlInformation>(input, FileControlInformation::TAG);
    reads_as_it_writes::<CardStatus>(input, CardStatus::TAG);
    reads_as_it_writes::<KeyPossession>(input, KeyPossession::TAG);
    reads_as_it_writes::<SessionBinding>(input, SessionBinding::TAG);

    let mut buffer = [0; fuzz::BUFFER];
    if let Ok(data) = VerifyData::parse(input) {
        assert_eq!(data.encode(&mut buffer), Ok(input));
    }
    if let Ok(data) = PinChange::parse(input) {
        assert_eq!(&data.encode()[..], input);
    }
    if let Ok(data) = GenerateData::parse(input) {
        assert_eq!(data.encode(&mut buffer), Ok(input));
    }
    if let Ok(data) = GeneratedKeys::parse(input) {
        assert_eq!(data.encode(&mut buffer), Ok(input));
    }
    if let Ok(data) = IssuerMessage::<IssuerScript>::parse(input) {
        assert_eq!(data.encode(&mut buffer), Ok(input));
    }
    if let Ok(data) = IssuerMessage::<BlockListHeader>::parse(input) {
        assert_eq!(data.encode(&mut buffer), Ok(input));
    }
    if let Ok(data) = BlockProof::parse(input) {
        assert_eq!(data.encode(&mut buffer), Ok(input));
        // No number of leaves makes a path overflow.
        for leaves in [0, 1, data.index, data.index.saturating_add(1), 1 << 14, u32::MAX] {
            let root = root_from_path([7; 32], data.index, leaves, &data.path);
            assert!(root.is_none() || data.index < leaves);
        }
    }
});
