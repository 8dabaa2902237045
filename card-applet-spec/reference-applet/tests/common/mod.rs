//! A card in a test: memory whose power can be cut at any write, repeatable randomness, and both hosts that talk to it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by tests, each of which uses its part"
)]

pub mod issuer;
pub mod scripts;
pub mod terminal;
pub mod till;

use std::convert::Infallible;

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::command::LifeCycle;
use card_spec::crypto::sha256;
use card_spec::scp03::{HostChannel, Reply, StaticKeys};
use card_spec::values::Date;
use rand_core::{TryCryptoRng, TryRng};
use reference_applet::memory::MAX_WRITE;
use reference_applet::{Applet, Memory, PowerLost, Slot, blank};

/// SHA-256 over a counter: repeatable, so that the same cut hits the same state.
pub struct TestRandom(pub u64);

impl TryRng for TestRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for block in out.chunks_mut(32) {
            self.0 += 1;
            let random = sha256(&[b"test", &self.0.to_be_bytes()]);
            block.copy_from_slice(&random[..block.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRandom {}

/// On which side of a write the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Before,
    After,
}

/// Slots in a vector. Counts and keeps the writes, and cuts the power at one of them.
#[derive(Clone, Debug)]
pub struct TestMemory {
    pub slots: Vec<Vec<u8>>,
    /// What was written, and where, in order.
    pub log: Vec<(usize, Vec<u8>)>,
    pub writes: u32,
    pub cut: Option<(u32, Cut)>,
}

impl Memory for TestMemory {
    fn read(&self, slot: Slot) -> &[u8] {
        &self.slots[usize::from(slot.index())]
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), PowerLost> {
        assert!(
            bytes.len() <= MAX_WRITE,
            "{slot:?}: {} bytes in one write",
            bytes.len()
        );
        let number = self.writes;
        self.writes += 1;
        let cut = self.cut.filter(|(at, _)| *at == number).map(|(_, side)| side);
        if cut != Some(Cut::Before) {
            self.slots[usize::from(slot.index())] = bytes.to_vec();
            self.log.push((usize::from(slot.index()), bytes.to_vec()));
        }
        if cut.is_some() { Err(PowerLost) } else { Ok(()) }
    }
}

/// The most that a card may answer: a PN532 frame has no room for more (SPEC 8.2).
pub const LONGEST_RESPONSE: usize = 252;

pub type Card = Applet<TestMemory, TestRandom>;

pub const CHIP_SERIAL: [u8; 10] = [0x80, 0x50, 0, 0, 0, 0, 0, 0, 0, 0x01];

pub fn transport_keys() -> StaticKeys {
    StaticKeys::new([0xA1; 16], [0xA2; 16], [0xA3; 16])
}

pub fn blank_card() -> Card {
    let mut memory = TestMemory {
        slots: vec![Vec::new(); usize::from(Slot::COUNT)],
        log: Vec::new(),
        writes: 0,
        cut: None,
    };
    blank(&mut memory, &CHIP_SERIAL, &transport_keys()).unwrap();
    memory.writes = 0;
    Applet::power_on(memory, TestRandom(0))
}

/// Puts an activated card into another state of its life without the command that leads there: byte of SPEC 6.1.
pub fn set_life_cycle(card: &mut Card, life_cycle: LifeCycle) {
    let ledger = &mut card.memory_mut().slots[usize::from(Slot::Ledger.index())];
    let member = [0x80, 1, LifeCycle::Active as u8];
    let at = ledger.windows(3).position(|bytes| bytes == member).unwrap();
    ledger[at + 2] = life_cycle as u8;
}

/// Cuts the power at the given write from now; `None` lets it be.
pub fn cut_at(card: &mut Card, cut: Option<(u32, Cut)>) {
    let memory = card.memory_mut();
    memory.cut = cut;
    memory.writes = 0;
}

/// Why a host got no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The card does not answer.
    Gone,
    /// The card refused.
    Refused(StatusWord),
    /// The card is not genuine, or breaks the protocol.
    NotGenuine,
}

pub type Outcome<T> = Result<T, Failure>;

/// Sends a plain APDU; returns status word and data.
pub fn raw(card: &mut Card, apdu: &[u8]) -> Outcome<(StatusWord, Vec<u8>)> {
    let octets = card.transmit(apdu);
    assert!(octets.len() <= LONGEST_RESPONSE);
    let response = Response::parse(&octets).map_err(|_| Failure::Gone)?;
    let data = octets[..octets.len() - 2].to_vec();
    Ok((response.status(), data))
}

/// The status word of a plain APDU.
pub fn status(card: &mut Card, apdu: &[u8]) -> u16 {
    raw(card, apdu).unwrap().0.0
}

/// Sends a plain APDU that must succeed.
pub fn plain(card: &mut Card, apdu: &[u8]) -> Outcome<Vec<u8>> {
    match raw(card, apdu)? {
        (StatusWord::SUCCESS, data) => Ok(data),
        (status, _) => Err(Failure::Refused(status)),
    }
}

pub const SELECT: [u8; 14] = [
    0x00, 0xA4, 0x04, 0x00, 0x08, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01, 0x00,
];

/// Sends commands through secure messaging.
pub struct SecureHost {
    pub channel: HostChannel,
}

impl SecureHost {
    /// One protected APDU: status word, whether it came protected, data.
    pub fn exchange(
        &mut self,
        card: &mut Card,
        header: [u8; 4],
        data: &[u8],
    ) -> Outcome<(StatusWord, bool, Vec<u8>)> {
        let [class, instruction, p1, p2] = header;
        let command = Command {
            class,
            instruction,
            p1,
            p2,
            data,
            expected: Some(256),
        };
        let mut buffer = [0; 261];
        let apdu = self
            .channel
            .wrap(&command, &mut buffer)
            .map_err(|_| Failure::NotGenuine)?;
        let octets = card.transmit(apdu);
        assert!(octets.len() <= LONGEST_RESPONSE && apdu.len() <= LONGEST_RESPONSE);
        let mut buffer = [0; 258];
        if octets.is_empty() {
            return Err(Failure::Gone);
        }
        match self
            .channel
            .unwrap(&octets, &mut buffer)
            .map_err(|_| Failure::NotGenuine)?
        {
            Reply::Authenticated(response) => {
                let status = response.status();
                Ok((status, true, response.checked(status).unwrap().to_vec()))
            }
            Reply::Unauthenticated(response) => Ok((response.status(), false, Vec::new())),
        }
    }

