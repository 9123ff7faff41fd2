//! The path of one camera whose every frame is decoded and whose every analysed frame is inferred, and its floor.

use crate::measure::cpu_ms;
use crate::street::play;
use curbwatch::analysis::{Analysis, Attention, PictureNews, Prepared, Surroundings};
use curbwatch::clock::Clocks;
use curbwatch::config::Config;
use curbwatch::detect::letterbox::{InputWriter, PixelRect};
use curbwatch::detect::{Detector, Runtime};
use curbwatch::frame::Frame;
use curbwatch::health::Latencies;
use curbwatch::ids::IdSource;
use curbwatch::incident::Memory;
use curbwatch::ingest::{CameraSource, CameraState, ConnectLimiter, Decoders, Ingest, IngestSettings, Sink};
use curbwatch::install;
use curbwatch::mailbox::Mailboxes;
use curbwatch::mask::PrivacyMasks;
use gstreamer::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const ANALYSED_FPS: f64 = 5.0;
/// How long one round watches the camera.
const WATCH: Duration = Duration::from_secs(12);
const INFERENCES: u32 = 20;

/// CPU-ms per frame of decoding the file and throwing the pictures away.
pub fn bare_decode(file: &Path) -> f64 {
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
    play(pipeline.upcast_ref());
    (cpu_ms() - before) / frames.load(std::sync::atomic::Ordering::Relaxed) as f64
}

/// CPU-ms of writing a frame into the model's input and running the session, without anything around it.
pub fn bare_inference(config: &Config, frame: &Frame) -> f64 {
    let manifest = install::manifest(&config.model.manifest).expect("make setup");
    let model = install::model_file(&manifest).expect("make setup");
    let mut detector =
        Detector::open(&Runtime::load().expect("make setup"), &manifest, &model).expect("the model loads");
    // Writes the input, and allocates.
    detector.detect(frame, &mut Vec::new()).expect("the model runs");
    let mut writer = InputWriter::new(&manifest.input);
    let mut tensor = vec![0f32; 3 * (manifest.input.width * manifest.input.height) as usize];
    let part = PixelRect::whole(frame.layout().width, frame.layout().height);
    let before = cpu_ms();
    for _ in 0..INFERENCES {
        writer.write(std::hint::black_box(frame), part, &mut tensor);
        detector.infer_only().expect("the model runs");
    }
    (cpu_ms() - before) / f64::from(INFERENCES)
}

/// An agent without store and hub, whose camera is watched closely all the time.
struct Alone;

impl Surroundings for Alone {
    fn memory(&self, _: usize) -> Memory {
        Memory::default()
    }
    fn ids(&self, _: usize) -> IdSource {
        IdSource::from_os()
    }
    fn frames_corrupt(&self, _: usize) -> u64 {
        0
    }
    fn attention(&self, _: usize, _: Attention) {}
    fn picture(&self, _: usize, news: PictureNews) {
        eprintln!("  picture {}", news.state.as_str());
    }
}

/// What the path did in one round.
pub struct Measured {
    pub cpu_ms: f64,
    pub decoded: u64,
    pub inferred: u64,
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

/// Watches the camera with the agent's own ingest, runner and engine.
pub fn agent_path(config: &Config, clocks: &Arc<dyn Clocks>) -> Measured {
    let mut prepared = Prepared::try_new(config, &**clocks).expect("make setup");
    let detector = prepared.take_detectors().remove(0);
    let mailboxes = Arc::new(Mailboxes::new(1));
    let (findings, found) = sync_channel(64);
    let latencies = Arc::new(Latencies::default());
    let (boxes, records) = (Arc::clone(&mailboxes), findings.clone());
    let analysis = Arc::new(Analysis::new(prepared, boxes, Arc::new(Alone), records, latencies, Arc::clone(clocks)));
    let runner = {
        let analysis = Arc::clone(&analysis);
        std::thread::Builder::new()
            .name("runner".to_owned())
            .spawn(move || analysis.run(detector, findings))
            .expect("a thread")
    };
    let camera = &config.cameras[0];
    let source = CameraSource {
        id: camera.id.clone(),
        rtsp: camera.streams.detect.clone(),
        decoders: Decoders::software(),
        masks: PrivacyMasks::default(),
        fps: ANALYSED_FPS,
    };
    let sink = Arc::new(ToMailbox(Arc::clone(&mailboxes)));
    let ingest = Ingest::start(source, IngestSettings::default(), sink, Arc::clone(clocks), ConnectLimiter::new(1))
        .expect("ingest starts");
    let began = clocks.mono();
    // Connecting and the first inferences allocate; the steady state is what a box pays for years.
    while analysis.inferred(0) < 5 {
        assert!(clocks.mono().since(began) < Duration::from_mins(1), "no frame arrived");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (cpu, decoded, inferred) = (cpu_ms(), ingest.stats().frames_decoded, analysis.inferred(0));
    std::thread::sleep(WATCH);
    let measured = Measured {
        cpu_ms: cpu_ms() - cpu,
        decoded: ingest.stats().frames_decoded - decoded,
        inferred: analysis.inferred(0) - inferred,
    };
    ingest.stop(Duration::from_secs(5)).expect("ingest stops");
    mailboxes.close();
    runner.join().expect("the runner ends");
    drop(found);
    measured
}
