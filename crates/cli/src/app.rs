//! Wires a command to the way to the server and to the console.

use crate::args::{Cli, Command};
use crate::command::{check, cost, flows, manual, matrix, top, version};
use crate::console::Console;
use crate::failure::Failure;

/// Does what was asked for.
///
/// # Errors
///
/// [`Failure`], which says why not.
pub fn run(cli: &Cli) -> Result<(), Failure> {
    // Fails if the process has one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut console = Console::new(cli.color);
    match &cli.command {
        Command::Completion { shell } => {
            let script = String::from_utf8_lossy(&manual::completion(*shell)).into_owned();
            Ok(console.print(&script)?)
        }
        Command::Man { directory } => manual::write(directory),
        command => {
            // One connection at a time, and a screen: one thread does.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(ask(command, cli, &mut console))
        }
    }
}

async fn ask(command: &Command, cli: &Cli, console: &mut Console) -> Result<(), Failure> {
    let way = &cli.way;
    match command {
        Command::Top(args) => top::run(args, way, console).await,
        Command::Cost(args) => cost::run(args, way, console).await,
        Command::Flows(args) => flows::run(args, way, console).await,
        Command::Matrix(args) => matrix::run(args, way, console).await,
        Command::Check(args) => check::run(args, way, console).await,
        Command::Version { client, output } => version::run(*client, *output, way, console).await,
        Command::Completion { .. } | Command::Man { .. } => Ok(()),
    }
}
