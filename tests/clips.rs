//! Clips: what the hub gets of them, what lies on disk and for how long, what is said where there is none; and one of a camera, from RTSP to the hub.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/heard.rs"]
mod heard;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "common/recorded.rs"]
mod recorded;

use curbwatch::analysis::Finding;
use curbwatch::clips::{Clip, ClipNews};
use curbwatch::config::{Config, RuleKind};
use curbwatch::contract::{ClipState, DeliveryVia, EvidenceRole, IncidentEvent, MediaType};
use curbwatch::evidence::{Custody, Redacted, RedactedFrames, RedactedPicture};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::hub::{Content, HubMessage, Sight, WatchSettings, Watcher};
use curbwatch::incident::{Incident, Phase};
use curbwatch::picture::PictureState;
use curbwatch::stage::{self, Footage, FrameSize, Scene};
use curbwatch::vcam::{Mount, Options, VirtualCamera};
use gstreamer::prelude::*;
use heard::events;
use mosquitto::Mosquitto;
use recorded::{Agent, finding, name};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hub hears of health every 10 s.
const LIMIT: Duration = Duration::from_mins(1);
/// Messages after which the test gives up.
const PATIENCE: usize = 300;
/// What the camera may not show: its upper left corner.
const MASKED: [[f32; 2]; 4] = [[0.0, 0.0], [0.25, 0.0], [0.25, 0.25], [0.0, 0.25]];

fn hub_of(broker: &Mosquitto) -> Watcher {
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    hub
}

/// What the hub gets until an event is as wanted.
fn heard(hub: &Watcher, wanted: impl Fn(&IncidentEvent) -> bool) -> Vec<HubMessage> {
    let mut heard = Vec::new();
    while heard.len() < PATIENCE {
        let Some(Sight::Message(message)) = hub.next(LIMIT) else { panic!("the hub hears nothing any more") };
        let is_last = matches!(&message.content, Content::Incident(event) if wanted(event));
        heard.push(*message);
        if is_last {
            return heard;
        }
    }
    panic!("the event does not come");
}

fn config(port: u16, disclosure: &str) -> Config {
    let site = json!({
        "agent": {"site": "hangzhou", "id": "box"},
        "hub": {"host": "127.0.0.1", "port": port, "disclosure": disclosure},
        "cameras": [{
            "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        }]
    });
    serde_json::from_value(site).unwrap()
}

/// Three grey pictures, a second from one to the next.
fn clip() -> Clip {
    let mut frames = RedactedFrames::default();
    for secs in 0..3 {
        let layout = FrameLayout {
            width: 64,
            height: 48,
            format: PixelFormat::I420,
            matrix: ColorMatrix::Bt601,
            range: ColorRange::Limited,
            strides: [64, 32, 32],
        };
        let stamp = FrameStamp::of_recording(Duration::from_secs(secs), jiff::Timestamp::UNIX_EPOCH, 0);
        let planes = [vec![90; 64 * 48], vec![128; 32 * 24], vec![128; 32 * 24]];
        let frame = Frame::try_from_planes(layout, stamp, planes).unwrap();
        frames.add(RedactedPicture::from_frame(&frame, &[]), stamp.media.0).unwrap();
    }
    Clip { clip: frames.encode(usize::MAX).unwrap(), captured_at: jiff::Timestamp::UNIX_EPOCH }
}

fn with_clip(phase: Phase, incident: &Incident, clip: ClipNews) -> Finding {
    Finding { clip, ..finding(0, phase, incident, PictureState::Ok) }
}

#[test]
fn a_clip_comes_before_the_update_that_names_it_and_goes_with_its_row() {
    let (broker, folder) = (Mosquitto::anonymous(), tempfile::tempdir().unwrap());
    let hub = hub_of(&broker);
    let mut agent = Agent::new(folder.path(), config(broker.port(), "full"));
    let opened = agent.incident();
    let (told, closed) = (Incident { revision: 1, ..opened.clone() }, Incident { revision: 2, ..opened.clone() });
    let made = clip();
    agent.record(vec![
        with_clip(Phase::Opened, &opened, ClipNews::Awaited),
        with_clip(Phase::Updated, &told, ClipNews::Made(Box::new(made.clone()))),
        with_clip(Phase::Closed, &closed, ClipNews::None),
    ]);
    let heard = heard(&hub, |event| event.data.revision == 2);
    let [opened, told, closed] = events(&heard)[..] else { panic!("three events") };
    let states = [opened, told, closed].map(|event| event.data.clip);
    assert_eq!(states, [Some(ClipState::Awaited), Some(ClipState::Attached), None]);
    let [evidence] = &told.data.evidence[..] else { panic!("one clip") };
    assert_eq!((evidence.role, evidence.media_type), (EvidenceRole::Clip, MediaType::WebM));
    assert_eq!((evidence.frame_count, evidence.duration_secs), (Some(3), Some(2.0)));
    assert_eq!((evidence.width, evidence.height, evidence.size_bytes), (64, 48, made.clip.bytes().len() as u64));
    assert_eq!((evidence.delivery.via, evidence.captured_at.instant()), (DeliveryVia::Mqtt, made.captured_at));
    let clips: Vec<&HubMessage> =
        heard.iter().filter(|message| matches!(message.content, Content::Evidence { .. })).collect();
    assert_eq!(clips.iter().map(|message| &message.payload).collect::<Vec<_>>(), [made.clip.bytes()]);

    let custody = Custody::open(
        &{
            let mut config = config(broker.port(), "full");
            folder.path().clone_into(&mut config.agent.data_dir);
            config
        },
        agent.store.clone(),
        agent.clocks.clone(),
    )
    .unwrap();
    let file = custody.dir().path(evidence.id, MediaType::WebM).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), *made.clip.bytes());
    assert_eq!(custody.dir().read(evidence.id).unwrap(), *made.clip.bytes());
    let said: Value = serde_json::from_slice(&std::fs::read(file.with_extension("json")).unwrap()).unwrap();
    assert_eq!(said["picture"]["media_type"], "video/webm");
    let kept = || agent.store.lock().pictures(agent.clocks.wall()).unwrap();
    assert_eq!(
        kept().iter().map(|row| (row.id, row.media_type())).collect::<Vec<_>>(),
        [(evidence.id, Some(MediaType::WebM))]
    );
    custody.make_room(1);
    assert!(!file.exists() && !file.with_extension("json").exists() && kept().is_empty());
}

