//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::{Overlay, State, Times};
use crate::args::{RankChoice, View};

/// The longest text that is looked for.
const LONGEST: usize = 100;

/// How many lines a page has, for Page Up and Page Down: at least as many as fit on small terminals.
const PAGE: usize = 10;

/// What is to be done after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Draw again.
    Draw,
    /// Ask the server now.
    Ask,
    /// Give the terminal back until the shell has it go on.
    Suspend,
    /// End.
    Quit,
}

/// Takes a key.
pub fn press(state: &mut State, key: KeyEvent) -> Done {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control {
        return match key.code {
            KeyCode::Char('c' | 'd') => Done::Quit,
            KeyCode::Char('u') if state.is_typing => filter(state, String::clear),
            KeyCode::Char('l') => Done::Ask,
            KeyCode::Char('z') => Done::Suspend,
            _ => Done::Draw,
        };
    }
    if state.is_typing {
        return type_filter(state, key.code);
    }
    if state.overlay.is_some() {
        if key.code == KeyCode::Char('q') && state.overlay == Some(Overlay::Help) {
            return Done::Quit;
        }
        state.overlay = None;
        return Done::Draw;
    }
    command(state, key.code)
}

fn command(state: &mut State, code: KeyCode) -> Done {
    match code {
        KeyCode::Char('q') => return Done::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => state.overlay = Some(Overlay::Help),
        KeyCode::Enter if state.chosen_entry().is_some() => state.overlay = Some(Overlay::Detail),
        KeyCode::Char('/') => state.is_typing = true,
        KeyCode::Esc => return filter(state, String::clear),
        KeyCode::Char(' ') => {
            state.is_paused = !state.is_paused;
            return if state.is_paused {
                Done::Draw
            } else {
                Done::Ask
            };
        }
        KeyCode::Char('r') => return Done::Ask,
        KeyCode::Char('c') => return sort(state, RankChoice::Cost),
        KeyCode::Char('b') => return sort(state, RankChoice::Bytes),
        KeyCode::Char('g') => return sort(state, RankChoice::Growth),
        KeyCode::Char('+' | '=' | ']') | KeyCode::Right => return range(state, 1),
        KeyCode::Char('-' | '[') | KeyCode::Left => return range(state, -1),
        KeyCode::Tab => return turn(state, 1),
        KeyCode::BackTab => return turn(state, View::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='8') => {
            let at = digit as usize - '1' as usize;
            return view(state, View::ALL[at]);
        }
        KeyCode::Down | KeyCode::Char('j') => choose(state, |at| at + 1),
        KeyCode::Up | KeyCode::Char('k') => choose(state, |at| at.saturating_sub(1)),
        KeyCode::PageDown => choose(state, |at| at + PAGE),
        KeyCode::PageUp => choose(state, |at| at.saturating_sub(PAGE)),
        KeyCode::Home => choose(state, |_| 0),
        KeyCode::End => choose(state, |_| usize::MAX),
        _ => {}
    }
    Done::Draw
}

fn type_filter(state: &mut State, code: KeyCode) -> Done {
    match code {
        KeyCode::Enter | KeyCode::Down | KeyCode::Up => state.is_typing = false,
        KeyCode::Esc => {
            state.is_typing = false;
            return filter(state, String::clear);
        }
        KeyCode::Backspace => {
            return filter(state, |text| {
                text.pop();
            });
        }
        KeyCode::Char(letter) if state.filter.chars().count() < LONGEST && !letter.is_control() => {
            return filter(state, |text| text.push(letter));
        }
        _ => {}
    }
    Done::Draw
}

fn filter(state: &mut State, change: impl FnOnce(&mut String)) -> Done {
    change(&mut state.filter);
    state.chosen = 0;
    Done::Draw
}

fn choose(state: &mut State, step: impl FnOnce(usize) -> usize) {
    let last = state.shown().len().saturating_sub(1);
    state.chosen = step(state.chosen).min(last);
}

fn sort(state: &mut State, rank: RankChoice) -> Done {
    state.rank = rank;
    state.chosen = 0;
    Done::Ask
}

fn range(state: &mut State, step: isize) -> Done {
    let Times::Back(ranges, at) = &mut state.times else {
        return Done::Draw;
    };
    let next = at.saturating_add_signed(step).min(ranges.len() - 1);
    if next == *at {
        return Done::Draw;
    }
    *at = next;
    Done::Ask
}

fn turn(state: &mut State, steps: usize) -> Done {
    let at = View::ALL.iter().position(|view| *view == state.view);
    let next = (at.unwrap_or_default() + steps) % View::ALL.len();
    view(state, View::ALL[next])
}

fn view(state: &mut State, view: View) -> Done {
    if state.view == view {
        return Done::Draw;
    }
    state.view = view;
    state.chosen = 0;
    Done::Ask
}
