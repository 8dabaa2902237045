//! Cards that lie, chips from elsewhere, ledgers that are not what they were: each refused with its own reason, and the
//! person still gets one card.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;

use ansinh_issuance::{Done, Failure, Plastic, Station};
use ansinh_keys::Role;
use ansinh_station::home::Home;
use ansinh_store::cards::CardState;
use card_spec::command::{CardStatus, GenerateData, LifeCycle};
use card_spec::values::CardNumber;
use issuance_tests::TestStation;
use issuance_tests::bench::{Bench, End, Fault, PEOPLE};
use issuance_tests::hostile::{Impostor, Lies, Meddler, Proof, encode, prove, secret};
use virtual_card::Moment;

/// Answers that no genuine card gives, whatever the command.
const NONSENSE: [&[u8]; 8] = [
    &[0x90],
    &[0x90, 0x00],
    &[0x61, 0x00],
    &[0x6C, 0x10],
    &[0x69, 0x85],
    &[0x63, 0xC0],
    &[0x00; 300],
    &[0xFF; 258],
];

/// Commands of a faultless issuance.
fn commands() -> usize {
    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::None).1.commands.len()
}

fn impostor(place: usize, lies: Lies) -> Impostor {
    Impostor::new(&Bench::delivery_file(), Bench::serial(place), lies)
}

#[test]
fn nonsense_in_place_of_any_answer_issues_nothing_and_spoils_nothing() {
    for number in 1..=commands() {
        for nonsense in NONSENSE {
            let bench = Bench::new();
            let alter = |command, answer| {
                if command == number {
                    nonsense.to_vec()
                } else {
                    answer
                }
            };
            let end = bench.issue(&mut Meddler::new(bench.chip(0), alter));
            // EXTERNAL AUTHENTICATE really answers a bare 9000 (SPEC 6.3).
            if end.is_ok() {
                assert_eq!((number, nonsense), (3, &[0x90, 0x00][..]), "{end:?}");
                continue;
            }
            assert_ne!(
                end.unwrap_err().plastic(),
                Plastic::Spoilt,
                "command {number}: {nonsense:02X?}"
            );
            bench.issue(&mut bench.chip(0)).unwrap();
            bench.assert_issued(&mut bench.chip(0), 0);
        }
    }
}

#[test]
fn no_byte_of_any_answer_can_be_changed() {
    let bench = Bench::new();
    let (_, trace) = bench.attempt(&mut bench.chip(0), Fault::None);
    for (number, (_, _, length)) in (1..).zip(trace.commands) {
        // The secure channel is the same for all blocks of STORE DATA: every fifth byte of each answer, all of the handshake.
        let step = if number <= 3 { 1 } else { 5 };
        for position in (0..length).step_by(step) {
            let bench = Bench::new();
            let alter = |command, mut answer: Vec<u8>| {
                if command == number {
                    answer[position] ^= 0xFF;
                }
                answer
            };
            let end = bench.issue(&mut Meddler::new(bench.chip(0), alter));
            let failure = end.expect_err("an altered answer was accepted");
            assert_ne!(
                failure.plastic(),
                Plastic::Spoilt,
                "command {number}, byte {position}: {failure}"
            );
        }
    }
}

#[test]
fn an_answer_given_twice_is_noticed() {
    for number in 4..=commands() {
        let bench = Bench::new();
        let last = RefCell::new(Vec::new());
        let alter = |command, answer: Vec<u8>| {
            let replayed = last.replace(answer.clone());
            if command == number { replayed } else { answer }
        };
        let end = bench.issue(&mut Meddler::new(bench.chip(0), alter));
        assert_eq!(end, Err(Failure::Altered), "command {number}");
    }
}

#[test]
fn a_chip_without_its_keys_gets_nobody() {
    let bench = Bench::new();
    // The serial of one chip with the keys of another.
    let alter = |command, mut answer: Vec<u8>| {
        if command == 2 {
            answer[..10].copy_from_slice(&Bench::serial(1));
        }
        answer
    };
    assert_eq!(
        bench.issue(&mut Meddler::new(bench.chip(0), alter)),
        Err(Failure::WrongCardKeys)
    );
    assert_eq!(bench.store.cards().unwrap().len(), 0);
}

#[test]
fn a_chip_of_no_delivery_is_another_stations() {
    let bench = Bench::new();
    let mut stranger = Impostor::new(&Bench::delivery_file(), [0x77; 10], Lies::default());
    assert_eq!(bench.issue(&mut stranger), Err(Failure::UnknownChip));
    assert_eq!(bench.store.cards().unwrap().len(), 0);
}

