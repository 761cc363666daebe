//! Names in the room there is: without what would move the cursor, and shortened in the middle, since
//! both ends of a name tell more than what is between.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Stands for what was left out.
const GAP: char = '…';

/// How many cells of a terminal it takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text without what a terminal would take for an order: control characters, and those that turn
/// the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_order = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if text.chars().any(is_order) {
        Cow::Owned(text.replace(is_order, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same, with what is on several lines on one.
pub fn line(text: &str) -> String {
    let words: Vec<_> = text.split(['\n', '\r', '\t']).map(str::trim).collect();
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    printable(&words.join(" ")).into_owned()
}

/// The text in lines of at most so many cells, between words. A word that is longer has a line of its own,
/// whole: it may be a command that somebody copies.
pub fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    /// Lines shorter than this are worse to read than those that a terminal breaks.
    const NARROWEST: usize = 20;
    let Some(room) = room.filter(|room| *room >= NARROWEST) else {
        return vec![text.to_owned()];
    };
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if line.is_empty() {
            line.push_str(word);
        } else if width(&line) + 1 + width(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(std::mem::replace(&mut line, word.to_owned()));
        }
    }
    lines.push(line);
    lines
}

/// What somebody else wrote, on one line and no longer than people read.
pub fn one_line(text: &str) -> String {
    const LONGEST: usize = 160;
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    let text = printable(&text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}{GAP}", &text[..end]),
        None => text.into_owned(),
    }
}

/// The text in at most so many cells.
pub fn shorten(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    if room == 0 {
        return Cow::Borrowed("");
    }
    let letters = room - 1;
    let head = fitting(text.chars(), letters.div_ceil(2));
    let tail: Vec<char> = fitting(text.chars().rev(), letters / 2);
    let mut short: String = head.into_iter().collect();
    short.push(GAP);
    short.extend(tail.into_iter().rev());
    // Letters may stand together other than alone.
    while width(&short) > room && short.pop().is_some() {}
    Cow::Owned(short)
}

fn fitting(letters: impl Iterator<Item = char>, room: usize) -> Vec<char> {
    let mut taken = 0;
    letters
        .take_while(|letter| {
            taken += letter.width().unwrap_or(0);
            taken <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_name_keeps_both_its_ends() {
        assert_eq!(
            shorten("shop/orders-6d5f7c9b8-x2x9z", 15),
            "shop/or…8-x2x9z"
        );
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("short", 1), "…");
        assert_eq!(shorten("short", 0), "");
    }

    #[test]
    fn wide_letters_take_the_cells_they_take() {
        assert_eq!(shorten("日本語の名前", 7), "日…前");
        assert_eq!(width("日本語"), 6);
    }

    #[test]
    fn lines_break_between_words_and_words_stay_whole() {
        let text = "give the node a label, or leave/it/out/of/all/that/there/is now";

        let lines = wrap(text, Some(22));

        let expected = [
            "give the node a label,",
            "or",
            "leave/it/out/of/all/that/there/is",
            "now",
        ];
        assert_eq!(lines, expected);
        assert_eq!(wrap(text, None), [text]);
        assert_eq!(wrap(text, Some(5)), [text]);
    }

    #[test]
    fn what_somebody_wrote_is_a_line_of_bounded_length() {
        assert_eq!(one_line(" two\n lines\t\x1b[1m "), "two lines \u{fffd}[1m");
        assert_eq!(one_line(&"ab ".repeat(100)).chars().count(), 161);
    }

    #[test]
    fn nothing_that_is_printed_moves_the_cursor() {
        assert_eq!(
            printable("a\x1b[2Jb\u{202e}c\n"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}"
        );
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_on_several_lines_is_put_on_one() {
        assert_eq!(line("two\n\tlines \x1b[1m\n"), "two lines \u{fffd}[1m");
        assert_eq!(line("as  it is"), "as  it is");
    }

    proptest! {
        #[test]
        fn a_shortened_name_fits(text in "\\PC*", room in 0_usize..60) {
            let text = printable(&text).into_owned();

            let short = shorten(&text, room);

            prop_assert!(width(&short) <= room, "{short:?} is {} wide", width(&short));
            prop_assert!(width(&text) > room || short == text);
        }
    }
}
