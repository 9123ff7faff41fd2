//! The demo's story, held to its truth: three cameras over RTSP, the real detector, a real broker, and a hub that must learn of
//! exactly what the cameras show: nothing missing, nothing twice, nothing more. And what a hub learns of a camera that goes away for
//! longer than the hub should believe in what it showed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/contract.rs"]
mod contract;
#[expect(dead_code, reason = "this test neither reloads the broker nor reads its folder")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use contract::Wire;
use curbwatch::config::RuleKind;
use curbwatch::contract::{AgentState, CameraState, EvidenceRole, EvidenceView, IncidentEvent, schemas};
use curbwatch::geometry::BBox;
use curbwatch::hub::{Content, HubMessage, Sight, WatchSettings, Watcher};
use curbwatch::ids::Name;
use curbwatch::incident::Phase;
use curbwatch::stage::{self, Footage, FrameSize, Scene, Truth};
use curbwatch::vcam::{Authentication, Credentials, Mount, Options, Play, VirtualCamera};
use mosquitto::Mosquitto;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Every character that breaks a URL.
const PASSWORD: &str = "p@ss:w/rd?#%";
/// What the camera without incidents may not show: its upper left corner.
const MASKED: [[f32; 2]; 4] = [[0.0, 0.0], [0.25, 0.0], [0.25, 0.25], [0.0, 0.25]];
const DWELL_SECS: f64 = 15.0;
/// Longest silence of the hub before the test gives up; cameras and health say something every 10 s.
const SILENCE: Duration = Duration::from_mins(1);
/// How far the times of an event may be from the truth: a few frames analysed, and what standing still takes.
const TOLERANCE_SECS: f64 = 4.0;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The three streets and what there is to report in each.
fn streets(folder: &Path) -> Vec<(Mount, Truth)> {
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let scenes = [
        ("market", Scene::quiet(secs(70)).with_stall(secs(6), secs(40))),
        ("lane", Scene::quiet(secs(70)).with_van(secs(5), secs(42)).with_seed(2)),
        ("quiet", Scene::quiet(secs(70)).with_seed(3)),
    ];
    scenes.into_iter().map(|(name, scene)| street(folder, &footage, name, scene)).collect()
}

fn street(folder: &Path, footage: &Footage, name: &str, scene: Scene) -> (Mount, Truth) {
    let file = folder.join(format!("{name}.mp4"));
    let scene = scene.with_format(FrameSize::try_new(960, 544).unwrap(), 10);
    let truth = stage::render(&scene, footage, &file).unwrap();
    (Mount::for_file(&file).unwrap(), truth)
}

/// A hub at that broker.
fn hub_of(broker: &Mosquitto) -> Watcher {
    let settings = WatchSettings {
        host: "127.0.0.1".into(),
        port: broker.port(),
        prefix: name("curbwatch"),
        credentials: None,
        tls: None,
    };
    let hub = Watcher::start(settings).unwrap();
    assert_eq!(hub.next(SILENCE), Some(Sight::Connected));
    hub
}

fn credentials() -> Credentials {
    Credentials { authentication: Authentication::Digest, user: "viewer".into(), password: PASSWORD.to_owned().into() }
}

