//! What the change gate saves on a quiet street, and what it costs on a busy one.

use crate::measure::{cpu_ms_of, target, thread_cpu_ms};
use crate::street::{FPS, VirtualCamera};
use curbwatch::clock::{ClockQuality, MediaTime, Mono};
use curbwatch::config::Config;
use curbwatch::frame::{Frame, FrameStamp};
use curbwatch::picture::{Gate, Health, Limits, LumaSample};
use gstreamer::prelude::*;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Loading the model, connecting, and reporting what stands in the zone; then the street is watched for one whole round of its
/// minute.
const WARM_UP: Duration = Duration::from_secs(30);
const WATCH: Duration = Duration::from_mins(1);
/// Repetitions of the frames whose gate is measured.
const REPETITIONS: u32 = 5;

/// CPU-ms per camera-second of the whole agent, gated and not, on the same camera at the same time.
pub fn whole_agent(camera: &VirtualCamera, zone: &[[f32; 2]]) -> (f64, f64) {
    let mut gated = agent("gated", &camera.url, zone, r#"{"idle": "keyframes", "active": 4}"#);
    let mut ungated = agent("ungated", &camera.url, zone, r#"{"idle": 4, "active": 4, "max_idle_secs": 0}"#);
    std::thread::sleep(WARM_UP);
    let before = [&gated, &ungated].map(cpu_ms_of);
    std::thread::sleep(WATCH);
    let after = [&gated, &ungated].map(cpu_ms_of);
    for agent in [&mut gated, &mut ungated] {
        agent.kill().expect("the agent runs");
        agent.wait().expect("the agent ends");
    }
    let per_second = |index: usize| (after[index] - before[index]) / WATCH.as_secs_f64();
    (per_second(0), per_second(1))
}

/// `curbwatch run` without a broker, which it does not need to analyse.
fn agent(name: &str, url: &str, zone: &[[f32; 2]], analysis: &str) -> Child {
    let folder = target().join(format!("bench-{name}"));
    if folder.exists() {
        // No incident of an earlier run is open.
        std::fs::remove_dir_all(&folder).expect("target/ is writable");
    }
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    let config = folder.join("edge.yaml");
    std::fs::write(&config, crate::config_text(url, analysis, zone, &folder)).expect("target/ is writable");
    let log = std::fs::File::create(folder.join("log")).expect("target/ is writable");
    Command::new(env!("CARGO_BIN_EXE_curbwatch"))
        .args(["run", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .expect("the binary was built with the bench")
}

/// CPU-ms per frame of sampling a street, judging its picture and testing it for change.
pub fn gate_per_frame(file: &Path, config: &Config) -> f64 {
    let frames = every_sixth_frame(file);
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

/// About four frames a second of a file.
fn every_sixth_frame(file: &Path) -> Vec<Frame> {
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
        let stamp = FrameStamp {
            media: MediaTime(time),
            mono: Mono(time),
            wall: jiff::Timestamp::UNIX_EPOCH + time,
            clock_quality: ClockQuality::Arrival,
            clock_offset: None,
            segment: 0,
        };
        Frame::try_from_gst(sample.buffer_owned().expect("decoded"), &info, stamp).expect("I420")
    };
    // A third of the file is enough, and 100 MB.
    let frames = samples.take(30).map(frame).collect();
    pipeline.set_state(gstreamer::State::Null).expect("the pipeline stops");
    frames
}
