//! A terminal that the station's own authorities certified, as far as a holder's PIN needs one.

use std::path::Path;

use ansinh_keys::{Passphrase, Role};
use ansinh_station::home::Home;
use card_spec::apdu::Command;
use card_spec::certificate::{Authorization, Certificate, CertificateKey, Reference, Role as CertifiedRole};
use card_spec::command::{Pin, VerifyData};
use card_spec::crypto::SecretKey;
use card_spec::cso::CardSecurityObject;
use card_spec::scp03::HostChannel;
use card_spec::scp11::TerminalAgreement;
use card_spec::signed::{Signed, sign};
use card_spec::values::Amount;
use virtual_card::control::Fuse;
use virtual_card::{Chip as _, ReferenceCard};

use crate::bench::select;
use crate::hostile::secret;
use crate::{PASSPHRASE, TestStation};

/// PERFORM SECURITY OPERATION, READ BINARY, MUTUAL AUTHENTICATE, VERIFY (SPEC 7, 9.1).
const PRESENT: u8 = 0x2A;
const READ_BINARY: u8 = 0xB0;
const MUTUAL_AUTHENTICATE: u8 = 0x82;
const VERIFY: u8 = 0x20;

/// Status word of VERIFY with this PIN, in a terminal session with the card of this memory.
pub fn verify_pin(station: &TestStation, memory: &Path, pin: &[u8; 6]) -> u16 {
    let mut card = ReferenceCard::open(memory, &Fuse::default(), false).unwrap();
    let mut channel = open_session(station, &mut card);
    let data = VerifyData {
        pin: Pin::new(pin).unwrap(),
        orders: 1,
        total: Amount::new(500_000).unwrap(),
    };
    let (mut plain, mut buffer) = ([0; 64], [0; 261]);
    let command = Command {
        class: 0x80,
        instruction: VERIFY,
        p1: 0x00,
        p2: 0x81,
        data: data.encode(&mut plain).unwrap(),
        expected: Some(256),
    };
    let answer = card.transmit(channel.wrap(&command, &mut buffer).unwrap());
    u16::from_be_bytes(*answer.last_chunk().unwrap())
}

/// Certificates, CSO, key agreement (SPEC 7).
fn open_session(station: &TestStation, card: &mut ReferenceCard) -> HostChannel {
    let home = Home::new(station.home());
    let settings = home.station().unwrap();
    let authority = home
        .certificate(&settings.reference(Role::TerminalCa).unwrap())
        .unwrap();
    let key = secret(50);
    let own = certify(&home, &authority, &key);
    card.reset();
    select(card);
    for (p2, certificate) in [(0x90, &authority), (0x10, &own)] {
        let blocks: Vec<_> = certificate.chunks(223).collect();
        for (number, block) in (1..).zip(&blocks) {
            let class = if number == blocks.len() { 0x80 } else { 0x90 };
            send(card, [class, PRESENT, 0x01, p2], block).unwrap();
        }
    }
    let mut object = send(card, [0x00, READ_BINARY, 0x9D, 0x00], &[]).unwrap();
    while let Some(part) = {
        let [high, low] = u16::try_from(object.len()).unwrap().to_be_bytes();
        send(card, [0x00, READ_BINARY, high, low], &[])
    } {
        object.extend(part);
    }
    let cso = *Signed::<CardSecurityObject>::parse(&object).unwrap().claimed();
    let agreement = TerminalAgreement::new(secret(51));
    let answer = send(
        card,
        [0x80, MUTUAL_AUTHENTICATE, 0x01, 0x11],
        agreement.command_data(),
    )
    .unwrap();
    agreement.finish(&key, &cso.agreement_key, &answer).unwrap().0
}

/// The terminal authority's certificate for a terminal's agreement key, for the first of the authority's days.
fn certify(home: &Home, authority: &[u8], key: &SecretKey) -> Vec<u8> {
    let authority = *Signed::<Certificate>::parse(authority).unwrap().claimed();
    let body = Certificate {
        authority: authority.holder,
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: false,
        },
        holder: Reference::new("VNT0000001A00001").unwrap(),
        authorization: Authorization {
            role: CertifiedRole::TerminalAgreement,
            ..authority.authorization
        },
        // More than 35 days no terminal gets (SPEC 3.4).
        expiry: authority.effective,
        ..authority
    };
    let signer = home
        .signing_key(Role::TerminalCa, &Passphrase::new(PASSPHRASE.to_owned()))
        .unwrap();
    sign(&body, &signer, &mut [0; 1024]).ok().unwrap().to_vec()
}

/// Data of a `9000`; `None` for any other status word.
fn send(card: &mut ReferenceCard, [class, instruction, p1, p2]: [u8; 4], data: &[u8]) -> Option<Vec<u8>> {
    let command = Command {
        class,
        instruction,
        p1,
        p2,
        data,
        expected: Some(256),
    };
    let mut answer = card.transmit(command.encode_short(&mut [0; 261]).unwrap());
    let status = answer.split_off(answer.len() - 2);
    (status == [0x90, 0x00]).then_some(answer)
}