/// A site whose quiet street watches for everything in the zones of the other two.
fn configuration(folder: &Path, broker: u16, cameras: &VirtualCamera, streets: &[(Mount, Truth)]) -> String {
    let zone_of = |kind: RuleKind| if kind == RuleKind::StreetVending { "carriageway" } else { "fire-lane" };
    let things: Vec<_> =
        streets.iter().flat_map(|(_, truth)| truth.things.iter().map(move |thing| (thing, truth))).collect();
    let camera = |(mount, truth): &(Mount, Truth)| {
        let watched = things.iter().filter(|(_, of)| truth.things.is_empty() || *of == truth);
        let (zones, rules): (Vec<_>, Vec<_>) = watched
            .map(|(thing, truth)| {
                let (id, kind) = (zone_of(thing.kind), thing.kind);
                let zone = truth.zones.iter().find(|zone| zone.id.as_str() == id).unwrap();
                (zone, serde_json::json!({"id": kind, "kind": kind, "zones": [id], "dwell_secs": DWELL_SECS}))
            })
            .unzip();
        // Where nothing is to be found.
        let masks = if truth.things.is_empty() { vec![MASKED] } else { Vec::new() };
        serde_json::json!({
            "id": mount.name, "privacy_masks": masks, "streams": {"detect": {
                "url": cameras.url(mount.name.as_str()), "username": "viewer", "password": {"env": "CAMERA_PASSWORD"}
            }},
            "zones": zones, "rules": rules,
        })
    };
    // JSON is YAML.
    serde_json::to_string_pretty(&serde_json::json!({
        "agent": {"site": "test", "id": "box-1", "data_dir": folder.join("data")},
        "hub": {"host": "127.0.0.1", "port": broker},
        "place": {"address": "测试路 1 号", "point": {"lon": 119.98, "lat": 30.27, "crs": "CGCS2000"}},
        "cameras": streets.iter().map(camera).collect::<Vec<_>>(),
    }))
    .unwrap()
}

struct Agent(Child);

