//! Who may work here (DATA 11): the list that the issuer signed, and how it comes into force.

use card_spec::crypto::{Curve, Digest};
use card_spec::journal::{Event, ShiftEnd};
use card_spec::operators::{OperatorList, Proof, Roles};
use card_spec::signed::Signed;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use link::Refusal;
use rand_core::CryptoRng;

use crate::device::{Kept, Object, OperatorsInForce};
use crate::machine::Machine;

/// An operator of the list in force, who is still to prove to be the one.
pub(crate) struct Known {
    pub(crate) name: String<20>,
    pub(crate) roles: Roles,
    pub(crate) proof: Proof,
}

/// Whom a typed name or number means.
pub(crate) enum Lookup {
    /// No list was ever loaded: anybody may give any name.
    Unprotected,
    /// Nobody of the list. A list that cannot be read has nobody.
    Nobody,
    Operator(Known),
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Looks for an operator by number or name.
    pub(crate) fn find_operator(&self, typed: &str) -> Lookup {
        let Some(in_force) = &self.device.operators else {
            return Lookup::Unprotected;
        };
        let list = Signed::<OperatorList<'_>>::parse(&in_force.object).ok();
        let found = list.as_ref().and_then(|list| list.claimed().find(typed));
        let known = found.and_then(|operator| {
            Some(Known {
                name: String::try_from(operator.name.as_str()).ok()?,
                roles: operator.roles,
                proof: operator.proof,
            })
        });
        known.map_or(Lookup::Nobody, Lookup::Operator)
    }

    /// Puts a list of operators in force, and ends the shift: who works here proves it anew. The list in force once more
    /// changes nothing.
    #[inline(never)]
    pub(crate) fn load_operators(&mut self, signed: &[u8]) -> Result<(), Refusal> {
        let credentials = self.credentials.as_ref().ok_or(Refusal::OutOfOrder)?;
        let list = credentials.verify_issued::<OperatorList<'_>>(&self.curve, signed, |list| list.issuer)?;
        if self.keys.as_ref().map(|keys| keys.name) != Some(list.terminal) {
            return Err(Refusal::NotForThisTerminal);
        }
        if !list.is_consistent() {
            return Err(Refusal::Malformed);
        }
        match self.operators_in_force() {
            Some((hash, _)) if hash == list.hash() => return Ok(()),
            Some((_, number)) if list.number <= number => return Err(Refusal::NotNewer),
            _ => {}
        }
        let in_force = OperatorsInForce {
            object: Object::from_slice(signed).map_err(|_| Refusal::TooLarge)?,
            entry: self.next_entry()?,
        };
        let event = Event::OperatorsLoaded {
            list: list.hash(),
            number: list.number,
        };
        let kept = Kept {
            operators: Some(&in_force),
            ..self.device.kept()
        };
        self.store.save(&kept).map_err(|_| Refusal::Storage)?;
        self.device.operators = Some(in_force);
        self.record_in_force(event)?;
        self.end_shift(ShiftEnd::OperatorsChanged);
        self.prompt();
        Ok(())
    }

    /// Hash and number of the list in force.
    pub(crate) fn operators_in_force(&self) -> Option<(Digest, u32)> {
        hash_and_number(self.device.operators.as_ref()?)
    }
}

/// The entry for a list in force.
pub(crate) fn operators_loaded(in_force: &OperatorsInForce) -> Option<Event<'static>> {
    let (list, number) = hash_and_number(in_force)?;
    Some(Event::OperatorsLoaded { list, number })
}

fn hash_and_number(in_force: &OperatorsInForce) -> Option<(Digest, u32)> {
    let list = Signed::<OperatorList<'_>>::parse(&in_force.object).ok()?;
    Some((list.hash(), list.claimed().number))
}
