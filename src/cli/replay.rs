//! `curbwatch replay`: recordings through the engine, faster than real time.

use super::EXIT_CONFIG;
use super::check::load;
use crate::clock::{Clocks, SystemClocks};
use crate::config::Config;
use crate::contract::IncidentEvent;
use crate::replay::{AnnotatedVideo, Replay, Script};
use anyhow::Context;
use jiff::Timestamp;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// When a recording began, if nobody says: permitted hours and times of events follow from it.
pub(super) const DEFAULT_START: &str = "2026-01-01T00:00:00Z";

/// What is replayed, and what befalls it.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Recordings of one camera, in order; between two the camera was away for a moment.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The camera whose zones and rules apply; not needed if there is only one.
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Wall time of the first picture, RFC 3339.
    #[arg(long, default_value = DEFAULT_START, value_name = "TIME")]
    start: Timestamp,
    /// Seconds of the recording, FROM-TO, for which the camera is taken to be away; may be repeated.
    #[arg(long, value_name = "FROM-TO", value_parser = span)]
    gap: Vec<Range<Duration>>,
    /// Second of the recording at which the agent is taken to start anew; may be repeated.
    #[arg(long, value_name = "SECOND", value_parser = second)]
    restart: Vec<Duration>,
}

impl Source {
    /// Index of the camera.
    pub(super) fn camera_of(&self, config: &Config) -> anyhow::Result<usize> {
        let cameras: Vec<&str> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
        let camera = match (&self.camera, cameras.as_slice()) {
            (Some(id), _) => cameras.iter().position(|camera| camera == id),
            (None, [_]) => Some(0),
            (None, _) => None,
        };
        camera.with_context(|| format!("--camera must be one of: {}", cameras.join(", ")))
    }

    /// What befalls it.
    pub(super) fn script(&self, seed: u64) -> Script {
        Script {
            start: self.start,
            seed,
            gaps: sorted(&self.gap, |gap| gap.start),
            restarts: sorted(&self.restart, |at| *at),
        }
    }
}

/// Arguments of `curbwatch replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Where the events go, one JSON object a line; standard output if absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write what was analysed as a video (Matroska), redacted, with open incidents outlined.
    #[arg(long, value_name = "FILE")]
    video: Option<PathBuf>,
    /// Seed of the ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is logged to standard error.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Replays; the summary goes to standard error.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log).context("failed to read --log")?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Some(loaded) = load(&args.source.config) else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let camera = args.source.camera_of(&loaded.config)?;
    let script = args.source.script(args.seed);
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let video = args.video.as_deref().map(AnnotatedVideo::begin).transpose()?;
    let replay = Replay::try_new(loaded, camera, script, video, Arc::clone(&clocks))?;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            let file = std::fs::File::create(path).with_context(|| format!("failed to write {}", path.display()))?;
            Box::new(std::io::BufWriter::new(file))
        }
        None => Box::new(std::io::stdout().lock()),
    };
    let summary = replay.run(&args.source.files, &mut |event: &IncidentEvent| {
        serde_json::to_writer(&mut out, event)?;
        out.write_all(b"\n")
    })?;
    out.flush().context("failed to write the events")?;
    let took = clocks.mono().0.as_secs_f64();
    let length = summary.duration.as_secs_f64();
    eprintln!(
        "{length:.1} s in {took:.1} s ({:.1} times real time): {} frames judged, {} inferred, {} events",
        length / took.max(0.001),
        summary.analysed,
        summary.inferred,
        summary.events
    );
    Ok(ExitCode::SUCCESS)
}

fn sorted<T: Clone>(values: &[T], at: impl Fn(&T) -> Duration) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_by_key(at);
    values
}

/// `FROM-TO` in seconds on the command line.
fn span(text: &str) -> Result<Range<Duration>, String> {
    let (from, to) = text.split_once('-').ok_or("must look like 20-35.5")?;
    let (from, to) = (second(from)?, second(to)?);
    if from < to { Ok(from..to) } else { Err(format!("{text} ends before it begins")) }
}

/// Seconds on the command line.
fn second(text: &str) -> Result<Duration, String> {
    let secs: f64 = text.parse().map_err(|_| format!("\"{text}\" is not a number"))?;
    Duration::try_from_secs_f64(secs).map_err(|error| error.to_string())
}
