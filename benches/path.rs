//! CPU time of the agent's path beside its floor, measured in the same run.
//!
//! The agent's path is the agent's own code on a real stream: a virtual camera in another process plays a staged 1080p25 H.264
//! file over RTSP; ingest decodes every frame, hands every fifth to a runner, which infers, tracks and judges. The floor is
//! what nobody can save: `avdec_h264` to `fakesink` on the same file, and `Session::run` alone on the same input. Rounds of
//! the three are interleaved, so that a change of the machine's speed meets all of them; medians are reported.
//!
//! Prints a table and writes `target/bench.json`: `name → {value, unit, floor, ratio}`.

use curbwatch::analysis::{Analysis, Attention, PictureNews, Prepared, Surroundings};
use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::config::Config;
use curbwatch::detect::{Detector, Runtime};
use curbwatch::frame::Frame;
use curbwatch::health::Latencies;
use curbwatch::incident::Incident;
use curbwatch::ingest::{CameraSource, CameraState, ConnectLimiter, Ingest, IngestSettings, Sink};
use curbwatch::install;
use curbwatch::mailbox::Mailboxes;
use curbwatch::stage::{self, Footage, FrameSize, Scene};
use gstreamer::prelude::*;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const ROUNDS: usize = 3;
const FPS: u32 = 25;
const ANALYSED_FPS: f64 = 5.0;
/// How long one round watches the camera.
const WATCH: Duration = Duration::from_secs(12);
const INFERENCES: u32 = 20;

fn main() {
    gstreamer::init().expect("GStreamer is installed: make setup");
    let file = staged_file();
    let mut camera = VirtualCamera::start(&file);
    let config = config(&camera.url);
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());

    let mut decode_floor = Vec::new();
    let mut infer_floor = Vec::new();
    let mut path = Vec::new();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}: bare decoding, bare inference, the agent's path");
        decode_floor.push(bare_decode(&file));
        infer_floor.push(bare_inference(&config));
        path.push(agent_path(&config, &clocks));
    }
    camera.stop();

    let (decode, infer) = (median(&decode_floor), median(&infer_floor));
    let per_analysed = median(&path.iter().map(|p| p.cpu_ms / p.analysed as f64).collect::<Vec<_>>());
    let decoded_per_analysed = median(&path.iter().map(|p| p.decoded as f64 / p.analysed as f64).collect::<Vec<_>>());
    let floor = decoded_per_analysed * decode + infer;
    let ratios: Vec<f64> = (0..ROUNDS)
        .map(|r| path[r].cpu_ms / (path[r].decoded as f64 * decode_floor[r] + path[r].analysed as f64 * infer_floor[r]))
        .collect();
    let ratio = median(&ratios);

    println!("{:<44}{:>12}", "CPU-ms, median of 3 rounds", "");
    println!("{:<44}{decode:>12.2}", "floor: decode a 1080p H.264 frame");
    println!("{:<44}{infer:>12.2}", "floor: Session::run of the detector");
    println!("{:<44}{decoded_per_analysed:>12.2}", "frames decoded per frame analysed");
    println!("{:<44}{floor:>12.2}", "floor: per analysed frame");
    println!("{:<44}{per_analysed:>12.2}", "agent's path: per analysed frame");
    println!("{:<44}{:>12.2}", "agent's path: per decoded frame", per_analysed / decoded_per_analysed);
    println!("{:<44}{ratio:>12.3}   (bar: 1.25; rounds {ratios:.3?})", "path_vs_floor");

    let report = serde_json::json!({
        "path_vs_floor": {"value": per_analysed, "unit": "cpu_ms_per_analysed_frame", "floor": floor, "ratio": ratio}
    });
    std::fs::write(target().join("bench.json"), serde_json::to_vec_pretty(&report).expect("plain JSON"))
        .expect("target/ is writable");
}

/// The build folder: this executable lies in `<target>/release/deps/`.
fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a running executable has a path");
    exe.ancestors().nth(3).expect("target/release/deps/name").to_path_buf()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// CPU time of this process so far, all threads, in milliseconds.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// A 20 s street of 1080p25 with a stall, composed once.
fn staged_file() -> PathBuf {
    let path = target().join("bench-1080p.mp4");
    if !path.exists() {
        eprintln!("staging {}", path.display());
        let clip = install::footage("vtest.avi").expect("make setup");
        let footage = Footage::load(&clip).expect("the footage is readable");
        let scene = Scene::quiet(Duration::from_secs(20))
            .with_stall(Duration::from_secs(2), Duration::from_secs(18))
            .with_format(FrameSize::try_new(1920, 1080).expect("a size that the stage allows"), FPS);
        stage::render(&scene, &footage, &path).expect("the scene renders");
    }
    path
}

