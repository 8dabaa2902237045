//! A new issuer key with cards in the field, rehearsed (host/CEREMONY.md, 5): cards of both keys are genuine to an auditor, and
//! the new key commands the cards of the old one, but only with its certificate (SPEC 13.3).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::num::NonZero;
use std::path::Path;

use ansinh_issuance::{Done, Event, Failure, Issuance, Randomness, Step};
use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_station::home::Home;
use ansinh_station::issue::Ledger;
use card_spec::apdu::{Command, Response};
use card_spec::certificate::{Certificate, CertificateKey, Request};
use card_spec::command::Pin;
use card_spec::command::instruction::EXECUTE_ISSUER_SCRIPT;
use card_spec::crypto::Sign;
use card_spec::scp03::{HostHandshake, InitializeUpdateResponse};
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::{Body, Signed, sign};
use card_spec::values::Time;
use getrandom::SysRng;
use issuance_tests::bench::select;
use issuance_tests::{Opened, PASSPHRASE, PIN, TestStation};
use virtual_card::control::Fuse;
use virtual_card::{Chip, ReferenceCard};

/// The rehearsal's station, which has changed its issuer's key after the first of two cards.
struct Rehearsal {
    station: TestStation,
    before: Opened,
    after: Opened,
    first: ReferenceCard,
    second: ReferenceCard,
}

impl Rehearsal {
    fn new() -> Self {
        let station = TestStation::set_up(2, 2);
        let mut chips = station
            .cards()
            .into_iter()
            .map(|path| ReferenceCard::open(&path, &Fuse::default(), false));
        let (mut first, mut second) = (chips.next().unwrap().unwrap(), chips.next().unwrap().unwrap());
        let before = station.open();
        issue(&before, &mut first).unwrap();
        rekey(&station);
        let after = station.open();
        issue(&after, &mut second).unwrap();
        Self {
            station,
            before,
            after,
            first,
            second,
        }
    }
}

/// The serial of a chip: the name of its memory.
fn serial(card: &Path) -> [u8; 10] {
    let name = card.file_stem().unwrap().to_str().unwrap();
    hex::decode(name).unwrap().try_into().unwrap()
}

fn ledger(opened: &Opened) -> Ledger<'_> {
    Ledger {
        store: &opened.store,
        actor: &opened.actor,
        keys: &opened.keys,
        station: &opened.station,
        province: 79,
        reader: "rehearsal",
    }
}

fn issue(opened: &Opened, chip: &mut impl Chip) -> Result<Done, Failure> {
    let (mut issuance, mut step) = Issuance::start(&opened.station, Randomness::draw(&mut SysRng).unwrap());
    loop {
        let event = match step {
            Step::Done(done) => return Ok(done),
            Step::Failed(failure) => return Err(failure),
            Step::AskPin(_) => Event::Pin(Pin::new(PIN).unwrap()),
            Step::Transmit(command) => Event::Response(chip.transmit(&command)),
            step => ledger(opened)
                .answer(step)
                .ok()
                .expect("all other steps are matched"),
        };
        step = issuance.answer(event);
    }
}

fn rekey(station: &TestStation) {
    certify_next_key(station);
    succeed(station, &["ceremony", "accept", &beside(station, "issuer.cvc")]);
}

fn beside(station: &TestStation, name: &str) -> String {
    station.home().with_file_name(name).display().to_string()
}

