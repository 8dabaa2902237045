//! Certificates of terminals: those of their issuer's keys, and their own, which last five weeks and are renewed at a visit.

use ansinh_keys::{Role, SigningKey};
use ansinh_payout::{
    HeldCertificates, TERMINAL_DAYS, TerminalAuthority, TerminalCertificates, certify_terminal,
    held_certificates, issuer_certificates, renew_terminal,
};
use ansinh_reference::today;
use ansinh_station::terminal_link::Requests;
use anyhow::{Context as _, Result};
use card_spec::certificate::{Certificate, Certified, TrustAnchor};
use card_spec::crypto::PortableP256;
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Writer};
use card_spec::values::{Date, TerminalName};
use jiff::ToSpan as _;

use super::{Line, Signing};
use crate::commands::init::date;

/// Certificates that last almost as long as new ones stay: a terminal that comes several times a week wears no flash for a day more.
/// One that comes once a month leaves with at least four weeks, if its authority lasts so long.
const RENEWED_AFTER_DAYS: i64 = 7;

/// The certificates of all keys of the issuer that are valid today, concatenated: cards of each may be in the field.
pub(super) fn valid_issuers(signing: &Signing) -> Result<Vec<u8>> {
    let issuer = signing.station.reference(Role::Issuer)?;
    let certificates = issuer_certificates(&signing.store, issuer, date(today())?)?;
    Ok(certificates.concat())
}

/// Lets the terminal know the issuer's keys: the newest signs what comes next. What it holds already changes nothing.
pub(super) fn install_issuers(link: &mut Line, signing: &Signing) -> Result<()> {
    link.install(&valid_issuers(signing)?)
        .context("chứng thư nơi cấp / issuer's certificates")
}

/// Sees to it that the terminal holds certificates of its own for the next weeks, and tells their last day. Do it after a
/// synchronisation: the entry of the clock that was just set shows that the terminal has its keys.
pub(super) fn renew(link: &mut Line, signing: &Signing, name: TerminalName) -> Result<Date> {
    install_renewed(link, signing, name).context(
        "không gia hạn được chứng thư của thiết bị / the terminal's certificates were not renewed; it pays until the last day of those that it has",
    )
}

fn install_renewed(link: &mut Line, signing: &Signing, name: TerminalName) -> Result<Date> {
    let mut held = held_certificates(&signing.store, name)?;
    let chain = Chain::open(signing)?;
    // Certificates end with their authority's: those of one that is about to end are short.
    let long_enough = today().checked_add((i64::from(TERMINAL_DAYS) - RENEWED_AFTER_DAYS).days())?;
    if held.expiry < date(long_enough)? && held.expiry < chain.last_day()? {
        chain.renew(signing, name)?;
        held = held_certificates(&signing.store, name)?;
    }
    let HeldCertificates {
        certificates,
        authority,
        expiry,
        ..
    } = held;
    // A terminal that has them writes nothing; one that was cut off before it got them does now.
    let objects = [
        valid_issuers(signing)?,
        signing.home.certificate(&authority)?,
        certificates.agreement,
        certificates.journal,
    ];
    link.install(&objects.concat())?;
    Ok(expiry)
}

/// What vouches for terminals: root and terminal CA.
pub(super) struct Chain {
    root: Vec<u8>,
    pub(super) authority: Vec<u8>,
}

impl Chain {
    pub(super) fn open(signing: &Signing) -> Result<Self> {
        let certificate = |role| signing.home.certificate(&signing.station.reference(role)?);
        Ok(Self {
            root: certificate(Role::Root)?,
            authority: certificate(Role::TerminalCa)?,
        })
    }

    pub(super) fn anchor(&self) -> Result<Vec<u8>> {
        let root = Signed::<Certificate>::parse(&self.root).context("root certificate")?;
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer);
        root.claimed()
            .trust_anchor()
            .write(&mut writer, TrustAnchor::TAG)?;
        Ok(writer.finish().to_vec())
    }

    /// The first certificates of a terminal, for the keys that it has just made.
    pub(super) fn certify(
        &self,
        signing: &Signing,
        name: TerminalName,
        requests: &Requests,
    ) -> Result<TerminalCertificates> {
        let (signer, certified) = self.authority(signing)?;
        let authority = TerminalAuthority {
            signer: &signer,
            certified,
        };
        let requests = (requests.agreement.as_slice(), requests.journal.as_slice());
        let (store, actor) = (&signing.store, &signing.actor);
        let dates = dates(certified.expiry())?;
        Ok(certify_terminal(store, actor, &authority, name, requests, dates)?)
    }

    /// Last day of a terminal's certificates made today.
    fn last_day(&self) -> Result<Date> {
        let authority = Signed::<Certificate>::parse(&self.authority).context("terminal CA certificate")?;
        Ok(dates(authority.claimed().expiry)?.1)
    }

    fn renew(&self, signing: &Signing, name: TerminalName) -> Result<()> {
        let (signer, certified) = self.authority(signing)?;
        let authority = TerminalAuthority {
            signer: &signer,
            certified,
        };
        renew_terminal(
            &signing.store,
            &signing.actor,
            &authority,
            name,
            dates(certified.expiry())?,
        )?;
        Ok(())
    }

    /// The terminal CA's key, and its certificate as the root vouches for it.
    fn authority(&self, signing: &Signing) -> Result<(SigningKey, Certified)> {
        let root = Signed::<Certificate>::parse(&self.root).context("root certificate")?;
        let authority = Signed::<Certificate>::parse(&self.authority).context("terminal CA certificate")?;
        let root_key = root.claimed().public_key.key;
        let certified = Certified::trust_root(&PortableP256, &root, &root_key)
            .and_then(|root| root.certify(&PortableP256, &authority))
            .context("terminal CA certificate")?;
        let signer = signing.home.signing_key(Role::TerminalCa, &signing.passphrase)?;
        Ok((signer, certified))
    }
}

/// First and last day of a terminal's certificates made today: not beyond their authority's last one.
fn dates(authority: Date) -> Result<(Date, Date)> {
    let first = today();
    let last = first.checked_add((i64::from(TERMINAL_DAYS) - 1).days())?;
    Ok((date(first)?, date(last)?.min(authority)))
}