/// The chip is given up, and the person gets the next one.
fn assert_spoilt(bench: &Bench, chip: &mut Impostor, expected: &Failure, state: CardState) {
    assert_eq!(bench.issue(chip).as_ref(), Err(expected));
    let spoilt = bench.card(0).unwrap();
    assert_eq!(spoilt.state, state, "{expected:?}");
    assert_eq!(bench.issue(chip), Err(Failure::RetiredChip));
    let Ok(Done::Issued(number)) = bench.issue(&mut bench.chip(1)) else {
        panic!("the next chip was not issued")
    };
    let next = bench.store.card(&number).unwrap();
    assert_eq!(next.person, spoilt.person);
    assert_ne!(next.number, spoilt.number);
}

#[test]
fn keys_that_are_not_proven_spoil_the_chip() {
    let other_number: CardNumber = "4111111111111111".parse().unwrap();
    let true_proof = |question: &GenerateData| prove(question, &secret(1), &secret(2));
    let liars: Vec<(&'static str, Proof)> = vec![
        ("encoding", Box::new(|_| Vec::new())),
        ("encoding", Box::new(|_| vec![0x83, 0x41])),
        (
            "encoding",
            Box::new(move |question| [encode(&true_proof(question)), vec![0x80, 0x00]].concat()),
        ),
        (
            "one key for two uses",
            Box::new(|question| encode(&prove(question, &secret(1), &secret(1)))),
        ),
        (
            "signature",
            Box::new(move |question| {
                let mut proof = true_proof(question);
                proof.signing_key = secret(3).public_key();
                encode(&proof)
            }),
        ),
        (
            "signature",
            Box::new(move |question| {
                let mut proof = true_proof(question);
                proof.agreement_key = secret(3).public_key();
                encode(&proof)
            }),
        ),
        (
            "signature",
            Box::new(move |question| {
                encode(&true_proof(&GenerateData {
                    card_number: other_number,
                    ..*question
                }))
            }),
        ),
        (
            "signature",
            Box::new(move |question| {
                encode(&true_proof(&GenerateData {
                    nonce: [0; 16],
                    ..*question
                }))
            }),
        ),
        (
            "key confirmation",
            Box::new(move |question| {
                let mut proof = true_proof(question);
                proof.confirmation[15] ^= 1;
                encode(&proof)
            }),
        ),
        (
            "key confirmation",
            Box::new(move |question| {
                let mut proof = true_proof(question);
                proof.confirmation = [0; 16];
                encode(&proof)
            }),
        ),
        // A replayed confirmation: it was made for another ephemeral key of the host.
        (
            "key confirmation",
            Box::new(move |question| {
                encode(&true_proof(&GenerateData {
                    ephemeral: secret(9).public_key(),
                    ..*question
                }))
            }),
        ),
    ];
    for (reason, proof) in liars {
        let bench = Bench::new();
        let mut chip = impostor(0, Lies::with_proof(proof));
        assert_spoilt(
            &bench,
            &mut chip,
            &Failure::KeyProof(reason),
            CardState::Abandoned,
        );
    }
}

#[test]
fn a_proof_of_an_earlier_run_does_not_pass() {
    let bench = Bench::new();
    let kept = RefCell::new(None);
    let lies = Lies::with_proof(move |question| {
        let proof = encode(&prove(question, &secret(1), &secret(2)));
        kept.borrow_mut().get_or_insert(proof).clone()
    });
    let mut chip = impostor(0, lies);
    chip.lies.commands = 2;
    // The first run dies with the proof in hand, before the ledger takes its keys (the 5th question).
    let (end, _) = bench.attempt(&mut chip, Fault::Ledger(5, Moment::Before));
    assert_eq!(end, End::Torn);
    chip.lies.commands = usize::MAX;
    assert_spoilt(
        &bench,
        &mut chip,
        &Failure::KeyProof("signature"),
        CardState::Abandoned,
    );
}

#[test]
fn keys_of_another_card_spoil_the_chip_in_either_role() {
    for (agreement, signing) in [(1, 2), (2, 1), (1, 3), (3, 2)] {
        let bench = Bench::new();
        bench.issue(&mut impostor(2, Lies::default())).unwrap();
        let mut chip = impostor(0, Lies::with_keys(secret(agreement), secret(signing)));
        assert_spoilt(&bench, &mut chip, &Failure::DuplicateKey, CardState::Abandoned);
    }
}

