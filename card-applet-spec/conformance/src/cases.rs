//! The registry: the cases, clause by clause.

use crate::case::Case;
use crate::script;

mod activation;
mod agreement;
mod authentication;
mod blocking;
mod certificates;
mod decisions;
mod encoding;
mod holder_check;
mod issuer_scripts;
mod key_pairs;
mod life_cycle;
mod limits;
mod loading;
mod messaging;
mod payment;
mod reading;
mod receipts;
mod reversal;
mod script_actions;
mod support;
mod tearing;
mod trust_anchors;
mod update;

/// All cases, in the order of the clauses.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        encoding::cases(),
        certificates::cases(),
        reading::cases(),
        script::cases(include_str!("../scripts/select.json")),
        authentication::cases(),
        key_pairs::cases(),
        loading::cases(),
        activation::cases(),
        agreement::cases(),
        trust_anchors::cases(),
        messaging::cases(),
        holder_check::cases(),
        decisions::cases(),
        payment::cases(),
        receipts::cases(),
        reversal::cases(),
        issuer_scripts::cases(),
        script_actions::cases(),
        update::cases(),
        blocking::cases(),
        life_cycle::cases(),
        limits::cases(),
        tearing::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
