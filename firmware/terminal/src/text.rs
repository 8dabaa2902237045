//! What the clerk reads: Vietnamese first, English second.

use core::fmt::{self, Write};

use card_spec::groups::Representative;
use card_spec::journal::{Refusal, RefusalReason};
use card_spec::list::ListLine;
use card_spec::payment::{LineType, Order, Recipient};
use card_spec::values::{Amount, CardNumber, Date, Digits, Programme};

use crate::outbox::Outbox;
use crate::recipient::Choices;
use crate::words::InWords;

/// Begins English: see [`crate::Output::Screen`].
pub(crate) const EN: char = '\u{1F}';
/// Ends it.
pub(crate) const VI: char = '\u{1E}';

/// What came before concerns somebody else: see [`crate::Output::Screen`].
const NEW_PAGE: char = '\u{0C}';

/// Writes a line; an outbox that is full cuts it off.
macro_rules! say {
    ($out:expr, $($argument:tt)*) => {{
        let _ = writeln!($out, $($argument)*);
    }};
}

/// An amount with its thousands apart, as on Vietnamese money orders.
pub(crate) struct Dong(pub(crate) Amount);

impl fmt::Display for Dong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = heapless::String::<16>::new();
        write!(digits, "{}", self.0.vnd())?;
        let length = digits.len();
        for (index, digit) in digits.chars().enumerate() {
            let left = length.saturating_sub(index);
            if index > 0 && left.is_multiple_of(3) {
                f.write_char('.')?;
            }
            f.write_char(digit)?;
        }
        f.write_str(" đồng")
    }
}

/// A programme in words (DATA 1).
pub(crate) fn programme(programme: Programme) -> (&'static str, &'static str) {
    match &programme.to_bytes() {
        b"BTXH" => ("Trợ cấp xã hội", "social assistance"),
        b"HTXH" => ("Trợ cấp hưu trí xã hội", "social pension"),
        b"NGCC" => ("Ưu đãi người có công", "meritorious services"),
        b"LHBH" => ("Lương hưu", "social insurance pension"),
        b"TCTN" => ("Trợ cấp thất nghiệp", "unemployment benefit"),
        b"DXUA" => ("Cứu trợ đột xuất", "sudden relief"),
        _ => ("Chương trình khác", "other programme"),
    }
}

pub(crate) fn line_type(line_type: LineType) -> (&'static str, &'static str) {
    match line_type {
        LineType::Regular => ("hằng tháng", "monthly"),
        LineType::Arrears => ("truy lĩnh", "arrears"),
        LineType::Funeral => ("mai táng phí", "funeral"),
        LineType::OneOff => ("một lần", "once"),
        LineType::Advance => ("tạm ứng", "advance"),
        LineType::Supplement => ("bổ sung", "supplement"),
        LineType::Recovery => ("thu hồi", "recovery"),
    }
}

pub(crate) fn new_page(out: &mut Outbox) {
    let _ = out.write_char(NEW_PAGE);
}

pub(crate) fn not_provisioned(out: &mut Outbox) {
    say!(
        out,
        "Thiết bị chưa có chứng thư. Hãy nối với máy chủ.{EN} / No certificates yet: connect the host."
    );
}

pub(crate) fn damaged(out: &mut Outbox) {
    say!(
        out,
        "Nhật ký hỏng – KHÔNG CHI TRẢ. Đồng bộ với máy chủ rồi cất giữ thiết bị.{EN} / The journal is damaged, nothing can \
         be paid: sync with the host, then keep this terminal for examination."
    );
}

pub(crate) fn idle(out: &mut Outbox, shift: bool, today: Option<Date>) {
    if today.is_none() {
        say!(
            out,
            "Chưa có giờ. Hãy đồng bộ với máy chủ.{EN} / Clock unset: sync with the host."
        );
    }
    if shift {
        say!(out, "Chạm thẻ{EN} / Tap card");
        say!(out, "t tổng, l còn lại{EN} / t totals, l unpaid");
        say!(
            out,
            "x kết ca, 3 biên nhận{EN} / x close shift, 3 card's receipts"
        );
    } else {
        say!(
            out,
            "Bấm o và nhập tên để mở ca.{EN} / Press o and a name to open a shift."
        );
    }
}

/// In good time before the terminal refuses to pay ([`RefusalReason::JournalFull`]).
pub(crate) fn journal_fills(out: &mut Outbox, payments: u32) {
    say!(
        out,
        "Nhật ký sắp đầy: chắc chắn còn đủ cho {payments} lượt trả. Hãy đồng bộ với máy chủ.{EN} / The journal is nearly full, \
         with room for {payments} more payments for certain: sync with the host."
    );
}

