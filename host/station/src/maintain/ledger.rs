//! Does what a maintenance asks of ledger and keys.

use std::collections::BTreeSet;

use ansinh_issuance::maintenance::{
    Act, Event, Fact, KnownCard, KnownVersion, Order, ReadReceipt, ScriptDraft, Sighting, Standing, Step,
    VersionDraft,
};
use ansinh_issuance::{Failure, Station};
use ansinh_payout::{carried_payment, vietnam_time};
use ansinh_store::cards::{BlockReason, CardState};
use ansinh_store::issuer_log::{Issuer, SignedObject};
use ansinh_store::maintenance::{CardReceipt, Dossier, NewVersion, SeenReceipt};
use ansinh_store::operators::Actor;
use ansinh_store::{Fact as StoredFact, Store, StoreError};
use ansinh_verifier::AwsLc;
use card_spec::list::BlockReason as Reason;
use card_spec::scp03::ChipSerial;
use card_spec::script::{IssuerScript, MAXIMUM_LENGTH};
use card_spec::signed::{Signed, sign};
use card_spec::values::CardNumber;

use crate::issue::IssuingKeys;
use crate::issue::ledger::{SigningFailure, key_failure, person_record};

/// Which cards a job is for.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// The one in the reader, whichever it is.
    Any,
    /// This one.
    One(CardNumber),
    /// Those that no longer say what the ledger says.
    Due(BTreeSet<CardNumber>),
}

/// Ledger and keys as one reader uses them.
pub struct Ledger<'a> {
    /// The store.
    pub store: &'a Store,
    /// Who does it.
    pub actor: &'a Actor,
    /// The keys.
    pub keys: &'a IssuingKeys,
    /// Certificates and terms.
    pub station: &'a Station,
    /// Name of the reader, for the journal.
    pub reader: &'a str,
    /// Which cards the job is for.
    pub chosen: &'a Chosen,
}

