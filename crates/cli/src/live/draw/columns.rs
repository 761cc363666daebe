//! The list: names in the room that is left by as many columns as fit, the most telling first.

use kubezonnet_api::LocalityName;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::head;
use super::{Palette, put};
use crate::args::View;
use crate::entry::{Entry, saturated};
use crate::key;
use crate::live::state::{Answered, State};
use crate::text::{self, Scale, shorten, width};

/// A column beside the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Across,
    Zones,
    Cost,
    Bytes,
    Crossing,
    Share,
    Bar,
    Change,
    Trend,
}

impl Column {
    /// From left to right.
    const ALL: [Self; 9] = [
        Self::Across,
        Self::Zones,
        Self::Cost,
        Self::Bytes,
        Self::Crossing,
        Self::Share,
        Self::Bar,
        Self::Change,
        Self::Trend,
    ];

    /// The most telling first.
    const BY_WEIGHT: [Self; 9] = [
        Self::Cost,
        Self::Bar,
        Self::Bytes,
        Self::Trend,
        Self::Change,
        Self::Share,
        Self::Across,
        Self::Crossing,
        Self::Zones,
    ];

    const fn width(self) -> usize {
        match self {
            Self::Across => 12,
            Self::Zones => 24,
            Self::Cost | Self::Crossing => 9,
            Self::Bar => 8,
            Self::Bytes | Self::Change => 7,
            Self::Share => 6,
            Self::Trend => 15,
        }
    }

    const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Cost | Self::Bytes | Self::Crossing | Self::Share | Self::Change
        )
    }
}

/// What is shown of entries, and how.
struct List<'a> {
    answered: &'a Answered,
    columns: Vec<Column>,
    scale: Scale,
    /// The heaviest of all, and all together.
    most: u128,
    all: u128,
    palette: Palette,
    room: usize,
    /// Of a pair, how wide both names are at most.
    ends: Option<[usize; 2]>,
}

pub(super) fn draw(state: &State, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let Some(answered) = state.current() else {
        put(frame, area, 1, &Line::styled(" ...", palette.faint()));
        return;
    };
    let shown = state.shown();
    if shown.is_empty() {
        let text = if answered.entries.is_empty() {
            format!(" There was no such traffic in {}.", answered.wanted.range())
        } else {
            let of = answered.entries.len();
            format!(
                " None of {of} has {:?}. Esc clears the filter.",
                state.filter
            )
        };
        put(frame, area, 1, &Line::raw(text));
        return;
    }
    let list = List::new(state, answered, palette, area.width.into());
    put(frame, area, 0, &list.titles());
    let rows = usize::from(area.height.saturating_sub(1));
    let more = answered.count.saturating_sub(answered.entries.len() as u64);
    let ends_with_more = more > 0 && state.filter.is_empty();
    // The line that is chosen stays in sight.
    let first = (state.chosen + 1).saturating_sub(rows);
    for (row, (at, entry)) in (1..).zip(shown.iter().enumerate().skip(first).take(rows)) {
        put(frame, area, row, &list.line(entry, at == state.chosen));
    }
    let used = shown.len() - first;
    if ends_with_more && used < rows {
        let row = u16::try_from(used + 1).unwrap_or(area.height);
        let text = format!(" and {} more", text::count(more.into()));
        put(frame, area, row, &Line::styled(text, palette.faint()));
    }
}

impl<'a> List<'a> {
    fn new(state: &State, answered: &'a Answered, palette: Palette, room: usize) -> Self {
        let is_pairs = state.view == View::Pairs;
        let has_prices = answered.has_prices();
        let entries = &answered.entries;
        let has_sides = entries.iter().any(|entry| entry.size.sides.is_some());
        let has_zones = entries.iter().any(|entry| entry.zones.is_some());
        let has_before = entries.iter().any(|entry| entry.before.is_some());
        let is_there = |column: Column| match column {
            Column::Across => is_pairs,
            Column::Zones => has_zones,
            Column::Cost => has_prices,
            Column::Crossing => has_sides,
            Column::Change => has_before,
            _ => true,
        };
        // Names are what is looked for: of wide terminals they have their part.
        let least = if is_pairs { 29 } else { 22 };
        let mut free = room.saturating_sub(1 + (room * 2 / 5).max(least));
        let mut chosen = Vec::new();
        for column in Column::BY_WEIGHT
            .into_iter()
            .filter(|column| is_there(*column))
        {
            if column.width() + 2 <= free {
                free -= column.width() + 2;
                chosen.push(column);
            }
        }
        let weights = entries.iter().map(|entry| entry.weight(has_prices));
        Self {
            answered,
            columns: Column::ALL
                .into_iter()
                .filter(|column| chosen.contains(column))
                .collect(),
            scale: Scale::of(entries.iter().filter_map(|entry| entry.size.cost)),
            most: weights.max().unwrap_or_default(),
            all: answered.whole,
            palette,
            room,
            ends: is_pairs.then(|| {
                let from = entries.iter().map(|entry| width(&entry.name)).max();
                let to = entries
                    .iter()
                    .filter_map(|entry| entry.peer.as_deref())
                    .map(width)
                    .max();
                [from.unwrap_or_default(), to.unwrap_or_default()]
            }),
        }
    }

