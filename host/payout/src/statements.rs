//! Statements of the issuer to a terminal: acknowledgements of its journal (DATA 6) and the time (DATA 7).

use core::fmt::Display;

use ansinh_store::Store;
use ansinh_store::issuer_log::Issuer;
use ansinh_store::journal::Acknowledgement as StoredAcknowledgement;
use card_spec::certificate::{Certificate, Reference};
use card_spec::crypto::{PublicKey, Sign, sha256};
use card_spec::journal::{Acknowledgement, TimeStatement};
use card_spec::signed::{Signed, sign};
use card_spec::values::{Date, Suite, TerminalName, Time};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::PayoutError;

/// Room for any object that this crate signs.
pub(crate) const OBJECT: usize = 1024;

/// The issuer's signing key with the certificate that vouches for it.
pub struct IssuerKey<'a, S> {
    signer: &'a S,
    reference: Reference,
    certificate_hash: [u8; 32],
}

impl<'a, S: Sign<Error: Display>> IssuerKey<'a, S> {
    /// Joins key and certificate; they must belong together.
    ///
    /// # Errors
    /// [`PayoutError::Encoding`] for another object, [`PayoutError::Key`] for another key.
    pub fn new(signer: &'a S, certificate: &[u8]) -> Result<Self, PayoutError> {
        let certificate = Signed::<Certificate>::parse(certificate)?;
        if certificate.claimed().public_key.key != signer.public_key() {
            return Err(PayoutError::Key(
                "it is not the one in the issuer's certificate".to_owned(),
            ));
        }
        Ok(Self {
            signer,
            reference: certificate.claimed().holder,
            certificate_hash: certificate.hash(),
        })
    }

    /// The issuer's reference.
    pub fn reference(&self) -> Reference {
        self.reference
    }

    /// The key.
    pub fn signer(&self) -> &S {
        self.signer
    }

    /// Whose sequence the store is to continue.
    pub fn issuer(&self) -> Issuer<'_> {
        Issuer {
            reference: self.reference.as_str(),
            certificate_hash: self.certificate_hash,
        }
    }
}

/// The time in Vietnam now (UTC+7).
///
/// # Errors
/// [`PayoutError::Value`] if the clock stands outside 2000–2099.
pub fn vietnam_time() -> Result<Time, PayoutError> {
    let zone = TimeZone::fixed(Offset::constant(7));
    spec_time(Zoned::new(Timestamp::now(), zone).datetime())
}

fn spec_time(now: DateTime) -> Result<Time, PayoutError> {
    let small = |value: i8| u8::try_from(value).unwrap_or_default();
    let year = u16::try_from(now.year()).unwrap_or_default();
    Date::new(year, small(now.month()), small(now.day()))
        .and_then(|date| Time::new(date, small(now.hour()), small(now.minute()), small(now.second())))
        .ok_or(PayoutError::Value("the computer's time"))
}

/// Tells a terminal the time, over the nonce that it gave.
///
/// # Errors
/// [`PayoutError::Key`].
pub fn time_statement<S: Sign<Error: Display>>(
    issuer: &IssuerKey<'_, S>,
    terminal: TerminalName,
    nonce: [u8; 16],
    time: Time,
) -> Result<Vec<u8>, PayoutError> {
    let statement = TimeStatement {
        suite: Suite::default(),
        issuer: issuer.reference,
        terminal,
        nonce,
        time,
    };
    Ok(sign(&statement, issuer.signer, &mut [0; OBJECT])?.to_vec())
}

/// Acknowledges everything that the store has committed of a terminal. What was acknowledged before is answered again.
///
/// # Errors
/// [`PayoutError::Store`] if nothing is held of it, [`PayoutError::Key`].
pub fn acknowledge<S: Sign<Error: Display>>(
    store: &Store,
    issuer: &IssuerKey<'_, S>,
    terminal: TerminalName,
    journal_key: &PublicKey,
    time: Time,
) -> Result<StoredAcknowledgement, PayoutError> {
    store.acknowledge(terminal.as_str(), |head| {
        let acknowledgement = Acknowledgement {
            suite: Suite::default(),
            issuer: issuer.reference,
            terminal,
            sequence: head.sequence,
            head: head.hash,
            journal_key: sha256(&[journal_key.as_bytes()]),
            time,
        };
        Ok(sign(&acknowledgement, issuer.signer, &mut [0; OBJECT])?.to_vec())
    })
}
