//! Receipts beyond one journal: the files made for openssl, the chain of each card, and that no line is paid twice.

use std::collections::{BTreeMap, HashMap};

use card_spec::crypto::{Digest, Verify, sha256};
use card_spec::cso::Caps;
use card_spec::payment::{LineKey, Receipt, ReceiptKind};
use card_spec::signed::Body;
use card_spec::tlv::{Field, Reader};
use card_spec::values::{CardNumber, Period, TerminalName};
use serde::Serialize;

use crate::acknowledgements::check_reach;
use crate::cards::Cards;
use crate::carried::{Undone, read_undone};
use crate::files::{Files, ReceiptFiles};
use crate::finding::{Code, Findings, Place};
use crate::journal::{Journal, Payment};
use crate::pem;
use crate::scripts::Scripts;
use crate::trust::read;

/// Up to where the receipts of a card are proven complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CardSummary {
    /// Card number.
    pub card: String,
    /// Highest receipt counter seen.
    pub counter: u32,
    /// Counters missing before it, as first and last of each range.
    pub missing: Vec<(u32, u32)>,
}

/// One receipt's place in its card's chain.
struct ChainLink {
    counter: u32,
    /// Version of the card's CSO.
    version: u16,
    hash: Digest,
    previous: Digest,
    /// Not signed by its card.
    forged: bool,
    /// Month and VND of its order, where that is at hand.
    paid: Option<(Period, u64)>,
    kind: ReceiptKind,
    place: Place,
}

/// The receipts of all cards.
#[derive(Default)]
pub(crate) struct Chains(BTreeMap<CardNumber, Vec<ChainLink>>);

impl Chains {
    /// From the journals.
    pub(crate) fn collect(journals: &BTreeMap<TerminalName, Journal>) -> Self {
        let mut chains = Self::default();
        for journal in journals.values() {
            let carried = journal.carried.iter().filter_map(|told| told.payment.as_ref());
            for payment in journal.payments.iter().chain(carried) {
                let link = ChainLink {
                    counter: payment.counter,
                    version: payment.version,
                    hash: payment.receipt_hash,
                    previous: payment.previous,
                    forged: payment.forged,
                    paid: payment.month.map(|month| (month, payment.amount)),
                    kind: ReceiptKind::Payment,
                    place: payment.place.clone(),
                };
                chains.0.entry(payment.card).or_default().push(link);
            }
            for reversal in &journal.reversals {
                chains.add_genuine(&reversal.receipt, reversal.hash, reversal.place.clone());
            }
            for (place, receipt, hash) in &journal.stray_receipts {
                chains.add_genuine(receipt, *hash, place.clone());
            }
        }
        chains
    }

    /// A receipt that its card signed, for an order that is not at hand.
    fn add_genuine(&mut self, receipt: &Receipt, hash: Digest, place: Place) {
        let link = ChainLink {
            counter: receipt.counter,
            version: receipt.cso_version,
            hash,
            previous: receipt.previous,
            forged: false,
            paid: None,
            kind: receipt.kind,
            place,
        };
        self.0.entry(receipt.card_number).or_default().push(link);
    }

    /// Compares the files under `receipts/` with the journals; a receipt that only a file has joins its card's chain.
    pub(crate) fn check_files(
        &mut self,
        files: &Files,
        journals: &BTreeMap<TerminalName, Journal>,
        cards: &Cards,
        verifier: &impl Verify,
        findings: &mut Findings,
    ) {
        let mut by_intent: HashMap<(TerminalName, u32), &Payment> = HashMap::new();
        for (terminal, journal) in journals {
            by_intent.extend(
                journal
                    .payments
                    .iter()
                    .map(|payment| ((*terminal, payment.intent), payment)),
            );
        }
        for ((folder, terminal, sequence), files) in &files.receipts {
            if let Some(payment) = by_intent.get(&(*terminal, *sequence)) {
                compare(files, payment, findings);
                continue;
            }
            let place = Place::file(files.signed.as_ref().unwrap_or(folder)).numbered(*sequence);
            if check_reach(journals, terminal, *sequence, &place, findings).is_some() {
                let text = format!("the journal of {terminal} has no payment of intent {sequence}");
                findings.add(Code::ReceiptUnpaid, &place, text);
            }
            if let Some((receipt, hash, place)) = witness(files, cards, verifier, findings) {
                self.add_genuine(&receipt, hash, place);
            }
        }
    }