pub(crate) fn unsettled(out: &mut Outbox) {
    say!(
        out,
        "CHƯA RÕ KẾT QUẢ – KHÔNG ĐƯA TIỀN{EN} / OUTCOME UNKNOWN – HAND OVER NOTHING"
    );
}

pub(crate) fn open_order(out: &mut Outbox, order: &Order<'_>) {
    say!(
        out,
        "Dòng{EN} / line{VI} {}: {}, {}",
        order.line_number,
        Dong(order.amount),
        order.time
    );
}

pub(crate) fn tap_same_card(out: &mut Outbox, full: bool) {
    say!(out, "Chạm lại cùng thẻ.{EN} / Tap the same card again.");
    if full {
        return say!(
            out,
            "Quá nhiều khoản chưa rõ: chưa trả cho ai khác được.{EN} / Too many are unknown: nobody else can be paid before one of \
             them is settled."
        );
    }
    say!(
        out,
        "Người đó đã đi: bấm n để trả người tiếp theo; thẻ và khoản của người đó bị giữ lại ở máy này.{EN} / The holder has left: \
         press n to go on with the next person; that card and line stay locked here."
    );
}

pub(crate) fn another_card(out: &mut Outbox) {
    say!(out, "Thẻ khác!{EN} / Another card.");
}

pub(crate) fn put_aside(out: &mut Outbox) {
    say!(
        out,
        "Để lại. Khi thẻ đó trở lại, chạm thẻ trước tiên.{EN} / Put aside: when that card comes back, tap it first."
    );
}

pub(crate) fn still_open(out: &mut Outbox) {
    say!(
        out,
        "Khoản này chưa rõ đã trả hay chưa, nên máy này không trả lại. Đem thẻ đến nơi cấp thẻ để đọc biên nhận.{EN} / Whether it \
         was paid is still unknown, so this terminal does not pay it again: the issuing station reads the card's receipts."
    );
}

pub(crate) fn in_words(out: &mut Outbox, amount: Amount) {
    say!(out, "Bằng chữ{EN} / in words{VI}: {}", InWords(amount));
}

pub(crate) fn holder(out: &mut Outbox, card: CardNumber, name: &str) {
    say!(out, "Thẻ{EN} / card{VI} {card}: {name}");
}

pub(crate) fn personal_id(out: &mut Outbox, number: &str) {
    say!(out, "Số định danh{EN} / personal ID{VI}: {number}");
}

/// A representative on the card; `may_take`: the authorization lasts today.
pub(crate) fn representative(out: &mut Outbox, key: char, person: &Representative<'_>, may_take: bool) {
    let (relation, english) = relation(person.relation);
    say!(
        out,
        "{key} = {relation}{EN} / {english}{VI}: {}, {}",
        person.name.as_str(),
        person.personal_id.as_str()
    );
    if !may_take {
        say!(
            out,
            "    hết hạn {}: KHÔNG được nhận{EN} / the authorization has ended",
            person.expiry
        );
    }
}

/// A representative's relation to the holder (DATA 1).
fn relation(relation: Digits<2>) -> (&'static str, &'static str) {
    match &relation.to_bytes() {
        b"01" => ("vợ/chồng", "spouse"),
        b"02" => ("con", "child"),
        b"03" => ("cha/mẹ", "parent"),
        b"04" => ("anh chị em", "sibling"),
        b"05" => ("cháu", "grandchild"),
        b"06" => ("người giám hộ", "guardian"),
        _ => ("người đại diện", "representative"),
    }
}

/// Who takes the money.
pub(crate) fn taker(out: &mut Outbox, recipient: Recipient) {
    match recipient {
        Recipient::Holder => say!(out, "Chủ thẻ nhận tiền.{EN} / The holder takes the money."),
        Recipient::FirstRepresentative => {
            say!(
                out,
                "Người đại diện a nhận tiền.{EN} / Representative a takes the money."
            );
        }
        Recipient::SecondRepresentative => {
            say!(
                out,
                "Người đại diện b nhận tiền.{EN} / Representative b takes the money."
            );
        }
    }
}

/// The keys besides the PIN's.
pub(crate) fn choices(out: &mut Outbox, choices: &Choices) {
    if choices.has_representative() {
        say!(
            out,
            "h = chủ thẻ, a/b = người đại diện nhận{EN} / h = the holder, a/b = a representative takes the money"
        );
    }
    if choices.pin && choices.document {
        say!(
            out,
            "d = xem giấy tờ, p = PIN{EN} / d = a photo document is seen, p = PIN"
        );
    }
}

