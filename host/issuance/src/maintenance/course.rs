//! The order of things on an issued card: session, what the card says, what the ledger has to learn, then the job.

use card_spec::apdu::StatusWord;
use card_spec::command::instruction::EXECUTE_ISSUER_SCRIPT;
use card_spec::command::{CardStatus, LifeCycle, Pin};
use card_spec::crypto::Digest;
use card_spec::cso::CardSecurityObject;
use card_spec::groups::Salt;
use card_spec::list::BlockReason;
use card_spec::payment::ReceiptKind;
use card_spec::refusal::Refusal as Decision;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;

use super::script::SignedScript;
use super::sighting::{read_receipt, read_receipts, verify};
use super::{
    Act, Deed, Fact, Job, KnownCard, Order, Outcome, ReadReceipt, ScriptDraft, Sighting, Standing, Step,
    Talk, VersionDraft,
};
use crate::exchange::Desk;
use crate::opening::{Greeting, select};
use crate::session::{Instruction, Session};
use crate::station::CheckedCso;
use crate::{DataGroups, Failure, Randomness, Station};

/// One job, from SELECT to its end.
pub(super) async fn maintain(
    desk: Desk<Talk>,
    station: &Station,
    job: Job,
    random: Randomness,
) -> Result<Outcome, Failure> {
    run(desk, station, job, random)
        .await
        .map_err(|failure| match failure {
            // The texts of these are for cards that are still being made.
            Failure::CardRefused { command, status } => Failure::JobRefused { command, status },
            Failure::CardFull => Failure::JobRefused {
                command: "STORE DATA",
                status: StatusWord::NOT_ENOUGH_MEMORY,
            },
            Failure::Malformed(what) => Failure::JobMalformed(what),
            other => other,
        })
}

async fn run(desk: Desk<Talk>, station: &Station, job: Job, random: Randomness) -> Result<Outcome, Failure> {
    let life_cycle = select(&desk).await?;
    match life_cycle {
        LifeCycle::Blank => return Err(Failure::BlankChip),
        LifeCycle::Personalizing => return Err(Failure::UnfinishedCard),
        LifeCycle::Active | LifeCycle::Blocked | LifeCycle::Terminated => {}
    }
    let greeting = Greeting::exchange(&desk, random.host_challenge).await?;
    if greeting.is_blank() {
        return Err(Failure::BlankChip);
    }
    let (chip, key_version) = (greeting.chip(), greeting.key_version());
    let keys = desk.issuer_keys(chip).await?;
    let recognized = greeting.recognize(&keys)?;
    let card = desk.card(chip).await?;
    refuse_by_ledger(job, card.standing)?;
    // No card transaction is held while somebody types; the chip keeps its power and its challenge meanwhile.
    let pin = match (job, life_cycle) {
        (Job::NewPin, LifeCycle::Active) => Some(desk.new_pin(card.number).await?),
        _ => None,
    };
    let mut session = recognized.open(&desk).await?;
    let status = session.status().await?;
    if status.key_version != key_version {
        return Err(Failure::Malformed("GET DATA"));
    }
    let (cso, confirmed) = in_force(station, &card, &status)?;
    let mut work = Work {
        desk,
        session,
        station,
        card,
        cso: cso.body,
        status,
        new_receipts: 0,
        undone_before: 0,
    };
    work.catch_up(confirmed).await?;
    let deed = work.perform(job, pin, &random.salts, confirmed).await?;
    Ok(work.outcome(deed))
}

/// What the ledger alone forbids, before the card's session is opened.
fn refuse_by_ledger(job: Job, standing: Standing) -> Result<(), Failure> {
    match (job, standing) {
        (_, Standing::Unfinished) => Err(Failure::UnfinishedCard),
        (Job::NewPin | Job::Update | Job::UndoPayments, Standing::Blocked(_)) => Err(Failure::BlockedCard),
        (Job::Unblock, Standing::Blocked(_)) => Err(Failure::NotUnblockable),
        _ => Ok(()),
    }
}

