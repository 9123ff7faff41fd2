//! How many threads run a model, and how many work on one inference: chosen by a short measurement at the start.
//!
//! On most small CPUs inferences side by side get more out of the cores than one inference on all of them; on some (few fast cores with a
//! shared cache, large models) it is the other way round, and only a measurement tells.

use super::{DetectError, Model, Provider, Runtime, SessionOptions};
use crate::clock::Clocks;
use crate::detect::manifest::Manifest;
use std::path::Path;
use std::time::Duration;

/// How long each arrangement is measured.
const WINDOW: Duration = Duration::from_millis(500);
/// All cores on one inference must be faster by this factor to be chosen: it costs more CPU for the same work, and a short measurement
/// is not exact.
const WORTH_WHILE: f64 = 1.10;
/// Runners on an accelerator, which runs one inference at a time: one prepares its input while the other's runs.
const RUNNERS_ON_ACCELERATOR: usize = 2;

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrangement {
    /// Threads that run inferences side by side.
    pub runners: usize,
    /// Threads that work on each.
    pub threads: usize,
}

/// Loads a model and finds out how `cores` are best used for it, whatever threads the options say. Takes about a second on a CPU of several cores.
pub fn arrange(
    runtime: &Runtime,
    manifest: &Manifest,
    path: &Path,
    options: &SessionOptions,
    cores: usize,
    clocks: &dyn Clocks,
) -> Result<(Model, Arrangement), DetectError> {
    let open = |threads| Model::open(runtime, manifest, path, &SessionOptions { threads, ..options.clone() });
    let side_by_side = open(1)?;
    if side_by_side.provider().provider != Provider::Cpu {
        let runners = RUNNERS_ON_ACCELERATOR.min(cores);
        return Ok((side_by_side, Arrangement { runners, threads: 1 }));
    }
    if cores <= 1 {
        return Ok((side_by_side, Arrangement { runners: 1, threads: 1 }));
    }
    let together = open(cores)?;
    let (many, one) = (rate(&side_by_side, cores, clocks)?, rate(&together, 1, clocks)?);
    tracing::info!(
        model = manifest.name,
        cores,
        side_by_side_per_sec = tenths(many),
        together_per_sec = tenths(one),
        "measured inferences side by side, one thread each, and one after the other on all cores"
    );
    if one > many * WORTH_WHILE {
        Ok((together, Arrangement { runners: 1, threads: cores }))
    } else {
        Ok((side_by_side, Arrangement { runners: cores, threads: 1 }))
    }
}

/// Inferences per second of `runners` threads.
fn rate(model: &Model, runners: usize, clocks: &dyn Clocks) -> Result<f64, DetectError> {
    let mut detectors = (0..runners).map(|_| model.detector()).collect::<Result<Vec<_>, _>>()?;
    for detector in &mut detectors {
        // The first run allocates.
        detector.infer_only()?;
    }
    std::thread::scope(|scope| {
        let measure = |(number, mut detector): (usize, super::Detector)| {
            let thread = std::thread::Builder::new().name(format!("calibrate-{number}"));
            thread.spawn_scoped(scope, move || {
                let began = clocks.mono();
                let mut count = 0;
                loop {
                    detector.infer_only()?;
                    count += 1;
                    let elapsed = clocks.mono().since(began);
                    if elapsed >= WINDOW {
                        return Ok(f64::from(count) / elapsed.as_secs_f64());
                    }
                }
            })
        };
        let threads = detectors.into_iter().enumerate().map(measure).collect::<Result<Vec<_>, _>>();
        let threads = threads.map_err(|source| DetectError::Thread { source })?;
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    })
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
