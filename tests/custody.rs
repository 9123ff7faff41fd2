//! Pictures of a box that encrypts them and has little room: what lies on its disk, what the hub gets, and what the operator's commands
//! find when somebody has been at them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "common/recorded.rs"]
mod recorded;

use curbwatch::analysis::Finding;
use curbwatch::contract::{Evidence, IncidentEvent};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher, sha256_hex};
use curbwatch::incident::Phase;
use curbwatch::picture::PictureState;
use mosquitto::Mosquitto;
use recorded::{Agent, finding, name};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(30);
const MAX_BYTES: u64 = 1 << 20;
/// A UUIDv7 of the first of February 2020.
const OF_ANOTHER_DAY: &str = "01700000-0000-7000-8000-000000000000";
const KEY: &str = "dGhpcnR5LXR3byBieXRlcyB0aGF0IGFyZSBhIGtleSE=";

/// A box, its configuration on the disk, and a hub.
struct Site {
    folder: tempfile::TempDir,
    broker: Mosquitto,
    hub: Watcher,
    agent: Option<Agent>,
}

impl Site {
    fn new() -> Self {
        let (folder, broker) = (tempfile::tempdir().unwrap(), Mosquitto::anonymous());
        std::fs::write(folder.path().join("key"), KEY).unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let config = json!({
            "agent": {"site": "s", "id": "box", "data_dir": data}, "hub": {"host": "127.0.0.1", "port": broker.port()},
            "evidence": {
                "max_bytes": "1 MiB", "min_free": "0 MiB", "jpeg_quality": 95,
                "encryption": {"key": "first", "keys": {"first": {"file": folder.path().join("key")}}}
            },
            "cameras": [{
                "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
                "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
                "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
            }]
        });
        std::fs::write(folder.path().join("edge.yaml"), config.to_string()).unwrap();
        let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
        let hub =
            Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
        assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
        let agent = Agent::new(&data, serde_json::from_value(config).unwrap());
        Self { folder, broker, hub, agent: Some(agent) }
    }

