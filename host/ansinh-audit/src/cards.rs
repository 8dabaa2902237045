//! Cards: every CSO under its issuer, numbers and keys unique, one live card for a person (SPEC 4, promise 1).
//!
//! A card has a CSO for each version (SPEC 13.6): all of one number, one person and the same keys, each signed after the one
//! before. Anything else under one number is two cards.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use card_spec::crypto::{Digest, PublicKey, Verify};
use card_spec::cso::{Caps, CardSecurityObject, PersonReference};
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Date};

use crate::files::{CardFiles, Files};
use crate::finding::{Code, Findings, Place};
use crate::issuer_sequence::{Link, check_issuer};
use crate::trust::{Trust, read};
use crate::{parallel, pem};

/// What an audit needs of a card.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) number: CardNumber,
    pub(crate) version: u16,
    pub(crate) person: PersonReference,
    pub(crate) effective: Date,
    pub(crate) expiry: Date,
    pub(crate) methods: u8,
    pub(crate) caps: Caps,
    pub(crate) signing_key: PublicKey,
    agreement_key: PublicKey,
    /// Which of the issuer's keys signed it, and as what in that key's sequence.
    signed: (u32, u64),
    pub(crate) cso_hash: Digest,
    /// Is the CSO verified? One that is not serves to go on, and proves nothing.
    pub(crate) proven: bool,
    place: Place,
}

/// All cards of an audit.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    /// Every version of every card.
    cards: Vec<Card>,
    /// A card's versions: proven ones last, each kind ascending.
    by_number: HashMap<CardNumber, Vec<usize>>,
    by_cso: HashMap<Digest, usize>,
    /// Cards whose CSO is there but cannot be read: reported once, not again at every line.
    unreadable: HashSet<CardNumber>,
}

struct Loaded {
    findings: Findings,
    card: Option<(Card, Link)>,
}

impl Cards {
    /// Reads and verifies all cards.
    pub(crate) fn load(
        files: &Files,
        trust: &Trust,
        verifier: &(impl Verify + Sync),
        jobs: NonZero<usize>,
        findings: &mut Findings,
        links: &mut Vec<Link>,
    ) -> Self {
        let folders: Vec<_> = files.cards.iter().collect();
        let loaded = parallel::map(&folders, jobs, |((folder, number), files)| {
            load_card(folder, *number, files, trust, verifier)
        });
        let mut cards = Self::default();
        let mut keys: HashMap<PublicKeyBytes, CardNumber> = HashMap::new();
        for (((_, number), _), loaded) in folders.iter().zip(loaded) {
            findings.append(loaded.findings);
            let Some((card, link)) = loaded.card else {
                cards.unreadable.insert(*number);
                continue;
            };
            if cards.by_cso.contains_key(&card.cso_hash) {
                continue; // the same card in another folder
            }
            if card.agreement_key == card.signing_key {
                let text = format!("card {} has one key for two uses", card.number);
                findings.add(Code::CardKeyTwice, &card.place, text);
            }
            for key in [card.agreement_key, card.signing_key] {
                let other = keys.insert(*key.as_bytes(), card.number);
                if let Some(other) = other.filter(|other| *other != card.number) {
                    let text = format!("a public key of card {} is also on card {other}", card.number);
                    findings.add(Code::CardKeyTwice, &card.place, text);
                }
            }
            links.push(link);
            cards.add(card);
        }
        cards.order_versions(findings);
        cards
    }

    fn add(&mut self, card: Card) {
        let index = self.cards.len();
        self.by_cso.insert(card.cso_hash, index);
        self.by_number.entry(card.number).or_default().push(index);
        self.cards.push(card);
    }

    /// Two CSOs under one number are versions of one card, or a finding.
    fn order_versions(&mut self, findings: &mut Findings) {
        let Self { cards, by_number, .. } = self;
        let mut numbers: Vec<_> = by_number.iter_mut().collect();
        numbers.sort_by_key(|(number, _)| **number);
        for (_, versions) in numbers {
            let get = |index: &usize| cards.get(*index);
            versions.sort_by_key(|index| get(index).map(|card| (card.proven, card.version, card.signed)));
            let pairs = versions.iter().zip(versions.iter().skip(1));
            for (before, card) in pairs.filter_map(|(before, card)| get(before).zip(get(card))) {
                check_version(before, card, findings);
            }
        }
    }

    /// How many cards there are, each with all its versions.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The newest version of a card.
    pub(crate) fn by_number(&self, number: &CardNumber) -> Option<&Card> {
        self.versions(number).last()
    }

    /// Whether a card is or, where its number was given twice (a finding of its own), one of the cards is this person's. A CSO
    /// that is not proven says nothing beside one that is.
    pub(crate) fn is_of(&self, number: &CardNumber, person: &PersonReference) -> bool {
        let proven = self.by_number(number).is_some_and(|card| card.proven);
        let mut versions = self.versions(number).filter(|card| card.proven == proven);
        versions.any(|card| card.person == *person)
    }

    /// A certain version of a card.
    pub(crate) fn version(&self, number: &CardNumber, version: u16) -> Option<&Card> {
        self.versions(number).rfind(|card| card.version == version)
    }

    /// The version under which a card was activated, where its receipts begin (SPEC 6.9).
    pub(crate) fn first(&self, number: &CardNumber) -> Option<&Card> {
        let proven = self.versions(number).find(|card| card.proven);
        proven.or_else(|| self.versions(number).next())
    }

    fn versions(&self, number: &CardNumber) -> impl DoubleEndedIterator<Item = &Card> {
        let indices = self.by_number.get(number).map(Vec::as_slice);
        indices
            .unwrap_or_default()
            .iter()
            .filter_map(|index| self.cards.get(*index))
    }

