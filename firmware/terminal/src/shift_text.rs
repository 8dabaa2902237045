//! What the clerk reads about shifts: Vietnamese first, English second.

use core::fmt::Write as _;

use card_spec::journal::ShiftEnd;

use crate::outbox::Outbox;
use crate::text::{EN, VI};

/// Writes a line; an outbox that is full cuts it off.
macro_rules! say {
    ($out:expr, $($argument:tt)*) => {{
        let _ = writeln!($out, $($argument)*);
    }};
}

/// Where no list of operators was ever loaded, everybody can read so.
pub(crate) fn unprotected(out: &mut Outbox) {
    say!(
        out,
        "CA KHÔNG CÓ MÃ PIN, ai cũng mở được. Hãy nạp danh sách người trả.{EN} / SHIFTS HAVE NO PIN, anybody can open one: \
         load operators from the host."
    );
}

/// What is typed follows on the same line.
pub(crate) fn ask_operator(out: &mut Outbox, is_protected: bool) {
    let _ = if is_protected {
        write!(out, "Tên hoặc số người trả{EN} / Operator, name or number{VI}: ")
    } else {
        write!(out, "Tên người trả{EN} / Operator{VI}: ")
    };
}

/// The digits follow on the same line.
pub(crate) fn ask_operator_pin(out: &mut Outbox) {
    let _ = write!(
        out,
        "PIN của người trả rồi Enter, c = hủy{EN} / Operator's PIN, c = cancel{VI}: "
    );
}

pub(crate) fn no_operator(out: &mut Outbox) {
    say!(
        out,
        "Thiết bị không có người trả này. Chưa mở ca. Hãy xem lại tên hoặc số, hoặc báo người phụ trách.{EN} / No such \
         operator here, no shift was opened: check name or number, or ask your supervisor."
    );
}

pub(crate) fn wrong_operator_pin(out: &mut Outbox, seconds: u64) {
    say!(
        out,
        "Sai mã PIN của người trả. Chưa mở ca. Chờ {seconds} giây rồi bấm o.{EN} / Wrong operator PIN, no shift was opened: \
         wait {seconds} seconds, then press o."
    );
}

pub(crate) fn wait_after_wrong_pin(out: &mut Outbox, seconds: u64) {
    say!(
        out,
        "Đã nhập sai PIN. Chờ thêm {seconds} giây rồi bấm o.{EN} / After a wrong PIN: wait {seconds} more seconds, then press o."
    );
}

pub(crate) fn opened(out: &mut Outbox, name: &str, is_protected: bool) {
    say!(out, "Mở ca: {name}{EN} / Shift opened");
    if !is_protected {
        unprotected(out);
    }
}

pub(crate) fn closed(out: &mut Outbox, name: &str, end: ShiftEnd) {
    let (vietnamese, english) = match end {
        ShiftEnd::Closed => ("", ""),
        ShiftEnd::Idle => (
            " vì đã lâu không ai dùng",
            ": nobody has used the terminal for a while",
        ),
        ShiftEnd::OperatorsChanged => (
            " vì có danh sách người trả mới",
            ": there is a new list of operators",
        ),
    };
    say!(out, "Kết ca: {name}{vietnamese}{EN} / Shift closed{english}");
}
