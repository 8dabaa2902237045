//! What makes content fit to be in force (SPEC 6.9, 13.6): a CSO that names the card's own keys and every object beside it.

use card_spec::certificate::{Certificate, Certified, Role, TrustAnchor};
use card_spec::command::LifeCycle;
use card_spec::crypto::{Digest, PortableP256};
use card_spec::cso::{self, CardSecurityObject, GroupDigests};
use card_spec::groups::{Holder, Issuance, LinkedNumbers, Programmes, Representatives};
use card_spec::signed::Signed;
use card_spec::tlv::{Field, Reader};
use card_spec::values::{Amount, Period, Programme};
use rand_core::CryptoRng;

use crate::Card;
use crate::answer::Stop;
use crate::content::{Content, Generation, LoadedSecurityObject, Object};
use crate::memory::{Memory, Slot};
use crate::record::Record as _;
use crate::state::{ActiveLedger, KeyPairs, Ledger, PinGrants, StoredPin};
use crate::trust_anchors::{TrustAnchors, continues};

/// Why content may not be in force.
enum Unfit {
    /// It is not what the issuer signed for this card.
    Content,
    /// The card cannot tell.
    Card(Stop),
}

impl From<Stop> for Unfit {
    fn from(stop: Stop) -> Self {
        Self::Card(stop)
    }
}

/// Whatever keeps a card from being activated is `6985`.
impl From<Unfit> for Stop {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Content => Self::LIFE_CYCLE,
            Unfit::Card(stop) => stop,
        }
    }
}

/// Content that every check of ACTIVATE but the PIN's has passed. Only [`check`] makes it.
struct FitContent {
    anchor: TrustAnchor,
    issuer: Certified,
    cso: LoadedSecurityObject,
}

/// An update that passed every check of SPEC 13.6: what issuer script `06` puts in force. Only [`Card::check_update`]
/// makes it.
pub(crate) struct CheckedUpdate {
    generation: Generation,
}

impl CheckedUpdate {
    /// The ledger's generation from then on.
    pub(crate) const fn generation(&self) -> Generation {
        self.generation
    }
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// Checks all that ACTIVATE does, and activates. The trust anchor is written first: it counts with the ledger.
    pub(crate) fn begin_active_life(&mut self) -> Result<(), Stop> {
        let fit = check(&self.memory, Generation::FIRST)?;
        StoredPin::load(&self.memory, Slot::Pin)?.ok_or(Stop::LIFE_CYCLE)?;
        TrustAnchors::begin(&mut self.memory, fit.anchor)?;
        first_ledger(&fit.cso).store(&mut self.memory, Slot::Ledger)
    }

    /// The update that was loaded, if its CSO has this hash and it may be put in force (SPEC 13.6).
    pub(crate) fn check_update(
        &self,
        ledger: &ActiveLedger,
        cso_hash: &Digest,
    ) -> Result<Option<CheckedUpdate>, Stop> {
        let generation = ledger.generation.next();
        let update = match check(&self.memory, generation) {
            Ok(update) => update,
            Err(Unfit::Content) => return Ok(None),
            Err(Unfit::Card(stop)) => return Err(stop),
        };
        let right = update.cso.hash == *cso_hash && self.follows_present(&update)?;
        Ok(right.then_some(CheckedUpdate { generation }))
    }

    /// The keys were compared with the card's own, which are those of the CSO in force.
    fn follows_present(&self, update: &FitContent) -> Result<bool, Stop> {
        let content = self.content()?;
        let present = content.security_object()?.body;
        let next = &update.cso.body;
        let object = content.object(Object::IssuerCertificate)?;
        let issuer = Signed::<Certificate>::parse(&object).map_err(|_| Stop::FAULT)?;
        Ok(
            (next.card_number, next.person) == (present.card_number, present.person)
                && next.version > present.version
                && TrustAnchors::of(&self.memory)?.contain(&update.anchor)
                && continues(issuer.claimed().holder, update.issuer.holder()),
        )
    }
}

