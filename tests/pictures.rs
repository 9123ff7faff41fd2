//! The pictures of a change as the hub gets them and as they lie on disk: overview and crop, what is written in and beside them, and which of
//! them leave the box.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/heard.rs"]
mod heard;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "common/recorded.rs"]
mod recorded;

use curbwatch::analysis::Finding;
use curbwatch::config::Config;
use curbwatch::contract::{DeliveryVia, Evidence, EvidenceRole, EvidenceView, IncidentEvent};
use curbwatch::evidence::{JpegEncoder, JpegLimits, RedactedPicture};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::geometry::{BBox, Polygon};
use curbwatch::hub::{Content, HubMessage, Sight, WatchSettings, Watcher};
use curbwatch::incident::{Incident, Phase};
use curbwatch::mask::PrivacyMasks;
use curbwatch::picture::PictureState;
use heard::events;
use mosquitto::Mosquitto;
use recorded::{Agent, finding, name};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(30);
const SIZE: (u32, u32) = (960, 544);

fn config(port: u16, disclosure: &str, evidence: &Value) -> Config {
    let site = json!({
        "agent": {"site": "hangzhou", "id": "box"},
        "hub": {"host": "127.0.0.1", "port": port, "disclosure": disclosure},
        "place": {"address": "文一路 12 号", "grid_id": "330110001003005"}, "evidence": evidence,
        "cameras": [{
            "id": "east", "name": "文一路东口", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        }]
    });
    serde_json::from_value(site).unwrap()
}

/// A frame of a pattern, taken so many seconds after the epoch.
fn frame(secs: u64, luma: impl Fn(usize, usize) -> u8) -> Frame {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let layout = FrameLayout {
        width: SIZE.0,
        height: SIZE.1,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [width, width / 2, width / 2],
    };
    let stamp = FrameStamp::of_recording(Duration::from_secs(secs), jiff::Timestamp::UNIX_EPOCH, 0);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| luma(x, y)).collect();
    let planes = [pixels, vec![128; width * height / 4], vec![128; width * height / 4]];
    Frame::try_from_planes(layout, stamp, planes).unwrap()
}

fn street(secs: u64) -> Arc<Frame> {
    Arc::new(frame(secs, |x, y| (40 + x / 8 % 16 * 8 + y / 8 % 4 * 8) as u8))
}

/// What the hub gets until the event of this revision has come.
fn heard(hub: &Watcher, revision: u32) -> Vec<HubMessage> {
    let mut heard = Vec::new();
    loop {
        match hub.next(LIMIT).expect("the event arrives in time") {
            Sight::Message(message) => {
                let is_last = matches!(&message.content, Content::Incident(event) if event.data.revision == revision);
                heard.push(*message);
                if is_last {
                    return heard;
                }
            }
            Sight::Connected => {}
            Sight::Disconnected { reason } => panic!("{reason}"),
        }
    }
}

fn pictures(heard: &[HubMessage]) -> BTreeSet<Uuid> {
    let id = |message: &HubMessage| {
        if let Content::Evidence { evidence, .. } = &message.content { Some(*evidence) } else { None }
    };
    heard.iter().filter_map(id).collect()
}

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

/// An agent with this configuration records the opening, an update and the closing of an incident, each at a frame of its own, and another
/// look without one.
fn story(disclosure: &str, evidence: &Value) -> (Vec<HubMessage>, tempfile::TempDir) {
    let broker = Mosquitto::anonymous();
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::new(folder.path(), config(broker.port(), disclosure, evidence));
    let opened = agent.incident();
    let updated = Incident { revision: 1, ..opened.clone() };
    let closed = Incident { revision: 2, closed_at: Some(opened.last_seen), ..opened.clone() };
    let looked = Incident { revision: 3, ..closed.clone() };
    let at = |phase, incident: &Incident, frame| Finding { frame, ..finding(0, phase, incident, PictureState::Ok) };
    agent.record(vec![
        at(Phase::Opened, &opened, Some(street(10))),
        at(Phase::Updated, &updated, Some(street(20))),
        at(Phase::Closed, &closed, Some(street(30))),
        at(Phase::Rechecked, &looked, None),
    ]);
    (heard(&hub, 3), folder)
}

