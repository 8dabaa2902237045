//! Does what a personalization asks of ledger and keys.

use std::collections::BTreeMap;

use ansinh_issuance::person::{EntitlementRecord, RepresentativeRecord};
use ansinh_issuance::{
    Assignment, CardKeys, CsoDraft, End, Event, Failure, JournalStep, LedgerWrite, PersonRecord, Progress,
    Station, Step,
};
use ansinh_keys::{KeyError, MasterKeys, Passphrase, Role, SigningKey};
use ansinh_store::cards::{Card, CardState, Claim};
use ansinh_store::issuer_log::{Issuer, Position, SignedObject};
use ansinh_store::operators::Actor;
use ansinh_store::people::Holder;
use ansinh_store::{Fact, Store, StoreError};
use anyhow::{Result, ensure};
use card_spec::crypto::Sign as _;
use card_spec::cso::MAXIMUM_LENGTH;
use card_spec::scp03::{ChipSerial, StaticKeys};
use card_spec::signed::{SignError, sign};
use card_spec::values::CardNumber;

use crate::home::Home;

/// The keys that issuing needs, opened.
pub struct IssuingKeys {
    signing: SigningKey,
    cards: MasterKeys,
    deliveries: BTreeMap<String, MasterKeys>,
}

impl IssuingKeys {
    /// Opens the issuer's keys and the transport keys of all deliveries.
    ///
    /// # Errors
    /// A key file is missing, damaged, under another passphrase, or not that of the station's certificate.
    pub fn open(home: &Home, store: &Store, station: &Station, passphrase: &Passphrase) -> Result<Self> {
        let signing = home.signing_key(Role::Issuer, passphrase)?;
        ensure!(
            signing.public_key() == *station.issuer_key(),
            "the issuer's key: not the key of the certificate {}; no card can be issued. Restore both from the same backup",
            station.issuer()
        );
        let names = store.delivery_names()?;
        let deliveries = names.into_iter().map(|name| {
            let keys = home.transport_keys(&name, passphrase)?;
            Ok((name, keys))
        });
        Ok(Self {
            signing,
            cards: home.card_master_keys(passphrase)?,
            deliveries: deliveries.collect::<Result<_>>()?,
        })
    }

    /// The issuer's keys of a chip.
    pub(crate) fn issuer_keys(&self, chip: &ChipSerial) -> Result<StaticKeys, KeyError> {
        self.cards.card_keys(chip)
    }

    /// The issuer's signing key, which is that of the station's certificate.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Signs a CSO for its place in the issuer's sequence. Runs within the transaction that stores the CSO: one that does not
    /// verify leaves no trace.
    pub(crate) fn sign_cso(
        &self,
        station: &Station,
        draft: &CsoDraft,
        position: Position,
    ) -> Result<SignedObject, SigningFailure> {
        let mut buffer = [0; MAXIMUM_LENGTH];
        let body = draft.at(position.sequence, position.previous_hash);
        let object = sign(&body, &self.signing, &mut buffer)?;
        let verified = station.verify(object).ok_or(SigningFailure::NotVerified)?;
        Ok(SignedObject {
            body_hash: verified.hash(),
            object: object.to_vec(),
        })
    }
}

/// Ledger and keys as one reader uses them.
#[derive(Clone, Copy)]
pub struct Ledger<'a> {
    /// The store.
    pub store: &'a Store,
    /// Who issues.
    pub actor: &'a Actor,
    /// The keys.
    pub keys: &'a IssuingKeys,
    /// Certificates and terms.
    pub station: &'a Station,
    /// Province in new card numbers.
    pub province: u8,
    /// Name of the reader, for the journal.
    pub reader: &'a str,
}