/// CPU-ms per frame of decoding the file and throwing the pictures away.
fn bare_decode(file: &Path) -> f64 {
    let description =
        "filesrc name=file ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! fakesink name=sink sync=false";
    let pipeline = gstreamer::parse::launch(description)
        .expect("elements are installed")
        .downcast::<gstreamer::Pipeline>()
        .expect("a pipeline");
    pipeline.by_name("file").expect("named above").set_property("location", file.to_str().expect("UTF-8 path"));
    let frames = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = Arc::clone(&frames);
    let pad = pipeline.by_name("sink").expect("named above").static_pad("sink").expect("a sink has one");
    pad.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        gstreamer::PadProbeReturn::Ok
    });
    let before = cpu_ms();
    pipeline.set_state(gstreamer::State::Playing).expect("the pipeline starts");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let types = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = bus.timed_pop_filtered(gstreamer::ClockTime::from_seconds(120), &types).expect("the file ends");
    assert_eq!(end.type_(), gstreamer::MessageType::Eos, "{end:?}");
    pipeline.set_state(gstreamer::State::Null).expect("the pipeline stops");
    (cpu_ms() - before) / frames.load(std::sync::atomic::Ordering::Relaxed) as f64
}

/// CPU-ms of one inference without anything around it.
fn bare_inference(config: &Config) -> f64 {
    let manifest = install::manifest(&config.model.manifest).expect("make setup");
    let model = install::model_file(&manifest).expect("make setup");
    let mut detector =
        Detector::open(&Runtime::load().expect("make setup"), &manifest, &model).expect("the model loads");
    detector.infer_only().expect("the first run, which allocates");
    let before = cpu_ms();
    for _ in 0..INFERENCES {
        detector.infer_only().expect("the model runs");
    }
    (cpu_ms() - before) / f64::from(INFERENCES)
}

struct Measured {
    cpu_ms: f64,
    decoded: u64,
    analysed: u64,
}

struct ToMailbox(Arc<Mailboxes<Frame>>);

impl Sink for ToMailbox {
    fn frame(&self, frame: Frame) {
        self.0.put(0, frame);
    }
    fn state(&self, state: CameraState) {
        eprintln!("  camera {state}");
    }
}

/// Nothing around the analysis: no store, no other decoding than everything.
struct Alone;

impl Surroundings for Alone {
    fn open_incidents(&self, _camera: usize) -> Vec<Incident> {
        Vec::new()
    }
    fn frames_corrupt(&self, _camera: usize) -> u64 {
        0
    }
    fn attention(&self, _camera: usize, _attention: Attention) {}
    fn picture(&self, _camera: usize, _news: PictureNews) {}
}

/// Watches the camera with the agent's own ingest, runner and engine.
fn agent_path(config: &Config, clocks: &Arc<dyn Clocks>) -> Measured {
    let mut prepared = Prepared::try_new(config, 1).expect("make setup");
    let detector = prepared.take_detectors().remove(0);
    let mailboxes = Arc::new(Mailboxes::new(1));
    let (findings, found) = sync_channel(64);
    let latencies = Arc::new(Latencies::default());
    let around = Arc::new(Alone);
    let analysis = Arc::new(Analysis::new(prepared, Arc::clone(&mailboxes), around, latencies, Arc::clone(clocks)));
    let runner = {
        let analysis = Arc::clone(&analysis);
        std::thread::Builder::new()
            .name("runner".to_owned())
            .spawn(move || analysis.run(detector, findings))
            .expect("a thread")
    };
    let camera = &config.cameras[0];
    let source = CameraSource { id: camera.id.clone(), rtsp: camera.rtsp.clone(), fps: ANALYSED_FPS };
    let sink = Arc::new(ToMailbox(Arc::clone(&mailboxes)));
    let ingest = Ingest::start(source, IngestSettings::default(), sink, Arc::clone(clocks), ConnectLimiter::new(1))
        .expect("ingest starts");
    let began = clocks.mono();
    // Connecting and the first inferences allocate; the steady state is what a box pays for years.
    while analysis.analysed(0) < 5 {
        assert!(clocks.mono().since(began) < Duration::from_mins(1), "no frame arrived");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (cpu, decoded, analysed) = (cpu_ms(), ingest.stats().frames_decoded, analysis.analysed(0));
    std::thread::sleep(WATCH);
    let measured = Measured {
        cpu_ms: cpu_ms() - cpu,
        decoded: ingest.stats().frames_decoded - decoded,
        analysed: analysis.analysed(0) - analysed,
    };
    ingest.stop(Duration::from_secs(5)).expect("ingest stops");
    mailboxes.close();
    runner.join().expect("the runner ends");
    drop(found);
    measured
}

fn config(url: &str) -> Config {
    let text = format!(
        r#"{{
        "agent": {{"site": "bench", "id": "bench"}}, "hub": {{"host": "127.0.0.1"}},
        "cameras": [{{"id": "bench", "rtsp": {{"url": "{url}"}},
            "zones": [{{"id": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}],
            "rules": [{{"id": "vending", "kind": "street_vending", "zones": ["all"]}},
                      {{"id": "parking", "kind": "vehicle_parking", "zones": ["all"]}}]}}]}}"#
    );
    serde_json::from_str(&text).expect("a configuration")
}

/// `curbwatch camera` in a process of its own, so that its cost is not the agent's.
struct VirtualCamera {
    process: Child,
    url: String,
}

impl VirtualCamera {
    fn start(file: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .arg("camera")
            .arg(file)
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built with the bench");
        let out = std::io::BufReader::new(process.stdout.take().expect("piped above"));
        let url = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_whitespace().find(|word| word.starts_with("rtsp://")).map(str::to_owned))
            .expect("the camera prints its address");
        Self { process, url }
    }

    fn stop(&mut self) {
        self.process.kill().expect("the camera runs");
        self.process.wait().expect("the camera ends");
    }
}
