//! The lines on top: how much it is now and this month, and across which boundaries.

use std::fmt::Write as _;

use kubezonnet_api::{LocalityName, Summary};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::{Moment, Palette};
use crate::entry::money;
use crate::key;
use crate::live::state::{Answered, State};
use crate::text::{self, Micros, Scale, width};

/// After so many intervals without an answer it is no longer live.
const OVERDUE: u64 = 2;

/// Lines of the head.
pub(super) fn lines(
    state: &State,
    moment: Moment,
    palette: Palette,
    room: usize,
) -> Vec<Line<'static>> {
    let status = status(state, moment, palette);
    let Some(answered) = &state.answered else {
        let title = Span::styled(" kubezonnet", Palette::strong());
        return vec![
            spread(vec![vec![title]], status, room),
            Line::raw(""),
            Line::raw(""),
            Line::raw(""),
        ];
    };
    let summary = &answered.summary;
    vec![
        spread(now(summary), status, room),
        Line::raw(range(answered, room)),
        boundaries(summary, palette, room),
        legend(summary, palette, room),
    ]
}

/// An amount by itself.
fn amount(money: Micros) -> String {
    Scale::of([money]).text(money)
}

/// What it costs now and this month, in pieces that are shown whole.
fn now(summary: &Summary) -> Vec<Vec<Span<'static>>> {
    let read = |amount| money(amount).ok().flatten();
    let strong = |text: String| Span::styled(text, Palette::strong());
    let rate = &summary.rate;
    let (Some(currency), Some(hour)) = (&summary.currency, read(rate.cost_per_hour.as_ref()))
    else {
        let bytes = strong(format!(" {}", text::rate(rate.bytes_per_second)));
        return vec![
            vec![bytes, Span::raw(" now")],
            vec![Span::raw("; the server knows no prices")],
        ];
    };
    let hour = strong(format!(" {} {currency}/h", amount(hour)));
    let mut pieces = vec![vec![hour, Span::raw(" now")]];
    let Some(month) = &summary.month else {
        return pieces;
    };
    if let Some(so_far) = read(month.so_far.cost.as_ref()) {
        let so_far = strong(format!("  {} {currency}", amount(so_far)));
        pieces.push(vec![so_far, Span::raw(" this month")]);
    }
    let projected = month.projected.as_ref();
    if let Some(projected) = projected.and_then(|all| read(all.cost.as_ref())) {
        let text = format!(", {} by its end", amount(projected));
        pieces.push(vec![Span::raw(text)]);
    }
    pieces
}

/// How fast it is, and how much it was in the time that is shown; without the first where there is no
/// room for both.
fn range(answered: &Answered, room: usize) -> String {
    let (summary, cost) = (&answered.summary, answered.cost);
    let rate = &summary.rate;
    let mut time = format!(
        "{}: {}",
        answered.wanted.range(),
        text::bytes(summary.total.bytes)
    );
    if let (Some(cost), Some(currency)) = (cost, &summary.currency) {
        let _ = write!(time, ", {} {currency}", amount(cost));
    }
    if let Some(before) = &summary.before {
        let before_cost = money(before.cost.as_ref()).ok().flatten();
        let change = match (cost, before_cost) {
            (Some(now), Some(before)) => text::change(now.0, before.0),
            _ => text::change(summary.total.bytes.into(), before.bytes.into()),
        };
        let _ = write!(time, " ({change})");
    }
    let all = text::rate(rate.bytes_per_second);
    let crossing = text::rate(rate.crossing_bytes_per_second);
    let lines = [
        format!(" {all}, {crossing} across boundaries; {time}"),
        format!(" {all}, {crossing} across; {time}"),
        format!(" {all}; {time}"),
    ];
    let fitting = lines.into_iter().find(|line| width(line) <= room);
    fitting.unwrap_or_else(|| cut(&format!(" {time}"), room))
}

/// A bar of all boundaries.
fn boundaries(summary: &Summary, palette: Palette, room: usize) -> Line<'static> {
    let cells = room.saturating_sub(2);
    let total: u128 = summary
        .localities
        .iter()
        .map(|share| u128::from(share.measure.bytes))
        .sum();
    let mut spans = vec![Span::raw(" ")];
    if total == 0 {
        return Line::from(spans);
    }
    let (mut passed, mut used) = (0_u128, 0);
    for share in summary
        .localities
        .iter()
        .filter(|share| share.measure.bytes > 0)
    {
        passed += u128::from(share.measure.bytes);
        let end = usize::try_from(passed * cells as u128 / total).unwrap_or(cells);
        // What is there at all is seen.
        let end = end.max(used + 1).min(cells);
        let text = sign(share.locality).to_string().repeat(end - used);
        spans.push(Span::styled(text, style(share.locality, palette)));
        used = end;
    }
    Line::from(spans)
}

