//! The objects that STORE DATA loads (SPEC 6.6): taken in blocks, kept in slots of 256 bytes, read back by object.
//!
//! Two banks take turns (SPEC 13.6): loadings are counted in generations, the even ones lie in bank 0, the odd ones in
//! bank 1. The ledger says which generation is in force. Only the next one is an update; the one before, which lies in
//! the same bank until it is overwritten, is none.

use card_spec::apdu::StatusWord;
use card_spec::command::MAXIMUM_LOAD;
use card_spec::crypto::{Digest, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::groups::Image;
use card_spec::signed::Signed;
use card_spec::tlv::{Error, Extent, Field, Reader, Writer, length_of_first_object};
use heapless::Vec;

use crate::answer::Stop;
use crate::memory::{CONTENT_BANKS, CONTENT_BLOCK, CONTENT_BLOCKS, Memory, Slot};
use crate::record::{Record as _, record};

const _: () = assert!(
    MAXIMUM_LOAD == CONTENT_BLOCK * CONTENT_BLOCKS as usize,
    "the slots hold a whole load"
);

/// The longest object but the portrait (SPEC 15): a CSO has about 600 bytes, as have two representatives with the longest
/// names.
pub(crate) const MAX_OBJECT: usize = 768;

/// The objects, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    TrustAnchor,
    IssuerCertificate,
    Cso,
    Holder,
    Portrait,
    Programmes,
    LinkedNumbers,
    Representatives,
    Issuance,
}

impl Object {
    pub(crate) const ALL: [Self; 9] = [
        Self::TrustAnchor,
        Self::IssuerCertificate,
        Self::Cso,
        Self::Holder,
        Self::Portrait,
        Self::Programmes,
        Self::LinkedNumbers,
        Self::Representatives,
        Self::Issuance,
    ];

    const fn tag(self) -> [u8; 2] {
        match self {
            Self::TrustAnchor => [0xFF, 0x38],
            Self::IssuerCertificate => [0x7F, 0x21],
            Self::Cso => [0xFF, 0x20],
            Self::Holder => [0xFF, 0x31],
            Self::Portrait => [0xFF, 0x32],
            Self::Programmes => [0xFF, 0x33],
            Self::LinkedNumbers => [0xFF, 0x34],
            Self::Representatives => [0xFF, 0x35],
            Self::Issuance => [0xFF, 0x36],
        }
    }

    /// The file with this short identifier (SPEC 5.1).
    pub(crate) const fn file(short_identifier: u8) -> Option<Self> {
        Some(match short_identifier {
            0x01 => Self::Holder,
            0x02 => Self::Portrait,
            0x03 => Self::Programmes,
            0x04 => Self::LinkedNumbers,
            0x05 => Self::Representatives,
            0x06 => Self::Issuance,
            0x1D => Self::Cso,
            _ => return None,
        })
    }
}

/// Counts loadings: the one that was activated is the first, and each update put in force is the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u32);

impl Generation {
    pub(crate) const FIRST: Self = Self(0);

    /// That of an update. Versions of a CSO, which rise with each, end long before these do.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    fn bank(self) -> u8 {
        let bank = self.0.checked_rem(u32::from(CONTENT_BANKS));
        bank.and_then(|bank| u8::try_from(bank).ok()).unwrap_or_default()
    }

    fn index(self) -> Slot {
        Slot::ContentIndex(self.bank())
    }

    fn block(self, number: u8) -> Slot {
        Slot::Content(self.bank(), number)
    }
}

impl<'a> Field<'a> for Generation {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        u32::read(reader, tag).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.0.write(writer, tag)
    }
}

record! {
    /// Lengths of the objects, which lie one after the other; 0 for a portrait that the card lacks. Present only when
    /// loading was completed.
    pub(crate) struct ContentIndex {
        generation: Generation = 0x80,
        lengths: Vec<u16, 9> = 0x81,
    }
}

impl ContentIndex {
    /// First byte of the object, and its length.
    fn place(&self, object: Object) -> (usize, usize) {
        let mut start = 0usize;
        for (candidate, length) in Object::ALL.into_iter().zip(&self.lengths) {
            if candidate == object {
                return (start, usize::from(*length));
            }
            start = start.saturating_add(usize::from(*length));
        }
        (start, 0)
    }

    /// Loading is complete from now on.
    pub(crate) fn complete(&self, memory: &mut impl Memory) -> Result<(), Stop> {
        self.store(memory, self.generation.index())
    }
}