    /// Has an incident recorded with its pictures, and waits for all; returns them as they come, and the event.
    fn report(&mut self, seed: u8) -> (Vec<Vec<u8>>, IncidentEvent) {
        let agent = self.agent.as_mut().unwrap();
        let incident = agent.incident();
        let finding = finding(0, Phase::Opened, &incident, PictureState::Ok);
        let frame = Arc::new(noise(seed));
        agent.record(vec![Finding { frame: Some(frame), ..finding }]);
        let mut pictures = Vec::new();
        loop {
            match self.hub.next(LIMIT).expect("the hub hears of it") {
                Sight::Message(message) => {
                    if let Content::Incident(event) = message.content {
                        return (pictures, event);
                    }
                    if let Content::Evidence { .. } = message.content {
                        pictures.push(message.payload.to_vec());
                    }
                }
                Sight::Connected => {}
                Sight::Disconnected { reason } => panic!("{reason}"),
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The files of the pictures, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for day in std::fs::read_dir(self.data().join("evidence")).unwrap().map(|day| day.unwrap().path()) {
            files.extend(std::fs::read_dir(day).unwrap().map(|file| file.unwrap().path()));
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jpg"));
        files.sort();
        files
    }

    fn curbwatch(&self, arguments: &[&str]) -> Output {
        let config = self.folder.path().join("edge.yaml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
        command.args(arguments).arg("--config").arg(config).output().unwrap()
    }

    /// Exit status and what was printed.
    fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.curbwatch(arguments);
        (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
    }
}

/// A frame that does not compress.
fn noise(seed: u8) -> Frame {
    let layout = FrameLayout {
        width: 640,
        height: 360,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [640, 320, 320],
    };
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let luma: Vec<u8> = (0..640 * 360).map(|_| next()).collect();
    let stamp = FrameStamp::of_recording(Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0);
    Frame::try_from_planes(layout, stamp, [luma, vec![128; 320 * 180], vec![128; 320 * 180]]).unwrap()
}

fn path_of(files: &[PathBuf], id: &str) -> PathBuf {
    files.iter().find(|file| file.to_string_lossy().contains(id)).unwrap().clone()
}

#[test]
fn a_box_with_a_key_and_little_room_keeps_the_newest_and_gives_nothing_away() {
    let mut site = Site::new();
    let reports: Vec<(Vec<Vec<u8>>, IncidentEvent)> = (0..8).map(|seed| site.report(seed)).collect();
    assert!(reports.iter().all(|(pictures, event)| pictures.len() == event.data.evidence.len()), "they come first");
    let pairs = reports.iter().flat_map(|(pictures, event)| pictures.iter().zip(&event.data.evidence));
    let mut told: Vec<(&Vec<u8>, &Evidence)> = pairs.collect();
    // Two pictures of one moment have ids in no order.
    told.sort_unstable_by_key(|(_, evidence)| evidence.id);
    for (picture, evidence) in &told {
        assert_eq!((sha256_hex(picture), picture.len() as u64), (evidence.sha256.clone(), evidence.size_bytes));
        assert!(picture.starts_with(&[0xff, 0xd8, 0xff]), "the hub gets it in the clear");
    }
    let all: usize = told.iter().map(|(picture, _)| picture.len()).sum();
    assert!(all as u64 > MAX_BYTES * 3 / 2, "the pictures are too small for this test: {all}");
    let files = site.files();
    let ids: Vec<String> = told.iter().map(|(_, evidence)| evidence.id.to_string()).collect();
    assert!((2..ids.len()).contains(&files.len()), "{files:?}");
    for (file, id) in files.iter().zip(&ids[ids.len() - files.len()..]) {
        assert!(file.to_string_lossy().contains(id), "the newest stay");
        let bytes = std::fs::read(file).unwrap();
        assert!(bytes.starts_with(b"CURBSEA1\x05first"));
        assert!(!bytes.windows(4).any(|window| window == b"JFIF"), "{}", file.display());
        let beside = std::fs::read(file.with_extension("json")).unwrap();
        assert!(beside.starts_with(b"CURBSEA1\x05first"), "nor does what says what it is");
    }
    let on_disk: u64 = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert!(on_disk <= MAX_BYTES + 100 * files.len() as u64, "{on_disk}");
    site.broker.assert_no_protocol_error();

    let (code, said) = site.says(&["evidence", "fsck"]);
    assert_eq!(code, Some(75), "{said}");
    let newest = reports.last().unwrap();
    let newest_picture = told.last().unwrap().0;
    let head = format!(
        "{}:{}",
        newest.1.data.trace.prev_audit_sequence.unwrap(),
        newest.1.data.trace.prev_audit_hash.clone().unwrap()
    );
    let (id, out) = (ids.last().unwrap(), site.folder.path().join("out.jpg"));
    let (code, said) = site.says(&["evidence", "open", id, "--out", out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "while the agent runs: {said}");
    assert_eq!(&std::fs::read(&out).unwrap(), newest_picture);

    site.agent = None;
    let (code, said) = site.says(&["evidence", "fsck"]);
    assert_eq!(
        (code, said.lines().last()),
        (Some(0), Some(&*format!("{} pictures read, 0 wrong, 0 mended", files.len())))
    );
    let (_, listed) = site.says(&["evidence", "list", "--json"]);
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.last().unwrap()["sha256"], json!(sha256_hex(newest_picture)));

    let (code, said) = site.says(&["audit", "verify", "--head", &head]);
    assert_eq!(code, Some(0), "{said}");
    let (_, exported) = site.says(&["audit", "export"]);
    let actions: Vec<String> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions.last().unwrap(), "picture_opened", "{actions:?}");
    assert!(actions.iter().any(|action| action == "pictures_deleted"), "{actions:?}");
    verify_by_hand(&exported);
    somebody_was_at_the_pictures(&site, &files, &ids);
    somebody_was_at_the_log(&site, &head);
    the_key_is_told_nowhere(&site);
}

/// By a program that shares no code with ours.
fn verify_by_hand(exported: &str) {
    let script = "import sys, json, hashlib\n\
        prev = '0' * 64\n\
        for line in sys.stdin:\n\
        \x20   record = json.loads(line); given = record.pop('hash')\n\
        \x20   text = json.dumps(record, sort_keys=True, separators=(',', ':'), ensure_ascii=False)\n\
        \x20   assert record['prev'] == prev and hashlib.sha256(text.encode()).hexdigest() == given, line\n\
        \x20   prev = given\n";
    let mut python = Command::new("python3");
    let mut child = python.args(["-c", script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), exported.as_bytes()).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

fn somebody_was_at_the_pictures(site: &Site, files: &[PathBuf], ids: &[String]) {
    let (newest, before) = (ids.last().unwrap(), &ids[ids.len() - 2]);
    let changed = path_of(files, newest);
    let mut bytes = std::fs::read(&changed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&changed, &bytes).unwrap();
    std::fs::remove_file(path_of(files, before)).unwrap();
    let day = changed.parent().unwrap();
    let stranger = Uuid::from_u128(newest.parse::<Uuid>().unwrap().as_u128() ^ 1);
    std::fs::write(day.join(format!("{stranger}.jpg")), b"\xff\xd8\xff").unwrap();
    std::fs::write(site.data().join("evidence/tmp/half.jpg"), b"\xff\xd8\xff").unwrap();
    std::fs::write(day.join(format!("{OF_ANOTHER_DAY}.jpg")), b"\xff\xd8\xff").unwrap();
    std::fs::write(day.join("notes.txt"), b"").unwrap();
    let (code, said) = site.says(&["evidence", "fsck"]);
    assert_eq!(code, Some(1), "{said}");
    for told in [
        format!("{newest}: failed to seal or open"),
        format!("{before}: its file is gone"),
        format!("{stranger}.jpg: the index does not know it"),
        "half.jpg: it was left half written".to_owned(),
        format!("{OF_ANOTHER_DAY}.jpg: it is none of the agent's, and stays"),
        "notes.txt: it is none of the agent's, and stays".to_owned(),
    ] {
        assert!(said.contains(&told), "{told}: {said}");
    }
    let (code, said) = site.says(&["evidence", "fsck", "--repair"]);
    assert!(code == Some(1) && said.contains("4 wrong, 3 mended"), "{said}");
    let (code, said) = site.says(&["evidence", "fsck"]);
    assert!(code == Some(1) && said.contains("1 wrong, 0 mended"), "what was changed stays: {said}");
}

fn somebody_was_at_the_log(site: &Site, head: &str) {
    // One for each day: the test may begin before midnight and end after it.
    let files = curbwatch::audit::files(&site.data().join("audit")).unwrap();
    let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let write = |text: &dyn Fn(&str) -> String| {
        files.iter().zip(&texts).for_each(|(file, was)| std::fs::write(file, text(was)).unwrap());
    };
    assert!(texts.iter().any(|text| text.contains("pictures_deleted")));
    write(&|was| was.replacen("pictures_deleted", "pictures_adopted", 1));
    let (code, said) = site.says(&["audit", "verify"]);
    assert!(code == Some(1) && said.contains("was changed"), "{said}");
    write(&|_| String::new());
    let (code, said) = site.says(&["audit", "verify", "--head", head]);
    assert!(code == Some(1) && said.contains("is not in the chain"), "{said}");
    write(&str::to_owned);
    assert_eq!(site.says(&["audit", "verify", "--head", head]).0, Some(0));
}

fn the_key_is_told_nowhere(site: &Site) {
    fn look(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                look(&entry);
            } else {
                let bytes = std::fs::read(&entry).unwrap();
                assert!(!bytes.windows(16).any(|window| window == &KEY.as_bytes()[..16]), "{}", entry.display());
            }
        }
    }
    look(&site.data());
}