impl Agent {
    fn start(config: &Path) -> Self {
        let log = std::fs::File::create(config.with_extension("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .args(["run", "--config"])
            .arg(config)
            .env("CAMERA_PASSWORD", PASSWORD)
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        Self(child)
    }

    fn terminate(&mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the hub has heard.
struct Heard {
    messages: Vec<HubMessage>,
    /// Health messages, one every 10 s, after which the test gives up.
    patience: usize,
}

impl Heard {
    /// Listens until `enough` of what was heard so far.
    fn listen(&mut self, hub: &Watcher, what: &str, mut enough: impl FnMut(&HubMessage) -> bool) {
        loop {
            match hub.next(SILENCE).unwrap_or_else(|| panic!("the hub heard nothing while waiting for {what}")) {
                Sight::Message(message) => {
                    self.patience -= usize::from(matches!(message.content, Content::Health(_)));
                    assert!(self.patience > 0, "gave up waiting for {what}");
                    let is_enough = enough(&message);
                    self.messages.push(*message);
                    if is_enough {
                        return;
                    }
                }
                Sight::Connected => {}
                Sight::Disconnected { reason } => panic!("the broker left the hub: {reason}"),
            }
        }
    }

    fn events(&self) -> impl Iterator<Item = (usize, &IncidentEvent)> {
        self.messages.iter().enumerate().filter_map(|(index, message)| {
            if let Content::Incident(event) = &message.content { Some((index, event)) } else { None }
        })
    }
}

#[test]
fn the_hub_learns_exactly_what_the_cameras_show() {
    let folder = tempfile::tempdir().unwrap();
    let streets = streets(folder.path());
    let broker = Mosquitto::anonymous();
    let wire = Wire::listen(&broker);
    let hub = hub_of(&broker);
    let mut options = Options::looping(streets.iter().map(|(mount, _)| mount.clone()).collect());
    options.play = Play::Once;
    options.credentials = Some(credentials());
    let cameras = VirtualCamera::start(&options).unwrap();
    let config = folder.path().join("edge.yaml");
    std::fs::write(&config, configuration(folder.path(), broker.port(), &cameras, &streets)).unwrap();
    let mut agent = Agent::start(&config);

    let mut heard = Heard { messages: Vec::new(), patience: 20 };
    heard.listen(
        &hub,
        "a loaded detector",
        |message| matches!(&message.content, Content::Birth(birth) if !birth.models.is_empty()),
    );
    let (port, saved) = (broker.port().to_string(), folder.path().join("asked-for.jpg"));
    let mut asking = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
    asking.args(["hub", "snapshot", "--port", &port, "--agent", "test/box-1", "--wait", "60", "quiet", "--out"]);
    let mut asking = asking.arg(&saved).stdout(Stdio::null()).spawn().unwrap();
    let mut ended = BTreeSet::new();
    heard.listen(&hub, "the end of every stream", |message| {
        if let Content::CameraStatus(status) = &message.content
            && status.state == CameraState::Offline
            && status.last_frame.is_some()
        {
            ended.insert(status.camera.clone());
        }
        ended.len() == streets.len()
    });
    agent.terminate();
    heard.listen(
        &hub,
        "the farewell",
        |message| matches!(&message.content, Content::Status(status) if status.status == AgentState::Offline),
    );
    assert!(agent.0.wait().unwrap().success(), "a stop in order is a success");
    assert!(asking.wait().unwrap().success());

    incidents_are_those_of_the_truth(&heard, &cameras, &streets);
    pictures_come_first_and_are_whole(&heard);
    the_picture_that_was_asked_for_came_before_its_answer(&heard, &std::fs::read(saved).unwrap());
    every_payload_is_valid(wire);
    sequences_have_no_gap(&heard);
    broker.assert_no_protocol_error();
    let log = std::fs::read_to_string(config.with_extension("log")).unwrap();
    assert!(!log.contains(PASSWORD), "the password is in the log");
}

#[test]
fn what_is_open_at_a_camera_that_went_away_is_marked_and_neither_ends_nor_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let scene = Scene::quiet(secs(30)).with_stall(secs(0), secs(30));
    let streets = [street(folder.path(), &footage, "market", scene)];
    let broker = Mosquitto::anonymous();
    let hub = hub_of(&broker);
    let mut options = Options::looping(vec![streets[0].0.clone()]);
    options.credentials = Some(credentials());
    let camera = VirtualCamera::start(&options).unwrap();
    options.port = camera.port();
    let config = folder.path().join("edge.yaml");
    std::fs::write(&config, configuration(folder.path(), broker.port(), &camera, &streets)).unwrap();
    let mut agent = Agent::start(&config);
    let mut heard = Heard { messages: Vec::new(), patience: 40 };
    let is_active = |message: &HubMessage, is_stale: bool| matches!(&message.content, Content::Active(Some(active)) if active.incidents.len() == 1 && active.stale.is_some() == is_stale);

    heard.listen(&hub, "the incident", |message| is_active(message, false));
    drop(camera);
    heard.listen(&hub, "the mark", |message| is_active(message, true));
    let _back = VirtualCamera::start(&options).unwrap();
    heard.listen(&hub, "the end of the mark", |message| is_active(message, false));
    // Were it reported anew, that would be after its dwell time.
    let mut seconds_seen = 0;
    heard.listen(&hub, "what comes after", |message| {
        seconds_seen += if matches!(message.content, Content::Health(_)) { 10 } else { 0 };
        f64::from(seconds_seen) > 2.0 * DWELL_SECS
    });
    agent.terminate();
    heard.listen(
        &hub,
        "the farewell",
        |message| matches!(&message.content, Content::Status(status) if status.status == AgentState::Offline),
    );
    let phases: Vec<_> = heard.events().map(|(_, event)| event.data.phase).collect();
    assert_eq!(phases, [Phase::Opened]);
}

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

fn incidents_are_those_of_the_truth(heard: &Heard, cameras: &VirtualCamera, streets: &[(Mount, Truth)]) {
    for (mount, truth) in streets {
        let of_camera: Vec<&IncidentEvent> =
            heard.events().map(|(_, event)| event).filter(|event| event.data.camera.id == mount.name).collect();
        let found: Vec<_> = of_camera.iter().map(|event| (event.data.matter.kind, event.data.phase)).collect();
        let expected: Vec<_> =
            truth.things.iter().flat_map(|thing| [(thing.kind, Phase::Opened), (thing.kind, Phase::Closed)]).collect();
        assert_eq!(found, expected, "camera {}", mount.name);
        let began = cameras.timeline_began(mount.name.as_str()).unwrap();
        for (thing, pair) in truth.things.iter().zip(of_camera.chunks(2)) {
            let [opened, closed] = pair else { panic!("opened and closed") };
            assert_eq!(opened.data.incident_id, closed.data.incident_id);
            let after = |time: curbwatch::contract::WallTime| time.instant().duration_since(began).as_secs_f64();
            let near = |what: &str, found: f64, expected: f64| {
                assert!(
                    (found - expected).abs() <= TOLERANCE_SECS,
                    "{what} of {}: {found}, not {expected}",
                    mount.name
                );
            };
            near("first sight", after(opened.data.timing.first_seen), thing.from_secs);
            near("confirmation", after(opened.data.timing.confirmed_at), thing.from_secs + DWELL_SECS);
            near("last sight", after(closed.data.timing.last_seen), thing.to_secs);
            assert!(opened.data.timing.dwell_secs >= DWELL_SECS);
            let seen = opened.data.objects.iter().map(|object| object.bbox).reduce(|a, b| a.union(&b)).unwrap();
            assert!(seen.intersection(&thing.bbox) > 0.6 * seen.area(), "{seen:?} is not at {:?}", thing.bbox);
        }
    }
}

fn pictures_come_first_and_are_whole(heard: &Heard) {
    let pictures: BTreeMap<_, _> = heard
        .messages
        .iter()
        .enumerate()
        .filter_map(|(index, message)| {
            let Content::Evidence { evidence, .. } = message.content else { return None };
            Some((evidence, (index, &message.payload)))
        })
        .collect();
    for (index, event) in heard.events() {
        let role = EvidenceRole::of(event.data.phase).unwrap();
        let views: Vec<_> = event.data.evidence.iter().map(|evidence| (evidence.role, evidence.view)).collect();
        assert_eq!(views, [(role, EvidenceView::Overview), (role, EvidenceView::Crop)]);
        let [overview, crop] = &event.data.evidence[..] else { panic!("two pictures") };
        assert_eq!((overview.shown, overview.width, overview.height - overview.strip_height), (BBox::FRAME, 960, 544));
        for object in &event.data.objects {
            assert!(crop.shown.intersection(&object.bbox) > 0.9 * object.bbox.area(), "the crop shows what it is of");
        }
        for evidence in &event.data.evidence {
            let (came, bytes) = pictures[&evidence.id];
            assert!(came < index, "the picture comes before the event that names it");
            assert_eq!(format!("{:x}", Sha256::digest(bytes)), evidence.sha256);
            let picture = image::load_from_memory(bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), (evidence.width, evidence.height));
        }
    }
}

fn the_picture_that_was_asked_for_came_before_its_answer(heard: &Heard, saved: &[u8]) {
    let picture = heard.messages.iter().find(|message| matches!(message.content, Content::Snapshot { .. })).unwrap();
    let reply = heard
        .messages
        .iter()
        .find_map(|message| if let Content::Reply(reply) = &message.content { Some(reply) } else { None });
    let evidence = reply.unwrap().evidence.as_ref().unwrap();
    assert_eq!((evidence.role, evidence.redaction.applied), (EvidenceRole::Snapshot, true));
    assert_eq!(format!("{:x}", Sha256::digest(&picture.payload)), evidence.sha256);
    assert_eq!(picture.payload, saved, "the one who asked has it");
    assert!(picture.topic.ends_with(evidence.delivery.reference.as_ref().unwrap()));
    let decoded = image::load_from_memory(&picture.payload).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (960, 544 + evidence.strip_height));
    let luma = decoded.to_luma8();
    let behind = || (0..136).flat_map(|y| (0..240).map(move |x| (x, y))).map(|(x, y)| luma.get_pixel(x, y).0[0]);
    let (darkest, brightest) = (behind().min().unwrap(), behind().max().unwrap());
    assert!(brightest - darkest <= 2, "what the mask covers is flat: {darkest} to {brightest}");
    assert!(luma.enumerate_pixels().any(|(x, y, pixel)| x > 300 && y > 200 && pixel.0[0].abs_diff(darkest) > 40));
}

fn every_payload_is_valid(wire: Wire) {
    let seen = wire.judge();
    let comes = |name: &&str| {
        (!name.starts_with("command-") || *name == "command-snapshot")
            && !["case", "events-lost", "signed-message"].contains(name)
    };
    let all: BTreeSet<String> =
        schemas().keys().copied().filter(comes).chain(["evidence", "snapshot"]).map(str::to_owned).collect();
    assert_eq!(seen, all, "each kind of message that the agent sends was on the wire");
}

fn sequences_have_no_gap(heard: &Heard) {
    let sequences: Vec<u64> = heard.events().map(|(_, event)| event.sequence.0).collect();
    let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, expected);
}
