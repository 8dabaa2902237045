//! Published known answers for SCP03, key diversification, SCP11a and RFC 6979 (`card-applet-spec/vectors`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::crypto::{PortableP256, SecretKey, Sign, Verify};
use card_spec::scp03::{
    AesKey, CardHandshake, HandshakeError, HostHandshake, InitializeUpdateResponse, Reply, SecurityLevel,
    StaticKeys, diversify,
};
use card_spec::scp11::{TerminalAgreement, card_agreement};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let path = format!("{}/../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn octets(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn key(value: &Value) -> AesKey {
    AesKey::from_bytes(&octets(value)).unwrap()
}

fn secret(value: &Value) -> SecretKey {
    SecretKey::from_bytes(&octets(value).try_into().unwrap()).unwrap()
}

fn static_keys(value: &Value) -> StaticKeys {
    StaticKeys {
        enc: key(&value["enc"]),
        mac: key(&value["mac"]),
        dek: key(&value["dek"]),
    }
}

fn level(value: &Value) -> SecurityLevel {
    match value.as_str().unwrap() {
        "01" => SecurityLevel::C_MAC,
        "03" => SecurityLevel::C_MAC_C_DECRYPTION,
        "11" => SecurityLevel::C_MAC_R_MAC,
        "33" => SecurityLevel::FULL,
        other => panic!("unknown level {other}"),
    }
}

/// The vectors' cards answered with i=70, which the profile refuses, so this reads the fields by position.
fn foreign_response(data: &[u8]) -> InitializeUpdateResponse {
    InitializeUpdateResponse {
        chip_serial: data[..10].try_into().unwrap(),
        key_version: data[10],
        card_challenge: data[13..21].try_into().unwrap(),
        card_cryptogram: data[21..29].try_into().unwrap(),
    }
}

