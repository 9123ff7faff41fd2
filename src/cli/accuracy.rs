//! `curbwatch accuracy`: the staged suite, scored and held to its bar.

use super::evaluate::{as_json, print, score_json};
use super::rules::trace::Trace;
use crate::clock::{Clocks, SystemClocks};
use crate::contract::IncidentEvent;
use crate::evaluate::{Report, Score};
use crate::install;
use crate::replay::{AnnotatedVideo, Audience};
use crate::stage::Footage;
use crate::suite::{self, Half, Outcome, SuiteError, SuiteScene};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What the reported half must reach.
const LEAST_RECALL: f64 = 0.95;
const LEAST_PRECISION: f64 = 0.95;

/// Arguments of `curbwatch accuracy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One half alone.
    #[arg(long, value_enum, value_name = "HALF")]
    half: Option<Half>,
    /// Instead of the halves: the scenes staged anew with this seed, counted as `tune`.
    #[arg(long, value_name = "N", conflicts_with_all = ["half", "out"])]
    seed: Option<u64>,
    /// These scenes alone; may be repeated.
    #[arg(long, value_name = "NAME")]
    scene: Vec<String>,
    /// Where the results go, as JSON.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write what was analysed of every scene into this folder, redacted (Matroska).
    #[arg(long, value_name = "FOLDER")]
    videos: Option<PathBuf>,
    /// Print of every scene second by second why its rules did or did not report what it shows, as `rules trace` does.
    #[arg(long)]
    trace: bool,
    /// What is logged to standard error.
    #[arg(long, default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Plays the suite; the exit status is 1 if the reported half misses its bar.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log).context("failed to read --log")?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let halves = match (args.half, args.seed) {
        (Some(half), _) => vec![half],
        (None, Some(_)) => vec![Half::Tune],
        (None, None) => vec![Half::Tune, Half::Report],
    };
    let staged = |half: &Half| args.seed.map_or_else(|| suite::scenes(*half), suite::scenes_of_seed);
    let is_wanted = |scene: &SuiteScene| args.scene.is_empty() || args.scene.iter().any(|name| name == scene.name);
    let scenes: Vec<SuiteScene> = halves.iter().flat_map(staged).filter(is_wanted).collect();
    ensure!(!scenes.is_empty(), "no scene is called so");
    let path = install::footage("vtest.avi").context("failed to find the footage")?;
    let footage = Footage::load(&path).context("failed to load the footage")?;
    if let Some(folder) = &args.videos {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    }
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let mut of_scenes = Vec::new();
    let mut of_halves: Vec<(Half, Report)> = halves.iter().map(|half| (*half, Report::default())).collect();
    for scene in &scenes {
        let half = half_name(scene.half);
        let video = args.videos.as_ref().map(|folder| folder.join(format!("{}-{half}.mkv", scene.name)));
        let video = video.as_deref().map(AnnotatedVideo::begin).transpose()?;
        let outcome = play(scene, &footage, video, args.trace, &clocks)
            .with_context(|| format!("failed to play the scene {} of {half}", scene.name))?;
        print_scene(scene, &outcome);
        of_scenes.push(scene_json(scene, &outcome));
        if let Some((_, report)) = of_halves.iter_mut().find(|(of, _)| *of == scene.half) {
            report.add(outcome.report);
        }
    }
    for (half, report) in &of_halves {
        println!("\nhalf: {}", half_name(*half));
        print(report);
    }
    if let Some(path) = &args.out {
        let halves: serde_json::Map<String, Value> =
            of_halves.iter().map(|(half, report)| (half_name(*half).to_owned(), as_json(report))).collect();
        let bar = json!({"recall": LEAST_RECALL, "precision": LEAST_PRECISION, "duplicates": 0});
        let results = json!({"schema": 1, "staged": true, "bar": bar, "halves": halves, "scenes": of_scenes});
        let text = serde_json::to_string_pretty(&results)? + "\n";
        std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let reported = of_halves.iter().find(|(half, _)| *half == Half::Report).map(|(_, report)| report.total());
    match reported {
        Some(score) if !reaches_bar(&score) => {
            println!("\nthe reported half misses its bar: recall and precision {LEAST_RECALL}, no duplicate");
            Ok(ExitCode::FAILURE)
        }
        Some(_) | None => Ok(ExitCode::SUCCESS),
    }
}

fn play(
    scene: &SuiteScene,
    footage: &Footage,
    video: Option<AnnotatedVideo>,
    is_traced: bool,
    clocks: &Arc<dyn Clocks>,
) -> Result<Outcome, SuiteError> {
    let mut trace = Trace::new(io::stdout().lock(), &[], false, false);
    let mut nobody = |_: &IncidentEvent| Ok(());
    let audience: &mut dyn Audience = if is_traced { &mut trace } else { &mut nobody };
    suite::play(scene, footage, video, audience, clocks)
}

fn reaches_bar(score: &Score) -> bool {
    score.recall().is_none_or(|recall| recall >= LEAST_RECALL)
        && score.precision().is_none_or(|precision| precision >= LEAST_PRECISION)
        && score.duplicates == 0
}

fn half_name(half: Half) -> &'static str {
    match half {
        Half::Tune => "tune",
        Half::Report => "report",
    }
}

fn print_scene(scene: &SuiteScene, outcome: &Outcome) {
    let score = outcome.report.total();
    let delay = |delays: &[f64]| {
        let delays: Vec<String> = delays.iter().map(|secs| format!("{secs:+.1}")).collect();
        if delays.is_empty() { "-".to_owned() } else { delays.join(" ") }
    };
    let mistakes = score.reportable - score.found + score.false_alarms + score.duplicates;
    println!(
        "{:<32} {:<7} {} of {} found, {} false, {} twice; confirmed {} s, closed {} s; {} of {} frames inferred{}",
        scene.name,
        half_name(scene.half),
        score.found,
        score.reportable,
        score.false_alarms,
        score.duplicates,
        delay(&score.confirmation_delays),
        delay(&score.closing_delays),
        outcome.summary.inferred,
        outcome.summary.analysed,
        if mistakes > 0 { "  <--" } else { "" }
    );
}

fn scene_json(scene: &SuiteScene, outcome: &Outcome) -> Value {
    let mut scored = score_json(&outcome.report.total());
    let told = json!({
        "name": scene.name, "half": scene.half, "seed": format!("{:016x}", scene.seed), "kind": scene.kind,
        "what": scene.what, "secs": scene.street.duration.as_secs_f64(),
        "frames_judged": outcome.summary.analysed, "frames_inferred": outcome.summary.inferred,
        "mistakes": outcome.report.mistakes,
    });
    if let (Some(scored), Value::Object(told)) = (scored.as_object_mut(), told) {
        scored.extend(told);
    }
    scored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(reportable: u32, found: u32, false_alarms: u32, duplicates: u32) -> Score {
        Score { reportable, found, false_alarms, duplicates, ..Score::default() }
    }

    #[test]
    fn the_bar_is_missed_by_a_miss_a_false_alarm_or_a_duplicate_too_many() {
        assert!(reaches_bar(&score(20, 19, 1, 0)));
        assert!(!reaches_bar(&score(20, 18, 0, 0)));
        assert!(!reaches_bar(&score(20, 20, 2, 0)));
        assert!(!reaches_bar(&score(20, 20, 0, 1)));
    }
}
