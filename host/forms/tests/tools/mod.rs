//! Looks at PDFs with tools that are not ours.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::process::{Command, Output};

use tempfile::TempDir;

/// A PDF as a file, deleted when dropped.
pub(crate) struct Printed(TempDir);

impl Printed {
    /// Takes a PDF that qpdf finds no fault in.
    pub(crate) fn new(pdf: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("form.pdf"), pdf).unwrap();
        let printed = Self(folder);
        let checked = printed.ask("qpdf", "qpdf", &["--check", "form.pdf"]);
        assert!(
            checked.contains("No syntax or stream encoding errors"),
            "{checked}"
        );
        printed
    }

    /// Everything that can be read on it, laid out as on paper.
    pub(crate) fn text(&self) -> String {
        self.pdftotext(&["-layout"])
    }

    /// The texts within a rectangle of the first page, in millimetres from the upper left corner.
    pub(crate) fn text_within(&self, left: u32, upper: u32, width: u32, height: u32) -> String {
        // pdftotext counts in pixels: at 254 to the inch there are ten in a millimetre.
        let [left, upper, width, height] = [left, upper, width, height].map(|mm| (mm * 10).to_string());
        self.pdftotext(&[
            "-r", "254", "-l", "1", "-x", &left, "-y", &upper, "-W", &width, "-H", &height,
        ])
    }

    /// The text without line breaks and runs of spaces.
    pub(crate) fn words(&self) -> String {
        self.pdftotext(&[])
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn pages(&self) -> usize {
        let information = self.information();
        let line = information.lines().find_map(|line| line.strip_prefix("Pages:"));
        line.unwrap().trim().parse().unwrap()
    }

    pub(crate) fn information(&self) -> String {
        self.ask("pdfinfo", "poppler-utils", &["form.pdf"])
    }

    /// One line for each font.
    pub(crate) fn fonts(&self) -> Vec<String> {
        let fonts = self.ask("pdffonts", "poppler-utils", &["form.pdf"]);
        fonts.lines().skip(2).map(str::to_owned).collect()
    }

    /// The PDF with all streams uncompressed.
    pub(crate) fn uncompressed(&self) -> Vec<u8> {
        let arguments = ["--qdf", "--object-streams=disable", "form.pdf", "-"];
        self.run("qpdf", "qpdf", &arguments).stdout
    }

    fn pdftotext(&self, options: &[&str]) -> String {
        self.ask(
            "pdftotext",
            "poppler-utils",
            &[options, &["form.pdf", "-"]].concat(),
        )
    }

    fn ask(&self, program: &str, package: &str, arguments: &[&str]) -> String {
        String::from_utf8(self.run(program, package, arguments).stdout).unwrap()
    }

    fn run(&self, program: &str, package: &str, arguments: &[&str]) -> Output {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && errors.is_empty(),
            "{program}: {errors}"
        );
        output
    }
}

/// All 134 letters of the Vietnamese alphabet outside ASCII (DOMAIN: computed from the alphabet with its tones).
pub(crate) fn vietnamese_letters() -> Vec<char> {
    let ranges = [
        0xC0..=0xC3,
        0xC8..=0xCA,
        0xCC..=0xCD,
        0xD2..=0xD5,
        0xD9..=0xDA,
        0xDD..=0xDD,
        0xE0..=0xE3,
        0xE8..=0xEA,
        0xEC..=0xED,
        0xF2..=0xF5,
        0xF9..=0xFA,
        0xFD..=0xFD,
        0x102..=0x103,
        0x110..=0x111,
        0x128..=0x129,
        0x168..=0x169,
        0x1A0..=0x1A1,
        0x1AF..=0x1B0,
        0x1EA0..=0x1EF9,
    ];
    let letters: Vec<char> = ranges.into_iter().flatten().filter_map(char::from_u32).collect();
    assert_eq!(letters.len(), 134);
    letters
}
