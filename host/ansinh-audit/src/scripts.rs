//! Payments that the issuer has undone (SPEC 13.7): a script of the issuer, the card's receipt that it was executed, and the journal's
//! word that the money was not handed over. The receipt was read back from the card, or is in the journal of a terminal that carried the
//! script (DATA 12).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use card_spec::crypto::{Digest, Verify};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, TerminalName};

use crate::files::Files;
use crate::finding::{Code, Findings, Place};
use crate::issuer_sequence::check_issuer;
use crate::journal::Journal;
use crate::trust::{Trust, read};

/// Files of scripts, each with the receipt that is to be for it.
pub(crate) type Scripts = BTreeMap<PathBuf, Receipt>;

/// Adds the receipts that journals have of scripts. Where the script of one is not at hand, nobody can say what it did.
pub(crate) fn add_executed(
    scripts: &mut Scripts,
    journals: &BTreeMap<TerminalName, Journal>,
    files: &Files,
    findings: &mut Findings,
) {
    let by_receipt: BTreeMap<_, _> = files
        .card_receipts
        .iter()
        .filter_map(|((_, card, counter), files)| Some(((*card, *counter), files.script.as_ref()?)))
        .collect();
    for (place, receipt) in journals.values().flat_map(|journal| &journal.executed) {
        let file = by_receipt.get(&(receipt.card_number, receipt.counter));
        match file {
            Some(path) => {
                scripts.entry((*path).clone()).or_insert(*receipt);
            }
            None => {
                let text = format!(
                    "card {} executed a script that is not among the files: what it undid is not known",
                    receipt.card_number
                );
                findings.add(Code::ScriptMissing, place, text);
            }
        }
    }
}

/// A payment that a card has undone by a script of its issuer.
pub(crate) struct Undone {
    card: CardNumber,
    order_hash: Digest,
    place: Place,
}

impl Undone {
    /// Reads the script that a receipt of this card is for; `None` if it undoes nothing, or is not what the receipt names.
    pub(crate) fn read(
        path: &Path,
        receipt: &Receipt,
        trust: &Trust,
        verifier: &impl Verify,
        findings: &mut Findings,
    ) -> Option<Self> {
        let place = Place::file(path);
        let bytes = read(path, &place, findings)?;
        let Ok(signed) = Signed::<IssuerScript>::parse(&bytes) else {
            findings.add(Code::Encoding, &place, "not an issuer script");
            return None;
        };
        let script = *signed.claimed();
        let is_its = receipt.kind == ReceiptKind::IssuerScript
            && receipt.object_hash == signed.hash()
            && (script.card_number, script.counter.checked_add(1))
                == (receipt.card_number, Some(receipt.counter));
        if !is_its {
            findings.add(
                Code::Script,
                &place,
                "not the script that its card's receipt is for",
            );
            return None;
        }
        let day = script.issued.date()?;
        let key = check_issuer(trust, &script.issuer, day, &place, findings)?;
        if signed.verify(verifier, &key).is_err() {
            let text = format!("does not verify under the key of {}", script.issuer);
            findings.add(Code::ScriptSignature, &place, text);
            return None;
        }
        let Action::Reverse(order_hash) = script.action else {
            return None;
        };
        Some(Self {
            card: script.card_number,
            order_hash,
            place,
        })
    }

    /// The payment is not paid any more, if its journal says that the money was not handed over.
    pub(crate) fn settle(&self, journals: &mut BTreeMap<TerminalName, Journal>, findings: &mut Findings) {
        for journal in journals.values_mut() {
            let Journal {
                payments, not_handed, ..
            } = journal;
            let meant = (self.order_hash, self.card);
            let mut standing = payments.iter_mut().filter(|payment| !payment.reversed);
            let Some(payment) = standing.find(|payment| (payment.order_hash, payment.card) == meant) else {
                continue;
            };
            let Some(told) = not_handed.iter().position(|intent| *intent == payment.intent) else {
                let text = format!(
                    "undoes the payment at {}, of which no journal says that the money was not handed over",
                    payment.place
                );
                findings.add(Code::UndoneHanded, &self.place, text);
                continue;
            };
            not_handed.remove(told);
            payment.reversed = true;
        }
    }
}