/// The ledger that a card starts with.
fn first_ledger(cso: &LoadedSecurityObject) -> Ledger {
    Ledger {
        life_cycle: LifeCycle::Active,
        generation: Generation::FIRST,
        counter: 0,
        head: cso.hash,
        remembered: cso.body.effective,
        month: cso.body.effective.period(),
        total: Amount::default(),
        floor: Period::FIRST,
        block_list_number: 0,
        pin_grants: PinGrants::default(),
        newest_row: None,
    }
}

fn check(memory: &impl Memory, generation: Generation) -> Result<FitContent, Unfit> {
    let content = Content::of(memory, generation)?.ok_or(Unfit::Content)?;
    let pairs = KeyPairs::load(memory, Slot::KeyPairs)?.ok_or(Unfit::Content)?;
    let anchor = content.object(Object::TrustAnchor)?;
    let anchor: TrustAnchor = parse(&anchor, TrustAnchor::TAG)?;
    let issuer = issuer(&content, &anchor)?;
    let object = content.object(Object::Cso)?;
    let signed = Signed::<CardSecurityObject>::parse(&object).map_err(|_| Unfit::Content)?;
    let cso = cso::verify(&PortableP256, &issuer, signed).map_err(|_| Unfit::Content)?;
    let keys = [cso.agreement_key.as_bytes(), cso.signing_key.as_bytes()];
    if keys != [&pairs.agreement, &pairs.signing] {
        return Err(Unfit::Content);
    }
    check_digests(&content, &cso.digests)?;
    check_groups(&content)?;
    let hash = cso.hash();
    Ok(FitContent {
        anchor,
        issuer,
        cso: LoadedSecurityObject {
            body: cso.into_body(),
            hash,
        },
    })
}

/// The issuer under the trust anchor beside it.
fn issuer<M: Memory>(content: &Content<'_, M>, anchor: &TrustAnchor) -> Result<Certified, Unfit> {
    let object = content.object(Object::IssuerCertificate)?;
    let certificate = Signed::<Certificate>::parse(&object).map_err(|_| Unfit::Content)?;
    let issuer = Certified::trust(anchor)
        .and_then(|root| root.certify(&PortableP256, &certificate))
        .map_err(|_| Unfit::Content)?;
    issuer.require_role(Role::Issuer).map_err(|_| Unfit::Content)?;
    Ok(issuer)
}

/// Each object loaded has its digest in the CSO, none is missing or left over.
fn check_digests<M: Memory>(content: &Content<'_, M>, digests: &GroupDigests) -> Result<(), Unfit> {
    let expected = [
        (Object::TrustAnchor, Some(digests.trust_anchor)),
        (Object::Holder, Some(digests.holder)),
        (Object::Portrait, digests.portrait),
        (Object::Programmes, Some(digests.programmes)),
        (Object::LinkedNumbers, Some(digests.linked_numbers)),
        (Object::Representatives, Some(digests.representatives)),
        (Object::Issuance, Some(digests.issuance)),
    ];
    let right = expected.into_iter().all(|(object, digest)| {
        let loaded = content.has(object).then(|| content.digest(object));
        loaded == digest
    });
    if right { Ok(()) } else { Err(Unfit::Content) }
}

fn check_groups<M: Memory>(content: &Content<'_, M>) -> Result<(), Unfit> {
    parse::<Holder<'_>>(&content.object(Object::Holder)?, 0xFF31)?;
    let programmes: Programmes = parse(&content.object(Object::Programmes)?, 0xFF33)?;
    parse::<LinkedNumbers<'_>>(&content.object(Object::LinkedNumbers)?, 0xFF34)?;
    parse::<Representatives<'_>>(&content.object(Object::Representatives)?, 0xFF35)?;
    parse::<Issuance<'_>>(&content.object(Object::Issuance)?, 0xFF36)?;
    let portrait = !content.has(Object::Portrait) || content.portrait_is_well_formed()?;
    // SPEC 5.1: sudden relief is on every card.
    let relief = programmes
        .entries
        .iter()
        .any(|entry| entry.programme == Programme::SUDDEN_RELIEF);
    if portrait && relief {
        Ok(())
    } else {
        Err(Unfit::Content)
    }
}

fn parse<'a, T: Field<'a>>(object: &'a [u8], tag: u16) -> Result<T, Unfit> {
    T::read(&mut Reader::new(object), tag).map_err(|_| Unfit::Content)
}
