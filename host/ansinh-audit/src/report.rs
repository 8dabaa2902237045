//! The report: findings, totals, and up to where completeness is proven.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::cash::CashCount;
use crate::finding::Finding;
use crate::issuer_sequence::IssuerSummary;
use crate::operations::OperationsSummary;
use crate::receipts::CardSummary;

/// What stands behind the last entry of a journal or sequence, said in every report.
const LIMIT: &str = "Up to the heads named here nothing was inserted, edited, reordered or removed except as found. \
                     What came after them, these files cannot show.";

/// How many objects were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Certificates.
    pub certificates: usize,
    /// Cards.
    pub cards: usize,
    /// Payment lists.
    pub lists: usize,
    /// Block lists.
    pub block_lists: usize,
    /// Journals, by terminal.
    pub journals: usize,
    /// Journal entries.
    pub entries: u64,
    /// Acknowledgements.
    pub acknowledgements: usize,
}

/// Sums of an audit. Money counts only where every signature behind it verifies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Proven payments.
    pub payments: u64,
    /// Their sum in VND.
    pub paid_vnd: u64,
    /// The sum by programme, in VND.
    pub by_programme_vnd: BTreeMap<String, u64>,
    /// Payments that a journal states and that are not proven: see the findings.
    pub unproven_payments: u64,
    /// Their sum in VND.
    pub unproven_vnd: u64,
    /// Payments by hand, on the word of two operators: no card has signed them. They are not among the payments.
    pub by_hand: u64,
    /// Their sum in VND.
    pub by_hand_vnd: u64,
    /// Payments, also by hand, that the clerk confirmed as handed over.
    pub handed: u64,
    /// Payments that the clerk did not hand over and that are not reversed: the card has paid, and the money is still there.
    pub not_handed: u64,
    /// Payments that their cards have undone, because the money was not handed over. They are not among the payments.
    pub reversed: u64,
    /// Their sum in VND.
    pub reversed_vnd: u64,
    /// Payments that no journal at hand shows, and of which their cards have told other terminals. They are not among the payments:
    /// see the findings.
    pub carried: u64,
    /// Their sum in VND.
    pub carried_vnd: u64,
    /// Refusals by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Up to where the journal of a terminal is proven complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TerminalSummary {
    /// The terminal.
    pub terminal: String,
    /// Last entry at hand.
    pub last: u32,
    /// Hash of its body, hexadecimal.
    pub head: Option<String>,
    /// Last entry of the unbroken chain from entry 1.
    pub unbroken: u32,
    /// Last entry that an acknowledgement at hand confirms.
    pub acknowledged: Option<u32>,
    /// Intents that are not settled: their cards may have paid.
    pub open_intents: Vec<u32>,
    /// Intents whose payments the clerk did not hand over and that are not reversed.
    pub not_handed: Vec<u32>,
    /// Cash as its clerks counted it.
    pub cash_counts: Vec<CashCount>,
}

/// The result of an audit.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// No findings?
    pub clean: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// Files that are none of the layout.
    pub unknown_files: Vec<String>,
    /// Objects read.
    pub counts: Counts,
    /// Sums.
    pub totals: Totals,
    /// Completeness by terminal.
    pub terminals: Vec<TerminalSummary>,
    /// Completeness by issuer.
    pub issuers: Vec<IssuerSummary>,
    /// Completeness by card, of cards with receipts.
    pub cards: Vec<CardSummary>,
    /// The operations logs: who did what at the stations.
    pub operations: Vec<OperationsSummary>,
    /// What the audit cannot show.
    pub limit: &'static str,
}

