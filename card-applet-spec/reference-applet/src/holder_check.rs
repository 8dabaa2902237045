//! VERIFY (SPEC 9.1): the PIN, its tries, and what a right PIN authorizes.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::{PIN_REFERENCE, VerifyData};
use card_spec::crypto::ct_eq;
use card_spec::cso::HolderCheckPolicy;
use card_spec::values::Amount;
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::memory::{Memory, Slot};
use crate::record::Record as _;
use crate::state::{PinGrants, State, StoredPin};
use crate::terminal_session::TerminalSession;
use crate::{Card, require_parameters};

/// What the holder authorized with a right PIN: so many orders, together up to a total. Only VERIFY makes it, and it dies
/// with the session.
pub(crate) struct Authorized {
    orders: u8,
    total: Amount,
}

impl Authorized {
    /// What is left after an order of `amount`; `None` if it is not covered.
    pub(crate) fn after(&self, amount: Amount) -> Option<Self> {
        let left = self.total.vnd().checked_sub(amount.vnd())?;
        Some(Self {
            orders: self.orders.checked_sub(1)?,
            total: Amount::new(left)?,
        })
    }
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// VERIFY. The try is counted in persistent memory before the comparison: a power cut can cost a try, never save one.
    pub(crate) fn verify_pin(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, PIN_REFERENCE])?;
        let policy = self.content()?.security_object()?.body.policy;
        let granted = State::of(&self.memory)?.active()?.pin_grants;
        let tries = self.tries_left(policy, granted)?;
        if command.data.is_empty() {
            // It reports and never authenticates (CVE-2023-40660).
            return report(session.authorized.is_some(), tries);
        }
        let claim = VerifyData::parse(command.data)?;
        if claim.orders > policy.orders_per_verify {
            return Err(Stop::DATA);
        }
        session.authorized = None;
        let left = tries.checked_sub(1).ok_or(BLOCKED)?;
        let pin = StoredPin::load(&self.memory, Slot::Pin)?.ok_or(Stop::FAULT)?;
        let used = pin.tries_used(granted).saturating_add(1);
        let pin = pin.with_tries_used(used, granted);
        pin.store(&mut self.memory, Slot::Pin)?;
        if !ct_eq(&pin.digits, claim.pin.digits()) {
            return Ok(Answer::status(StatusWord::tries_left(left)));
        }
        pin.with_tries_used(0, granted)
            .store(&mut self.memory, Slot::Pin)?;
        session.authorized = Some(Authorized {
            orders: claim.orders,
            total: claim.total,
        });
        Ok(Answer::done())
    }

    /// Tries of the PIN that are left; none without a PIN.
    pub(crate) fn tries_left(&self, policy: HolderCheckPolicy, granted: PinGrants) -> Result<u8, Stop> {
        let pin = StoredPin::load(&self.memory, Slot::Pin)?;
        Ok(pin.map_or(0, |pin| policy.pin_tries.saturating_sub(pin.tries_used(granted))))
    }
}

/// `6983`: no try is left.
const BLOCKED: Stop = Stop::Refused(StatusWord::AUTHENTICATION_METHOD_BLOCKED);

fn report(verified: bool, tries: u8) -> Result<Answer, Stop> {
    match (verified, tries) {
        (true, _) => Ok(Answer::done()),
        (false, 0) => Err(BLOCKED),
        (false, tries) => Ok(Answer::status(StatusWord::tries_left(tries))),
    }
}