    pub(crate) fn by_cso(&self, hash: &Digest) -> Option<&Card> {
        self.cards.get(*self.by_cso.get(hash)?)
    }

    pub(crate) fn is_unreadable(&self, number: &CardNumber) -> bool {
        self.unreadable.contains(number)
    }

    /// Never two live cards for one person: of two that are valid at one time, one must be blocked.
    pub(crate) fn check_persons(&self, blocked: &HashSet<CardNumber>, findings: &mut Findings) {
        let mut live: HashMap<PersonReference, Vec<&Card>> = HashMap::new();
        for card in self.cards.iter().filter(|card| !blocked.contains(&card.number)) {
            let others = live.entry(card.person).or_default();
            let overlaps = |other: &&&Card| {
                other.number != card.number
                    && other.effective <= card.expiry
                    && card.effective <= other.expiry
            };
            if let Some(other) = others.iter().find(overlaps) {
                let text = format!(
                    "its person also has card {}, and neither is on the block list",
                    other.number
                );
                findings.add(Code::PersonTwice, &card.place, text);
            }
            others.push(card);
        }
    }
}

/// SPEC 13.6: number, person and keys stay, the version rises; and SPEC 4.3: what was signed later stands later.
fn check_version(before: &Card, card: &Card, findings: &mut Findings) {
    let same = (before.person, before.signing_key, before.agreement_key)
        == (card.person, card.signing_key, card.agreement_key);
    if !same || before.version == card.version {
        let text = format!("card number {} is also in {}", card.number, before.place);
        findings.add(Code::CardTwice, &card.place, text);
    } else if before.proven && before.signed >= card.signed {
        let text = format!(
            "version {} of card {} was signed before its version {}",
            card.version, card.number, before.version
        );
        findings.add(Code::CardVersion, &card.place, text);
    }
}

type PublicKeyBytes = [u8; PublicKey::LENGTH];

fn load_card(
    folder: &Path,
    number: CardNumber,
    files: &CardFiles,
    trust: &Trust,
    verifier: &impl Verify,
) -> Loaded {
    let mut findings = Findings::default();
    let card = verify_cso(folder, number, files, trust, verifier, &mut findings);
    Loaded { findings, card }
}

fn verify_cso(
    folder: &Path,
    number: CardNumber,
    files: &CardFiles,
    trust: &Trust,
    verifier: &impl Verify,
    findings: &mut Findings,
) -> Option<(Card, Link)> {
    let Some(path) = &files.cso else {
        findings.add(
            Code::CsoMissing,
            &Place::file(folder),
            "there is no cso.tlv in this folder",
        );
        return None;
    };
    let place = Place::file(path);
    let encoding = read(path, &place, findings)?;
    let signed = match Signed::<CardSecurityObject>::parse(&encoding) {
        Ok(signed) => signed,
        Err(error) => {
            findings.add(
                Code::Encoding,
                &place,
                format!("not a card security object: {error}"),
            );
            return None;
        }
    };
    let cso = signed.claimed();
    let place = place.numbered(cso.issuer_sequence);
    if cso.card_number != number {
        findings.add(
            Code::FileName,
            &place,
            format!("holds the CSO of card {}", cso.card_number),
        );
    }
    if files.version.is_some_and(|version| version != cso.version) {
        let text = format!("holds version {} of card {}", cso.version, cso.card_number);
        findings.add(Code::FileName, &place, text);
    }
    if cso.effective > cso.expiry {
        findings.add(Code::CsoDates, &place, "valid to lies before valid from");
    }
    let key = check_issuer(trust, &cso.issuer, cso.effective, &place, findings);
    let proven = key.is_some_and(|key| signed.verify(verifier, &key).is_ok());
    if key.is_some() && !proven {
        findings.add(
            Code::CsoSignature,
            &place,
            "changed, or not signed by its issuer: the signature does not verify",
        );
    }
    check_exports(files, &signed, findings);
    let card = Card {
        number: cso.card_number,
        version: cso.version,
        person: cso.person,
        effective: cso.effective,
        expiry: cso.expiry,
        methods: cso.policy.methods,
        caps: cso.caps,
        signing_key: cso.signing_key,
        agreement_key: cso.agreement_key,
        signed: (cso.issuer.sequence(), cso.issuer_sequence),
        cso_hash: signed.hash(),
        proven,
        place: place.clone(),
    };
    let link = Link {
        issuer: cso.issuer,
        sequence: cso.issuer_sequence,
        previous: cso.issuer_previous,
        hash: signed.hash(),
        number: None,
        forged: key.is_some() && !proven,
        place,
    };
    Some((card, link))
}

/// The files made for openssl say the same as the CSO.
fn check_exports(files: &CardFiles, signed: &Signed<'_, CardSecurityObject>, findings: &mut Findings) {
    let mut check = |path: &Option<PathBuf>, agrees: &dyn Fn(&[u8]) -> bool, what: &str| {
        let Some(path) = path else {
            return;
        };
        let place = Place::file(path);
        if read(path, &place, findings).is_some_and(|bytes| !agrees(&bytes)) {
            findings.add(
                Code::CsoExport,
                &place,
                format!("{what} differs from the one in cso.tlv"),
            );
        }
    };
    check(
        &files.signed,
        &|bytes| bytes == signed.signed_bytes(),
        "the signed body",
    );
    check(
        &files.signature,
        &|bytes| pem::signature(bytes) == Some(*signed.signature()),
        "the signature",
    );
    let signing_key = signed.claimed().signing_key;
    check(
        &files.key,
        &|bytes| pem::public_key(bytes) == Some(signing_key),
        "the card's signing key",
    );
}