/// The objects of a loading.
pub(crate) struct Content<'m, M> {
    memory: &'m M,
    index: ContentIndex,
}

impl<'m, M: Memory> Content<'m, M> {
    /// `None` if this generation is not loaded completely.
    pub(crate) fn of(memory: &'m M, generation: Generation) -> Result<Option<Self>, Stop> {
        let index = ContentIndex::load(memory, generation.index())?;
        let index = index.filter(|index| index.generation == generation);
        Ok(index.map(|index| Self { memory, index }))
    }

    /// The objects of a loading that `index` describes and that is not recorded as complete yet.
    pub(crate) const fn with_index(memory: &'m M, index: ContentIndex) -> Self {
        Self { memory, index }
    }

    /// What describes the loading.
    pub(crate) fn into_index(self) -> ContentIndex {
        self.index
    }

    /// Is the object there? All are but the portrait, which a card may lack.
    pub(crate) fn has(&self, object: Object) -> bool {
        self.index.place(object).1 != 0
    }

    /// The complete data object, which is not the portrait.
    pub(crate) fn object(&self, object: Object) -> Result<Vec<u8, MAX_OBJECT>, Stop> {
        let (start, length) = self.index.place(object);
        read(self.memory, self.index.generation, start, length)
    }

    /// At most `N` bytes of the object from `offset`; none at or behind its end.
    pub(crate) fn part<const N: usize>(&self, object: Object, offset: usize) -> Result<Vec<u8, N>, Stop> {
        let (start, length) = self.index.place(object);
        let left = length.saturating_sub(offset).min(N);
        read(
            self.memory,
            self.index.generation,
            start.saturating_add(offset),
            left,
        )
    }

    /// SHA-256 of the data object, which is hashed where it lies: a portrait does not fit into volatile memory.
    pub(crate) fn digest(&self, object: Object) -> Digest {
        let (start, length) = self.index.place(object);
        let parts = pieces(self.memory, self.index.generation, start, length);
        sha256(&parts.collect::<Vec<_, { CONTENT_BLOCKS as usize }>>())
    }

    /// Is the portrait `FF32 { 80 salt, 5F40 image }` (SPEC 5.1)? Its head says so: the image is whatever it is.
    pub(crate) fn portrait_is_well_formed(&self) -> Result<bool, Stop> {
        let head: Vec<u8, 32> = self.part(Object::Portrait, 0)?;
        let (_, length) = self.index.place(Object::Portrait);
        Ok(image_length(&head, length).is_some_and(|image| image <= Image::MAXIMUM))
    }
}

/// Length of the image in a portrait of `length` bytes that begins with `head`; `None` if it is no portrait.
fn image_length(head: &[u8], length: usize) -> Option<usize> {
    let outer = length_of_first_object(head).ok()??;
    let (salt, rest) = head.get(outer.header..)?.split_at_checked(18)?;
    let inner = length_of_first_object(rest).ok()??;
    let well_formed = salt.starts_with(&[0x80, 0x10])
        && rest.starts_with(&[0x5F, 0x40])
        && outer.total == length
        && outer.header.checked_add(18)?.checked_add(inner.total)? == length;
    well_formed.then(|| inner.total.saturating_sub(inner.header))
}

/// `length` bytes of a bank from `start`, slot by slot.
fn pieces(
    memory: &impl Memory,
    generation: Generation,
    start: usize,
    length: usize,
) -> impl Iterator<Item = &[u8]> {
    let end = start.saturating_add(length);
    (0..CONTENT_BLOCKS).filter_map(move |number| {
        let first = usize::from(number).saturating_mul(CONTENT_BLOCK);
        let block = memory.read(generation.block(number));
        let from = start.saturating_sub(first).min(block.len());
        let to = end.saturating_sub(first).min(block.len());
        block.get(from..to).filter(|piece| !piece.is_empty())
    })
}

/// Copies from a bank.
fn read<const N: usize>(
    memory: &impl Memory,
    generation: Generation,
    start: usize,
    length: usize,
) -> Result<Vec<u8, N>, Stop> {
    let mut bytes = Vec::new();
    for piece in pieces(memory, generation, start, length) {
        bytes.extend_from_slice(piece).map_err(|_| Stop::FAULT)?;
    }
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(Stop::FAULT)
    }
}

/// The CSO that was loaded, and its identity. Whether it is genuine, ACTIVATE finds out.
pub(crate) struct LoadedSecurityObject {
    pub(crate) body: CardSecurityObject,
    pub(crate) hash: Digest,
}

