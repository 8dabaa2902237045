//! What the clerk reads about shifts: Vietnamese first, English second.

use core::cmp::Ordering;
use core::fmt::Write as _;

use card_spec::journal::{Refusal, ShiftEnd};
use card_spec::list::ListLine;
use card_spec::payment::ClockSource;
use card_spec::values::{Amount, Time};

use crate::cash::{Cash, Telling};
use crate::clock_setting::WrongTime;
use crate::outbox::Outbox;
use crate::shift::Wish;
use crate::text::{self, Dong, EN, VI};
use crate::totals::{Sum, Totals};
use crate::words::InWords;

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
        write!(
            out,
            "Tên hoặc số người trả, ESC = hủy{EN} / Operator, name or number, ESC = cancel{VI}: "
        )
    } else {
        write!(out, "Tên người trả, ESC = hủy{EN} / Operator, ESC = cancel{VI}: ")
    };
}

/// The digits follow on the same line.
pub(crate) fn ask_operator_pin(out: &mut Outbox) {
    let _ = write!(
        out,
        "PIN của người trả rồi Enter, c = hủy{EN} / Operator's PIN, c = cancel{VI}: "
    );
}

/// The digits follow on the same line.
pub(crate) fn ask_card_pin(out: &mut Outbox, name: &str) {
    let _ = write!(
        out,
        "PIN thẻ của {name} rồi Enter, c = hủy{EN} / PIN of {name}'s card, c = cancel{VI}: "
    );
}

pub(crate) fn no_card_pin(out: &mut Outbox) {
    say!(
        out,
        "Mã PIN của thẻ có 6 chữ số.{EN} / The PIN of a card has 6 digits."
    );
}

pub(crate) fn tap_operator_card(out: &mut Outbox, name: &str) {
    say!(
        out,
        "Chạm thẻ của {name}, c = hủy{EN} / Tap the card of {name}, c = cancel"
    );
}

/// Nobody of what was typed has the role.
pub(crate) fn no_operator(out: &mut Outbox, wish: Wish) {
    let (vietnamese, english) = match wish {
        Wish::Shift => (
            "được mở ca ở đây. Hãy xem lại, hoặc báo người phụ trách.",
            "may open a shift here: check it, or ask your supervisor.",
        ),
        Wish::Clock => (
            "được đặt giờ ở đây. Giờ giữ nguyên; hãy nhờ người phụ trách.",
            "may set the clock here. It is unchanged: ask a supervisor.",
        ),
        Wish::Second => (
            "được làm người thứ hai ở đây. Hãy xem lại, hoặc nhờ người trả khác.",
            "may be the second operator here: check it, or ask another clerk.",
        ),
    };
    say!(
        out,
        "Không ai có tên hoặc số này {vietnamese}{EN} / Nobody of this name or number {english}"
    );
}

pub(crate) fn nobody_vouches(out: &mut Outbox) {
    say!(
        out,
        "Chưa có danh sách người trả nên không ai làm người thứ hai được. Hãy nạp từ máy chủ.{EN} / No operators loaded, so nobody \
         can be the second one: load them from the host."
    );
}

/// Nobody has proven to be an operator: why, and what to do.
pub(crate) fn unproven(out: &mut Outbox, wish: Wish, refusal: &Refusal) {
    text::refused(out, undone(wish), refusal);
}

/// The card is genuine, and another one than that of who was named.
pub(crate) fn other_card(out: &mut Outbox, wish: Wish, name: &str) {
    let (vietnamese, english) = undone(wish);
    say!(
        out,
        "{vietnamese}: đây không phải thẻ của {name}.{EN} / {english}: this is not the card of {name}."
    );
}

/// It only pretends to be a card, or somebody is between it and the reader.
pub(crate) fn forged_card(out: &mut Outbox, wish: Wish) {
    let (vietnamese, english) = undone(wish);
    say!(
        out,
        "{vietnamese}: thẻ không hợp lệ.{EN} / {english}: the card is not genuine; report it."
    );
}

/// So many tries are left on an operator's card.
pub(crate) fn card_tries_left(out: &mut Outbox, tries: u8) {
    if tries == 0 {
        return say!(
            out,
            "PIN thẻ đã khóa: nơi cấp thẻ mở.{EN} / The card's PIN is blocked now; the issuing station unblocks it."
        );
    }
    say!(
        out,
        "Thẻ còn {tries} lần thử.{EN} / {tries} tries left on the card."
    );
}

/// What follows an attempt that failed.
pub(crate) fn wait_first(out: &mut Outbox, wish: Wish, seconds: u64) {
    let key = key(wish);
    say!(
        out,
        "Chờ {seconds} giây, bấm {key}.{EN} / Wait {seconds} seconds, then press {key}."
    );
}