pub(crate) fn second_operator(out: &mut Outbox, name: &str) {
    say!(
        out,
        "Người thứ hai: {name}, cho một lượt trả.{EN} / Second operator: {name}, for one service."
    );
}

pub(crate) fn no_second_operator(out: &mut Outbox) {
    say!(
        out,
        "Người thứ hai phải là người khác, tên không quá 11 chữ.{EN} / The second operator must be another one, with a name of at \
         most 11 letters."
    );
}

pub(crate) fn end_line(out: &mut Outbox) {
    say!(out, "");
}

pub(crate) fn not_to_be_chosen(out: &mut Outbox) {
    say!(
        out,
        "Người này không nhận được khoản nào bằng cách đó.{EN} / Nothing is due that way."
    );
}

pub(crate) fn enter_pin(out: &mut Outbox) {
    let _ = write!(
        out,
        "Nhập PIN rồi Enter, c = hủy{EN} / Enter PIN, c = cancel{VI}: "
    );
}

pub(crate) fn look_at_document(out: &mut Outbox) {
    say!(
        out,
        "Xem giấy tờ có ảnh của người nhận. Đúng người và đúng số thì Enter, c = hủy{EN} / Look at the recipient's photo \
         document: Enter if person and number are right, c = cancel"
    );
}

pub(crate) fn look_again(out: &mut Outbox) {
    say!(
        out,
        "Trả theo giấy tờ: xem lại giấy tờ trước khi đưa tiền.{EN} / Paid on a document: look at it again before you hand over \
         the money."
    );
}

pub(crate) fn document_not_enough(out: &mut Outbox) {
    say!(
        out,
        "PIN thẻ đã khóa: trả theo giấy tờ cần người trả thứ hai, bấm 2 rồi chạm lại; hoặc nơi cấp mở PIN.{EN} / The \
         card's PIN is blocked: a document needs a second operator, press 2 and tap again; or the issuing station unblocks it."
    );
}

pub(crate) fn due_line(out: &mut Outbox, line: &ListLine) {
    let parts = line.line_key.parts();
    let (programme, programme_english) = programme(parts.programme);
    let (kind, kind_english) = line_type(parts.line_type);
    say!(
        out,
        "{:>4}. {programme}{EN} / {programme_english}{VI}, {kind}{EN} / {kind_english}{VI} {:02}/{}: {}",
        line.number,
        parts.period.month(),
        parts.period.year(),
        Dong(line.amount)
    );
}

pub(crate) fn total(out: &mut Outbox, total: Amount, more: bool) {
    say!(out, "Cộng{EN} / total{VI}: {}", Dong(total));
    in_words(out, total);
    if more {
        say!(
            out,
            "Còn khoản khác ở lần chạm sau.{EN} / More is due: tap again afterwards."
        );
    }
}

pub(crate) fn tap_again(out: &mut Outbox) {
    say!(out, "Chạm lại thẻ, c = hủy{EN} / Tap the card again, c = cancel");
}

pub(crate) fn tries_left(out: &mut Outbox, tries: u8) {
    say!(out, "Còn {tries} lần thử.{EN} / {tries} tries left.");
    if tries == 1 {
        say!(
            out,
            "Sai nữa là khóa PIN. Không nhớ: bấm c, nơi cấp thẻ đặt PIN mới.{EN} / One more wrong PIN blocks it. Forgotten: press c, \
             the issuing station sets a new one."
        );
    }
}

/// The PIN is blocked, and the issuer allows photo documents for this card.
pub(crate) fn document_instead(out: &mut Outbox) {
    say!(
        out,
        "Trả hôm nay được bằng giấy tờ có ảnh: bấm 2, người trả thứ hai xác nhận, chạm thẻ, bấm d.{EN} / A photo document pays \
         today: press 2, a second operator joins, tap the card, press d."
    );
}

/// The card at the second tap is not that of the first one. Its holder is nobody's business here, so it is told by number.
pub(crate) fn swapped(out: &mut Outbox, card: CardNumber, first: CardNumber) {
    say!(
        out,
        "Thẻ khác: {card}. Trả lại thẻ đó, dùng thẻ {first}.{EN} / Another card: give it back and use the first one."
    );
}

/// What it may mean that a genuine card shows nothing of its holder.
pub(crate) fn maybe_blocked(out: &mut Outbox) {
    say!(
        out,
        "Thẻ có thể đã ngừng dùng: mời đến nơi cấp thẻ.{EN} / The card may be out of use: send the person to the issuing station."
    );
}