#[test]
fn after_the_release_of_the_cso_a_wrong_chip_blocks_its_number() {
    let active = |cso_hash| CardStatus {
        life_cycle: LifeCycle::Active,
        cso_hash,
        ..Lies::default().status
    };
    let liars = [
        (active(Some([1; 32])), Failure::OtherCso),
        (active(None), Failure::OtherCso),
        (Lies::default().status, Failure::LostKeys),
    ];
    for (status, expected) in liars {
        let bench = Bench::new();
        // Stops at the first block of STORE DATA: the CSO was released.
        let mut chip = impostor(
            0,
            Lies {
                commands: 2,
                ..Lies::default()
            },
        );
        assert_eq!(bench.issue(&mut chip), Err(Failure::CardLost));
        assert_eq!(bench.card(0).unwrap().state, CardState::CsoReleased);
        (chip.lies.commands, chip.lies.status) = (usize::MAX, status);
        assert_spoilt(&bench, &mut chip, &expected, CardState::Blocked);
    }
}

#[test]
fn a_cso_that_the_ledger_never_released_is_left_alone() {
    let status = Lies::default().status;
    let active = |cso_hash| CardStatus {
        life_cycle: LifeCycle::Active,
        cso_hash,
        ..status
    };
    let loaded = CardStatus {
        cso_hash: Some([1; 32]),
        ..status
    };
    for status in [active(Some([1; 32])), active(None), loaded] {
        let bench = Bench::new();
        let mut chip = impostor(
            0,
            Lies {
                commands: 1,
                ..Lies::default()
            },
        );
        assert_eq!(bench.issue(&mut chip), Err(Failure::CardLost));
        let before = bench.card(0).unwrap();
        let steps = bench.store.steps(&before.number).unwrap();
        (chip.lies.commands, chip.lies.status) = (usize::MAX, status);
        for _ in 0..2 {
            assert_eq!(bench.issue(&mut chip), Err(Failure::UnrecordedCso));
        }
        assert_eq!(bench.card(0).unwrap().state, before.state);
        assert_eq!(bench.store.steps(&before.number).unwrap(), steps);
        assert_eq!(bench.signed_csos().len(), 0);
        assert_eq!(bench.store.waiting_persons().unwrap(), u64::from(PEOPLE) - 1);
    }
}

/// Whatever the backup knew of the card that was finished after it was made, nobody gets a second one.
#[test]
fn a_ledger_restored_from_any_backup_gives_nobody_a_second_card() {
    let bench = Bench::new();
    let questions = bench.attempt(&mut bench.chip(0), Fault::None).1.ledger;
    let mut seen = Vec::new();
    for question in 1..=questions {
        let mut bench = Bench::new();
        bench.attempt(&mut bench.chip(0), Fault::Ledger(question, Moment::After));
        let backup = bench.folder().join("backup.sqlite");
        bench.store.copy_to(&backup).unwrap();
        bench.issue(&mut bench.chip(0)).unwrap();
        let genuine = bench.signed_csos();
        bench.restore(&backup);
        let before = bench.card(0).map(|card| card.state);
        let end = bench.issue(&mut bench.chip(0));
        match &end {
            // The backup knew the CSO: this is its card.
            Ok(Done::Confirmed(_) | Done::AlreadyIssued(_)) => assert_eq!(bench.signed_csos(), genuine),
            Err(failure @ (Failure::UnrecordedCard | Failure::UnrecordedCso)) => {
                assert_eq!(failure.plastic(), Plastic::Untouched);
                assert_eq!(
                    bench.card(0).map(|card| card.state),
                    before,
                    "question {question}"
                );
                assert_eq!(bench.signed_csos().len(), 0);
            }
            _ => panic!("question {question}: {end:?}"),
        }
        seen.push(end);
    }
    for expected in [Failure::UnrecordedCard, Failure::UnrecordedCso] {
        assert!(seen.contains(&Err(expected.clone())), "{expected:?} never came");
    }
}

#[test]
fn a_record_that_fits_no_card_is_told_before_anything_is_written_to_the_chip() {
    let bench = Bench::new();
    let (before, _) = bench.attempt(&mut bench.chip(0), Fault::Ledger(2, Moment::After));
    assert_eq!(before, End::Torn);
    let person = hex::encode(bench.card(0).unwrap().person);
    let set = |name: &str| {
        bench.alter_ledger(&format!(
            "UPDATE person SET full_name = {name} WHERE hex(reference) = upper('{person}')"
        ));
    };
    bench.alter_ledger("CREATE TABLE kept AS SELECT reference, full_name FROM person");
    set("printf('%.200c', 'x')");
    let (end, trace) = bench.attempt(&mut bench.chip(0), Fault::None);
    assert_eq!(end, End::Ended(Err(Failure::PersonRecord("full name"))));
    // SELECT and INITIALIZE UPDATE; nobody was asked for a PIN.
    assert_eq!(trace.commands.len(), 2);
    set("(SELECT full_name FROM kept WHERE kept.reference = person.reference)");
    bench.alter_ledger("DROP TABLE kept");
    bench.issue(&mut bench.chip(0)).unwrap();
    bench.assert_issued(&mut bench.chip(0), 0);
}

