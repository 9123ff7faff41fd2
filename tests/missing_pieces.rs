//! An agent to which things are missing runs, says what is missing, and goes on trying.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/contract.rs"]
mod contract;
#[expect(dead_code, reason = "this test neither reloads the broker nor reads its log")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use agent::Agent;
use contract::Wire;
use curbwatch::contract::{AgentState, CameraState};
use curbwatch::hub::{Content, HubMessage, Sight, WatchSettings, Watcher};
use curbwatch::ids::Name;
use mosquitto::Mosquitto;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The hub hears of health every 10 s.
const SILENCE: Duration = Duration::from_mins(1);
/// Messages after which the test gives up.
const PATIENCE: usize = 100;

/// Reads the hub's messages until one gives what is wanted.
fn wait_for<T>(hub: &Watcher, what: &str, mut find: impl FnMut(&HubMessage) -> Option<T>) -> T {
    for _ in 0..PATIENCE {
        match hub.next(SILENCE).unwrap_or_else(|| panic!("silence while waiting for {what}")) {
            Sight::Message(message) => {
                if let Some(found) = find(&message) {
                    return found;
                }
            }
            Sight::Connected | Sight::Disconnected { .. } => {}
        }
    }
    panic!("gave up waiting for {what}")
}

/// Where the agent serves its metrics; it says so in its log, which is read to the end.
fn web_address(log: ChildStderr) -> String {
    let (tell, told) = mpsc::sync_channel(1);
    let read = move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if let Some((address, _)) =
                line.split_once("metrics are served at http://").and_then(|(_, rest)| rest.split_once("/console/"))
            {
                // Nobody listens any more once the test is over.
                let _ = tell.try_send(address.to_owned());
            }
        }
    };
    std::thread::Builder::new().name("agent-log".to_owned()).spawn(read).unwrap();
    told.recv_timeout(SILENCE).expect("metrics are served")
}

/// Status and body of a page.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn broker_camera_and_model_may_come_later() {
    let mut broker = Mosquitto::reserve("allow_anonymous true");
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("detector.yaml");
    let text = include_str!("../models/yolov4-tiny-416.yaml");
    std::fs::write(&manifest, text.replace("file: model.onnx", "file: not-there-yet.onnx")).unwrap();
    let config = folder.path().join("edge.yaml");
    let site = serde_json::json!({
        "agent": {"site": "test", "id": "box-1", "data_dir": folder.path().join("data")},
        "hub": {"host": "127.0.0.1", "port": broker.port()},
        "model": {"manifest": manifest, "runners": 1},
        "web": {"listen": "127.0.0.1:0"},
        // Port 1 of the loopback: nothing listens there.
        "cameras": [{"id": "absent", "streams": {"detect": {"url": "rtsp://127.0.0.1:1/stream"}},
            "zones": [{"id": "road", "polygon": [[0, 0], [1, 0], [1, 1]]}],
            "rules": [{"id": "parking", "kind": "vehicle_parking", "zones": ["road"]}]},
            {"id": "wrong", "streams": {"detect": {"url": "not a URL"}}}],
    });
    std::fs::write(&config, site.to_string()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
        .args(["run", "--config"])
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let web = web_address(child.stderr.take().unwrap());
    let mut agent = Agent(child);

    broker.start();
    let wire = Wire::listen(&broker);
    let prefix = Name::try_new("curbwatch").unwrap();
    let settings =
        WatchSettings { host: "127.0.0.1".into(), port: broker.port(), prefix, credentials: None, tls: None };
    let hub = Watcher::start(settings).unwrap();
    // In whatever order they come.
    let mut cameras = BTreeMap::new();
    let (set_aside, camera) = wait_for(&hub, "the states of both cameras", |message| {
        let Content::CameraStatus(status) = &message.content else { return None };
        if status.state != CameraState::Connecting {
            cameras.insert(status.camera.to_string(), status.clone());
        }
        Some((cameras.get("wrong")?.clone(), cameras.get("absent")?.clone()))
    });
    assert_eq!(set_aside.state, CameraState::Disabled);
    assert!(set_aside.reason.unwrap().contains("1 mistake"));
    assert_eq!(camera.state, CameraState::Offline);
    assert_eq!(camera.reason.as_deref(), Some("the camera refuses connections"));
    let model = wait_for(&hub, "the model's absence", |message| {
        let Content::Health(health) = &message.content else { return None };
        let is_loading = health.model.reason.as_deref() == Some("the model is being loaded");
        (!is_loading).then(|| health.model.clone())
    });
    assert!(!model.is_loaded);
    assert!(model.reason.as_ref().unwrap().contains("not-there-yet.onnx"), "{model:?}");
    let (status, why) = get(&web, "/ready");
    assert_eq!(status, 503);
    assert!(why.contains("not-there-yet.onnx"), "{why}");
    assert_eq!(get(&web, "/live").0, 200);
    let (_, metrics) = get(&web, "/metrics");
    for line in [
        "curbwatch_camera_state{camera=\"absent\",state=\"offline\"} 1.0",
        "curbwatch_model_loaded{} 0.0",
        "curbwatch_hub_connects_total{} 1",
        "curbwatch_event_stage_total{stage=\"error_check\",outcome=\"stopped\"} 0",
        "curbwatch_hub_alarm{alarm=\"quota\"} 0.0",
    ] {
        assert!(metrics.lines().any(|metric| metric == line), "{line} in {metrics}");
    }

    let manifest = curbwatch::install::manifest("yolov4-tiny-416").unwrap();
    let installed = curbwatch::install::model_file(&manifest).unwrap();
    std::fs::copy(installed, folder.path().join("not-there-yet.onnx")).unwrap();
    let models = wait_for(&hub, "the model", |message| {
        let Content::Birth(birth) = &message.content else { return None };
        (!birth.models.is_empty()).then(|| birth.models.clone())
    });
    assert_eq!(models[0].name, "yolov4-tiny-416");

    agent.stop();
    wait_for(&hub, "the farewell", |message| {
        let Content::Status(status) = &message.content else { return None };
        (status.status == AgentState::Offline).then_some(())
    });
    let seen = wire.judge();
    for message in ["birth", "camera-status", "health", "status"] {
        assert!(seen.contains(message), "{message} in {seen:?}");
    }
}
