//! `top` on a real terminal, that of tmux.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kubezonnet_testkit::wait_for;

use crate::fake::Fake;
use crate::program::command;

/// How long it may take until something is on the screen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes names that no other test has.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A terminal with a program in it; both end when this is dropped.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts the program, and keeps the terminal with its status once it has ended.
    fn start(arguments: &[&str], variables: &str) -> Self {
        let program = line(arguments);
        Self::open(&format!(
            "{variables} {program}; echo ended with $?; exec cat"
        ))
    }

    /// Starts that in a shell, and ends with it.
    fn open(line: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = format!("kubezonnet-{}-{number}", std::process::id());
        let terminal = Self { socket };
        let size = ["-x", "80", "-y", "24"];
        let mut all = vec!["-f", "/dev/null", "new-session", "-d", "-s", "t"];
        all.extend(size);
        all.push(line);
        terminal.tmux(&all);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.socket])
            .args(words)
            .env_remove("NO_COLOR")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("tmux is there: scripts/install-deps.sh test");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is on the screen, with its colours.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-t", "t"])
    }

    /// Waits until the screen is so, and returns it.
    fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let look = || Some(self.screen()).filter(|screen| is_so(screen));
        wait_for(what, PATIENCE, look).unwrap_or_else(|error| panic!("{error}:\n{}", self.screen()))
    }

    /// Sends a signal to the program that the terminal's shell runs.
    fn signal(&self, name: &str) {
        let shell = self.tmux(&["display-message", "-p", "-t", "t", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.unwrap();
        let program = children.split_whitespace().next().expect("it runs");
        let kill = ["-c", "kill -s \"$0\" \"$1\"", name, program];
        let status = Command::new("sh").args(kill).status().unwrap();
        assert!(status.success(), "SIG{name} for {program}");
    }

    fn press(&self, keys: &str) {
        self.tmux(&["send-keys", "-t", "t", keys]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let kill = ["-L", &self.socket, "kill-server"];
        // It has ended already, or ends now.
        Command::new("tmux").args(kill).output().ok();
    }
}

/// What is typed to run the program.
fn line(arguments: &[&str]) -> String {
    let program = command(&[]).get_program().to_string_lossy().into_owned();
    format!("{program} {}", arguments.join(" "))
}

/// Whether a letter is in one of the colours, and not in the terminal's own.
fn is_coloured(screen: &str) -> bool {
    let orders = screen.split("\x1b[").skip(1);
    let mut orders = orders.filter_map(|order| order.split('m').next());
    orders.any(|order| {
        let mut numbers = order.split(';').filter_map(|number| number.parse().ok());
        numbers.any(|number: u8| matches!(number, 30..=38 | 90..=97))
    })
}

#[test]
fn top_is_drawn_takes_keys_follows_the_size_and_gives_the_terminal_back() {
    let fake = Fake::usual();
    let terminal = Terminal::start(&["top", &fake.flag(), "--interval", "1s"], "");

    let screen = terminal.wait("list", |screen| screen.contains("shop/postgres"));
    assert!(
        is_coloured(&screen) && screen.contains("USD/h"),
        "{screen:?}"
    );
    terminal.tmux(&["resize-window", "-t", "t", "-x", "60", "-y", "15"]);
    terminal.wait("smaller screen", |screen| {
        screen.lines().count() == 15 && screen.contains("quit") && !screen.contains("sort by")
    });
    terminal.press("?");
    terminal.wait("help", |screen| screen.contains("any key closes"));
    terminal.press("Escape");
    terminal.wait("no help", |screen| !screen.contains("any key closes"));
    terminal.press("/");
    terminal.press("internet");
    terminal.wait("filter", |screen| screen.contains("1 found"));
    terminal.press("Enter");
    terminal.press("2");
    // The line of views has the word all along: what the server is asked tells.
    wait_for("another view", PATIENCE, || {
        let asked = fake.asked();
        let is_of = |target: &String| target.contains("of=workloads");
        asked.iter().any(is_of).then_some(())
    })
    .unwrap();
    terminal.press("q");

    let screen = terminal.wait("end", |screen| screen.contains("ended with 0"));
    assert!(
        !screen.contains("USD/h"),
        "the screen before is there again: {screen}"
    );
}

#[test]
fn a_server_that_goes_away_is_shown_and_what_was_there_stays() {
    let fake = Fake::usual();
    let terminal = Terminal::start(&["top", &fake.flag(), "--interval", "1s"], "NO_COLOR=1");
    let screen = terminal.wait("list", |screen| screen.contains("shop/postgres"));
    assert!(!is_coloured(&screen), "{screen:?}");

    fake.say("summary", 503, r#"{"error":"history is behind"}"#);

    let screen = terminal.wait("failure", |screen| screen.contains("no answer"));
    assert!(screen.contains("shop/postgres"), "{screen}");
    terminal.wait("reason", |screen| screen.contains("history is behind"));
    terminal.press("C-c");
    terminal.wait("end", |screen| screen.contains("ended with 0"));
}

#[test]
fn top_is_put_aside_and_goes_on_with_the_terminal_as_it_was() {
    let fake = Fake::usual();
    let terminal = Terminal::open("exec bash --norc --noprofile -i");
    terminal.press(&line(&["top", &fake.flag(), "--interval", "1s"]));
    terminal.press("Enter");
    terminal.wait("list", |screen| screen.contains("USD/h"));

    terminal.press("C-z");
    terminal.wait("shell", |screen| {
        screen.contains("Stopped") && !screen.contains("USD/h")
    });
    // The shell shows what is typed: lines are edited again.
    terminal.press("echo $((6 * 7))");
    terminal.press("Enter");
    terminal.wait("answer", |screen| screen.lines().any(|line| line == "42"));
    terminal.press("fg");
    terminal.press("Enter");
    terminal.wait("list again", |screen| {
        screen.contains("USD/h") && screen.contains("quit") && !screen.contains("Stopped")
    });
    // And it takes keys.
    terminal.press("?");
    terminal.wait("help", |screen| screen.contains("any key closes"));
    terminal.press("q");

    let screen = terminal.wait("end", |screen| !screen.contains("USD/h"));
    assert!(screen.contains("Stopped"), "{screen}");
}

#[test]
fn top_that_is_told_to_end_leaves_the_terminal_as_it_was() {
    let fake = Fake::usual();
    for signal in ["TERM", "HUP", "INT", "QUIT"] {
        let program = line(&["top", &fake.flag()]);
        let terminal = Terminal::open(&format!("{program}; echo ended with $?; stty -a; exec cat"));
        terminal.wait("list", |screen| screen.contains("USD/h"));

        terminal.signal(signal);

        let screen = terminal.wait("state of the terminal", |screen| screen.contains("icanon"));
        assert!(
            screen.contains("ended with 0") && !screen.contains("USD/h"),
            "SIG{signal}: {screen}"
        );
        assert!(!screen.contains("-icanon"), "SIG{signal}: {screen}");
    }
}

#[test]
fn tables_fit_the_terminal_and_have_colours() {
    let fake = Fake::usual();
    let terminal = Terminal::start(&["cost", "--by", "pair", &fake.flag()], "");

    let screen = terminal.wait("table", |screen| screen.contains("ended with 0"));

    let line = screen
        .lines()
        .find(|line| line.contains("…"))
        .unwrap_or_default();
    assert!(
        line.contains("24.00") && line.contains("1.20 TB"),
        "{screen}"
    );
    assert!(screen.contains("\x1b[1m"), "{screen}");
}

#[test]
fn a_matrix_of_money_that_is_too_wide_is_a_list() {
    let fake = Fake::usual();
    let mut matrix = crate::answers::matrix();
    for number in 0..9 {
        let mut cell = matrix.cells[1].clone();
        cell.destination = format!("us-east-1-other-{number}");
        matrix.cells.push(cell);
    }
    fake.tell("matrix", &matrix);
    let terminal = Terminal::start(&["matrix", "--show", "cost", &fake.flag()], "NO_COLOR=1");

    let screen = terminal.wait("table", |screen| screen.contains("ended with 0"));

    assert!(
        screen.contains("us-east-1-other-8  2400000000000"),
        "{screen}"
    );
}
