//! What the demo prints: on a terminal a table redrawn in place, else one after the other.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use super::board::{Board, Report};
use super::stage::{Comparison, Stage};
use super::{Options, TOP_PODS_QUERY, TOTAL_QUERY};
use crate::Error;

/// Where nothing can be redrawn, a table comes this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(6);

/// How the tables are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Redrawn in place.
    Live,
    /// One after the other.
    Plain,
    /// One at the end.
    Once,
    /// One at the end, as JSON.
    Json,
}

/// Standard output, or standard error for what is not the result.
#[derive(Debug)]
pub(super) struct Screen {
    mode: Mode,
    /// Lines of the table that is on the terminal.
    drawn: usize,
    last: Option<Instant>,
}

impl Screen {
    pub(super) fn new(options: &Options) -> Self {
        let mode = match (options.json, options.once) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Once,
            (false, false) if io::stdout().is_terminal() => Mode::Live,
            (false, false) => Mode::Plain,
        };
        Self {
            mode,
            drawn: 0,
            last: None,
        }
    }

    /// A line about what goes on.
    pub(super) fn note(&mut self, text: &str) -> Result<(), Error> {
        self.drawn = 0;
        match self.mode {
            Mode::Json => print(io::stderr(), &format!("{text}\n")),
            Mode::Live | Mode::Plain | Mode::Once => print(io::stdout(), &format!("{text}\n")),
        }
    }

    /// Says where to look.
    pub(super) fn introduce(&mut self, stage: &Stage, example: &str) -> Result<(), Error> {
        let (metrics, flow_log) = (stage.metrics_url(), stage.flow_log());
        self.note(&format!(
            "\n\
             metrics   {metrics}\n\
             queries   for a Prometheus that scrapes this URL:\n\
             \x20         {TOP_PODS_QUERY}\n\
             \x20         {TOTAL_QUERY}\n\
             flow log  {}\n\
             \x20         {example}\n\
             \n\
             Ctrl-C ends the demo and removes all of it.\n",
            flow_log.display()
        ))
    }

    /// Shows the table as it is now, if it is time to.
    pub(super) fn show(&mut self, board: &Board, elapsed: Duration) -> Result<(), Error> {
        match self.mode {
            Mode::Live => {
                let table = board.table(elapsed);
                // Up to where the last table began, and clear from there: ECMA-48 CUU and ED.
                let back = match self.drawn {
                    0 => String::new(),
                    lines => format!("\x1b[{lines}A\x1b[J"),
                };
                self.drawn = table.lines().count();
                print(io::stdout(), &(back + &table))
            }
            Mode::Plain
                if self
                    .last
                    .is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) =>
            {
                self.last = Some(Instant::now());
                print(io::stdout(), &(board.table(elapsed) + "\n"))
            }
            Mode::Plain | Mode::Once | Mode::Json => Ok(()),
        }
    }

    /// Shows the end of it.
    pub(super) fn finish(&mut self, report: &Report) -> Result<(), Error> {
        if self.mode == Mode::Json {
            return print(io::stdout(), &(report.json().to_string() + "\n"));
        }
        if self.mode == Mode::Once {
            print(io::stdout(), &report.table())?;
        }
        if report.comparisons.is_empty() {
            return Ok(());
        }
        self.note(
            "\nbytes on the wire, by the kernel's own counts of the links, and as counted:\n",
        )?;
        for Comparison {
            what,
            link_bytes,
            counted_bytes,
        } in &report.comparisons
        {
            self.note(&format!("  {link_bytes:>12} {counted_bytes:>12}  {what}"))?;
        }
        Ok(())
    }
}

fn print(mut out: impl Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::io("print"))
}