/// Has the station ask by its own command, and signs what the request asks for.
fn certify_next_key(station: &TestStation) {
    let at = |name| beside(station, name);
    succeed(
        station,
        &[
            "ceremony",
            "rekey",
            "--role",
            "issuer",
            "--out",
            &at("issuer.request"),
        ],
    );
    let home = Home::new(station.home());
    let settings = home.station().unwrap();
    let present = home
        .certificate(&settings.reference(Role::Issuer).unwrap())
        .unwrap();
    let present = *Signed::<Certificate>::parse(&present).unwrap().claimed();
    let request = std::fs::read(at("issuer.request")).unwrap();
    let request = *Signed::<Request>::parse(&request).unwrap().claimed();
    let body = Certificate {
        public_key: CertificateKey {
            key: request.public_key.key,
            with_domain_parameters: false,
        },
        holder: request.holder,
        ..present
    };
    let passphrase = Passphrase::new(PASSPHRASE.to_owned());
    let root = home.signing_key(Role::Root, &passphrase).unwrap();
    std::fs::write(at("issuer.cvc"), signed(&body, &root)).unwrap();
}

fn succeed(station: &TestStation, arguments: &[&str]) {
    let output = station.ansinh(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn signed<'a, B: Body<'a>>(body: &B, key: &impl Sign) -> Vec<u8> {
    let mut buffer = [0; 1024];
    sign(body, key, &mut buffer).ok().unwrap().to_vec()
}

/// Sends EXECUTE ISSUER SCRIPT with these data in an issuer's session; gives the status word.
fn execute(opened: &Opened, chip: &mut impl Chip, data: &[u8]) -> u16 {
    chip.reset();
    select(chip);
    let handshake = HostHandshake::new([7; 8]);
    let response = chip.transmit(&handshake.initialize_update(0));
    let update = InitializeUpdateResponse::parse(Response::parse(&response).unwrap().ok().unwrap()).unwrap();
    let Ok(Event::Keys(keys)) = ledger(opened).answer(Step::FindKeys(update.chip_serial)) else {
        unreachable!("the chip is of the test delivery")
    };
    let (mut channel, authenticate) = handshake.card_response(&keys.issuer, &update).unwrap();
    assert_eq!(chip.transmit(&authenticate), [0x90, 0x00]);
    let blocks: Vec<_> = data.chunks(200).collect();
    let mut status = 0;
    for (number, block) in (1..).zip(&blocks) {
        let command = Command {
            class: if number == blocks.len() { 0x80 } else { 0x90 },
            instruction: EXECUTE_ISSUER_SCRIPT,
            p1: 0,
            p2: 0,
            data: block,
            expected: (number == blocks.len()).then_some(256),
        };
        let mut buffer = [0; 261];
        let response = chip.transmit(channel.wrap(&command, &mut buffer).unwrap());
        status = u16::from_be_bytes(*response.last_chunk().unwrap());
        if status != 0x9000 {
            return status;
        }
        let mut buffer = [0; 252];
        channel.unwrap(&response, &mut buffer).unwrap();
    }
    status
}

/// A script for the card on this chip, signed with a station's key.
fn script(opened: &Opened, key: &SigningKey, chip: &[u8; 10], action: Action, counter: u32) -> Vec<u8> {
    let card = opened.store.card_by_chip(chip).unwrap().unwrap();
    let body = IssuerScript {
        suite: Default::default(),
        issuer: opened.station.issuer(),
        card_number: card.number,
        counter,
        action,
        issued: Time::new(opened.station.terms().today, 12, 0, 0).unwrap(),
    };
    signed(&body, key)
}

#[test]
fn an_auditor_finds_the_cards_of_both_keys_complete() {
    let rehearsal = Rehearsal::new();
    let folder = rehearsal.station.home().with_file_name("audit");
    succeed(&rehearsal.station, &["export", "--out", folder.to_str().unwrap()]);
    let root = ansinh_audit::read_root_key(rehearsal.station.home().join("root.pem")).unwrap();
    let report = ansinh_audit::audit(&[folder], &root, NonZero::<usize>::MIN).unwrap();
    assert!(report.clean, "{:?}", report.findings);
    let issuers: Vec<_> = report
        .issuers
        .iter()
        .map(|issuer| (issuer.issuer.as_str(), issuer.last, issuer.missing.len()))
        .collect();
    assert_eq!(issuers, [("VNISS7900001", 1, 0), ("VNISS7900002", 1, 0)]);
}

#[test]
fn the_new_key_commands_the_cards_of_the_old_one_with_its_certificate() {
    let mut rehearsal = Rehearsal::new();
    let Rehearsal {
        station,
        before,
        after,
        first,
        second,
    } = &mut rehearsal;
    let home = Home::new(station.home());
    let passphrase = Passphrase::new(PASSPHRASE.to_owned());
    let new_key = home.signing_key(Role::Issuer, &passphrase).unwrap();
    let old_key = SigningKey::open(&station.home().join("keys/issuer.key"), &passphrase).unwrap();
    let certificate = |holder| after.store.certificate(holder).unwrap();
    let (old_certificate, new_certificate) = (certificate("VNISS7900001"), certificate("VNISS7900002"));
    let serials: Vec<_> = station.cards().iter().map(|card| serial(card)).collect();
    let (first_serial, second_serial) = (serials[0], serials[1]);

    let by_new = script(after, &new_key, &first_serial, Action::FillPinTries, 0);
    assert_eq!(
        execute(after, first, &by_new),
        0x6A88,
        "the card has no certificate for it"
    );
    let forged = script(after, &old_key, &first_serial, Action::FillPinTries, 0);
    assert_eq!(
        execute(after, first, &[new_certificate.as_slice(), &forged].concat()),
        0x6982
    );
    let renamed = [old_certificate.as_slice(), &by_new].concat();
    assert_eq!(
        execute(after, first, &renamed),
        0x6982,
        "a certificate of another name"
    );
    assert_eq!(
        execute(after, first, &[new_certificate.as_slice(), &by_new].concat()),
        0x9000
    );
    // It does not retire the card's own issuer, which an update does (SPEC 13.3).
    let by_old = script(before, &old_key, &first_serial, Action::FillPinTries, 1);
    assert_eq!(execute(after, first, &by_old), 0x9000);

    let by_old = script(before, &old_key, &second_serial, Action::FillPinTries, 0);
    assert_eq!(execute(after, second, &by_old), 0x6A88, "a card of the new key");
    let with_certificate = [old_certificate.as_slice(), &by_old].concat();
    assert_eq!(
        execute(after, second, &with_certificate),
        0x6982,
        "a lower sequence"
    );
    let by_new = script(after, &new_key, &second_serial, Action::FillPinTries, 0);
    assert_eq!(execute(after, second, &by_new), 0x9000);
}

#[test]
fn a_key_is_not_changed_while_a_card_is_unfinished() {
    let station = TestStation::set_up(1, 1);
    let path = station.cards().remove(0);
    let mut chip = ReferenceCard::open(&path, &Fuse::default(), false).unwrap();
    let opened = station.open();
    let (mut issuance, mut step) = Issuance::start(&opened.station, Randomness::draw(&mut SysRng).unwrap());
    // Torn where the issuer has signed and the card does not know it yet.
    loop {
        let event = match step {
            Step::Transmit(command) => Event::Response(chip.transmit(&command)),
            Step::AskPin(_) => Event::Pin(Pin::new(PIN).unwrap()),
            step @ Step::SignCso(..) => {
                assert!(ledger(&opened).answer(step).is_ok());
                break;
            }
            step => ledger(&opened)
                .answer(step)
                .ok()
                .expect("all other steps are matched"),
        };
        step = issuance.answer(event);
    }
    let settings = std::fs::read(station.home().join("station.json")).unwrap();
    certify_next_key(&station);
    let accept = ["ceremony", "accept", &beside(&station, "issuer.cvc")];
    let refused = station.ansinh(&accept).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("1 card(s) were begun"));
    assert_eq!(
        std::fs::read(station.home().join("station.json")).unwrap(),
        settings
    );
    issue(&station.open(), &mut chip).unwrap();
    succeed(&station, &accept);
}
