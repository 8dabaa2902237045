//! Approved lists taken in. A list is personal data: it comes in the body of one call, is in memory until it is in the ledger, and
//! leaves again only as the findings that whoever sent it needs to mend it.

use std::fmt;

use ansinh_import::{Checked, Rejected, Terms, check_under, limits};
use ansinh_store::import::{ImportCounts, ImportError, ImportMode, ListKind};
use ansinh_store::operators::{Actor, Role};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::call::{Call, Kind, SMALL};
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// Most findings that an answer tells; whoever has more of them has made the same mistake in every line.
pub const FINDINGS: usize = 10_000;

/// Takes in an approved list, wholly or not at all. The same file twice changes nothing.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ImportList")]
pub struct Import {
    /// Name of the file, for the record: not a person's.
    #[schemars(length(min = 1, max = 255))]
    pub file_name: String,
    /// The file, CSV in UTF-8 or XLSX, in base64 (RFC 4648, 4).
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    pub file: Zeroizing<String>,
    /// The list may change what the ledger holds, and end decisions.
    #[serde(default)]
    pub delta: bool,
    /// Check everything, also against the ledger, and import nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// The operator has looked at the warnings, which a dry run lists, and takes the list as it is. The ledger keeps that.
    #[serde(default)]
    pub accept_warnings: bool,
}

/// How a list is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// [`Import::file_name`].
    pub file_name: &'a str,
    /// [`Import::delta`].
    pub delta: bool,
    /// [`Import::dry_run`].
    pub dry_run: bool,
    /// [`Import::accept_warnings`].
    pub accept_warnings: bool,
}

impl Import {
    /// The call that takes in this file.
    pub fn of(file: &[u8], manner: Manner<'_>) -> Self {
        Self {
            file_name: manner.file_name.to_owned(),
            file: Zeroizing::new(STANDARD.encode(file)),
            delta: manner.delta,
            dry_run: manner.dry_run,
            accept_warnings: manner.accept_warnings,
        }
    }
}

/// One thing that is wrong, or worth a look, in a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Line in the file, or row of the sheet, the header being 1.
    pub line: u64,
    /// Column, by its name in the header; empty for the whole line.
    pub column: String,
    /// Where it stands in a spreadsheet, such as `C17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// The value that was found there; perhaps personal data.
    pub value: String,
    /// The rule that it breaks, or what to look at.
    pub rule: String,
    /// For a warning: what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl From<ansinh_import::Finding> for Finding {
    fn from(finding: ansinh_import::Finding) -> Self {
        Self {
            line: finding.line,
            column: finding.column,
            cell: finding.cell,
            value: finding.value,
            rule: finding.rule,
            warning: finding.warning.map(|warning| warning.name().to_owned()),
        }
    }
}

/// What was found in a list that was refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// What is wrong, by line.
    pub errors: Vec<Finding>,
    /// What somebody should look at, by line.
    pub warnings: Vec<Finding>,
    /// Errors beyond the first 10,000.
    pub errors_left_out: u64,
    /// Warnings beyond the first 10,000.
    pub warnings_left_out: u64,
}

/// How many, never what: values are personal data.
impl fmt::Debug for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} errors, {} warnings",
            self.errors.len(),
            self.warnings.len()
        )
    }
}

impl Findings {
    fn of(errors: Vec<ansinh_import::Finding>, warnings: Vec<ansinh_import::Finding>) -> Self {
        let beyond = |found: usize| found.saturating_sub(FINDINGS) as u64;
        Self {
            errors_left_out: beyond(errors.len()),
            warnings_left_out: beyond(warnings.len()),
            errors: first(errors),
            warnings: first(warnings),
        }
    }
}

fn first(findings: Vec<ansinh_import::Finding>) -> Vec<Finding> {
    findings.into_iter().take(FINDINGS).map(Finding::from).collect()
}

/// A difference that was taken over into the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Line in the file.
    pub line: u64,
    /// Column of the file.
    pub column: String,
}

/// What an import did, or would do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Whether the list is in the ledger by this call.
    pub imported: bool,
    /// Whether the same file was imported before; nothing was changed then.
    pub known_file: bool,
    /// `plain` or `delta`.
    pub kind: String,
    /// Persons seen for the first time.
    pub new_persons: u64,
    /// Decisions seen for the first time.
    pub new_entitlements: u64,
    /// Decisions that ended by this list.
    pub ended_entitlements: u64,
    /// Representatives seen for the first time.
    pub new_representatives: u64,
    /// Payment lines added.
    pub new_lines: u64,
    /// Payment lines that were there already with the same amount.
    pub carried_lines: u64,
    /// Sum of the lines added.
    pub new_amount_vnd: u64,
    /// Live cards that say something else than the ledger from now on.
    pub outdated_cards: u64,
    /// What of the ledger was changed, in the order of the list.
    pub changes: Vec<Change>,
    /// What somebody should look at, by line: the first 10,000.
    pub warnings: Vec<Finding>,
}

