//! The PIN letter: the one place outside the card where a PIN is shown, once, to its holder.
//!
//! Laid out after DIN 5008:2020, form B, as window envelopes DL (ISO 269, 110 mm × 220 mm) want it: the address field is 85 mm
//! wide and 45 mm high, 20 mm from the left and 45 mm from the upper edge; its upper 17.7 mm are for the sender, the lower
//! 27.3 mm for the address; folds at 105 mm and 210 mm. So the window shows name and address and nothing else, and the PIN is on
//! the middle third, inside when folded. The envelope must be of a kind through which print cannot be read.

use card_spec::command::Pin;
use card_spec::values::CardNumber;
use jiff::civil::DateTime;
use zeroize::Zeroizing;

use crate::FormError;
use crate::paper::{Faces, Page, Paper, WIDTH};
use crate::text::{Field, check, in_groups};

/// What one letter says. It holds a PIN, so it has no `Debug`.
pub struct PinLetter<'a> {
    /// The card.
    pub number: CardNumber,
    /// The holder's name as in the ledger.
    pub name: &'a str,
    /// Commune and province; no street, which lists seldom have.
    pub address: &'a str,
    /// The office that sends it.
    pub sender: &'a str,
    /// Whom to call about it: an office and its telephone.
    pub contact: &'a str,
    /// When it is printed, in Vietnam's time. A card taken up again gets another letter, and the newest counts.
    pub printed: DateTime,
    /// The PIN.
    pub pin: &'a Pin,
}

const LEFT: f32 = 20.0;
const RIGHT: f32 = WIDTH - 20.0;
const ADDRESS_WIDTH: f32 = 85.0;
const SENDER_BASELINE: f32 = 56.0;
const ADDRESS_BASELINE: f32 = 64.5;
const DETAILS: f32 = 125.0;
const FOLDS: [f32; 2] = [105.0, 210.0];
/// Left, upper, right and lower edge of the frame around the PIN.
const FRAME: (f32, f32, f32, f32) = (60.0, 128.0, 150.0, 152.0);
/// Lines of name and of address that the address field has room for.
const ADDRESS_LINES: usize = 3;
const CONTACT_LINES: usize = 3;

/// What to do, in Vietnamese and English.
const ADVICE: [(&str, &str); 6] = [
    (
        "Chỉ thư mới nhất có giá trị (xem ngày giờ in ở trên). Nếu có thư cũ của thẻ này, hãy hủy thư cũ.",
        "Only the newest letter counts (see date and time above). If you have an older one for this card, destroy it.",
    ),
    (
        "Học thuộc mã PIN rồi hủy thư, hoặc cất thư xa thẻ. Không ghi mã PIN lên thẻ.",
        "Learn the PIN and destroy this letter, or keep it apart from the card. Never write the PIN on the card.",
    ),
    (
        "Không nói mã PIN cho bất kỳ ai, kể cả nhân viên chi trả, cán bộ hay người gọi điện. Tự mình bấm mã PIN.",
        "Tell nobody the PIN: not the pay clerk, no official, no caller. Type it yourself.",
    ),
    (
        "Nhập sai quá số lần cho phép thì mã PIN bị khóa. Tiền không mất: mang thẻ và giấy tờ tùy thân đến nơi ghi dưới đây.",
        "After too many wrong attempts the PIN is blocked. No money is lost: go with card and identity document to the office below.",
    ),
    (
        "Phong bì đã bị mở, mã PIN bị lộ hoặc muốn đổi mã PIN: báo ngay nơi ghi dưới đây.",
        "If the envelope was open, somebody knows the PIN, or you want another PIN: tell the office below at once.",
    ),
    (
        "Mất thẻ: báo ngay để khóa thẻ và được cấp thẻ khác.",
        "If the card is lost: report it at once; it is blocked and you get another.",
    ),
];

/// The letter with one card's PIN, as PDF of one page.
///
/// The result is erased when dropped. Buffers that the PDF library frees while it works are not erased; they die with the
/// process.
///
/// # Errors
/// A text cannot be printed as it is: [`FormError`] says which.
pub fn letter(letter: &PinLetter<'_>) -> Result<Zeroizing<Vec<u8>>, FormError> {
    let faces = Faces::load()?;
    let (small, plain, english) = (
        faces.regular.at(7.5),
        faces.regular.at(11.0),
        faces.regular.at(8.5),
    );
    let (strong, heading) = (faces.bold.at(11.0), faces.bold.at(14.0));
    let sender = small.lines(check(Field::Sender, letter.sender)?, ADDRESS_WIDTH, 1)?;
    let name = strong.lines(check(Field::Name, letter.name)?, ADDRESS_WIDTH, ADDRESS_LINES)?;
    let address = plain.lines(
        check(Field::Address, letter.address)?,
        ADDRESS_WIDTH,
        ADDRESS_LINES,
    )?;
    let contact = strong.lines(
        check(Field::Contact, letter.contact)?,
        RIGHT - LEFT,
        CONTACT_LINES,
    )?;
    let mut advice = Vec::with_capacity(ADVICE.len());
    for (first, second) in ADVICE {
        advice.push((
            plain.own_lines(first, RIGHT - LEFT - 7.0)?,
            english.own_lines(second, RIGHT - LEFT - 7.0)?,
        ));
    }
    // Six digits that are ASCII: they are read where they are, without a copy.
    let pin = std::str::from_utf8(letter.pin.digits()).map_err(|_| FormError::Pdf)?;

    let mut paper = Paper::new("Thư mã PIN / PIN letter", letter.printed)?;
    paper.page(|page| {
        page.text(LEFT, 25.0, heading, "THẺ AN SINH XÃ HỘI");
        page.text(LEFT, 30.0, english, "Social security card");
        page.lines(LEFT, SENDER_BASELINE, small, &sender);
        let below = page.lines(LEFT, ADDRESS_BASELINE, strong, &name);
        page.lines(LEFT, below, plain, &address);

        page.text(DETAILS, 50.0, english, "Số thẻ / Card number");
        page.text(DETAILS, 55.5, strong, &in_groups(letter.number));
        page.text(DETAILS, 64.0, english, "In lúc / Printed");
        let printed = letter.printed.strftime("%d/%m/%Y %H:%M:%S");
        page.text(DETAILS, 69.5, strong, &printed.to_string());
        for fold in FOLDS {
            page.stroke(&[(5.0, fold), (10.0, fold)], 0.4);
        }

        page.text(LEFT, 116.0, heading, "Mã PIN của thẻ");
        page.text(
            LEFT,
            121.0,
            english,
            "The PIN of your card. Only you may know it.",
        );
        frame(page);
        page.centred(FRAME.0, FRAME.2, 146.0, faces.bold.at(46.0), pin);

        let mut baseline = 163.0;
        for (number, (first, second)) in advice.iter().enumerate() {
            page.text(LEFT, baseline, strong, &format!("{}.", number + 1));
            baseline = page.lines(LEFT + 7.0, baseline, plain, first);
            baseline = page.lines(LEFT + 7.0, baseline - 0.6, english, second) + 2.2;
        }
        page.text(LEFT, baseline + 4.0, english, "Liên hệ / Contact");
        page.lines(LEFT, baseline + 9.5, strong, &contact);
    })?;
    paper.finish().map(Zeroizing::new)
}

fn frame(page: &mut Page<'_>) {
    let (left, upper, right, lower) = FRAME;
    let corners = [
        (left, upper),
        (right, upper),
        (right, lower),
        (left, lower),
        (left, upper),
    ];
    page.stroke(&corners, 1.0);
}
