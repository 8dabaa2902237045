//! ACTIVATE's checks (SPEC 6.9): a card goes live only with a CSO that names its own keys and every group it carries.

use card_spec::certificate::{Certificate, Certified, TrustAnchor};
use card_spec::command::LifeCycle;
use card_spec::crypto::{Digest, PortableP256, sha256};
use card_spec::cso::{self, CardSecurityObject, GroupDigests};
use card_spec::groups::{Holder, Issuance, LinkedNumbers, Programmes, Representatives};
use card_spec::signed::Signed;
use card_spec::tlv::{Field, Reader};
use card_spec::values::{Amount, Period, Programme};

use crate::answer::Stop;
use crate::content::{Content, Generation, Object};
use crate::memory::{Memory, Slot};
use crate::record::Record as _;
use crate::state::{KeyPairs, Ledger, PinGrants, StoredPin};

/// The ledger that a card starts with; made only when every check has passed. Whatever fails is `6985`.
pub(crate) fn first_ledger(memory: &impl Memory) -> Result<Ledger, Stop> {
    let content = Content::of(memory, Generation::FIRST)?.ok_or(Stop::LIFE_CYCLE)?;
    let pairs = KeyPairs::load(memory, Slot::KeyPairs)?.ok_or(Stop::LIFE_CYCLE)?;
    StoredPin::load(memory, Slot::Pin)?.ok_or(Stop::LIFE_CYCLE)?;
    let issuer = issuer(&content)?;
    let object = content.object(Object::Cso)?;
    let signed = Signed::<CardSecurityObject>::parse(&object).map_err(|_| Stop::LIFE_CYCLE)?;
    let cso = cso::verify(&PortableP256, &issuer, signed).map_err(|_| Stop::LIFE_CYCLE)?;
    let keys = [cso.agreement_key.as_bytes(), cso.signing_key.as_bytes()];
    if keys != [&pairs.agreement, &pairs.signing] {
        return Err(Stop::LIFE_CYCLE);
    }
    check_groups(&content, &cso.digests)?;
    Ok(Ledger {
        life_cycle: LifeCycle::Active,
        generation: Generation::FIRST,
        counter: 0,
        head: cso.hash(),
        remembered: cso.effective,
        month: cso.effective.period(),
        total: Amount::default(),
        floor: Period::FIRST,
        block_list_number: 0,
        pin_grants: PinGrants::default(),
        newest_row: None,
    })
}

/// The certificate under the trust anchor; that it is an issuer's is checked with the CSO.
fn issuer<M: Memory>(content: &Content<'_, M>) -> Result<Certified, Stop> {
    let anchor: Vec = content.object(Object::TrustAnchor)?;
    let anchor: TrustAnchor = parse(&anchor, TrustAnchor::TAG)?;
    let root = Certified::trust(&anchor).map_err(|_| Stop::LIFE_CYCLE)?;
    let object = content.object(Object::IssuerCertificate)?;
    let certificate = Signed::<Certificate>::parse(&object).map_err(|_| Stop::LIFE_CYCLE)?;
    root.certify(&PortableP256, &certificate)
        .map_err(|_| Stop::LIFE_CYCLE)
}

fn check_groups<M: Memory>(content: &Content<'_, M>, digests: &GroupDigests) -> Result<(), Stop> {
    let holder = group(content, Object::Holder, &digests.holder)?;
    parse::<Holder<'_>>(&holder, 0xFF31)?;
    let programmes = group(content, Object::Programmes, &digests.programmes)?;
    let programmes: Programmes = parse(&programmes, 0xFF33)?;
    let linked_numbers = group(content, Object::LinkedNumbers, &digests.linked_numbers)?;
    parse::<LinkedNumbers<'_>>(&linked_numbers, 0xFF34)?;
    let representatives = group(content, Object::Representatives, &digests.representatives)?;
    parse::<Representatives<'_>>(&representatives, 0xFF35)?;
    let issuance = group(content, Object::Issuance, &digests.issuance)?;
    parse::<Issuance<'_>>(&issuance, 0xFF36)?;
    // SPEC 5.1: sudden relief is on every card.
    let relief = programmes
        .entries
        .iter()
        .any(|entry| entry.programme == Programme::SUDDEN_RELIEF);
    if relief { Ok(()) } else { Err(Stop::LIFE_CYCLE) }
}

type Vec = heapless::Vec<u8, { crate::content::MAX_OBJECT }>;

/// The group's data object, if its digest is the one in the CSO.
fn group<M: Memory>(content: &Content<'_, M>, object: Object, digest: &Digest) -> Result<Vec, Stop> {
    let bytes = content.object(object)?;
    if sha256(&[&bytes]) == *digest {
        Ok(bytes)
    } else {
        Err(Stop::LIFE_CYCLE)
    }
}

fn parse<'a, T: Field<'a>>(object: &'a [u8], tag: u16) -> Result<T, Stop> {
    T::read(&mut Reader::new(object), tag).map_err(|_| Stop::LIFE_CYCLE)
}
