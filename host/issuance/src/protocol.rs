//! The order of things (SPEC 6), from SELECT to ACTIVATE, on a new chip or on one that was torn anywhere before.
//!
//! Each step on the chip is in the ledger's journal before it is taken, and each fact about the chip is in the ledger
//! before the next step builds on it. So whatever is lost, card and ledger together tell what is still to be done. A fact is
//! committed together with the journal of the next step: one commit before each command that changes the chip, one at the end.

use core::mem;

use card_spec::command::instruction::{ACTIVATE, GENERATE_KEY_PAIR, PUT_KEY};
use card_spec::command::{CardStatus, LifeCycle, Pin};
use card_spec::crypto::{Digest, SecretKey};
use card_spec::groups::Salt;
use card_spec::scp03::{PUT_KEY_P2, encode_put_key, put_key_response};
use card_spec::values::CardNumber;

use crate::machine::{Desk, Personalization};
use crate::opening::{Greeting, select};
use crate::proof::Question;
use crate::session::{Instruction, Session};
use crate::{
    Assignment, CardKeys, DataGroups, Done, End, Failure, JournalStep, LedgerWrite, Plastic, Progress,
    ProvenKeys, Randomness, Station,
};

/// The whole personalization.
pub(crate) async fn personalize(desk: Desk, station: &Station, random: Randomness) -> Result<Done, Failure> {
    let Randomness {
        host_challenge,
        nonce,
        ephemeral,
        salts,
    } = random;
    let life_cycle = select(&desk).await?;
    if matches!(life_cycle, LifeCycle::Blocked | LifeCycle::Terminated) {
        return Err(Failure::ClosedCard);
    }
    let greeting = Greeting::exchange(&desk, host_challenge).await?;
    let keys = desk.find_keys(greeting.chip()).await?;
    let (chip, key_version, blank) = (greeting.chip(), greeting.key_version(), greeting.is_blank());
    let present = if blank { &keys.transport } else { &keys.issuer };
    let recognized = greeting.recognize(present)?;

    let Some(card) = desk.claim(chip, blank).await? else {
        return Ok(Done::NobodyWaiting);
    };
    if blank && card.progress != Progress::Claimed {
        // The keys had been replaced: a chip does not go back.
        return Err(Failure::CopiedChip);
    }
    if card.progress == Progress::Active {
        return Ok(Done::AlreadyIssued(card.number));
    }
    // Before anything is written to the chip: a person whose data do not fit costs no chip.
    let groups = data_groups(station, &card, &salts)?;
    // No card transaction is held while somebody types; the chip keeps its power and its challenge meanwhile.
    let pin = if life_cycle == LifeCycle::Active {
        None
    } else {
        Some(desk.pin(card.number).await?)
    };
    let session = recognized.open(&desk).await?;

    let number = card.number;
    let work = Work {
        desk: desk.clone(),
        session,
        station,
        card: *card,
        learned: Vec::new(),
    };
    let result = work
        .finish(
            blank.then_some(&*keys),
            key_version,
            pin,
            nonce,
            ephemeral,
            &groups,
        )
        .await;
    if let Err(failure) = &result
        && failure.plastic() == Plastic::Spoilt
    {
        desk.end(number, End::GivenUp).await?;
    }
    result
}

/// The groups that the released CSO covers; else those of the person's record as it is today.
fn data_groups(station: &Station, card: &Assignment, salts: &[Salt; 5]) -> Result<DataGroups, Failure> {
    match &card.progress {
        Progress::Released { groups, .. } => DataGroups::parse(groups),
        _ => DataGroups::build(&card.person, station.terms(), salts),
    }
}

/// An authenticated session on the chip of one card.
struct Work<'a> {
    desk: Desk,
    session: Session<Personalization>,
    station: &'a Station,
    card: Assignment,
    /// What the chip has shown and the ledger does not know yet.
    learned: Vec<LedgerWrite>,
}

