//! Terminals get their two certificates (SPEC 3), one for key agreement with cards, one for signing the journal, and those of
//! the issuer's keys whose cards they pay.

use core::fmt::Display;

use ansinh_store::issuer_log::NewCertificate;
use ansinh_store::operators::Actor;
use ansinh_store::terminals::Terminal;
use ansinh_store::{Store, StoreError};
use card_spec::certificate::{
    Authorization, Certificate, CertificateKey, Certified, ProvenRequest, Reference, Request, Role,
    verify_request,
};
use card_spec::crypto::{PortableP256, PublicKey, Sign};
use card_spec::signed::{Signed, sign};
use card_spec::values::{Constant, Date, TerminalName};

use crate::PayoutError;
use crate::statements::OBJECT;

/// Days that a terminal's certificates span, both ends included (SPEC 3.4).
pub const TERMINAL_DAYS: u32 = 35;

/// Certificates of issuer keys that a terminal holds at most (DATA 8.5).
pub const TERMINAL_ISSUERS: usize = 4;

/// The certificates in the ledger of an issuer's keys, `issuer` and those before and after it, that are valid on `day`: the
/// newest first, as many as a terminal holds. Cards of all of them are in the field.
///
/// # Errors
/// Of the store, and if a certificate in it is malformed.
pub fn issuer_certificates(store: &Store, issuer: Reference, day: Date) -> Result<Vec<Vec<u8>>, PayoutError> {
    let mut found = Vec::new();
    for (holder, object) in store.certificates()? {
        let same = Reference::new(&holder).is_some_and(|holder| holder.mnemonic() == issuer.mnemonic());
        if !same {
            continue;
        }
        let body = *Signed::<Certificate>::parse(&object)?.claimed();
        if body.authorization.role == Role::Issuer && body.effective <= day && day <= body.expiry {
            found.push((body.holder.sequence(), object));
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.truncate(TERMINAL_ISSUERS);
    Ok(found.into_iter().map(|(_, object)| object).collect())
}

/// The terminal CA's key with the chain that vouches for it.
pub struct TerminalAuthority<'a, S> {
    /// The key.
    pub signer: &'a S,
    /// Its verified certificate.
    pub certified: Certified,
}

/// A terminal's certificates, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalCertificates {
    /// For key agreement.
    pub agreement: Vec<u8>,
    /// For the journal.
    pub journal: Vec<u8>,
}

/// The newest certificates of a terminal in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCertificates {
    /// The certificates.
    pub certificates: TerminalCertificates,
    /// The terminal CA that signed them.
    pub authority: Reference,
    /// Their first day.
    pub effective: Date,
    /// Their last day.
    pub expiry: Date,
    /// The number of their successors.
    next: u32,
}

/// Finds what the ledger has certified for a terminal last.
///
/// # Errors
/// [`StoreError::NotFound`](ansinh_store::StoreError::NotFound) if there is nothing, and if it is malformed.
pub fn held_certificates(store: &Store, name: TerminalName) -> Result<HeldCertificates, PayoutError> {
    let newest = |purpose| store.newest_certificate(&format!("{name}{purpose}"));
    let certificates = TerminalCertificates {
        agreement: newest('A')?,
        journal: newest('J')?,
    };
    let [agreement, journal] = [&certificates.agreement, &certificates.journal]
        .map(|certificate| Signed::<Certificate>::parse(certificate).map(|signed| *signed.claimed()));
    let (agreement, journal) = (agreement?, journal?);
    Ok(HeldCertificates {
        authority: journal.authority,
        effective: journal.effective.min(agreement.effective),
        expiry: journal.expiry.min(agreement.expiry),
        next: agreement.holder.sequence().max(journal.holder.sequence()) + 1,
        certificates,
    })
}

