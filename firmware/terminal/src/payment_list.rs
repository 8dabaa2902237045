//! The payment list in flash (DATA 3): lines, the Merkle nodes above them, and a mark for each paid line.
//!
//! The flash need not be trusted: a line counts only after its path was checked against the root that the issuer signed.
//!
//! | offset in the area | content |
//! |---|---|
//! | 0 | line n at (n − 1) × 64: the `FF37` data object, `FF` behind it |
//! | [`NODES`] | Merkle nodes of complete subtrees, 32 bytes each, level after level: of `n` lines `n >> k` on level `k` |
//! | [`MARKS`] | 16 bytes for each line: anything but all ones says that it is paid |

use card_spec::crypto::Digest;
use card_spec::list::{ListHeader, ListLine, MAXIMUM_LINES};
use card_spec::merkle::{RootBuilder, leaf_hash, root_from_leaf};
use card_spec::payment::{LineKey, LineType, Recipient};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Amount, CardNumber, Date};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use link::Refusal;

use crate::device::{MAXIMUM_HEADER, Object};
use crate::flash::{Area, FlashError};

/// Bytes of flash for each line.
const STRIDE: u32 = 64;
const NODE: u32 = 32;
const NODES: u32 = 0x3_F000;
const MARKS: u32 = 0x7_E000;
/// Bytes of flash for one list.
pub(crate) const SPACE: u32 = 0x9_0000;
/// Lines that are paid with one PIN at most.
pub(crate) const MAXIMUM_DUE: usize = 8;

const _: () = assert!(MAXIMUM_LINES * STRIDE <= NODES);
// A binary tree has fewer inner nodes than leaves.
const _: () = assert!(NODES + 2 * MAXIMUM_LINES * NODE <= MARKS);
const _: () = assert!(MARKS + MAXIMUM_LINES * 16 <= SPACE);
const _: () = assert!(ListLine::LENGTH <= STRIDE as usize);

/// What a verified header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) hash: Digest,
    pub(crate) number: u32,
    pub(crate) effective: Date,
    pub(crate) expiry: Date,
    pub(crate) lines: u32,
    pub(crate) root: Digest,
    total: Amount,
}

impl Facts {
    fn of(header: &ListHeader<'_>, hash: Digest) -> Self {
        Self {
            hash,
            number: header.number,
            effective: header.effective,
            expiry: header.expiry,
            lines: header.lines,
            root: header.root,
            total: header.total,
        }
    }
}

/// A line whose path leads to the root that the issuer signed, and that is not known to be paid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DueLine {
    line: ListLine,
    root: Digest,
}

impl DueLine {
    /// The line.
    pub(crate) fn line(&self) -> &ListLine {
        &self.line
    }

    /// Root of its list.
    pub(crate) fn root(&self) -> Digest {
        self.root
    }
}

/// What a list has for a card.
#[derive(Debug, Default)]
pub(crate) struct Entitlements {
    /// Lines to be paid.
    pub(crate) due: Vec<u32, MAXIMUM_DUE>,
    /// A line that is paid already.
    pub(crate) paid: Option<u32>,
    /// More lines are due than one tap pays.
    pub(crate) more: bool,
    /// A line that is not paid may be taken by a representative.
    pub(crate) for_representative: bool,
}

/// The list in force.
pub(crate) struct PaymentList<'f, F> {
    area: Area<'f, F>,
    facts: Facts,
}

impl<'f, F: NorFlash> PaymentList<'f, F> {
    /// A list that was put in force before; its header was verified then and kept by the device.
    pub(crate) fn open(area: Area<'f, F>, header: &[u8]) -> Option<Self> {
        let header = Signed::<ListHeader<'_>>::parse(header).ok()?;
        let facts = Facts::of(header.claimed(), header.hash());
        Some(Self { area, facts })
    }

