//! A payment list in flash (DATA 3): lines, the Merkle nodes above them, and a mark for each paid line.
//!
//! The flash need not be trusted: a line counts only after its path was checked against the root that the issuer signed.
//!
//! | offset in the area | content |
//! |---|---|
//! | 0 | line n at (n − 1) × 64: the `FF37` data object, `FF` behind it |
//! | [`NODES`] | Merkle nodes of complete subtrees, 32 bytes each, level after level from 1 on: of `n` lines `n >> k` on level `k`; those of level 0 are the lines' own |
//! | [`MARKS`] | 16 bytes for each line: anything but all ones says that it was paid |
//! | [`SLOTS`] | which of these payments were undone, and which lines paid again ([`crate::marks`]) |

use core::iter;
use core::ops::Range;

use card_spec::crypto::Digest;
use card_spec::list::{ListHeader, ListLine, MAXIMUM_KEPT, MAXIMUM_LINES};
use card_spec::merkle::{RootBuilder, leaf_hash, root_from_leaf};
use card_spec::payment::{LineKey, LineType, Recipient};
use card_spec::signed::Verified;
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Amount, CardNumber, Date};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use link::Refusal;
use serde::{Deserialize, Serialize};

use crate::flash::{Area, FlashError};
use crate::lists::{LinePlace, ListInForce};
use crate::marks::{Mark, Marks, SLOT_SPACE};
use crate::summary;

/// Bytes of flash for each line.
const STRIDE: u32 = 64;
/// Lines that a search reads at once: half a KiB.
const LINES_AT_ONCE: u32 = 8;
const NODE: u32 = 32;
const NODES: u32 = 0x3_F000;
const MARKS: u32 = 0x5_F000;
const SLOTS: u32 = 0x6_EA00;
/// The block in which they lie, behind the last marks.
const LAST_BLOCK: u32 = 0x6_E000;
/// Bytes of flash for one list.
pub(crate) const SPACE: u32 = 0x6_F000;
/// Lines that are paid with one PIN at most.
pub(crate) const MAXIMUM_DUE: usize = 8;

const _: () = assert!(MAXIMUM_LINES * STRIDE <= NODES);
// A binary tree has fewer inner nodes than leaves.
const _: () = assert!(NODES + MAXIMUM_LINES * NODE <= MARKS);
const _: () = assert!(MARKS + MAXIMUM_LINES * 16 <= SLOTS);
const _: () = assert!(SLOTS + SLOT_SPACE <= SPACE && LAST_BLOCK <= SLOTS);
const _: () = assert!(ListLine::LENGTH <= STRIDE as usize);

const PAID_LINES: Marks = Marks {
    marks: MARKS,
    slots: SLOTS,
};

/// What a verified header says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) hash: Digest,
    pub(crate) number: u32,
    #[serde(with = "summary::date")]
    effective: Date,
    #[serde(with = "summary::date")]
    expiry: Date,
    pub(crate) lines: u32,
    pub(crate) root: Digest,
    /// The most that may be paid by hand for one line, in VND; 0 for nothing.
    pub(crate) by_hand_up_to: u64,
}

impl Facts {
    fn of(header: &Verified<'_, ListHeader<'_>>) -> Self {
        Self {
            hash: header.hash(),
            number: header.number,
            effective: header.effective,
            expiry: header.expiry,
            lines: header.lines,
            root: header.root,
            by_hand_up_to: header.by_hand_up_to.map_or(0, |most| most.amount().vnd()),
        }
    }

    /// May the list be paid from on this day?
    pub(crate) fn is_valid_on(&self, day: Date) -> bool {
        self.effective <= day && day <= self.expiry
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

/// A list in force.
pub(crate) struct PaymentList<'f, F> {
    area: Area<'f, F>,
    facts: Facts,
}

impl<'f, F: NorFlash> PaymentList<'f, F> {
    /// A list that was put in force before; its header was verified then, and the device keeps what it says.
    pub(crate) fn open(area: Area<'f, F>, facts: Facts) -> Self {
        Self { area, facts }
    }

    /// What its header says.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where a line of it is found.
    pub(crate) fn place_of(&self, line: &ListLine) -> LinePlace {
        LinePlace {
            list: self.facts.number,
            line: line.number,
        }
    }

    /// The lines of a card that can be paid. Nothing is trusted yet: [`Self::due_line`] checks one.
    pub(crate) fn payable_to(&self, card: CardNumber) -> impl Iterator<Item = Result<ListLine, FlashError>> {
        self.payable(ListLine::CARD_NUMBER, card.to_bytes())
    }

