//! The sheet on which persons sign for their cards when a delivery is handed over in a commune.
//!
//! A signature per card is what the payment rules ask for whatever is handed to a person ("signs and writes full name on the
//! list", Decision 49/2012 of Ho Chi Minh City, Art. 8.4). The sheet lies open on a table, so it says neither programme nor
//! amount nor personal ID number (Decree 20/2021, Art. 8.1.b).

use card_spec::values::CardNumber;
use jiff::civil::Date;

use crate::FormError;
use crate::paper::{Faces, HEIGHT, Page, Paper, Style, WIDTH};
use crate::text::{Field, check, in_groups};

/// Most cards on one sheet: no commune's delivery is larger, and memory stays bounded.
pub const MAXIMUM_ROWS: usize = 10_000;

/// A commune's delivery.
pub struct HandoverSheet<'a> {
    /// Commune and province.
    pub commune: &'a str,
    /// The batch or delivery the cards belong to.
    pub batch: &'a str,
    /// The day it is printed.
    pub date: Date,
    /// The cards, in the order of the sheet.
    pub rows: &'a [HandoverRow<'a>],
}

/// One card to be handed over.
pub struct HandoverRow<'a> {
    /// The card.
    pub number: CardNumber,
    /// The holder's name.
    pub name: &'a str,
    /// The holder's year of birth, to tell persons of one name apart.
    pub birth_year: u16,
}

/// Left edges of the columns, and the right edge of the last, in millimetres.
const EDGES: [f32; 6] = [15.0, 27.0, 69.0, 122.0, 143.0, WIDTH - 15.0];
const TITLES: [(&str, &str); 5] = [
    ("STT", "No."),
    ("Số thẻ", "Card number"),
    ("Họ và tên", "Name"),
    ("Năm sinh", "Born"),
    ("Ký, ghi rõ họ tên", "Signature, full name"),
];
const PADDING: f32 = 1.5;
const TABLE_TOP: f32 = 48.0;
const TITLE_HEIGHT: f32 = 11.0;
const TABLE_BOTTOM: f32 = HEIGHT - 22.0;
/// Room for a signature.
const LEAST_ROW: f32 = 11.0;
/// Total and signatures of both sides.
const CLOSING: f32 = 42.0;
const NAME_LINES: usize = 6;

/// A row with its name as lines.
struct Row<'a> {
    position: usize,
    row: &'a HandoverRow<'a>,
    name: Vec<&'a str>,
    height: f32,
}

/// The sheet as PDF, with as many pages as it needs, each with batch and "page x of y".
///
/// # Errors
/// [`FormError::Rows`], or a text that cannot be printed as it is.
pub fn handover_sheet(sheet: &HandoverSheet<'_>) -> Result<Vec<u8>, FormError> {
    if sheet.rows.is_empty() || sheet.rows.len() > MAXIMUM_ROWS {
        return Err(FormError::Rows(sheet.rows.len()));
    }
    let faces = Faces::load()?;
    let plain = faces.regular.at(9.5);
    let commune = plain
        .lines(check(Field::Commune, sheet.commune)?, 150.0, 1)?
        .concat();
    let batch = plain.lines(check(Field::Batch, sheet.batch)?, 150.0, 1)?.concat();
    let pages = pages(plain, sheet)?;
    let count = pages.len();
    let mut paper = Paper::new("Danh sách giao thẻ / Handover sheet", sheet.date.at(0, 0, 0, 0))?;
    for (index, rows) in pages.iter().enumerate() {
        paper.page(|page| {
            let date = sheet.date.strftime("%d/%m/%Y").to_string();
            head(page, &faces, [&commune, &batch, &date]);
            let bottom = table(page, &faces, rows);
            if index + 1 == count {
                closing(page, &faces, bottom, sheet.rows.len());
            }
            let place = format!("Trang {0} / {count} · Page {0} of {count}", index + 1);
            page.text(EDGES[0], HEIGHT - 12.0, faces.regular.at(8.5), &place);
        })?;
    }
    paper.finish()
}