#[test]
fn a_cso_that_does_not_verify_leaves_no_trace_in_the_ledger() {
    let mut bench = Bench::new();
    let another = TestStation::set_up(1, 1);
    let other = Home::new(another.home());
    let settings = other.station().unwrap();
    let certificate = |role| other.certificate(&settings.reference(role).unwrap()).unwrap();
    let terms = bench.station.terms().clone();
    let station = Station::new(&certificate(Role::Root), &certificate(Role::Issuer), terms).unwrap();
    let own = std::mem::replace(&mut bench.station, station);
    let end = bench.issue(&mut bench.chip(0));
    assert!(matches!(end, Err(Failure::Keys(_))), "{end:?}");
    assert_eq!(bench.card(0).unwrap().state, CardState::KeysReplaced);
    assert_eq!(bench.signed_csos().len(), 0);
    bench.station = own;
    bench.issue(&mut bench.chip(0)).unwrap();
    bench.assert_issued(&mut bench.chip(0), 0);
}

#[test]
fn a_station_with_another_issuers_key_does_not_start() {
    let station = TestStation::set_up(1, 1);
    let keys = station.home().join("keys");
    std::fs::copy(keys.join("terminal-ca.key"), keys.join("issuer.key")).unwrap();
    let output = station
        .ansinh(&["issue", "--all-readers", "--wait", "0"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("not the key of the certificate VNISS7900001"),
        "{errors}"
    );
}

#[test]
fn no_data_group_stays_in_the_journal_of_a_card_that_is_active_or_given_up() {
    let notes = |bench: &Bench| -> Vec<_> {
        let number = bench.card(0).unwrap().number;
        let steps = bench.store.steps(&number).unwrap();
        steps.into_iter().filter_map(|step| step.note).collect()
    };
    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::Command(7, Moment::After));
    assert_eq!(notes(&bench).len(), 1);
    bench.issue(&mut bench.chip(0)).unwrap();
    assert_eq!(notes(&bench).len(), 0);

    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::Command(7, Moment::After));
    let number = bench.card(0).unwrap().number;
    bench.store.give_up(bench.actor(), &number).unwrap();
    assert_eq!(notes(&bench).len(), 0);
}

#[test]
fn a_false_key_check_value_stops_the_chip() {
    let bench = Bench::new();
    let mut chip = impostor(
        0,
        Lies {
            put_key: |answer| answer[9] ^= 1,
            ..Lies::default()
        },
    );
    assert_eq!(bench.issue(&mut chip), Err(Failure::Malformed("PUT KEY")));
    assert_eq!(bench.signed_csos().len(), 0);
}

#[test]
fn a_status_that_contradicts_the_handshake_stops_the_chip() {
    for status in [
        CardStatus {
            key_version: 3,
            ..Lies::default().status
        },
        CardStatus {
            life_cycle: LifeCycle::Blank,
            ..Lies::default().status
        },
    ] {
        let bench = Bench::new();
        let mut chip = impostor(
            0,
            Lies {
                commands: 1,
                ..Lies::default()
            },
        );
        assert_eq!(bench.issue(&mut chip), Err(Failure::CardLost));
        (chip.lies.commands, chip.lies.status) = (usize::MAX, status);
        assert_eq!(bench.issue(&mut chip), Err(Failure::Malformed("GET DATA")));
        assert_eq!(bench.signed_csos().len(), 0);
    }
}

#[test]
fn a_ledger_older_than_its_chips_issues_nothing() {
    let (bench, backup) = (Bench::new(), Bench::new());
    bench.issue(&mut bench.chip(0)).unwrap();
    assert_eq!(backup.issue(&mut bench.chip(0)), Err(Failure::UnrecordedCard));
    assert_eq!(backup.store.cards().unwrap().len(), 0);
}

#[test]
fn a_chip_does_not_go_back_to_its_transport_keys() {
    let (bench, copies) = (Bench::new(), Bench::new());
    bench.attempt(&mut bench.chip(0), Fault::Command(5, Moment::After));
    assert_eq!(bench.issue(&mut copies.chip(0)), Err(Failure::CopiedChip));
    bench.issue(&mut bench.chip(0)).unwrap();
    bench.assert_issued(&mut bench.chip(0), 0);
    assert_eq!(bench.issue(&mut copies.chip(0)), Err(Failure::CopiedChip));
}
