//! What an issuing station puts on every card, and the card security object that it has signed.

use ansinh_verifier::AwsLc;
use card_spec::certificate::{Certificate, CertificateError, Certified, Reference, Role, TrustAnchor};
use card_spec::crypto::{Digest, PublicKey};
use card_spec::cso::{self, Caps, CardSecurityObject, GroupDigests, HolderCheckPolicy, PersonReference};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{Error, Field as _, Writer};
use card_spec::values::{Amount, CardNumber, Date};

use crate::{Assignment, DataGroups, Failure, ProvenKeys};

/// What the issuer allows on its cards.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Day of issue, the first day of validity.
    pub today: Date,
    /// Years of validity. No card outlives its issuer's certificate.
    pub years: u16,
    /// Holder checks.
    pub policy: HolderCheckPolicy,
    /// Caps.
    pub caps: Caps,
    /// Issuing agency, 1 to 35 characters of ASCII (Decision 20/2020/QD-TTg).
    pub agency: String,
}

impl Terms {
    /// The project's choice until a ministry decides: PIN (3 tries, 4 orders per VERIFY) or photo document, 10 years, at most
    /// 30 million VND in an order and 60 million in a month. The largest regular sum known is far below; the cap bounds what
    /// one lost key can cost. While no PIN try is left 5 million in an order: three months of the highest rate of social
    /// assistance (3 times the standard of 500,000; Decree 20/2021, Art. 6, and Decree 76/2024) still reach their holder.
    pub fn standard(today: Date, agency: &str) -> Self {
        let million = |count: u64| Amount::new(count * 1_000_000).unwrap_or_default();
        Self {
            today,
            years: 10,
            policy: HolderCheckPolicy {
                methods: HolderCheckPolicy::PIN | HolderCheckPolicy::PHOTO_DOCUMENT,
                pin_tries: 3,
                orders_per_verify: 4,
            },
            caps: Caps {
                order: million(30),
                month: million(60),
                order_without_pin: million(5),
            },
            agency: agency.to_owned(),
        }
    }
}

/// An issuing station: its certificates, checked, and its terms.
#[derive(Clone, Debug)]
pub struct Station {
    trust_anchor: Vec<u8>,
    certificate: Vec<u8>,
    issuer: Certified,
    certificate_hash: Digest,
    /// The issuer under its earlier keys, which cards in the field still name.
    earlier: Vec<Certified>,
    terms: Terms,
}

/// Why a station cannot issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationError {
    /// A certificate is not canonically encoded.
    Encoding(Error),
    /// The chain does not hold.
    Certificate(CertificateError),
    /// A certificate given as an earlier one of the issuer is another's, or no earlier one.
    NotEarlier,
}

impl From<Error> for StationError {
    fn from(error: Error) -> Self {
        Self::Encoding(error)
    }
}

impl From<CertificateError> for StationError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl core::fmt::Display for StationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "the issuer's certificate does not verify under the root today; no card can be issued: ",
        )?;
        match self {
            Self::Encoding(_) => f.write_str("one of them is damaged, restore it from backup"),
            Self::Certificate(error) => write!(f, "{error}"),
            Self::NotEarlier => f.write_str("one that was given as an earlier one of this issuer is none"),
        }
    }
}

impl std::error::Error for StationError {}

impl Station {
    /// Takes the station's own root certificate and the issuer's (`7F21` each).
    ///
    /// # Errors
    /// [`StationError`] unless the chain of SPEC 3.4 holds today.
    pub fn new(root: &[u8], issuer: &[u8], terms: Terms) -> Result<Self, StationError> {
        let root = Signed::<Certificate>::parse(root)?;
        let trusted = Certified::trust_root(&AwsLc, &root, &root.claimed().public_key.key)?;
        let certificate = Signed::<Certificate>::parse(issuer)?;
        let certified = trusted.certify(&AwsLc, &certificate)?;
        certified.require_role(Role::Issuer)?;
        certified.valid_on(terms.today)?;
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        root.claimed()
            .trust_anchor()
            .write(&mut writer, TrustAnchor::TAG)?;
        Ok(Self {
            trust_anchor: writer.finish().to_vec(),
            certificate: issuer.to_vec(),
            issuer: certified,
            certificate_hash: certificate.hash(),
            earlier: Vec::new(),
            terms,
        })
    }

