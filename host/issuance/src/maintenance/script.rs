//! Issuer scripts (SPEC 13.1) before they are signed, and what the card answers to them.

use ansinh_verifier::AwsLc;
use card_spec::certificate::Reference;
use card_spec::crypto::Digest;
use card_spec::list::BlockReason;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Time};

use crate::{Failure, Station};

/// What a script is to do, as far as this run decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Permit one new PIN (SPEC 13.4).
    PermitNewPin,
    /// Block.
    Block(BlockReason),
    /// Unblock. The ledger knows which block list is the newest (SPEC 13.5).
    Unblock,
    /// Terminate.
    Terminate(BlockReason),
    /// Put the update with this CSO in force.
    PutInForce(Digest),
    /// Undo the payment by the order with this hash.
    Reverse(Digest),
}

impl Order {
    /// The action of the script (SPEC 13.1). `block_list_number`: of the newest block list, 0 if there is none; only
    /// [`Self::Unblock`] uses it.
    pub const fn action(&self, block_list_number: u32) -> Action {
        match *self {
            Self::PermitNewPin => Action::PermitNewPin,
            Self::Block(reason) => Action::Block(reason),
            Self::Unblock => Action::Unblock(block_list_number),
            Self::Terminate(reason) => Action::Terminate(reason),
            Self::PutInForce(cso_hash) => Action::PutInForce(cso_hash),
            Self::Reverse(order_hash) => Action::Reverse(order_hash),
        }
    }
}

/// A script that lacks its time and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptDraft {
    /// Who is to sign it.
    pub issuer: Reference,
    /// The card.
    pub card_number: CardNumber,
    /// The card's receipt counter, for which alone it is good.
    pub counter: u32,
    /// What it does.
    pub order: Order,
}

impl ScriptDraft {
    /// The body to sign; the action is [`Order::action`].
    pub fn at(&self, issued: Time, action: Action) -> IssuerScript {
        IssuerScript {
            suite: Default::default(),
            issuer: self.issuer,
            card_number: self.card_number,
            counter: self.counter,
            action,
            issued,
        }
    }

    /// Whether the script is what was asked for.
    fn is_of(&self, script: &IssuerScript) -> bool {
        let block_list_number = match script.action {
            Action::Unblock(number) => number,
            _ => 0,
        };
        *script == self.at(script.issued, self.order.action(block_list_number))
    }
}

/// A script that the station's issuer signed as it was asked for. Nothing else is ever sent.
pub(super) struct SignedScript {
    object: Vec<u8>,
    pub(super) hash: Digest,
}

impl SignedScript {
    /// Takes it from the ledger.
    pub(super) fn check(object: Vec<u8>, draft: &ScriptDraft, station: &Station) -> Result<Self, Failure> {
        let script = Signed::<IssuerScript>::parse(&object).map_err(|_| Failure::LedgerCso)?;
        let script = script
            .verify(&AwsLc, station.issuer_key())
            .map_err(|_| Failure::LedgerCso)?;
        if !draft.is_of(&script) {
            return Err(Failure::LedgerCso);
        }
        let hash = script.hash();
        Ok(Self { object, hash })
    }

    /// The object, `FF20`.
    pub(super) fn object(&self) -> &[u8] {
        &self.object
    }
}