#[test]
fn scp03_host_side() {
    let vectors = vectors("scp03.json");
    let sessions = vectors["sessions"]["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 12, "AES-128, -192, -256 at levels 01, 03, 11, 33");
    for session in sessions {
        let keys = static_keys(&vectors["sessions"]["keys"][session["keys"].as_str().unwrap()]);
        let first = octets(&session["initialize_update"]);
        let handshake =
            HostHandshake::new(first[5..13].try_into().unwrap()).at_level(level(&session["security_level"]));
        assert_eq!(handshake.initialize_update(first[2])[..], first);

        let response = foreign_response(&octets(&session["initialize_update_response"]));
        let (mut channel, apdu) = handshake.card_response(&keys, &response).unwrap();
        assert_eq!(apdu[..], octets(&session["external_authenticate"]));

        for (number, command) in session["commands"].as_array().unwrap().iter().enumerate() {
            let plain = octets(&command["plain"]);
            let mut out = [0; 261];
            let protected = channel.wrap(&Command::parse(&plain).unwrap(), &mut out).unwrap();
            assert_eq!(hex::encode(protected), command["protected"].as_str().unwrap());

            if number == 0 {
                let response = [octets(&session["first_response"]["protected"]), vec![0x90, 0x00]].concat();
                let reply = channel.unwrap(&response, &mut out).unwrap();
                let (Reply::Authenticated(plain) | Reply::Unauthenticated(plain)) = reply;
                assert_eq!(plain.ok().unwrap(), octets(&session["first_response"]["plain"]));
                let has_mac = ["11", "33"].contains(&session["security_level"].as_str().unwrap());
                assert_eq!(reply.authenticated().is_ok(), has_mac);
            } else {
                // The publication has no response here: an error status word keeps the session in step.
                channel.unwrap(&[0x6A, 0x80], &mut out).unwrap();
            }
        }
    }
}

/// A card in this session of the vectors, before EXTERNAL AUTHENTICATE.
fn card_handshake(vectors: &Value, session: &Value) -> CardHandshake {
    let keys = static_keys(&vectors["sessions"]["keys"][session["keys"].as_str().unwrap()]);
    let expected = foreign_response(&octets(&session["initialize_update_response"]));
    let first = octets(&session["initialize_update"]);
    let (handshake, response) = CardHandshake::initialize_update(
        &Command::parse(&first).unwrap(),
        &keys,
        expected.key_version,
        expected.chip_serial,
        expected.card_challenge,
    )
    .unwrap();
    assert_eq!(InitializeUpdateResponse::parse(&response).unwrap(), expected);
    handshake
}

#[test]
fn scp03_card_side() {
    let vectors = vectors("scp03.json");
    for session in vectors["sessions"]["sessions"].as_array().unwrap() {
        let handshake = card_handshake(&vectors, session);
        let second = octets(&session["external_authenticate"]);
        let opened = handshake.external_authenticate(&Command::parse(&second).unwrap());
        if session["security_level"] != "33" {
            // Cryptogram and MAC are right, but SPEC 6.3 has one level.
            assert_eq!(opened.unwrap_err(), HandshakeError::SecurityLevel);
            continue;
        }
        let mut channel = opened.unwrap();
        for (number, command) in session["commands"].as_array().unwrap().iter().enumerate() {
            let protected = octets(&command["protected"]);
            let mut out = [0; 255];
            let plain = channel
                .unwrap(&Command::parse(&protected).unwrap(), &mut out)
                .unwrap();
            assert_eq!(plain, Command::parse(&octets(&command["plain"])).unwrap());

            let data = octets(&session["first_response"]["plain"]);
            let mut out = [0; 252];
            let protected = channel
                .wrap(&Response::new(&data, StatusWord::SUCCESS), &mut out)
                .unwrap();
            if number == 0 {
                let expected = [octets(&session["first_response"]["protected"]), vec![0x90, 0x00]].concat();
                assert_eq!(protected, expected);
            }
        }
    }
}

#[test]
fn the_profile_refuses_the_pseudo_random_challenge_of_the_published_cards() {
    let vectors = vectors("scp03.json");
    let response = octets(&vectors["sessions"]["sessions"][0]["initialize_update_response"]);
    assert!(InitializeUpdateResponse::parse(&response).is_err());
}

#[test]
fn key_diversification() {
    let vectors = vectors("scp03.json");
    let diversification = &vectors["diversification"];
    for case in diversification["cases"].as_array().unwrap() {
        let master = key(&case["master"]);
        let master = StaticKeys {
            enc: master.clone(),
            mac: master.clone(),
            dek: master,
        };
        let card = diversify(&master, &octets(&case["chip_serial"]).try_into().unwrap());
        assert_eq!(card.enc.key_check_value()[..], octets(&case["enc"]));
        assert_eq!(card.mac.key_check_value()[..], octets(&case["mac"]));
        assert_eq!(card.dek.key_check_value()[..], octets(&case["dek"]));
    }
    let case = &diversification["whole_key"];
    let master = key(&case["master"]);
    let master = StaticKeys {
        enc: master.clone(),
        mac: master.clone(),
        dek: master,
    };
    let card = diversify(&master, &octets(&case["chip_serial"]).try_into().unwrap());
    assert_eq!(card.enc.as_bytes(), octets(&case["enc"]));
}

#[test]
fn key_check_value() {
    let vectors = vectors("scp03.json");
    let case = &vectors["check_value"];
    assert_eq!(key(&case["key"]).key_check_value()[..], octets(&case["value"]));
}

#[test]
fn scp11a_both_sides() {
    let vectors = vectors("scp11.json");
    let terminal_key = secret(&vectors["terminal"]["static_secret"]);
    let card_key = secret(&vectors["card"]["static_secret"]);

    let agreement = TerminalAgreement::new(secret(&vectors["terminal"]["ephemeral_secret"]));
    assert_eq!(agreement.command_data()[..], octets(&vectors["command_data"]));

    let ephemeral = secret(&vectors["card"]["ephemeral_secret"]);
    let (mut card, card_receipt, response) = card_agreement(
        &octets(&vectors["command_data"]),
        &card_key,
        &terminal_key.public_key(),
        &ephemeral,
    )
    .unwrap();
    assert_eq!(response[..], octets(&vectors["response_data"]));
    assert_eq!(card_receipt[..], octets(&vectors["receipt"]));

    let (mut terminal, receipt) = agreement
        .finish(&terminal_key, &card_key.public_key(), &response)
        .unwrap();
    assert_eq!(receipt, card_receipt);

    for command in vectors["commands"].as_array().unwrap() {
        let plain = octets(&command["plain"]);
        let plain = Command::parse(&plain).unwrap();
        let mut out = [0; 261];
        let protected = terminal.wrap(&plain, &mut out).unwrap();
        assert_eq!(hex::encode(protected), command["protected"].as_str().unwrap());
        let mut data = [0; 255];
        assert_eq!(
            card.unwrap(&Command::parse(protected).unwrap(), &mut data)
                .unwrap(),
            plain
        );

        let response_data = octets(&command["response_data"]);
        let mut sent = [0; 252];
        let sent = card
            .wrap(&Response::new(&response_data, StatusWord::SUCCESS), &mut sent)
            .unwrap();
        assert_eq!(hex::encode(sent), command["protected_response"].as_str().unwrap());
        let reply = terminal.unwrap(sent, &mut out).unwrap().authenticated().unwrap();
        assert_eq!(reply.ok().unwrap(), response_data);
    }
}

/// RFC 6979, A.2.5, SHA-256, message "sample".
#[test]
fn deterministic_signature() {
    let private = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
    let secret = SecretKey::from_bytes(&private.try_into().unwrap()).unwrap();
    assert_eq!(
        hex::encode(secret.public_key().as_bytes()),
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
         7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    );
    let Ok(signature) = secret.sign(b"sample");
    assert_eq!(
        hex::encode(signature.as_bytes()),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    );
    assert!(
        PortableP256
            .verify(&secret.public_key(), b"sample", &signature)
            .is_ok()
    );
    assert!(
        PortableP256
            .verify(&secret.public_key(), b"Sample", &signature)
            .is_err()
    );
}
