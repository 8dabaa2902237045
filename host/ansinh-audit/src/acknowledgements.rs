//! Acknowledgements: the issuer's word on how far a journal had reached (DATA 6). They witness what a journal that was
//! cut short no longer shows.

use std::collections::{BTreeMap, HashMap, HashSet};

use card_spec::crypto::{Digest, Verify};
use card_spec::journal::{Acknowledgement, genesis};
use card_spec::signed::Signed;
use card_spec::values::TerminalName;

use crate::files::Files;
use crate::finding::{Code, Findings, Place};
use crate::issuer_sequence::check_issuer;
use crate::journal::Journal;
use crate::trust::{Trust, read};

struct Witness {
    terminal: TerminalName,
    sequence: u32,
    head: Digest,
    proven: bool,
    place: Place,
}

/// All acknowledgements of an audit.
#[derive(Default)]
pub(crate) struct Acknowledgements {
    witnesses: Vec<Witness>,
    hashes: HashMap<(TerminalName, u32), HashSet<Digest>>,
}

impl Acknowledgements {
    pub(crate) fn load(
        files: &Files,
        trust: &Trust,
        verifier: &impl Verify,
        findings: &mut Findings,
    ) -> Self {
        let mut all = Self::default();
        for (terminal, sequence, path) in &files.acknowledgements {
            let place = Place::file(path);
            let Some(encoding) = read(path, &place, findings) else {
                continue;
            };
            match Signed::parse(&encoding) {
                Ok(signed) => {
                    let body: &Acknowledgement = signed.claimed();
                    if (body.terminal, body.sequence) != (*terminal, *sequence) {
                        let text = format!("acknowledges {} up to {}", body.terminal, body.sequence);
                        findings.add(Code::FileName, &place, text);
                    }
                    all.add(&signed, place, trust, verifier, findings);
                }
                Err(error) => {
                    findings.add(Code::Encoding, &place, format!("not an acknowledgement: {error}"))
                }
            }
        }
        all
    }

    fn add(
        &mut self,
        signed: &Signed<'_, Acknowledgement>,
        place: Place,
        trust: &Trust,
        verifier: &impl Verify,
        findings: &mut Findings,
    ) {
        let body = signed.claimed();
        let place = place.numbered(body.sequence);
        let Some(date) = body.time.date() else {
            return findings.add(Code::Encoding, &place, "an acknowledgement without a date");
        };
        let key = check_issuer(trust, &body.issuer, date, &place, findings);
        let proven = key.is_some_and(|key| signed.verify(verifier, &key).is_ok());
        if key.is_some() && !proven {
            findings.add(
                Code::AcknowledgementSignature,
                &place,
                "changed, or not signed by its issuer: the signature does not verify",
            );
        }
        let journal_key = trust.journal_key(&body.terminal);
        if journal_key.is_some_and(|known| genesis(&known.key) != body.journal_key) {
            let text = format!(
                "names another journal key than {} has a certificate for",
                body.terminal
            );
            findings.add(Code::AcknowledgementKey, &place, text);
        }
        self.hashes
            .entry((body.terminal, body.sequence))
            .or_default()
            .insert(signed.hash());
        self.witnesses.push(Witness {
            terminal: body.terminal,
            sequence: body.sequence,
            head: body.head,
            proven,
            place,
        });
    }

    /// Does an acknowledgement name this entry?
    pub(crate) fn names(&self, terminal: &TerminalName, sequence: u32) -> bool {
        self.hashes.contains_key(&(*terminal, sequence))
    }

    /// Is this one among the acknowledgements of the entry? `None` if there is none.
    pub(crate) fn has(&self, terminal: &TerminalName, sequence: u32, hash: &Digest) -> Option<bool> {
        Some(self.hashes.get(&(*terminal, sequence))?.contains(hash))
    }

    pub(crate) fn len(&self) -> usize {
        self.witnesses.len()
    }

    /// Compares with the journals; gives the last acknowledged entry of each terminal.
    pub(crate) fn check(
        &self,
        journals: &BTreeMap<TerminalName, Journal>,
        findings: &mut Findings,
    ) -> BTreeMap<TerminalName, u32> {
        let mut last = BTreeMap::new();
        // One that its issuer did not sign witnesses nothing.
        for witness in self.witnesses.iter().filter(|witness| witness.proven) {
            let Witness {
                terminal,
                sequence,
                place,
                ..
            } = witness;
            let known = check_reach(journals, terminal, *sequence, place, findings);
            match known.and_then(|journal| journal.acknowledged.get(sequence)) {
                Some(head) if *head != witness.head => {
                    let text = format!("entry {sequence} of {terminal} is not the one that was acknowledged");
                    findings.add(Code::AcknowledgementHead, place, text);
                }
                Some(_) => {
                    let known = last.entry(*terminal).or_insert(*sequence);
                    *known = (*known).max(*sequence);
                }
                None => {}
            }
        }
        last
    }
}

/// A file witnesses an entry: the journal must be there and reach that far.
pub(crate) fn check_reach<'a>(
    journals: &'a BTreeMap<TerminalName, Journal>,
    terminal: &TerminalName,
    sequence: u32,
    place: &Place,
    findings: &mut Findings,
) -> Option<&'a Journal> {
    let Some(journal) = journals.get(terminal) else {
        let text = format!("there is no journal of {terminal}; entries 1 to {sequence} existed");
        findings.add(Code::JournalMissing, place, text);
        return None;
    };
    if sequence > journal.last {
        let text = format!(
            "the journal of {terminal} ends with entry {}; entries {} to {sequence} existed",
            journal.last,
            journal.last + 1
        );
        findings.add(Code::JournalTruncated, place, text);
        return None;
    }
    Some(journal)
}