    /// The lines with this key that can be paid, to whomever. Nothing is trusted yet.
    pub(crate) fn payable_for(&self, key: LineKey) -> impl Iterator<Item = Result<ListLine, FlashError>> {
        self.payable(ListLine::LINE_KEY, key.to_bytes())
    }

    /// An error ends it.
    fn payable<const N: usize>(
        &self,
        place: Range<usize>,
        value: [u8; N],
    ) -> impl Iterator<Item = Result<ListLine, FlashError>> {
        let mut after = 0;
        let found = iter::from_fn(move || {
            let found = self.find(after, place.clone(), &value).transpose()?;
            after = found.as_ref().map_or(u32::MAX, |(number, _)| *number);
            Some(found.map(|(_, line)| line))
        });
        found.filter(|line| line.as_ref().map_or(true, payable))
    }

    /// The first line behind line `after` that has this value at this place of its encoding, and its number by where it lies. What is
    /// another's is not parsed: of 4,000 lines some few are one card's.
    fn find(
        &self,
        after: u32,
        place: Range<usize>,
        value: &[u8],
    ) -> Result<Option<(u32, ListLine)>, FlashError> {
        let mut buffer = [[0; STRIDE as usize]; LINES_AT_ONCE as usize];
        let mut next = after.saturating_add(1);
        while next <= self.facts.lines {
            let left = self.facts.lines.saturating_sub(next).saturating_add(1);
            let lines = buffer
                .get_mut(..left.min(LINES_AT_ONCE) as usize)
                .unwrap_or_default();
            self.area.read_into(line_offset(next), lines.as_flattened_mut())?;
            for (number, encoding) in (next..).zip(lines.iter()) {
                if encoding.get(place.clone()) == Some(value)
                    && let Some(line) = parse_line(encoding)
                {
                    return Ok(Some((number, line)));
                }
            }
            next = next.saturating_add(LINES_AT_ONCE);
        }
        Ok(None)
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

    /// Is the line for this key an unpaid one of this card? `None` if there is no line. It may have had another number in the list before
    /// (DATA 3.4).
    pub(crate) fn names(&self, key: LineKey, card: CardNumber) -> Result<Option<bool>, FlashError> {
        let Some((number, _)) = self.find(0, ListLine::LINE_KEY, &key.to_bytes())? else {
            return Ok(None);
        };
        Ok(Some(self.due_line(number, card)?.is_some()))
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

    /// The entry by which a line was paid by hand, if it was.
    pub(crate) fn paid_by_hand(&self, number: u32) -> Result<Option<u32>, FlashError> {
        PAID_LINES.paid_by_hand(&self.area, number)
    }

    /// Can a payment by hand be marked, and undone?
    pub(crate) fn has_room_by_hand(&self) -> Result<bool, FlashError> {
        PAID_LINES.has_room_by_hand(&self.area)
    }

    /// The key of a line; nothing of it is trusted.
    pub(crate) fn key(&self, number: u32) -> Result<Option<LineKey>, FlashError> {
        Ok(parse_line(&self.encoding(number)?).map(|line| line.line_key))
    }

    /// As [`Self::mark`], for the lines with these keys, each with its Intent, whatever their numbers here. A line that cannot be read is an
    /// error, after all others are marked.
    #[inline(never)]
    pub(crate) fn mark_keys(&mut self, keys: &[(LineKey, u32)], mark: Mark) -> Result<(), FlashError> {
        let mut marked = Ok(());
        if keys.is_empty() {
            return marked;
        }
        for number in 1..=self.facts.lines {
            let encoding = self.encoding(number);
            for (key, intent) in keys {
                let told = match &encoding {
                    Ok(encoding) if has_key(encoding, *key) => self.mark(number, *intent, mark),
                    Ok(_) => Ok(()),
                    Err(error) => Err(*error),
                };
                marked = marked.and(told);
            }
        }
        marked
    }

    /// Remembers that the order of an Intent has paid a line, or that its payment was undone. The journal's entry comes first: this
    /// is only to find it quickly.
    pub(crate) fn mark(&mut self, number: u32, intent: u32, mark: Mark) -> Result<(), FlashError> {
        if number == 0 || number > self.facts.lines {
            return Ok(());
        }
        PAID_LINES.tell(&mut self.area, number, intent, mark)
    }

    /// Is the line known to be paid?
    pub(crate) fn is_paid(&self, number: u32) -> Result<bool, FlashError> {
        PAID_LINES.is_paid(&self.area, number)
    }

    fn encoding(&self, number: u32) -> Result<[u8; STRIDE as usize], FlashError> {
        self.area.read(line_offset(number))
    }

    fn node(&self, level: u8, index: u32) -> Option<Digest> {
        if level == 0 {
            let encoding = self.encoding(index.checked_add(1)?).ok()?;
            return encoding.get(..ListLine::LENGTH).map(leaf_hash);
        }
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

fn has_key(encoding: &[u8; STRIDE as usize], key: LineKey) -> bool {
    encoding.get(ListLine::LINE_KEY) == Some(&key.to_bytes()) && parse_line(encoding).is_some()
}

fn line_offset(number: u32) -> u32 {
    number.saturating_sub(1).saturating_mul(STRIDE)
}

/// Where a node of a list with so many lines lies: level `k` has as many as complete subtrees of 2^k lines. Nodes of level 0 lie nowhere.
fn node_offset(lines: u32, level: u8, index: u32) -> Option<u32> {
    let nodes = |level: u8| lines.checked_shr(u32::from(level)).unwrap_or(0);
    let before = (1..level).map(nodes).fold(0_u32, u32::saturating_add);
    let place = before.saturating_add(index).saturating_mul(NODE);
    (level > 0 && index < nodes(level)).then_some(place.saturating_add(NODES))
}

/// A list on its way into the place that is not in use. Nothing counts before [`ListLoading::finish`].
pub(crate) struct ListLoading<'f, F> {
    area: Area<'f, F>,
    list: ListInForce,
    keeps: Vec<u32, MAXIMUM_KEPT>,
    root: RootBuilder,
    total: Amount,
    stated_total: Amount,
}

impl<'f, F: NorFlash> ListLoading<'f, F> {
    /// Erases the area of this place for a list with this header.
    pub(crate) fn begin(
        mut area: Area<'f, F>,
        place: u8,
        header: &Verified<'_, ListHeader<'_>>,
    ) -> Result<Self, Refusal> {
        let facts = Facts::of(header);
        if facts.lines > MAXIMUM_LINES || area.size() < SPACE {
            return Err(Refusal::TooLarge);
        }
        if facts.lines == 0 || facts.effective > facts.expiry {
            return Err(Refusal::Malformed);
        }
        let storage = |_| Refusal::Storage;
        area.erase(0, facts.lines.saturating_mul(STRIDE))
            .map_err(storage)?;
        area.erase(NODES, facts.lines.saturating_mul(NODE))
            .map_err(storage)?;
        area.erase(MARKS, facts.lines.saturating_mul(16))
            .map_err(storage)?;
        area.erase(LAST_BLOCK, SPACE - LAST_BLOCK).map_err(storage)?;
        Ok(Self {
            area,
            list: ListInForce { place, facts },
            keeps: header.kept().collect(),
            root: RootBuilder::new(),
            total: Amount::default(),
            stated_total: header.total,
        })
    }

    /// Is it the list with this header that comes in?
    pub(crate) fn is_of(&self, header: &Verified<'_, ListHeader<'_>>) -> bool {
        self.list.facts.hash == header.hash()
    }

    /// Will it let anything be paid by hand?
    pub(crate) fn pays_by_hand(&self) -> bool {
        self.list.facts.by_hand_up_to > 0
    }

    /// Lines that came in.
    pub(crate) fn taken(&self) -> u32 {
        self.root.leaves()
    }

    /// Takes the next lines, whole ones.
    #[inline(never)]
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
        if line.number != next || next > self.list.facts.lines {
            return Err(Refusal::Incomplete);
        }
        self.total = self.total.checked_add(line.amount).ok_or(Refusal::Incomplete)?;
        let mut stored = [0xFF; STRIDE as usize];
        stored.iter_mut().zip(encoding).for_each(|(to, from)| *to = *from);
        let mut written = self.area.write(line_offset(next), &stored);
        let Self { area, root, list, .. } = self;
        let complete = |level, index, hash: &Digest| {
            if let (Ok(()), Some(offset)) = (written, node_offset(list.facts.lines, level, index)) {
                written = area.write(offset, hash);
            }
        };
        let pushed = root.push(leaf_hash(encoding), complete);
        written.map_err(|_| Refusal::Storage)?;
        if pushed { Ok(()) } else { Err(Refusal::TooLarge) }
    }

    /// The list and the numbers of those that it keeps, if it is what the issuer signed (DATA 3.4).
    pub(crate) fn finish(self) -> Result<(ListInForce, Vec<u32, MAXIMUM_KEPT>), Refusal> {
        let Facts { lines, root, .. } = self.list.facts;
        if self.root.leaves() != lines || self.total != self.stated_total || self.root.root() != root {
            return Err(Refusal::Incomplete);
        }
        Ok((self.list, self.keeps))
    }
}
