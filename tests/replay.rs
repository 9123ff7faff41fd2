//! A recording through the engine: `curbwatch replay`, and what `curbwatch evaluate` says of it.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::cargo::cargo_bin_cmd;
use curbwatch::stage::{Footage, FrameSize, Scene, render, truth_path};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DWELL_SECS: u32 = 10;

/// A stall from second 5 to 35 of 50, the configuration for it, and a folder for what comes out.
struct Street {
    folder: tempfile::TempDir,
}

impl Street {
    fn staged() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
        let secs = Duration::from_secs;
        let size = FrameSize::try_new(640, 360).unwrap();
        let scene = Scene::quiet(secs(50)).with_stall(secs(5), secs(35)).with_format(size, 5);
        let video = folder.path().join("street.mp4");
        let truth = render(&scene, &footage, &video).unwrap();
        std::fs::write(truth_path(&video), serde_json::to_string(&truth).unwrap()).unwrap();
        let rule =
            json!({"id": "vending", "kind": "street_vending", "zones": ["carriageway"], "dwell_secs": DWELL_SECS});
        let config = json!({
            "agent": {"site": "suite", "id": "box"},
            "hub": {"host": "127.0.0.1"},
            "cameras": [{
                "id": "cam", "streams": {"detect": {"url": "rtsp://127.0.0.1/street"}}, "analysis": {"active": 1},
                "zones": truth.zones.iter().filter(|zone| zone.id == "carriageway").collect::<Vec<_>>(),
                "rules": [rule]
            }]
        });
        std::fs::write(folder.path().join("edge.yaml"), config.to_string()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The events of a replay with further arguments.
    fn replay(&self, out: &str, arguments: &[&str]) -> String {
        let mut command = cargo_bin_cmd!("curbwatch");
        command.arg("replay").arg(self.path("street.mp4")).arg("--config").arg(self.path("edge.yaml"));
        command.arg("--out").arg(self.path(out)).args(arguments).assert().success();
        std::fs::read_to_string(self.path(out)).unwrap()
    }

    fn evaluate(&self, events: &str) -> Value {
        let mut command = cargo_bin_cmd!("curbwatch");
        command.arg("evaluate").arg("--json").arg("--truth").arg(truth_path(&self.path("street.mp4")));
        let output = command.arg("--events").arg(self.path(events)).assert().success().get_output().stdout.clone();
        serde_json::from_slice(&output).unwrap()
    }
}

fn phases(events: &str) -> Vec<String> {
    let phase = |line: &str| serde_json::from_str::<Value>(line).unwrap()["data"]["phase"].as_str().unwrap().to_owned();
    events.lines().map(phase).collect()
}

#[test]
fn a_recording_gives_its_events_the_same_ones_each_time() {
    let street = Street::staged();
    let video = street.path("seen.mkv");
    let first = street.replay("first.jsonl", &["--video", video.to_str().unwrap()]);
    assert_eq!(phases(&first), ["opened", "closed"]);
    assert_eq!(first, street.replay("again.jsonl", &[]), "the same input gives the same bytes");
    let event: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    let at = |key: &str| event["data"]["timing"][key].as_str().unwrap().to_owned();
    assert!(at("first_seen").starts_with("2026-01-01T08:00:0"), "the recording's own clock: {}", at("first_seen"));
    assert!(is_matroska(&video));

    let score = street.evaluate("first.jsonl");
    assert_eq!((&score["total"]["recall"], &score["total"]["precision"]), (&json!(1.0), &json!(1.0)), "{score}");
    assert_eq!(score["kinds"]["street_vending"]["duplicates"], 0);

    // The camera is away in the middle and the agent starts anew while the stall stands: still one incident.
    let troubled = street.replay("troubled.jsonl", &["--gap", "20-24", "--restart", "27"]);
    assert_eq!(phases(&troubled), ["opened", "closed"]);
}

#[test]
fn a_trace_says_second_by_second_what_holds_a_rule_back() {
    let street = Street::staged();
    let trace = |arguments: &[&str]| {
        let mut command = cargo_bin_cmd!("curbwatch");
        command.args(["rules", "trace"]).arg(street.path("street.mp4")).arg("--config").arg(street.path("edge.yaml"));
        String::from_utf8(command.args(arguments).assert().success().get_output().stdout.clone()).unwrap()
    };
    let lines: Vec<Value> = trace(&["--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The reasons for the stall, each named once in a row, with the events in between.
    let mut course: Vec<String> = Vec::new();
    for line in &lines {
        let event = line["event"].as_str().map(str::to_owned);
        let codes = line["reasons"].as_array().into_iter().flatten();
        let codes = codes.map(|reason| reason["code"].as_str().unwrap().to_owned());
        let of_stall = ["nothing", "dwell", "reported", "clearing"];
        for word in event.into_iter().chain(codes.filter(|code| of_stall.contains(&code.as_str()))) {
            if course.last() != Some(&word) {
                course.push(word);
            }
        }
    }
    assert_eq!(course[..6], ["nothing", "dwell", "opened", "reported", "clearing", "closed"], "{course:?}");
    let words = trace(&["--every-second", "--rule", "vending"]);
    assert!(words.contains("of the dwell of 10.0 s") && words.contains("is reported as"), "{words}");
    let seconds = words.lines().filter(|line| line.contains(" s  vending  ")).count();
    assert!(seconds >= 50, "one a second at least: {seconds}");
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let camera = |id: &str| json!({"id": id, "streams": {"detect": {"url": "rtsp://127.0.0.1/street"}}});
    let site = json!({
        "agent": {"site": "suite", "id": "box"}, "hub": {"host": "127.0.0.1"}, "cameras": [camera("east"), camera("west")]
    });
    std::fs::write(path("edge.yaml"), site.to_string()).unwrap();
    std::fs::write(path("text.mp4"), "not a video").unwrap();
    let refusal = |file: &Path, camera: &[&str]| {
        let mut command = cargo_bin_cmd!("curbwatch");
        command.arg("replay").arg(file).arg("--config").arg(path("edge.yaml")).args(camera);
        String::from_utf8(command.assert().failure().get_output().stderr.clone()).unwrap()
    };
    let said = refusal(&path("text.mp4"), &[]);
    assert!(said.contains("--camera must be one of: east, west"), "{said}");
    let said = refusal(&path("text.mp4"), &["--camera", "west"]);
    assert!(said.contains("failed to decode the recording") && said.contains("text.mp4"), "{said}");
    let said = refusal(&path("absent.mp4"), &["--camera", "west"]);
    assert!(said.contains("failed to open the recording") && said.contains("absent.mp4"), "{said}");
}

/// Whether a file begins as EBML does and holds pictures.
fn is_matroska(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) && bytes.len() > 100_000
}