    /// How wide all names together may be.
    fn names_room(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.width() + 2).sum();
        self.room.saturating_sub(columns + 1)
    }

    fn titles(&self) -> Line<'static> {
        let style = self.palette.of(Color::Cyan).patch(Palette::strong());
        let mut text = String::from(" ");
        let room = self.names_room();
        let title = key::title(self.answered.wanted.view.into());
        if let Some(ends) = self.ends {
            let [from, to] = halves(ends, room);
            text.push_str(&pad(title, from, false));
            text.push_str("   ");
            text.push_str(&pad("TO", to, false));
        } else {
            text.push_str(&pad(title, room, false));
        }
        let currency = self
            .answered
            .summary
            .currency
            .as_deref()
            .unwrap_or_default();
        for column in &self.columns {
            let title = match column {
                Column::Across => "ACROSS".to_owned(),
                Column::Zones => "ZONES".to_owned(),
                Column::Cost => format!("COST {currency}"),
                Column::Bytes => "BYTES".to_owned(),
                Column::Crossing => "CROSSING".to_owned(),
                Column::Share => "SHARE".to_owned(),
                Column::Bar => String::new(),
                Column::Change => "CHANGE".to_owned(),
                Column::Trend => "TREND".to_owned(),
            };
            text.push_str("  ");
            text.push_str(&pad(&title, column.width(), column.is_number()));
        }
        Line::styled(text, style)
    }

    fn line(&self, entry: &Entry, is_chosen: bool) -> Line<'static> {
        let kind = entry
            .locality
            .map(|locality| head::style(locality, self.palette));
        let kind = kind.unwrap_or_else(|| self.palette.of(Color::Yellow));
        let mut spans = vec![Span::raw(" ")];
        let room = self.names_room();
        if let (Some(ends), Some(peer)) = (self.ends, &entry.peer) {
            let [from, to] = halves(ends, room);
            spans.push(Span::raw(pad(&shorten(&entry.name, from), from, false)));
            spans.push(Span::styled(" → ", kind));
            spans.push(Span::raw(pad(&shorten(peer, to), to, false)));
        } else {
            spans.push(Span::raw(pad(&shorten(&entry.name, room), room, false)));
        }
        for column in &self.columns {
            let (text, style) = self.cell(*column, entry, kind);
            let text = shorten(&text, column.width()).into_owned();
            spans.push(Span::raw("  "));
            spans.push(Span::styled(
                pad(&text, column.width(), column.is_number()),
                style,
            ));
        }
        let line = Line::from(spans);
        if is_chosen {
            line.patch_style(Palette::chosen())
        } else {
            line
        }
    }

    fn cell(&self, column: Column, entry: &Entry, kind: Style) -> (String, Style) {
        let size = &entry.size;
        let has_prices = self.answered.has_prices();
        let weight = entry.weight(has_prices);
        let plain = Style::new();
        match column {
            Column::Across => {
                let name = entry
                    .locality
                    .map_or("", |name: LocalityName| key::locality(name));
                (name.to_owned(), kind)
            }
            Column::Zones => {
                let zones = entry.zones.as_ref();
                let text = zones.map(|(from, to)| {
                    let ends = [width(from), width(to)];
                    let [from_room, to_room] = halves(ends, column.width());
                    format!("{} → {}", shorten(from, from_room), shorten(to, to_room))
                });
                (text.unwrap_or_default(), plain)
            }
            Column::Cost => {
                let cost = size.cost.map(|cost| self.scale.text(cost));
                (cost.unwrap_or_else(|| "-".to_owned()), Palette::strong())
            }
            Column::Bytes => (text::bytes(saturated(size.bytes)), plain),
            Column::Crossing => {
                let crossing = size.sides.map(|sides| text::bytes(sides.crossing));
                (crossing.unwrap_or_default(), plain)
            }
            Column::Share => (text::share(weight, self.all), plain),
            Column::Bar => (text::bar(weight, self.most, column.width()), kind),
            Column::Change => {
                let change = entry.change().unwrap_or_default();
                let style = match change.as_bytes() {
                    [b'+', ..] => self.palette.of(Color::Red),
                    [b'-', ..] => self.palette.of(Color::Green),
                    b"new" => self.palette.of(Color::Yellow),
                    _ => self.palette.faint(),
                };
                (change, style)
            }
            Column::Trend => (
                text::sparkline(&entry.trend, column.width()),
                self.palette.of(Color::Cyan),
            ),
        }
    }
}

/// The room of two names with an arrow between them, by what they need at most: one that is short leaves
/// more to the other, and what is left over goes to the second.
fn halves([one, other]: [usize; 2], room: usize) -> [usize; 2] {
    let both = room.saturating_sub(3);
    let first = both.div_ceil(2);
    let from = if one <= first {
        one
    } else {
        first.max(both.saturating_sub(other)).min(one)
    };
    [from, both - from]
}

/// The text in exactly so many cells.
fn pad(text: &str, room: usize, is_number: bool) -> String {
    let text = shorten(text, room);
    let blank = " ".repeat(room - width(&text));
    if is_number {
        format!("{blank}{text}")
    } else {
        format!("{text}{blank}")
    }
}
