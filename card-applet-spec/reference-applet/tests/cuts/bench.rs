//! A card at a host, and what the host does with it step by step.

#![allow(unreachable_pub, reason = "a module of one test")]

use std::rc::Rc;

use card_spec::command::{CardStatus, GeneratedKeys, LifeCycle, PIN_REFERENCE, Pin, VerifyData};
use card_spec::values::Amount;
use reference_applet::Applet;

use crate::common::issuer::{IssuerHost, Office, Plan, objects};
use crate::common::scripts::{EXECUTE, command};
use crate::common::terminal::{Session, Terminal};
use crate::common::{Card, Failure, Outcome, TestMemory, TestRandom};

/// The persistent memory of a card, slot by slot.
pub type Image = Rc<Vec<Vec<u8>>>;

/// A card with power over a memory that some cut left.
pub fn power_on(image: &Image) -> Card {
    let memory = TestMemory {
        slots: image.to_vec(),
        log: Vec::new(),
        writes: 0,
        cut: None,
    };
    Applet::power_on(memory, TestRandom(0))
}

pub fn image_of(card: &Card) -> Image {
    Rc::new(card.memory().slots.clone())
}

/// A card and the session that a host has with it, which is opened when a step needs it.
pub struct Bench {
    pub card: Card,
    terminal: Rc<Terminal>,
    issuer: Option<IssuerHost>,
    till: Option<Session>,
    keys: Option<GeneratedKeys>,
}

impl Bench {
    pub fn power_on(image: &Image, terminal: &Rc<Terminal>) -> Self {
        Self {
            card: power_on(image),
            terminal: terminal.clone(),
            issuer: None,
            till: None,
            keys: None,
        }
    }

    /// Puts another memory under the session that is open: what a session holds does not come from what is cut.
    pub fn carry_to(&mut self, image: &Image) {
        let memory = self.card.memory_mut();
        memory.slots.clone_from(image);
        memory.log.clear();
    }

    pub fn issuer(&mut self) -> Outcome<(&mut IssuerHost, &mut Card)> {
        let host = match self.issuer.take() {
            Some(host) => host,
            None => IssuerHost::open(&mut self.card)?,
        };
        Ok((self.issuer.insert(host), &mut self.card))
    }

    pub fn till(&mut self) -> Outcome<(&mut Session, &mut Card)> {
        let session = match self.till.take() {
            Some(session) => session,
            None => self.terminal.open(&mut self.card)?,
        };
        Ok((self.till.insert(session), &mut self.card))
    }

    pub fn status(&mut self) -> Outcome<CardStatus> {
        let (host, card) = self.issuer()?;
        host.card_status(card)
    }

    /// A protected command in the issuer's session.
    pub fn issuer_sends(&mut self, header: [u8; 4], data: &[u8]) -> Outcome<Vec<u8>> {
        let (host, card) = self.issuer()?;
        host.secure.done(card, header, data)
    }

    /// A protected command in a terminal's session.
    pub fn till_sends(&mut self, header: [u8; 4], data: &[u8]) -> Outcome<Vec<u8>> {
        let (session, card) = self.till()?;
        session.secure.done(card, header, data)
    }

    /// VERIFY for one order; the status word.
    pub fn verify(&mut self, pin: [u8; 6]) -> Outcome<u16> {
        let data = VerifyData {
            pin: Pin::new(&pin).ok_or(Failure::NotGenuine)?,
            orders: 1,
            total: Amount::new(1_000_000).ok_or(Failure::NotGenuine)?,
        };
        let mut buffer = [0; 64];
        let data = data.encode(&mut buffer).map_err(|_| Failure::NotGenuine)?;
        let (session, card) = self.till()?;
        let (status, _, _) = session
            .secure
            .send(card, [0x80, 0x20, 0x00, PIN_REFERENCE], data)?;
        Ok(status.0)
    }

    /// CHANGE REFERENCE DATA by the holder. If its answer was lost the old PIN is wrong, and the new one is right.
    pub fn change_pin(&mut self, old: [u8; 6], new: [u8; 6]) -> Outcome<()> {
        let (session, card) = self.till()?;
        let header = [0x80, 0x24, 0x00, PIN_REFERENCE];
        match command(&mut session.secure, card, header, &[old, new].concat())? {
            (0x9000, _) => Ok(()),
            _ if self.verify(new)? == 0x9000 => Ok(()),
            _ => Err(Failure::NotGenuine),
        }
    }

    /// EXECUTE ISSUER SCRIPT in the issuer's session. A terminated card takes none, also not the one that terminated it.
    pub fn execute(&mut self, script: &[u8]) -> Outcome<()> {
        match self.issuer_sends(EXECUTE, script) {
            Err(Failure::Refused(_)) if self.status()?.life_cycle == LifeCycle::Terminated => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// CHANGE REFERENCE DATA by a permission, which may be used up already.
    pub fn set_pin(&mut self, pin: [u8; 6]) -> Outcome<()> {
        if self.status()?.flags & CardStatus::PIN_PERMITTED == 0 {
            return Ok(());
        }
        let (host, card) = self.issuer()?;
        host.set_pin(card, &pin)
    }

    /// PUT KEY, unless it was done.
    pub fn put_key(&mut self, version: u8) -> Outcome<()> {
        if self.status()?.key_version == version {
            return Ok(());
        }
        let (host, card) = self.issuer()?;
        host.put_key(card)
    }

    /// The key pairs, generated or proven; an active card has no more need of that.
    pub fn key_pairs(&mut self, plan: &Plan) -> Outcome<()> {
        let status = self.status()?;
        if status.life_cycle == LifeCycle::Active {
            return Ok(());
        }
        let present = status.flags & CardStatus::KEYS_PRESENT;
        let (host, card) = self.issuer()?;
        self.keys = Some(host.key_pairs(card, present, plan.number)?);
        Ok(())
    }

    /// STORE DATA, one block of what personalization loads; nothing if all of it is loaded.
    pub fn store_block(&mut self, office: &Office, plan: &Plan, number: usize) -> Outcome<()> {
        if self.status()?.flags & CardStatus::DATA_LOADED != 0 {
            return Ok(());
        }
        let keys = self.keys.as_ref().ok_or(Failure::NotGenuine)?;
        let data = objects(office, plan, keys).concatenated();
        self.store_part(&data, number)
    }

    /// STORE DATA, one block of an update; nothing if it is loaded, or in force.
    pub fn update_block(&mut self, data: &[u8], cso_hash: [u8; 32], number: usize) -> Outcome<()> {
        let status = self.status()?;
        if status.flags & CardStatus::UPDATE_LOADED != 0 || status.cso_hash == Some(cso_hash) {
            return Ok(());
        }
        self.store_part(data, number)
    }

    fn store_part(&mut self, data: &[u8], number: usize) -> Outcome<()> {
        let blocks: Vec<&[u8]> = data.chunks(223).collect();
        let p1 = if number + 1 == blocks.len() { 0x80 } else { 0x00 };
        let header = [0x80, 0xE2, p1, number as u8];
        self.issuer_sends(header, blocks[number]).map(drop)
    }

    /// The PIN that personalization sets, unless it is set.
    pub fn first_pin(&mut self, pin: [u8; 6]) -> Outcome<()> {
        if self.status()?.flags & CardStatus::PIN_SET != 0 {
            return Ok(());
        }
        let (host, card) = self.issuer()?;
        host.set_pin(card, &pin)
    }

    pub fn activate(&mut self) -> Outcome<()> {
        let (host, card) = self.issuer()?;
        host.activate(card)
    }
}
