//! A text console: everything is shown, in both languages.

use crate::{ENGLISH, NEW_PAGE, VIETNAMESE};

/// The pieces to send to a console for `text`: without the marks, and with a carriage return before each line feed.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let is_mark = |letter| matches!(letter, ENGLISH | VIETNAMESE | NEW_PAGE | '\n');
    text.split_inclusive(is_mark)
        .flat_map(move |piece| {
            let words = piece.trim_end_matches(is_mark);
            [words, if piece.ends_with('\n') { "\r\n" } else { "" }]
        })
        .filter(|piece| !piece.is_empty())
}
