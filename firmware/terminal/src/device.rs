//! What a terminal must not forget: its keys, certificates, and which lists are in force. Kept as a whole, in two
//! places in turn, so that a power cut leaves the state before or after.

use core::ops::Range;

use card_spec::certificate::Reference;
use card_spec::list::BlockListHeader;
use card_spec::operators::OperatorList;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use journal::{Error, Item, Journal, RecordId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::StartError;
use crate::block_list::TagKey;
use crate::flash::{FlashError, Shared};
use crate::lists::ListsInForce;

/// An encoded object.
pub(crate) type Object<const N: usize> = Vec<u8, N>;

/// Longest certificate or trust anchor in bytes: SPEC 3.1 with the longest references is 257.
pub(crate) const MAXIMUM_CERTIFICATE: usize = 272;
/// Issuer certificates at most: the present key's and those of three before it (DATA 8.2).
pub(crate) const MAXIMUM_ISSUERS: usize = 4;
/// Longest header of a block list with its signature in bytes.
pub(crate) const MAXIMUM_HEADER: usize = BlockListHeader::MAXIMUM_LENGTH;

/// The state as it is held. It is not copied: a board's stack has no room for a second one.
#[derive(Default, Deserialize)]
pub(crate) struct Device {
    pub(crate) keys: Option<StoredKeys>,
    /// Trust anchor `FF38`; once set it stays.
    pub(crate) trust_anchor: Option<Object<MAXIMUM_CERTIFICATE>>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) lists: ListsInForce,
    pub(crate) block_list: Option<InForce>,
    /// Of the tags in the place of the block list in force: says that its entries were verified.
    pub(crate) block_list_key: TagKey,
    /// The newest time seen when entries were last released: time never falls behind it.
    pub(crate) time: [u8; 7],
    /// The newest block list of the keys before.
    pub(crate) block_list_floor: Option<BlockListFloor>,
    /// Who may work here; without one, anybody.
    pub(crate) operators: Option<OperatorsInForce>,
}

/// The state as it is written, member by member that of [`Device`]: what is to be held next is kept before it replaces
/// anything, and no second state is needed for that.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Kept<'d> {
    pub(crate) keys: Option<&'d StoredKeys>,
    pub(crate) trust_anchor: Option<&'d Object<MAXIMUM_CERTIFICATE>>,
    pub(crate) certificates: Option<&'d Certificates>,
    pub(crate) lists: &'d ListsInForce,
    pub(crate) block_list: Option<&'d InForce>,
    pub(crate) block_list_key: TagKey,
    pub(crate) time: [u8; 7],
    pub(crate) block_list_floor: Option<&'d BlockListFloor>,
    pub(crate) operators: Option<&'d OperatorsInForce>,
}

impl Device {
    /// As it is now.
    pub(crate) fn kept(&self) -> Kept<'_> {
        Kept {
            keys: self.keys.as_ref(),
            trust_anchor: self.trust_anchor.as_ref(),
            certificates: self.certificates.as_ref(),
            lists: &self.lists,
            block_list: self.block_list.as_ref(),
            block_list_key: self.block_list_key,
            time: self.time,
            block_list_floor: self.block_list_floor.as_ref(),
            operators: self.operators.as_ref(),
        }
    }

    /// What belonged to older keys is forgotten, but for the trust anchor.
    pub(crate) fn forget(
        &mut self,
        keys: StoredKeys,
        time: [u8; 7],
        block_list_floor: Option<BlockListFloor>,
    ) {
        self.keys = Some(keys);
        self.certificates = None;
        self.lists = ListsInForce::default();
        self.block_list = None;
        self.block_list_key = TagKey::default();
        self.time = time;
        self.block_list_floor = block_list_floor;
        self.operators = None;
    }
}

/// The list of operators in force.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OperatorsInForce {
    /// The signed object as received.
    pub(crate) object: Object<{ OperatorList::MAXIMUM_LENGTH }>,
    /// Sequence number of the journal entry that says so: if the journal is shorter, the power was cut before it.
    pub(crate) entry: u32,
}

/// A block list that was in force: older ones of its issuer are taken no more.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct BlockListFloor {
    /// The issuer's reference.
    pub(crate) issuer: Object<{ Reference::MAXIMUM }>,
    pub(crate) number: u32,
}

/// Name and private keys, erased when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct StoredKeys {
    pub(crate) name: [u8; 10],
    pub(crate) agreement: [u8; 32],
    pub(crate) journal: [u8; 32],
}

/// The certificates that Install brought, as received.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificates {
    /// Of one province's issuer keys, the newest first, at least one.
    pub(crate) issuers: IssuerCertificates,
    pub(crate) authority: Object<MAXIMUM_CERTIFICATE>,
    pub(crate) agreement: Object<MAXIMUM_CERTIFICATE>,
    pub(crate) journal: Object<MAXIMUM_CERTIFICATE>,
}