impl<M: Memory> Content<'_, M> {
    /// The CSO. What was loaded completely has one.
    pub(crate) fn security_object(&self) -> Result<LoadedSecurityObject, Stop> {
        let object = self.object(Object::Cso)?;
        let signed = Signed::<CardSecurityObject>::parse(&object).map_err(|_| Stop::FAULT)?;
        Ok(LoadedSecurityObject {
            body: *signed.claimed(),
            hash: signed.hash(),
        })
    }
}

/// A loading under way. It lives in the session: after a tear the host begins anew with block 0.
#[derive(Clone, Copy)]
pub(crate) struct Loading {
    generation: Generation,
    /// `None` after block 255.
    next_block: Option<u8>,
    /// Bytes taken so far.
    length: usize,
}

impl Loading {
    /// Begins anew: what was loaded before is gone first, so that old and new never mix.
    pub(crate) fn begin(memory: &mut impl Memory, generation: Generation) -> Result<Self, Stop> {
        memory.write(generation.index(), &[])?;
        Ok(Self {
            generation,
            next_block: Some(0),
            length: 0,
        })
    }

    /// Number of the block that comes next; `None` if no block has a number any more.
    pub(crate) const fn next_block(&self) -> Option<u8> {
        self.next_block
    }

    /// Takes one block. The bytes before it stay as they are, so a loading may go on from any earlier state of it.
    pub(crate) fn append(mut self, memory: &mut impl Memory, block: &[u8]) -> Result<Self, Stop> {
        if self.length.saturating_add(block.len()) > MAXIMUM_LOAD {
            return Err(Stop::Refused(StatusWord::NOT_ENOUGH_MEMORY));
        }
        let mut rest = block;
        while !rest.is_empty() {
            let taken = self.fill(memory, rest)?;
            rest = rest.get(taken..).unwrap_or_default();
            self.length = self.length.saturating_add(taken);
        }
        self.next_block = self.next_block.and_then(|number| number.checked_add(1));
        Ok(self)
    }

    /// Writes as much as the current slot takes, and returns how much that was.
    fn fill(&self, memory: &mut impl Memory, bytes: &[u8]) -> Result<usize, Stop> {
        let (number, used) = (self.length / CONTENT_BLOCK, self.length % CONTENT_BLOCK);
        let slot = self
            .generation
            .block(u8::try_from(number).map_err(|_| Stop::FAULT)?);
        let taken = CONTENT_BLOCK.saturating_sub(used).min(bytes.len());
        let kept = memory.read(slot).get(..used).ok_or(Stop::FAULT)?;
        let mut content = Vec::<u8, CONTENT_BLOCK>::from_slice(kept).map_err(|_| Stop::FAULT)?;
        content
            .extend_from_slice(bytes.get(..taken).unwrap_or_default())
            .map_err(|_| Stop::FAULT)?;
        memory.write(slot, &content)?;
        Ok(taken)
    }

    /// The last block was taken: finds the objects, which must be all, but for the portrait, and in their order.
    pub(crate) fn index(&self, memory: &impl Memory) -> Result<ContentIndex, Stop> {
        let mut lengths = Vec::new();
        let mut start = 0usize;
        for object in Object::ALL {
            let total = self
                .extent(memory, object, start)?
                .map_or(0, |extent| extent.total);
            start = start.saturating_add(total);
            let fits = total <= MAX_OBJECT || object == Object::Portrait;
            if !fits || start > self.length {
                return Err(Stop::DATA);
            }
            let length = u16::try_from(total).map_err(|_| Stop::DATA)?;
            lengths.push(length).map_err(|_| Stop::FAULT)?;
        }
        if start == self.length {
            Ok(ContentIndex {
                generation: self.generation,
                lengths,
            })
        } else {
            Err(Stop::DATA)
        }
    }

    /// `None` for a portrait that is not there.
    fn extent(&self, memory: &impl Memory, object: Object, start: usize) -> Result<Option<Extent>, Stop> {
        let length = self.length.saturating_sub(start).min(8);
        let header: Vec<u8, 8> = read(memory, self.generation, start, length)?;
        if header.starts_with(&object.tag()) {
            return length_of_first_object(&header)?.map(Some).ok_or(Stop::DATA);
        }
        if object == Object::Portrait {
            Ok(None)
        } else {
            Err(Stop::DATA)
        }
    }
}
