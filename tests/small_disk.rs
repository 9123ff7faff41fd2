//! A real disk that is full: what was found waits, nothing is lost, and all of it arrives once there is room.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "common/recorded.rs"]
mod recorded;

use curbwatch::clock::{Clocks, Mono};
use curbwatch::config::Config;
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher};
use curbwatch::incident::Phase;
use curbwatch::picture::PictureState;
use mosquitto::Mosquitto;
use recorded::{Agent, finding, name};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Names the folder for a process that is to be the agent.
const ENVIRONMENT: &str = "CURBWATCH_SMALL_DISK";
const LIMIT: Duration = Duration::from_secs(30);
const FINDINGS: usize = 200;

/// Whether a process may mount something of its own here; some containers forbid it, to root too.
fn may_mount(folder: &Path) -> bool {
    let mount = ["--mount", "--map-root-user", "mount", "-t", "tmpfs", "small"];
    Command::new("unshare").args(mount).arg(folder).status().expect("unshare is part of every Debian").success()
}

/// The test runs itself once more, in a mount namespace of its own with a disk of sixteen mebibytes.
#[test]
fn what_is_found_while_the_disk_is_full_arrives_once_there_is_room() {
    if let Some(disk) = std::env::var_os(ENVIRONMENT) {
        return with_a_full_disk(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    if !may_mount(disk.path()) {
        println!("not run: this system lets nobody mount a small disk");
        return;
    }
    let script = "mount -t tmpfs -o size=16m small \"$1\" && exec \"$2\" --exact \"$3\" --nocapture";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .arg("what_is_found_while_the_disk_is_full_arrives_once_there_is_room")
        .env(ENVIRONMENT, disk.path())
        .output()
        .expect("unshare is part of every Debian");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn config(port: u16) -> Config {
    let site = json!({
        "agent": {"site": "s", "id": "box"}, "hub": {"host": "127.0.0.1", "port": port},
        "cameras": [{
            "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        }]
    });
    serde_json::from_value(site).unwrap()
}

fn with_a_full_disk(disk: &Path) {
    let broker = Mosquitto::anonymous();
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    let mut agent = Agent::new(disk, config(broker.port()));
    let findings: Vec<_> = (0..FINDINGS)
        .map(|_| {
            let incident = agent.incident();
            finding(0, Phase::Opened, &incident, PictureState::Ok)
        })
        .collect();
    let ballast = disk.join("ballast");
    fill(&ballast);
    std::thread::scope(|scope| {
        let recorder = scope.spawn(|| agent.record(findings));
        // It has stopped: for longer than a write takes nothing was recorded.
        let mut before = usize::MAX;
        wait_until(&*agent.clocks, || {
            std::thread::park_timeout(Duration::from_millis(500));
            let now = agent.recorded.load(Ordering::SeqCst);
            std::mem::replace(&mut before, now) == now
        });
        assert!(before < FINDINGS, "the disk was not full");
        std::fs::remove_file(&ballast).unwrap();
        recorder.join().unwrap();
    });
    let mut sequences = Vec::new();
    while sequences.len() < FINDINGS {
        match hub.next(LIMIT).expect("every event arrives") {
            Sight::Message(message) => {
                if let Content::Incident(event) = message.content {
                    sequences.push(event.sequence.0);
                }
            }
            Sight::Connected => {}
            Sight::Disconnected { reason } => panic!("{reason}"),
        }
    }
    sequences.dedup();
    assert_eq!(sequences, (1..=FINDINGS as u64).collect::<Vec<_>>());
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

fn wait_until(clocks: &dyn Clocks, mut condition: impl FnMut() -> bool) {
    let until = Mono(clocks.mono().0 + LIMIT);
    while !condition() {
        assert!(clocks.mono() < until, "waited in vain");
    }
}