    /// A command, chained if it is long.
    pub fn send(
        &mut self,
        card: &mut Card,
        header: [u8; 4],
        data: &[u8],
    ) -> Outcome<(StatusWord, bool, Vec<u8>)> {
        let [class, rest @ ..] = header;
        let [instruction, p1, p2] = rest;
        let blocks: Vec<&[u8]> = data.chunks(card_spec::scp03::MAX_COMMAND_DATA).collect();
        let Some((last, before)) = blocks.split_last() else {
            return self.exchange(card, header, &[]);
        };
        for block in before {
            let (status, _, _) = self.exchange(card, [class | 0x10, instruction, p1, p2], block)?;
            if status != StatusWord::SUCCESS {
                return Err(Failure::Refused(status));
            }
        }
        self.exchange(card, header, last)
    }

    /// A command that must succeed.
    pub fn done(&mut self, card: &mut Card, header: [u8; 4], data: &[u8]) -> Outcome<Vec<u8>> {
        match self.send(card, header, data)? {
            (StatusWord::SUCCESS, true, data) => Ok(data),
            (status, _, _) => Err(Failure::Refused(status)),
        }
    }

    /// The status word of a command.
    pub fn status(&mut self, card: &mut Card, header: [u8; 4], data: &[u8]) -> u16 {
        self.send(card, header, data).unwrap().0.0
    }
}

pub fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}
