//! The card's persistent memory as the applet sees it: numbered slots, each replaced as a whole or not at all.

/// Places for all that STORE DATA loads: the content in force, and an update that waits (SPEC 13.6).
pub const CONTENT_BANKS: u8 = 2;
/// Blocks in one bank (SPEC 6.6: 8,704 bytes in all).
pub const CONTENT_BLOCKS: u8 = 34;
/// Bytes in one block of a bank.
pub const CONTENT_BLOCK: usize = 256;
/// Rows in the table of paid lines (SPEC 9.6).
pub const PAID_ROWS: u8 = 40;
/// Places for a receipt and what it is for: the 32 of SPEC 9.7 and a spare one that the next receipt goes to.
pub const RING: u8 = 33;
/// Longest content of any slot. A chip commits at most 384 bytes at once, so nothing that must change together is
/// longer.
pub const MAX_WRITE: usize = 384;

/// A place in the persistent memory. Those with a number count from 0 to the constant of their kind, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Chip serial, 10 bytes; written in the factory.
    ChipSerial,
    /// Version and the three SCP03 keys.
    StaticKeys,
    /// Both private keys with their public keys, and whether a CSO was loaded for them.
    KeyPairs,
    /// PIN and tries used.
    Pin,
    /// The roots that the card trusts; empty before ACTIVATE.
    TrustAnchors,
    /// Life cycle, receipt counter, head, remembered date, the month's total and more; empty before ACTIVATE.
    Ledger,
    /// Where the objects lie in a bank, below [`CONTENT_BANKS`]; empty while they are incomplete.
    ContentIndex(u8),
    /// Block of a bank: bank, and number below [`CONTENT_BLOCKS`].
    Content(u8, u8),
    /// Row of the table of paid lines, below [`PAID_ROWS`].
    PaidRow(u8),
    /// What the receipt of the same number is for, below [`RING`].
    ReceiptObject(u8),
    /// Receipt `FF20`, below [`RING`].
    Receipt(u8),
}

const CONTENT_INDEX: u16 = 6;
const CONTENT: u16 = CONTENT_INDEX + CONTENT_BANKS as u16;
const PAID_ROW: u16 = CONTENT + CONTENT_BANKS as u16 * CONTENT_BLOCKS as u16;
const RECEIPT_OBJECT: u16 = PAID_ROW + PAID_ROWS as u16;
const RECEIPT: u16 = RECEIPT_OBJECT + RING as u16;

impl Slot {
    /// Number of slots.
    pub const COUNT: u16 = RECEIPT + RING as u16;

    /// Number of the slot, below [`Slot::COUNT`]; part of the format of a stored memory.
    #[must_use]
    pub const fn index(self) -> u16 {
        match self {
            Self::ChipSerial => 0,
            Self::StaticKeys => 1,
            Self::KeyPairs => 2,
            Self::Pin => 3,
            Self::TrustAnchors => 4,
            Self::Ledger => 5,
            Self::ContentIndex(bank) => CONTENT_INDEX.saturating_add(bank as u16),
            Self::Content(bank, n) => CONTENT
                .saturating_add((bank as u16).saturating_mul(CONTENT_BLOCKS as u16))
                .saturating_add(n as u16),
            Self::PaidRow(n) => PAID_ROW.saturating_add(n as u16),
            Self::ReceiptObject(n) => RECEIPT_OBJECT.saturating_add(n as u16),
            Self::Receipt(n) => RECEIPT.saturating_add(n as u16),
        }
    }
}

/// The power went away during a write: the slot holds its old content or the new one, and the chip stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerLost;

impl core::fmt::Display for PowerLost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the card lost its power during a write; power it on and send the command again")
    }
}

impl core::error::Error for PowerLost {}

/// Persistent memory. Two writes are never atomic together; the applet is correct with a power cut at any of them.
pub trait Memory {
    /// Content of the slot; one never written is empty.
    fn read(&self, slot: Slot) -> &[u8];

    /// Replaces the content of the slot by `bytes`, at most [`MAX_WRITE`].
    ///
    /// # Errors
    /// [`PowerLost`]: the slot has its old content or `bytes`, never a mixture.
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), PowerLost>;
}
