//! EXECUTE ISSUER SCRIPT (SPEC 13.1 to 13.9): what the issuer has a card do after ACTIVATE, whoever carries the script.

use card_spec::apdu::Command;
use card_spec::command::{IssuerMessage, LifeCycle};
use card_spec::crypto::{Digest, PortableP256};
use card_spec::payment::{HolderCheckOutcome, ReceiptKind};
use card_spec::refusal::Refusal;
use card_spec::script::{Action, IssuerScript};
use card_spec::values::{Date, Period};
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::commit::Deed;
use crate::content::Content;
use crate::holder_check::Authorized;
use crate::memory::Memory;
use crate::paid_lines::latest_base;
use crate::receipts;
use crate::state::{ActiveLedger, Ledger, PinGrants, State};
use crate::{Card, require_parameters};

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// EXECUTE ISSUER SCRIPT, the checks in the order of SPEC 13.2. `authorized` is what the holder authorized in the session
    /// that carries the script.
    pub(crate) fn execute_issuer_script(
        &mut self,
        authorized: &mut Option<Authorized>,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let state = State::of(&self.memory)?;
        let ledger = state.activated()?;
        require_parameters(command, [0x00, 0x00])?;
        let message = IssuerMessage::<IssuerScript>::parse(command.data)?;
        let (script, hash) = (message.object, message.object.hash());
        if let Some(done) = receipts::for_object(&self.memory, &ledger, ReceiptKind::IssuerScript, &hash)? {
            return Answer::data(done.receipt);
        }
        let issuer = self.issuer(message.certificate.as_ref(), script.claimed().issuer, &ledger)?;
        let script = script
            .verify(&PortableP256, issuer.key())
            .map_err(|_| Stop::SECURITY)?;
        if script.card_number != self.content()?.security_object()?.body.card_number {
            return Err(Refusal::OtherCard.into());
        }
        if script.counter != ledger.counter {
            return Err(Refusal::OutOfTurn.into());
        }
        let changed = self.after(&state, script.action)?;
        let number = ledger.next_receipt().ok_or(Refusal::Counter)?;
        let content = Content::of(&self.memory, changed.generation)?.ok_or(Stop::FAULT)?;
        let cso = content.security_object()?.body;
        let deed = Deed {
            kind: ReceiptKind::IssuerScript,
            object: script.encoding(),
            hash,
            holder_check: HolderCheckOutcome {
                pin_verified: false,
                tries_left: self.tries_left(cso.policy, changed.pin_grants)?,
            },
            number,
        };
        let answer = self.commit(&ledger, changed, &cso, &deed)?;
        if ends_authorizations(script.action) {
            *authorized = None;
        }
        Ok(answer)
    }

    /// The ledger after the action; `634E` if the action is not possible in this life cycle or with this content.
    fn after(&self, state: &State, action: Action) -> Result<Ledger, Stop> {
        match (state, action) {
            (State::Active(ledger), action) => self.after_on_active(ledger, action),
            (State::Blocked(ledger), Action::Unblock(number)) => Ok(unblocked(ledger, number)?),
            (State::Blocked(ledger), Action::Terminate(_)) => {
                Ok(with_life_cycle(ledger, LifeCycle::Terminated))
            }
            _ => Err(Refusal::NotPossible.into()),
        }
    }

    fn after_on_active(&self, ledger: &ActiveLedger, action: Action) -> Result<Ledger, Stop> {
        match action {
            Action::FillPinTries | Action::PermitNewPin => Ok(with_pin_granted(ledger, action)),
            Action::Block(_) => Ok(with_life_cycle(ledger, LifeCycle::Blocked)),
            Action::Unblock(_) => Err(Refusal::NotPossible.into()),
            Action::Terminate(_) => Ok(with_life_cycle(ledger, LifeCycle::Terminated)),
            Action::PutInForce(cso_hash) => {
                let update = self.check_update(ledger, &cso_hash)?;
                Ok(Ledger {
                    generation: update.ok_or(Refusal::NotPossible)?.generation(),
                    ..**ledger
                })
            }
            Action::Prune(floor) => Ok(pruned(ledger, floor)?),
            Action::SetDate(date) => self.with_date(ledger, date),
            Action::Reverse(order_hash) => self.reversed(ledger, &order_hash),
        }
    }

    /// SPEC 13.9: what a row forgot stays refused, whatever the date is.
    fn with_date(&self, ledger: &ActiveLedger, date: Date) -> Result<Ledger, Stop> {
        let forgotten_before = latest_base(self.paid_rows(ledger)?.into_iter());
        Ok(Ledger {
            remembered: date,
            floor: forgotten_before.map_or(ledger.floor, |base| base.max(ledger.floor)),
            month: ledger.month.min(date.period()),
            ..**ledger
        })
    }

    /// SPEC 13.7: a stored payment that was not reversed yet, whichever terminal made it.
    fn reversed(&self, ledger: &ActiveLedger, order_hash: &Digest) -> Result<Ledger, Stop> {
        if receipts::reversal_of(&self.memory, ledger, order_hash)?.is_some() {
            return Err(Refusal::NotPossible.into());
        }
        let paid = receipts::for_object(&self.memory, ledger, ReceiptKind::Payment, order_hash)?;
        let order = paid.ok_or(Refusal::NotPossible)?.order()?.ok_or(Stop::FAULT)?;
        self.undo(ledger, &order)
    }
}

/// SPEC 13.5, 13.6: what changes the card's standing ends what the holder authorized before.
const fn ends_authorizations(action: Action) -> bool {
    matches!(
        action,
        Action::Block(_) | Action::Unblock(_) | Action::Terminate(_) | Action::PutInForce(_)
    )
}

fn with_life_cycle(ledger: &Ledger, life_cycle: LifeCycle) -> Ledger {
    Ledger {
        life_cycle,
        ..*ledger
    }
}

/// SPEC 13.5: block lists up to this number block the card no more.
fn unblocked(ledger: &Ledger, block_list_number: u32) -> Result<Ledger, Refusal> {
    if block_list_number < ledger.block_list_number {
        return Err(Refusal::NotPossible);
    }
    Ok(Ledger {
        life_cycle: LifeCycle::Active,
        block_list_number,
        ..*ledger
    })
}

/// SPEC 13.4: the grant is known by the counter of the script's receipt, which no other grant has.
fn with_pin_granted(ledger: &Ledger, action: Action) -> Ledger {
    let receipt = ledger.counter.saturating_add(1);
    let pin_grants = match action {
        Action::FillPinTries => PinGrants {
            filled: receipt,
            ..ledger.pin_grants
        },
        _ => PinGrants {
            permitted: receipt,
            ..ledger.pin_grants
        },
    };
    Ledger {
        pin_grants,
        ..*ledger
    }
}

/// SPEC 13.8.
fn pruned(ledger: &Ledger, floor: Period) -> Result<Ledger, Refusal> {
    if (ledger.floor..=ledger.remembered.period()).contains(&floor) {
        Ok(Ledger { floor, ..*ledger })
    } else {
        Err(Refusal::NotPossible)
    }
}
