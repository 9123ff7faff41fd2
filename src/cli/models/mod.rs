//! `curbwatch models`: what an integrator does with a detector before a camera sees it.

mod bench;
mod picture;
mod quantize;
pub(super) mod try_on;

use crate::detect::layout;
use crate::detect::manifest::Manifest;
use crate::detect::{Detections, Detector, Runtime};
use crate::install;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `curbwatch models`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the models that this build knows, and whether each is installed.
    List,
    /// Print a manifest to start from for an ONNX file, with what was decided and why.
    Inspect {
        /// The model file.
        file: PathBuf,
    },
    /// Check a model's file, inputs and outputs against its manifest, and run it once.
    Verify {
        /// Name of a model, or path of a manifest.
        model: String,
    },
    /// Detect in a picture and draw what was found; people and number plates are redacted.
    Try(try_on::Args),
    /// Measure what a frame costs, stage by stage.
    Bench(bench::Args),
    /// Make an 8-bit model of one, calibrated on pictures of your own cameras, and measure what it gains and loses.
    Quantize(quantize::Args),
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List => list(),
        Command::Inspect { file } => return inspect(file),
        Command::Verify { model } => verify(model)?,
        Command::Try(args) => try_on::run(args)?,
        Command::Bench(args) => bench::run(args)?,
        Command::Quantize(args) => quantize::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    for name in install::built_in_models() {
        let state = match install::manifest(name) {
            Err(error) => error.to_string(),
            Ok(manifest) => {
                let place = match install::model_file(&manifest) {
                    Ok(path) => path.display().to_string(),
                    Err(missing) => format!("not installed; to get it: {}", missing.remedy),
                };
                let Manifest { input, licence, classes, .. } = &manifest;
                format!("{}x{}, {} classes, {licence}\n    {place}", input.width, input.height, classes.len())
            }
        };
        println!("{name}: {state}");
    }
}

/// Prints the manifest to standard output, everything else to standard error. Status 1 if something is left to write.
fn inspect(file: &Path) -> anyhow::Result<ExitCode> {
    let found = layout::inspect(&Runtime::load()?, file)?;
    for tensor in &found.tensors {
        eprintln!("{tensor}");
    }
    println!("# Begun by `curbwatch models inspect`. Look at `curbwatch models try` before you believe it.");
    for note in &found.notes {
        println!("# - {note}");
    }
    if let Some(why) = &found.undecided {
        println!("# Undecided: {why}.\n# Write decoder and outputs; docs/models.md lists what each decoder reads.");
    }
    print!("{}", serde_saphyr::to_string(&found.manifest).context("failed to write the manifest")?);
    Ok(if found.undecided.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify(model: &str) -> anyhow::Result<()> {
    let (path, mut detector) = open(model)?;
    let mut found = Detections::new();
    // A grey picture holds nothing; what counts is that the outputs can be read.
    detector.detect(&picture::grey(detector.manifest())?, &mut found)?;
    let manifest = detector.manifest();
    let decoder = manifest.decoder.context("a loaded model has a decoder")?;
    let decoder = serde_json::to_value(decoder)?;
    println!("{}: {} is as its manifest says", manifest.name, path.display());
    println!("  sha256 {}, {} bytes", manifest.sha256, manifest.size_bytes);
    println!("  {}x{}, decoder {}", manifest.input.width, manifest.input.height, decoder.as_str().unwrap_or_default());
    println!("  {} classes: {}", manifest.classes.len(), manifest.classes.join(", "));
    Ok(())
}

/// Loads a model by its name or the path of its manifest.
pub(super) fn open(model: &str) -> anyhow::Result<(PathBuf, Detector)> {
    let manifest = install::manifest(model)?;
    let path = install::model_file(&manifest)?;
    let detector = Detector::open(&Runtime::load()?, &manifest, &path)?;
    Ok((path, detector))
}
