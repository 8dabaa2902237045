//! What a terminal must not forget: its keys, certificates, and which lists are in force. Kept as a whole, in two
//! places in turn, so that a power cut leaves the state before or after.

use core::ops::Range;

use card_spec::certificate::Reference;
use card_spec::operators::OperatorList;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use journal::{Error, Item, Journal, RecordId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::block_list::TagKey;
use crate::flash::{FlashError, Shared};

/// An encoded object.
pub(crate) type Object<const N: usize> = Vec<u8, N>;

/// Longest certificate or trust anchor in bytes: SPEC 3.1 with the longest references is 257.
pub(crate) const MAXIMUM_CERTIFICATE: usize = 272;
/// Issuer certificates at most: the present key's and those of three before it (DATA 8.2).
pub(crate) const MAXIMUM_ISSUERS: usize = 4;
/// Longest list header with its signature in bytes: DATA 3.1 with the longest names is 279.
pub(crate) const MAXIMUM_HEADER: usize = 304;

/// The state as it is kept.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) keys: Option<StoredKeys>,
    /// Trust anchor `FF38`; once set it stays.
    pub(crate) trust_anchor: Option<Object<MAXIMUM_CERTIFICATE>>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) list: Option<InForce>,
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

/// A payment list or block list in force.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct InForce {
    /// Which of the two areas holds it.
    pub(crate) place: u8,
    pub(crate) header: Object<MAXIMUM_HEADER>,
    /// Sequence number of the journal entry that says so: if the journal is shorter, the power was cut before it.
    pub(crate) entry: u32,
}

/// Longest encoding: seven certificates, anchor, two headers, operators, keys, and some.
const MAXIMUM_LENGTH: usize = 4_000;
/// Bytes of the encoding in one record.
const PART: usize = 1_000;
/// Generation (4), number of the part, number of parts.
const PREFIX: usize = 6;

/// The two places. Each holds one state as a small journal of its own: the newest complete one counts.
pub(crate) struct DeviceStore<'f, F> {
    flash: Shared<'f, F>,
    places: [Range<u32>; 2],
    generation: u32,
}

type StoreError = Error<FlashError>;

impl<'f, F: NorFlash> DeviceStore<'f, F> {
    /// Opens the store in `range`, at least four erase blocks. Without any state it is that of a blank terminal.
    pub(crate) fn open(flash: Shared<'f, F>, range: Range<u32>) -> Result<(Self, Device), StoreError> {
        let half = range.end.saturating_sub(range.start) / 2;
        let middle = range.start.saturating_add(half);
        let places = [range.start..middle, middle..range.end];
        let mut store = Self {
            flash,
            places,
            generation: 0,
        };
        let mut device = Device::default();
        for place in store.places.clone() {
            if let Some((generation, found)) = store.load(place)?
                && generation > store.generation
            {
                store.generation = generation;
                device = found;
            }
        }
        Ok((store, device))
    }

    /// Keeps `device` in the place that holds the older state. After `Ok` it survives any power cut.
    pub(crate) fn save(&mut self, device: &Device) -> Result<(), StoreError> {
        let mut buffer = Zeroizing::new([0; MAXIMUM_LENGTH]);
        let bytes = postcard::to_slice(device, buffer.as_mut()).map_err(|_| Error::Length)?;
        let parts = u8::try_from(bytes.len().div_ceil(PART)).map_err(|_| Error::Length)?;
        let generation = self.generation.checked_add(1).ok_or(Error::Exhausted)?;
        let [even, odd] = &self.places;
        let place = if generation.is_multiple_of(2) { even } else { odd };
        let mut journal = Journal::format(self.flash, place.clone())?;
        for (number, part) in (0..parts).zip(bytes.chunks(PART)) {
            let mut record = Zeroizing::new(Vec::<u8, { PREFIX + PART }>::new());
            let prefix = generation.to_be_bytes().into_iter().chain([number, parts]);
            record.extend(prefix.chain(part.iter().copied()));
            journal.append(&record)?;
        }
        self.generation = generation;
        Ok(())
    }

    fn load(&self, place: Range<u32>) -> Result<Option<(u32, Device)>, StoreError> {
        let mut journal = match Journal::open(self.flash, place) {
            Ok(journal) => journal,
            Err(Error::NotFormatted) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut encoding = Zeroizing::new(Vec::<u8, MAXIMUM_LENGTH>::new());
        let mut buffer = Zeroizing::new([0; journal::MAX_RECORD]);
        let mut cursor = journal.iter_from(RecordId(1))?;
        let mut expected = 0_u8;
        while let Some(item) = journal.next(&mut cursor, &mut buffer)? {
            let Item::Record { bytes, .. } = item else {
                return Ok(None);
            };
            let Some((&[g3, g2, g1, g0, number, count], part)) = bytes.split_first_chunk::<PREFIX>() else {
                return Ok(None);
            };
            if number != expected || encoding.extend_from_slice(part).is_err() {
                return Ok(None);
            }
            expected = expected.saturating_add(1);
            if expected == count {
                let generation = u32::from_be_bytes([g3, g2, g1, g0]);
                return Ok(postcard::from_bytes(&encoding)
                    .ok()
                    .map(|device| (generation, device)));
            }
        }
        Ok(None)
    }
}
