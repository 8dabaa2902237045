//! The auditor: proves from files and the root public key alone which card was issued by whom, what was paid, to whom,
//! once, and that nothing was inserted, edited, reordered or removed (DESIGN, promise 6).
//!
//! It shares the specification and the verifier with those it audits, and no other code of theirs. Files are read by
//! the layout of DATA 2, journals as streams; memory grows with the number of cards, lines and payments, not with the
//! size of the files. A bad record is named and the audit goes on behind it.

mod acknowledgements;
mod block_lists;
mod by_hand;
mod cards;
mod carried;
mod cash;
mod files;
mod finding;
mod issued;
mod issuer_sequence;
mod journal;
mod operations;
mod orders;
mod parallel;
mod pem;
mod receipts;
mod records;
mod report;
mod reversals;
mod scripts;
mod shifts;
mod trust;
mod witnessed;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;

use ansinh_verifier::AwsLc;
use card_spec::crypto::PublicKey;
use card_spec::journal::RefusalReason;
use card_spec::values::TerminalName;

pub use cash::CashCount;
pub use finding::{Code, Finding, Place};
pub use issuer_sequence::IssuerSummary;
pub use operations::OperationsSummary;
pub use receipts::CardSummary;
pub use report::{Counts, Report, TerminalSummary, Totals};

use acknowledgements::Acknowledgements;
use cards::Cards;
use files::Files;
use finding::Findings;
use issued::Issued;
use journal::{Context, Journal};
use scripts::Undone;
use trust::Trust;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The root key is not to be had.
    #[error(
        "cannot read the root key {path}: {error}; name the root.pem that you got from a source you trust"
    )]
    RootKey {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: std::io::Error,
    },
    /// The root key file holds something else.
    #[error(
        "{0} is not a P-256 public key in PEM (BEGIN PUBLIC KEY); name the root.pem that you got from a source you trust"
    )]
    NotAKey(PathBuf),
    /// The folders cannot be listed.
    #[error("cannot list the files to audit: {0}; name folders that exist and that you may read")]
    Folders(#[from] std::io::Error),
}

/// Reads a root key: SubjectPublicKeyInfo in PEM.
///
/// # Errors
/// [`AuditError::RootKey`], [`AuditError::NotAKey`].
pub fn read_root_key(path: PathBuf) -> Result<PublicKey, AuditError> {
    match records::read_small(&path) {
        Ok(bytes) => pem::public_key(&bytes).ok_or(AuditError::NotAKey(path)),
        Err(error) => Err(AuditError::RootKey { path, error }),
    }
}

/// Audits all files below `folders` under `root`, on `jobs` threads. The report does not depend on their number.
///
/// # Errors
/// [`AuditError::Folders`]; whatever is wrong with a file is a finding.
pub fn audit(folders: &[PathBuf], root: &PublicKey, jobs: NonZero<usize>) -> Result<Report, AuditError> {
    let verifier = AwsLc;
    let files = Files::find(folders)?;
    let mut findings = Findings::default();
    let mut notes = Vec::new();
    let mut links = Vec::new();

    let trust = Trust::establish(&files, root, &verifier, &mut findings);
    let cards = Cards::load(&files, &trust, &verifier, jobs, &mut findings, &mut links);
    let issued = Issued::load(&files, &trust, &verifier, jobs, &mut findings, &mut links);
    let issuers = issuer_sequence::check(links, &trust, &mut findings);
    issued.check_kept(&mut findings);
    issued.check_lines(&cards, &mut findings, &mut notes);
    cards.check_persons(&issued.block_lists.blocked_now(), &mut findings);
    let acknowledgements = Acknowledgements::load(&files, &trust, &verifier, &mut findings);

    let context = Context {
        trust: &trust,
        cards: &cards,
        issued: &issued,
        acknowledgements: &acknowledgements,
        verifier: &verifier,
    };
    let mut journals = read_journals(&files, &context, jobs);
    for journal in journals.values_mut() {
        findings.append(std::mem::take(&mut journal.findings));
        notes.append(&mut journal.notes);
    }
    let acknowledged = acknowledgements.check(&journals, &mut findings);
    let mut chains = receipts::Chains::collect(&journals);
    chains.check_files(&files, &journals, &cards, &verifier, &mut findings);
    let mut undone = carried::undone(&journals);
    let mut executed = chains.add_read_back(&files, &cards, &verifier, &mut undone, &mut findings);
    scripts::add_executed(&mut executed, &journals, &files, &mut findings);
    for (path, receipt) in &executed {
        if let Some(undone) = Undone::read(path, receipt, &trust, &verifier, &mut findings) {
            undone.settle(&mut journals, &mut findings);
        }
    }
    carried::settle(&mut journals, &undone);
    let lost = carried::check(&journals, &undone, &mut findings);
    receipts::check_once(&journals, &lost, &mut findings);
    let card_summaries = chains.check(&cards, &mut findings);
    let operations = operations::check(&files, &mut findings);

    let (lists, block_lists) = issued.counts();
    let mut report = Report::new(findings.into_vec());
    report.notes = notes;
    report.unknown_files = files
        .unknown
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    report.counts = Counts {
        certificates: trust.certificates,
        cards: cards.len(),
        lists,
        block_lists,
        journals: journals.len(),
        entries: journals.values().map(|journal| journal.entries).sum(),
        acknowledgements: acknowledgements.len(),
    };
    report.totals = totals(&journals);
    report.totals.carried = lost.len() as u64;
    report.totals.carried_vnd = lost.iter().map(|payment| payment.amount).sum();
    report.terminals = journals
        .iter()
        .map(|(terminal, journal)| TerminalSummary {
            terminal: terminal.to_string(),
            last: journal.last,
            head: journal.head.map(hex::encode),
            unbroken: journal.unbroken,
            acknowledged: acknowledged.get(terminal).copied(),
            open_intents: journal.open_intents.clone(),
            not_handed: journal.not_handed.clone(),
            cash_counts: journal.cash_counts.clone(),
        })
        .collect();
    report.issuers = issuers;
    report.cards = card_summaries;
    report.operations = operations;
    Ok(report)
}