pub(crate) fn paid(out: &mut Outbox, line: u32, amount: Amount) {
    say!(
        out,
        "ĐÃ TRẢ{EN} / PAID{VI}: dòng{EN} / line{VI} {line}, {}",
        Dong(amount)
    );
}

pub(crate) fn without_pin(out: &mut Outbox) {
    say!(
        out,
        "Biên nhận của thẻ ghi là không có PIN. Hãy báo nơi cấp thẻ.{EN} / The card's receipt says that no PIN was \
         verified: report it to the issuer."
    );
}

pub(crate) fn not_recorded(out: &mut Outbox) {
    say!(
        out,
        "Không ghi được nhật ký. Hãy đồng bộ; nếu còn lỗi, ngừng dùng.{EN} / The journal took no entry: sync; if it \
         persists, stop using this terminal."
    );
}

/// Says that nothing is paid, why, and what to do.
pub(crate) fn refusal(out: &mut Outbox, refusal: &Refusal) {
    refused(out, ("KHÔNG TRẢ", "NOT PAID"), refusal);
}

/// Says what is not done, why, and what to do.
pub(crate) fn refused(out: &mut Outbox, undone: (&str, &str), refusal: &Refusal) {
    let (vietnamese, english) = reason(refusal.reason);
    say!(out, "{}: {vietnamese}", undone.0);
    say!(out, "{EN}{}: {english}", undone.1);
    if let Some(status) = refusal.status_word {
        let _ = write!(out, "Mã{EN} / code{VI} {status:04X}");
        if let Some((vietnamese, english)) = decision(status) {
            let _ = write!(out, ": {vietnamese}{EN} / {english}");
        }
        say!(out, "");
    }
}

/// The flash has refused a mark without which a line could be paid twice. A panel shows five rows, so all of it fits there.
pub(crate) fn unmarked(out: &mut Outbox) {
    say!(
        out,
        "KHÔNG TRẢ GÌ NỮA: bộ nhớ không ghi được dấu đã trả. Đồng bộ, rồi tắt và bật lại.{EN} / PAY NOTHING MORE: the flash refused \
         a mark of what was paid; sync, then switch off and on."
    );
}

fn reason(reason: RefusalReason) -> (&'static str, &'static str) {
    match reason {
        RefusalReason::NotOnList => (
            "thẻ không có trong danh sách của điểm này.",
            "the card is not on this list; look up the person's pay point.",
        ),
        RefusalReason::WrongPin => ("sai mã PIN.", "wrong PIN."),
        RefusalReason::PinBlocked => (
            "PIN đã bị khóa. Đến nơi cấp thẻ để mở.",
            "the PIN is blocked; the issuing station unblocks it.",
        ),
        RefusalReason::CardBlocked => (
            "thẻ đã ngừng dùng. Giữ thẻ, mời đến nơi cấp thẻ.",
            "this card is no longer in use; keep it and send the person to the issuing station.",
        ),
        RefusalReason::CardExpired => (
            "thẻ hết hạn hoặc chưa có hiệu lực.",
            "the card is expired or not yet valid; the issuer replaces it.",
        ),
        RefusalReason::AlreadyPaid => ("khoản này đã trả rồi.", "it is already paid."),
        RefusalReason::NotGenuine => (
            "thẻ không hợp lệ hoặc có can thiệp. Không đưa tiền.",
            "the card is not genuine or was tampered with; hand over nothing, report it.",
        ),
        RefusalReason::ClockUnset => (
            "chưa có giờ. Đồng bộ với máy chủ.",
            "the clock is unset; sync with the host.",
        ),
        RefusalReason::BlockListStale => (
            "danh sách khóa thẻ quá 35 ngày. Đồng bộ với máy chủ.",
            "the block list is older than 35 days; sync with the host.",
        ),
        RefusalReason::CertificateExpired => (
            "chứng thư thiết bị không còn hiệu lực. Đồng bộ với máy chủ.",
            "the terminal's certificate is not valid today; sync with the host.",
        ),
        RefusalReason::JournalFull => (
            "nhật ký đầy. Đồng bộ với máy chủ.",
            "the journal is full; sync with the host.",
        ),
        RefusalReason::RefusedByCard => ("thẻ từ chối.", "the card refuses."),
        RefusalReason::ListNotValid => (
            "không có danh sách chi trả cho hôm nay.",
            "there is no payment list for today; sync with the host.",
        ),
        RefusalReason::CardRemoved => (
            "thẻ bị nhấc ra quá sớm. Chạm lại và giữ yên.",
            "the card left too soon; tap again and hold it still.",
        ),
        RefusalReason::Cancelled => ("đã hủy.", "cancelled."),
        RefusalReason::UnknownIssuer => (
            "thiết bị chưa có chứng thư của nơi cấp thẻ. Đồng bộ rồi chạm lại; không giữ thẻ.",
            "no valid certificate of this card's issuer here; sync with the host and tap again; do not keep the card.",
        ),
    }
}