/// The rows of each page; the last page keeps room for the closing, and has rows only if they leave it.
fn pages<'a>(style: Style<'_>, sheet: &'a HandoverSheet<'a>) -> Result<Vec<Vec<Row<'a>>>, FormError> {
    let width = EDGES[3] - EDGES[2] - 2.0 * PADDING;
    let room = TABLE_BOTTOM - TABLE_TOP - TITLE_HEIGHT;
    let (mut pages, mut page, mut left) = (Vec::new(), Vec::new(), room);
    for (index, row) in sheet.rows.iter().enumerate() {
        let name = style.lines(check(Field::Name, row.name)?, width, NAME_LINES)?;
        let height = LEAST_ROW.max(style.line_height() * name.len() as f32 + 3.0);
        if height > left {
            pages.push(std::mem::take(&mut page));
            left = room;
        }
        left -= height;
        page.push(Row {
            position: index + 1,
            row,
            name,
            height,
        });
    }
    pages.push(page);
    if left < CLOSING {
        pages.push(Vec::new());
    }
    Ok(pages)
}

fn head(page: &mut Page<'_>, faces: &Faces, [commune, batch, date]: [&str; 3]) {
    let (plain, english) = (faces.regular.at(9.5), faces.regular.at(8.5));
    page.text(
        EDGES[0],
        20.0,
        faces.bold.at(14.0),
        "DANH SÁCH GIAO THẺ AN SINH XÃ HỘI",
    );
    page.text(EDGES[0], 25.0, english, "Handover of social security cards");
    for (baseline, title, text) in [
        (32.0, "Xã / Commune:", commune),
        (37.0, "Lô / Batch:", batch),
        (42.0, "Ngày / Date:", date),
    ] {
        page.text(EDGES[0], baseline, english, title);
        page.text(EDGES[0] + 30.0, baseline, plain, text);
    }
}

/// The table; gives its lower edge.
fn table(page: &mut Page<'_>, faces: &Faces, rows: &[Row<'_>]) -> f32 {
    let (plain, bold, english) = (faces.regular.at(9.5), faces.bold.at(9.0), faces.regular.at(7.5));
    if rows.is_empty() {
        return TABLE_TOP;
    }
    let mut y = TABLE_TOP;
    for ((first, second), edge) in TITLES.iter().zip(EDGES) {
        page.text(edge + PADDING, y + 4.5, bold, first);
        page.text(edge + PADDING, y + 8.5, english, second);
    }
    across(page, y);
    y += TITLE_HEIGHT;
    for Row {
        position,
        row,
        name,
        height,
    } in rows
    {
        across(page, y);
        let baseline = y + 5.0;
        page.text(EDGES[0] + PADDING, baseline, plain, &position.to_string());
        page.text(EDGES[1] + PADDING, baseline, plain, &in_groups(row.number));
        page.lines(EDGES[2] + PADDING, baseline, plain, name);
        page.text(
            EDGES[3] + PADDING,
            baseline,
            plain,
            &format!("{:04}", row.birth_year),
        );
        y += height;
    }
    across(page, y);
    for edge in EDGES {
        page.stroke(&[(edge, TABLE_TOP), (edge, y)], 0.4);
    }
    y
}

fn across(page: &mut Page<'_>, y: f32) {
    page.stroke(&[(EDGES[0], y), (EDGES[5], y)], 0.4);
}

fn closing(page: &mut Page<'_>, faces: &Faces, top: f32, count: usize) {
    let (bold, english) = (faces.bold.at(9.5), faces.regular.at(8.5));
    let total = format!("Tổng số: {count} thẻ / Total: {count} cards");
    page.text(EDGES[0], top + 8.0, bold, &total);
    let returned = "Số thẻ chưa giao, trả lại / Cards not handed over, returned: ...........";
    page.text(EDGES[0], top + 14.0, english, returned);
    for (x, title) in [
        (EDGES[0], "Người giao / Handed over by"),
        (EDGES[3], "Người chứng kiến / Witnessed by"),
    ] {
        page.text(x, top + 22.0, bold, title);
    }
}
