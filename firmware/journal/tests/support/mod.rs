//! A simulated NOR flash: enforces the chip's rules, counts operations, cuts the power inside any of them.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses its part")]

use std::collections::BTreeMap;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use journal::{HostAcknowledgement, RecordId};

/// Erase block of the simulated chip.
pub const BLOCK: usize = 4096;

/// What the driver reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power is gone.
    PowerCut,
    /// Alignment or bounds.
    Misuse(NorFlashErrorKind),
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::PowerCut => NorFlashErrorKind::Other,
            Self::Misuse(kind) => *kind,
        }
    }
}

/// What an operation leaves when the power goes during it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// Nothing was done.
    None,
    /// Word: every second bit programmed. Block: the first half erased.
    Half,
    /// Word: a random part of the bits programmed. Block: the second half erased.
    OtherHalf,
    /// Word: a random part of the bits. Block: random bytes.
    Random,
    /// All was done, and the caller never heard of it.
    All,
    /// All was done but weakly: it reads as before at the first power-up and as done at the second.
    Late,
    /// All was done but weakly: it reads as done at the first power-up and as before at the second.
    Fading,
}

/// All of them.
pub const TEARS: [Tear; 7] = [
    Tear::None,
    Tear::Half,
    Tear::OtherHalf,
    Tear::Random,
    Tear::All,
    Tear::Late,
    Tear::Fading,
];

/// A chip with program words of `WORD` bytes.
#[derive(Clone)]
pub struct Nor<const WORD: usize> {
    pub bytes: Vec<u8>,
    /// Words programmed since the last erase: never again before the next one.
    programmed: Vec<bool>,
    /// Words and blocks that read differently at each power-up.
    unstable: BTreeMap<usize, Vec<u8>>,
    /// Words programmed and blocks erased so far.
    pub operations: u64,
    /// Calls of `read` so far.
    pub reads: u64,
    /// Blocks erased, by index.
    pub erased: BTreeMap<usize, u32>,
    cut: Option<(u64, Tear)>,
    dead: bool,
    /// Words that cannot be programmed any more.
    pub stuck: Vec<usize>,
    /// What cannot be read for now: a fault that passes.
    pub unreadable: std::ops::Range<usize>,
    random: u64,
}

impl<const WORD: usize> Nor<WORD> {
    /// A chip as delivered: full of whatever.
    pub fn new(blocks: usize) -> Self {
        let mut chip = Self {
            bytes: vec![0; blocks * BLOCK],
            programmed: vec![true; blocks * BLOCK / WORD],
            unstable: BTreeMap::new(),
            operations: 0,
            reads: 0,
            erased: BTreeMap::new(),
            cut: None,
            dead: false,
            stuck: Vec::new(),
            unreadable: 0..0,
            random: 0x9E37_79B9_7F4A_7C15,
        };
        for index in 0..chip.bytes.len() {
            chip.bytes[index] = chip.random() as u8;
        }
        chip
    }

    /// Cuts the power during the operation `after` operations from now.
    pub fn cut(&mut self, after: u64, tear: Tear) {
        self.cut = Some((self.operations + after, tear));
        self.random = self.random.wrapping_add(after);
    }

    /// Whether the cut has happened.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Switches on again.
    pub fn power_up(&mut self) {
        self.dead = false;
        self.cut = None;
        for (address, other) in &mut self.unstable {
            self.bytes[*address..*address + other.len()].swap_with_slice(other);
        }
    }