pub(crate) fn still_to_wait(out: &mut Outbox, wish: Wish, seconds: u64) {
    let key = key(wish);
    say!(
        out,
        "Đã sai PIN hoặc thẻ. Chờ thêm {seconds} giây rồi bấm {key}.{EN} / After a wrong PIN or card: wait {seconds} more seconds, \
         then press {key}."
    );
}

/// Who has begun to prove to be an operator is on another list now, or on none.
pub(crate) fn other_operators(out: &mut Outbox, wish: Wish) {
    let ((vietnamese, english), key) = (undone(wish), key(wish));
    say!(
        out,
        "{vietnamese}: có danh sách người trả mới. Hãy bấm {key} lần nữa.{EN} / {english}: there is a new list of operators; press \
         {key} again."
    );
}

/// What is not done when nobody has proven to be an operator.
fn undone(wish: Wish) -> (&'static str, &'static str) {
    match wish {
        Wish::Shift => ("CHƯA MỞ CA", "NO SHIFT OPENED"),
        Wish::Clock => ("CHƯA ĐẶT GIỜ", "CLOCK UNCHANGED"),
        Wish::Second => ("CHƯA CÓ NGƯỜI THỨ HAI", "NO SECOND OPERATOR"),
    }
}

/// What to press for it.
fn key(wish: Wish) -> char {
    match wish {
        Wish::Shift => 'o',
        Wish::Clock => 'g',
        Wish::Second => '2',
    }
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

/// Whose time it is, where a supervisor may set it.
pub(crate) fn clock_source(out: &mut Outbox, source: ClockSource) {
    match source {
        ClockSource::Host => {}
        ClockSource::Operator => say!(
            out,
            "Giờ do người phụ trách đặt.{EN} / A supervisor has set the clock."
        ),
        ClockSource::Unset => say!(
            out,
            "Không có máy chủ: người phụ trách bấm g để đặt giờ.{EN} / No host: a supervisor presses g to set the clock."
        ),
    }
}

pub(crate) fn host_clock(out: &mut Outbox) {
    say!(
        out,
        "Giờ do máy chủ đặt, giữ nguyên.{EN} / A host has set the clock: it stays."
    );
}

pub(crate) fn nobody_sets_clock(out: &mut Outbox) {
    say!(
        out,
        "Chưa có danh sách người trả: chỉ máy chủ đặt được giờ.{EN} / No operators loaded: only a host sets the clock."
    );
}

/// The digits follow on the same line.
pub(crate) fn ask_time(out: &mut Outbox) {
    let _ = write!(
        out,
        "Năm tháng ngày giờ phút, 12 chữ số, c = hủy{EN} / Year month day hour minute, 12 digits, c = cancel{VI}: "
    );
}

pub(crate) fn wrong_time(out: &mut Outbox, wrong: WrongTime) {
    let (vietnamese, english) = match wrong {
        WrongTime::NoTime => (
            "Không phải ngày giờ. Ví dụ 202611220830.",
            "No day and time. For example 202611220830.",
        ),
        WrongTime::Behind => (
            "Giờ này sớm hơn giờ mới nhất thiết bị đã biết. Đồng hồ giữ nguyên.",
            "Earlier than what the terminal has seen. The clock is unchanged.",
        ),
        WrongTime::Beyond => (
            "Chứng thư thiết bị không có hiệu lực ngày này. Đồng hồ giữ nguyên; hãy đồng bộ với máy chủ.",
            "The terminal's certificates are not valid on that day. The clock is unchanged: sync with the host.",
        ),
    };
    say!(out, "{vietnamese}{EN} / {english}");
}

pub(crate) fn clock_set(out: &mut Outbox, time: Time, name: &str) {
    say!(out, "Đã đặt giờ {time} ({name}).{EN} / The clock is set.");
}

pub(crate) fn totals(out: &mut Outbox, totals: &Totals) {
    let Totals {
        paid,
        by_hand,
        handed,
        refused,
        cash,
        ..
    } = totals;
    say!(
        out,
        "Ca này: thẻ đã trả {}, {}{EN} / This shift: paid by cards",
        paid.number,
        Dong(paid.amount())
    );
    if by_hand.number > 0 {
        say!(
            out,
            "  chi tay {}, {}{EN} / paid by hand",
            by_hand.number,
            Dong(by_hand.amount())
        );
    }
    say!(
        out,
        "  đã giao {}, {}{EN} / handed over",
        handed.number,
        Dong(handed.amount())
    );
    say!(out, "  từ chối {refused}{EN} / refused");
    if cash.is_kept() {
        cash_kept(out, *cash);
    }
}

/// What should be in the drawer is for the clerk to count first.
fn cash_kept(out: &mut Outbox, cash: Cash) {
    say!(
        out,
        "  tiền đã nhận {}{EN} / cash received",
        Dong(cash.received())
    );
    if cash.is_uncounted() {
        say!(out, "  chưa đếm tiền: d{EN} / cash is not counted: d");
    }
}

/// The digits follow on the same line.
pub(crate) fn ask_cash(out: &mut Outbox, telling: Telling) {
    let _ = match telling {
        Telling::Received => write!(
            out,
            "Tiền mặt vừa nhận, đồng, c = hủy{EN} / Cash just received in VND, c = cancel{VI}: "
        ),
        Telling::Counted => write!(
            out,
            "Đếm tiền mặt đang giữ, đồng, c = hủy{EN} / Count the cash you hold, in VND, c = cancel{VI}: "
        ),
    };
}

pub(crate) fn confirm_cash(out: &mut Outbox, amount: Amount) {
    say!(out, "{}", Dong(amount));
    say!(out, "{}", InWords(amount));
    say!(out, "Enter = ghi, c = hủy{EN} / Enter = keep, c = cancel");
}

pub(crate) fn cash_unrecorded(out: &mut Outbox) {
    say!(out, "Không ghi gì.{EN} / Nothing was recorded.");
}

pub(crate) fn cash_received(out: &mut Outbox, amount: Amount, cash: Cash) {
    say!(
        out,
        "Đã ghi tiền nhận {}; cả ca {}.{EN} / Cash received; in the whole shift.",
        Dong(amount),
        Dong(cash.received())
    );
}

pub(crate) fn cash_counted(out: &mut Outbox, expected: Amount, counted: Amount) {
    say!(out, "Sổ: {}{EN} / Should be there", Dong(expected));
    say!(out, "Đếm: {}{EN} / Counted", Dong(counted));
    let difference = Amount::new(counted.vnd().abs_diff(expected.vnd())).unwrap_or(Amount::MAXIMUM);
    match counted.cmp(&expected) {
        Ordering::Equal => say!(out, "ĐỦ TIỀN.{EN} / Correct."),
        Ordering::Greater => say!(out, "THỪA {}. Đã ghi.{EN} / Over, recorded.", Dong(difference)),
        Ordering::Less => say!(
            out,
            "THIẾU {}. Đã ghi; đếm lại được bằng d.{EN} / Short, recorded; d counts again.",
            Dong(difference)
        ),
    }
}

pub(crate) fn no_cash(out: &mut Outbox) {
    say!(
        out,
        "Chưa ghi tiền nhận: bấm b và nhập số tiền.{EN} / No cash was recorded as received: press b and type it."
    );
}

pub(crate) fn overdrawn(out: &mut Outbox, more: Amount) {
    say!(
        out,
        "Đã giao nhiều hơn tiền đã ghi nhận {}. Bấm b ghi phần còn thiếu rồi đếm.{EN} / More was handed over than recorded as \
         received: press b and record the rest, then count.",
        Dong(more)
    );
}

/// The key once more ends the shift without.
pub(crate) fn count_first(out: &mut Outbox) {
    say!(
        out,
        "Chưa đếm tiền: bấm d để đếm, hoặc x lần nữa để kết ca không đếm.{EN} / The cash is not counted: press d to count it, or x \
         once more to close the shift without."
    );
}

pub(crate) fn list_totals(out: &mut Outbox, number: u32, lines: u32, left: Sum) {
    say!(
        out,
        "Danh sách {number}: còn {} trong {lines} khoản, {}{EN} / List: lines left, sum",
        left.number,
        Dong(left.amount())
    );
}

pub(crate) fn unpaid_list(out: &mut Outbox, number: u32) {
    say!(out, "Danh sách {number}:{EN} / List");
}

pub(crate) fn unpaid_line(out: &mut Outbox, line: &ListLine) {
    say!(
        out,
        "{:>4}. {} {}",
        line.number,
        line.card_number,
        Dong(line.amount)
    );
}

pub(crate) fn next_page(out: &mut Outbox) {
    say!(out, "Enter = tiếp, c = thôi{EN} / Enter = next, c = end");
}

pub(crate) fn no_more_unpaid(out: &mut Outbox) {
    say!(out, "Hết khoản chưa trả.{EN} / No more unpaid lines.");
}

pub(crate) fn no_list(out: &mut Outbox) {
    say!(out, "Chưa có danh sách chi trả.{EN} / No payment list yet.");
}

pub(crate) fn unreadable_list(out: &mut Outbox) {
    say!(
        out,
        "Không đọc được danh sách. Hãy đồng bộ với máy chủ.{EN} / The list cannot be read: sync with the host."
    );
}