    /// Takes the receipts that were read back from the cards (DATA 2): they fill their places in the chains. A payment
    /// among them that no journal shows is one that its terminal has lost. `undone` gets what a reversal beside one
    /// undoes. The answer: those with a script beside them, by its file.
    pub(crate) fn add_read_back(
        &mut self,
        files: &Files,
        cards: &Cards,
        verifier: &impl Verify,
        undone: &mut Undone,
        findings: &mut Findings,
    ) -> Scripts {
        let mut scripts = Scripts::default();
        for ((_, card, counter), files) in &files.card_receipts {
            let Some((receipt, hash, place)) = witness(files, cards, verifier, findings) else {
                continue;
            };
            if (receipt.card_number, receipt.counter) != (*card, *counter) {
                let text = format!(
                    "it is receipt {} of card {}",
                    receipt.counter, receipt.card_number
                );
                findings.add(Code::FileName, &place, text);
            }
            if let Some(script) = &files.script {
                scripts.insert(script.clone(), receipt);
            }
            let reversal = files.reversal.as_ref();
            undone.extend(reversal.and_then(|path| read_undone(path, &receipt, findings)));
            let known = self.0.get(&receipt.card_number);
            if known.is_some_and(|links| links.iter().any(|link| link.hash == hash)) {
                continue;
            }
            if receipt.kind == ReceiptKind::Payment {
                let text = format!(
                    "card {} made a payment that no journal at hand shows",
                    receipt.card_number
                );
                findings.add(Code::ReceiptUnpaid, &place, text);
            }
            self.add_genuine(&receipt, hash, place);
        }
        scripts
    }

    /// Each card's receipts count 1, 2, 3 … and each names the one before (SPEC 9.4), within the card's caps.
    pub(crate) fn check(mut self, cards: &Cards, findings: &mut Findings) -> Vec<CardSummary> {
        let mut summaries = Vec::new();
        for (number, links) in &mut self.0 {
            // A genuine receipt goes before a forged one with its counter.
            let order = |link: &ChainLink| (link.counter, link.forged, link.paid.is_none());
            links.sort_by(|a, b| (order(a), &a.place).cmp(&(order(b), &b.place)));
            summaries.push(check_chain(*number, links, cards, findings));
        }
        summaries
    }
}

fn check_chain(
    number: CardNumber,
    links: &[ChainLink],
    cards: &Cards,
    findings: &mut Findings,
) -> CardSummary {
    let mut missing = Vec::new();
    let mut last = 0_u32;
    let card = cards.first(&number);
    let mut head = card.map(|card| card.cso_hash);
    let mut spending = card.map(|card| Spending::new(number, card.caps));
    for link in links {
        if link.forged && last.checked_add(1) != Some(link.counter) {
            continue; // reported where it stands, and no place in the chain
        }
        if link.counter == last {
            if head != Some(link.hash) {
                let text = format!("card {number} has another receipt with counter {last}");
                findings.add(Code::ReceiptFork, &link.place, text);
            }
            continue;
        }
        if link.counter > last + 1 {
            let gap = (last + 1, link.counter - 1);
            let text = format!(
                "receipts {} to {} of card {number} are missing: paid where no journal at hand shows it, begun and not \
                 settled, or no payments",
                gap.0, gap.1
            );
            findings.add(Code::ReceiptGap, &link.place, text);
            missing.push(gap);
            // What is missing may have lowered the month's total, or be a payment that its journal will show.
            spending = card.map(|card| Spending::new(number, card.caps));
        } else if head.is_some_and(|head| head != link.previous) {
            let text = format!("does not name the receipt before it of card {number}");
            findings.add(Code::ReceiptPrevious, &link.place, text);
        }
        if link.kind != ReceiptKind::Payment {
            // A reversal lowers the month's total, and so may an issuer script (SPEC 9.8, 13.7, 13.9).
            spending = card.map(|card| Spending::new(number, card.caps));
        }
        if let (Some(spending), Some((month, vnd)), false) = (&mut spending, link.paid, link.forged) {
            // The caps are those of the version that paid.
            spending.caps = cards
                .version(&number, link.version)
                .map_or(spending.caps, |card| card.caps);
            spending.add(month, vnd, &link.place, findings);
        }
        head = Some(link.hash);
        last = link.counter;
    }
    CardSummary {
        card: number.to_string(),
        counter: last,
        missing,
    }
}

/// What a card has paid in its month: a later month starts a new sum, an earlier one counts to the kept one (SPEC 9.5).
struct Spending {
    card: CardNumber,
    caps: Caps,
    month: Option<Period>,
    vnd: u64,
}