/// The certificates of a province's issuer keys.
pub(crate) type IssuerCertificates = Vec<Object<MAXIMUM_CERTIFICATE>, MAXIMUM_ISSUERS>;

/// A block list in force.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct InForce {
    /// Which of the two areas holds it.
    pub(crate) place: u8,
    pub(crate) header: Object<MAXIMUM_HEADER>,
    /// Sequence number of the journal entry that says so: if the journal is shorter, the power was cut before it.
    pub(crate) entry: u32,
}

/// Longest encoding: seven certificates, anchor, four payment lists, a header, operators, keys, and some.
const MAXIMUM_LENGTH: usize = 4_000;
/// Bytes of the encoding in one record.
const PART: usize = 1_000;
/// What the state's encoding and the layout of the flash are called, first in each record. One above it for every other encoding or
/// layout. Images before it wrote a generation there, which begins with 0.
const FORMAT: u8 = 3;
/// Format, generation (4), number of the part, number of parts.
const PREFIX: usize = 7;

/// The two places. Each holds one state as a small journal of its own: the newest complete one counts.
pub(crate) struct DeviceStore<'f, F> {
    flash: Shared<'f, F>,
    places: [Range<u32>; 2],
    generation: u32,
}

type StoreError = Error<FlashError>;

impl<'f, F: NorFlash> DeviceStore<'f, F> {
    /// The store in `range`, at least four erase blocks.
    pub(crate) fn new(flash: Shared<'f, F>, range: Range<u32>) -> Self {
        let half = range.end.saturating_sub(range.start) / 2;
        let middle = range.start.saturating_add(half);
        Self {
            flash,
            places: [range.start..middle, middle..range.end],
            generation: 0,
        }
    }

    /// Takes up what is kept. Without any state, `device` stays that of a blank terminal; with one that this image cannot read it is no
    /// blank one, for there may be entries that no host has.
    // By itself: its stack, with a second state on it, is given back before anything goes deeper.
    #[inline(never)]
    pub(crate) fn open(&mut self, device: &mut Device) -> Result<(), StartError> {
        for place in self.places.clone() {
            if let Some(generation) = self.load(place, device)? {
                self.generation = generation;
            }
        }
        Ok(())
    }

    /// Keeps a state in the place that holds the older one. After `Ok` it survives any power cut.
    pub(crate) fn save(&mut self, device: &Kept<'_>) -> Result<(), StoreError> {
        let mut buffer = Zeroizing::new([0; MAXIMUM_LENGTH]);
        let bytes = postcard::to_slice(device, buffer.as_mut()).map_err(|_| Error::Length)?;
        let parts = u8::try_from(bytes.len().div_ceil(PART)).map_err(|_| Error::Length)?;
        let generation = self.generation.checked_add(1).ok_or(Error::Exhausted)?;
        let [even, odd] = &self.places;
        let place = if generation.is_multiple_of(2) { even } else { odd };
        let mut journal = Journal::format(self.flash, place.clone())?;
        for (number, part) in (0..parts).zip(bytes.chunks(PART)) {
            let mut record = Zeroizing::new(Vec::<u8, { PREFIX + PART }>::new());
            let [g3, g2, g1, g0] = generation.to_be_bytes();
            let prefix = [FORMAT, g3, g2, g1, g0, number, parts];
            record.extend(prefix.into_iter().chain(part.iter().copied()));
            journal.append(&record)?;
        }
        self.generation = generation;
        Ok(())
    }

    /// The generation of the state in `place`, and the state in `device`, if it is newer than what was found before.
    fn load(&self, place: Range<u32>, device: &mut Device) -> Result<Option<u32>, StartError> {
        let mut journal = match Journal::open(self.flash, place) {
            Ok(journal) => journal,
            Err(Error::NotFormatted) => return Ok(None),
            Err(_) => return Err(StartError::Flash),
        };
        let mut encoding = Zeroizing::new(Vec::<u8, MAXIMUM_LENGTH>::new());
        let mut buffer = Zeroizing::new([0; journal::MAX_RECORD]);
        let unreadable = |_| StartError::Flash;
        let mut cursor = journal.iter_from(RecordId(1)).map_err(unreadable)?;
        let mut expected = 0_u8;
        while let Some(item) = journal.next(&mut cursor, &mut buffer).map_err(unreadable)? {
            let Item::Record { bytes, .. } = item else {
                return Ok(None);
            };
            let Some((&[FORMAT, g3, g2, g1, g0, number, count], part)) = bytes.split_first_chunk::<PREFIX>()
            else {
                return Err(StartError::Format);
            };
            if number != expected || encoding.extend_from_slice(part).is_err() {
                return Ok(None);
            }
            expected = expected.saturating_add(1);
            if expected == count {
                let generation = u32::from_be_bytes([g3, g2, g1, g0]);
                if generation <= self.generation {
                    return Ok(None);
                }
                *device = postcard::from_bytes(&encoding).map_err(|_| StartError::Format)?;
                return Ok(Some(generation));
            }
        }
        Ok(None)
    }
}
