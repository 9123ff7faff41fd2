//! `curbwatch run`: the agent in the foreground.

use super::EXIT_CONFIG;
use super::check::{classes_of_manifest, load};
use crate::app::{Agent, Ended, Reloading};
use crate::clock::{Clocks, SystemClocks};
use crate::config::{self, Loaded};
use crate::logging::Logging;
use crate::service;
use anyhow::Context;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Heaps of the C library. Frames are too large for heaps: what contends for them is small and seldom.
#[cfg(target_env = "gnu")]
const MAX_HEAPS: std::ffi::c_int = 2;

/// Arguments of `curbwatch run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What is logged to standard error, instead of `agent.log.filter`: a level (error, warn, info, debug, trace), or `target=level` pairs.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// Runs until SIGTERM or SIGINT, then stops in order; a second signal ends the process at once.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    bound_heaps();
    let Some(loaded) = load(&args.config) else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let log = Logging::start(args.log.as_deref(), &loaded.config.agent.log).context("failed to read --log")?;
    report(&loaded);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
        let file = args.config.clone();
        let hangup = signal(SignalKind::hangup())?;
        let main = file.clone();
        let reloading = Reloading {
            load: Box::new(move || read_again(&file)),
            write_zones: Box::new(move |camera| config::write_zones(&main, camera, &classes_of_manifest)),
            log,
        };
        let agent = Agent::start(loaded, &clocks, reloading)?;
        service::say_ready();
        let stop = async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::thread::Builder::new().name("second-signal".to_owned()).spawn(exit_at_second_signal).ok();
        };
        match agent.run_until(stop, hangup).await {
            Ended::Stopped => Ok(ExitCode::SUCCESS),
            Ended::Reload => Err(begin_anew()),
        }
    })
}

/// The configuration as it is now. One camera's mistake is enough to refuse it: something runs already.
fn read_again(file: &Path) -> Result<Loaded, String> {
    let loaded =
        config::load(file, &classes_of_manifest).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    let mistakes: Vec<String> =
        loaded.set_aside.iter().flat_map(|camera| &camera.mistakes).map(ToString::to_string).collect();
    if mistakes.is_empty() { Ok(loaded) } else { Err(mistakes.join("\n")) }
}

/// Executes this program once more in its own place, with the same arguments: no thread and no memory of before is left. Comes back only
/// with an error.
fn begin_anew() -> anyhow::Error {
    tracing::info!("beginning anew with the configuration as it is now");
    // As it was called, so that a new version in its place is the one that begins.
    let mut arguments = std::env::args_os();
    let program = arguments.next().map_or_else(|| PathBuf::from("curbwatch"), PathBuf::from);
    let error = std::process::Command::new(program).args(arguments).exec();
    anyhow::Error::new(error).context("failed to begin anew")
}

/// Keeps the C library from giving a heap to each of up to eight threads per core. Pipelines come and go with their threads, and every heap
/// grows to the most that was ever in use in it: over an hour of failing cameras that was 150 MiB.
fn bound_heaps() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallopt` takes two integers and locks the allocator itself; no thread of ours runs yet, so that all heed it.
        let was_taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, MAX_HEAPS) };
        debug_assert_eq!(was_taken, 1, "glibc knows M_ARENA_MAX since 2.10");
    }
}

/// Stopping blocks the main thread: a second signal is waited for on a thread of its own.
fn exit_at_second_signal() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::process::exit(130);
        }
    });
}

fn report(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.sentence());
    }
    for camera in &loaded.set_aside {
        for mistake in &camera.mistakes {
            tracing::error!(camera = camera.id.as_deref().unwrap_or("?"), "set aside: {}", mistake.sentence());
        }
    }
}
