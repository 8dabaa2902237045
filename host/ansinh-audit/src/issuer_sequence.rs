//! The one sequence of everything an issuer signed for cards and terminals: a removed object shows as a gap (SPEC 4.3).

use std::collections::BTreeMap;

use card_spec::certificate::Reference;
use card_spec::crypto::{Digest, PublicKey};
use card_spec::values::Date;
use serde::Serialize;

use crate::finding::{Code, Findings, Place};
use crate::trust::Trust;

/// Which numbering of its own an object has besides the issuer's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    List(u32),
    BlockList(u32),
}

/// One object's place in the sequence.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) issuer: Reference,
    pub(crate) sequence: u64,
    pub(crate) previous: Digest,
    pub(crate) hash: Digest,
    pub(crate) number: Option<Numbering>,
    /// Not signed by its issuer: such a one has a place only where no other has it.
    pub(crate) forged: bool,
    pub(crate) place: Place,
}

/// Up to where the objects of an issuer are proven complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssuerSummary {
    /// CHR of the issuer.
    pub issuer: String,
    /// Highest sequence number seen: later objects, if there are any, nothing here can show.
    pub last: u64,
    /// Numbers missing before it, as first and last of each range.
    pub missing: Vec<(u64, u64)>,
}

/// The key of the issuer that an object names, if its certificate is valid; the reason otherwise is a finding.
pub(crate) fn check_issuer(
    trust: &Trust,
    issuer: &Reference,
    date: Date,
    place: &Place,
    findings: &mut Findings,
) -> Option<PublicKey> {
    let Some(known) = trust.issuer(issuer) else {
        findings.add(
            Code::Issuer,
            place,
            format!("signed by {issuer}, of which there is no valid certificate"),
        );
        return None;
    };
    if let Err(error) = known.certified.valid_on(date) {
        findings.add(Code::IssuerDates, place, format!("{issuer}: {error}"));
    }
    Some(*known.certified.key())
}

/// Checks the sequences of all issuers.
pub(crate) fn check(mut links: Vec<Link>, trust: &Trust, findings: &mut Findings) -> Vec<IssuerSummary> {
    let order = |link: &Link| (link.issuer, link.sequence, link.forged);
    links.sort_by(|a, b| (order(a), &a.place).cmp(&(order(b), &b.place)));
    let mut issuers: BTreeMap<Reference, Vec<Link>> = BTreeMap::new();
    for link in links {
        issuers.entry(link.issuer).or_default().push(link);
    }
    issuers
        .iter()
        .map(|(issuer, links)| {
            check_numbers(links, findings);
            check_sequence(issuer, links, trust, findings)
        })
        .collect()
}

fn check_sequence(
    issuer: &Reference,
    links: &[Link],
    trust: &Trust,
    findings: &mut Findings,
) -> IssuerSummary {
    let mut missing = Vec::new();
    let mut last = 0_u64;
    let mut previous = trust.issuer(issuer).map(|issuer| issuer.certificate_hash);
    for link in links {
        if link.forged && last.checked_add(1) != Some(link.sequence) {
            continue;
        }
        if link.sequence == last {
            let text = format!("another object has number {last} in the sequence of {issuer}");
            findings.add(Code::IssuerTwice, &link.place, text);
            continue;
        }
        if link.sequence > last + 1 {
            let gap = (last + 1, link.sequence - 1);
            let text = format!("objects {} to {} of {issuer} are missing", gap.0, gap.1);
            findings.add(Code::IssuerGap, &link.place, text);
            missing.push(gap);
        } else if previous.is_some_and(|previous| previous != link.previous) {
            let text = format!("does not name the object before it in the sequence of {issuer}");
            findings.add(Code::IssuerPrevious, &link.place, text);
        }
        previous = Some(link.hash);
        last = link.sequence;
    }
    IssuerSummary {
        issuer: issuer.to_string(),
        last,
        missing,
    }
}

/// Numbers of lists and of block lists rise with the sequence (DATA 3.1, 4).
fn check_numbers(links: &[Link], findings: &mut Findings) {
    let (mut list, mut block_list) = (0, 0);
    for link in links.iter().filter(|link| !link.forged) {
        let (last, number, code) = match link.number {
            Some(Numbering::List(number)) => (&mut list, number, Code::ListNumber),
            Some(Numbering::BlockList(number)) => (&mut block_list, number, Code::BlockListNumber),
            None => continue,
        };
        if number <= *last {
            findings.add(
                code,
                &link.place,
                format!("number {number} follows number {last}"),
            );
        }
        *last = number;
    }
}
