//! `curbwatch rules`: what the rules of a configuration mean, and why they did or did not report what a recording shows.

pub(super) mod trace;

use super::EXIT_CONFIG;
use super::check::classes_of_manifest;
use crate::config::{self, LoadError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `curbwatch rules`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print in plain words what a configuration will report.
    Explain {
        /// The configuration.
        config: PathBuf,
    },
    /// Say second by second why the rules did or did not report what a recording shows.
    Trace(trace::Args),
}

/// Prints what was asked for; the exit status is 78 if the configuration is wrong.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Explain { config } => explain(config),
        Command::Trace(args) => trace::run(args),
    }
}

fn explain(path: &Path) -> anyhow::Result<ExitCode> {
    match config::load(path, &classes_of_manifest) {
        Ok(loaded) => {
            for camera in &loaded.set_aside {
                let id = camera.id.as_deref().unwrap_or("without an id");
                eprintln!("camera {id} has mistakes and is left out: curbwatch check names them");
            }
            print!("{}", config::explain(&loaded.config));
            Ok(ExitCode::SUCCESS)
        }
        Err(LoadError::Wrong(findings)) => {
            eprintln!("{findings}");
            Ok(ExitCode::from(EXIT_CONFIG))
        }
        Err(error @ LoadError::Read { .. }) => Err(error.into()),
    }
}
