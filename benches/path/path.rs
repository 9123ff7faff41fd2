//! The path of one camera whose every frame is decoded and whose every analysed frame is inferred, beside its floor.

use crate::floor::{Floor, Spent};
use crate::measure::cpu_ms;
use curbwatch::analysis::{Analysis, Attention, PictureNews, Prepared, Surroundings};
use curbwatch::clock::Clocks;
use curbwatch::config::Config;
use curbwatch::frame::Frame;
use curbwatch::health::Latencies;
use curbwatch::ids::IdSource;
use curbwatch::incident::Memory;
use curbwatch::ingest::{CameraSource, CameraState, ConnectLimiter, Decoders, Ingest, IngestSettings, Sink};
use curbwatch::mailbox::Mailboxes;
use curbwatch::mask::PrivacyMasks;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const ANALYSED_FPS: f64 = 5.0;
/// How long one round watches the camera; the floor's file is longer.
const WATCH: Duration = Duration::from_secs(16);

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

struct ToMailbox(Arc<Mailboxes<Frame>>);

impl Sink for ToMailbox {
    fn frame(&self, frame: Frame) {
        self.0.put(0, frame);
    }
    fn state(&self, state: CameraState) {
        eprintln!("  camera {state}");
    }
}

/// Watches the camera with the agent's own ingest, runner and engine, while the floor does its part; what each of them spent.
pub fn beside_floor(config: &Config, clocks: &Arc<dyn Clocks>, floor: &mut Floor) -> (Spent, Spent) {
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
    let of_agent =
        || Spent { cpu_ms: cpu_ms(), decoded: ingest.stats().frames_decoded, inferred: analysis.inferred(0) };
    let (before, floor_before) = (of_agent(), floor.spent());
    std::thread::sleep(WATCH);
    let spent = (of_agent().since(before), floor.spent().since(floor_before));
    ingest.stop(Duration::from_secs(5)).expect("ingest stops");
    mailboxes.close();
    runner.join().expect("the runner ends");
    drop(found);
    spent
}
