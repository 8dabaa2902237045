//! Cards that are not what the job needs, ledgers that are not what they were: each with its own outcome, and nothing changed.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;

use ansinh_issuance::maintenance::{Deed, Job, Standing};
use ansinh_issuance::{Done, Failure, Plastic};
use ansinh_station::export::export;
use ansinh_station::maintain::{Chosen, due};
use ansinh_store::cards::{BlockReason as Stored, CardState};
use card_spec::command::LifeCycle;
use card_spec::list::BlockReason;
use card_spec::values::CardNumber;
use issuance_tests::bench::{Bench, Fault, select};
use issuance_tests::hostile::Meddler;
use issuance_tests::upkeep::JobEnd;
use virtual_card::Moment;

const LOST: Job = Job::Block(BlockReason::Lost);
const CLOSE: Job = Job::Terminate(BlockReason::Lost);
const ALL: [Job; 7] = [
    Job::Inspect,
    Job::NewPin,
    LOST,
    Job::Unblock,
    Job::Update,
    CLOSE,
    Job::UndoPayments,
];

/// The job is refused for this reason, no script was signed, and the card is as it was.
fn refused(bench: &Bench, job: Job, expected: &Failure) {
    let before = bench.assert_recorded(&mut bench.chip(0), 0).1;
    let end = bench.maintain(&mut bench.chip(0), job);
    assert_eq!(end.as_ref(), Err(expected), "{job:?}");
    assert_ne!(expected.plastic(), Plastic::Spoilt);
    let (_, after) = bench.assert_recorded(&mut bench.chip(0), 0);
    assert_eq!(after, before, "{job:?}");
}

#[test]
fn a_blank_chip_stays_blank() {
    let bench = Bench::issued();
    for job in ALL {
        let end = bench.maintain(&mut bench.chip(1), job);
        assert_eq!(end, Err(Failure::BlankChip), "{job:?}");
    }
    assert_eq!(bench.status(&mut bench.chip(1), 1).key_version, 1);
}

#[test]
fn an_unfinished_card_is_finished_first() {
    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::Command(8, Moment::After));
    for job in ALL {
        let end = bench.maintain(&mut bench.chip(0), job);
        assert_eq!(end, Err(Failure::UnfinishedCard), "{job:?}");
    }
    // The card is active, but its ledger has not heard of it.
    let bench = Bench::new();
    let (_, trace) = Bench::new().attempt(&mut bench.chip(0), Fault::None);
    let last = trace.commands.len() as u64;
    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::Command(last, Moment::After));
    assert_eq!(select(&mut bench.chip(0)), LifeCycle::Active);
    let end = bench.maintain(&mut bench.chip(0), Job::Inspect);
    assert_eq!(end, Err(Failure::UnfinishedCard));
    assert!(bench.issue(&mut bench.chip(0)).is_ok());
    assert!(bench.maintain(&mut bench.chip(0), Job::Inspect).is_ok());
}

#[test]
fn a_card_whose_keys_do_not_fit_loses_no_attempt() {
    let bench = Bench::issued();
    for (serial, expected) in [
        (Bench::serial(1), Failure::WrongCardKeys),
        ([0xEE; 10], Failure::UnknownChip),
    ] {
        for job in ALL {
            let alter = |command, mut answer: Vec<u8>| {
                if command == 2 {
                    answer[..10].copy_from_slice(&serial);
                }
                answer
            };
            let mut chip = Meddler::new(bench.chip(0), alter);
            let (end, trace) = bench.attempt_job(&mut chip, job, Fault::None);
            assert_eq!(end, JobEnd::Ended(Err(expected.clone())), "{job:?}");
            // No EXTERNAL AUTHENTICATE (SPEC 6.3).
            assert_eq!(trace.commands.len(), 2, "{job:?}");
        }
    }
    bench.assert_settled(&mut bench.chip(0), 0);
}

#[test]
fn a_terminated_card_is_read_and_nothing_else() {
    let bench = Bench::issued();
    bench.maintain(&mut bench.chip(0), CLOSE).unwrap();
    refused(&bench, LOST, &Failure::TerminatedCard);
    refused(&bench, Job::Unblock, &Failure::NotUnblockable);
    for job in [Job::NewPin, Job::Update, Job::UndoPayments] {
        refused(&bench, job, &Failure::BlockedCard);
    }
    let outcome = bench.maintain(&mut bench.chip(0), CLOSE).unwrap();
    assert_eq!((outcome.deed, outcome.status.counter), (Deed::Terminated, 1));
    let outcome = bench.maintain(&mut bench.chip(0), Job::Inspect).unwrap();
    assert_eq!(outcome.status.life_cycle, LifeCycle::Terminated);
}

