//! All calls, a file a subject, and the table of them.

pub mod batches;
pub mod block;
pub mod cards;
pub mod deliveries;
pub mod handover;
pub mod imports;
pub mod issuing;
pub mod life;
pub mod lists;
pub mod operations;
pub mod operators;
pub mod persons;
pub mod readers;
pub mod status;
pub mod stock;

use std::sync::LazyLock;

use ansinh_store::operators::Role;
use card_spec::values::CardNumber;
use jiff::civil;

use crate::call::Registered;
use crate::refusal::{Code, Refusal};

/// Whoever has any role.
pub const EVERYBODY: &[Role] = &Role::ALL;

/// The table.
pub fn table() -> &'static [Registered] {
    static TABLE: LazyLock<Vec<Registered>> = LazyLock::new(calls);
    &TABLE
}

fn calls() -> Vec<Registered> {
    vec![
        Registered::of::<batches::List>(),
        Registered::of::<batches::Draft>(),
        Registered::of::<batches::Approve>(),
        Registered::of::<batches::Close>(),
        Registered::of::<block::Add>(),
        Registered::of::<block::Publish>(),
        Registered::of::<cards::Show>(),
        Registered::of::<cards::Page>(),
        Registered::of::<deliveries::Register>(),
        Registered::of::<life::Replace>(),
        Registered::of::<life::Expiring>(),
        Registered::of::<life::EndExpired>(),
        Registered::of::<life::RecordDeaths>(),
        Registered::of::<handover::Record>(),
        Registered::of::<handover::Waiting>(),
        Registered::of::<imports::Import>(),
        Registered::of::<issuing::Start>(),
        Registered::of::<issuing::State>(),
        Registered::of::<issuing::End>(),
        Registered::of::<issuing::GivePin>(),
        Registered::of::<issuing::GiveUp>(),
        Registered::of::<lists::Show>(),
        Registered::of::<lists::Make>(),
        Registered::of::<operations::Page>(),
        Registered::of::<operations::Verify>(),
        Registered::of::<operators::List>(),
        Registered::of::<operators::Add>(),
        Registered::of::<operators::Renew>(),
        Registered::of::<operators::Suspend>(),
        Registered::of::<persons::Cards>(),
        Registered::of::<persons::Renumber>(),
        Registered::of::<persons::Merge>(),
        Registered::of::<persons::ChangeNumber>(),
        Registered::of::<persons::SetScheme>(),
        Registered::of::<readers::List>(),
        Registered::of::<status::Show>(),
        Registered::of::<stock::Show>(),
        Registered::of::<stock::TakeOut>(),
    ]
}

/// A card number as it came in.
pub(crate) fn card_number(text: &str) -> Result<CardNumber, Refusal> {
    text.parse().map_err(|_| {
        Refusal::new(
            Code::RefusedData,
            "no card number: 16 digits, the last one a check digit",
        )
    })
}

/// A day as it came in, `yyyymmdd`.
pub(crate) fn day(text: &str) -> Option<civil::Date> {
    let eight_digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    eight_digits
        .then(|| civil::Date::strptime("%Y%m%d", text).ok())
        .flatten()
}
