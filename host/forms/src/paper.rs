//! Pages of A4 in the font of the forms: text, lines and frames in millimetres from the upper left corner.

use jiff::civil::DateTime;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::{DateTime as PdfDateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use krilla::{Document, SerializeSettings};
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider as _};

use crate::FormError;
use crate::text::{Checked, Field, unprintable};

/// Points of 1/72 inch in a millimetre.
const POINTS_PER_MM: f32 = 72.0 / 25.4;
/// A4 (ISO 216) in millimetres.
pub(crate) const WIDTH: f32 = 210.0;
/// A4 (ISO 216) in millimetres.
pub(crate) const HEIGHT: f32 = 297.0;
/// From one baseline to the next, as a multiple of the size.
const LEADING: f32 = 1.25;
/// Hours that Vietnam is ahead of UTC, the year round.
const VIETNAM: i8 = 7;

/// Regular and bold.
pub(crate) struct Faces {
    /// For running text.
    pub(crate) regular: Face,
    /// For what must be seen first.
    pub(crate) bold: Face,
}

impl Faces {
    /// Those built in.
    pub(crate) fn load() -> Result<Self, FormError> {
        Ok(Self {
            regular: Face::new(dejavu::sans::regular())?,
            bold: Face::new(dejavu::sans::bold())?,
        })
    }
}

/// A font with what is needed to measure its texts.
pub(crate) struct Face {
    font: Font,
    characters: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
}

impl Face {
    fn new(file: &'static [u8]) -> Result<Self, FormError> {
        let reading = FontRef::new(file).map_err(|_| FormError::Pdf)?;
        Ok(Self {
            font: Font::new(file.into(), 0).ok_or(FormError::Pdf)?,
            characters: reading.charmap(),
            // At one unit for each point of size.
            metrics: reading.glyph_metrics(Size::new(1.0), LocationRef::default()),
        })
    }

    /// This face at a size in points.
    pub(crate) fn at(&self, size: f32) -> Style<'_> {
        Style { face: self, size }
    }
}

/// A face at a size.
#[derive(Clone, Copy)]
pub(crate) struct Style<'a> {
    face: &'a Face,
    size: f32,
}

impl Style<'_> {
    /// From one baseline to the next, in millimetres.
    pub(crate) fn line_height(self) -> f32 {
        self.size * LEADING / POINTS_PER_MM
    }

    /// A text as lines that fit a width in millimetres, broken at its spaces. What does not fit so many lines is refused.
    pub(crate) fn lines(self, text: Checked<'_>, width: f32, most: usize) -> Result<Vec<&str>, FormError> {
        let (field, text) = (text.field(), text.text());
        for (index, character) in text.chars().enumerate() {
            if self.face.characters.map(character).is_none() {
                return Err(unprintable(field, character, index));
            }
        }
        self.wrap(text, width)
            .filter(|lines| lines.len() <= most)
            .ok_or(FormError::TooLong(field))
    }

    /// Lines of the form's own words.
    pub(crate) fn own_lines(self, text: &str, width: f32) -> Result<Vec<&str>, FormError> {
        self.wrap(text, width).ok_or(FormError::TooLong(Field::Form))
    }

    fn wrap(self, text: &str, width: f32) -> Option<Vec<&str>> {
        let mut lines = Vec::new();
        let (mut start, mut end, mut next) = (0, 0, 0);
        for word in text.split(' ') {
            let (from, to) = (next, next + word.len());
            next = to + 1;
            if self.width(word) > width {
                return None;
            }
            if end > start && self.width(text.get(start..to)?) > width {
                lines.push(text.get(start..end)?);
                start = from;
            }
            end = to;
        }
        lines.push(text.get(start..end)?);
        Some(lines)
    }

    /// Width of a line in millimetres. Kerning is left out: it makes a line shorter, not longer.
    fn width(self, text: &str) -> f32 {
        let advance = |character| {
            let glyph = self.face.characters.map(character)?;
            self.face.metrics.advance_width(glyph)
        };
        let ems: f32 = text.chars().filter_map(advance).sum();
        ems * self.size / POINTS_PER_MM
    }
}

