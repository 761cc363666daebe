//! The screen of `top`: what is on it at several sizes, and what keys do.

use clap::Parser as _;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use kubezonnet_api::{Key, LocalityName, Summary};
use kubezonnet_cli::args::{Cli, Command, RankChoice, View};
use kubezonnet_cli::listing::Listing;
use kubezonnet_cli::live::{Answered, Done, Moment, Overlay, State, draw, press};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use crate::answers;

fn state(arguments: &[&str]) -> State {
    let words = ["kubectl-zonnet", "top"].iter().chain(arguments);
    let Command::Top(args) = Cli::try_parse_from(words).unwrap().command else {
        panic!("it is another command");
    };
    State::new(&args)
}

fn answer(state: &mut State, summary: Summary, top: kubezonnet_api::Top) {
    let listing = Listing {
        summary,
        top,
        is_earlier: false,
    };
    state.take(Answered::read(state.wanted(), listing).unwrap());
}

fn usual() -> State {
    let mut state = state(&[]);
    answer(&mut state, answers::summary(), answers::pairs());
    state
}

fn terminal(state: &State, (columns, rows): (u16, u16), colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let moment = Moment {
        answer_age: state.answered.as_ref().map(|_| 3),
        colour,
    };
    terminal.draw(|frame| draw(state, moment, frame)).unwrap();
    terminal
}

/// Holds the screen against the snapshot of that name.
fn check(name: &str, state: &State, size: (u16, u16)) {
    insta::assert_snapshot!(name, terminal(state, size, false).backend());
}

fn type_keys(state: &mut State, keys: &str) -> Done {
    let press_one = |letter| {
        press(
            state,
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE),
        )
    };
    keys.chars().map(press_one).last().unwrap()
}

