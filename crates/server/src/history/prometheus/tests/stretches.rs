//! A range that has more points than are asked for at once.

use super::*;
use crate::history::Value;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// What a job sends each night.
const NIGHTLY: u64 = 1_000_000_000;

/// What another workload sends in a second.
const STEADILY: u64 = 1_000;

/// A query, and the points that it asks for, in seconds: as they are asked for, and as they are meant.
pub(super) fn points(request: &str) -> (String, Vec<[u64; 2]>) {
    let form = request.rsplit("\r\n").next().unwrap();
    let pairs: BTreeMap<_, _> = form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    let millis = |name: &str| pairs[name].replace('.', "").parse::<u64>().unwrap();
    let query = &pairs["query"];
    let offset = query.split_once("offset ").map_or(0, |(_, rest)| {
        let digits = rest.split("ms").next().unwrap();
        digits.parse().unwrap()
    });
    let step = usize::try_from(millis("step")).unwrap();
    let points = (millis("start")..=millis("end")).step_by(step);
    let points = points.map(|at| [at, at - offset].map(|millis| millis / 1000));
    let points = points.collect();
    (query.clone(), points)
}

/// A series of what this says of each point.
fn series(labels: &str, points: &[[u64; 2]], of: impl Fn(u64) -> Option<u64>) -> Option<String> {
    let shown = points.iter().filter_map(|[at, meant]| {
        let value = of(*meant)?;
        Some(format!(r#"[{at},"{value}"]"#))
    });
    let shown: Vec<_> = shown.collect();
    let shown = (!shown.is_empty()).then(|| shown.join(","));
    shown.map(|shown| format!(r#"{{"metric":{{"instance":"a",{labels}}},"values":[{shown}]}}"#))
}

/// A server that has a job which is shown from 02:05 to 02:35 each night, and a workload that never rests.
fn page(points: &[[u64; 2]]) -> String {
    let pair = |name: &str| {
        format!(
            r#""__name__":"{BYTES}","src_namespace":"shop","src_kind":"Job","src_workload":"{name}","dst_kind":"Internet","locality":"internet""#
        )
    };
    let is_shown = |at: u64| (125..155).contains(&(at % DAY / MINUTE));
    let created = format!(r#""__name__":"{CREATED}","store":"s""#);
    let all = [
        series(&created, points, |_| Some(1)),
        series(&pair("nightly"), points, |at| {
            is_shown(at).then_some(NIGHTLY)
        }),
        series(&pair("steady"), points, |at| Some(at * STEADILY)),
    ];
    let all: Vec<_> = all.iter().flatten().map(String::as_str).collect();
    answer(&all)
}

/// One that is said to have many series, and refuses to be asked for more than 500 points at once.
fn serve(request: &str) -> Said {
    let (query, points) = points(request);
    if query.contains("count(") {
        let [at, _] = points[0];
        let count = format!(r#"{{"metric":{{}},"values":[[{at},"2000"]]}}"#);
        return Said::Body(answer(&[&count]));
    }
    if points.len() > 500 {
        return Said::Status(422, String::new());
    }
    Said::Body(page(&points))
}

#[test]
fn what_comes_and_goes_is_seen_in_the_longest_range_and_its_parts_sum_to_it() {
    let server = Server::saying(Said::Asked(serve));
    let asking = asking(&server, cluster());
    asking.look();
    let mut whole = question();
    whole.range.start = NOW.minus(30 * 24 * HOUR);
    whole.by = By::Edges(vec![EdgePart::Source(SidePart::Who)]);
    let mut by_day = whole.clone();
    by_day.step = Some(24 * HOUR);

    let whole = asking.ask(&whole).unwrap();
    let by_day = asking.ask(&by_day).unwrap();

    for (answer, cells) in [(whole, 1), (by_day, 30)] {
        let sum = |name: &str| {
            let mut groups = answer.groups.iter();
            let is_of = |value: &Value| format!("{value:?}").contains(name);
            let group = groups.find(|group| is_of(&group.key[0])).unwrap();
            assert_eq!(group.cells.len(), cells);
            group.cells.iter().map(|cell| cell.sent.bytes).sum::<u64>()
        };
        assert_eq!(sum("nightly"), 30 * NIGHTLY);
        assert_eq!(sum("steady"), 30 * DAY * STEADILY);
    }
}

/// A store that is away from ten minutes before the range to half an hour after its begin; never asked for more
/// than four points at once.
fn serve_away(request: &str) -> Said {
    let (_, points) = points(request);
    if points.len() > 4 {
        return Said::Status(422, String::new());
    }
    let end = NOW.0 / 1000;
    let is_there = |at: u64| at <= end - 70 * MINUTE || at >= end - 30 * MINUTE;
    let seen: Vec<_> = points.into_iter().filter(|[_, at]| is_there(*at)).collect();
    Said::Body(page(&seen))
}

#[test]
fn what_a_store_had_before_the_range_is_looked_for_in_stretches_too() {
    let server = Server::saying(Said::Asked(serve_away));
    let asking = asking(&server, cluster());

    let answer = asking.ask(&question()).unwrap();

    let sum = answer.groups.iter().map(|group| group.cells[0].sent.bytes);
    assert_eq!(sum.sum::<u64>(), 70 * MINUTE * STEADILY);
}

/// Somebody who goes after so many looks.
struct Impatient(std::cell::Cell<u32>);

impl Until for Impatient {
    fn left(&self) -> Result<Duration, AskError> {
        let left = self.0.get().checked_sub(1).ok_or(AskError::NobodyWaits)?;
        self.0.set(left);
        Ok(Duration::from_mins(1))
    }
}

#[test]
fn nothing_more_is_asked_for_who_has_gone() {
    let server = Server::saying(Said::Asked(serve_away));
    let asking = asking(&server, cluster());
    let mut question = question();
    question.range.start = NOW.minus(24 * HOUR);

    let answer = asking.ask_while(&question, &Impatient(7.into()));

    assert_eq!(answer, Err(AskError::NobodyWaits));
    // One more asks which dialect it is.
    assert_eq!(server.asked().len(), 8);
}