/// What the bar's parts are.
fn legend(summary: &Summary, palette: Palette, room: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    let mut shares: Vec<_> = summary.localities.iter().collect();
    // What crosses is what is looked for: first, where there is no room for all.
    shares.sort_by_key(|share| !is_crossing(share.locality));
    for share in shares.into_iter().filter(|share| share.measure.bytes > 0) {
        let part = text::share(share.measure.bytes.into(), summary.total.bytes.into());
        let name = format!("{} ", sign(share.locality));
        let text = format!("{} {part}  ", key::locality(share.locality));
        let taken = width(&name) + width(&text);
        if used + taken > room {
            break;
        }
        used += taken;
        spans.push(Span::styled(name, style(share.locality, palette)));
        spans.push(Span::raw(text));
    }
    Line::from(spans)
}

const fn is_crossing(locality: LocalityName) -> bool {
    matches!(
        locality,
        LocalityName::CrossZone | LocalityName::CrossRegion | LocalityName::Internet
    )
}

/// What stands for it in the bar, also without colours.
const fn sign(locality: LocalityName) -> char {
    match locality {
        LocalityName::SameNode => '░',
        LocalityName::SameZone => '▒',
        LocalityName::CrossZone => '█',
        LocalityName::CrossRegion => '▓',
        LocalityName::Internet => '▚',
        LocalityName::Unknown => '?',
    }
}

/// The colour of a boundary.
pub(super) fn style(locality: LocalityName, palette: Palette) -> Style {
    match locality {
        LocalityName::SameNode => palette.faint(),
        LocalityName::SameZone => palette.of(Color::Green),
        LocalityName::CrossZone => palette.of(Color::Yellow),
        LocalityName::CrossRegion => palette.of(Color::Red),
        LocalityName::Internet => palette.of(Color::Magenta),
        LocalityName::Unknown => palette.of(Color::Blue),
    }
}

/// Whether what is shown is of now.
fn status(state: &State, moment: Moment, palette: Palette) -> Span<'static> {
    let is_overdue = |seconds| seconds > OVERDUE * state.interval.as_secs();
    let is_overdue = moment.answer_age.is_some_and(is_overdue);
    let age = moment.answer_age.map(text::span);
    match (state.is_paused, &state.failure, age) {
        (_, Some(_), Some(age)) => {
            let text = format!("no answer, {age} old ");
            Span::styled(text, palette.of(Color::Red).patch(Palette::strong()))
        }
        (_, Some(_), None) => Span::styled(
            "no answer ",
            palette.of(Color::Red).patch(Palette::strong()),
        ),
        (true, None, Some(age)) => Span::styled(
            format!("paused, {age} old "),
            palette.of(Color::Yellow).patch(Palette::strong()),
        ),
        (true, None, None) => Span::raw("paused "),
        (false, None, Some(age)) if is_overdue => Span::styled(
            format!("waiting, {age} old "),
            palette.of(Color::Yellow).patch(Palette::strong()),
        ),
        (false, None, Some(_)) => Span::styled("live ", palette.of(Color::Green)),
        (false, None, None) => Span::raw("asking the server ... "),
    }
}

/// Left and right on one line; pieces of the left that do not fit are left out.
fn spread(left: Vec<Vec<Span<'static>>>, right: Span<'static>, room: usize) -> Line<'static> {
    let free = room.saturating_sub(width(&right.content) + 1);
    let mut line = Vec::new();
    let mut used = 0;
    for piece in left {
        let taken: usize = piece.iter().map(|span| width(&span.content)).sum();
        if used + taken > free {
            break;
        }
        used += taken;
        line.extend(piece);
    }
    let blank = room.saturating_sub(used + width(&right.content));
    line.push(Span::raw(" ".repeat(blank)));
    line.push(right);
    Line::from(line)
}

/// The beginning of a text, as much as fits, in whole letters.
fn cut(text: &str, room: usize) -> String {
    let mut short = text.to_owned();
    while width(&short) > room && short.pop().is_some() {}
    short
}
