//! What the demo prints: on a terminal a table that is redrawn and cut to the terminal's size, else
//! one table after the other.

use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{execute, queue};

use super::Options;
use super::board::Report;
use super::stage::{Comparison, Stage};
use super::table::Places;
use super::{TOP_PODS_QUERY, TOTAL_QUERY};
use crate::Error;

/// Where nothing can be redrawn, a table comes this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(6);

/// Columns and lines of a terminal that does not tell.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// A program that was built with this one, as it can be called from here.
fn beside(program: &str) -> String {
    let own = env::current_exe().unwrap_or_default();
    let path = own.with_file_name(program);
    let here = env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(&path);
    path.display().to_string()
}

/// How the tables are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Redrawn in place, on the terminal's alternate screen.
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
    places: Option<Places>,
    /// Columns and lines for which a table is on the alternate screen; none while it is closed.
    drawn: Option<(u16, u16)>,
    last: Option<Instant>,
}

impl Screen {
    pub(super) fn new(options: &Options) -> Self {
        // A terminal that can do nothing says so by this name.
        let can_redraw = || env::var_os("TERM").is_some_and(|term| term != "dumb");
        let mode = match (options.json, options.once) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Once,
            (false, false) if io::stdout().is_terminal() && can_redraw() => Mode::Live,
            (false, false) => Mode::Plain,
        };
        Self {
            mode,
            places: None,
            drawn: None,
            last: None,
        }
    }

    /// A line about what goes on.
    pub(super) fn note(&mut self, text: &str) -> Result<(), Error> {
        self.leave()?;
        match self.mode {
            Mode::Json => print(io::stderr(), &format!("{text}\n")),
            Mode::Live | Mode::Plain | Mode::Once => print(io::stdout(), &format!("{text}\n")),
        }
    }

    /// Says at once that something went wrong. All of the error follows when the demo has ended.
    pub(super) fn fail(&mut self, error: &Error) -> Result<(), Error> {
        let what = match error {
            Error::Interrupted => "interrupted".to_owned(),
            Error::Ended { name, status, .. } => format!("{name} has ended ({status})"),
            other => other.to_string(),
        };
        let what = what.lines().next().unwrap_or_default();
        self.note(&format!("{what}: removing all of it ..."))
    }

    /// Says where to look.
    pub(super) fn introduce(&mut self, stage: &Stage, example: &str) -> Result<(), Error> {
        let (server, command) = (stage.server_url(), beside("kubectl-zonnet"));
        let (metrics, flow_log) = (stage.metrics_url(), stage.flow_log().display().to_string());
        self.note(&format!(
            "\n\
             dashboard {server}/\n\
             terminal  {command} top --server {server}\n\
             metrics   {metrics}\n\
             queries   for a Prometheus that scrapes this URL:\n\
             \x20         {TOP_PODS_QUERY}\n\
             \x20         {TOTAL_QUERY}\n\
             flow log  {flow_log}\n\
             \x20         {example}\n\
             \n\
             Ctrl-C ends the demo and removes all of it.\n"
        ))?;
        self.places = Some(Places {
            server,
            metrics,
            flow_log,
        });
        Ok(())
    }

    /// Shows the table as it is now, if it is time to.
    pub(super) fn show(&mut self, report: &Report) -> Result<(), Error> {
        match self.mode {
            Mode::Live => self.draw(report),
            Mode::Plain
                if self
                    .last
                    .is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) =>
            {
                self.last = Some(Instant::now());
                print(io::stdout(), &(report.text() + "\n"))
            }
            Mode::Plain | Mode::Once | Mode::Json => Ok(()),
        }
    }

    /// Draws the table again if the terminal has another size now.
    pub(super) fn fit(&mut self, report: &Report) -> Result<(), Error> {
        if self.drawn.is_some_and(|size| size != self::size()) {
            return self.draw(report);
        }
        Ok(())
    }

    /// Leaves the last table where it stays, and the terminal as it was.
    pub(super) fn close(&mut self, report: &Report) -> Result<(), Error> {
        if self.drawn.is_some() {
            self.leave()?;
            print(io::stdout(), &(report.text() + "\n"))?;
        }
        Ok(())
    }

    /// Shows the end of it.
    pub(super) fn finish(&mut self, report: &Report) -> Result<(), Error> {
        if self.mode == Mode::Json {
            return print(io::stdout(), &(report.json().to_string() + "\n"));
        }
        if self.mode == Mode::Once {
            print(io::stdout(), &report.text())?;
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

    fn draw(&mut self, report: &Report) -> Result<(), Error> {
        let (columns, lines) = size();
        let is_first = self.drawn.replace((columns, lines)).is_none();
        let table = report.fitted(self.places.as_ref(), lines.into(), columns.into());
        let mut out = io::stdout();
        let mut draw = || {
            if is_first {
                queue!(out, EnterAlternateScreen, Hide, DisableLineWrap)?;
            }
            queue!(out, BeginSynchronizedUpdate)?;
            for (row, line) in (0..lines).zip(&table) {
                let rest = Clear(ClearType::UntilNewLine);
                queue!(out, MoveTo(0, row), rest, Print(line))?;
            }
            let below = u16::try_from(table.len()).unwrap_or(lines);
            if below < lines {
                queue!(out, MoveTo(0, below), Clear(ClearType::FromCursorDown))?;
            }
            execute!(out, EndSynchronizedUpdate)
        };
        draw().map_err(Error::io("draw on the terminal"))
    }

    /// Gives the terminal back as it was.
    fn leave(&mut self) -> Result<(), Error> {
        if self.drawn.take().is_none() {
            return Ok(());
        }
        execute!(io::stdout(), EnableLineWrap, Show, LeaveAlternateScreen)
            .map_err(Error::io("give the terminal back"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody left to tell if the terminal is gone.
        let _ = self.leave();
    }
}

/// Columns and lines of the terminal.
fn size() -> (u16, u16) {
    let size = terminal::size().ok();
    let known = size.filter(|(columns, lines)| *columns > 0 && *lines > 0);
    known.unwrap_or(USUAL_SIZE)
}

fn print(mut out: impl Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::io("print"))
}
