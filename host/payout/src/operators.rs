//! Who may work at a terminal, signed by the issuer (DATA 11).

use core::fmt::Display;

use ansinh_store::Store;
use ansinh_store::operators::Actor;
use ansinh_store::terminal_operators::{OperatorList as StoredList, TerminalOperator as StoredOperator};
use card_spec::crypto::Sign;
use card_spec::operators::{OperatorList, TerminalOperator};
use card_spec::payment::Operator;
use card_spec::signed::{Signed, sign};
use card_spec::values::TerminalName;

use crate::{IssuerKey, PayoutError};

/// The list of a terminal's operators as the ledger has them: the newest one as long as nothing has changed since, neither an
/// operator nor the issuer's key; else a new one.
///
/// # Errors
/// [`PayoutError::NoOperators`] if nobody is to work there, [`PayoutError::Store`], [`PayoutError::Key`].
pub fn operator_list<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    terminal: TerminalName,
) -> Result<StoredList, PayoutError> {
    store.operator_list(
        actor,
        terminal.as_str(),
        |stored, operators| is_current(stored, operators, issuer, terminal),
        |number, operators| {
            let list = list(number, operators, issuer, terminal)?;
            Ok(sign(&list, issuer.signer(), &mut [0; OperatorList::MAXIMUM_LENGTH])?.to_vec())
        },
    )
}

fn is_current<S: Sign<Error: Display>>(
    stored: &StoredList,
    operators: &[StoredOperator],
    issuer: &IssuerKey<'_, S>,
    terminal: TerminalName,
) -> bool {
    let list = list(stored.number, operators, issuer, terminal);
    let signed = Signed::<OperatorList<'_>>::parse(&stored.object);
    matches!((list, signed), (Ok(list), Ok(signed)) if *signed.claimed() == list)
}

fn list<'o, S: Sign<Error: Display>>(
    number: u32,
    operators: &'o [StoredOperator],
    issuer: &IssuerKey<'_, S>,
    terminal: TerminalName,
) -> Result<OperatorList<'o>, PayoutError> {
    let mut list = OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: issuer.reference(),
        terminal,
        number,
        operators: Default::default(),
    };
    for operator in operators {
        let entry = TerminalOperator {
            number: operator.number,
            name: Operator::new(&operator.name).ok_or(PayoutError::Value("an operator's name"))?,
            roles: operator.roles,
            proof: operator.proof,
        };
        let kept = list.operators.push(entry);
        kept.map_err(|_| PayoutError::Value("the number of operators"))?;
    }
    if operators.is_empty() {
        return Err(PayoutError::NoOperators(terminal));
    }
    if !list.is_consistent() {
        return Err(PayoutError::Value("the list of operators"));
    }
    Ok(list)
}
