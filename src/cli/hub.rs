//! `curbwatch hub`.

use crate::clock::{Clocks, Mono, SystemClocks};
use crate::config::SecretSource;
use crate::hub::{View, WatchSettings, Watcher};
use crate::ids::Name;
use crate::incident::Phase;
use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `curbwatch hub`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print incidents as they open and close, and how agents and cameras are.
    Watch(WatchArgs),
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// Host name or address of the broker.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// TCP port of the broker.
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// First level of every topic.
    #[arg(long, default_value = "curbwatch", value_parser = parse_name)]
    prefix: Name,
    /// User name at the broker.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// One JSON object per line, for machines.
    #[arg(long)]
    json: bool,
    /// Save pictures into this folder, after comparing them with the digest in their event.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// End with status 0 when so many incidents were seen: `opened=N` or `closed=N`; may be given twice.
    #[arg(long, value_name = "PHASE=COUNT", value_parser = parse_goal)]
    until: Vec<(Phase, u64)>,
    /// End after so many seconds: with status 1 if `--until` was given and not reached.
    #[arg(long = "for", value_name = "SECS")]
    for_secs: Option<u64>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Watch(watch) => run_watch(watch),
    }
}

fn run_watch(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let watcher = Watcher::start(settings(args)?).context("failed to start watching")?;
    let coloured = !args.json && std::io::stdout().is_terminal();
    let mut view = View::new(args.evidence.clone(), coloured);
    let clocks = SystemClocks::new();
    let end = args.for_secs.map(|secs| Mono(clocks.mono().0 + Duration::from_secs(secs)));
    loop {
        let left = end.map_or(Duration::from_hours(1), |end| end.since(clocks.mono()));
        if let Some(sight) = watcher.next(left) {
            let lines = if args.json { vec![view.json(&sight).to_string()] } else { view.lines(&sight) };
            print(&lines).context("failed to print")?;
        }
        if !args.until.is_empty() && args.until.iter().all(|(phase, count)| view.count(*phase) >= *count) {
            return Ok(ExitCode::SUCCESS);
        }
        if end.is_some_and(|end| clocks.mono() >= end) {
            return Ok(if args.until.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
}

fn settings(args: &WatchArgs) -> anyhow::Result<WatchSettings> {
    let credentials = match (&args.username, &args.password_file) {
        (Some(user), Some(file)) => Some((user.clone(), SecretSource::File(file.clone()).read()?)),
        (_, _) => None,
    };
    Ok(WatchSettings { host: args.host.clone(), port: args.port, prefix: args.prefix.clone(), credentials })
}

/// Prints at once, also into a pipe.
fn print(lines: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::try_new(text).map_err(|error| error.to_string())
}

fn parse_goal(text: &str) -> Result<(Phase, u64), String> {
    let wanted = || format!("\"{text}\" is not opened=N or closed=N");
    let (phase, count) = text.split_once('=').ok_or_else(wanted)?;
    let phase = match phase {
        "opened" => Phase::Opened,
        "closed" => Phase::Closed,
        _ => return Err(wanted()),
    };
    Ok((phase, count.parse().map_err(|_| wanted())?))
}
