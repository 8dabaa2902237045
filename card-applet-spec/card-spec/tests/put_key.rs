//! PUT KEY (SPEC 6.4; Amendment D, 7.2): what a card takes as new keys, and what it answers.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::scp03::{AesKey, PutKeyError, StaticKeys, encode_put_key, parse_put_key, put_key_response};

fn keys() -> StaticKeys {
    StaticKeys::new([1; 16], [2; 16], [3; 16])
}

#[test]
fn put_key_goes_through_and_its_alterations_do_not() {
    let new = StaticKeys::new([4; 16], [5; 16], [6; 16]);
    let dek = keys().dek;
    let valid = encode_put_key(0x31, &new, &dek).unwrap();
    assert_eq!(valid[..4], [0x31, 0x88, 0x11, 0x10]);
    assert_eq!(valid[20], 0x03);
    let (version, parsed) = parse_put_key(&valid, &dek).unwrap();
    assert_eq!(version, 0x31);
    assert_eq!(parsed.mac.as_bytes(), [5; 16]);
    let check_values = [&new.enc, &new.mac, &new.dek].map(AesKey::key_check_value);
    let answer = [&[0x31][..], check_values.as_flattened()].concat();
    assert_eq!(put_key_response(version, &parsed)[..], answer);

    // Octet 0 is the version, which secure messaging protects.
    for position in 1..valid.len() {
        let mut altered = valid;
        altered[position] ^= 1;
        assert!(parse_put_key(&altered, &dek).is_err(), "octet {position}");
    }
    for length in 0..valid.len() {
        assert_eq!(
            parse_put_key(&valid[..length], &dek).err(),
            Some(PutKeyError::Malformed)
        );
    }
    assert_eq!(
        parse_put_key(&valid, &AesKey::aes128([0; 16])).err(),
        Some(PutKeyError::CheckValue)
    );
}

#[test]
fn put_key_refuses_default_and_long_keys() {
    let default = card_spec::scp03::DEFAULT_KEY;
    let new = StaticKeys::new([4; 16], [5; 16], default);
    let dek = keys().dek;
    assert_eq!(encode_put_key(1, &new, &dek).err(), Some(PutKeyError::DefaultKey));
    let long = StaticKeys {
        enc: AesKey::from_bytes(&[1; 32]).unwrap(),
        ..keys()
    };
    assert_eq!(encode_put_key(1, &long, &dek).err(), Some(PutKeyError::Malformed));
}
