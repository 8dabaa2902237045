//! Each job torn at each command, killed at each question to the ledger and cut at each write of the card, then done again:
//! the card is before or after, the ledger says which, and each script was executed once.

use ansinh_issuance::maintenance::{Deed, Job};
use ansinh_store::cards::CardState;
use card_spec::command::{CardStatus, LifeCycle};
use card_spec::list::BlockReason;
use issuance_tests::bench::{Bench, Fault};
use issuance_tests::upkeep::JobEnd;
use virtual_card::Moment;

const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

/// A job, what the card is before it, and what it is to be after it.
struct Case {
    name: &'static str,
    /// Done to the issued card before.
    before: &'static [Job],
    job: Job,
    deed: Deed,
    life_cycle: LifeCycle,
    state: CardState,
    version: u16,
    /// Scripts that the job takes.
    scripts: u32,
}

const LOST: Job = Job::Block(BlockReason::Lost);

const CASES: [Case; 7] = [
    Case {
        name: "inspect",
        before: &[LOST, Job::Unblock],
        job: Job::Inspect,
        deed: Deed::Inspected,
        life_cycle: LifeCycle::Active,
        state: CardState::Active,
        version: 1,
        scripts: 0,
    },
    Case {
        name: "new PIN",
        before: &[],
        job: Job::NewPin,
        deed: Deed::PinSet,
        life_cycle: LifeCycle::Active,
        state: CardState::Active,
        version: 1,
        scripts: 1,
    },
    Case {
        name: "block",
        before: &[],
        job: LOST,
        deed: Deed::Blocked,
        life_cycle: LifeCycle::Blocked,
        state: CardState::Blocked,
        version: 1,
        scripts: 1,
    },
    Case {
        name: "unblock",
        before: &[LOST],
        job: Job::Unblock,
        deed: Deed::Unblocked,
        life_cycle: LifeCycle::Active,
        state: CardState::Active,
        version: 1,
        scripts: 1,
    },
    Case {
        name: "update",
        before: &[],
        job: Job::Update,
        deed: Deed::Updated,
        life_cycle: LifeCycle::Active,
        state: CardState::Active,
        version: 2,
        scripts: 1,
    },
    Case {
        name: "terminate",
        before: &[],
        job: Job::Terminate(BlockReason::HolderDeceased),
        deed: Deed::Terminated,
        life_cycle: LifeCycle::Terminated,
        state: CardState::Blocked,
        version: 1,
        scripts: 1,
    },
    Case {
        name: "terminate a blocked card",
        before: &[LOST],
        job: Job::Terminate(BlockReason::Lost),
        deed: Deed::Terminated,
        life_cycle: LifeCycle::Terminated,
        state: CardState::Blocked,
        version: 1,
        scripts: 1,
    },
];

impl Case {
    /// An issued card with what is done before.
    fn bench(&self) -> Bench {
        let bench = Bench::issued();
        for job in self.before {
            bench.prepare(*job);
            bench.maintain(&mut bench.chip(0), *job).unwrap();
        }
        bench.prepare(self.job);
        bench
    }

    /// A fault strikes; the same card is inserted again for the same job.
    fn survive(&self, bench: &Bench, torn: &JobEnd, fault: &str) {
        let context = format!("{}, {fault}", self.name);
        assert_eq!(*torn, JobEnd::Torn, "{context}");
        bench.assert_recorded(&mut bench.chip(0), 0);
        let newest = bench.dossier(0).versions.pop().unwrap();
        if self.job == Job::Update && newest.version == self.version && newest.confirmed {
            // All was done and recorded, only nobody was told: the same job again would be another update.
            return self.assert_done(bench, &context);
        }
        let outcome = bench.maintain(&mut bench.chip(0), self.job);
        let outcome = outcome.unwrap_or_else(|failure| panic!("{context}: {failure}"));
        assert_eq!(
            (outcome.deed, outcome.version),
            (self.deed, self.version),
            "{context}"
        );
        self.assert_done(bench, &context);
    }

    fn assert_done(&self, bench: &Bench, context: &str) {
        let (card, status) = bench.assert_settled(&mut bench.chip(0), 0);
        assert_eq!(
            (card.state, card.version),
            (self.state, self.version),
            "{context}"
        );
        assert_eq!(status.life_cycle, self.life_cycle, "{context}");
        assert_eq!(status.pin_tries, 3, "{context}");
        assert_eq!(status.flags & CardStatus::PIN_PERMITTED, 0, "{context}");
        let before = u32::try_from(self.before.len()).unwrap();
        // A PIN whose confirmation was lost is set once more, with a permission of its own.
        let most = self.scripts + u32::from(self.job == Job::NewPin);
        assert!(
            (before + self.scripts..=before + most).contains(&status.counter),
            "{context}: {} scripts",
            status.counter
        );
        let scripts = bench.store.card_scripts(&card.number).unwrap();
        let executed = scripts
            .iter()
            .filter(|script| script.outcome.as_deref() == Some("executed"));
        assert_eq!(
            (scripts.len(), executed.count()),
            (status.counter as usize, status.counter as usize),
            "{context}"
        );
        assert_eq!(bench.signed_csos().len(), usize::from(self.version), "{context}");
        assert_eq!(bench.store.cards().unwrap().len(), 1, "{context}");
    }
}

#[test]
fn a_job_does_what_it_says() {
    for case in &CASES {
        let bench = case.bench();
        let outcome = bench.maintain(&mut bench.chip(0), case.job).unwrap();
        assert_eq!(outcome.deed, case.deed, "{}", case.name);
        assert_eq!(outcome.status.life_cycle, case.life_cycle, "{}", case.name);
        case.assert_done(&bench, case.name);
    }
}

#[test]
fn torn_at_each_command() {
    for case in &CASES {
        let bench = case.bench();
        let (_, trace) = bench.attempt_job(&mut bench.chip(0), case.job, Fault::None);
        for number in 1..=trace.commands.len() as u64 {
            for moment in MOMENTS {
                let bench = case.bench();
                let fault = Fault::Command(number, moment);
                let (end, _) = bench.attempt_job(&mut bench.chip(0), case.job, fault);
                case.survive(&bench, &end, &format!("{fault:?}"));
            }
        }
    }
}

#[test]
fn killed_at_each_question_to_the_ledger() {
    for case in &CASES {
        let bench = case.bench();
        let (_, trace) = bench.attempt_job(&mut bench.chip(0), case.job, Fault::None);
        for number in 1..=trace.ledger {
            for moment in MOMENTS {
                let bench = case.bench();
                let fault = Fault::Ledger(number, moment);
                let (end, _) = bench.attempt_job(&mut bench.chip(0), case.job, fault);
                case.survive(&bench, &end, &format!("{fault:?}"));
            }
        }
    }
}

#[test]
fn power_lost_at_each_write_of_the_card() {
    let mut cuts = 0;
    for case in &CASES {
        for moment in MOMENTS {
            for write in 1.. {
                let bench = case.bench();
                let mut chip = bench.chip(0);
                bench.writes.set(write, moment);
                let (end, _) = bench.attempt_job(&mut chip, case.job, Fault::None);
                if end != JobEnd::Torn {
                    break;
                }
                case.survive(&bench, &end, &format!("write {write} {moment:?}"));
                cuts += 1;
            }
        }
    }
    assert!(cuts > 20, "only {cuts} cuts");
}