#[test]
fn each_change_that_a_frame_decided_has_an_overview_and_a_crop_of_that_frame() {
    let (heard, folder) = story("full", &json!({}));
    let events = events(&heard);
    assert_eq!(events.iter().map(|event| event.data.evidence.len()).collect::<Vec<_>>(), [2, 2, 2, 0]);
    let roles = [EvidenceRole::Opened, EvidenceRole::Updated, EvidenceRole::Closed];
    for ((event, role), secs) in events.iter().zip(roles).zip([10, 20, 30]) {
        let [overview, crop] = &event.data.evidence[..] else { panic!("two pictures") };
        for (picture, view) in [(overview, EvidenceView::Overview), (crop, EvidenceView::Crop)] {
            assert_eq!((picture.role, picture.view), (role, view));
            assert_eq!(picture.captured_at.instant().as_second(), secs);
            assert!(picture.strip_height > 0);
            is_beside_its_description(folder.path(), event, picture);
        }
        assert_eq!((overview.shown, overview.width, overview.height - overview.strip_height), (BBox::FRAME, 960, 544));
        let bbox = event.data.objects[0].bbox;
        assert!(crop.shown.intersection(&bbox) > 0.99 * bbox.area() && crop.shown.area() < 0.5);
        let share = |pixels: u32, of: u32| pixels as f32 / of as f32;
        assert!((crop.shown.width() - share(crop.width, SIZE.0)).abs() < 1e-3);
        assert!((crop.shown.height() - share(crop.height - crop.strip_height, SIZE.1)).abs() < 1e-3);
    }
    assert_eq!(events[3].data.quality.flags, [] as [String; 0], "none was wanted of what no frame decided");
    assert_eq!(pictures(&heard).len(), 6);
    assert_eq!((files(folder.path(), "jpg").len(), files(folder.path(), "json").len()), (6, 6));
}

fn is_beside_its_description(folder: &Path, event: &IncidentEvent, picture: &Evidence) {
    let path =
        files(folder, "jpg").into_iter().find(|path| path.file_stem().unwrap() == picture.id.to_string().as_str());
    let path = path.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(format!("{:x}", Sha256::digest(&bytes)), picture.sha256);
    let decoded = image::load_from_memory(&bytes).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (picture.width, picture.height));
    let mut said: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
    assert_eq!(serde_json::from_value::<Evidence>(said["picture"].take()).unwrap(), *picture);
    let expected = json!({
        "agent": "box", "camera": "east", "incident_id": event.data.incident_id, "rule": "fire",
        "matter": event.data.matter, "model": event.data.model,
        "agent_version": event.data.trace.agent_version, "config_sha256": event.data.trace.config_sha256,
        "picture": null,
    });
    assert_eq!(said, expected);
}

#[test]
fn without_the_strip_a_picture_is_the_frame_alone() {
    let (heard, _folder) = story("full", &json!({"strip": false}));
    let overview = &events(&heard)[0].data.evidence[0];
    assert_eq!((overview.width, overview.height, overview.strip_height), (960, 544, 0));
}

#[test]
fn what_is_not_disclosed_stays_on_the_box() {
    for (disclosure, views) in [("limited", &[EvidenceView::Crop][..]), ("none", &[])] {
        let (heard, folder) = story(disclosure, &json!({}));
        let events = events(&heard);
        let named: BTreeSet<Uuid> =
            events.iter().flat_map(|event| &event.data.evidence).map(|evidence| evidence.id).collect();
        assert_eq!(pictures(&heard), named, "{disclosure}: what is sent is what is named");
        for event in &events[..3] {
            let found: Vec<_> = event.data.evidence.iter().map(|evidence| evidence.view).collect();
            assert_eq!(found, views, "{disclosure}");
            assert!(event.data.evidence.iter().all(|evidence| evidence.delivery.via == DeliveryVia::Mqtt));
        }
        assert_eq!(files(folder.path(), "jpg").len(), 6, "{disclosure}: all are kept");
        let said: String = heard.iter().map(|message| String::from_utf8_lossy(&message.payload)).collect();
        assert!(!said.contains("文一路"), "{disclosure}: neither street nor camera is named");
        assert_eq!(said.contains("330110001003005"), disclosure == "limited");
    }
}

#[test]
fn a_masked_pixel_is_in_no_picture() {
    let area = Polygon::try_new(&[[0.1, 0.2], [0.5, 0.2], [0.3, 0.7]]).unwrap();
    let masks = PrivacyMasks::new([area.clone()]);
    let jpegs = |secret: u8| {
        let is_behind = |x: usize, y: usize| {
            let middle = |at: usize, size: u32| (at as f32 + 0.5) / size as f32;
            area.contains(curbwatch::geometry::Point { x: middle(x, SIZE.0), y: middle(y, SIZE.1) })
        };
        let behind = |x: usize, y: usize| (x * 7 + y * 3) as u8 ^ secret;
        let seen = frame(0, |x, y| if is_behind(x, y) { behind(x, y) } else { (40 + x / 8 % 16 * 8) as u8 });
        let picture = RedactedPicture::from_frame(&masks.apply(seen).unwrap(), &[]);
        let crop = picture.crop(&BBox::try_new(0.2, 0.3, 0.4, 0.5).unwrap()).unwrap();
        let limits = JpegLimits { quality: 90, max_bytes: usize::MAX };
        let mut encoder = JpegEncoder::default();
        [&picture, &crop].map(|picture| picture.encode(&mut encoder, limits).unwrap().bytes().clone())
    };
    assert!(jpegs(0) == jpegs(0x5a), "the same pictures, whatever is behind the mask");
}
