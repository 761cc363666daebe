//! Standard output and standard error: what is shown there, and how it may look.

use std::env;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use crate::args::Color;
use crate::client::Client;
use crate::text::{Look, Tone};

/// What takes longer than this is said to.
const LONG: Duration = Duration::from_millis(500);

/// What a terminal is taken for that does not tell its size.
const USUAL_WIDTH: usize = 80;

/// Where results and notes go.
#[derive(Debug)]
pub struct Console {
    out: io::Stdout,
    look: Look,
    is_terminal: bool,
    /// Whether notes come and go: on a terminal.
    shows_progress: bool,
}

impl Console {
    /// That of this process.
    pub fn new(wanted: Color) -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = match wanted {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org: set, and not to nothing.
            Color::Auto => {
                is_terminal
                    && !is_dumb
                    && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        let columns = || crossterm::terminal::size().map_or(0, |(columns, _)| columns.into());
        let width = is_terminal.then(columns).map(|columns| match columns {
            0 => USUAL_WIDTH,
            columns => columns,
        });
        Self {
            out,
            look: Look { colour, width },
            is_terminal: is_terminal && !is_dumb,
            shows_progress: io::stderr().is_terminal() && !is_dumb,
        }
    }

    /// How tables may look.
    pub fn look(&self) -> Look {
        self.look
    }

    /// Whether results go to a terminal that can be drawn on, and keys can be read.
    pub fn can_draw(&self) -> bool {
        self.is_terminal && io::stdin().is_terminal()
    }

    /// Prints a result, at once.
    ///
    /// # Errors
    ///
    /// If nobody takes it.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Where results are written.
    pub fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Says what is not the result: a line on standard error.
    pub fn note(&self, text: &str) {
        let look = Look {
            colour: self.look.colour && self.shows_progress,
            width: None,
        };
        let word = Tone::Doubtful.paint("note:", look).into_owned();
        // Without standard error there is nowhere left to say it.
        writeln!(io::stderr(), "{word} {}", crate::text::printable(text)).ok();
    }

    /// Says what there is to say of the server, if anything.
    pub fn tell_of(&self, client: &Client) {
        if let Some(note) = client.note() {
            self.note(note);
        }
    }

    /// Waits for something, and says so where that takes long and somebody sits there.
    pub async fn wait<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if self.shows_progress {
            if let Ok(done) = tokio::time::timeout(LONG, &mut work).await {
                return done;
            }
            write!(io::stderr(), "{what} ...").ok();
            let done = work.await;
            write!(io::stderr(), "\r\x1b[K").ok();
            return done;
        }
        work.await
    }
}
