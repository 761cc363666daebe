//! What the benches have in common: which parts to run, medians, and where figures go.
//!
//! A bench prints its figures. With the variable `KUBEZONNET_BENCH_RESULTS` it appends them to that
//! file too, a JSON object a line, from which `make bench` makes its tables and plots.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::Error;

/// Where figures go besides standard output.
const RESULTS: &str = "KUBEZONNET_BENCH_RESULTS";

/// The figures of a bench.
#[derive(Debug)]
pub struct Bench {
    quick: bool,
    wanted: Vec<String>,
    results: Option<File>,
}

impl Bench {
    /// Reads the arguments: `--quick` for fewer rounds, and names of parts to run only those.
    ///
    /// # Errors
    ///
    /// If the file for the figures cannot be opened.
    pub fn from_arguments() -> Result<Self, Error> {
        let mut bench = Self {
            quick: false,
            wanted: Vec::new(),
            results: None,
        };
        for argument in env::args().skip(1) {
            match argument.as_str() {
                "--quick" => bench.quick = true,
                // What cargo gives to each bench.
                "--bench" => {}
                part => bench.wanted.push(part.to_owned()),
            }
        }
        if let Some(path) = env::var_os(RESULTS).map(PathBuf::from) {
            let file = OpenOptions::new().append(true).create(true).open(&path);
            bench.results = Some(file.map_err(Error::io(format!("open {}", path.display())))?);
        }
        Ok(bench)
    }

    /// Whether a part is to run: all are, unless some were named.
    pub fn wants(&self, part: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == part)
    }

    /// How often to measure: few times with `--quick`.
    pub fn rounds(&self, usual: usize, quick: usize) -> usize {
        if self.quick { quick } else { usual }
    }

    /// Tells figures about one subject of a part: the row of a table.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn tell(&mut self, part: &str, subject: &str, figures: &[Figure]) -> io::Result<()> {
        let mut line = format!("{part}: {subject}:");
        for figure in figures {
            line.push_str(&figure.shown());
        }
        writeln!(io::stdout(), "{line}")?;
        if let Some(results) = &mut self.results {
            let figures: Vec<_> = figures.iter().map(Figure::json).collect();
            let row = json!({ "part": part, "subject": subject, "figures": figures });
            writeln!(results, "{row}")?;
        }
        Ok(())
    }
}

/// One figure.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// What it is, unit included: the head of a column.
    name: &'static str,
    value: f64,
    bound: Option<Bound>,
}

/// What a figure is to reach.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    /// A figure.
    pub const fn new(name: &'static str, value: f64) -> Self {
        Self {
            name,
            value,
            bound: None,
        }
    }

    /// The same, which is to be so much at most.
    pub const fn at_most(mut self, bound: f64) -> Self {
        self.bound = Some(Bound::AtMost(bound));
        self
    }

    /// The same, which is to be so much at least.
    pub const fn at_least(mut self, bound: f64) -> Self {
        self.bound = Some(Bound::AtLeast(bound));
        self
    }

    fn shown(&self) -> String {
        let Self { name, value, bound } = self;
        let shown = if value.abs() < 10.0 {
            format!("  {value:.3} {name}")
        } else {
            format!("  {value:.1} {name}")
        };
        match bound {
            Some(Bound::AtMost(most)) if value > most => format!("{shown} (MORE THAN {most})"),
            Some(Bound::AtLeast(least)) if value < least => format!("{shown} (LESS THAN {least})"),
            _ => shown,
        }
    }

    fn json(&self) -> serde_json::Value {
        let (at_most, at_least) = match self.bound {
            None => (None, None),
            Some(Bound::AtMost(most)) => (Some(most), None),
            Some(Bound::AtLeast(least)) => (None, Some(least)),
        };
        json!({
            "name": self.name,
            "value": self.value,
            "at_most": at_most,
            "at_least": at_least,
        })
    }
}

/// The middle of what was measured, which a disturbance of a few does not move.
///
/// # Panics
///
/// If nothing was measured.
pub fn median(measured: &[f64]) -> f64 {
    quantile(measured, 0.5)
}

/// The value that this part of what was measured does not exceed.
///
/// # Panics
///
/// If nothing was measured.
pub fn quantile(measured: &[f64], part: f64) -> f64 {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1).expect("something was measured");
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position among a few thousand"
    )]
    let position = (last as f64 * part).round() as usize;
    sorted[position.min(last)]
}

/// How long some work takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

/// How long some work keeps the calling thread's processor: the time in which others had it is left
/// out.
///
/// # Errors
///
/// If the system does not tell.
pub fn worked<T>(work: impl FnOnce() -> T) -> Result<(T, Duration), Error> {
    let began = processor_time()?;
    let result = work();
    Ok((result, processor_time()?.saturating_sub(began)))
}

fn processor_time() -> Result<Duration, Error> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    let failed = |errno: nix::Error| Error::io("read the processor time of the thread")(errno);
    time.map(Duration::from).map_err(failed)
}

/// Keeps the calling thread, and those it starts from now on, to one processor.
///
/// # Errors
///
/// If the system does not let it.
pub fn keep_to_one_processor() -> Result<(), Error> {
    let failed = |errno: nix::Error| Error::io("choose a processor")(errno);
    let this = nix::unistd::Pid::from_raw(0);
    let allowed = nix::sched::sched_getaffinity(this).map_err(failed)?;
    // The last: the first gets most of a machine's interrupts.
    let processor = (0..nix::sched::CpuSet::count())
        .rev()
        .find(|number| allowed.is_set(*number).unwrap_or_default());
    let mut one = nix::sched::CpuSet::new();
    one.set(processor.unwrap_or_default()).map_err(failed)?;
    nix::sched::sched_setaffinity(this, &one).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_not_moved_by_one_that_took_long() {
        assert!((median(&[3.0, 1.0, 2.0, 1e9, 2.5]) - 2.5).abs() < f64::EPSILON);
        assert!((quantile(&[3.0, 1.0, 2.0], 1.0) - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn work_is_timed_without_what_the_thread_waits() {
        let (sum, worked) =
            worked(|| (0..1_000_u64).map(std::hint::black_box).sum::<u64>()).unwrap();
        let ((), waited) = worked_while_parked();

        assert_eq!(sum, 499_500);
        assert!(worked > Duration::ZERO);
        assert!(waited < Duration::from_millis(50), "{waited:?}");
    }

    fn worked_while_parked() -> ((), Duration) {
        worked(|| std::thread::park_timeout(Duration::from_millis(100))).unwrap()
    }

    #[test]
    fn a_figure_says_when_it_falls_short() {
        let slow = Figure::new("ns", 30.0).at_most(25.0).shown();
        let fast = Figure::new("ns", 20.0).at_most(25.0).shown();

        assert!(slow.contains("MORE THAN 25"), "{slow}");
        assert_eq!(fast, "  20.0 ns");
    }
}