/// A document of A4 pages.
pub(crate) struct Paper(Document);

impl Paper {
    /// An empty document. Its date is the caller's, in Vietnam's time; neither clock nor chance enters it.
    pub(crate) fn new(title: &str, made: DateTime) -> Result<Self, FormError> {
        let configuration = ConfigurationBuilder::new()
            .with_archival_validator(Archival::A2_B)
            .finish()
            .map_err(|_| FormError::Pdf)?;
        let mut document = Document::new_with(SerializeSettings {
            configuration,
            ..SerializeSettings::default()
        });
        document.set_metadata(
            Metadata::new()
                .title(title.to_owned())
                .language("vi".to_owned())
                .creation_date(pdf_date(made)),
        );
        Ok(Self(document))
    }

    /// Adds a page with what is drawn on it.
    pub(crate) fn page(&mut self, draw: impl FnOnce(&mut Page<'_>)) -> Result<(), FormError> {
        let size = PageSettings::from_wh(WIDTH * POINTS_PER_MM, HEIGHT * POINTS_PER_MM);
        let mut page = self.0.start_page_with(size.ok_or(FormError::Pdf)?);
        draw(&mut Page(page.surface()));
        page.finish();
        Ok(())
    }

    /// The PDF.
    pub(crate) fn finish(self) -> Result<Vec<u8>, FormError> {
        // The library's error may hold the text that it could not write.
        self.0.finish().map_err(|_| FormError::Pdf)
    }
}

fn pdf_date(made: DateTime) -> PdfDateTime {
    let unsigned = |value: i8| u8::try_from(value).unwrap_or_default();
    PdfDateTime::new(u16::try_from(made.year()).unwrap_or_default())
        .month(unsigned(made.month()))
        .day(unsigned(made.day()))
        .hour(unsigned(made.hour()))
        .minute(unsigned(made.minute()))
        .second(unsigned(made.second()))
        .utc_offset_hour(VIETNAM)
}

/// A page while it is drawn.
pub(crate) struct Page<'a>(Surface<'a>);

impl Page<'_> {
    /// One line of text from its baseline's left end.
    pub(crate) fn text(&mut self, x: f32, baseline: f32, style: Style<'_>, text: &str) {
        self.0.set_stroke(None);
        self.0.set_fill(Some(Fill::default()));
        self.0.draw_text(
            point(x, baseline),
            style.face.font.clone(),
            style.size,
            text,
            false,
            TextDirection::LeftToRight,
        );
    }

    /// Lines below each other; gives the baseline after the last.
    pub(crate) fn lines(&mut self, x: f32, mut baseline: f32, style: Style<'_>, lines: &[&str]) -> f32 {
        for line in lines {
            self.text(x, baseline, style, line);
            baseline += style.line_height();
        }
        baseline
    }

    /// One line of text around the middle of a stretch.
    pub(crate) fn centred(&mut self, from: f32, to: f32, baseline: f32, style: Style<'_>, text: &str) {
        self.text((from + to - style.width(text)) / 2.0, baseline, style, text);
    }

    /// A line of this width in points through corners.
    pub(crate) fn stroke(&mut self, corners: &[(f32, f32)], width: f32) {
        let mut path = PathBuilder::new();
        for (index, &(x, y)) in corners.iter().enumerate() {
            let (x, y) = (x * POINTS_PER_MM, y * POINTS_PER_MM);
            if index == 0 {
                path.move_to(x, y);
            } else {
                path.line_to(x, y);
            }
        }
        let Some(path) = path.finish() else { return };
        self.0.set_fill(None);
        self.0.set_stroke(Some(Stroke {
            width,
            ..Stroke::default()
        }));
        self.0.draw_path(&path);
    }
}

fn point(x: f32, y: f32) -> Point {
    Point::from_xy(x * POINTS_PER_MM, y * POINTS_PER_MM)
}