impl Ledger<'_> {
    /// Answers a step that concerns ledger or keys; any other one is given back.
    ///
    /// # Errors
    /// The step, if it is for card or operator.
    pub fn answer(&self, step: Step) -> Result<Event, Step> {
        let answer = match step {
            Step::FindKeys(chip) => self.find_keys(&chip),
            Step::FindCard(chip) => self.find_card(&chip),
            Step::Write(number, fact) => self.write(&number, fact),
            Step::SignVersion(draft) => self.sign_version(&draft),
            Step::SignScript(draft) => self.sign_script(&draft),
            other => return Err(other),
        };
        Ok(answer.unwrap_or_else(Event::Refused))
    }

    fn find_keys(&self, chip: &ChipSerial) -> Result<Event, Failure> {
        self.store.delivery_of(chip).map_err(|error| match error {
            StoreError::NotFound { .. } => Failure::UnknownChip,
            other => ledger_failure(other),
        })?;
        let keys = self.keys.issuer_keys(chip).map_err(key_failure)?;
        Ok(Event::Keys(Box::new(keys)))
    }

    fn find_card(&self, chip: &ChipSerial) -> Result<Event, Failure> {
        let dossier = self.store.dossier(chip).map_err(ledger_failure)?;
        let dossier = dossier.ok_or(Failure::UnrecordedCard)?;
        self.require_chosen(&dossier.card.number)?;
        let standing = standing(&dossier)?;
        // After the dossier: a change that comes between the two is not taken for one that the card will have.
        let person = self.store.holder(&dossier.card.person).map_err(ledger_failure)?;
        let mut groups = dossier.groups;
        let newest = dossier.versions.last().map(|version| version.version);
        let versions = dossier.versions.into_iter().map(|version| KnownVersion {
            groups: groups.take_if(|_| newest == Some(version.version)),
            cso: version.cso,
            confirmed: version.confirmed,
        });
        Ok(Event::Card(Box::new(KnownCard {
            number: dossier.card.number,
            reference: dossier.card.person,
            standing,
            versions: versions.collect(),
            open_scripts: dossier.open_scripts,
            receipts_to: dossier.receipts_to,
            not_handed: dossier.not_handed,
            person: person_record(person),
            change: dossier.change,
        })))
    }

    fn require_chosen(&self, number: &CardNumber) -> Result<(), Failure> {
        match self.chosen {
            Chosen::One(chosen) if chosen != number => Err(Failure::OtherCard),
            Chosen::Due(due) if !due.contains(number) => Err(Failure::NothingDue),
            _ => Ok(()),
        }
    }

    fn write(&self, number: &CardNumber, fact: Fact) -> Result<Event, Failure> {
        let Self {
            store, actor, reader, ..
        } = self;
        match fact {
            Fact::About(act) => self.about(number, act, reader),
            Fact::Blocked(reason) => store.block(actor, number, stored_reason(reason)),
            Fact::Seen(Sighting {
                version,
                counter,
                receipts,
            }) => {
                let receipts = receipts.into_iter().map(|receipt| self.seen_receipt(receipt));
                let receipts: Result<Vec<_>, _> = receipts.collect();
                receipts.and_then(|receipts| store.card_seen(actor, number, version, counter, &receipts))
            }
            Fact::PinSet => store.log_operation(actor, "pin-set", &number.to_string()),
        }
        .map_err(ledger_failure)?;
        Ok(Event::Written)
    }

    fn seen_receipt(&self, receipt: ReadReceipt) -> Result<SeenReceipt, StoreError> {
        let receipt = card_receipt(receipt);
        Ok(SeenReceipt {
            payment: carried_payment(self.store, &receipt)?,
            receipt,
        })
    }

    fn about(&self, number: &CardNumber, act: Act, reader: &str) -> Result<(), StoreError> {
        let about = StoredFact::About {
            step: act.name(),
            note: None,
        };
        self.store.record(number, &[about], reader)
    }

    fn sign_version(&self, draft: &VersionDraft) -> Result<Event, Failure> {
        let reference = self.station.issuer();
        let issuer = Issuer {
            reference: reference.as_str(),
            certificate_hash: self.station.certificate_hash(),
        };
        let new = NewVersion {
            version: draft.cso.version(),
            groups: &draft.groups,
            change: draft.change,
        };
        let number = draft.cso.card_number();
        let cso = self
            .store
            .release_version(self.actor, &number, new, issuer, |position| {
                self.keys.sign_cso(self.station, &draft.cso, position)
            });
        cso.map(Event::Signed).map_err(signing_failure)
    }

    fn sign_script(&self, draft: &ScriptDraft) -> Result<Event, Failure> {
        let issued = vietnam_time().map_err(|error| Failure::Keys(error.to_string()))?;
        let object = self.store.sign_script(
            self.actor,
            &draft.card_number,
            draft.counter,
            draft.issuer,
            |block_list| draft.order.action(block_list),
            |action| self.sign(draft.at(issued, action)),
        );
        object
            .map(Event::Signed)
            .map_err(|failure| match (failure, draft.order) {
                (SigningFailure::Ledger(StoreError::WrongState { .. }), Order::Unblock) => {
                    Failure::NotUnblockable
                }
                (SigningFailure::Ledger(StoreError::WrongState { .. }), Order::Reverse(_)) => {
                    Failure::NothingToUndo
                }
                (other, _) => signing_failure(other),
            })
    }

    /// Runs within the transaction that stores the script: one that does not verify leaves no trace.
    fn sign(&self, script: IssuerScript) -> Result<SignedObject, SigningFailure> {
        let mut buffer = [0; MAXIMUM_LENGTH];
        let object = sign(&script, self.keys.signing(), &mut buffer)?;
        let verified = Signed::<IssuerScript>::parse(object)
            .ok()
            .and_then(|script| script.verify(&AwsLc, self.station.issuer_key()).ok())
            .ok_or(SigningFailure::NotVerified)?;
        Ok(SignedObject {
            body_hash: verified.hash(),
            object: object.to_vec(),
        })
    }
}

fn standing(dossier: &Dossier) -> Result<Standing, Failure> {
    match dossier.card.state {
        CardState::Active => Ok(Standing::Active),
        CardState::Blocked => {
            let reason = dossier.blocked.and_then(|reason| Reason::from_byte(reason as u8));
            reason.map(Standing::Blocked).ok_or(Failure::LedgerCso)
        }
        CardState::Abandoned => Err(Failure::RetiredChip),
        CardState::Planned | CardState::KeysReplaced | CardState::KeysGenerated | CardState::CsoReleased => {
            Ok(Standing::Unfinished)
        }
    }
}

/// DATA 4 numbers the reasons; card and ledger have an enumeration each.
const fn stored_reason(reason: Reason) -> BlockReason {
    match reason {
        Reason::Lost => BlockReason::Lost,
        Reason::Stolen => BlockReason::Stolen,
        Reason::Replaced => BlockReason::Replaced,
        Reason::HolderDeceased => BlockReason::Deceased,
        Reason::EntitlementEnded => BlockReason::Ended,
        Reason::IssuanceFailed => BlockReason::IssuanceFailed,
    }
}

fn card_receipt(receipt: ReadReceipt) -> CardReceipt {
    CardReceipt {
        counter: receipt.counter,
        kind: receipt.kind,
        object_hash: receipt.object_hash,
        receipt: receipt.receipt,
        object: receipt.object,
    }
}

fn ledger_failure(error: StoreError) -> Failure {
    match error {
        StoreError::WrongState { .. } => Failure::BlockedCard,
        other => Failure::Ledger(other.to_string()),
    }
}

fn signing_failure(failure: SigningFailure) -> Failure {
    match failure {
        SigningFailure::Ledger(error) => ledger_failure(error),
        other => other.into(),
    }
}