/// What stands for a line that the card has refused. A panel shows five rows, so all of it fits there.
pub(crate) fn paid_before(out: &mut Outbox, order: &Order<'_>) {
    let Some(date) = order.time.date() else {
        return;
    };
    say!(
        out,
        "Đã trả {date} tại {}: {}.{EN} / Paid then at that terminal.",
        order.terminal,
        Dong(order.amount)
    );
    say!(
        out,
        "KHÔNG ĐƯA TIỀN. Thắc mắc: nơi cấp thẻ.{EN} / HAND OVER NOTHING; questions: the issuing station, which looks it up by day and \
         terminal."
    );
}

pub(crate) fn tap_for_receipts(out: &mut Outbox) {
    say!(
        out,
        "Chạm thẻ để đọc biên nhận, c = hủy{EN} / Tap the card to read its receipts, c = cancel"
    );
}

/// So many receipts were news.
pub(crate) fn receipts_taken(out: &mut Outbox, taken: u32) {
    say!(
        out,
        "Biên nhận mới của máy khác: {taken}.{EN} / New receipts of other terminals: {taken}."
    );
}

pub(crate) fn receipts_read(out: &mut Outbox) {
    say!(
        out,
        "Đã đọc hết, nhấc thẻ ra được.{EN} / All are read: take the card away."
    );
}

/// What is left of the journal is for payments.
pub(crate) fn no_room_for_receipts(out: &mut Outbox) {
    say!(
        out,
        "CHƯA ĐỌC HẾT: chỗ còn lại để trả tiền. Đồng bộ rồi bấm 3.{EN} / NOT ALL were read: room is kept for payments: sync, then \
         press 3."
    );
}

/// The card has receipts that are not read.
pub(crate) fn receipts_unread(out: &mut Outbox) {
    say!(
        out,
        "CHƯA ĐỌC HẾT: bấm 3, chạm lại thẻ.{EN} / NOT ALL were read: press 3 and tap the card again."
    );
}

/// Before the card is shown that it is on the block list, which may take seconds.
pub(crate) fn hold_still(out: &mut Outbox) {
    say!(out, "Giữ yên thẻ trên máy.{EN} / Hold the card still.");
}

/// The card has blocked itself.
pub(crate) fn card_blocked(out: &mut Outbox) {
    say!(
        out,
        "Thẻ đã tự khóa, nhấc ra được. Máy khác cũng không trả nữa.{EN} / The card has blocked itself: take it away; no terminal \
         pays on it any more."
    );
}

/// What the card's decision means (SPEC 9.3).
fn decision(status: u16) -> Option<(&'static str, &'static str)> {
    match status {
        0x6340 => Some(("đã trả ở nơi khác", "paid elsewhere")),
        0x6341 => Some((
            "chương trình không còn trên thẻ",
            "programme not active on the card",
        )),
        0x6342 => Some(("kỳ trả quá xa", "period out of range")),
        0x6343 => Some(("vượt mức một lần", "above the cap of an order")),
        0x6344 => Some(("vượt mức tháng", "above the cap of a month")),
        0x6345 => Some(("ngày không hợp lệ", "date out of range")),
        0x6346 => Some(("chưa nhập đúng PIN", "holder not checked")),
        0x6347 => Some(("bộ nhớ thẻ đầy", "no room on the card")),
        0x6348 => Some(("thẻ hết số biên nhận", "counter exhausted")),
        0x6349 => Some(("lệnh cho thẻ khác", "order for another card")),
        0x634A => Some(("lệnh chi đã bị hủy", "the payment was reversed")),
        0x634B => Some((
            "không phải khoản mới nhất của thẻ",
            "not the card's newest payment",
        )),
        0x634C => Some((
            "thẻ bị khóa hoặc đã hủy, báo nơi cấp",
            "card blocked or terminated, tell the issuer",
        )),
        0x634F => Some(("người nhận không được ủy quyền", "recipient not authorized")),
        _ => None,
    }
}