    /// Accepts cards that the issuer signed under an earlier key. Its dates do not matter any more (SPEC 13.3).
    ///
    /// # Errors
    /// [`StationError`] unless the certificate is an issuer's under this root, of the same name with a lower number.
    pub fn with_earlier_issuer(mut self, root: &[u8], certificate: &[u8]) -> Result<Self, StationError> {
        let root = Signed::<Certificate>::parse(root)?;
        let trusted = Certified::trust_root(&AwsLc, &root, &root.claimed().public_key.key)?;
        let earlier = trusted.certify(&AwsLc, &Signed::<Certificate>::parse(certificate)?)?;
        earlier.require_role(Role::Issuer)?;
        let (own, other) = (self.issuer(), earlier.holder());
        if own.mnemonic() != other.mnemonic() || own.sequence() <= other.sequence() {
            return Err(StationError::NotEarlier);
        }
        self.earlier.push(earlier);
        Ok(self)
    }

    /// The issuer's reference, which names its sequence.
    pub fn issuer(&self) -> Reference {
        self.issuer.holder()
    }

    /// The key of the issuer's certificate, which is to sign.
    pub fn issuer_key(&self) -> &PublicKey {
        self.issuer.key()
    }

    /// Hash of the issuer's certificate body, where its sequence starts (SPEC 4.1, `8B`).
    pub fn certificate_hash(&self) -> Digest {
        self.certificate_hash
    }

    /// The terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Last day of validity of a card issued today.
    fn expiry(&self) -> Option<Date> {
        let Terms { today, years, .. } = &self.terms;
        let year = today.year().checked_add(*years)?;
        // 29 February, ten years later, is 28 February.
        let last = (1..=today.day())
            .rev()
            .find_map(|day| Date::new(year, today.month(), day))?;
        Some(last.min(self.issuer.expiry()))
    }

    pub(crate) fn draft(
        &self,
        card: &Assignment,
        keys: &ProvenKeys,
        groups: &DataGroups,
    ) -> Result<CsoDraft, Failure> {
        Ok(CsoDraft {
            issuer: self.issuer(),
            card_number: card.number,
            version: card.version,
            effective: self.terms.today,
            expiry: self
                .expiry()
                .ok_or(Failure::Program("a card's last day is beyond 2099"))?,
            keys: *keys,
            person: card.reference,
            policy: self.terms.policy,
            caps: self.terms.caps,
            digests: groups.digests(&self.trust_anchor),
        })
    }

    /// The CSO that follows the one in force on a card: its keys, person and last day stay, and its version is above `newest`,
    /// the last one that was signed for the card.
    pub(crate) fn draft_update(
        &self,
        present: &CardSecurityObject,
        newest: u16,
        groups: &DataGroups,
    ) -> Result<CsoDraft, Failure> {
        let expiry = present.expiry.min(self.issuer.expiry());
        if self.terms.today > expiry {
            return Err(Failure::ExpiredCard);
        }
        Ok(CsoDraft {
            issuer: self.issuer(),
            card_number: present.card_number,
            version: newest
                .checked_add(1)
                .ok_or(Failure::Program("no CSO version is left"))?,
            effective: self.terms.today,
            expiry,
            keys: ProvenKeys::in_force(present),
            person: present.person,
            policy: self.terms.policy,
            caps: self.terms.caps,
            digests: groups.digests(&self.trust_anchor),
        })
    }

