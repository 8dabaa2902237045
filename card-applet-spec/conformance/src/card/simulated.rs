//! The reference applet in this process: power can be cut at any write, and a blank card costs nothing.

use card_spec::scp03::ChipSerial;
use reference_applet::{Applet, Memory, PowerLost, Slot, blank};

use super::{Card, Cut, NoAnswer};
use crate::TransportKeys;
use crate::random::Random;

/// A card of SPEC.md without a chip.
pub struct SimulatedCard {
    applet: Applet<SlotMemory, Random>,
    transport: TransportKeys,
    seed: u64,
    made: u64,
}

impl SimulatedCard {
    /// A blank card with these transport keys. Its keys and challenges follow from the seed.
    ///
    /// # Errors
    /// [`NoAnswer`] when the applet takes no such keys.
    pub fn new(transport: &TransportKeys, seed: u64) -> Result<Self, NoAnswer> {
        Ok(Self {
            applet: make(transport, seed, 0)?,
            transport: transport.clone(),
            seed,
            made: 0,
        })
    }
}

fn make(transport: &TransportKeys, seed: u64, number: u64) -> Result<Applet<SlotMemory, Random>, NoAnswer> {
    let mut random = Random::new(seed, &format!("card {number}"));
    let serial: ChipSerial = random.octets();
    let mut memory = SlotMemory::new();
    blank(&mut memory, &serial, &transport.keys_of(&serial)).map_err(|error| NoAnswer(error.to_string()))?;
    memory.writes = 0;
    Ok(Applet::power_on(memory, random))
}

impl Card for SimulatedCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let answer = self.applet.transmit(command);
        if answer.len() < 2 {
            return Err(NoAnswer("the card has lost its power".to_owned()));
        }
        Ok(answer.to_vec())
    }

    fn power_cycle(&mut self) -> Result<(), NoAnswer> {
        self.applet.memory_mut().cut = None;
        self.applet.reset();
        Ok(())
    }

    fn replace_by_blank(&mut self) -> Result<(), NoAnswer> {
        self.made += 1;
        self.applet = make(&self.transport, self.seed, self.made)?;
        Ok(())
    }

    fn can_be_replaced(&self) -> bool {
        true
    }

    fn cut_power_at(&mut self, write: u32, side: Cut) -> Option<()> {
        let memory = self.applet.memory_mut();
        memory.writes = 0;
        memory.cut = Some((write, side));
        Some(())
    }

    fn can_be_cut(&self) -> bool {
        true
    }

    fn set_receipt_counter(&mut self, counter: u32) -> Option<()> {
        let memory = self.applet.memory_mut();
        for place in 0..RING {
            memory.copy(Slot::ReceiptObject(FIRST_RECEIPT), Slot::ReceiptObject(place))?;
            memory.copy(Slot::Receipt(FIRST_RECEIPT), Slot::Receipt(place))?;
        }
        let ledger = memory.slot_mut(Slot::Ledger)?;
        let at = ledger.windows(6).position(|member| member == COUNTER_AT_1)?;
        ledger
            .get_mut(at + 2..at + 6)?
            .copy_from_slice(&counter.to_be_bytes());
        Some(())
    }

    fn receipt_counter_can_be_set(&self) -> bool {
        true
    }
}

/// Places for receipts in the reference applet: the 32 of SPEC 9.7 and a spare one.
const RING: u8 = 33;
/// Where it keeps its first receipt.
const FIRST_RECEIPT: u8 = 1;
/// The receipt counter in its ledger after that receipt.
const COUNTER_AT_1: [u8; 6] = [0x82, 4, 0, 0, 0, 1];

/// Slots in a vector that counts its writes.
struct SlotMemory {
    slots: Vec<Vec<u8>>,
    writes: u32,
    cut: Option<(u32, Cut)>,
}

impl SlotMemory {
    fn new() -> Self {
        Self {
            slots: vec![Vec::new(); usize::from(Slot::COUNT)],
            writes: 0,
            cut: None,
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> Option<&mut Vec<u8>> {
        self.slots.get_mut(usize::from(slot.index()))
    }

    fn copy(&mut self, from: Slot, to: Slot) -> Option<()> {
        *self.slot_mut(to)? = self.read(from).to_vec();
        Some(())
    }
}

impl Memory for SlotMemory {
    fn read(&self, slot: Slot) -> &[u8] {
        self.slots
            .get(usize::from(slot.index()))
            .map_or(&[], Vec::as_slice)
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), PowerLost> {
        let number = self.writes;
        self.writes += 1;
        let cut = self.cut.filter(|(at, _)| *at == number).map(|(_, side)| side);
        if cut != Some(Cut::Before)
            && let Some(slot) = self.slot_mut(slot)
        {
            bytes.clone_into(slot);
        }
        if cut.is_some() { Err(PowerLost) } else { Ok(()) }
    }
}
