//! `top`: who sends most, live on a terminal, or once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream, KeyEventKind};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use futures::StreamExt as _;
use kubezonnet_api::TopAsked;
use nix::sys::signal::{Signal as Unix, raise};
use ratatui::DefaultTerminal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::args::{Format, TopArgs, Way};
use crate::client::Client;
use crate::console::Console;
use crate::failure::Failure;
use crate::listing::Listing;
use crate::live::{Answered, Done, Moment, State, Wanted, draw, press};
use crate::text;

/// How many lines are printed if nothing is said and it is printed once: a screen of them.
const ONCE: u32 = 20;

/// How often the age of what is shown is drawn again.
const BEAT: Duration = Duration::from_secs(1);

/// Shows it until it is ended, or prints it once.
///
/// # Errors
///
/// Those of the way to the server, its answers, and the terminal.
pub async fn run(args: &TopArgs, way: &Way, console: &mut Console) -> Result<(), Failure> {
    let is_once = args.once || args.scope.output != Format::Table || !console.can_draw();
    let state = State::new(args);
    let mut wanted = state.wanted();
    if is_once {
        wanted.limit = args.limit.unwrap_or(ONCE);
        let listing = async {
            let client = Client::find(way).await?;
            let listing = ask(&client, &wanted).await?;
            Ok::<_, Failure>((client, listing))
        };
        let (client, listing) = console.wait("asking the server", listing).await?;
        console.tell_of(&client);
        return listing.print(console, args.scope.output, true);
    }
    let client = console
        .wait("looking for the server", Client::find(way))
        .await?;
    console.tell_of(&client);
    let mut live = Live {
        client: Arc::new(client),
        state,
        colour: console.look().colour,
        answered: None,
        asking: None,
    };
    let mut terminal = ratatui::try_init()?;
    let ended = live.run(&mut terminal).await;
    // Whatever happened, the terminal is given back as it was.
    let restored = ratatui::try_restore();
    ended?;
    Ok(restored?)
}

async fn ask(client: &Client, wanted: &Wanted) -> Result<Listing, Failure> {
    let what = TopAsked {
        of: wanted.view.into(),
        by: wanted.rank.into(),
        limit: Some(wanted.limit),
        ..TopAsked::default()
    };
    Listing::ask(client, &wanted.asked, &what).await
}

/// The live view, and what it waits for.
struct Live {
    client: Arc<Client>,
    state: State,
    colour: bool,
    /// When the last answer came.
    answered: Option<Instant>,
    /// The question that is under way.
    asking: Option<JoinHandle<Result<Answered, Failure>>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.forget_question();
    }
}

impl Live {
    async fn run(&mut self, terminal: &mut DefaultTerminal) -> Result<(), Failure> {
        let mut keys = EventStream::new();
        let mut signals = Signals::new()?;
        let mut beat = tokio::time::interval(BEAT);
        let mut again = tokio::time::Instant::now();
        loop {
            let moment = Moment {
                answer_age: self.answered.map(|at| at.elapsed().as_secs()),
                colour: self.colour,
            };
            terminal.draw(|frame| draw(&self.state, moment, frame))?;
            let waits = self.asking.is_none() && !self.state.is_paused;
            tokio::select! {
                event = keys.next() => match event {
                    Some(Ok(event)) => match self.heed(&event) {
                        Done::Quit => return Ok(()),
                        Done::Suspend => suspend(terminal)?,
                        Done::Ask => self.ask(),
                        Done::Draw => {}
                    },
                    Some(Err(error)) => return Err(error.into()),
                    // The terminal is gone.
                    None => return Ok(()),
                },
                order = signals.next() => match order {
                    Order::End => return Ok(()),
                    Order::Suspend => suspend(terminal)?,
                    Order::GoOn => resume(terminal)?,
                },
                answer = answer(&mut self.asking) => {
                    self.asking = None;
                    again = tokio::time::Instant::now() + self.state.interval;
                    self.take(answer)?;
                }
                () = tokio::time::sleep_until(again), if waits => self.ask(),
                _ = beat.tick() => {}
            }
        }
    }

    fn heed(&mut self, event: &Event) -> Done {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => press(&mut self.state, *key),
            // Another size is seen when it is drawn again.
            _ => Done::Draw,
        }
    }

    /// Asks anew; what is under way is of another time or view.
    fn ask(&mut self) {
        self.forget_question();
        let (client, wanted) = (Arc::clone(&self.client), self.state.wanted());
        self.asking = Some(tokio::spawn(async move {
            let listing = ask(&client, &wanted).await?;
            Answered::read(wanted, listing)
        }));
    }

    fn forget_question(&mut self) {
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
    }

    /// What may pass is shown, and tried again; for the rest there is no use in waiting.
    fn take(&mut self, answer: Result<Answered, Failure>) -> Result<(), Failure> {
        match answer {
            Ok(answered) => {
                self.answered = Some(Instant::now());
                self.state.take(answered);
            }
            Err(failure) if failure.may_pass() || self.answered.is_some() => {
                self.state.failure = Some(text::line(&failure.to_string()));
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

/// What the server answers to the question that is under way; for ever, if there is none.
async fn answer(
    asking: &mut Option<JoinHandle<Result<Answered, Failure>>>,
) -> Result<Answered, Failure> {
    match asking {
        Some(asking) => asking
            .await
            .unwrap_or_else(|error| Err(Failure::Answer(format!("asking failed: {error}")))),
        None => std::future::pending().await,
    }
}

/// What somebody outside wants of it.
enum Order {
    End,
    Suspend,
    GoOn,
}

/// The signals that are to leave the terminal as it was found. Its own keys are none while it is raw:
/// those that they stand for come from elsewhere then.
struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: Signal,
    go_on: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let of = |number| signal(SignalKind::from_raw(number));
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            stop: of(Unix::SIGTSTP as i32)?,
            go_on: of(Unix::SIGCONT as i32)?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::End,
            _ = self.hang_up.recv() => Order::End,
            _ = self.interrupt.recv() => Order::End,
            _ = self.quit.recv() => Order::End,
            _ = self.stop.recv() => Order::Suspend,
            _ = self.go_on.recv() => Order::GoOn,
        }
    }
}

/// Gives the terminal back, stops until somebody has it go on, and takes it again.
fn suspend(terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    ratatui::try_restore()?;
    raise(Unix::SIGSTOP).map_err(io::Error::from)?;
    resume(terminal)
}

/// Takes the terminal, whatever others have done to it meanwhile, and draws all of it anew.
fn resume(terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Ok(terminal.clear()?)
}
