//! A camera over RTSP, all of it decoded and key frames only: the agent's ingest beside a bare pipeline at the same time.

use crate::measure::{cpu_ms, cpu_ms_of};
use crate::street::VirtualCamera;
use curbwatch::clock::Clocks;
use curbwatch::config::Config;
use curbwatch::frame::Frame;
use curbwatch::ingest::{
    CameraSource, CameraState, ConnectLimiter, Decoders, Decoding, Ingest, IngestSettings, Pace, Sink,
};
use curbwatch::mask::PrivacyMasks;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Connecting, and filling the jitter buffers of both.
const WARM_UP: Duration = Duration::from_secs(5);
const WATCH: Duration = Duration::from_secs(10);

struct Nowhere;

impl Sink for Nowhere {
    fn frame(&self, _: Frame) {}
    fn state(&self, _: CameraState) {}
}

/// CPU-ms per camera-second of the agent's ingest and of a bare pipeline that decodes as much.
pub fn beside_bare(
    camera: &VirtualCamera,
    config: &Config,
    clocks: &Arc<dyn Clocks>,
    decoding: Decoding,
) -> (f64, f64) {
    let mut bare = bare_pipeline(&camera.url, decoding);
    let known = &config.cameras[0];
    let source = CameraSource {
        id: known.id.clone(),
        rtsp: known.streams.detect.clone(),
        decoders: Decoders::software(),
        masks: PrivacyMasks::default(),
        fps: known.analysis.active,
    };
    let ingest =
        Ingest::start(source, IngestSettings::default(), Arc::new(Nowhere), Arc::clone(clocks), ConnectLimiter::new(1))
            .expect("ingest starts");
    ingest.control().set_pace(Pace { decoding, fps: known.analysis.active });
    std::thread::sleep(WARM_UP);
    let (began, agent, other) = (clocks.mono(), cpu_ms(), cpu_ms_of(&bare));
    let frames = ingest.stats().frames_decoded;
    std::thread::sleep(WATCH);
    let (agent, other) = (cpu_ms() - agent, cpu_ms_of(&bare) - other);
    let watched_secs = clocks.mono().since(began).as_secs_f64();
    assert!(ingest.stats().frames_decoded > frames, "nothing was decoded");
    ingest.stop(Duration::from_secs(5)).expect("ingest stops");
    bare.kill().expect("the bare pipeline runs");
    bare.wait().expect("the bare pipeline ends");
    (agent / watched_secs, other / watched_secs)
}

fn bare_pipeline(url: &str, decoding: Decoding) -> Child {
    let line = bare_line(url, decoding);
    gst_launch(line.split_whitespace())
}

/// What decodes a camera and throws the pictures away, as `gst-launch-1.0` reads it.
pub fn bare_line(url: &str, decoding: Decoding) -> String {
    let gate = match decoding {
        Decoding::All => "",
        Decoding::KeyFrames => "identity drop-buffer-flags=delta-unit !",
    };
    format!(
        "rtspsrc location={url} protocols=tcp ! rtph264depay ! h264parse ! {gate} avdec_h264 max-threads=1 ! fakesink sync=false"
    )
}

pub fn gst_launch<'a>(words: impl IntoIterator<Item = &'a str>) -> Child {
    Command::new("gst-launch-1.0").arg("-q").args(words).stdout(Stdio::null()).spawn().expect("make setup")
}
