//! `curbwatch check`: every mistake of a configuration, with its place.

use super::EXIT_CONFIG;
use crate::config::{self, Findings, LoadError};
use crate::install;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `curbwatch check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration to check.
    file: PathBuf,
    /// Class names of the model, one a line, instead of those of its manifest.
    #[arg(long, value_name = "FILE")]
    model_classes: Option<PathBuf>,
    /// Print one JSON object: {"errors": [..], "warnings": [..]}.
    #[arg(long, conflicts_with = "probe")]
    json: bool,
    /// Watch every stream for a few seconds and connect to the broker as well; the exit status is 1 if one of them fails.
    #[arg(long)]
    probe: bool,
}

/// Prints every mistake and warning; the exit status is 0 without mistakes, else 78.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let given = args.model_classes.as_deref().map(read_classes).transpose()?;
    let classes_of = |manifest: &str| match &given {
        Some(classes) => Ok(classes.clone()),
        None => classes_of_manifest(manifest),
    };
    let findings = match config::check(&args.file, &classes_of) {
        Ok(findings) | Err(LoadError::Wrong(findings)) => findings,
        Err(error @ LoadError::Read { .. }) => {
            eprintln!("curbwatch: {:#}", anyhow::Error::new(error));
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print(&args.file, &findings);
    }
    if !findings.errors.is_empty() {
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    if args.probe {
        let loaded = config::load(&args.file, &classes_of)?;
        return Ok(if super::probe::probe_all(&loaded.config)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    Ok(ExitCode::SUCCESS)
}

/// Class names of an installed model or of a manifest's file, for [`config::load`] and [`config::check`].
pub(super) fn classes_of_manifest(manifest: &str) -> Result<Vec<String>, String> {
    let manifest = install::manifest(manifest).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    if manifest.classes.is_empty() {
        return Err(format!("the manifest of {} leaves them to the model, which only running it loads", manifest.name));
    }
    Ok(manifest.classes)
}

/// The configuration that runs; why there is none has been printed.
pub(super) fn load(path: &Path) -> Option<config::Loaded> {
    match config::load(path, &classes_of_manifest) {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            eprintln!("curbwatch: {:#}", anyhow::Error::new(error));
            None
        }
    }
}

fn read_classes(path: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("failed to read class names from {}", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Findings to standard error, so that they are seen wherever the summary goes.
fn print(file: &Path, findings: &Findings) {
    let Findings { errors, warnings } = findings;
    if !(errors.is_empty() && warnings.is_empty()) {
        eprintln!("{findings}");
    }
    println!("{}: {}, {}", file.display(), counted(errors.len(), "mistake"), counted(warnings.len(), "warning"));
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