/// Certifies the two keys that a terminal has shown possession of, and registers terminal and certificates.
///
/// # Errors
/// [`PayoutError::Certificate`] if a request does not prove possession, [`PayoutError::OtherName`], and of the store if name or
/// key are taken. On an error nothing was certified.
pub fn certify_terminal<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    authority: &TerminalAuthority<'_, S>,
    name: TerminalName,
    (agreement, journal): (&[u8], &[u8]),
    dates: (Date, Date),
) -> Result<TerminalCertificates, PayoutError> {
    let agreement = proven(agreement, name, 'A')?;
    let journal = proven(journal, name, 'J')?;
    let terminal = Terminal {
        name: name.as_str().to_owned(),
        agreement_key: *agreement.key().as_bytes(),
        journal_key: *journal.key().as_bytes(),
    };
    let subjects = [&agreement, &journal].map(|request| (request.holder(), request.key()));
    certify_both(authority, subjects, dates, |certificates| {
        store.add_terminal(actor, &terminal, certificates)
    })
}

/// Certifies a terminal's two keys for further days. It has shown possession of them when it was registered, and signs its journal
/// with one of them.
///
/// # Errors
/// [`PayoutError::Certificate`] if the days are not within the authority's or span too many, and of the store. On an error nothing
/// was certified.
pub fn renew_terminal<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    authority: &TerminalAuthority<'_, S>,
    name: TerminalName,
    dates: (Date, Date),
) -> Result<TerminalCertificates, PayoutError> {
    let terminal = store.terminal(name.as_str())?;
    let number = held_certificates(store, name)?.next;
    let key = |octets: &[u8]| PublicKey::from_sec1(octets).map_err(|_| StoreError::Malformed("terminal"));
    let subjects = [
        (numbered(name, 'A', number)?, key(&terminal.agreement_key)?),
        (numbered(name, 'J', number)?, key(&terminal.journal_key)?),
    ];
    certify_both(authority, subjects, dates, |certificates| {
        store.renew_terminal(actor, name.as_str(), certificates)
    })
}

fn numbered(name: TerminalName, purpose: char, number: u32) -> Result<Reference, PayoutError> {
    let reference = Reference::new(&format!("{name}{purpose}{number:05}"));
    reference.ok_or(PayoutError::Value(
        "the number of the terminal's next certificate",
    ))
}

/// Signs the certificates of a terminal's keys, for agreement and for the journal, and hands them out once they are stored.
fn certify_both<S: Sign<Error: Display>>(
    authority: &TerminalAuthority<'_, S>,
    [agreement, journal]: [(Reference, PublicKey); 2],
    dates: (Date, Date),
    store: impl FnOnce(&[NewCertificate<'_>]) -> Result<(), StoreError>,
) -> Result<TerminalCertificates, PayoutError> {
    let certificates = TerminalCertificates {
        agreement: certify(authority, agreement, Role::TerminalAgreement, dates)?,
        journal: certify(authority, journal, Role::TerminalJournal, dates)?,
    };
    let ca = authority.certified.holder();
    let pairs = [
        (&agreement.0, &certificates.agreement),
        (&journal.0, &certificates.journal),
    ];
    store(&pairs.map(|(holder, object)| NewCertificate {
        holder: holder.as_str(),
        authority: ca.as_str(),
        object,
    }))?;
    Ok(certificates)
}

fn proven(request: &[u8], name: TerminalName, purpose: char) -> Result<ProvenRequest, PayoutError> {
    let request = Signed::<Request>::parse(request)?;
    let proven = verify_request(&PortableP256, &request)?;
    if proven.holder() != numbered(name, purpose, 1)? {
        return Err(PayoutError::OtherName(name.as_str().to_owned()));
    }
    Ok(proven)
}

fn certify<S: Sign<Error: Display>>(
    authority: &TerminalAuthority<'_, S>,
    (holder, key): (Reference, PublicKey),
    role: Role,
    (effective, expiry): (Date, Date),
) -> Result<Vec<u8>, PayoutError> {
    let body = Certificate {
        profile: Constant,
        authority: authority.certified.holder(),
        public_key: CertificateKey {
            key,
            with_domain_parameters: false,
        },
        holder,
        authorization: Authorization {
            role,
            flags: authority.certified.flags(),
        },
        effective,
        expiry,
    };
    let mut buffer = [0; OBJECT];
    let certificate = sign(&body, authority.signer, &mut buffer)?;
    // What we hand out must be what every card accepts: check it as a card would.
    let parsed = Signed::<Certificate>::parse(certificate)?;
    authority.certified.certify(&PortableP256, &parsed)?;
    Ok(certificate.to_vec())
}
