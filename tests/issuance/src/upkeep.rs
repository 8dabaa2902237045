//! An issued card on the bench: jobs of maintenance, with a fault at any chosen place.

use ansinh_issuance::maintenance::{Event, Job, Maintenance, Outcome, Step};
use ansinh_issuance::{Done, Failure, Randomness};
use ansinh_station::maintain::{Chosen, Ledger};
use ansinh_store::StoreError;
use ansinh_store::cards::Card;
use ansinh_store::maintenance::Dossier;
use card_spec::command::{CardStatus, Pin};
use card_spec::cso::CardSecurityObject;
use card_spec::signed::Signed;
use getrandom::SysRng;
use virtual_card::{Chip, Moment};

use crate::bench::{Bench, Fault, Trace, transmit};

/// The PIN that a holder chooses anew.
pub const NEW_PIN: &[u8] = b"314159";

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It came to its own end.
    Ended(Result<Outcome, Failure>),
    /// The fault struck, or the chip stopped answering.
    Torn,
}

impl Bench {
    /// A bench whose first chip is an issued card.
    pub fn issued() -> Self {
        let bench = Self::new();
        assert!(matches!(bench.issue(&mut bench.chip(0)), Ok(Done::Issued(_))));
        bench
    }

    /// An approver lifts the block of the card on this place's chip.
    pub fn lift_block(&self, place: usize) -> Result<(), StoreError> {
        let number = self.dossier(place).card.number;
        self.store.unblock_card(self.approver(), &number)
    }

    /// What others do before a job on the first chip: an approver lifts the block of a card that is to be unblocked.
    pub fn prepare(&self, job: Job) {
        if job == Job::Unblock {
            self.lift_block(0).unwrap();
        }
    }

    /// One attempt at a job, which the fault may cut short.
    pub fn attempt_job(&self, chip: &mut impl Chip, job: Job, fault: Fault) -> (JobEnd, Trace) {
        self.attempt_chosen(chip, job, &Chosen::Any, fault)
    }

    /// An attempt at a job that is for certain cards only.
    pub fn attempt_chosen(
        &self,
        chip: &mut impl Chip,
        job: Job,
        chosen: &Chosen,
        fault: Fault,
    ) -> (JobEnd, Trace) {
        let issuing = self.ledger();
        let ledger = Ledger {
            store: issuing.store,
            actor: issuing.actor,
            keys: issuing.keys,
            station: issuing.station,
            reader: issuing.reader,
            chosen,
        };
        let mut trace = Trace::default();
        chip.reset();
        let (mut course, mut step) =
            Maintenance::start(&self.station, job, Randomness::draw(&mut SysRng).unwrap());
        loop {
            let event = match step {
                Step::Done(outcome) => return (JobEnd::Ended(Ok(*outcome)), trace),
                Step::Failed(failure) => return (JobEnd::Ended(Err(failure)), trace),
                Step::AskPin(_) => Event::Pin(Pin::new(NEW_PIN).unwrap()),
                Step::Transmit(command) => match transmit(chip, &command, fault, &mut trace) {
                    Some(response) => Event::Response(response),
                    None => return (JobEnd::Torn, trace),
                },
                step => {
                    trace.ledger += 1;
                    if fault == Fault::Ledger(trace.ledger, Moment::Before) {
                        return (JobEnd::Torn, trace);
                    }
                    let Ok(event) = ledger.answer(step) else {
                        unreachable!("all other steps are matched")
                    };
                    if fault == Fault::Ledger(trace.ledger, Moment::After) {
                        return (JobEnd::Torn, trace);
                    }
                    event
                }
            };
            step = course.answer(event);
        }
    }

    /// A job without a fault.
    pub fn maintain(&self, chip: &mut impl Chip, job: Job) -> Result<Outcome, Failure> {
        match self.attempt_job(chip, job, Fault::None).0 {
            JobEnd::Ended(end) => end,
            JobEnd::Torn => Err(Failure::CardLost),
        }
    }

    /// What the ledger has on the chip of this place.
    pub fn dossier(&self, place: usize) -> Dossier {
        self.store.dossier(&Self::serial(place)).unwrap().unwrap()
    }

    /// What must hold at any moment: the card is under a CSO that the ledger released for it, every script that it executed is
    /// in the ledger, and so is every receipt but those that the last job may not have told yet.
    pub fn assert_recorded(&self, chip: &mut impl Chip, place: usize) -> (Card, CardStatus) {
        let dossier = self.dossier(place);
        let status = self.status(chip, place);
        let hash = |cso: &[u8]| Signed::<CardSecurityObject>::parse(cso).unwrap().hash();
        let known = dossier
            .versions
            .iter()
            .any(|version| status.cso_hash == Some(hash(&version.cso)));
        assert!(known, "the card carries a version that the ledger does not have");
        let scripts = self.store.card_scripts(&dossier.card.number).unwrap();
        assert!(u32::try_from(scripts.len()).unwrap() >= status.counter);
        assert!(dossier.receipts_to <= status.counter);
        (dossier.card, status)
    }

    /// What must hold when a job is done: the ledger knows the version in force, all receipts, and what became of each script.
    pub fn assert_settled(&self, chip: &mut impl Chip, place: usize) -> (Card, CardStatus) {
        let (card, status) = self.assert_recorded(chip, place);
        let dossier = self.dossier(place);
        assert_eq!(dossier.receipts_to, status.counter);
        assert_eq!(dossier.open_scripts, [] as [u32; 0]);
        assert!(dossier.groups.is_none(), "personal data were kept");
        let confirmed = dossier
            .versions
            .iter()
            .rfind(|version| version.confirmed)
            .unwrap();
        let hash = Signed::<CardSecurityObject>::parse(&confirmed.cso)
            .unwrap()
            .hash();
        assert_eq!(status.cso_hash, Some(hash));
        let receipts = self.store.card_receipts(&card.number).unwrap();
        assert_eq!(u32::try_from(receipts.len()).unwrap(), status.counter);
        self.store.verify_operations().unwrap();
        (card, status)
    }
}