impl Spending {
    fn new(card: CardNumber, caps: Caps) -> Self {
        Self {
            card,
            caps,
            month: None,
            vnd: 0,
        }
    }

    fn add(&mut self, month: Period, vnd: u64, place: &Place, findings: &mut Findings) {
        if self.month < Some(month) {
            (self.month, self.vnd) = (Some(month), 0);
        }
        self.vnd = self.vnd.saturating_add(vnd);
        let Self { card, caps, .. } = self;
        if vnd > caps.order.vnd() {
            let text = format!(
                "card {card} paid {vnd} VND, its cap of an order is {} VND",
                caps.order.vnd()
            );
            findings.add(Code::OrderCap, place, text);
        }
        if self.vnd > caps.month.vnd() {
            let text = format!(
                "card {card} had then paid {} VND in the month, its cap of a month is {} VND",
                self.vnd,
                caps.month.vnd()
            );
            findings.add(Code::MonthCap, place, text);
        }
    }
}

/// The receipt in two files, if its card signed it.
fn witness(
    files: &ReceiptFiles,
    cards: &Cards,
    verifier: &impl Verify,
    findings: &mut Findings,
) -> Option<(Receipt, Digest, Place)> {
    let (path, signature_path) = files.signed.as_ref().zip(files.signature.as_ref())?;
    let place = Place::file(path);
    let bytes = read(path, &place, findings);
    let signature = read(signature_path, &Place::file(signature_path), findings);
    let (bytes, signature) = bytes.zip(signature)?;
    let Ok(receipt) = Receipt::read(&mut Reader::new(&bytes), Receipt::TAG) else {
        findings.add(Code::Encoding, &place, "not the body of a receipt");
        return None;
    };
    let verified = cards
        .by_number(&receipt.card_number)
        .zip(pem::signature(&signature))
        .is_some_and(|(card, signature)| verifier.verify(&card.signing_key, &bytes, &signature).is_ok());
    if !verified {
        let text = "does not verify under its card's key";
        findings.add(Code::ReceiptSignature, &place, text);
        return None;
    }
    Some((receipt, sha256(&[&bytes]), place))
}

fn compare(files: &ReceiptFiles, payment: &Payment, findings: &mut Findings) {
    let mut check = |path: &Option<std::path::PathBuf>, agrees: &dyn Fn(&[u8]) -> bool| {
        let Some(path) = path else {
            return;
        };
        let place = Place::file(path).numbered(payment.intent);
        if read(path, &place, findings).is_some_and(|bytes| !agrees(&bytes)) {
            findings.add(
                Code::ReceiptFile,
                &place,
                format!("differs from the receipt at {}", payment.place),
            );
        }
    };
    check(&files.signed, &|bytes| sha256(&[bytes]) == payment.receipt_hash);
    check(&files.signature, &|bytes| {
        pem::signature(bytes) == Some(payment.receipt_signature)
    });
}

/// One (person, programme, entitlement, line type, period) is paid once, whatever list, card or terminal (promise 4), by card or by hand.
/// What its card has undone is not paid, nor what was not handed over by hand. `lost` are those that no journal shows. What is not proven
/// is found beside what is, in whichever journal it stands.
pub(crate) fn check_once(
    journals: &BTreeMap<TerminalName, Journal>,
    lost: &[&Payment],
    findings: &mut Findings,
) {
    let mut paid: HashMap<LineKey, &Place> = HashMap::new();
    let by_card = journals.values().flat_map(|journal| &journal.payments);
    let by_card = by_card.chain(lost.iter().copied());
    let by_card = by_card.filter(|payment| !payment.reversed);
    let by_card = by_card.map(|payment| (payment.proven, payment.line_key, payment.amount, &payment.place));
    let by_hand = journals.values().flat_map(|journal| &journal.by_hand);
    let by_hand = by_hand.filter(|payment| !payment.not_handed);
    let by_hand = by_hand.map(|payment| (payment.proven, payment.line_key, payment.amount, &payment.place));
    let mut payments: Vec<_> = by_card.chain(by_hand).collect();
    payments.sort_by_key(|(proven, ..)| !proven);
    for (_, line_key, vnd, place) in payments {
        if let Some(first) = paid.get(&line_key) {
            let text = format!("{vnd} VND for a line that was paid at {first}");
            findings.add(Code::PaidTwice, place, text);
        } else {
            paid.insert(line_key, place);
        }
    }
}
