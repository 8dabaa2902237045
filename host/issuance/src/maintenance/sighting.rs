//! What an authenticated card says of itself: its version, its counter, and the receipts that the ledger does not have yet.

use ansinh_verifier::AwsLc;
use card_spec::command::CardStatus;
use card_spec::command::instruction::READ_RECORD;
use card_spec::command::{OBJECT_RECORD, RECEIPT_RECORD};
use card_spec::crypto::Digest;
use card_spec::cso::CardSecurityObject;
use card_spec::payment::Receipt;
use card_spec::signed::{Signed, Verified};

use super::Talk;
use crate::Failure;
use crate::session::{Instruction, Session};

/// What the ledger learns when a card is in the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Version of the CSO in force.
    pub version: u16,
    /// The card's receipt counter.
    pub counter: u32,
    /// Receipts that the ledger did not have, ascending. Of a card that has written more than 32 since, the oldest are gone
    /// from it (SPEC 9.7).
    pub receipts: Vec<ReadReceipt>,
}

/// A receipt that was read back and has verified under its card's key, with what it is for (SPEC 9.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReceipt {
    /// Its number on the card.
    pub counter: u32,
    /// Kind (SPEC 9.4).
    pub kind: u8,
    /// Hash of what was done.
    pub object_hash: Digest,
    /// The receipt, `FF20 { FF24, 5F37 }`.
    pub receipt: Vec<u8>,
    /// What it is for, as it came: order, reversal, script or block list header.
    pub object: Vec<u8>,
}

/// As many receipts as a card keeps (SPEC 9.7).
const KEPT: u32 = 32;

/// Reads the receipts after `known`, newest first, each under the hash that the one after it names: the newest under the
/// card's head, so that none is left out and none is another chain's.
pub(super) async fn read_receipts(
    session: &mut Session<Talk>,
    cso: &CardSecurityObject,
    status: &CardStatus,
    known: u32,
) -> Result<Vec<ReadReceipt>, Failure> {
    let mut receipts = Vec::new();
    let mut head = status.head.ok_or(BROKEN)?;
    let oldest = known.max(status.counter.saturating_sub(KEPT));
    for (counter, record) in (oldest.saturating_add(1)..=status.counter).rev().zip(1_u8..) {
        let receipt = session
            .command(
                Instruction("READ RECORD", [READ_RECORD, record, RECEIPT_RECORD]),
                &[],
            )
            .await?;
        let object = session
            .command(
                Instruction("READ RECORD", [READ_RECORD, record, OBJECT_RECORD]),
                &[],
            )
            .await?;
        let verified = verify(&receipt, cso, counter)?;
        if verified.hash() != head {
            return Err(BROKEN);
        }
        head = verified.previous;
        receipts.push(read_receipt(&verified, object));
    }
    receipts.reverse();
    Ok(receipts)
}

/// The receipt, if this card signed it and it has this counter.
pub(super) fn verify<'a>(
    receipt: &'a [u8],
    cso: &CardSecurityObject,
    counter: u32,
) -> Result<Verified<'a, Receipt>, Failure> {
    let signed = Signed::<Receipt>::parse(receipt).map_err(|_| BROKEN)?;
    let verified = signed.verify(&AwsLc, &cso.signing_key).map_err(|_| BROKEN)?;
    if (verified.card_number, verified.counter) != (cso.card_number, counter) {
        return Err(BROKEN);
    }
    Ok(verified)
}

/// As the ledger keeps it.
pub(super) fn read_receipt(receipt: &Verified<'_, Receipt>, object: Vec<u8>) -> ReadReceipt {
    ReadReceipt {
        counter: receipt.counter,
        kind: receipt.kind as u8,
        object_hash: receipt.object_hash,
        receipt: receipt.encoding().to_vec(),
        object,
    }
}

/// The receipts of an authenticated card are no chain.
const BROKEN: Failure = Failure::Malformed("READ RECORD");
