//! `curbwatch evaluate`: what was reported against what was there.

use super::replay::DEFAULT_START;
use crate::contract::IncidentEvent;
use crate::evaluate::truth::Truth;
use crate::evaluate::{Mistake, MistakeKind, Report, Score, evaluate, median};
use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `curbwatch evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The truth of a recording; may be repeated.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    truth: Vec<PathBuf>,
    /// The events of each recording, as `curbwatch replay` writes them, in the order of the truths.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    events: Vec<PathBuf>,
    /// Wall time of the first picture, as given to `curbwatch replay`.
    #[arg(long, default_value = DEFAULT_START, value_name = "TIME")]
    start: Timestamp,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the scores per kind and every mistake.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.truth.len() == args.events.len(),
        "{} truths and {} files of events: one each is needed",
        args.truth.len(),
        args.events.len()
    );
    let mut report = Report::default();
    for (truth, events) in args.truth.iter().zip(&args.events) {
        let text = read(truth)?;
        let told: Truth = serde_json::from_str(&text)
            .with_context(|| format!("failed to understand the truth {}", truth.display()))?;
        report.add(evaluate(&told, &read_events(events)?, args.start));
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&report))?);
    } else {
        print(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

fn read_events(path: &Path) -> anyhow::Result<Vec<IncidentEvent>> {
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let event = |(index, line)| {
        serde_json::from_str(line)
            .with_context(|| format!("failed to understand the event in line {} of {}", index + 1, path.display()))
    };
    lines.map(event).collect()
}

pub(super) fn as_json(report: &Report) -> Value {
    let kinds: serde_json::Map<String, Value> =
        report.kinds.iter().map(|(kind, of)| ((*kind).to_owned(), score_json(of))).collect();
    json!({"total": score_json(&report.total()), "kinds": kinds, "mistakes": report.mistakes})
}

pub(super) fn score_json(score: &Score) -> Value {
    json!({
        "reportable": score.reportable, "found": score.found,
        "false_alarms": score.false_alarms, "duplicates": score.duplicates,
        "recall": score.recall(), "precision": score.precision(),
        "confirmation_delay_median_secs": median(&score.confirmation_delays),
        "closing_delay_median_secs": median(&score.closing_delays),
    })
}

pub(super) fn print(report: &Report) {
    println!(
        "{:<28} {:>10} {:>6} {:>6} {:>6} {:>7} {:>9} {:>10} {:>9}",
        "kind", "reportable", "found", "false", "twice", "recall", "precision", "confirm, s", "close, s"
    );
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let secs = |values: &[f64]| median(values).map_or_else(|| "-".to_owned(), |value| format!("{value:+.1}"));
    let line = |name: &str, score: &Score| {
        println!(
            "{name:<28} {:>10} {:>6} {:>6} {:>6} {:>7} {:>9} {:>10} {:>9}",
            score.reportable,
            score.found,
            score.false_alarms,
            score.duplicates,
            share(score.recall()),
            share(score.precision()),
            secs(&score.confirmation_delays),
            secs(&score.closing_delays)
        );
    };
    report.kinds.iter().for_each(|(kind, score)| line(kind, score));
    line("all", &report.total());
    report.mistakes.iter().for_each(|mistake| println!("{}", sentence(mistake)));
}

fn sentence(mistake: &Mistake) -> String {
    let what = match mistake.what {
        MistakeKind::Missed => "missed",
        MistakeKind::FalseAlarm => "false alarm",
        MistakeKind::Duplicate => "duplicate",
    };
    let thing = mistake.thing.as_deref().unwrap_or("nothing in the truth");
    format!("{what}: {} at {:.1} s ({thing})", mistake.kind.as_str(), mistake.at_secs)
}