impl Call for Import {
    type Answer = Imported;
    const NAME: &'static str = "imports/take-in";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str =
        "Take in an approved list, or only check it; a list with errors is refused with all of them";
    // Four characters of base64 for three bytes.
    const LIMIT: usize = limits::FILE as usize / 3 * 4 + SMALL;

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let file = STANDARD.decode(self.file.as_bytes()).map(Zeroizing::new);
        let file = file.map_err(|_| refused("the file is not in base64"))?;
        let manner = Manner {
            file_name: &self.file_name,
            delta: self.delta,
            dry_run: self.dry_run,
            accept_warnings: self.accept_warnings,
        };
        take_in(service, actor, &file, manner, &mut |_, _| {})
    }
}

/// Does it with the file itself. `progress` hears how much of how much is checked.
///
/// # Errors
/// [`Code::RefusedData`] with the findings, [`Code::WarningsNotAccepted`] likewise; of the store.
pub fn take_in(
    service: &Service,
    actor: &Actor,
    file: &[u8],
    manner: Manner<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, Refusal> {
    let name = manner.file_name;
    if !(1..=255).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(refused("a file's name has 1 to 255 characters in one line"));
    }
    let reference = service.home().reference_data();
    let reference = reference.map_err(|error| Refusal::new(Code::Internal, format!("{error:#}")))?;
    let terms = Terms {
        reference: &reference,
        province: &service.station().province,
        kind: if manner.delta {
            ListKind::Delta
        } else {
            ListKind::Plain
        },
    };
    let checked = check_under(terms, file, name, progress)
        .map_err(|Rejected { errors, warnings }| rejected(Findings::of(errors, warnings)))?;
    if !manner.dry_run && !manner.accept_warnings && !checked.warnings.is_empty() {
        return Err(not_accepted(Findings::of(Vec::new(), checked.warnings)));
    }
    let mode = if manner.dry_run {
        ImportMode::Rehearse
    } else {
        ImportMode::Commit
    };
    match service.store().import(actor, &checked.list, mode) {
        Ok(counts) => Ok(imported(mode, counts, checked)),
        Err(ImportError::Contradictions(found)) => {
            let errors = found.iter().map(|one| checked.finding(one)).collect();
            Err(rejected(Findings::of(errors, checked.warnings)))
        }
        Err(ImportError::Store(error)) => Err(error.into()),
        Err(ImportError::Rehearsed(_)) => Err(Refusal::new(
            Code::Internal,
            "a rehearsal was taken for an import",
        )),
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::refused_data(format!("{why}; nothing was imported"))
}

fn rejected(findings: Findings) -> Refusal {
    let count = findings.errors.len() as u64 + findings.errors_left_out;
    refused(&format!("the list has {count} error(s)")).with_findings(findings)
}

fn not_accepted(findings: Findings) -> Refusal {
    let count = findings.warnings.len() as u64 + findings.warnings_left_out;
    Refusal::new(
        Code::WarningsNotAccepted,
        format!("the list has {count} warning(s) that nobody accepted; nothing was imported. Look at them, then accept them"),
    )
    .with_findings(findings)
}

fn imported(mode: ImportMode, counts: ImportCounts, checked: Checked) -> Imported {
    let change = |change: ansinh_store::import::Change| Change {
        line: change.file_line,
        column: change.column.to_owned(),
    };
    Imported {
        imported: mode == ImportMode::Commit && !counts.known_file,
        known_file: counts.known_file,
        kind: checked.list.kind.name().to_owned(),
        new_persons: counts.new_persons,
        new_entitlements: counts.new_entitlements,
        ended_entitlements: counts.ended_entitlements,
        new_representatives: counts.new_representatives,
        new_lines: counts.new_lines,
        carried_lines: counts.carried_lines,
        new_amount_vnd: counts.new_amount,
        outdated_cards: counts.outdated_cards,
        changes: counts.changes.into_iter().map(change).collect(),
        warnings: first(checked.warnings),
    }
}
