//! The command line: one file per command, each with its `Args` and `run`.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod audit;
mod check;
mod config;
mod discover;
mod doctor;
mod evaluate;
mod evidence;
mod hub;
mod models;
mod probe;
mod replay;
mod rules;
mod run;
mod schema;

#[cfg(feature = "staging")]
mod accuracy;
#[cfg(feature = "staging")]
mod camera;
#[cfg(feature = "staging")]
mod stage;

/// Exit status of a wrong configuration (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// Exit status of a check that found something.
const EXIT_FOUND: u8 = 1;
/// Exit status of what cannot be done while the agent runs (`EX_TEMPFAIL` of sysexits.h).
const EXIT_IN_USE: u8 = 75;

#[derive(Debug, Parser)]
#[command(name = "curbwatch", version, about = "Edge agent for street cameras: RTSP in, incidents out over MQTT")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent.
    Run(run::Args),
    /// Check a configuration and print every mistake with its place.
    Check(check::Args),
    /// Show what a configuration comes to.
    Config(config::Args),
    /// Say of each piece that the agent needs whether it is there, its version, and how to get it.
    Doctor(doctor::Args),
    /// List, check, try and measure detectors, or begin the manifest of one's own.
    Models(models::Args),
    /// Look for cameras on the networks of this box (ONVIF).
    Discover(discover::Args),
    /// Watch a camera for a few seconds and say what its stream is.
    Probe(probe::Args),
    /// Run recordings through the rules of a camera and write the events that the hub would have got.
    Replay(replay::Args),
    /// Score the events of recordings against what was there.
    Evaluate(evaluate::Args),
    /// Look at agents as the hub does.
    Hub(hub::Args),
    /// List, check and read out the pictures on the disk.
    Evidence(evidence::Args),
    /// Verify and export the log of what was done with the box and its pictures.
    Audit(audit::Args),
    /// Say what the rules of a configuration mean.
    Rules(rules::Args),
    /// Print the JSON Schemas of the configuration and of every message.
    Schema(schema::Args),
    /// Compose footage of a street with known truth.
    #[cfg(feature = "staging")]
    Stage(stage::Args),
    /// Play the staged suite of scenes and score what is told of them.
    #[cfg(feature = "staging")]
    Accuracy(accuracy::Args),
    /// Play files as live RTSP cameras.
    #[cfg(feature = "staging")]
    Camera(camera::Args),
}

/// Parses the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Config(args) => Ok(config::run(&args)),
        Command::Doctor(args) => doctor::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Discover(args) => discover::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Hub(args) => hub::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Schema(args) => schema::run(&args),
        #[cfg(feature = "staging")]
        Command::Stage(args) => stage::run(&args),
        #[cfg(feature = "staging")]
        Command::Accuracy(args) => accuracy::run(&args),
        #[cfg(feature = "staging")]
        Command::Camera(args) => camera::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("curbwatch: {error:#}");
        ExitCode::FAILURE
    })
}
