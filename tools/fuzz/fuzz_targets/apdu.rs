//! Octets as a command and as a response: what is understood is written again as it was (ISO/IEC 7816-4:2020, 5.2).
#![no_main]

use card_spec::apdu::{Command, Response, StatusWord};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    command(input);
    response(input);
});

fn command(input: &[u8]) {
    let Ok(command) = Command::parse(input) else {
        return;
    };
    let mut buffer = [0; 261];
    // Extended length is read only: what it carries may fit a short APDU, which is then another one.
    if let Ok(short) = command.encode_short(&mut buffer) {
        let again = Command::parse(short);
        assert_eq!(again, Ok(command));
        assert!(short == input || input[4] == 0, "two short APDUs for one command");
    }
    for more in [false, true] {
        assert_eq!(command.with_chaining(more).is_chained(), more);
    }
}

fn response(input: &[u8]) {
    let Ok(response) = Response::parse(input) else {
        assert!(input.len() < 2);
        return;
    };
    let mut buffer = [0; fuzz::BUFFER];
    assert_eq!(response.encode(&mut buffer), Ok(input));
    assert_eq!(response.ok().is_ok(), response.status() == StatusWord::SUCCESS);
}
