//! How big a list may be. A province's largest commune has some thousand recipients; a file that is bigger than this is no list,
//! or several that should be taken in one by one.

/// Largest file, bytes.
pub const FILE: u64 = 64 << 20;

/// Most lines, the header not counted.
pub const LINES: usize = 300_000;

/// Longest field, characters (DIA_CHI of QĐ 4750/QĐ-BYT has 1,024).
pub const FIELD: usize = 1_024;

/// Most that all parts of a workbook may unpack to, bytes: a small file can be made to fill any memory.
pub const UNPACKED: u64 = 512 << 20;

/// Most parts of a workbook.
pub const PARTS: usize = 1_000;
