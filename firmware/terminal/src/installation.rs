//! What Install brings (DATA 8.2), and what the terminal will hold afterwards. Nothing is believed here: the chains are
//! verified by [`crate::keys::Credentials`].

use card_spec::certificate::{Certificate, Reference, Role, TrustAnchor};
use card_spec::signed::{Body, Signed};
use card_spec::tlv::Reader;
use card_spec::values::Date;
use link::Refusal;

use crate::device::{Certificates, IssuerCertificates, MAXIMUM_CERTIFICATE, Object};

type Encoded = Object<MAXIMUM_CERTIFICATE>;

/// The objects of one Install.
pub(crate) struct Installation {
    /// Trust anchor, if it is among them.
    pub(crate) anchor: Option<Encoded>,
    issuers: IssuerCertificates,
    /// Terminal CA, key agreement, journal.
    own: Option<[Encoded; 3]>,
}

impl Installation {
    /// Splits them: an anchor if there is one, issuers, and either all three others or none.
    pub(crate) fn split(objects: &[u8]) -> Result<Self, Refusal> {
        const TAG: u16 = <Certificate as Body<'_>>::WRAPPER;
        let mut reader = Reader::new(objects);
        let anchor = if objects.starts_with(&TrustAnchor::TAG.to_be_bytes()) {
            Some(next(&mut reader, TrustAnchor::TAG)?)
        } else {
            None
        };
        let mut issuers = IssuerCertificates::new();
        let own = loop {
            if reader.rest().is_empty() {
                break None;
            }
            let certificate = next(&mut reader, TAG)?;
            if claimed(&certificate)?.authorization.role != Role::Issuer {
                break Some([certificate, next(&mut reader, TAG)?, next(&mut reader, TAG)?]);
            }
            add(&mut issuers, certificate)?;
        };
        reader.finish().map_err(|_| Refusal::Malformed)?;
        if issuers.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(Self { anchor, issuers, own })
    }

    /// Has one of the certificates ended before this day?
    pub(crate) fn expired_before(&self, day: Date) -> bool {
        let mut certificates = self.issuers.iter().chain(self.own.iter().flatten());
        certificates.any(|certificate| claimed(certificate).is_ok_and(|body| body.expiry < day))
    }

    /// The newest day on which one of the issuers begins: once the root's signature is verified, that day has come. The
    /// host's time comes too late, because the newest issuer signs it, for whom there has to be room before.
    pub(crate) fn newest_day(&self) -> Option<Date> {
        let issuers = self.issuers.iter();
        issuers
            .filter_map(|issuer| Some(claimed(issuer).ok()?.effective))
            .max()
    }

    /// What the terminal will hold: an issuer's certificate stays until it has ended before `day` or another one for the
    /// same key's name replaces it, so that no card in the field is refused because its issuer has a newer key. While an
    /// order is open, one that has ended stays as long as there is room: the order may be for a card of it. A key that is
    /// needed for all who are to be paid goes first, and the cards of the ended one have ended before it (SPEC 3.4).
    // By itself: its stack is given back before the certificates are verified.
    #[inline(never)]
    pub(crate) fn merge(
        &self,
        held: Option<&Certificates>,
        day: Option<Date>,
        is_settled: bool,
    ) -> Result<Certificates, Refusal> {
        let mut issuers = self.issuers.clone();
        let province = issuers.first().map(|issuer| holder(issuer)).transpose()?;
        let province = province.ok_or(Refusal::Malformed)?;
        for issuer in &issuers {
            if holder(issuer)?.mnemonic() != province.mnemonic() {
                return Err(Refusal::NotForThisTerminal);
            }
        }
        let mut ended = IssuerCertificates::new();
        for issuer in held.iter().flat_map(|held| &held.issuers) {
            let body = claimed(issuer)?;
            let has_ended = day.is_some_and(|day| body.expiry < day);
            let is_other_province = body.holder.mnemonic() != province.mnemonic();
            let is_replaced = issuers.iter().any(|given| holder(given) == Ok(body.holder));
            if is_other_province || is_replaced {
                continue;
            }
            add(if has_ended { &mut ended } else { &mut issuers }, issuer.clone())?;
        }
        // Newest first, as they are held.
        let kept = ended.into_iter().filter(|_| !is_settled);
        for issuer in kept.take(issuers.capacity().saturating_sub(issuers.len())) {
            add(&mut issuers, issuer)?;
        }
        sort_newest_first(&mut issuers);
        if issuers
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if holder(one) == holder(other)))
        {
            return Err(Refusal::Malformed);
        }
        let [authority, agreement, journal] = match (&self.own, held) {
            (Some(own), _) => own.each_ref(),
            (None, Some(held)) => [&held.authority, &held.agreement, &held.journal],
            (None, None) => return Err(Refusal::OutOfOrder),
        };
        Ok(Certificates {
            issuers,
            authority: authority.clone(),
            agreement: agreement.clone(),
            journal: journal.clone(),
        })
    }
}

fn next(reader: &mut Reader<'_>, tag: u16) -> Result<Encoded, Refusal> {
    let object = reader.expect(tag).map_err(|_| Refusal::Malformed)?;
    Encoded::from_slice(object.encoding()).map_err(|_| Refusal::TooLarge)
}

fn add(issuers: &mut IssuerCertificates, certificate: Encoded) -> Result<(), Refusal> {
    issuers.push(certificate).map_err(|_| Refusal::TooManyIssuers)
}

/// By insertion: there are a few, and the sort of the core library would be 5 kB of the image.
fn sort_newest_first(issuers: &mut [Encoded]) {
    for end in 2..=issuers.len() {
        let mut sorted = issuers.get_mut(..end).unwrap_or_default();
        while let [.., newer, older] = sorted
            && holder(newer).ok() < holder(older).ok()
        {
            core::mem::swap(newer, older);
            sorted = sorted
                .split_last_mut()
                .map(|(_, sorted)| sorted)
                .unwrap_or_default();
        }
    }
}

fn claimed(certificate: &[u8]) -> Result<Certificate, Refusal> {
    let certificate = Signed::<Certificate>::parse(certificate).map_err(|_| Refusal::NotGenuine)?;
    Ok(*certificate.claimed())
}

fn holder(certificate: &[u8]) -> Result<Reference, Refusal> {
    Ok(claimed(certificate)?.holder)
}