fn read_journals(
    files: &Files,
    context: &Context<'_, AwsLc>,
    jobs: NonZero<usize>,
) -> BTreeMap<TerminalName, Journal> {
    let terminals: Vec<_> = files.journals.iter().collect();
    let journals = parallel::map(&terminals, jobs, |(terminal, paths)| {
        journal::audit(context, **terminal, paths)
    });
    terminals
        .into_iter()
        .map(|(terminal, _)| *terminal)
        .zip(journals)
        .collect()
}

fn totals(journals: &BTreeMap<TerminalName, Journal>) -> Totals {
    let mut totals = Totals::default();
    for journal in journals.values() {
        totals.handed += journal.handed;
        totals.not_handed += journal.not_handed.len() as u64;
        for (reason, count) in &journal.refused {
            *totals.refused.entry(reason_text(*reason)).or_default() += count;
        }
        for payment in &journal.by_hand {
            if payment.proven && !payment.not_handed {
                totals.by_hand += 1;
                totals.by_hand_vnd += payment.amount;
            }
        }
        for payment in &journal.payments {
            if payment.reversed {
                totals.reversed += 1;
                totals.reversed_vnd += payment.amount;
            } else if payment.proven {
                let programme = payment.line_key.parts().programme.as_str().to_owned();
                totals.payments += 1;
                totals.paid_vnd += payment.amount;
                *totals.by_programme_vnd.entry(programme).or_default() += payment.amount;
            } else {
                totals.unproven_payments += 1;
                totals.unproven_vnd += payment.amount;
            }
        }
    }
    totals
}

/// Names of DATA 5.4.
fn reason_text(reason: u8) -> &'static str {
    match RefusalReason::from_byte(reason) {
        Some(RefusalReason::NotOnList) => "not on the list",
        Some(RefusalReason::WrongPin) => "wrong PIN",
        Some(RefusalReason::PinBlocked) => "PIN blocked",
        Some(RefusalReason::CardBlocked) => "card on the block list",
        Some(RefusalReason::CardExpired) => "card expired or not yet valid",
        Some(RefusalReason::AlreadyPaid) => "already paid",
        Some(RefusalReason::NotGenuine) => "not genuine",
        Some(RefusalReason::ClockUnset) => "clock unset",
        Some(RefusalReason::BlockListStale) => "block list too old",
        Some(RefusalReason::CertificateExpired) => "terminal certificate expired",
        Some(RefusalReason::JournalFull) => "journal full",
        Some(RefusalReason::RefusedByCard) => "refused by the card",
        Some(RefusalReason::ListNotValid) => "list not valid today",
        Some(RefusalReason::CardRemoved) => "card removed",
        Some(RefusalReason::Cancelled) => "cancelled by the clerk",
        Some(RefusalReason::UnknownIssuer) => "issuer's key not known to the terminal",
        None => "unknown reason",
    }
}