#[test]
fn a_clip_that_was_promised_and_is_not_there_is_said_to_be_absent() {
    let (broker, folder) = (Mosquitto::anonymous(), tempfile::tempdir().unwrap());
    let hub = hub_of(&broker);
    let mut agent = Agent::new(folder.path(), config(broker.port(), "full"));
    let (withheld, lost) = (agent.incident(), agent.incident());
    let revised = |incident: &Incident, revision| Incident { revision, ..incident.clone() };
    agent.record(vec![
        with_clip(Phase::Opened, &withheld, ClipNews::Awaited),
        with_clip(Phase::Updated, &revised(&withheld, 1), ClipNews::Absent("nobody can be looked for".to_owned())),
        with_clip(Phase::Opened, &lost, ClipNews::Awaited),
        with_clip(Phase::Updated, &revised(&lost, 1), ClipNews::None),
    ]);
    // The agent ends, and begins again without the clip.
    agent.record(vec![with_clip(Phase::Closed, &revised(&lost, 2), ClipNews::None)]);
    let heard = heard(&hub, |event| event.data.revision == 2);
    let states: Vec<_> = events(&heard).iter().map(|event| event.data.clip).collect();
    let (awaited, absent) = (Some(ClipState::Awaited), Some(ClipState::Absent));
    assert_eq!(states, [awaited, absent, awaited, awaited, absent]);
    let audit = std::fs::read_dir(folder.path().join("audit")).unwrap().map(|entry| entry.unwrap().path());
    let said: String = audit.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(said.matches(r#""action":"clip_withheld""#).count(), 1, "{said}");
}

#[test]
fn a_clip_of_which_nothing_may_be_said_is_not_sent() {
    let (broker, folder) = (Mosquitto::anonymous(), tempfile::tempdir().unwrap());
    let hub = hub_of(&broker);
    let mut agent = Agent::new(folder.path(), config(broker.port(), "limited"));
    let incident = agent.incident();
    let told = Incident { revision: 1, ..incident.clone() };
    agent.record(vec![
        with_clip(Phase::Opened, &incident, ClipNews::None),
        with_clip(Phase::Updated, &told, ClipNews::Made(Box::new(clip()))),
    ]);
    let heard = heard(&hub, |event| event.data.revision == 1);
    assert!(events(&heard).iter().all(|event| event.data.clip.is_none() && event.data.evidence.is_empty()));
    assert!(!heard.iter().any(|message| matches!(message.content, Content::Evidence { .. })));
}

/// Seconds, width and planes of Y, U and V of each picture of a clip, as GStreamer's own decoder has them.
fn decoded(file: &Path) -> Vec<(f64, Frame)> {
    gstreamer::init().unwrap();
    let pipeline =
        "filesrc name=file ! matroskademux ! vp8dec ! video/x-raw,format=I420 ! appsink name=sink sync=false";
    let pipeline = gstreamer::parse::launch(pipeline).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    let sink = pipeline.by_name("sink").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let mut pictures = Vec::new();
    while let Some(sample) = sink.try_pull_sample(gstreamer::ClockTime::from_seconds(20)) {
        let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let buffer = sample.buffer_owned().unwrap();
        let secs = buffer.pts().unwrap().mseconds() as f64 / 1e3;
        let stamp = FrameStamp::of_recording(Duration::from_secs_f64(secs), jiff::Timestamp::UNIX_EPOCH, 0);
        pictures.push((secs, Frame::try_from_gst(buffer, &info, stamp).unwrap()));
    }
    pipeline.set_state(gstreamer::State::Null).unwrap();
    pictures
}

#[test]
fn of_a_camera_the_hub_gets_the_seconds_around_the_opening_with_what_is_masked_hidden_in_each() {
    let folder = tempfile::tempdir().unwrap();
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let scene = Scene::quiet(Duration::from_secs(40)).with_van(Duration::from_secs(1), Duration::from_secs(40));
    let scene = scene.with_format(FrameSize::try_new(1280, 720).unwrap(), 10);
    let file = folder.path().join("street.mp4");
    let truth = stage::render(&scene, &footage, &file).unwrap();
    let camera = VirtualCamera::start(&Options::looping(vec![Mount::for_file(&file).unwrap()])).unwrap();
    let lane = truth.zones.iter().find(|zone| zone.id.as_str() == "fire-lane").unwrap();
    let broker = Mosquitto::anonymous();
    // JSON is YAML.
    let config = json!({
        "agent": {"site": "test", "id": "box-1", "data_dir": folder.path().join("data")},
        "hub": {"host": "127.0.0.1", "port": broker.port()},
        "evidence": {"clips": {"enabled": true, "before_secs": 4, "after_secs": 4}},
        "cameras": [{
            "id": "lane", "streams": {"detect": {"url": camera.url("street")}}, "zones": [lane], "privacy_masks": [MASKED],
            "rules": [{"id": "lane", "kind": RuleKind::FireLaneBlocked, "zones": [lane.id], "dwell_secs": 8}],
        }],
    });
    let path = folder.path().join("edge.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let hub = hub_of(&broker);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
    let command = command.args(["run", "--config"]).arg(&path).stderr(Stdio::from(log));
    let mut agent = agent::Agent(command.spawn().unwrap());
    let heard = heard(&hub, |event| event.data.clip == Some(ClipState::Attached));
    let events = events(&heard);
    let (opened, told) = (events[0], events[events.len() - 1]);
    assert_eq!((opened.data.clip, opened.data.phase), (Some(ClipState::Awaited), Phase::Opened));
    assert_eq!((told.data.incident_id, told.data.phase), (opened.data.incident_id, Phase::Updated));
    let revisions: Vec<u32> = events.iter().map(|event| event.data.revision).collect();
    assert_eq!(revisions, (0..events.len() as u32).collect::<Vec<_>>(), "each event is a revision of its own");
    let [evidence] = &told.data.evidence[..] else { panic!("one clip") };
    assert_eq!(evidence.redaction.classes.last().unwrap(), "vehicle_plate_area");
    let is_clip = |message: &&HubMessage| matches!(&message.content, Content::Evidence { evidence: id, .. } if *id == evidence.id);
    let payload = heard.iter().find(is_clip).map(|message| message.payload.clone());
    let payload = payload.expect("the clip comes before the event that names it");
    assert_eq!(format!("{:x}", Sha256::digest(&payload)), evidence.sha256);

    let saved = folder.path().join("clip.webm");
    std::fs::write(&saved, &payload).unwrap();
    let pictures = decoded(&saved);
    assert_eq!(Some(pictures.len() as u32), evidence.frame_count);
    assert!((5..=10).contains(&pictures.len()), "{} pictures of eight seconds", pictures.len());
    let last = pictures[pictures.len() - 1].0;
    assert!((last - evidence.duration_secs.unwrap()).abs() < 0.01 && (5.0..=8.5).contains(&last), "{last} s");
    assert!((evidence.captured_at.instant().duration_since(opened.time.instant()).as_secs_f64() + 4.0).abs() < 1.5);
    for (secs, picture) in &pictures {
        let layout = picture.layout();
        assert_eq!((layout.width, layout.height), (960, 540 + evidence.strip_height));
        for (plane, by) in [(0, 1), (1, 2), (2, 2)] {
            // The codec smooths across the edges of its blocks, a few pixels to either side (RFC 6386, 15).
            let rows = picture.plane(plane).chunks(layout.strides[plane]).take((540 / 4 - 8) / by);
            let masked: Vec<u8> = rows.flat_map(|row| row[..(960 / 4 - 8) / by].to_vec()).collect();
            let (darkest, brightest) = (masked.iter().min().unwrap(), masked.iter().max().unwrap());
            assert!(
                brightest - darkest <= 6 && darkest.abs_diff(128) < 8,
                "{secs} s, plane {plane}: {darkest} to {brightest}"
            );
        }
        let street: Vec<u8> = picture.plane(0)[layout.strides[0] * 300..][..960].to_vec();
        assert!(street.iter().max().unwrap() - street.iter().min().unwrap() > 30, "the street is seen at {secs} s");
    }
    agent.stop();
}