/// The version that the card says is in force, among those that the ledger released; and whether the ledger knew it to be
/// on the card. Another one was released after the backup that the ledger was restored from: nothing may be built on it.
fn in_force(station: &Station, card: &KnownCard, status: &CardStatus) -> Result<(CheckedCso, bool), Failure> {
    for version in &card.versions {
        let signed = Signed::<CardSecurityObject>::parse(&version.cso).map_err(|_| Failure::LedgerCso)?;
        if status.cso_hash != Some(signed.hash()) {
            continue;
        }
        let cso = station.check_card(&version.cso, card.number)?;
        if cso.body.person != card.reference {
            return Err(Failure::LedgerCso);
        }
        return Ok((cso, version.confirmed));
    }
    Err(Failure::UnrecordedCso)
}

/// An authenticated session on a card that the ledger knows.
struct Work<'a> {
    desk: Desk<Talk>,
    session: Session<Talk>,
    station: &'a Station,
    card: KnownCard,
    /// In force.
    cso: CardSecurityObject,
    status: CardStatus,
    new_receipts: usize,
    /// Payments that a run before this one has undone, which the ledger learns now.
    undone_before: usize,
}

impl Work<'_> {
    /// Tells the ledger what it does not know: receipts, which scripts were executed, the version in force.
    async fn catch_up(&mut self, confirmed: bool) -> Result<(), Failure> {
        let counter = self.status.counter;
        let newest_script = self.card.open_scripts.iter().max().copied().unwrap_or_default();
        if counter < self.card.receipts_to.max(newest_script) {
            return Err(Failure::RewoundCard);
        }
        let decided = self.card.open_scripts.iter().any(|script| *script < counter);
        if confirmed && !decided && counter == self.card.receipts_to {
            return Ok(());
        }
        let receipts =
            read_receipts(&mut self.session, &self.cso, &self.status, self.card.receipts_to).await?;
        self.new_receipts = receipts.len();
        let undone: Vec<Digest> = receipts.iter().filter_map(undone_by).collect();
        let before = self.card.not_handed.len();
        self.card
            .not_handed
            .retain(|order_hash| !undone.contains(order_hash));
        self.undone_before = before.saturating_sub(self.card.not_handed.len());
        self.seen(receipts).await
    }

    async fn seen(&self, receipts: Vec<ReadReceipt>) -> Result<(), Failure> {
        let sighting = Sighting {
            version: self.cso.version,
            counter: self.status.counter,
            receipts,
        };
        self.record(Fact::Seen(sighting)).await
    }

    async fn perform(
        &mut self,
        job: Job,
        pin: Option<Pin>,
        salts: &[Salt; 5],
        confirmed: bool,
    ) -> Result<Deed, Failure> {
        match job {
            Job::Inspect => Ok(Deed::Inspected),
            Job::NewPin => self.new_pin(pin).await,
            Job::Block(reason) => self.block(reason).await,
            Job::Unblock => self.unblock().await,
            // A run before this one had put it in force.
            Job::Update if !confirmed => Ok(Deed::Updated),
            Job::Update => self.update(salts).await,
            Job::Terminate(reason) => self.terminate(reason).await,
            Job::UndoPayments => self.undo_payments().await,
        }
    }

    /// A script `09` for each payment whose money was not handed over (SPEC 13.7). What the card has undone already, be it by a
    /// terminal whose journal has not told of it yet, it refuses, and the next one follows.
    async fn undo_payments(&mut self) -> Result<Deed, Failure> {
        self.require_active()?;
        let (mut undone, mut left) = (self.undone_before, 0);
        for order_hash in std::mem::take(&mut self.card.not_handed) {
            match self.carry_out(Order::Reverse(order_hash)).await {
                Ok(()) => undone += 1,
                Err(Failure::CardRefused { status, .. }) if is_not_possible(status) => left += 1,
                Err(other) => return Err(other),
            }
        }
        match (undone, left) {
            (0, 0) => Err(Failure::NothingToUndo),
            _ => Ok(Deed::PaymentsUndone { undone, left }),
        }
    }

    /// Script `02`, unless its permission is still open, then the PIN (SPEC 13.4).
    async fn new_pin(&mut self, pin: Option<Pin>) -> Result<Deed, Failure> {
        self.require_active()?;
        let pin = pin.ok_or(Failure::Malformed("SELECT"))?;
        if self.status.flags & CardStatus::PIN_PERMITTED == 0 {
            self.carry_out(Order::PermitNewPin).await?;
        }
        self.record(Fact::About(Act::SetPin)).await?;
        self.session.change_pin(&pin).await?;
        self.record(Fact::PinSet).await?;
        self.status = self.session.status().await?;
        Ok(Deed::PinSet)
    }

    async fn block(&mut self, reason: BlockReason) -> Result<Deed, Failure> {
        self.require_not_terminated()?;
        self.block_in_ledger(reason).await?;
        if self.status.life_cycle == LifeCycle::Active {
            self.carry_out(Order::Block(reason)).await?;
        }
        Ok(Deed::Blocked)
    }

    /// Ledger first: from then on no terminal that hears of it pays, whatever becomes of the chip.
    async fn block_in_ledger(&mut self, reason: BlockReason) -> Result<(), Failure> {
        self.record(Fact::Blocked(reason)).await?;
        self.card.standing = Standing::Blocked(reason);
        Ok(())
    }

    /// Ledger first: an approver has lifted the block. The script lets the card outlive the block lists that name it (SPEC 13.5).
    async fn unblock(&mut self) -> Result<Deed, Failure> {
        self.require_not_terminated()?;
        if self.status.life_cycle == LifeCycle::Blocked {
            self.carry_out(Order::Unblock).await?;
        }
        Ok(Deed::Unblocked)
    }

    async fn terminate(&mut self, reason: BlockReason) -> Result<Deed, Failure> {
        self.block_in_ledger(reason).await?;
        if self.status.life_cycle != LifeCycle::Terminated {
            self.carry_out(Order::Terminate(reason)).await?;
        }
        Ok(Deed::Terminated)
    }

    /// A version that was signed and is not in force yet is put in force; else the next one is signed (SPEC 13.6).
    async fn update(&mut self, salts: &[Salt; 5]) -> Result<Deed, Failure> {
        self.require_active()?;
        let (cso, groups, checked) = match self.released() {
            Some(released) => released,
            None => self.release(salts).await?,
        };
        self.record(Fact::About(Act::LoadUpdate(checked.body.version)))
            .await?;
        let objects = self.station.load(&cso, &groups);
        self.session.store_data(&objects).await?;
        let receipt = self.execute(Order::PutInForce(checked.hash)).await?;
        if self.status.cso_hash != Some(checked.hash) {
            return Err(NO_RECEIPT);
        }
        self.cso = checked.body;
        self.seen(vec![receipt]).await?;
        Ok(Deed::Updated)
    }

    /// The newest version that waits to be put in force, if it can be.
    fn released(&self) -> Option<(Vec<u8>, DataGroups, CheckedCso)> {
        let version = self.card.versions.last().filter(|version| !version.confirmed)?;
        let groups = DataGroups::parse(version.groups.as_deref()?).ok()?;
        let checked = self.station.check(&version.cso, self.card.number, &groups).ok()?;
        let fits = checked.body.version > self.cso.version
            && checked.body.issuer == self.station.issuer()
            && checked.body.expiry >= self.station.terms().today;
        fits.then(|| (version.cso.clone(), groups, checked))
    }

    async fn release(&self, salts: &[Salt; 5]) -> Result<(Vec<u8>, DataGroups, CheckedCso), Failure> {
        let groups = DataGroups::build(&self.card.person, self.station.terms(), salts)?;
        let newest = self.card.versions.last().ok_or(Failure::LedgerCso)?;
        let newest = Signed::<CardSecurityObject>::parse(&newest.cso).map_err(|_| Failure::LedgerCso)?;
        let draft = self
            .station
            .draft_update(&self.cso, newest.claimed().version, &groups)?;
        let draft = VersionDraft {
            cso: draft,
            groups: groups.encoding().to_vec(),
            change: self.card.change,
        };
        let cso = self.desk.signed(Step::SignVersion(Box::new(draft))).await?;
        let checked = self.station.check(&cso, self.card.number, &groups)?;
        Ok((cso, groups, checked))
    }

    /// A script that leaves the version as it is.
    async fn carry_out(&mut self, order: Order) -> Result<(), Failure> {
        let receipt = self.execute(order).await?;
        self.seen(vec![receipt]).await
    }

    /// EXECUTE ISSUER SCRIPT (SPEC 13.1). The ledger has the script before the card does.
    async fn execute(&mut self, order: Order) -> Result<ReadReceipt, Failure> {
        let draft = ScriptDraft {
            issuer: self.station.issuer(),
            card_number: self.card.number,
            counter: self.status.counter,
            order,
        };
        let object = self.desk.signed(Step::SignScript(draft)).await?;
        let script = SignedScript::check(object, &draft, self.station)?;
        let message = self.station.message(&self.cso, script.object());
        let instruction = Instruction("EXECUTE ISSUER SCRIPT", [EXECUTE_ISSUER_SCRIPT, 0x00, 0x00]);
        let answer = self.session.chain(instruction, &message).await?;
        let receipt = self.receipt_of(&script, &answer)?;
        self.status = self.session.status().await?;
        if self.status.counter != receipt.counter {
            return Err(NO_RECEIPT);
        }
        Ok(receipt)
    }

    /// The receipt that the script was executed, next in the card's chain.
    fn receipt_of(&self, script: &SignedScript, answer: &[u8]) -> Result<ReadReceipt, Failure> {
        let counter = self.status.counter.checked_add(1).ok_or(NO_RECEIPT)?;
        let receipt = verify(answer, &self.cso, counter).map_err(|_| NO_RECEIPT)?;
        let right = receipt.kind == ReceiptKind::IssuerScript
            && receipt.object_hash == script.hash
            && Some(receipt.previous) == self.status.head;
        if !right {
            return Err(NO_RECEIPT);
        }
        Ok(read_receipt(&receipt, script.object().to_vec()))
    }

    fn require_active(&self) -> Result<(), Failure> {
        self.require_not_terminated()?;
        if self.status.life_cycle == LifeCycle::Blocked {
            return Err(Failure::BlockedCard);
        }
        Ok(())
    }

    fn require_not_terminated(&self) -> Result<(), Failure> {
        match self.status.life_cycle {
            LifeCycle::Active | LifeCycle::Blocked => Ok(()),
            LifeCycle::Terminated => Err(Failure::TerminatedCard),
            LifeCycle::Blank | LifeCycle::Personalizing => Err(Failure::Malformed("GET DATA")),
        }
    }

    async fn record(&self, fact: Fact) -> Result<(), Failure> {
        self.desk.record(self.card.number, fact).await
    }

    fn outcome(self, deed: Deed) -> Outcome {
        Outcome {
            number: self.card.number,
            deed,
            version: self.cso.version,
            standing: self.card.standing,
            status: self.status,
            new_receipts: self.new_receipts,
        }
    }
}

/// The card's decision that what a script asks for is not possible (SPEC 13.2).
fn is_not_possible(status: StatusWord) -> bool {
    Decision::from_status(status) == Some(Decision::NotPossible)
}

/// The order that an issuer script undid, if this is its receipt.
fn undone_by(receipt: &ReadReceipt) -> Option<Digest> {
    let script = Signed::<IssuerScript>::parse(&receipt.object).ok()?;
    match script.claimed().action {
        Action::Reverse(order_hash) if script.hash() == receipt.object_hash => Some(order_hash),
        _ => None,
    }
}

/// The authenticated answer to a script is no receipt for it.
const NO_RECEIPT: Failure = Failure::Malformed("EXECUTE ISSUER SCRIPT");
