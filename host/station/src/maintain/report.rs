//! What the operator sees of an issued card: what it is, what was done, what to do with it. Never a name, a PIN, a key.

use ansinh_issuance::Failure;
use ansinh_issuance::maintenance::{Deed, Outcome, Standing};
use ansinh_store::maintenance::CardPayments;
use card_spec::command::{CardStatus, LifeCycle};
use serde_json::{Value, json};

use super::Served;

/// The lines for a person, Vietnamese first.
pub fn lines(reader: &str, served: &Served) -> Vec<String> {
    let number = served
        .number
        .map_or_else(|| "?".to_owned(), |number| number.to_string());
    let mut lines = match &served.end {
        Ok(outcome) => {
            let (vietnamese, english) = deed_text(outcome.deed);
            let mut lines = vec![
                format!("{reader}: thẻ {number} / card {number}"),
                format!("  {vietnamese}"),
                format!("  {english}"),
            ];
            lines.extend(facts(outcome).map(|fact| format!("  {fact}")));
            lines
        }
        Err(failure) => vec![
            format!("{reader}: thẻ {number} / card {number}: {}", failure.code()),
            format!("  {}", failure.vietnamese()),
            format!("  {failure}"),
        ],
    };
    lines.extend(served.payments.iter().flat_map(payment_lines));
    lines
}

/// Payments that only the card told of, and receipts that fit no line: somebody's money is not where the books say.
fn payment_lines(payments: &CardPayments) -> Vec<String> {
    let mut lines = Vec::new();
    if payments.from_card_only > 0 {
        lines.push(format!(
            "  chi trả mới chỉ thẻ báo về, đã ghi sổ / payments that only the card told of so far, booked: {}",
            payments.from_card_only
        ));
    }
    if !payments.unbooked.is_empty() {
        let counters = &payments.unbooked;
        lines.extend([
            format!("  biên nhận {counters:?} là khoản chi trả không có trong danh sách hoặc của dòng đã chi trả: đã lưu, chưa ghi sổ. Báo người quản trị."),
            format!("  receipts {counters:?} are payments of no listed line, or of a line paid before: kept, not booked. Tell the administrator."),
        ]);
    }
    lines
}

/// The object for a program.
pub fn json(reader: &str, served: &Served) -> Value {
    let number = served.number.map(|number| number.to_string());
    let mut object = match &served.end {
        Ok(outcome) => json!({
            "reader": reader,
            "card": number,
            "done": deed_name(outcome.deed),
            "version": outcome.version,
            "ledger": standing_name(outcome.standing),
            "card_state": life_cycle_name(outcome.status.life_cycle),
            "pin_tries_left": outcome.status.pin_tries,
            "receipts": outcome.status.counter,
            "new_receipts": outcome.new_receipts,
            "update_waiting": outcome.status.flags & CardStatus::UPDATE_LOADED != 0,
            "pin_permitted": outcome.status.flags & CardStatus::PIN_PERMITTED != 0,
        }),
        Err(failure) => json!({
            "reader": reader,
            "card": number,
            "failed": failure.code(),
            "message": failure.to_string(),
        }),
    };
    if let Ok(Outcome {
        deed: Deed::PaymentsUndone { undone, left },
        ..
    }) = &served.end
    {
        (object["undone"], object["left"]) = ((*undone).into(), (*left).into());
    }
    if let Some(payments) = &served.payments {
        object["payments_from_card_only"] = payments.from_card_only.into();
        object["receipts_not_booked"] = json!(payments.unbooked);
    }
    object
}

/// Whether nothing was to be done with this card and nothing is wrong with it.
pub fn is_left_alone(served: &Served) -> bool {
    matches!(served.end, Err(Failure::NothingDue))
}

fn deed_name(deed: Deed) -> &'static str {
    match deed {
        Deed::Inspected => "inspected",
        Deed::PinSet => "pin-set",
        Deed::Blocked => "blocked",
        Deed::Unblocked => "unblocked",
        Deed::Updated => "updated",
        Deed::Terminated => "terminated",
        Deed::PaymentsUndone { .. } => "payments-undone",
    }
}

/// What was done, and what to do with the plastic.
fn deed_text(deed: Deed) -> (&'static str, &'static str) {
    match deed {
        Deed::Inspected => (
            "Đã đọc thẻ, không thay đổi gì.",
            "The card was read; nothing was changed on it.",
        ),
        Deed::PinSet => (
            "Đã đặt mã PIN mới. Trả thẻ cho người hưởng.",
            "The new PIN is set. Give the card back to its holder.",
        ),
        Deed::Blocked => (
            "Thẻ đã khóa và không trả tiền nữa. Giữ thẻ lại; phát hành danh sách khóa: `ansinh block publish`.",
            "The card is blocked and pays no more. Keep it; publish the block list: `ansinh block publish`.",
        ),
        Deed::Unblocked => (
            "Thẻ đã mở khóa. Trả thẻ cho người hưởng; phát hành và nạp danh sách khóa mới: `ansinh block publish`.",
            "The card pays again. Give it back to its holder; publish and load the new block list: `ansinh block publish`.",
        ),
        Deed::Updated => (
            "Thẻ đã được cập nhật theo sổ. Trả thẻ cho người hưởng.",
            "The card says what the store says. Give it back to its holder.",
        ),
        Deed::Terminated => (
            "Thẻ đã hủy vĩnh viễn. Đục lỗ thẻ, giữ lại; phát hành danh sách khóa: `ansinh block publish`.",
            "The card is closed for ever. Punch it and keep it; publish the block list: `ansinh block publish`.",
        ),
        Deed::PaymentsUndone { left: 0, .. } => (
            "Đã hủy trên thẻ các khoản chưa giao tiền; danh sách chi sau sẽ có lại. Trả thẻ cho người hưởng.",
            "What was not handed over is undone on the card; the next payment list has it again. Give the card back to its holder.",
        ),
        Deed::PaymentsUndone { .. } => (
            "Có khoản thẻ không hủy nữa: thiết bị đã hủy, hoặc thẻ không còn giữ. Đồng bộ thiết bị đã trả rồi xem lại; trả thẻ cho người hưởng.",
            "The card does not undo all: a terminal has done so, or the card keeps it no more. Synchronise the terminal that paid and look again; give the card back.",
        ),
    }
}

fn facts(outcome: &Outcome) -> impl Iterator<Item = String> {
    let Outcome {
        status,
        version,
        standing,
        new_receipts,
        ..
    } = outcome;
    [
        format!(
            "chip: {}, sổ / store: {}, phiên bản / version {version}",
            life_cycle_name(status.life_cycle),
            standing_name(*standing)
        ),
        format!("còn lần thử PIN / PIN tries left: {}", status.pin_tries),
        format!(
            "biên nhận / receipts: {}, mới đọc về / read back now: {new_receipts}",
            status.counter
        ),
    ]
    .into_iter()
}

fn life_cycle_name(life_cycle: LifeCycle) -> &'static str {
    match life_cycle {
        LifeCycle::Blank => "blank",
        LifeCycle::Personalizing => "personalizing",
        LifeCycle::Active => "active",
        LifeCycle::Blocked => "blocked",
        LifeCycle::Terminated => "terminated",
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Unfinished => "unfinished",
        Standing::Active => "active",
        Standing::Blocked(_) => "blocked",
    }
}