    /// What its header says.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Looks for the lines of a card that this recipient may take, those that it has `declined` after all others. Nothing is
    /// trusted yet: [`Self::due_line`] checks each.
    pub(crate) fn entitlements(
        &self,
        card: CardNumber,
        recipient: Recipient,
        most: usize,
        declined: &[u32],
    ) -> Result<Entitlements, FlashError> {
        let mut found = Entitlements::default();
        let mut last = Vec::<u32, MAXIMUM_DUE>::new();
        for number in 1..=self.facts.lines {
            let encoding = self.encoding(number)?;
            // A payable line of this card, wherever in the encoding its fields stand.
            let Some(line) = parse_line(&encoding).filter(|line| line.card_number == card && payable(line))
            else {
                continue;
            };
            if self.is_paid(line.number)? {
                found.paid = Some(line.number);
                continue;
            }
            found.for_representative |= may_take(&line, Recipient::FirstRepresentative);
            if !may_take(&line, recipient) {
                continue;
            }
            let taken = if declined.contains(&line.number) {
                last.push(line.number).is_ok()
            } else {
                found.due.len() < most && found.due.push(line.number).is_ok()
            };
            found.more |= !taken;
        }
        for number in last {
            let taken = found.due.len() < most && found.due.push(number).is_ok();
            found.more |= !taken;
        }
        Ok(found)
    }

    /// Line `number`, if it is genuine, the card's, and not known to be paid.
    pub(crate) fn due_line(&self, number: u32, card: CardNumber) -> Result<Option<DueLine>, FlashError> {
        let Some(index) = number.checked_sub(1).filter(|_| number <= self.facts.lines) else {
            return Ok(None);
        };
        let encoding = self.encoding(number)?;
        let object = encoding.get(..ListLine::LENGTH).unwrap_or_default();
        let node = |level, index| self.node(level, index);
        let root = root_from_leaf(leaf_hash(object), index, self.facts.lines, node);
        let line = parse_line(&encoding).filter(|line| line.number == number && line.card_number == card);
        match line {
            Some(line) if root == Some(self.facts.root) && payable(&line) && !self.is_paid(number)? => {
                Ok(Some(DueLine {
                    line,
                    root: self.facts.root,
                }))
            }
            _ => Ok(None),
        }
    }

    /// Is an unpaid line the card's? It may have had another number in the list before (DATA 3.4).
    pub(crate) fn names(&self, key: LineKey, card: CardNumber) -> Result<bool, FlashError> {
        for number in 1..=self.facts.lines {
            let line = parse_line(&self.encoding(number)?);
            if line.is_some_and(|line| line.line_key == key) {
                return Ok(self.due_line(number, card)?.is_some());
            }
        }
        Ok(false)
    }

    /// The first line after line `after` that can be paid and is not known to be. Nothing is trusted yet.
    pub(crate) fn next_unpaid(&self, after: u32) -> Result<Option<ListLine>, FlashError> {
        for number in after.saturating_add(1)..=self.facts.lines {
            let line = parse_line(&self.encoding(number)?);
            let line = line.filter(|line| line.number == number && payable(line));
            if line.is_some() && !self.is_paid(number)? {
                return Ok(line);
            }
        }
        Ok(None)
    }

    /// Remembers that a line is paid. The journal's Paid entry comes first: this is only to find it quickly.
    pub(crate) fn mark_paid(&mut self, number: u32) -> Result<(), FlashError> {
        if number == 0 || number > self.facts.lines || self.is_paid(number)? {
            return Ok(());
        }
        self.area.write(mark_offset(number), &[0; 16])
    }

    fn is_paid(&self, number: u32) -> Result<bool, FlashError> {
        let mark = self.area.read::<16>(mark_offset(number))?;
        Ok(mark != [0xFF; 16])
    }

    fn encoding(&self, number: u32) -> Result<[u8; STRIDE as usize], FlashError> {
        self.area.read(line_offset(number))
    }

    fn node(&self, level: u8, index: u32) -> Option<Digest> {
        self.area.read(node_offset(self.facts.lines, level, index)?).ok()
    }
}

/// Bits of a line's recipients (DATA 3.2).
const HOLDER: u8 = 0x01;
const REPRESENTATIVE: u8 = 0x02;

/// Does the issuer let this recipient take the line?
pub(crate) fn may_take(line: &ListLine, recipient: Recipient) -> bool {
    let bit = match recipient {
        Recipient::Holder => HOLDER,
        Recipient::FirstRepresentative | Recipient::SecondRepresentative => REPRESENTATIVE,
    };
    line.recipients & bit != 0
}

/// Nobody pays a recovery, and an order over nothing is refused (DATA 1, SPEC 9.2).
fn payable(line: &ListLine) -> bool {
    line.amount.vnd() > 0
        && line.recipients & (HOLDER | REPRESENTATIVE) != 0
        && line.line_key.parts().line_type != LineType::Recovery
}

