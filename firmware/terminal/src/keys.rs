//! The terminal's own keys, and the certificates that vouch for them and for the issuer's keys (SPEC 3).

use core::fmt::Write as _;

use card_spec::certificate::{
    Certificate, CertificateKey, Certified, Flags, Reference, Request, Role, TrustAnchor,
};
use card_spec::crypto::{Curve, PublicKey, SecretKey, Verify};
use card_spec::signed::{Body, Signed, Verified};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Date, TerminalName};
use heapless::Vec;
use link::Refusal;

use crate::device::{Certificates, Device, MAXIMUM_ISSUERS, StoredKeys};

/// Name and keys of the terminal.
pub(crate) struct Keys {
    pub(crate) name: TerminalName,
    pub(crate) agreement: SecretKey,
    pub(crate) journal: SecretKey,
}

impl Keys {
    /// The keys as kept; `None` if they are none.
    pub(crate) fn load(curve: &impl Curve, stored: &StoredKeys) -> Option<Self> {
        Some(Self {
            name: TerminalName::from_bytes(stored.name)?,
            agreement: curve.load(&stored.agreement).ok()?,
            journal: curve.load(&stored.journal).ok()?,
        })
    }

    pub(crate) fn to_stored(&self) -> StoredKeys {
        StoredKeys {
            name: self.name.to_bytes(),
            agreement: *self.agreement.to_bytes(),
            journal: *self.journal.to_bytes(),
        }
    }
}

/// The body of a request for one of the keys (SPEC 3.5): the sequence in the name is a proposal.
pub(crate) fn request(name: TerminalName, purpose: char, key: PublicKey) -> Option<Request> {
    let mut holder = heapless::String::<16>::new();
    write!(holder, "{name}{purpose}00001").ok()?;
    Some(Request {
        profile: Default::default(),
        public_key: CertificateKey {
            key,
            with_domain_parameters: false,
        },
        holder: Reference::new(&holder)?,
    })
}

/// Chains that verified: from the trust anchor to the issuer's keys, and to both keys of this terminal.
pub(crate) struct Credentials {
    /// Of one province, the newest first.
    issuers: Vec<Certified, MAXIMUM_ISSUERS>,
    authority: Certified,
    agreement: Certified,
    journal: Certified,
}

impl Credentials {
    /// Verifies what the device keeps, or is about to keep.
    pub(crate) fn verify(
        verifier: &impl Verify,
        keys: &Keys,
        test: bool,
        anchor: &[u8],
        certificates: &Certificates,
    ) -> Result<Self, Refusal> {
        let mut reader = Reader::new(anchor);
        let anchor = TrustAnchor::read(&mut reader, TrustAnchor::TAG).map_err(|_| Refusal::NotGenuine)?;
        reader.finish().map_err(|_| Refusal::NotGenuine)?;
        let root = Certified::trust(&anchor).map_err(|_| Refusal::NotGenuine)?;
        // DATA 8.3: a board without a certified random source belongs below a test root, and only there.
        if (root.flags() == Flags::Test) != test {
            return Err(Refusal::NotGenuine);
        }
        let step = |authority: &Certified, encoding: &[u8], role| {
            let certificate = Signed::<Certificate>::parse(encoding).map_err(|_| Refusal::NotGenuine)?;
            let certified = authority.certify(verifier, &certificate);
            let certified = certified.map_err(|_| Refusal::NotGenuine)?;
            certified.require_role(role).map_err(|_| Refusal::NotGenuine)?;
            Ok::<_, Refusal>(certified)
        };
        let issuers = certificates.issuers.iter();
        let issuers = issuers.map(|issuer| step(&root, issuer, Role::Issuer));
        let issuers = issuers.collect::<Result<Vec<_, MAXIMUM_ISSUERS>, _>>()?;
        let authority = step(&root, &certificates.authority, Role::TerminalAuthority)?;
        let agreement = step(&authority, &certificates.agreement, Role::TerminalAgreement)?;
        let journal = step(&authority, &certificates.journal, Role::TerminalJournal)?;
        for (certified, key) in [(&agreement, &keys.agreement), (&journal, &keys.journal)] {
            let own_name = certified.holder().terminal_name() == Some(keys.name);
            if !own_name || *certified.key() != key.public_key() {
                return Err(Refusal::NotForThisTerminal);
            }
        }
        Ok(Self {
            issuers,
            authority,
            agreement,
            journal,
        })
    }

