//! What is in front: the keys, or all of a line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::Palette;
use crate::entry::{Entry, Size};
use crate::key;
use crate::live::state::{Overlay, State};
use crate::text::{self, Scale};

/// The keys, and what they do: in the narrowest terminal, and the shortest.
const KEYS: [&str; 11] = [
    "1 … 8, Tab     choose what is shown",
    "c  b  g        sort by cost, by bytes, by growth",
    "/              filter by typing, Esc clears it",
    "+  -           a longer or shorter time",
    "↑ ↓ Home End   choose a line",
    "Enter          all of that line, exactly",
    "Space, r       pause and go on; ask now",
    "q, Ctrl-C      quit; Ctrl-Z puts it aside",
    "",
    "CHANGE is against the time of the same length before,",
    "TREND is bytes over the time that is shown.",
];

/// Where values begin in the lines of details.
const INDENT: usize = 10;

pub(super) fn draw(state: &State, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let (title, lines) = match state.overlay {
        None => return,
        Some(Overlay::Help) => (" keys ", KEYS.map(str::to_owned).to_vec()),
        Some(Overlay::Detail) => {
            let (Some(entry), Some(answered)) = (state.chosen_entry(), state.current()) else {
                return;
            };
            let currency = answered.summary.currency.as_deref();
            (
                " exactly ",
                detail(entry, currency, answered.wanted.range()),
            )
        }
    };
    let longest = lines.iter().map(|line| text::width(line)).max();
    let wanted = u16::try_from(longest.unwrap_or_default() + 4).unwrap_or(area.width);
    let width = wanted.min(area.width.saturating_sub(2));
    let inner = usize::from(width.saturating_sub(4));
    let mut lines: Vec<String> = lines.iter().flat_map(|line| wrapped(line, inner)).collect();
    if lines.len() + 2 > area.height.into() {
        // Empty lines are the first to go.
        lines.retain(|line| !line.is_empty());
    }
    let height = u16::try_from(lines.len() + 2).unwrap_or(area.height);
    let height = height.min(area.height);
    let frame_area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let lines: Vec<Line<'_>> = lines
        .into_iter()
        .map(|line| Line::raw(format!(" {line}")))
        .collect();
    let block = Block::bordered()
        .title(title)
        .title_bottom(" any key closes ")
        .border_style(palette.of(ratatui::style::Color::Cyan));
    frame.render_widget(Clear, frame_area);
    frame.render_widget(Paragraph::new(lines).block(block), frame_area);
}

/// A line in pieces of so many cells, those after the first indented as values are.
fn wrapped(line: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for letter in line.chars() {
        piece.push(letter);
        if text::width(&piece) > room && room > INDENT {
            piece.pop();
            let next = format!("{}{letter}", " ".repeat(INDENT));
            pieces.push(std::mem::replace(&mut piece, next));
        }
    }
    pieces.push(piece);
    pieces
}

/// All that is known of an entry, in exact numbers.
fn detail(entry: &Entry, currency: Option<&str>, range: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let full = |name: &str, kind: Option<&str>| match kind {
        Some(kind) => format!("{name} ({})", text::printable(kind)),
        None => name.to_owned(),
    };
    let [kind, peer_kind] = key::kinds(&entry.key);
    let name = full(&entry.name, kind);
    if let Some(peer) = &entry.peer {
        lines.push(format!("from      {name}"));
        lines.push(format!("to        {}", full(peer, peer_kind)));
    } else {
        lines.push(format!("who       {name}"));
    }
    if let Some((from, to)) = &entry.zones {
        lines.push(format!("zones     {from} → {to}"));
    }
    if let Some(locality) = entry.locality {
        lines.push(format!("across    {}", key::locality(locality)));
    }
    lines.push(String::new());
    lines.push(format!("in {range}"));
    lines.extend(size(&entry.size, currency));
    if let Some(before) = &entry.before {
        lines.push(String::new());
        lines.push("in the time before".to_owned());
        lines.extend(size(before, currency));
    }
    lines
}

fn size(size: &Size, currency: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    match (size.cost, currency) {
        (Some(cost), Some(currency)) => {
            lines.push(format!("cost      {} {currency}", Scale::Exact.text(cost)));
        }
        (None, Some(_)) => lines.push("cost      no price".to_owned()),
        (_, None) => {}
    }
    match size.sides {
        Some(sides) => {
            lines.push(format!(
                "sent      {} bytes",
                text::count(sides.sent.into())
            ));
            lines.push(format!(
                "received  {} bytes",
                text::count(sides.received.into())
            ));
            lines.push(format!(
                "crossing  {} bytes",
                text::count(sides.crossing.into())
            ));
        }
        None => lines.push(format!("bytes     {}", text::count(size.bytes))),
    }
    lines.push(format!("packets   {}", text::count(size.packets)));
    lines
}
