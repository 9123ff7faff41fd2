//! `curbwatch audit`: the log of what was done with the box and its pictures, verified and exported.

use super::check::load;
use super::{EXIT_CONFIG, EXIT_FOUND};
use crate::audit::{self, Head, KnownHead, Report};
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `curbwatch audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Look whether a record was changed, removed, inserted or moved; the exit status is 1 if so.
    Verify {
        /// A file of records, as `export` writes them, which may begin anywhere; the log of the box, if absent.
        file: Option<PathBuf>,
        /// A head that left the box before, as an event has it in `trace`: [SEQUENCE:]HASH. It must be in the log; may be given more than
        /// once.
        #[arg(long, value_name = "HEAD")]
        head: Vec<KnownHead>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Print the records, one a line.
    Export {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Which box.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration, which names the data folder.
    #[arg(long, value_name = "FILE", default_value = "/etc/curbwatch/curbwatch.yaml")]
    pub(super) config: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Verify { file: Some(file), head, .. } => verify(std::slice::from_ref(file), false, head),
        Command::Verify { file: None, head, config } => match files(config)? {
            Some(files) => verify(&files, true, head),
            None => Ok(ExitCode::from(EXIT_CONFIG)),
        },
        Command::Export { config } => match files(config)? {
            Some(files) => export(&files),
            None => Ok(ExitCode::from(EXIT_CONFIG)),
        },
    }
}

/// The files of a box's log; none if its configuration is wrong, which has been said.
fn files(args: &ConfigArgs) -> anyhow::Result<Option<Vec<PathBuf>>> {
    let Some(loaded) = load(&args.config) else { return Ok(None) };
    Ok(Some(audit::files(&audit::folder(&loaded.config.agent.data_dir))?))
}

fn verify(files: &[PathBuf], is_whole: bool, heads: &[KnownHead]) -> anyhow::Result<ExitCode> {
    let Report { records, first, last, problems } = audit::verify(files, is_whole, heads)?;
    for problem in &problems {
        println!("{problem}");
    }
    match (first, last) {
        (Some(first), Some(Head { sequence: last, hash })) => {
            println!("{records} records, {first} to {last}; head {last}:{hash}");
        }
        (_, _) => println!("no records"),
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FOUND) })
}

fn export(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    let mut copy =
        |file: &Path| -> std::io::Result<u64> { std::io::copy(&mut std::fs::File::open(file)?, &mut output) };
    for file in files {
        copy(file).with_context(|| format!("failed to print {}", file.display()))?;
    }
    output.flush().context("failed to print")?;
    Ok(ExitCode::SUCCESS)
}
