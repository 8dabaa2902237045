//! What entries of a journal hold as others made it: orders, reversals and receipts, in the bytes in which they came.

use crate::crypto::{Digest, sha256};
use crate::payment::{Order, Receipt, ReceiptKind};
use crate::reversal::Reversal;
use crate::signed::Signed;
use crate::tlv::{DataObject, Error, Reader, Writer};
use crate::values::TerminalName;

/// An order as received, with its content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncodedOrder<'a> {
    order: Order<'a>,
    encoding: &'a [u8],
}

impl<'a> EncodedOrder<'a> {
    /// Reads exactly one order.
    pub fn parse(encoding: &'a [u8]) -> Result<Self, Error> {
        let order = Order::parse(DataObject::parse(encoding)?)?;
        Ok(Self { order, encoding })
    }

    pub(super) fn read_next(members: &mut Reader<'a>) -> Result<Self, Error> {
        let object = members.expect(Order::TAG)?;
        Ok(Self {
            order: Order::parse(object)?,
            encoding: object.encoding(),
        })
    }

    /// The content.
    pub fn order(&self) -> &Order<'a> {
        &self.order
    }

    /// The data object as received.
    pub fn encoding(&self) -> &'a [u8] {
        self.encoding
    }

    /// SHA-256 of the data object: what a receipt names.
    pub fn hash(&self) -> Digest {
        sha256(&[self.encoding])
    }
}

/// A reversal as received, with its content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncodedReversal<'a> {
    reversal: Reversal<'a>,
    encoding: &'a [u8],
}

impl<'a> EncodedReversal<'a> {
    /// Reads exactly one reversal.
    pub fn parse(encoding: &'a [u8]) -> Result<Self, Error> {
        let reversal = Reversal::parse(DataObject::parse(encoding)?)?;
        Ok(Self { reversal, encoding })
    }

    pub(super) fn read_next(members: &mut Reader<'a>) -> Result<Self, Error> {
        let object = members.expect(Reversal::TAG)?;
        Ok(Self {
            reversal: Reversal::parse(object)?,
            encoding: object.encoding(),
        })
    }

    /// The content.
    pub fn reversal(&self) -> &Reversal<'a> {
        &self.reversal
    }

    /// The data object as received.
    pub fn encoding(&self) -> &'a [u8] {
        self.encoding
    }

    /// SHA-256 of the data object: what the card's receipt names.
    pub fn hash(&self) -> Digest {
        sha256(&[self.encoding])
    }
}

/// A signed receipt as received. Its signature is for whoever knows the card's key to check.
#[derive(Clone, Copy, Debug)]
pub struct EncodedReceipt<'a>(Signed<'a, Receipt>);

impl PartialEq for EncodedReceipt<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.signed_bytes() == other.0.signed_bytes() && self.0.signature() == other.0.signature()
    }
}

impl<'a> EncodedReceipt<'a> {
    /// Reads exactly one signed receipt.
    pub fn parse(encoding: &'a [u8]) -> Result<Self, Error> {
        Signed::parse(encoding).map(Self)
    }

    pub(super) fn read_members(members: &mut Reader<'a>, content: DataObject<'a>) -> Result<Self, Error> {
        Signed::read_members(members, content).map(Self)
    }

    pub(super) fn write_members(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        self.0.write_members(writer)
    }

    /// The signed object, to be verified under the card's signing key.
    pub fn signed(&self) -> Signed<'a, Receipt> {
        self.0
    }
}

/// A receipt of a payment or a reversal as its card keeps it, with what it is for: the two belong together. The card's signature is
/// for whoever knows its key to check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarriedReceipt<'a> {
    // Not parsed: as it is no entry is longer in memory than one with an order or a receipt.
    object: &'a [u8],
    receipt: EncodedReceipt<'a>,
}

impl<'a> CarriedReceipt<'a> {
    /// An order and the receipt of its payment, or a reversal and its receipt; refused unless the receipt names the object.
    pub fn new(object: &'a [u8], receipt: EncodedReceipt<'a>) -> Result<Self, Error> {
        let body = receipt.0.claimed();
        match body.kind {
            ReceiptKind::Payment => EncodedOrder::parse(object).map(|_| ())?,
            ReceiptKind::Reversal => EncodedReversal::parse(object).map(|_| ())?,
            ReceiptKind::IssuerScript | ReceiptKind::BlockList => return Err(Error::Value(0x86)),
        }
        if sha256(&[object]) != body.object_hash {
            return Err(Error::Value(0x84));
        }
        Ok(Self { object, receipt })
    }

    pub(super) fn read_members(members: &mut Reader<'a>, content: DataObject<'a>) -> Result<Self, Error> {
        let tag = match members.is_next(Reversal::TAG) {
            true => Reversal::TAG,
            false => Order::TAG,
        };
        let object = members.expect(tag)?.encoding();
        Self::new(object, EncodedReceipt::read_members(members, content)?)
    }

    pub(super) fn write_members(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.raw(self.object)?;
        self.receipt.write_members(writer)
    }

    /// Whose doing it is for, and where in that terminal's journal; `None` never happens, for it was read before.
    pub fn source(&self) -> Option<Source> {
        match (self.order(), self.reversal()) {
            (Some(order), _) => Some(Source::of_order(order.order())),
            (_, Some(reversal)) => Some(Source::of_reversal(reversal.reversal())),
            _ => None,
        }
    }

    /// The order, of a payment.
    pub fn order(&self) -> Option<EncodedOrder<'a>> {
        EncodedOrder::parse(self.object).ok()
    }

    /// The reversal, of a reversal.
    pub fn reversal(&self) -> Option<EncodedReversal<'a>> {
        EncodedReversal::parse(self.object).ok()
    }

    /// The card's receipt.
    pub fn receipt(&self) -> EncodedReceipt<'a> {
        self.receipt
    }
}

/// What an order or a reversal says of the terminal that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The terminal.
    pub terminal: TerminalName,
    /// Sequence number of its entry.
    pub sequence: u32,
    /// CSO hash of the card.
    pub cso_hash: Digest,
}

impl Source {
    fn of_order(order: &Order<'_>) -> Self {
        Self {
            terminal: order.terminal,
            sequence: order.sequence,
            cso_hash: order.cso_hash,
        }
    }

    fn of_reversal(reversal: &Reversal<'_>) -> Self {
        Self {
            terminal: reversal.terminal,
            sequence: reversal.sequence,
            cso_hash: reversal.cso_hash,
        }
    }
}
