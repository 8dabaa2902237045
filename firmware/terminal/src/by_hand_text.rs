//! What the clerk reads when a card fails and its holder is paid by hand.

use core::fmt::Write as _;

use card_spec::payment::{Order, SecondOperator};
use card_spec::values::{Amount, CardNumber};

use crate::lists::MAXIMUM_BY_HAND;
use crate::outbox::Outbox;
use crate::text::{Dong, EN, VI};

/// Writes a line; an outbox that is full cuts it off.
macro_rules! say {
    ($out:expr, $($argument:tt)*) => {{
        let _ = writeln!($out, $($argument)*);
    }};
}

/// Where a list allows it.
pub(crate) fn hint(out: &mut Outbox) {
    say!(out, "Thẻ hỏng: 2, rồi m{EN} / Card fails: 2, then m");
}

pub(crate) fn not_allowed(out: &mut Outbox) {
    say!(
        out,
        "Không được chi tay khoản này. Báo nơi cấp thẻ để đổi thẻ.{EN} / The list does not let this be paid by hand: have the card \
         replaced."
    );
}

pub(crate) fn second_first(out: &mut Outbox) {
    say!(
        out,
        "Chi tay cần người thứ hai: bấm 2 trước.{EN} / By hand only with a second operator: press 2 first."
    );
}

pub(crate) fn ask_card_number(out: &mut Outbox) {
    let _ = write!(
        out,
        "CHI TAY. Nhập 16 số in trên thẻ:{EN} / BY HAND. Type the 16 digits on the card:{VI} "
    );
}

pub(crate) fn no_card_number(out: &mut Outbox) {
    say!(
        out,
        "Số thẻ sai, xem lại trên thẻ.{EN} / No card number: look at the card again."
    );
}

/// The person is asked for nothing that a thief of a number could know.
pub(crate) fn look(out: &mut Outbox, card: CardNumber) {
    say!(
        out,
        "Thẻ {card} có ở đây, tên trên thẻ đúng với giấy tờ có ảnh?{EN} / Does card {card} lie here, with the name of the photo document?"
    );
    say!(out, "7 = chi tay, c = thôi{EN} / 7 = pay by hand, c = stop");
}

/// The card may have paid.
pub(crate) fn in_doubt(out: &mut Outbox) {
    say!(
        out,
        "KHÔNG CHI TAY: người này còn khoản chưa rõ, thẻ có thể đã trả.{EN} / NOT BY HAND: a payment of this person is not settled, and \
         the card may have made it."
    );
}

/// As many as one terminal keeps in mind.
pub(crate) fn too_many(out: &mut Outbox) {
    say!(
        out,
        "KHÔNG CHI TAY: đã chi tay {MAXIMUM_BY_HAND} khoản. Đồng bộ và nạp danh sách mới.{EN} / NOT BY HAND: {MAXIMUM_BY_HAND} lines \
         are; sync and load a new list."
    );
}

/// Of a receipt: nobody's card has signed for it, but these two.
pub(crate) fn slip(out: &mut Outbox, order: &Order<'_>) {
    let second = order.second_operator.as_ref().map(SecondOperator::as_str);
    say!(
        out,
        "CHI TAY{EN} / BY HAND{VI}: {}, {}",
        order.operator.as_str(),
        second.unwrap_or_default()
    );
}

pub(crate) fn nothing_paid(out: &mut Outbox) {
    say!(out, "Không chi tay.{EN} / Nothing was paid by hand.");
}

pub(crate) fn paid(out: &mut Outbox, card: CardNumber, amount: Amount) {
    say!(
        out,
        "ĐÃ GHI CHI TAY{EN} / RECORDED AS PAID BY HAND{VI} {card}: {}",
        Dong(amount)
    );
}
