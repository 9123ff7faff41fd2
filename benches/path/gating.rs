//! What the change gate saves on a quiet street and what it misses there, and what it costs on a busy one.

use crate::measure::{cpu_ms_of, target, thread_cpu_ms};
use crate::street::{FPS, QUIET, VirtualCamera};
use curbwatch::clock::MediaTime;
use curbwatch::config::Config;
use curbwatch::frame::{Frame, FrameStamp};
use curbwatch::picture::{Gate, Health, Limits, LumaSample};
use curbwatch::store::{Body, Destination, RowId, Store};
use gstreamer::prelude::*;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Loading the model and connecting.
const WARM_UP: Duration = Duration::from_secs(30);
const WATCH_BUSY: Duration = Duration::from_secs(40);
/// Longer than the bench: something is pending all the time, so that the gate saves nothing.
const NEVER_SECS: u32 = 3600;
/// Repetitions of the frames whose gate is measured.
const REPETITIONS: u32 = 5;
const GATED_FRAMES: usize = 30;

/// Frames analysed per second of an active camera.
pub const FPS_ACTIVE: f64 = 4.0;
/// Between replayed frames.
const INTERVAL_SECS: f64 = 0.5;
const GATED: &str = r#"{"idle": "keyframes", "active": 4}"#;
/// Each frame is inferred, changed or not.
const UNGATED: &str = r#"{"idle": 4, "active": 4, "max_idle_secs": 0}"#;

/// The same street seen by two agents at the same time.
pub struct Pair<T> {
    pub gated: T,
    pub ungated: T,
}

/// CPU-ms per camera-second of the whole agent on a quiet street, gated and not, and the incidents that each has found.
pub fn quiet(camera: &VirtualCamera, zones: &[Vec<[f32; 2]>]) -> (Pair<f64>, Pair<Vec<Found>>) {
    let agents = pair(camera, zones, 5);
    let cost = watch(&agents, QUIET);
    let found = Pair { gated: agents.gated.stop(), ungated: agents.ungated.stop() };
    (cost, found)
}

/// CPU-ms per camera-second of the whole agent where something is pending all the time, gated and not.
pub fn busy(camera: &VirtualCamera, zones: &[Vec<[f32; 2]>]) -> Pair<f64> {
    watch(&pair(camera, zones, NEVER_SECS), WATCH_BUSY)
}

fn pair(camera: &VirtualCamera, zones: &[Vec<[f32; 2]>], dwell_secs: u32) -> Pair<Agent> {
    let agent = |name, analysis| Agent::start(name, &[&camera.url], zones, analysis, dwell_secs);
    Pair { gated: agent("gated", GATED), ungated: agent("ungated", UNGATED) }
}

fn watch(agents: &Pair<Agent>, length: Duration) -> Pair<f64> {
    std::thread::sleep(WARM_UP);
    let spent = || [&agents.gated, &agents.ungated].map(|agent| cpu_ms_of(&agent.process));
    let before = spent();
    std::thread::sleep(length);
    let after = spent();
    let per_second = |index: usize| (after[index] - before[index]) / length.as_secs_f64();
    Pair { gated: per_second(0), ungated: per_second(1) }
}

/// `curbwatch run` without a broker, which it does not need to analyse: what it has to tell stays in its store.
pub struct Agent {
    pub process: Child,
    folder: PathBuf,
}

impl Agent {
    pub fn start(name: &str, urls: &[&str], zones: &[Vec<[f32; 2]>], analysis: &str, dwell_secs: u32) -> Self {
        let folder = target().join(format!("bench-{name}"));
        if folder.exists() {
            // No incident of an earlier run is open.
            std::fs::remove_dir_all(&folder).expect("target/ is writable");
        }
        std::fs::create_dir_all(&folder).expect("target/ is writable");
        let config = folder.join("edge.yaml");
        std::fs::write(&config, crate::config_text(urls, analysis, zones, dwell_secs, &folder))
            .expect("target/ is writable");
        let log = std::fs::File::create(folder.join("log")).expect("target/ is writable");
        let process = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the binary was built with the bench");
        Self { process, folder }
    }

    /// Stops it and reads what it would have told.
    fn stop(mut self) -> Vec<Found> {
        self.end();
        let store = Store::open(&self.folder.join("curbwatch.db"), jiff::Timestamp::UNIX_EPOCH).expect("its store");
        let rows = store.pending(Destination::Hub, RowId::ZERO, 1000).expect("its outbox");
        let events = rows.iter().filter_map(|row| match &row.body {
            Body::Payload(payload) => serde_json::from_slice::<serde_json::Value>(payload).ok(),
            Body::File(_) => None,
        });
        Found::of_events(&events.collect::<Vec<_>>())
    }

    fn end(&mut self) {
        // It has ended already if it was stopped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end();
    }
}