    /// Of the chains that the device keeps.
    pub(crate) fn load(
        verifier: &impl Verify,
        keys: &Keys,
        test: bool,
        device: &Device,
    ) -> Result<Self, Refusal> {
        match (&device.trust_anchor, &device.certificates) {
            (Some(anchor), Some(certificates)) => Self::verify(verifier, keys, test, anchor, certificates),
            _ => Err(Refusal::OutOfOrder),
        }
    }

    /// The issuer whose key signed a card's CSO, if its certificate is here. On which day it is valid is
    /// [`Certified::valid_on`].
    pub(crate) fn issuer(&self, reference: Reference) -> Option<&Certified> {
        self.issuers.iter().find(|issuer| issuer.holder() == reference)
    }

    /// The place of an issuer's certificate among those that the device keeps.
    pub(crate) fn place_of(&self, reference: Reference) -> Option<usize> {
        self.issuers
            .iter()
            .position(|issuer| issuer.holder() == reference)
    }

    /// The issuer's newest key: it alone signs lists, times and acknowledgements. What a key before it signed for cards
    /// stays good; that key may have been given up because somebody else has it.
    pub(crate) fn present_issuer(&self) -> Option<&Certified> {
        self.issuers.first()
    }

    /// Is the day within the dates of the present issuer and of the terminal's own certificates?
    pub(crate) fn valid_on(&self, day: Date) -> bool {
        let own = [&self.agreement, &self.journal];
        self.present_issuer()
            .into_iter()
            .chain(own)
            .all(|certified| certified.valid_on(day).is_ok())
            && self.present_issuer().is_some()
    }

    /// The newest day that a certificate of this terminal vouches for: it was signed then.
    pub(crate) fn newest_day(&self) -> Date {
        self.agreement.effective().max(self.journal.effective())
    }

    /// Does one of the certificates begin before the one that it would replace? Then it is an old one, sent again.
    pub(crate) fn precede(&self, installed: &Self) -> bool {
        let own = [
            (&self.authority, &installed.authority),
            (&self.agreement, &installed.agreement),
            (&self.journal, &installed.journal),
        ];
        let issuers = self.issuers.iter();
        let mut pairs = issuers
            .filter_map(|issuer| Some((issuer, installed.issuer(issuer.holder())?)))
            .chain(own);
        pairs.any(|(new, old)| new.effective() < old.effective())
    }

    /// Are the issuers of the same province? Its keys have one mnemonic (SPEC 3.2).
    pub(crate) fn same_province(&self, other: &Self) -> bool {
        let mnemonic = |credentials: &Self| credentials.present_issuer().map(Certified::holder);
        match (mnemonic(self), mnemonic(other)) {
            (Some(one), Some(other)) => one.mnemonic() == other.mnemonic(),
            _ => false,
        }
    }

    /// Verifies an object that the issuer signs and names itself in.
    pub(crate) fn verify_issued<'a, B: Body<'a>>(
        &self,
        verifier: &impl Verify,
        object: &'a [u8],
        names_issuer: impl FnOnce(&B) -> Reference,
    ) -> Result<Verified<'a, B>, Refusal> {
        let signed = Signed::<B>::parse(object).map_err(|_| Refusal::Malformed)?;
        let named = names_issuer(signed.claimed());
        let issuer = self.present_issuer().filter(|issuer| issuer.holder() == named);
        let issuer = issuer.ok_or(Refusal::NotForThisTerminal)?;
        signed
            .verify(verifier, issuer.key())
            .map_err(|_| Refusal::NotGenuine)
    }
}
