//! How a receipt comes about (SPEC 9.3): it goes to a spare place, then one write of the ledger commits everything.

use card_spec::crypto::{Digest, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::payment::{HolderCheckOutcome, MAXIMUM_RECEIPT_LENGTH, Receipt, ReceiptKind};
use card_spec::signed::{encode_body, sign};
use rand_core::CryptoRng;

use crate::Card;
use crate::answer::{Answer, Stop};
use crate::memory::{Memory, Slot};
use crate::receipts;
use crate::record::Record as _;
use crate::state::Ledger;

/// The number of the next receipt: proof that there is one left. Only [`Ledger::next_receipt`] makes it.
pub(crate) struct ReceiptNumber(u32);

impl Ledger {
    /// `None` when the receipt counter is at its end (`6348`).
    pub(crate) const fn next_receipt(&self) -> Option<ReceiptNumber> {
        match self.counter.checked_add(1) {
            Some(number) => Some(ReceiptNumber(number)),
            None => None,
        }
    }
}

impl ReceiptNumber {
    /// The receipt counter once the receipt is given.
    pub(crate) const fn counter(&self) -> u32 {
        self.0
    }
}

/// What a receipt is given for.
pub(crate) struct Deed<'a> {
    pub(crate) kind: ReceiptKind,
    /// Order, reversal, issuer script or block list header in the form that it came (SPEC 9.9).
    pub(crate) object: &'a [u8],
    /// What identifies the object (object `84` of a receipt).
    pub(crate) hash: Digest,
    pub(crate) holder_check: HolderCheckOutcome,
    pub(crate) number: ReceiptNumber,
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// Makes `changed` the card's ledger, with counter and head moved on by the receipt, which is the answer. `ledger` is
    /// the one before, `cso` the one in force afterwards. Until the last write nothing has happened; after it the same
    /// object finds its receipt.
    pub(crate) fn commit(
        &mut self,
        ledger: &Ledger,
        changed: Ledger,
        cso: &CardSecurityObject,
        deed: &Deed<'_>,
    ) -> Result<Answer, Stop> {
        let receipt = Receipt {
            suite: Default::default(),
            card_number: cso.card_number,
            cso_version: cso.version,
            counter: deed.number.counter(),
            previous: ledger.head,
            object_hash: deed.hash,
            holder_check: deed.holder_check,
            kind: deed.kind,
        };
        let mut buffer = [0; MAXIMUM_RECEIPT_LENGTH];
        let head = sha256(&[encode_body(&receipt, &mut buffer)?]);
        let signed = sign(&receipt, &self.signing_key()?, &mut buffer).map_err(|_| Stop::FAULT)?;

        if changed.newest_row != ledger.newest_row
            && let Some(before) = ledger.newest_row
        {
            before.row.store(&mut self.memory, Slot::PaidRow(before.number))?;
        }
        receipts::store(&mut self.memory, receipt.counter, deed.object, signed)?;
        let committed = Ledger {
            counter: receipt.counter,
            head,
            ..changed
        };
        committed.store(&mut self.memory, Slot::Ledger)?;
        Answer::data(signed)
    }
}