impl Ledger<'_> {
    /// Answers a step that concerns ledger or keys; any other one is given back.
    ///
    /// # Errors
    /// The step, if it is for card or operator.
    pub fn answer(&self, step: Step) -> Result<Event, Step> {
        let answer = match step {
            Step::FindKeys(chip) => self.find_keys(&chip),
            Step::Claim { chip, blank } => self.claim(&chip, blank),
            Step::Write(number, writes) => self.write(&number, &writes),
            Step::End(number, end) => self.end(&number, end),
            Step::SignCso(draft, writes) => self.sign_cso(&draft, &writes),
            other => return Err(other),
        };
        Ok(answer.unwrap_or_else(Event::Refused))
    }

    /// Number of the card that the ledger has on a chip, for messages only.
    pub(crate) fn number_on(&self, chip: &ChipSerial) -> Option<CardNumber> {
        let card = self.store.card_by_chip(chip).ok().flatten();
        card.map(|card| card.number)
    }

    fn find_keys(&self, chip: &ChipSerial) -> Result<Event, Failure> {
        let delivery = self.store.delivery_of(chip).map_err(|error| match error {
            StoreError::NotFound { .. } => Failure::UnknownChip,
            other => ledger_failure(other),
        })?;
        let transport = self.keys.deliveries.get(&delivery.name);
        let transport = transport
            .ok_or_else(|| Failure::Keys("a delivery was added since the start: start again".to_owned()))?;
        Ok(Event::Keys(Box::new(CardKeys {
            transport: transport.card_keys(chip).map_err(key_failure)?,
            issuer: self.keys.cards.card_keys(chip).map_err(key_failure)?,
        })))
    }

    fn claim(&self, chip: &ChipSerial, blank: bool) -> Result<Event, Failure> {
        let card = if blank {
            match self
                .store
                .claim_next_person(self.actor, chip, self.reader, self.province)
                .map_err(ledger_failure)?
            {
                Claim::New(card) | Claim::Resumed(card) => card,
                Claim::NobodyWaiting => return Ok(Event::NobodyWaiting),
            }
        } else {
            self.store
                .card_by_chip(chip)
                .map_err(ledger_failure)?
                .ok_or(Failure::UnrecordedCard)?
        };
        let person = self.store.holder(&card.person).map_err(ledger_failure)?;
        Ok(Event::Assigned(Box::new(Assignment {
            number: card.number,
            reference: card.person,
            version: card.version,
            progress: self.progress(card)?,
            person: person_record(person),
        })))
    }

    fn progress(&self, card: Card) -> Result<Progress, Failure> {
        Ok(match card.state {
            CardState::Planned => Progress::Claimed,
            CardState::KeysReplaced | CardState::KeysGenerated => Progress::KeysReplaced,
            CardState::CsoReleased => {
                let groups = self
                    .store
                    .newest_note(&card.number, JournalStep::RELEASE_CSO)
                    .map_err(ledger_failure)?;
                Progress::Released {
                    cso: card.cso.ok_or(Failure::LedgerCso)?,
                    groups: groups.ok_or(Failure::LedgerCso)?,
                }
            }
            CardState::Active => Progress::Active,
            CardState::Blocked | CardState::Abandoned => return Err(Failure::RetiredChip),
        })
    }

    fn write(&self, number: &CardNumber, writes: &[LedgerWrite]) -> Result<Event, Failure> {
        let written = self.store.record(number, &facts(writes), self.reader);
        written.map(|()| Event::Written).map_err(ledger_failure)
    }

    fn end(&self, number: &CardNumber, end: End) -> Result<Event, Failure> {
        let ended = match end {
            End::Activated => self.store.activated(self.actor, number),
            End::GivenUp => self.store.give_up(self.actor, number).map(drop),
        };
        ended.map(|()| Event::Written).map_err(ledger_failure)
    }

    fn sign_cso(&self, draft: &CsoDraft, writes: &[LedgerWrite]) -> Result<Event, Failure> {
        let facts = facts(writes);
        let reference = self.station.issuer();
        let issuer = Issuer {
            reference: reference.as_str(),
            certificate_hash: self.station.certificate_hash(),
        };
        let number = draft.card_number();
        let cso = self
            .store
            .release_cso(&number, (&facts, self.reader), issuer, |position| {
                self.keys.sign_cso(self.station, draft, position)
            })?;
        Ok(Event::Signed(cso))
    }
}

/// What keeps a CSO or a script from being released.
pub(crate) enum SigningFailure {
    Ledger(StoreError),
    Signing(SignError<KeyError>),
    /// The signature does not verify under the issuer's certificate.
    NotVerified,
}

impl From<StoreError> for SigningFailure {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error)
    }
}

impl From<SignError<KeyError>> for SigningFailure {
    fn from(error: SignError<KeyError>) -> Self {
        Self::Signing(error)
    }
}

impl From<SigningFailure> for Failure {
    fn from(failure: SigningFailure) -> Self {
        match failure {
            SigningFailure::Ledger(error) => ledger_failure(error),
            SigningFailure::Signing(SignError::Key(error)) => key_failure(error),
            SigningFailure::Signing(SignError::Encoding(_)) => {
                Self::Program("an object to be signed cannot be encoded")
            }
            SigningFailure::NotVerified => {
                Self::Keys("the issuer's key is not that of its certificate".to_owned())
            }
        }
    }
}

fn ledger_failure(error: StoreError) -> Failure {
    match error {
        StoreError::KeySeenBefore { .. } => Failure::DuplicateKey,
        StoreError::WrongState { .. } => Failure::RetiredChip,
        other => Failure::Ledger(other.to_string()),
    }
}

pub(crate) fn key_failure(error: KeyError) -> Failure {
    Failure::Keys(error.to_string())
}

/// What the ledger writes together.
fn facts(writes: &[LedgerWrite]) -> Vec<Fact<'_>> {
    let writes = writes.iter().map(|write| match write {
        LedgerWrite::Journal(step) => Fact::About {
            step: step.name(),
            note: note(step),
        },
        LedgerWrite::KeysReplaced => Fact::KeysReplaced,
        LedgerWrite::KeysProven(keys) => Fact::KeysProven {
            agreement: keys.agreement().as_bytes(),
            signing: keys.signing().as_bytes(),
        },
    });
    writes.collect()
}

fn note(step: &JournalStep) -> Option<&[u8]> {
    match step {
        JournalStep::ReleaseCso { groups } => Some(groups),
        _ => None,
    }
}

pub(crate) fn person_record(holder: Holder) -> PersonRecord {
    let Holder {
        person,
        entitlements,
        representatives,
        ..
    } = holder;
    PersonRecord {
        full_name: person.full_name,
        birth_date: person.birth_date,
        sex: person.sex,
        personal_id: person.personal_id,
        province: person.province,
        commune: person.commune,
        pay_point: person.pay_point,
        social_insurance_number: person.social_insurance_number,
        health_insurance_code: person.health_insurance_code,
        entitlements: entitlements
            .into_iter()
            .map(|(_, entitlement)| EntitlementRecord {
                programme: entitlement.programme,
                month_from: entitlement.month_from,
                month_to: entitlement.month_to,
                active: entitlement.active,
            })
            .collect(),
        representatives: representatives
            .into_iter()
            .map(|representative| RepresentativeRecord {
                full_name: representative.full_name,
                personal_id: representative.personal_id,
                relation: representative.relation,
                document: representative.document,
                valid_to: representative.valid_to,
            })
            .collect(),
    }
}
