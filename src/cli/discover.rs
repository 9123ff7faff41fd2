//! `curbwatch discover`: which cameras there are on the networks of this box.

use crate::clock::SystemClocks;
use crate::discover::discover;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `curbwatch discover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds to wait for answers.
    #[arg(long, default_value_t = 4, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Ask the device at this address alone, as in 192.168.4.7:3702: one in another network, which the question to all does not reach.
    #[arg(long, value_name = "ADDRESS:PORT")]
    at: Option<SocketAddr>,
}

/// Asks and prints a device per line; the exit status is 1 if none answers.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let found = discover(args.at, Duration::from_secs(args.seconds), &SystemClocks::new())?;
    for device in &found {
        let said = [&device.name, &device.hardware, &device.location];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        println!("{:<16} {}; {}", device.from, said.join(", "), device.services.join(" "));
    }
    if found.is_empty() {
        eprintln!(
            "no device answered within {} s. Cameras answer if ONVIF and its discovery are switched on in their settings, and if they are on a \
             network of this box",
            args.seconds
        );
        return Ok(ExitCode::from(super::EXIT_FOUND));
    }
    eprintln!(
        "the path of a camera's stream is in its manual or its own pages; try it with `curbwatch probe rtsp://ADDRESS/PATH --username NAME`"
    );
    Ok(ExitCode::SUCCESS)
}
