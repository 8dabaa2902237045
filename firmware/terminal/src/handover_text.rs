//! What the clerk reads while money changes hands: hand-over, what could not be handed over, the holder's receipt.

use core::fmt::Write as _;

use card_spec::payment::Order;
use card_spec::values::{Amount, TerminalName};

use crate::outbox::Outbox;
use crate::standing::Unhanded;
use crate::text::{Dong, EN, VI, in_words, line_type, programme};

/// Writes a line; an outbox that is full cuts it off.
macro_rules! say {
    ($out:expr, $($argument:tt)*) => {{
        let _ = writeln!($out, $($argument)*);
    }};
}

pub(crate) fn hand_over(out: &mut Outbox, payments: &[Unhanded]) {
    let sum = payments.iter().fold(Amount::default(), |sum, payment| {
        sum.checked_add(payment.amount).unwrap_or(Amount::MAXIMUM)
    });
    say!(
        out,
        "Đưa {} rồi bấm Enter.{EN} / Hand over the money, then press Enter.",
        Dong(sum)
    );
    in_words(out, sum);
    say!(
        out,
        "Không giao được: bấm c.{EN} / Cannot be handed over: press c."
    );
}

/// `several`: more payments than the last one, which alone can be undone here. A panel shows five rows, so all of it fits there.
pub(crate) fn confirm_not_handed(out: &mut Outbox, several: bool) {
    if several {
        return say!(
            out,
            "CHƯA ĐƯA TIỀN? Chỉ hủy được khoản cuối; các khoản trước vẫn CHƯA GIAO. 7 = đúng, phím khác = quay lại.{EN} / MONEY NOT \
             HANDED OVER? Only the last payment can be undone here; the others stay NOT HANDED OVER. 7 = yes, any other key goes back."
        );
    }
    say!(
        out,
        "TIỀN CHƯA ĐƯA CHO NGƯỜI NHẬN? Đúng thì bấm 7, phím khác = quay lại.{EN} / MONEY NOT HANDED OVER? 7 = yes, \
         any other key goes back."
    );
}

/// `several`: more payments than the last one.
pub(crate) fn not_handed(out: &mut Outbox, several: bool) {
    say!(
        out,
        "Đã ghi: CHƯA GIAO TIỀN. Giữ tiền lại trong két.{EN} / Recorded: NOT HANDED OVER; keep the money."
    );
    if several {
        say!(
            out,
            "Máy này chỉ hủy được khoản cuối; các khoản trước: báo nơi cấp thẻ.{EN} / Only the last payment is undone here; tell the \
             issuer of the others."
        );
    }
}

pub(crate) fn unreversed(out: &mut Outbox) {
    say!(
        out,
        "Có khoản CHƯA GIAO, CHƯA HỦY: chạm thẻ đó để hủy.{EN} / A payment was not handed over and is not undone: tap that card."
    );
}

pub(crate) fn to_be_undone(out: &mut Outbox) {
    say!(out, "HỦY KHOẢN CHƯA GIAO{EN} / UNDO WHAT WAS NOT HANDED OVER");
}

pub(crate) fn undone(out: &mut Outbox) {
    say!(
        out,
        "ĐÃ HỦY. Có thể trả lại khoản này.{EN} / UNDONE; it can be paid again."
    );
}

/// `is_final`: the card will not undo it here.
pub(crate) fn not_undone(out: &mut Outbox, is_final: bool) {
    if is_final {
        return say!(
            out,
            "CHƯA HỦY, và máy này không hủy được nữa: giữ tiền, báo nơi cấp thẻ.{EN} / NOT UNDONE, nor will it be here: keep the \
             money and tell the issuer."
        );
    }
    say!(
        out,
        "CHƯA HỦY: giữ tiền, chạm lại thẻ đó khi có thể.{EN} / NOT UNDONE yet: keep the money, tap that card again."
    );
}

/// The card's newest receipt is not of this payment: so it says, too, when the issuer has undone the payment (DATA 5.5). A panel
/// shows five rows, so all of it fits there.
pub(crate) fn not_newest(out: &mut Outbox) {
    say!(
        out,
        "CHƯA HỦY, và máy này không hủy được nữa. Có thể nơi cấp thẻ hủy rồi: giữ tiền, hỏi nơi cấp thẻ.{EN} / NOT UNDONE, nor will it \
         be here. The issuer may have undone it: keep the money and ask there."
    );
}

/// Its issuer has undone a payment of the card (DATA 12).
pub(crate) fn undone_by_issuer(out: &mut Outbox) {
    say!(
        out,
        "Nơi cấp thẻ ĐÃ HỦY một khoản chưa giao tiền: có lại ở danh sách sau.{EN} / The issuer has UNDONE a payment whose money was not \
         handed over: it comes again with the next list."
    );
}

/// The card does not want what its issuer has signed for it.
pub(crate) fn not_undone_by_issuer(out: &mut Outbox) {
    say!(
        out,
        "Chưa hủy được theo lệnh nơi cấp thẻ: báo nơi cấp thẻ.{EN} / What the issuer wanted undone is NOT UNDONE: tell the issuer."
    );
}

/// The holder's receipt begins.
pub(crate) fn slip(out: &mut Outbox, terminal: TerminalName) {
    say!(out, "BIÊN NHẬN{EN} / RECEIPT{VI} {terminal}");
}

/// One payment of it.
pub(crate) fn slip_line(out: &mut Outbox, order: &Order<'_>) {
    let parts = order.line_key.parts();
    let (programme, programme_english) = programme(parts.programme);
    let (kind, kind_english) = line_type(parts.line_type);
    say!(
        out,
        "{}. {} {programme}{EN} / {programme_english}{VI}, {kind}{EN} / {kind_english}{VI} {:02}/{}: {}",
        order.sequence,
        order.time,
        parts.period.month(),
        parts.period.year(),
        Dong(order.amount)
    );
}

/// A payment whose order is not at hand any more.
pub(crate) fn slip_amount(out: &mut Outbox, payment: &Unhanded) {
    say!(out, "{}. {}", payment.intent, Dong(payment.amount));
}

pub(crate) fn no_slip(out: &mut Outbox) {
    say!(
        out,
        "Không có biên nhận: chỉ của người vừa trả.{EN} / No receipt: there is one of the last holder only."
    );
}