fn parse_line(encoding: &[u8; STRIDE as usize]) -> Option<ListLine> {
    let mut reader = Reader::new(encoding.get(..ListLine::LENGTH)?);
    let line = ListLine::read(&mut reader, ListLine::TAG).ok()?;
    reader.finish().ok().map(|()| line)
}

fn line_offset(number: u32) -> u32 {
    number.saturating_sub(1).saturating_mul(STRIDE)
}

fn mark_offset(number: u32) -> u32 {
    number.saturating_sub(1).saturating_mul(16).saturating_add(MARKS)
}

/// Where a node of a list with so many lines lies: level `k` has as many as complete subtrees of 2^k lines.
fn node_offset(lines: u32, level: u8, index: u32) -> Option<u32> {
    let nodes = |level: u8| lines.checked_shr(u32::from(level)).unwrap_or(0);
    let before = (0..level).map(nodes).fold(0_u32, u32::saturating_add);
    let place = before.saturating_add(index).saturating_mul(NODE);
    (index < nodes(level)).then_some(place.saturating_add(NODES))
}

/// A list on its way into the area that is not in use. Nothing counts before [`ListLoading::finish`].
pub(crate) struct ListLoading<'f, F> {
    area: Area<'f, F>,
    header: Object<MAXIMUM_HEADER>,
    facts: Facts,
    root: RootBuilder,
    total: Amount,
}

impl<'f, F: NorFlash> ListLoading<'f, F> {
    /// Erases the area for a list with this header.
    pub(crate) fn begin(
        mut area: Area<'f, F>,
        header: &Verified<'_, ListHeader<'_>>,
    ) -> Result<Self, Refusal> {
        let facts = Facts::of(header, header.hash());
        if facts.lines > MAXIMUM_LINES || area.size() < SPACE {
            return Err(Refusal::TooLarge);
        }
        if facts.lines == 0 || facts.effective > facts.expiry {
            return Err(Refusal::Malformed);
        }
        let storage = |_| Refusal::Storage;
        area.erase(0, facts.lines.saturating_mul(STRIDE))
            .map_err(storage)?;
        area.erase(NODES, facts.lines.saturating_mul(2 * NODE))
            .map_err(storage)?;
        area.erase(MARKS, facts.lines.saturating_mul(16))
            .map_err(storage)?;
        Ok(Self {
            area,
            header: Object::from_slice(header.encoding()).map_err(|_| Refusal::TooLarge)?,
            facts,
            root: RootBuilder::new(),
            total: Amount::default(),
        })
    }

    /// Takes the next lines, whole ones.
    pub(crate) fn lines(&mut self, lines: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(lines);
        while !reader.rest().is_empty() {
            let before = reader.rest();
            let line = ListLine::read(&mut reader, ListLine::TAG).map_err(|_| Refusal::Malformed)?;
            let encoding = before.get(..ListLine::LENGTH).ok_or(Refusal::Malformed)?;
            self.line(&line, encoding)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &ListLine, encoding: &[u8]) -> Result<(), Refusal> {
        let next = self.root.leaves().saturating_add(1);
        if line.number != next || next > self.facts.lines {
            return Err(Refusal::Incomplete);
        }
        self.total = self.total.checked_add(line.amount).ok_or(Refusal::Incomplete)?;
        let mut stored = [0xFF; STRIDE as usize];
        stored.iter_mut().zip(encoding).for_each(|(to, from)| *to = *from);
        let mut written = self.area.write(line_offset(next), &stored);
        let Self {
            area, root, facts, ..
        } = self;
        let complete = |level, index, hash: &Digest| {
            if let (Ok(()), Some(offset)) = (written, node_offset(facts.lines, level, index)) {
                written = area.write(offset, hash);
            }
        };
        let pushed = root.push(leaf_hash(encoding), complete);
        written.map_err(|_| Refusal::Storage)?;
        if pushed { Ok(()) } else { Err(Refusal::TooLarge) }
    }

    /// The list, if it is what the issuer signed (DATA 3.4).
    pub(crate) fn finish(self) -> Result<(Object<MAXIMUM_HEADER>, PaymentList<'f, F>), Refusal> {
        let Facts {
            lines, total, root, ..
        } = self.facts;
        if self.root.leaves() != lines || self.total != total || self.root.root() != root {
            return Err(Refusal::Incomplete);
        }
        let list = PaymentList {
            area: self.area,
            facts: self.facts,
        };
        Ok((self.header, list))
    }
}
