//! The holder check (SPEC 9.1, 9.3): the PIN with its tries, what a right PIN authorizes, and what else an order may rest
//! on.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::{PIN_REFERENCE, Pin, PinChange, VerifyData};
use card_spec::crypto::ct_eq;
use card_spec::cso::HolderCheckPolicy;
use card_spec::payment::{HolderCheckMethod, HolderCheckOutcome};
use card_spec::refusal::Refusal;
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
    fn after(&self, amount: Amount) -> Option<Self> {
        let left = self.total.vnd().checked_sub(amount.vnd())?;
        Some(Self {
            orders: self.orders.checked_sub(1)?,
            total: Amount::new(left)?,
        })
    }
}

/// What an order or a reversal says about how the person was checked.
pub(crate) struct Claim {
    pub(crate) method: HolderCheckMethod,
    pub(crate) second_operator: bool,
    pub(crate) amount: Amount,
}

/// Proof that the person was checked in a way that the issuer allows. Only [`Claim::check`] makes it.
pub(crate) struct HolderChecked {
    outcome: HolderCheckOutcome,
    /// What the PIN still authorizes afterwards; `None` if this does not rest on a PIN.
    left: Option<Authorized>,
}

impl Claim {
    /// The row of SPEC 9.3: the method is allowed; a PIN covers the amount; a photo document, while no PIN try is left, needs
    /// a second operator.
    pub(crate) fn check(
        &self,
        policy: HolderCheckPolicy,
        tries_left: u8,
        authorized: Option<&Authorized>,
    ) -> Result<HolderChecked, Refusal> {
        let (bit, pin_verified) = match self.method {
            HolderCheckMethod::Pin => (HolderCheckPolicy::PIN, true),
            HolderCheckMethod::PhotoDocument => (HolderCheckPolicy::PHOTO_DOCUMENT, false),
        };
        if policy.methods & bit == 0 {
            return Err(Refusal::HolderCheck);
        }
        let left = if pin_verified {
            let left = authorized.and_then(|authorized| authorized.after(self.amount));
            Some(left.ok_or(Refusal::HolderCheck)?)
        } else if tries_left == 0 && !self.second_operator {
            return Err(Refusal::HolderCheck);
        } else {
            None
        };
        let outcome = HolderCheckOutcome {
            pin_verified,
            tries_left,
        };
        Ok(HolderChecked { outcome, left })
    }
}

impl HolderChecked {
    /// What the receipt says of it.
    pub(crate) const fn outcome(&self) -> HolderCheckOutcome {
        self.outcome
    }

    /// The order was executed: less is authorized from now on.
    pub(crate) fn use_up(self, authorized: &mut Option<Authorized>) {
        if self.left.is_some() {
            *authorized = self.left;
        }
    }
}

/// The PIN that the holder typed is the card's, and its try is still counted: a write gives it back. Only [`Card::try_pin`]
/// makes it.
struct RightPin(StoredPin);

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// VERIFY.
    pub(crate) fn verify_pin(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, PIN_REFERENCE])?;
        let policy = self.content()?.security_object()?.body.policy;
        let grants = State::of(&self.memory)?.pin_grants();
        let tries = self.tries_left(policy, grants)?;
        if command.data.is_empty() {
            // It reports and never authenticates (CVE-2023-40660).
            return report(session.authorized.is_some(), tries);
        }
        // SPEC 14.2: a blocked PIN comes before the encoding.
        let left = tries.checked_sub(1).ok_or(BLOCKED)?;
        let claim = VerifyData::parse(command.data)?;
        if claim.orders > policy.orders_per_verify {
            return Err(Stop::DATA);
        }
        session.authorized = None;
        let RightPin(pin) = self.try_pin(&claim.pin, left, grants)?;
        pin.with_tries_used(0, grants)
            .store(&mut self.memory, Slot::Pin)?;
        session.authorized = Some(Authorized {
            orders: claim.orders,
            total: claim.total,
        });
        Ok(Answer::done())
    }

    /// CHANGE REFERENCE DATA by the holder: it counts and answers as VERIFY, and the right PIN makes way for the new one.
    pub(crate) fn change_pin(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, PIN_REFERENCE])?;
        let policy = self.content()?.security_object()?.body.policy;
        let grants = State::of(&self.memory)?.pin_grants();
        let left = self.tries_left(policy, grants)?.checked_sub(1).ok_or(BLOCKED)?;
        let change = PinChange::parse(command.data)?;
        let authorized = session.authorized.take();
        let RightPin(pin) = self.try_pin(&change.pin, left, grants)?;
        // The holder's own change uses up no permission of the issuer (SPEC 13.4).
        let grants = PinGrants {
            permitted: pin.grants.permitted,
            ..grants
        };
        StoredPin::new(*change.new.digits(), grants).store(&mut self.memory, Slot::Pin)?;
        session.authorized = authorized;
        Ok(Answer::done())
    }

    /// Compares a typed PIN with the card's; a wrong one leaves `left` tries. The try is counted in persistent memory
    /// before the comparison: a power cut can cost a try, never save one.
    fn try_pin(&mut self, typed: &Pin, left: u8, grants: PinGrants) -> Result<RightPin, Stop> {
        let pin = StoredPin::load(&self.memory, Slot::Pin)?.ok_or(Stop::FAULT)?;
        let used = pin.tries_used(grants).saturating_add(1);
        let pin = pin.with_tries_used(used, grants);
        pin.store(&mut self.memory, Slot::Pin)?;
        if ct_eq(&pin.digits, typed.digits()) {
            Ok(RightPin(pin))
        } else {
            Err(Stop::Refused(StatusWord::tries_left(left)))
        }
    }

    /// Tries of the PIN that are left under what scripts granted; none without a PIN.
    pub(crate) fn tries_left(&self, policy: HolderCheckPolicy, grants: PinGrants) -> Result<u8, Stop> {
        let pin = StoredPin::load(&self.memory, Slot::Pin)?;
        Ok(pin.map_or(0, |pin| policy.pin_tries.saturating_sub(pin.tries_used(grants))))
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