#[test]
fn a_card_that_a_signed_script_closes_never_comes_back() {
    let bench = Bench::issued();
    let (_, trace) = {
        let other = Bench::issued();
        other.attempt_job(&mut other.chip(0), CLOSE, Fault::None)
    };
    let script = trace
        .commands
        .iter()
        .position(|command| command.0 == 0x5A)
        .unwrap() as u64
        + 1;
    let fault = Fault::Command(script, Moment::Before);
    assert_eq!(
        bench.attempt_job(&mut bench.chip(0), CLOSE, fault).0,
        JobEnd::Torn
    );
    bench.maintain(&mut bench.chip(0), Job::Inspect).unwrap();
    // The chip pays still, the ledger blocks it, and the script is out.
    assert!(bench.lift_block(0).is_err());
    let end = bench.maintain(&mut bench.chip(0), Job::Unblock);
    assert_eq!(end, Err(Failure::NotUnblockable));
    assert_eq!(bench.card(0).unwrap().state, CardState::Blocked);
    bench.maintain(&mut bench.chip(0), CLOSE).unwrap();
    assert_eq!(select(&mut bench.chip(0)), LifeCycle::Terminated);
}

#[test]
fn a_blocked_card_takes_no_pin_and_no_update() {
    let bench = Bench::issued();
    bench.maintain(&mut bench.chip(0), LOST).unwrap();
    for job in [Job::NewPin, Job::Update, Job::UndoPayments] {
        refused(&bench, job, &Failure::BlockedCard);
    }
    let outcome = bench.maintain(&mut bench.chip(0), LOST).unwrap();
    assert_eq!((outcome.deed, outcome.status.counter), (Deed::Blocked, 1));
}

#[test]
fn a_card_that_only_the_ledger_blocks_is_no_live_one() {
    let bench = Bench::issued();
    let number = bench.card(0).unwrap().number;
    bench.store.block(bench.actor(), &number, Stored::Stolen).unwrap();
    for job in [Job::NewPin, Job::Update, Job::UndoPayments] {
        refused(&bench, job, &Failure::BlockedCard);
    }
    let outcome = bench.maintain(&mut bench.chip(0), Job::Inspect).unwrap();
    assert_eq!(outcome.standing, Standing::Blocked(BlockReason::Stolen));
    assert_eq!(outcome.status.life_cycle, LifeCycle::Active);
    refused(&bench, Job::Unblock, &Failure::NotUnblockable);
    bench.lift_block(0).unwrap();
    let outcome = bench.maintain(&mut bench.chip(0), Job::Unblock).unwrap();
    assert_eq!((outcome.deed, outcome.status.counter), (Deed::Unblocked, 0));
    let (card, status) = bench.assert_settled(&mut bench.chip(0), 0);
    assert_eq!(
        (card.state, status.life_cycle),
        (CardState::Active, LifeCycle::Active)
    );
}

#[test]
fn nobody_gets_two_live_cards_by_unblocking() {
    let bench = Bench::issued();
    let person = bench.card(0).unwrap().person;
    bench.maintain(&mut bench.chip(0), LOST).unwrap();
    // An approval is for one card: the first person needs another one.
    bench.approve_everybody();
    let other = (1..4)
        .find(|place| {
            assert!(matches!(
                bench.issue(&mut bench.chip(*place)),
                Ok(Done::Issued(_))
            ));
            bench.card(*place).unwrap().person == person
        })
        .unwrap();
    assert!(bench.lift_block(0).is_err());
    let end = bench.maintain(&mut bench.chip(0), Job::Unblock);
    assert_eq!(end, Err(Failure::NotUnblockable));
    assert_eq!(bench.card(0).unwrap().state, CardState::Blocked);
    assert_eq!(bench.card(other).unwrap().state, CardState::Active);
    assert_eq!(select(&mut bench.chip(0)), LifeCycle::Blocked);
}

#[test]
fn a_card_with_nothing_to_undo_is_left_as_it_is() {
    let bench = Bench::issued();
    refused(&bench, Job::UndoPayments, &Failure::NothingToUndo);
}

#[test]
fn a_replaced_card_is_not_unblocked() {
    let bench = Bench::issued();
    let replaced = Job::Block(BlockReason::Replaced);
    bench.maintain(&mut bench.chip(0), replaced).unwrap();
    assert!(bench.lift_block(0).is_err());
    let end = bench.maintain(&mut bench.chip(0), Job::Unblock);
    assert_eq!(end, Err(Failure::NotUnblockable));
    assert_eq!(select(&mut bench.chip(0)), LifeCycle::Blocked);
}

#[test]
fn a_card_newer_than_its_ledger_is_left_alone() {
    let mut bench = Bench::issued();
    let backup = bench.folder().join("backup.sqlite");
    bench.store.copy_to(&backup).unwrap();
    bench.maintain(&mut bench.chip(0), Job::Update).unwrap();
    let before = bench.status(&mut bench.chip(0), 0);
    bench.restore(&backup);
    for job in ALL {
        let end = bench.maintain(&mut bench.chip(0), job);
        assert_eq!(end, Err(Failure::UnrecordedCso), "{job:?}");
    }
    assert_eq!(bench.status(&mut bench.chip(0), 0), before);
}

