//! The sub-stream is analysed, and pictures are of the main stream: the same street as two streams of one camera, the real detector, a
//! real broker.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "this test neither reloads the broker nor reads its folder")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use curbwatch::config::RuleKind;
use curbwatch::contract::{CameraState, CameraStatus, IncidentEvent};
use curbwatch::hub::{Content, HubMessage, Sight, WatchSettings, Watcher};
use curbwatch::ids::Name;
use curbwatch::ingest::MAX_STILL_AGE;
use curbwatch::stage::{self, Footage, FrameSize, Scene, Truth};
use curbwatch::vcam::{Mount, Options, VirtualCamera};
use mosquitto::Mosquitto;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SUB: (u32, u32) = (640, 360);
const MAIN: (u32, u32) = (1280, 720);
const FPS: u32 = 10;
/// The hub hears of health every 10 s.
const SILENCE: Duration = Duration::from_mins(1);
/// Messages after which the test gives up.
const PATIENCE: usize = 200;

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One street with a van in its fire lane, at both sizes.
fn streams(folder: &Path) -> (Vec<Mount>, Truth) {
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let scene = Scene::quiet(Duration::from_secs(20)).with_van(Duration::from_secs(1), Duration::from_secs(20));
    let render = |name: &str, (width, height)| {
        let file = folder.join(format!("{name}.mp4"));
        let scene = scene.clone().with_format(FrameSize::try_new(width, height).unwrap(), FPS);
        let truth = stage::render(&scene, &footage, &file).unwrap();
        (Mount::for_file(&file).unwrap(), truth)
    };
    let ((sub, truth), (main, _)) = (render("sub", SUB), render("main", MAIN));
    (vec![sub, main], truth)
}

/// Two cameras: of one the main stream is there, of the other it is not.
fn configuration(folder: &Path, broker: u16, cameras: &VirtualCamera, truth: &Truth) -> String {
    let lane = truth.zones.iter().find(|zone| zone.id.as_str() == "fire-lane").unwrap();
    let camera = |id: &str, main: String| {
        serde_json::json!({
            "id": id, "streams": {"detect": {"url": cameras.url("sub")}, "evidence": {"url": main}}, "zones": [lane],
            "rules": [{"id": "lane", "kind": RuleKind::FireLaneBlocked, "zones": [lane.id], "dwell_secs": 6}],
        })
    };
    // JSON is YAML. Nothing listens at port 1.
    serde_json::json!({
        "agent": {"site": "test", "id": "box-1", "data_dir": folder.join("data")},
        "hub": {"host": "127.0.0.1", "port": broker},
        "cameras": [camera("both", cameras.url("main")), camera("sub-only", "rtsp://127.0.0.1:1/main".to_owned())],
    })
    .to_string()
}

#[test]
fn pictures_are_of_the_main_stream_and_of_the_analysed_one_only_for_want_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mounts, truth) = streams(folder.path());
    let broker = Mosquitto::anonymous();
    let prefix = Name::try_new("curbwatch").unwrap();
    let settings =
        WatchSettings { host: "127.0.0.1".into(), port: broker.port(), prefix, credentials: None, tls: None };
    let hub = Watcher::start(settings).unwrap();
    let cameras = VirtualCamera::start(&Options::looping(mounts)).unwrap();
    let config = folder.path().join("edge.yaml");
    std::fs::write(&config, configuration(folder.path(), broker.port(), &cameras, &truth)).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
        .args(["run", "--config"])
        .arg(&config)
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let _agent = Agent(child);

    let mut heard = Heard::default();
    heard.listen(&hub, |heard| {
        let has_rate = |id: &str| {
            heard
                .statuses
                .get(id)
                .and_then(|status| status.stream.as_ref())
                .is_some_and(|stream| is_full_rate(stream.fps_in))
        };
        heard.opened.len() == 2 && has_rate("both") && has_rate("sub-only")
    });

    let both = &heard.opened["both"];
    assert_eq!((both.data.frame.width, both.data.frame.height), SUB, "the boxes are those of the analysed frame");
    let evidence = &both.data.evidence[0];
    assert_eq!((evidence.width, evidence.height - evidence.strip_height), MAIN);
    assert_eq!(heard.picture_sizes[&evidence.id.to_string()], (evidence.width, evidence.height));
    assert_eq!(both.data.quality.flags, Vec::<String>::new());
    assert!(evidence.redaction.classes.iter().any(|class| class == "vehicle_plate_area"), "the van's plate is hidden");
    let age = both.time.instant().duration_since(evidence.captured_at.instant()).as_secs_f64();
    assert!((-1.0..=MAX_STILL_AGE.as_secs_f64() + 1.0).contains(&age), "the picture is {age} s old");

    let alone = &heard.opened["sub-only"];
    let stand_in = &alone.data.evidence[0];
    assert_eq!((stand_in.width, stand_in.height - stand_in.strip_height), SUB);
    assert_eq!(alone.data.quality.flags, ["evidence_from_detect_stream"]);

    let (both, alone) = (&heard.statuses["both"], &heard.statuses["sub-only"]);
    let evidence = both.evidence.as_ref().unwrap();
    assert_eq!((evidence.state, evidence.width.zip(evidence.height)), (CameraState::Online, Some(MAIN)));
    assert!(evidence.last_key_frame.is_some());
    let evidence = alone.evidence.as_ref().unwrap();
    assert_eq!(
        (evidence.state, evidence.reason.as_deref()),
        (CameraState::Offline, Some("the camera refuses connections"))
    );
    for status in [both, alone] {
        let stream = status.stream.as_ref().unwrap();
        assert_eq!((status.state, (stream.width, stream.height)), (CameraState::Online, SUB));
    }
}

/// Whether every frame of the sub-stream comes; for a moment after a jam more do.
fn is_full_rate(fps: f64) -> bool {
    (fps - f64::from(FPS)).abs() <= 2.0
}

/// What the hub has heard, by camera.
#[derive(Default)]
struct Heard {
    opened: BTreeMap<String, IncidentEvent>,
    statuses: BTreeMap<String, CameraStatus>,
    picture_sizes: BTreeMap<String, (u32, u32)>,
}

impl Heard {
    fn listen(&mut self, hub: &Watcher, enough: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE {
            if let Sight::Message(message) = hub.next(SILENCE).expect("the agent speaks every 10 s") {
                self.take(*message);
                if enough(self) {
                    return;
                }
            }
        }
        panic!("gave up; heard of {:?} and {:?}", self.opened.keys(), self.statuses);
    }

    fn take(&mut self, message: HubMessage) {
        match message.content {
            Content::Incident(event) => {
                self.opened.entry(event.data.camera.id.to_string()).or_insert(event);
            }
            Content::CameraStatus(status) => {
                self.statuses.insert(status.camera.to_string(), status);
            }
            Content::Evidence { evidence, .. } => {
                let picture = image::load_from_memory(&message.payload).unwrap();
                self.picture_sizes.insert(evidence.to_string(), (picture.width(), picture.height()));
            }
            Content::Status(_)
            | Content::Birth(_)
            | Content::Heartbeat(_)
            | Content::Health(_)
            | Content::CameraImage(_)
            | Content::Active(_)
            | Content::Snapshot { .. }
            | Content::EventsLost(_)
            | Content::Reply(_)
            | Content::ToAgent
            | Content::Unreadable { .. } => {}
        }
    }
}
