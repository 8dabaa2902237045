//! The objects that STORE DATA loads (SPEC 6.6): taken in blocks, kept in slots of 256 bytes, read back by object.

use card_spec::apdu::StatusWord;
use card_spec::command::MAXIMUM_LOAD;
use card_spec::crypto::Digest;
use card_spec::cso::CardSecurityObject;
use card_spec::signed::Signed;
use card_spec::tlv::{Extent, length_of_first_object};
use heapless::Vec;

use crate::answer::Stop;
use crate::memory::{CONTENT_BLOCK, CONTENT_BLOCKS, Memory, Slot};
use crate::record::{Record as _, record};

const _: () = assert!(
    MAXIMUM_LOAD == CONTENT_BLOCK * CONTENT_BLOCKS as usize,
    "the slots hold a whole load"
);

/// The longest single object: a CSO has about 530 bytes, two representatives with the longest names about 600.
pub(crate) const MAX_OBJECT: usize = 768;

/// The objects, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    TrustAnchor,
    IssuerCertificate,
    Cso,
    Holder,
    Programmes,
    LinkedNumbers,
    Representatives,
    Issuance,
}

impl Object {
    pub(crate) const ALL: [Self; 8] = [
        Self::TrustAnchor,
        Self::IssuerCertificate,
        Self::Cso,
        Self::Holder,
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
            0x03 => Self::Programmes,
            0x04 => Self::LinkedNumbers,
            0x05 => Self::Representatives,
            0x06 => Self::Issuance,
            0x1D => Self::Cso,
            _ => return None,
        })
    }

    /// May a terminal read the file (SPEC 5.1)? The issuer may read all of them.
    pub(crate) const fn is_for_terminals(self) -> bool {
        !matches!(self, Self::LinkedNumbers | Self::Issuance)
    }
}

record! {
    /// Lengths of the objects, which lie one after the other. Present only when loading was completed.
    pub(crate) struct ContentIndex {
        lengths: Vec<u16, 8> = 0x80,
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
}

/// The objects of a loading.
pub(crate) struct Content<'m, M> {
    memory: &'m M,
    index: ContentIndex,
}

impl<'m, M: Memory> Content<'m, M> {
    /// `None` while loading is not complete.
    pub(crate) fn of(memory: &'m M) -> Result<Option<Self>, Stop> {
        let index = ContentIndex::load(memory, Slot::ContentIndex)?;
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

    /// The complete data object.
    pub(crate) fn object(&self, object: Object) -> Result<Vec<u8, MAX_OBJECT>, Stop> {
        let (start, length) = self.index.place(object);
        read(self.memory, start, length)
    }

    /// At most `N` bytes of the object from `offset`; none at or behind its end.
    pub(crate) fn part<const N: usize>(&self, object: Object, offset: usize) -> Result<Vec<u8, N>, Stop> {
        let (start, length) = self.index.place(object);
        let left = length.saturating_sub(offset).min(N);
        read(self.memory, start.saturating_add(offset), left)
    }
}

/// Copies from the loading area.
fn read<const N: usize>(memory: &impl Memory, start: usize, length: usize) -> Result<Vec<u8, N>, Stop> {
    let mut bytes = Vec::new();
    let (first, skipped) = (start / CONTENT_BLOCK, start % CONTENT_BLOCK);
    let blocks = (0..CONTENT_BLOCKS)
        .skip(first)
        .map(|number| memory.read(Slot::Content(number)));
    for byte in blocks.flatten().skip(skipped).take(length) {
        bytes.push(*byte).map_err(|_| Stop::FAULT)?;
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
#[derive(Clone, Copy, Default)]
pub(crate) struct Loading {
    next_block: u8,
    /// Bytes taken so far.
    length: usize,
}

impl Loading {
    /// Begins anew: what was loaded before is gone first, so that old and new never mix.
    pub(crate) fn begin(memory: &mut impl Memory) -> Result<Self, Stop> {
        memory.write(Slot::ContentIndex, &[])?;
        Ok(Self::default())
    }

    /// Number of the block that comes next.
    pub(crate) const fn next_block(&self) -> u8 {
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
        self.next_block = self.next_block.saturating_add(1);
        Ok(self)
    }

    /// Writes as much as the current slot takes, and returns how much that was.
    fn fill(&self, memory: &mut impl Memory, bytes: &[u8]) -> Result<usize, Stop> {
        let (number, used) = (self.length / CONTENT_BLOCK, self.length % CONTENT_BLOCK);
        let slot = Slot::Content(u8::try_from(number).map_err(|_| Stop::FAULT)?);
        let taken = CONTENT_BLOCK.saturating_sub(used).min(bytes.len());
        let kept = memory.read(slot).get(..used).ok_or(Stop::FAULT)?;
        let mut content = Vec::<u8, CONTENT_BLOCK>::from_slice(kept).map_err(|_| Stop::FAULT)?;
        content
            .extend_from_slice(bytes.get(..taken).unwrap_or_default())
            .map_err(|_| Stop::FAULT)?;
        memory.write(slot, &content)?;
        Ok(taken)
    }

    /// The last block was taken: finds the eight objects, which must be all and in their order.
    pub(crate) fn index(&self, memory: &impl Memory) -> Result<ContentIndex, Stop> {
        let mut lengths = Vec::new();
        let mut start = 0usize;
        for object in Object::ALL {
            let extent = self.extent(memory, object, start)?;
            start = start.saturating_add(extent.total);
            if extent.total > MAX_OBJECT || start > self.length {
                return Err(Stop::DATA);
            }
            let length = u16::try_from(extent.total).map_err(|_| Stop::DATA)?;
            lengths.push(length).map_err(|_| Stop::FAULT)?;
        }
        if start == self.length {
            Ok(ContentIndex { lengths })
        } else {
            Err(Stop::DATA)
        }
    }

    fn extent(&self, memory: &impl Memory, object: Object, start: usize) -> Result<Extent, Stop> {
        let header: Vec<u8, 8> = read(memory, start, self.length.saturating_sub(start).min(8))?;
        if !header.starts_with(&object.tag()) {
            return Err(Stop::DATA);
        }
        length_of_first_object(&header)?.ok_or(Stop::DATA)
    }
}
