//! How the state is drawn, on a terminal of 60 by 15 cells or larger.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::state::State;
use crate::args::{RankChoice, View};
use crate::text::{shorten, width};

mod columns;
mod head;
mod overlay;

/// Smaller ones show nothing that is of use.
const SMALLEST: (u16, u16) = (40, 8);

/// What is drawn beside the state: how long ago things were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Since the last answer, in seconds.
    pub answer_age: Option<u64>,
    /// Whether there is colour.
    pub colour: bool,
}

/// What the parts of the screen look like.
#[derive(Debug, Clone, Copy)]
struct Palette {
    colour: bool,
}

impl Palette {
    fn of(self, color: Color) -> Style {
        if self.colour {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn faint(self) -> Style {
        if self.colour {
            Style::new().fg(Color::DarkGray)
        } else {
            Style::new()
        }
    }

    const fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    const fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Draws all of it.
pub fn draw(state: &State, moment: Moment, frame: &mut Frame<'_>) {
    let area = frame.area();
    let palette = Palette {
        colour: moment.colour,
    };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        put(frame, area, 0, &Line::raw("the terminal is too small"));
        return;
    }
    let mut row = 0;
    for line in head::lines(state, moment, palette, area.width.into()) {
        put(frame, area, row, &line);
        row += 1;
    }
    put(frame, area, row, &tabs(state, palette, area.width.into()));
    row += 1;
    let bottom = area.height - 1;
    let foot = if state.failure.is_some() {
        bottom - 1
    } else {
        bottom
    };
    let list = Rect {
        y: area.y + row,
        height: foot - row,
        ..area
    };
    columns::draw(state, palette, frame, list);
    if let Some(failure) = &state.failure {
        let text = format!(" {failure}");
        let text = shorten(&text, area.width.into()).into_owned();
        put(
            frame,
            area,
            foot,
            &Line::styled(text, palette.of(Color::Red)),
        );
    }
    put(
        frame,
        area,
        bottom,
        &keys(state, palette, area.width.into()),
    );
    overlay::draw(state, palette, frame, area);
}

/// Puts a line into a row of an area.
fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height {
        let (x, y) = (area.x, area.y + row);
        frame.buffer_mut().set_line(x, y, line, area.width);
    }
}

/// What can be shown, and what is; only that one by its name where there is no room for all.
fn tabs(state: &State, palette: Palette, room: usize) -> Line<'static> {
    let all: usize = View::ALL.iter().map(|view| view.as_str().len() + 3).sum();
    let mut spans = Vec::new();
    for (view, number) in View::ALL.into_iter().zip(1..) {
        let style = palette.of(Color::Cyan);
        if view == state.view {
            let text = format!("{number} {}", view.as_str());
            spans.push(Span::raw(" "));
            spans.push(Span::styled(
                text,
                Palette::chosen().patch(Palette::strong()),
            ));
        } else {
            spans.push(Span::styled(format!(" {number}"), style));
            if all <= room {
                spans.push(Span::raw(format!(" {}", view.as_str())));
            }
        }
    }
    Line::from(spans)
}

/// The last line: what is typed, or what keys there are.
fn keys(state: &State, palette: Palette, room: usize) -> Line<'static> {
    if state.is_typing {
        let count = state.shown().len();
        let hint = format!("   {count} found; Enter keeps, Esc clears");
        let typed = shorten(&state.filter, room.saturating_sub(width(&hint) + 11)).into_owned();
        return Line::from(vec![
            Span::styled(" filter: ", Palette::strong()),
            Span::raw(typed),
            Span::styled(" ", Palette::chosen()),
            Span::styled(hint, palette.faint()),
        ]);
    }
    let sort = match state.rank {
        RankChoice::Cost => "sort by [c]ost b g",
        RankChoice::Bytes => "sort by c [b]ytes g",
        RankChoice::Growth => "sort by c b [g]rowth",
    };
    let filter = if state.filter.is_empty() {
        "filter".to_owned()
    } else {
        format!("filter: {}", shorten(&state.filter, 16))
    };
    let range = state.range().to_owned();
    let pause = if state.is_paused { "go on" } else { "pause" };
    let entries = [
        ("q", "quit".to_owned()),
        ("?", "help".to_owned()),
        ("/", filter),
        ("+ -", range),
        ("space", pause.to_owned()),
        ("", sort.to_owned()),
        ("enter", "more".to_owned()),
    ];
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, text) in entries {
        let taken = width(key) + width(&text) + 3;
        if used + taken > room {
            break;
        }
        used += taken;
        spans.push(Span::raw(" "));
        if !key.is_empty() {
            spans.push(Span::styled(
                key,
                palette.of(Color::Cyan).patch(Palette::strong()),
            ));
            spans.push(Span::raw(" "));
        }
        spans.push(Span::raw(format!("{text} ")));
    }
    Line::from(spans)
}