    /// Verifies a CSO under the issuer's certificate. `None`: it does not.
    pub fn verify<'a>(&self, cso: &'a [u8]) -> Option<Verified<'a, CardSecurityObject>> {
        let signed = Signed::<CardSecurityObject>::parse(cso).ok()?;
        cso::verify(&AwsLc, &self.issuer, signed).ok()
    }

    /// Takes the CSO of an issued card from the ledger: the issuer signed it for this card, under its present key or an
    /// earlier one.
    pub(crate) fn check_card(&self, cso: &[u8], number: CardNumber) -> Result<CheckedCso, Failure> {
        let signed = Signed::<CardSecurityObject>::parse(cso).map_err(|_| Failure::LedgerCso)?;
        let mut issuers = std::iter::once(&self.issuer).chain(&self.earlier);
        let verified = issuers
            .find_map(|issuer| cso::verify(&AwsLc, issuer, signed).ok())
            .filter(|cso| cso.card_number == number)
            .ok_or(Failure::LedgerCso)?;
        Ok(CheckedCso {
            hash: verified.hash(),
            body: *verified,
        })
    }

    /// What a card is told that the issuer signed: before it the issuer's certificate, if the card knows the issuer under an
    /// earlier key (SPEC 13.3).
    pub(crate) fn message(&self, card: &CardSecurityObject, object: &[u8]) -> Vec<u8> {
        if card.issuer == self.issuer() {
            object.to_vec()
        } else {
            [&self.certificate, object].concat()
        }
    }

    /// Takes a CSO from the ledger: the issuer signed it, for this card and these groups. Anything else is never loaded.
    pub(crate) fn check(
        &self,
        cso: &[u8],
        number: CardNumber,
        groups: &DataGroups,
    ) -> Result<CheckedCso, Failure> {
        let verified = self.verify(cso).ok_or(Failure::LedgerCso)?;
        if verified.card_number != number || verified.digests != groups.digests(&self.trust_anchor) {
            return Err(Failure::LedgerCso);
        }
        Ok(CheckedCso {
            hash: verified.hash(),
            body: *verified,
        })
    }

    /// Everything that STORE DATA loads, in the order of SPEC 6.6.
    pub(crate) fn load(&self, cso: &[u8], groups: &DataGroups) -> Vec<u8> {
        [&self.trust_anchor, &self.certificate, cso, groups.encoding()].concat()
    }
}

/// A CSO that verified under the station's issuer and fits card and groups.
pub(crate) struct CheckedCso {
    pub(crate) hash: Digest,
    pub(crate) body: CardSecurityObject,
}

impl CheckedCso {
    /// Whether it names these keys, which the card has just proved.
    pub(crate) fn names(&self, keys: &ProvenKeys) -> bool {
        self.body.agreement_key == *keys.agreement() && self.body.signing_key == *keys.signing()
    }
}

/// A CSO that still lacks its place in the issuer's sequence, and so its signature.
#[derive(Clone, Debug)]
pub struct CsoDraft {
    issuer: Reference,
    card_number: CardNumber,
    version: u16,
    effective: Date,
    expiry: Date,
    keys: ProvenKeys,
    person: PersonReference,
    policy: HolderCheckPolicy,
    caps: Caps,
    digests: GroupDigests,
}

impl CsoDraft {
    /// The card's number.
    pub fn card_number(&self) -> CardNumber {
        self.card_number
    }

    /// Version of the CSO.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The body to sign at this place of the issuer's sequence (SPEC 4.3).
    pub fn at(&self, issuer_sequence: u64, issuer_previous: Digest) -> CardSecurityObject {
        CardSecurityObject {
            suite: Default::default(),
            format: Default::default(),
            issuer: self.issuer,
            card_number: self.card_number,
            version: self.version,
            effective: self.effective,
            expiry: self.expiry,
            agreement_key: *self.keys.agreement(),
            signing_key: *self.keys.signing(),
            person: self.person,
            policy: self.policy,
            caps: self.caps,
            digests: self.digests,
            issuer_sequence,
            issuer_previous,
        }
    }
}