impl Work<'_> {
    /// Everything that is still to be done. `blank_keys`: the chip has its transport keys still.
    async fn finish(
        mut self,
        blank_keys: Option<&CardKeys>,
        key_version: u8,
        pin: Option<Pin>,
        nonce: [u8; 16],
        ephemeral: SecretKey,
        groups: &DataGroups,
    ) -> Result<Done, Failure> {
        let status = match blank_keys {
            Some(keys) => self.replace_keys(keys, key_version).await?,
            None => self.resume(key_version).await?,
        };
        let released = match &self.card.progress {
            Progress::Released { cso, .. } => Some(cso.clone()),
            _ => None,
        };
        let hash = released
            .as_ref()
            .map(|cso| self.station.check(cso, self.card.number, groups))
            .transpose()?
            .map(|checked| checked.hash);
        match status.life_cycle {
            LifeCycle::Active => return self.confirm(&status, hash).await,
            LifeCycle::Personalizing => {}
            LifeCycle::Blank => return Err(Failure::Malformed("GET DATA")),
            LifeCycle::Blocked | LifeCycle::Terminated => return Err(Failure::ClosedCard),
        }
        let pin = pin.ok_or(Failure::Malformed("SELECT"))?;
        match (released, hash) {
            (Some(_), Some(hash)) if is_loaded(&status, &hash) => {}
            (Some(cso), _) if status.flags & CardStatus::KEYS_PRESENT != 0 => {
                self.about(JournalStep::LoadData).await?;
                self.load(&cso, groups).await?;
            }
            (Some(_), _) => return Err(Failure::LostKeys),
            (None, _) => {
                let keys = self.prove_keys(&status, nonce, ephemeral).await?;
                let cso = self.release(&keys, groups).await?;
                self.load(&cso, groups).await?;
            }
        }
        self.set_pin(&pin).await?;
        self.activate().await
    }

    /// PUT KEY (SPEC 6.4): the transport keys are replaced before anything else.
    async fn replace_keys(&mut self, keys: &CardKeys, version: u8) -> Result<CardStatus, Failure> {
        let next = version
            .checked_add(1)
            .ok_or(Failure::Program("no key version is left"))?;
        let data =
            encode_put_key(next, &keys.issuer, &keys.transport.dek).map_err(|_| Failure::DefaultKeys)?;
        self.about(JournalStep::ReplaceKeys).await?;
        let answer = self
            .session
            .command(Instruction("PUT KEY", [PUT_KEY, 0x00, PUT_KEY_P2]), &data)
            .await?;
        if answer != put_key_response(next, &keys.issuer) {
            return Err(Failure::Malformed("PUT KEY"));
        }
        self.learned.push(LedgerWrite::KeysReplaced);
        Ok(CardStatus {
            life_cycle: LifeCycle::Personalizing,
            key_version: next,
            flags: 0,
            cso_hash: None,
            pin_tries: 0,
            counter: 0,
            head: None,
            date: None,
        })
    }

    /// A chip with the issuer's keys says what it has. A CSO that the ledger never released was released after the backup
    /// that the ledger was restored from: nothing is recorded, since the person may have this very card.
    async fn resume(&mut self, key_version: u8) -> Result<CardStatus, Failure> {
        let status = self.session.status().await?;
        if status.key_version != key_version {
            return Err(Failure::Malformed("GET DATA"));
        }
        let released = matches!(self.card.progress, Progress::Released { .. });
        if !released && (status.life_cycle == LifeCycle::Active || status.cso_hash.is_some()) {
            return Err(Failure::UnrecordedCso);
        }
        if self.card.progress == Progress::Claimed {
            self.learned.push(LedgerWrite::KeysReplaced);
        }
        Ok(status)
    }

    /// An active card whose activation the ledger does not know: right only if it carries the CSO released for it.
    async fn confirm(&mut self, status: &CardStatus, hash: Option<Digest>) -> Result<Done, Failure> {
        if hash.is_none() || status.cso_hash != hash {
            return Err(Failure::OtherCso);
        }
        self.desk.end(self.number(), End::Activated).await?;
        Ok(Done::Confirmed(self.card.number))
    }

    /// GENERATE ASYMMETRIC KEY PAIR (SPEC 6.5): new keys, or a proof of those whose answer was lost.
    async fn prove_keys(
        &mut self,
        status: &CardStatus,
        nonce: [u8; 16],
        ephemeral: SecretKey,
    ) -> Result<ProvenKeys, Failure> {
        let present = status.flags & CardStatus::KEYS_PRESENT;
        let question = Question::new(self.card.number, nonce, ephemeral);
        let mut buffer = [0; 128];
        let data = question.command_data();
        let data = data
            .encode(&mut buffer)
            .map_err(|_| Failure::Program("GENERATE does not fit"))?;
        self.about(JournalStep::ProveKeys).await?;
        let instruction = Instruction("GENERATE ASYMMETRIC KEY PAIR", [GENERATE_KEY_PAIR, present, 0x00]);
        let answer = self.session.command(instruction, data).await?;
        let keys = question.verify(&answer)?;
        self.learned.push(LedgerWrite::KeysProven(Box::new(keys)));
        Ok(keys)
    }

    /// The issuer's signature, once for each chip: from here on the card is finished or its number blocked. The loading that
    /// follows is announced with it.
    async fn release(&mut self, keys: &ProvenKeys, groups: &DataGroups) -> Result<Vec<u8>, Failure> {
        let draft = self.station.draft(&self.card, keys, groups)?;
        let release = JournalStep::ReleaseCso {
            groups: groups.encoding().to_vec(),
        };
        let mut writes = mem::take(&mut self.learned);
        writes.extend([release, JournalStep::LoadData].map(LedgerWrite::Journal));
        let cso = self.desk.sign(draft, writes).await?;
        let checked = self.station.check(&cso, self.card.number, groups)?;
        if checked.names(keys) {
            Ok(cso)
        } else {
            Err(Failure::LedgerCso)
        }
    }

    /// STORE DATA (SPEC 6.6). Block 00 starts anew, so that a torn load is simply repeated.
    async fn load(&mut self, cso: &[u8], groups: &DataGroups) -> Result<(), Failure> {
        let objects = self.station.load(cso, groups);
        self.session.store_data(&objects).await
    }

    /// CHANGE REFERENCE DATA (SPEC 6.8). A PIN that a torn run set is simply replaced.
    async fn set_pin(&mut self, pin: &Pin) -> Result<(), Failure> {
        self.about(JournalStep::SetPin).await?;
        self.session.change_pin(pin).await
    }

    /// ACTIVATE (SPEC 6.9).
    async fn activate(&mut self) -> Result<Done, Failure> {
        self.about(JournalStep::Activate).await?;
        self.session
            .command(Instruction("ACTIVATE", [ACTIVATE, 0x00, 0x00]), &[])
            .await?;
        self.desk.end(self.number(), End::Activated).await?;
        Ok(Done::Issued(self.card.number))
    }

    /// Commits what was learned of the chip, and the step that comes next.
    async fn about(&mut self, step: JournalStep) -> Result<(), Failure> {
        let mut writes = mem::take(&mut self.learned);
        writes.push(LedgerWrite::Journal(step));
        self.desk.write(self.number(), writes).await
    }

    fn number(&self) -> CardNumber {
        self.card.number
    }
}

/// Whether the card holds the whole of this CSO's data.
fn is_loaded(status: &CardStatus, hash: &Digest) -> bool {
    status.flags & CardStatus::DATA_LOADED != 0 && status.cso_hash.as_ref() == Some(hash)
}
