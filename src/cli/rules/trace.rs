//! `curbwatch rules trace`: second by second, why the rules did or did not report what a recording shows.

use crate::camera::{CameraView, Reason, reasons};
use crate::cli::EXIT_CONFIG;
use crate::cli::check::load;
use crate::cli::replay::Source;
use crate::clock::SystemClocks;
use crate::contract::IncidentEvent;
use crate::frame::FrameStamp;
use crate::ids::Name;
use crate::incident::Phase;
use crate::replay::{Audience, Replay};
use anyhow::ensure;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `curbwatch rules trace`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// These rules alone; may be repeated.
    #[arg(long, value_name = "ID")]
    rule: Vec<String>,
    /// Print every second, and not only those in which a reason changed.
    #[arg(long)]
    every_second: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Replays, and prints the reasons.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.source.config) else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let camera = args.source.camera_of(&loaded.config)?;
    let rules: Vec<&str> = loaded.config.cameras[camera].rules.iter().map(|rule| rule.id.as_str()).collect();
    for rule in &args.rule {
        ensure!(rules.contains(&rule.as_str()), "--rule must be one of: {}", rules.join(", "));
    }
    let script = args.source.script(1);
    let mut trace = Trace::new(io::stdout().lock(), &args.rule, args.every_second, args.json);
    let replay = Replay::try_new(loaded, camera, script, None, Arc::new(SystemClocks::new()))?;
    replay.run(&args.source.files, &mut trace)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what changed from one second to the next.
pub(in crate::cli) struct Trace<'a, W> {
    out: W,
    /// The rules that are told of; all if there are none.
    wanted: &'a [String],
    every_second: bool,
    json: bool,
    /// The last second that was looked at.
    second: Option<u64>,
    /// What was last told of each rule.
    told: BTreeMap<Name, BTreeSet<(&'static str, String)>>,
}

impl<'a, W: Write> Trace<'a, W> {
    pub(in crate::cli) fn new(out: W, wanted: &'a [String], every_second: bool, json: bool) -> Self {
        Self { out, wanted, every_second, json, second: None, told: BTreeMap::new() }
    }

    fn is_wanted(&self, rule: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == rule)
    }

    fn tell(&mut self, at: &FrameStamp, rule: &Name, reasons: &[Reason]) -> io::Result<()> {
        let secs = at.media.0.as_secs_f64();
        if self.json {
            let line = json!({"at_secs": secs, "time": at.wall, "rule": rule, "reasons": reasons});
            return writeln!(self.out, "{line}");
        }
        for reason in reasons {
            writeln!(self.out, "{secs:>8.1} s  {rule}  {reason}")?;
        }
        Ok(())
    }
}

impl<W: Write> Audience for Trace<'_, W> {
    fn event(&mut self, event: &IncidentEvent) -> io::Result<()> {
        let data = &event.data;
        if !self.is_wanted(data.rule.id.as_str()) {
            return Ok(());
        }
        if self.json {
            let line = json!({
                "time": event.time, "rule": data.rule.id, "event": data.phase, "incident": data.incident_id
            });
            return writeln!(self.out, "{line}");
        }
        let phase = match data.phase {
            Phase::Opened => "opened",
            Phase::Updated => "updated",
            Phase::Rechecked => "rechecked",
            Phase::Closed => "closed",
            Phase::Withdrawn => "withdrawn",
        };
        writeln!(self.out, "{:>10}  {}  {phase}: incident {}", "", data.rule.id, data.incident_id)
    }

    fn looked(&mut self, at: &FrameStamp, state: &dyn Fn() -> CameraView) -> io::Result<()> {
        let second = at.media.0.as_secs();
        if self.second.replace(second) == Some(second) {
            return Ok(());
        }
        let CameraView { blind, rules, .. } = state();
        for rule in rules.iter().filter(|rule| self.is_wanted(rule.rule.as_str())).collect::<Vec<_>>() {
            let reasons = reasons(rule, blind);
            let keys = reasons.iter().map(|reason| (reason.key().0, reason.key().1.to_owned())).collect();
            let before = self.told.insert(rule.rule.clone(), keys);
            if self.every_second || before.as_ref() != self.told.get(&rule.rule) {
                self.tell(at, &rule.rule, &reasons)?;
            }
        }
        Ok(())
    }
}