impl Report {
    pub(crate) fn new(findings: Vec<Finding>) -> Self {
        Self {
            clean: findings.is_empty(),
            findings,
            notes: Vec::new(),
            unknown_files: Vec::new(),
            counts: Counts::default(),
            totals: Totals::default(),
            terminals: Vec::new(),
            issuers: Vec::new(),
            cards: Vec::new(),
            operations: Vec::new(),
            limit: LIMIT,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "FINDING {finding}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for file in &self.unknown_files {
            writeln!(f, "not of the layout, not audited: {file}")?;
        }
        let counts = &self.counts;
        writeln!(
            f,
            "Read {} certificates, {} cards, {} lists, {} block lists, {} acknowledgements, {} journals with {} entries.",
            counts.certificates,
            counts.cards,
            counts.lists,
            counts.block_lists,
            counts.acknowledgements,
            counts.journals,
            counts.entries
        )?;
        self.totals.fmt(f)?;
        for terminal in &self.terminals {
            terminal.fmt(f)?;
        }
        for issuer in &self.issuers {
            let gaps = issuer.missing.len();
            writeln!(
                f,
                "Issuer {}: objects 1 to {}, {gaps} gaps.",
                issuer.issuer, issuer.last
            )?;
        }
        let gaps = self.cards.iter().filter(|card| !card.missing.is_empty()).count();
        writeln!(
            f,
            "Cards with receipts: {}, {gaps} of them with gaps.",
            self.cards.len()
        )?;
        if self.operations.is_empty() {
            writeln!(
                f,
                "No operations log: nothing here says who did what at the station."
            )?;
        }
        for log in &self.operations {
            log.fmt(f)?;
        }
        writeln!(f, "{}", self.limit)?;
        match self.findings.len() {
            0 => writeln!(f, "No findings."),
            count => writeln!(f, "{count} findings."),
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Proven payments: {}, {} VND; handed over: {}.",
            self.payments, self.paid_vnd, self.handed
        )?;
        for (programme, vnd) in &self.by_programme_vnd {
            writeln!(f, "  {programme}: {vnd} VND")?;
        }
        if self.unproven_payments > 0 {
            writeln!(
                f,
                "Not proven: {}, {} VND.",
                self.unproven_payments, self.unproven_vnd
            )?;
        }
        if self.carried > 0 {
            writeln!(
                f,
                "In no journal at hand, told by their cards elsewhere: {}, {} VND.",
                self.carried, self.carried_vnd
            )?;
        }
        if self.by_hand > 0 {
            writeln!(
                f,
                "Paid by hand, which no card proves: {}, {} VND.",
                self.by_hand, self.by_hand_vnd
            )?;
        }
        if self.reversed > 0 {
            writeln!(
                f,
                "Reversed, and not among the payments: {}, {} VND.",
                self.reversed, self.reversed_vnd
            )?;
        }
        if self.not_handed > 0 {
            writeln!(
                f,
                "Paid by the card, money not handed over, not reversed: {}.",
                self.not_handed
            )?;
        }
        for (reason, count) in &self.refused {
            writeln!(f, "Refused, {reason}: {count}")?;
        }
        Ok(())
    }
}

impl fmt::Display for OperationsSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations log: 1 to {} unbroken", self.unbroken)?;
        if self.last != self.unbroken {
            write!(f, ", with breaks to {}", self.last)?;
        }
        writeln!(
            f,
            ", head {}; unsigned: compare it with one written down elsewhere.",
            self.head
        )
    }
}

impl fmt::Display for TerminalSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Terminal {}: entries 1 to {} unbroken",
            self.terminal, self.unbroken
        )?;
        if self.last != self.unbroken {
            write!(f, ", with breaks to {}", self.last)?;
        }
        match self.acknowledged {
            Some(sequence) => write!(f, ", acknowledged up to {sequence}")?,
            None => write!(f, ", not acknowledged")?,
        }
        for intent in &self.open_intents {
            write!(f, ", intent {intent} not settled")?;
        }
        for intent in &self.not_handed {
            write!(f, ", intent {intent} paid and not handed over")?;
        }
        match &self.head {
            Some(head) => writeln!(f, ", head {head}.")?,
            None => writeln!(f, ".")?,
        }
        for count in &self.cash_counts {
            count.fmt(f)?;
        }
        Ok(())
    }
}
