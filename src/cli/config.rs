//! `curbwatch config show`: the configuration that would run, and where each value of it comes from.

use super::EXIT_CONFIG;
use super::check::classes_of_manifest;
use crate::config;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `curbwatch config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the effective configuration: included files and defaults filled in, each value with where it comes from, secrets masked.
    Show {
        /// The configuration.
        file: PathBuf,
    },
}

/// Prints it; a wrong configuration is told on standard error, with status 78.
pub fn run(args: &Args) -> ExitCode {
    let Command::Show { file } = &args.command;
    match config::show(file, &classes_of_manifest) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("curbwatch: {:#}", anyhow::Error::new(error));
            ExitCode::from(EXIT_CONFIG)
        }
    }
}
