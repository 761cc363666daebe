//! What is made of the list of commands: completions and the manual.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;

/// What a shell needs to complete commands and flags.
pub fn completion(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kubectl-zonnet", &mut script);
    script
}

/// Writes a page for the program and one for each command.
///
/// # Errors
///
/// If they cannot be written.
pub fn write(directory: &Path) -> Result<(), Failure> {
    let named = |error: io::Error| {
        Failure::Usage(format!("cannot write to {}: {error}", directory.display()))
    };
    std::fs::create_dir_all(directory).map_err(named)?;
    // As `--help` is at most, whatever the terminal.
    let command = Cli::command().term_width(100);
    clap_mangen::generate_to(command, directory).map_err(named)
}