fn press_key(state: &mut State, code: KeyCode) -> Done {
    press(state, KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn the_screen_is_of_use_at_any_size() {
    let state = usual();

    check("screen_60x15", &state, (60, 15));
    check("screen_80x24", &state, (80, 24));
    check("screen_140x20", &state, (140, 20));
    check("screen_30x5", &state, (30, 5));
}

#[test]
fn parties_have_columns_of_their_own() {
    let mut state = state(&["namespaces", "--sort", "bytes"]);
    answer(&mut state, answers::summary(), answers::namespaces());

    check("screen_namespaces", &state, (100, 15));
}

#[test]
fn before_the_first_answer_it_says_what_it_waits_for() {
    check("screen_asking", &state(&[]), (60, 15));
}

#[test]
fn what_is_old_is_shown_as_old_with_why() {
    let mut state = usual();
    state.failure = Some("cannot reach http://127.0.0.1:8080: connection refused".to_owned());

    check("screen_failing", &state, (80, 15));
}

#[test]
fn an_empty_time_is_told_so() {
    let mut state = state(&[]);
    let mut top = answers::pairs();
    top.items.clear();
    top.count = 0;
    answer(&mut state, answers::summary(), top);

    check("screen_empty", &state, (60, 15));
}

#[test]
fn without_prices_there_are_bytes() {
    let mut state = state(&[]);
    let (mut summary, mut top) = (answers::summary(), answers::pairs());
    summary.currency = None;
    summary.rate.cost_per_hour = None;
    summary.total.cost = None;
    top.currency = None;
    for item in &mut top.items {
        if let kubezonnet_api::Amount::Between(measure) = &mut item.amount {
            measure.cost = None;
        }
    }
    answer(&mut state, summary, top);

    check("screen_without_prices", &state, (100, 15));
}

#[test]
fn help_and_details_are_in_front() {
    let mut state = usual();

    type_keys(&mut state, "?");
    check("screen_help", &state, (60, 15));
    press_key(&mut state, KeyCode::Esc);
    press_key(&mut state, KeyCode::Down);
    press_key(&mut state, KeyCode::Enter);
    check("screen_detail", &state, (80, 24));
}

#[test]
fn typing_filters_and_escape_shows_all_again() {
    let mut state = usual();

    type_keys(&mut state, "/POSTg");
    assert_eq!(state.shown().len(), 2);
    check("screen_filter", &state, (80, 15));
    type_keys(&mut state, "q");
    assert_eq!(state.shown().len(), 0);
    press_key(&mut state, KeyCode::Backspace);
    press_key(&mut state, KeyCode::Enter);
    assert_eq!((state.shown().len(), state.is_typing), (2, false));
    press_key(&mut state, KeyCode::Esc);

    assert_eq!(state.shown().len(), 5);
}

#[test]
fn keys_choose_what_is_asked_for() {
    let mut state = usual();

    assert_eq!(type_keys(&mut state, "3"), Done::Ask);
    assert_eq!(state.view, View::Pods);
    assert!(
        state.shown().is_empty(),
        "lines of another view are not shown"
    );
    assert_eq!(type_keys(&mut state, "+++"), Done::Ask);
    assert_eq!(
        state.wanted().asked.since.as_deref(),
        Some("1h"),
        "pods are known for an hour"
    );
    assert_eq!(press_key(&mut state, KeyCode::Tab), Done::Ask);
    assert_eq!(state.view, View::Namespaces);
    assert_eq!(state.wanted().asked.since.as_deref(), Some("7d"));
    assert_eq!(type_keys(&mut state, "g"), Done::Ask);
    assert_eq!(state.rank, RankChoice::Growth);
    assert_eq!(type_keys(&mut state, "----------"), Done::Draw);
    assert_eq!(state.wanted().asked.since.as_deref(), Some("5m"));
    assert_eq!(type_keys(&mut state, " "), Done::Draw);
    assert!(state.is_paused);
    assert_eq!(type_keys(&mut state, " "), Done::Ask);
    assert_eq!(type_keys(&mut state, "q"), Done::Quit);
}

#[test]
fn control_c_quits_wherever_one_is() {
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for keys in ["/", "?", "1"] {
        let mut state = usual();
        type_keys(&mut state, keys);

        assert_eq!(press(&mut state, interrupt), Done::Quit);
    }
}

#[test]
fn the_chosen_line_stays_chosen_when_others_come_before_it() {
    let mut state = usual();
    press_key(&mut state, KeyCode::Down);
    let chosen = state.chosen_entry().unwrap().name.clone();
    let mut top = answers::pairs();
    top.items.swap(0, 1);
    top.items.rotate_right(2);

    answer(&mut state, answers::summary(), top);

    assert_eq!(state.chosen_entry().unwrap().name, chosen);
    press_key(&mut state, KeyCode::End);
    assert_eq!(state.chosen, 4);
}

#[test]
fn the_chosen_line_stays_chosen_among_others_of_the_same_names() {
    let mut state = usual();
    let mut top = answers::pairs();
    let mut same_zone = top.items[0].clone();
    if let Key::Pair { locality, .. } = &mut same_zone.key {
        *locality = LocalityName::SameZone;
    }
    let mut other_kind = top.items[0].clone();
    if let Key::Pair { source, .. } = &mut other_kind.key {
        source.workload_kind = Some("Deployment".to_owned());
    }
    top.items.splice(1..1, [same_zone, other_kind]);
    answer(&mut state, answers::summary(), top.clone());

    for (chosen, item) in top.items.iter().enumerate().take(3) {
        press_key(&mut state, KeyCode::Home);
        for _ in 0..chosen {
            press_key(&mut state, KeyCode::Down);
        }
        press_key(&mut state, KeyCode::Enter);
        answer(&mut state, answers::summary(), top.clone());

        assert_eq!(state.chosen_entry().unwrap().key, item.key);
        press_key(&mut state, KeyCode::Esc);
    }
}

#[test]
fn details_stay_those_of_their_line_and_go_with_it() {
    let mut state = usual();
    press_key(&mut state, KeyCode::Enter);
    let mut top = answers::pairs();
    let first = top.items[0].key.clone();
    top.items.swap(0, 1);

    answer(&mut state, answers::summary(), top.clone());
    assert_eq!(state.chosen_entry().unwrap().key, first);
    assert_eq!(state.overlay, Some(Overlay::Detail));

    top.items.remove(1);
    answer(&mut state, answers::summary(), top);
    assert_eq!(state.overlay, None);
}

#[test]
fn a_line_far_down_is_scrolled_to() {
    let mut state = usual();
    press_key(&mut state, KeyCode::End);

    let screen = terminal(&state, (60, 10), false).backend().to_string();

    assert!(screen.contains("node node-a"), "{screen}");
}

#[test]
fn colours_are_there_only_if_they_are_wanted() {
    let state = usual();
    let is_coloured = |terminal: &Terminal<TestBackend>| {
        let cells = terminal.backend().buffer().content();
        cells
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };

    assert!(is_coloured(&terminal(&state, (80, 24), true)));
    assert!(!is_coloured(&terminal(&state, (80, 24), false)));
}

#[test]
fn figures_are_labelled_by_the_time_they_are_of() {
    let mut state = usual();

    assert_eq!(type_keys(&mut state, "+"), Done::Ask);
    state.failure = Some("the server is away".to_owned());

    let screen = terminal(&state, (100, 15), false).backend().to_string();
    assert!(
        screen.contains("1h: 10.0 TB") && screen.contains("+ - 6h"),
        "{screen}"
    );
    state.failure = None;
    press_key(&mut state, KeyCode::Enter);
    let screen = terminal(&state, (100, 24), false).backend().to_string();
    assert!(
        screen.contains("in 1h") && !screen.contains("in 6h"),
        "{screen}"
    );
}

#[test]
fn what_is_older_than_two_intervals_is_not_live() {
    let state = usual();
    let screen = |age| {
        let mut terminal = Terminal::new(TestBackend::new(80, 15)).unwrap();
        let moment = Moment {
            answer_age: Some(age),
            colour: false,
        };
        terminal.draw(|frame| draw(&state, moment, frame)).unwrap();
        terminal.backend().to_string()
    };

    let (young, old) = (screen(10), screen(11));

    assert!(young.contains("live"), "{young}");
    assert!(
        old.contains("waiting, 11s old") && !old.contains("live"),
        "{old}"
    );
}

#[test]
fn a_time_of_ones_own_is_between_those_that_are_shorter_and_longer() {
    let since = |state: &State| state.wanted().asked.since.unwrap();
    let mut own = state(&["--since", "3d"]);
    assert_eq!(since(&own), "3d");

    type_keys(&mut own, "+");
    assert_eq!(since(&own), "7d");
    type_keys(&mut own, "--");

    assert_eq!(since(&own), "24h");
    assert_eq!(since(&state(&["--since", "90d"])), "90d");
    assert_eq!(since(&state(&["pods", "--since", "12h"])), "1h");
    assert_eq!(since(&state(&["pods", "--since", "30m"])), "30m");
}
