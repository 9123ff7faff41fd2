//! The fault matrix: each way in which a camera fails, against real sockets, beside a camera that works.
//!
//! For each fault: nothing panics or hangs; the faulty camera's state and reason are right; its frames flow again within
//! [`stand::RECOVERY_SECS`] of its return; media time never goes back; and the camera that works, in the same process, keeps its
//! cadence. A line is printed per fault. `FAULTS=all` (`make faults`) also runs the slow ones and writes `target/faults.json`, from which the
//! table in `docs/robustness.md` is made. Arguments choose faults by a part of their name.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails where its own tools do")]

mod clips;
mod handshake;
mod media;
mod metronome;
mod peer;
mod playing;
mod rtp;
#[expect(dead_code, reason = "this test serves only some of the synthetic streams")]
#[path = "../camera_ingest/rtsp_server.rs"]
mod rtsp_server;
mod stand;
#[path = "../camera_ingest/watch.rs"]
mod watch;

use clips::Clips;
use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::config::RtspTransport;
use metronome::Metronome;
use stand::{Outcome, Stand};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use watch::{Record, Watch};

/// Faults at the same time.
const AT_ONCE: usize = 6;
/// The longest time between two frames of the camera that works: ten frames of its ten per second.
const LONGEST_GAP_SECS: f64 = 1.0;

/// How long a call that was left behind may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A fault and what it is held to.
pub struct Case {
    /// What the camera does.
    pub fault: &'static str,
    /// What plays the camera.
    pub server: &'static str,
    /// Takes more than about ten seconds: only run by `make faults`.
    pub slow: bool,
    /// Panics if it is not as it should be.
    pub run: fn(&mut Stand),
}

/// What became of a case.
struct Verdict {
    case: &'static Case,
    began: jiff::Timestamp,
    ended: jiff::Timestamp,
    outcome: Result<Outcome, String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = std::env::var("FAULTS").is_ok_and(|value| value == "all");
    let mut wanted: Vec<&'static Case> = handshake::CASES.iter().chain(playing::CASES).collect();
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    wanted.retain(|case| {
        if names.is_empty() { all || !case.slow } else { names.iter().any(|name| case.fault.contains(*name)) }
    });
    if arguments.iter().any(|argument| argument == "--list") {
        for case in &wanted {
            println!("{}: test", case.fault);
        }
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    gstreamer::init().expect("GStreamer starts");
    let clips = Arc::new(Clips::encode(folder.path()));
    let server = handshake::camera(&clips.small, |_| ());
    let healthy = Watch::start(watch::open(server.url("live"), RtspTransport::Tcp), 30.0);
    healthy.wait_for("frames of the camera that works", |record| record.frames.len() >= 10);
    let metronome = Metronome::start();
    let verdicts = run(&wanted, &clips, folder.path());
    let record = healthy.stop();
    let failed = verdicts.iter().filter(|verdict| !report(verdict, &record, &metronome)).count();
    println!("{} faults, {failed} failed", verdicts.len());
    let left = threads_left();
    println!("{left} threads of the cameras are left");
    if all && names.is_empty() {
        write_json(&verdicts, &record);
    }
    if failed == 0 && left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the cases, several at once, the slow ones first.
fn run(wanted: &[&'static Case], clips: &Arc<Clips>, folder: &Path) -> Vec<Verdict> {
    let (slow, quick): (Vec<_>, Vec<_>) = wanted.iter().copied().enumerate().partition(|(_, case)| case.slow);
    let queue = Mutex::new(slow.into_iter().chain(quick).collect::<VecDeque<_>>());
    let verdicts = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = queue.lock().unwrap().pop_front();
            let Some((number, case)) = next else { return };
            let verdict = try_case(case, clips, &folder.join(number.to_string()));
            verdicts.lock().unwrap().push((number, verdict));
        }
    };
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            std::thread::Builder::new().name(format!("faults-{number}")).spawn_scoped(scope, work).unwrap();
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap();
    verdicts.sort_by_key(|(number, _)| *number);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

fn try_case(case: &'static Case, clips: &Arc<Clips>, folder: &Path) -> Verdict {
    let clocks = SystemClocks::new();
    let began = clocks.wall();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut stand = Stand::new(clips, folder.to_owned());
        (case.run)(&mut stand);
        stand.finish()
    }));
    // The message was printed when it panicked.
    let outcome = outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
    });
    Verdict { case, began, ended: clocks.wall(), outcome }
}

/// Threads of cameras that have not ended although all cameras were stopped; those that are late are given [`END_LIMIT`].
fn threads_left() -> usize {
    let clocks = SystemClocks::new();
    let begin = clocks.mono();
    loop {
        let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
            // A thread may end while it is looked at.
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        });
        let left = names.filter(|name| name.starts_with("ingest-")).count();
        if left == 0 || clocks.mono().since(begin) > END_LIMIT {
            return left;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// The longest time without a frame of the camera that works while the fault was tried.
fn longest_gap_secs(verdict: &Verdict, healthy: &Record) -> f64 {
    let seen = (0..healthy.frames.len()).map(|index| stand::seen_at(healthy, index));
    let within = seen.filter(|at| (verdict.began..=verdict.ended).contains(at));
    let marks: Vec<_> = std::iter::once(verdict.began).chain(within).chain([verdict.ended]).collect();
    marks.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64()).fold(0.0, f64::max)
}

/// Prints the case's line; whether all is as it should be. While the machine itself stands still, no camera keeps its cadence.
fn report(verdict: &Verdict, healthy: &Record, metronome: &Metronome) -> bool {
    let fault = verdict.case.fault;
    let gap = longest_gap_secs(verdict, healthy);
    let pause = metronome.longest_pause_secs(verdict.began, verdict.ended);
    let good = verdict.outcome.is_ok() && gap <= LONGEST_GAP_SECS + pause;
    let mark = if good { "ok    " } else { "FAILED" };
    let seen = match &verdict.outcome {
        Ok(outcome) => {
            let Outcome { state, reason, recovery_secs } = outcome;
            format!("{state:12} {:12} back after {recovery_secs:4.1} s", reason.unwrap_or("-"))
        }
        Err(why) => why.lines().next().unwrap_or_default().to_owned(),
    };
    let took = verdict.ended.duration_since(verdict.began).as_secs_f64();
    println!(
        "{mark} {fault:45} {seen}; longest gap beside it {gap:.2} s (of the machine {pause:.2} s); took {took:.0} s"
    );
    good
}

fn write_json(verdicts: &[Verdict], healthy: &Record) {
    let row = |verdict: &Verdict| {
        let outcome = verdict.outcome.as_ref().ok();
        serde_json::json!({
            "fault": verdict.case.fault,
            "server": verdict.case.server,
            "state": outcome.map(|outcome| outcome.state),
            "reason": outcome.and_then(|outcome| outcome.reason),
            "recovery_secs": outcome.map(|outcome| (outcome.recovery_secs * 10.0).round() / 10.0),
            "longest_gap_on_healthy_camera_secs": (longest_gap_secs(verdict, healthy) * 100.0).round() / 100.0,
            "failure": verdict.outcome.as_ref().err().and_then(|why| why.lines().next()),
        })
    };
    let rows: Vec<_> = verdicts.iter().map(row).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults.json");
    std::fs::create_dir_all(file.parent().expect("a file has a folder")).unwrap();
    std::fs::write(&file, serde_json::to_string_pretty(&rows).unwrap() + "\n").unwrap();
    println!("written: {}", file.display());
}
