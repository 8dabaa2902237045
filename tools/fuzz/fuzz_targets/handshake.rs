//! The SCP03 handshake and PUT KEY (SPEC 6.2 to 6.4): without the keys nobody opens a session or replaces a key.
#![no_main]

use card_spec::apdu::Command;
use card_spec::scp03::{
    AesKey, CardHandshake, HostHandshake, InitializeUpdateResponse, encode_put_key, parse_put_key,
};
use fuzz::{Pieces, static_keys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut pieces = Pieces(input);
    match pieces.byte() {
        0 => card(&mut pieces),
        1 => host(pieces.0),
        _ => put_key(pieces.0),
    }
});

/// The card's side: any two commands.
fn card(pieces: &mut Pieces<'_>) {
    let Ok(first) = Command::parse(pieces.bytes()) else {
        return;
    };
    let Ok((handshake, response)) =
        CardHandshake::initialize_update(&first, &static_keys(), 2, [1; 10], [9; 8])
    else {
        return;
    };
    assert_eq!(
        (first.class, first.instruction, first.data.len()),
        (0x80, 0x50, 8)
    );
    assert!(InitializeUpdateResponse::parse(&response).is_ok());
    if let Ok(second) = Command::parse(pieces.0) {
        assert!(
            handshake.external_authenticate(&second).is_err(),
            "a session without the keys"
        );
    }
}

/// The host's side: any answer to INITIALIZE UPDATE.
fn host(answer: &[u8]) {
    let Ok(response) = InitializeUpdateResponse::parse(answer) else {
        return;
    };
    assert_eq!(response.to_bytes(), answer);
    let opened = HostHandshake::new([7; 8]).card_response(&static_keys(), &response);
    assert!(opened.is_err(), "a card without the keys");
}

/// Keys that are taken are those of the command, and its check values are right.
fn put_key(data: &[u8]) {
    let dek = AesKey::aes128([0xDE; 16]);
    if let Ok((version, keys)) = parse_put_key(data, &dek) {
        assert_eq!(
            encode_put_key(version, &keys, &dek)
                .as_ref()
                .map(|data| &data[..]),
            Ok(data)
        );
    }
}
