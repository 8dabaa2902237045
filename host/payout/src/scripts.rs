//! Issuer scripts that terminals carry to cards (DATA 12): reversals of payments whose money was not handed over.

use core::fmt::Display;

use ansinh_store::Store;
use ansinh_store::carried_scripts::{CarriedScript, Passed};
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::operators::Actor;
use ansinh_verifier::AwsLc;
use card_spec::certificate::{Certificate, Reference};
use card_spec::crypto::Sign;
use card_spec::script::{IssuerScript, MAXIMUM_LENGTH};
use card_spec::signed::{Signed, sign};
use card_spec::values::{CardNumber, Date, TerminalName, Time};

use crate::{IssuerKey, PayoutError, issuer_certificates};

/// As many as a terminal carries (DATA 12).
const MAXIMUM_CARRIED: usize = 12;

/// What a terminal is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSet {
    /// The scripts, by card and counter: the whole of what it is to carry.
    pub scripts: Vec<CarriedScript>,
    /// Scripts that wait until some of these are done: those asked for first.
    pub later: usize,
    /// Cards whose scripts cannot be executed any more, though their payments wait to be undone.
    pub passed: Vec<(CardNumber, Passed)>,
    /// Is it to be sent, though it may be empty?
    pub is_due: bool,
}

impl ScriptSet {
    /// As the link carries it (DATA 8.2).
    pub fn bytes(&self) -> Vec<u8> {
        let objects = self.scripts.iter().map(|script| script.object.as_slice());
        objects.collect::<Vec<_>>().concat()
    }
}

/// Signs the scripts that undo all payments of a card whose money was not handed over, for this terminal to carry.
///
/// # Errors
/// [`PayoutError::Store`] if the ledger has none to undo, or may not let this card or terminal have one; [`PayoutError::Key`].
pub fn carry_reversals<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    terminal: TerminalName,
    card: &CardNumber,
    issued: Time,
) -> Result<Vec<CarriedScript>, PayoutError> {
    let reference = issuer.reference();
    store.carry_reversals(actor, terminal.as_str(), card, reference, |counter, action| {
        let script = IssuerScript {
            suite: Default::default(),
            issuer: reference,
            card_number: *card,
            counter,
            action,
            issued,
        };
        signed(&script, issuer)
    })
}

/// Runs within the transaction that stores the script: one that does not verify leaves no trace.
fn signed<S: Sign<Error: Display>>(
    script: &IssuerScript,
    issuer: &IssuerKey<'_, S>,
) -> Result<SignedObject, PayoutError> {
    let mut buffer = [0; MAXIMUM_LENGTH];
    let object = sign(script, issuer.signer(), &mut buffer)?;
    let verified = Signed::<IssuerScript>::parse(object)?
        .verify(&AwsLc, &issuer.signer().public_key())
        .map_err(|_| PayoutError::Key("what it signed does not verify".to_owned()))?;
    Ok(SignedObject {
        body_hash: verified.hash(),
        object: object.to_vec(),
    })
}

/// What a terminal is to be sent today. A script whose issuer's key no terminal is given any more is never executed.
///
/// # Errors
/// [`PayoutError::Store`], [`PayoutError::Encoding`] if the ledger was changed from outside.
pub fn script_set(
    store: &Store,
    issuer: Reference,
    terminal: TerminalName,
    today: Date,
) -> Result<ScriptSet, PayoutError> {
    let known = store.carried_scripts(terminal.as_str())?;
    let mut set = ScriptSet {
        scripts: Vec::new(),
        later: 0,
        passed: known.passed,
        is_due: known.may_hold,
    };
    if known.waiting.is_empty() {
        return Ok(set);
    }
    let mut issuers = Vec::new();
    for certificate in issuer_certificates(store, issuer, today)? {
        issuers.push(Signed::<Certificate>::parse(&certificate)?.claimed().holder);
    }
    for script in known.waiting {
        let signer = Signed::<IssuerScript>::parse(&script.object)?.claimed().issuer;
        if issuers.contains(&signer) {
            set.scripts.push(script);
        } else if set.passed.iter().all(|(known, _)| *known != script.card) {
            set.passed.push((script.card, Passed::KeyOver));
        }
    }
    set.later = set.scripts.len().saturating_sub(MAXIMUM_CARRIED);
    set.scripts.truncate(MAXIMUM_CARRIED);
    set.scripts
        .sort_unstable_by_key(|script| (script.card.to_string(), script.counter));
    set.is_due |= !set.scripts.is_empty();
    Ok(set)
}
