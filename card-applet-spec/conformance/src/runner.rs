//! Runs cases in an order in which one card serves as many of them as possible.

use crate::bench::{Bench, SELECT};
use crate::card::{Card, NoAnswer};
use crate::case::{Case, Needs, Outcome, Stage, Stop};
use crate::transport::TransportKeys;

/// A line of a case's protocol.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something that is no APDU.
    Note(String),
    /// A command and what came back.
    Command {
        /// What it says in plain; empty if the octets say it themselves.
        meaning: String,
        /// The APDU as sent: all keys behind it are test keys.
        octets: Vec<u8>,
        /// Octets of data in the answer as it came.
        answer: usize,
        /// The status word, `None` without an answer.
        status: Option<u16>,
    },
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The card did as the clause says.
    Pass,
    /// It did not, or there is no telling; and why.
    Fail(String),
    /// The case was not run; and why.
    NotApplicable(String),
}

impl Verdict {
    /// `pass`, `fail`, `not-applicable`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::NotApplicable(_) => "not-applicable",
        }
    }

    /// The reason, empty for a pass.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail(reason) | Self::NotApplicable(reason) => reason,
        }
    }
}

/// A case, its verdict and its protocol.
#[derive(Debug)]
pub struct CaseReport<'c> {
    /// The case.
    pub case: &'c Case,
    /// What became of it.
    pub verdict: Verdict,
    /// What was sent and answered.
    pub steps: Vec<Step>,
}

/// A card under test and the kit around it.
pub struct Runner {
    bench: Bench,
    /// The card is as a case of this stage may find it; `None` after a case that used it up.
    usable: Option<Stage>,
}

impl Runner {
    /// `card` is blank, or as far as an earlier run of the kit with the same seed has brought it.
    #[must_use]
    pub fn new(card: Box<dyn Card>, transport: TransportKeys, seed: u64) -> Self {
        Self {
            bench: Bench::new(card, transport, seed),
            usable: Some(Stage::Blank),
        }
    }

    /// What the card answers to SELECT, status word included.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn select(&mut self) -> Result<Vec<u8>, NoAnswer> {
        self.bench.card.transmit(&SELECT)
    }

    /// Runs the cases, stage by stage; `done` hears of each as it ends. The reports are in the order of the cases.
    pub fn run<'c>(
        &mut self,
        cases: &[&'c Case],
        mut done: impl FnMut(&CaseReport<'c>),
    ) -> Vec<CaseReport<'c>> {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.sort_by_key(|&place| cases.get(place).map(|case| case.stage()));
        let mut reports: Vec<(usize, CaseReport<'c>)> = Vec::new();
        for place in order {
            let Some(case) = cases.get(place) else { continue };
            let report = self.run_case(case);
            done(&report);
            reports.push((place, report));
        }
        reports.sort_by_key(|(place, _)| *place);
        reports.into_iter().map(|(_, report)| report).collect()
    }

    fn run_case<'c>(&mut self, case: &'c Case) -> CaseReport<'c> {
        self.bench.begin(case.id());
        let verdict = match self.not_applicable(case) {
            Some(reason) => Verdict::NotApplicable(reason),
            None => self.verdict(case),
        };
        CaseReport {
            case,
            verdict,
            steps: self.bench.take_steps(),
        }
    }

    fn not_applicable(&self, case: &Case) -> Option<String> {
        let replaceable = self.bench.card.can_be_replaced();
        if case.needs() == Needs::PowerCuts && !self.bench.card.can_be_cut() {
            return Some("a reader cannot cut the power inside a command".to_owned());
        }
        if case.needs() == Needs::CounterSet && !self.bench.card.receipt_counter_can_be_set() {
            return Some("a reader cannot set the receipt counter".to_owned());
        }
        if case.needs() != Needs::Any && !replaceable {
            return Some("needs a blank card of its own: give a --fresh-command".to_owned());
        }
        None
    }

    fn verdict(&mut self, case: &Case) -> Verdict {
        let outcome = self.prepare(case).and_then(|()| {
            self.bench
                .note(&format!("the card is {}; the case begins", case.stage()));
            case.run(&mut self.bench)
        });
        let spoilt = outcome.is_err() || case.needs() != Needs::Any;
        self.usable = (!spoilt).then_some(case.stage());
        match outcome {
            Ok(()) => Verdict::Pass,
            Err(stop) => Verdict::Fail(stop.to_string()),
        }
    }

    /// Brings a card to where the case starts: a blank one where that is possible and needed, else the one at hand.
    fn prepare(&mut self, case: &Case) -> Outcome {
        let reusable = case.needs() == Needs::Any && self.usable.is_some_and(|stage| stage <= case.stage());
        if self.bench.card.can_be_replaced() && !reusable {
            self.bench.replace_by_blank()?;
        } else {
            self.bench
                .card
                .power_cycle()
                .map_err(|error| Stop::Gone(error.0))?;
        }
        self.bench.reach(case.stage())
    }
}
