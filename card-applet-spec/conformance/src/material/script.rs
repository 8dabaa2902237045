//! Issuer scripts (SPEC 13.1) and block lists (DATA 4).

use super::{ISSUER, Material, Month, TODAY, card_number, date, hash, period, time};
use crate::encoding::tlv;
use crate::material::Day;

/// What an issuer orders a card to do.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) issuer: &'static str,
    pub(crate) number: Vec<u8>,
    pub(crate) counter: u32,
    pub(crate) action: u8,
    pub(crate) content: Vec<u8>,
}

impl Script {
    /// A script of the card's issuer for the standard card at this receipt counter.
    pub(crate) fn new(counter: u32, action: u8, content: Vec<u8>) -> Self {
        Self {
            issuer: ISSUER,
            number: card_number(790_000_000_000_001),
            counter,
            action,
            content,
        }
    }

    pub(crate) fn fill_tries(counter: u32) -> Self {
        Self::new(counter, 0x01, Vec::new())
    }

    pub(crate) fn permit_new_pin(counter: u32) -> Self {
        Self::new(counter, 0x02, Vec::new())
    }

    /// Reason 1: lost.
    pub(crate) fn block(counter: u32) -> Self {
        Self::new(counter, 0x03, tlv(0x80, &[0x01]))
    }

    pub(crate) fn unblock(counter: u32, block_list: u32) -> Self {
        Self::new(counter, 0x04, tlv(0x80, &block_list.to_be_bytes()))
    }

    pub(crate) fn terminate(counter: u32) -> Self {
        Self::new(counter, 0x05, tlv(0x80, &[0x04]))
    }

    pub(crate) fn update(counter: u32, cso_hash: &[u8]) -> Self {
        Self::new(counter, 0x06, tlv(0x80, cso_hash))
    }

    pub(crate) fn prune(counter: u32, floor: Month) -> Self {
        Self::new(counter, 0x07, tlv(0x80, &period(floor)))
    }

    pub(crate) fn set_date(counter: u32, day: Day) -> Self {
        Self::new(counter, 0x08, tlv(0x5F25, &date(day)))
    }

    pub(crate) fn reverse(counter: u32, order_hash: &[u8]) -> Self {
        Self::new(counter, 0x09, tlv(0x80, order_hash))
    }

    /// The members of `FF2B`.
    pub(crate) fn members(&self) -> Vec<Vec<u8>> {
        vec![
            tlv(0x80, &[0x01]),
            tlv(0x42, self.issuer.as_bytes()),
            tlv(0x5A, &self.number),
            tlv(0x81, &self.counter.to_be_bytes()),
            tlv(0x82, &[self.action]),
            tlv(0xA3, &self.content),
            tlv(0x8D, &time(TODAY)),
        ]
    }

    /// The body `FF2B`.
    pub(crate) fn body(&self) -> Vec<u8> {
        tlv(0xFF2B, &self.members().concat())
    }
}

/// A block list, as a terminal shows it to a card.
#[derive(Clone, Debug)]
pub(crate) struct BlockList {
    pub(crate) number: u32,
    /// Entries `FF39`, ascending.
    pub(crate) entries: Vec<Vec<u8>>,
}

impl BlockList {
    /// With three entries; the card of this number is the second.
    pub(crate) fn with(number: u32, card: &[u8]) -> Self {
        let entry = |card: &[u8]| tlv(0xFF39, &[tlv(0x5A, card), tlv(0x80, &[0x01])].concat());
        Self {
            number,
            entries: vec![
                entry(&card_number(10_000_000_000_009)),
                entry(card),
                entry(&card_number(960_000_000_000_003)),
            ],
        }
    }

    /// The body `FF25`.
    pub(crate) fn body(&self) -> Vec<u8> {
        let members = [
            tlv(0x80, &[0x01]),
            tlv(0x81, &[0x01]),
            tlv(0x42, ISSUER.as_bytes()),
            tlv(0x82, &self.number.to_be_bytes()),
            tlv(0x83, &(self.entries.len() as u32).to_be_bytes()),
            tlv(0x84, &self.root()),
            tlv(0x85, &time(TODAY)),
            tlv(0x8A, &9u64.to_be_bytes()),
            tlv(0x8B, &[0xB8; 32]),
        ];
        tlv(0xFF25, &members.concat())
    }

    /// RFC 6962, 2.1, for the three entries that there are.
    fn root(&self) -> [u8; 32] {
        let [first, second, third] = self.leaves();
        node(&node(&first, &second), &third)
    }

    fn leaves(&self) -> [[u8; 32]; 3] {
        let leaf = |place: usize| {
            let entry = self.entries.get(place).map(Vec::as_slice).unwrap_or_default();
            hash(&[&[0x00], entry].concat())
        };
        [leaf(0), leaf(1), leaf(2)]
    }

    /// The data that shows the second entry: `FF39`, index, audit path (SPEC 13.10).
    pub(crate) fn proof(&self) -> Vec<Vec<u8>> {
        let [first, _, third] = self.leaves();
        vec![
            self.entries.get(1).cloned().unwrap_or_default(),
            tlv(0x81, &1u32.to_be_bytes()),
            tlv(0x82, &[first, third].concat()),
        ]
    }
}

/// A node of the Merkle tree (RFC 6962, 2.1).
pub(crate) fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(&[&[0x01], &left[..], right].concat())
}

impl Material {
    /// The data of EXECUTE ISSUER SCRIPT without a certificate.
    pub(crate) fn script(&self, script: &Script) -> Vec<u8> {
        self.signed(&script.body(), script.issuer)
    }

    /// The header of a block list, signed.
    pub(crate) fn block_list(&self, list: &BlockList) -> Vec<u8> {
        self.signed(&list.body(), ISSUER)
    }
}
