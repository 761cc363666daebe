//! Tables for people: columns as wide as what is in them, and within the terminal.

use std::borrow::Cow;

use super::name::{printable, shorten, width};

/// What is between two columns.
const BETWEEN: &str = "  ";

/// No column is made narrower than this for want of room.
const NARROWEST: usize = 8;

/// How a table may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Whether with colours.
    pub colour: bool,
    /// How many cells a line may have; none where lines may be as long as they are.
    pub width: Option<usize>,
}

/// On which side a column is even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// What a cell is to tell beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// It matters more.
    Strong,
    /// It matters less.
    Faint,
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// As it should not be.
    Bad,
}

impl Tone {
    /// The orders that begin and end it.
    const fn orders(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("\x1b[1m"),
            Self::Faint => Some("\x1b[2m"),
            Self::Good => Some("\x1b[32m"),
            Self::Doubtful => Some("\x1b[33m"),
            Self::Bad => Some("\x1b[31m"),
        }
    }

    /// The text in this tone, where colours are wanted.
    pub fn paint(self, text: &str, look: Look) -> Cow<'_, str> {
        match self.orders() {
            Some(begin) if look.colour && !text.is_empty() => {
                Cow::Owned(format!("{begin}{text}\x1b[0m"))
            }
            _ => Cow::Borrowed(text),
        }
    }
}

/// A column: its title, and how it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    title: String,
    align: Align,
    /// Whether it gives way where there is no room for all.
    gives_way: bool,
}

impl Column {
    /// Words that are short.
    pub fn words(title: impl Into<String>) -> Self {
        Self {
            title: printable(&title.into()).into_owned(),
            align: Align::Left,
            gives_way: false,
        }
    }

    /// Names, which are shortened where there is no room.
    pub fn names(title: impl Into<String>) -> Self {
        Self {
            gives_way: true,
            ..Self::words(title)
        }
    }

    /// Of this side.
    pub fn aligned(title: impl Into<String>, align: Align) -> Self {
        Self {
            align,
            ..Self::words(title)
        }
    }

    /// Numbers.
    pub fn numbers(title: impl Into<String>) -> Self {
        Self {
            align: Align::Right,
            ..Self::words(title)
        }
    }
}

/// What is in a column of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// With a tone.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = printable(text.as_ref()).into_owned();
        Self { text, tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Rows below titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row: a cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// The titles of its columns.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.title)
    }

    /// How wide it is if nothing gives way.
    pub fn natural_width(&self) -> usize {
        let between = BETWEEN.len() * self.columns.len().saturating_sub(1);
        self.natural_widths().iter().sum::<usize>() + between
    }

    /// The lines, each ended.
    pub fn render(&self, look: Look) -> String {
        let widths = self.widths(look.width);
        let titles = self.columns.iter().map(|column| Cell {
            text: column.title.clone(),
            tone: Tone::Strong,
        });
        let mut text = String::new();
        self.line(&titles.collect::<Vec<_>>(), &widths, look, &mut text);
        for row in &self.rows {
            self.line(row, &widths, look, &mut text);
        }
        text
    }

    fn line(&self, cells: &[Cell], widths: &[usize], look: Look, text: &mut String) {
        let mut pending = String::new();
        for (at, ((cell, column), room)) in cells.iter().zip(&self.columns).zip(widths).enumerate()
        {
            if at > 0 {
                pending.push_str(BETWEEN);
            }
            let short = shorten(&cell.text, *room);
            let blank = " ".repeat(room - width(&short));
            if column.align == Align::Right {
                pending.push_str(&blank);
            }
            // Blanks at the end of a line are left out.
            if short.trim_end().is_empty() {
                pending.push_str(&short);
            } else {
                text.push_str(&pending);
                pending.clear();
                text.push_str(&cell.tone.paint(&short, look));
            }
            if column.align == Align::Left {
                pending.push_str(&blank);
            }
        }
        text.push('\n');
    }

    fn natural_widths(&self) -> Vec<usize> {
        let of_column = |(at, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| width(&cell.text)).max();
            widest.unwrap_or_default().max(width(&column.title))
        };
        self.columns.iter().enumerate().map(of_column).collect()
    }

    /// The widths in the room there is: the widest of those that give way do, a cell at a time.
    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let mut widths = self.natural_widths();
        let Some(room) = room else { return widths };
        let mut excess = self.natural_width().saturating_sub(room);
        while excess > 0 {
            let yielding = self.columns.iter().zip(&mut widths);
            let widest = yielding
                .filter(|(column, width)| column.gives_way && **width > NARROWEST)
                .max_by_key(|(_, width)| **width);
            let Some((_, width)) = widest else { break };
            *width -= 1;
            excess -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec![
            Column::names("NAME"),
            Column::numbers("BYTES"),
            Column::words("WHY"),
        ]);
        table.push(vec![
            "shop/a-very-long-name-of-a-workload".into(),
            "1 B".into(),
            "".into(),
        ]);
        table.push(vec![
            "b".into(),
            "100 MB".into(),
            Cell::toned("x", Tone::Bad),
        ]);
        table
    }

    #[test]
    fn numbers_are_even_on_the_right_and_lines_end_with_a_letter() {
        let text = table().render(Look::default());

        let expected = "\
NAME                                  BYTES  WHY
shop/a-very-long-name-of-a-workload     1 B
b                                    100 MB  x
";
        assert_eq!(text, expected);
    }

    #[test]
    fn names_give_way_where_there_is_no_room() {
        let look = Look {
            colour: false,
            width: Some(30),
        };

        let text = table().render(look);

        assert!(text.contains("shop/a-v…workload"), "{text}");
        assert!(text.lines().all(|line| width(line) <= 30), "{text}");
    }

    #[test]
    fn colours_are_around_what_they_are_of_and_nothing_else() {
        let look = Look {
            colour: true,
            width: None,
        };

        let text = table().render(look);

        assert!(text.ends_with("  \x1b[31mx\x1b[0m\n"), "{text:?}");
        assert!(text.starts_with("\x1b[1mNAME\x1b[0m"), "{text:?}");
    }

    proptest! {
        #[test]
        fn a_table_fits_where_its_names_can(names in prop::collection::vec("\\PC{0,80}", 1..5), room in 20_usize..120) {
            let mut table = Table::new(vec![Column::names("NAME"), Column::numbers("BYTES")]);
            for name in &names {
                table.push(vec![name.into(), "1.23 kB".into()]);
            }

            let text = table.render(Look { colour: false, width: Some(room) });

            prop_assert!(text.lines().all(|line| width(line) <= room), "{text}");
        }
    }
}