/// An incident that was opened and closed. Times in seconds of wall time.
#[derive(Debug)]
pub struct Found {
    rule: String,
    first_seen: f64,
    opened: f64,
    last_seen: f64,
}

impl Found {
    fn of_events(events: &[serde_json::Value]) -> Vec<Self> {
        let secs = |event: &serde_json::Value, time: &str| {
            let text = event["data"]["timing"][time].as_str().expect("a time");
            let instant: jiff::Timestamp = text.parse().expect("RFC 3339");
            instant.as_second() as f64 + f64::from(instant.subsec_nanosecond()) / 1e9
        };
        let closed = events.iter().filter(|event| event["data"]["phase"] == "closed");
        let found = |event: &serde_json::Value| Self {
            rule: event["data"]["rule"]["id"].as_str().expect("a name").to_owned(),
            first_seen: secs(event, "first_seen"),
            opened: secs(event, "confirmed_at"),
            last_seen: secs(event, "last_seen"),
        };
        closed.map(found).collect()
    }

    /// Seconds for which it was there.
    pub fn presence_secs(&self) -> f64 {
        self.last_seen - self.first_seen
    }

    /// Of those, the seconds for which another agent says so too, give or take an interval of analysis at each end.
    fn shared_secs(&self, other: &Self) -> f64 {
        let late = (other.first_seen - self.first_seen - INTERVAL_SECS).max(0.0);
        let early = (self.last_seen - other.last_seen - INTERVAL_SECS).max(0.0);
        (self.presence_secs() - late - early).max(0.0)
    }
}

impl Pair<Vec<Found>> {
    /// Seconds of presence that both found, and those that the ungated agent found.
    pub fn shared_and_all_secs(&self) -> (f64, f64) {
        let of_both = |found: &Found| {
            let same = self.gated.iter().filter(|other| other.rule == found.rule);
            let best = same.max_by(|a, b| found.shared_secs(a).total_cmp(&found.shared_secs(b)));
            if let Some(best) = best {
                let later_by = best.opened - found.opened;
                eprintln!(
                    "  {}: first seen {:+.2} s, opened {later_by:+.2} s, last seen {:+.2} s beside ungated",
                    found.rule,
                    best.first_seen - found.first_seen,
                    best.last_seen - found.last_seen
                );
            }
            best.map_or(0.0, |best| found.shared_secs(best))
        };
        eprintln!("  incidents found: gated {}, ungated {}", self.gated.len(), self.ungated.len());
        (self.ungated.iter().map(of_both).sum(), self.ungated.iter().map(Found::presence_secs).sum())
    }
}

/// CPU-ms per frame of sampling a street, judging its picture and testing it for change.
pub fn gate_per_frame(file: &Path, config: &Config) -> f64 {
    let frames = every_sixth_frame(file, GATED_FRAMES);
    let zones = &config.cameras[0].zones;
    let mut gate = Gate::new(zones.iter().map(|zone| &zone.polygon.0), Duration::from_secs(10));
    let (mut health, mut sample) = (Health::new(Limits::default()), LumaSample::new());
    let mut stamp = *frames[0].stamp();
    let before = thread_cpu_ms();
    for _ in 0..REPETITIONS {
        for frame in &frames {
            stamp.media = MediaTime(stamp.media.0 + Duration::from_millis(240));
            sample.take(frame);
            health.observe(&stamp, &sample, 0);
            std::hint::black_box(gate.admit(&stamp, &sample, false));
        }
    }
    (thread_cpu_ms() - before) / f64::from(REPETITIONS * frames.len() as u32)
}

/// The first so many of about four frames a second of a file, 3 MB each.
pub fn every_sixth_frame(file: &Path, count: usize) -> Vec<Frame> {
    let description = format!(
        "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! appsink name=sink sync=false",
        file.display()
    );
    let pipeline = gstreamer::parse::launch(&description).expect("elements are installed");
    let bin = pipeline.downcast_ref::<gstreamer::Bin>().expect("a pipeline");
    let sink = bin.by_name("sink").and_downcast::<gstreamer_app::AppSink>().expect("named above");
    pipeline.set_state(gstreamer::State::Playing).expect("the pipeline starts");
    let samples = std::iter::from_fn(|| sink.pull_sample().ok()).enumerate().filter(|(index, _)| index % 6 == 0);
    let frame = |(index, sample): (usize, gstreamer::Sample)| {
        let info = gstreamer_video::VideoInfo::from_caps(sample.caps().expect("decoded")).expect("raw video");
        let time = Duration::from_secs_f64(index as f64 / f64::from(FPS));
        let stamp = FrameStamp::of_recording(time, jiff::Timestamp::UNIX_EPOCH, 0);
        Frame::try_from_gst(sample.buffer_owned().expect("decoded"), &info, stamp).expect("I420")
    };
    let frames = samples.take(count).map(frame).collect();
    pipeline.set_state(gstreamer::State::Null).expect("the pipeline stops");
    frames
}