    /// Whether all of the range lies on the chip.
    pub fn whole(&self) -> std::ops::Range<u32> {
        0..self.bytes.len() as u32
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Counts an operation; says what is left of it if the power goes now.
    fn operate(&mut self) -> Option<Tear> {
        let now = self.operations;
        self.operations += 1;
        let tear = self.cut.filter(|(at, _)| *at == now).map(|(_, tear)| tear);
        self.dead |= tear.is_some();
        tear
    }

    fn settle(&mut self, address: usize, done: Vec<u8>, tear: Tear, partial: Vec<u8>) {
        let target = address..address + done.len();
        let before = self.bytes[target.clone()].to_vec();
        let (now, other) = match tear {
            Tear::None => (before, None),
            Tear::All => (done, None),
            // `power_up` swaps first.
            Tear::Late => (done, Some(before)),
            Tear::Fading => (before, Some(done)),
            Tear::Half | Tear::OtherHalf | Tear::Random => (partial, None),
        };
        self.bytes[target].copy_from_slice(&now);
        if let Some(other) = other {
            self.unstable.insert(address, other);
        }
    }

    fn program(&mut self, address: usize, word: &[u8]) -> Result<(), Fault> {
        let tear = self.operate();
        if self.stuck.contains(&address) {
            return Ok(());
        }
        let blank = self.bytes[address..address + WORD]
            .iter()
            .all(|byte| *byte == 0xFF);
        assert!(
            blank && !self.programmed[address / WORD],
            "word {address:#x} programmed twice"
        );
        let Some(tear) = tear else {
            self.bytes[address..address + WORD].copy_from_slice(word);
            self.programmed[address / WORD] = true;
            self.unstable.remove(&address);
            return Ok(());
        };
        let masks = [0x55, 0xAA, self.random() as u8];
        let mask = match tear {
            Tear::Half => masks[0],
            Tear::OtherHalf => masks[1],
            _ => masks[2],
        };
        let partial = word.iter().map(|byte| byte | mask).collect();
        // What nobody can see was programmed may be programmed again: only a read can tell.
        self.settle(address, word.to_vec(), tear, partial);
        self.programmed[address / WORD] =
            matches!(tear, Tear::All | Tear::Half | Tear::OtherHalf | Tear::Random)
                && self.bytes[address..address + WORD]
                    .iter()
                    .any(|byte| *byte != 0xFF);
        Err(Fault::PowerCut)
    }

    fn erase_block(&mut self, start: usize) -> Result<(), Fault> {
        let tear = self.operate();
        *self.erased.entry(start / BLOCK).or_default() += 1;
        let words = start / WORD..(start + BLOCK) / WORD;
        let Some(tear) = tear else {
            self.unstable
                .retain(|address, _| !(start..start + BLOCK).contains(address));
            self.bytes[start..start + BLOCK].fill(0xFF);
            self.programmed[words].fill(false);
            return Ok(());
        };
        let mut partial = self.bytes[start..start + BLOCK].to_vec();
        match tear {
            Tear::Half => partial[..BLOCK / 2].fill(0xFF),
            Tear::OtherHalf => partial[BLOCK / 2..].fill(0xFF),
            _ => partial.iter_mut().for_each(|byte| *byte = self.random() as u8),
        }
        self.unstable
            .retain(|address, _| !(start..start + BLOCK).contains(address));
        self.settle(start, vec![0xFF; BLOCK], tear, partial);
        // Nothing in a torn block may be programmed before it is erased again.
        self.programmed[words].fill(true);
        Err(Fault::PowerCut)
    }
}

impl<const WORD: usize> ErrorType for Nor<WORD> {
    type Error = Fault;
}

impl<const WORD: usize> ReadNorFlash for Nor<WORD> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        check_read(self, offset, bytes.len()).map_err(Fault::Misuse)?;
        if self.dead {
            return Err(Fault::PowerCut);
        }
        self.reads += 1;
        let start = offset as usize;
        if self.unreadable.start < start + bytes.len() && start < self.unreadable.end {
            return Err(Fault::Misuse(NorFlashErrorKind::Other));
        }
        bytes.copy_from_slice(&self.bytes[start..start + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WORD: usize> NorFlash for Nor<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = BLOCK;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        check_erase(self, from, to).map_err(Fault::Misuse)?;
        for start in (from as usize..to as usize).step_by(BLOCK) {
            if self.dead {
                return Err(Fault::PowerCut);
            }
            self.erase_block(start)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        check_write(self, offset, bytes.len()).map_err(Fault::Misuse)?;
        for (index, word) in bytes.chunks(WORD).enumerate() {
            if self.dead {
                return Err(Fault::PowerCut);
            }
            self.program(offset as usize + index * WORD, word)?;
        }
        Ok(())
    }
}

/// Stands for an acknowledgement whose signature was checked.
pub struct Acknowledged(pub u32);

impl HostAcknowledgement for Acknowledged {
    fn last_record(&self) -> RecordId {
        RecordId(self.0)
    }
}

/// What a caller would say of all records before record `first`: another text, of another length, for each.
pub fn summary(first: u32) -> Vec<u8> {
    record(!first, 20 + first as usize % 60)
}

/// A record that tells its number and length by its content.
pub fn record(number: u32, length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (number as usize * 31 + index * 7 + length) as u8)
        .collect()
}