#[test]
fn a_ledger_that_lost_scripts_learns_what_they_did() {
    let mut bench = Bench::issued();
    let backup = bench.folder().join("backup.sqlite");
    bench.store.copy_to(&backup).unwrap();
    bench.maintain(&mut bench.chip(0), LOST).unwrap();
    bench.restore(&backup);
    let outcome = bench.maintain(&mut bench.chip(0), Job::Inspect).unwrap();
    assert_eq!((outcome.new_receipts, outcome.status.counter), (1, 1));
    assert_eq!(outcome.standing, Standing::Active);
    bench.maintain(&mut bench.chip(0), Job::Unblock).unwrap();
    assert_eq!(select(&mut bench.chip(0)), LifeCycle::Active);
}

#[test]
fn a_card_that_forgot_receipts_is_a_copy() {
    let bench = Bench::issued();
    let serial = hex::encode(Bench::serial(0));
    let memory = fs::read_dir(bench.folder()).unwrap().find_map(|file| {
        let path = file.unwrap().path();
        (path.file_stem()?.to_str()?.eq_ignore_ascii_case(&serial)).then_some(path)
    });
    let memory = memory.unwrap();
    let copy = fs::read(&memory).unwrap();
    bench.maintain(&mut bench.chip(0), Job::NewPin).unwrap();
    fs::write(&memory, copy).unwrap();
    for job in ALL {
        let end = bench.maintain(&mut bench.chip(0), job);
        assert_eq!(end, Err(Failure::RewoundCard), "{job:?}");
    }
}

#[test]
fn a_card_that_was_not_chosen_is_left_alone() {
    let bench = Bench::issued();
    let other = Chosen::One(CardNumber::new(79, 4711).unwrap());
    let none = Chosen::Due(BTreeSet::new());
    for job in ALL {
        for (chosen, expected) in [(&other, Failure::OtherCard), (&none, Failure::NothingDue)] {
            let (end, trace) = bench.attempt_chosen(&mut bench.chip(0), job, chosen, Fault::None);
            assert_eq!(end, JobEnd::Ended(Err(expected)), "{job:?}");
            assert_eq!(trace.commands.len(), 2);
        }
    }
}

#[test]
fn an_update_settles_the_changes_that_it_took_in_and_no_later_one() {
    let bench = Bench::issued();
    let number = bench.card(0).unwrap().number;
    let outdated = |change: u32| {
        bench.alter_ledger(&format!(
            "INSERT INTO outdated_card VALUES ('{number}', {change})
             ON CONFLICT (card) DO UPDATE SET change = {change}"
        ));
    };
    outdated(7);
    assert_eq!(due(&bench.store).unwrap(), BTreeSet::from([number]));
    bench.maintain(&mut bench.chip(0), Job::Inspect).unwrap();
    assert_eq!(due(&bench.store).unwrap().len(), 1);
    bench.maintain(&mut bench.chip(0), Job::Update).unwrap();
    assert!(due(&bench.store).unwrap().is_empty());
    // A change that comes after the version was signed is for the next one.
    outdated(8);
    let (_, trace) = bench.attempt_job(&mut bench.chip(0), Job::Update, Fault::Ledger(4, Moment::After));
    assert!(trace.commands.iter().all(|command| command.0 != 0x5A));
    outdated(9);
    bench.maintain(&mut bench.chip(0), Job::Update).unwrap();
    assert_eq!(due(&bench.store).unwrap().len(), 1);
    bench.maintain(&mut bench.chip(0), Job::Update).unwrap();
    assert!(due(&bench.store).unwrap().is_empty());
}

#[test]
fn an_auditor_finds_nothing_in_the_life_of_a_card() {
    let bench = Bench::issued();
    let life = [Job::Update, Job::NewPin, LOST, Job::Unblock, Job::Update, CLOSE];
    for job in life {
        bench.prepare(job);
        bench.maintain(&mut bench.chip(0), job).unwrap();
    }
    let files = bench.folder().join("export");
    let exported = export(&bench.store, &files).unwrap();
    assert_eq!((exported.cards, exported.card_receipts), (1, life.len()));
    let root = ansinh_audit::read_root_key(Bench::root_key_file()).unwrap();
    let audit = || ansinh_audit::audit(std::slice::from_ref(&files), &root, NonZero::<usize>::MIN).unwrap();
    let report = audit();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!(report.cards[0].counter, 6);
    // A version that is taken out is missed in the issuer's sequence.
    let number = bench.card(0).unwrap().number.to_string();
    fs::remove_dir_all(files.join("cards").join(number).join("2")).unwrap();
    let codes: Vec<_> = audit().findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [ansinh_audit::Code::IssuerGap]);
}
