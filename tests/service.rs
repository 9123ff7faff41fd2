//! As a service: the manager hears that the agent is ready, alive and stopping; the unit that is shipped confines it.
#[path = "common/agent.rs"]
mod agent;

use agent::Agent;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The agent tells how it is every 10 s.
const SILENCE: Duration = Duration::from_mins(1);
/// What `systemd-analyze security` may find, of 10.
const MOST_EXPOSURE: f64 = 2.0;

/// The variables of each message, until one has what is wanted.
fn hear(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let mut message = [0; 4096];
        let size = manager.recv(&mut message).unwrap_or_else(|_| panic!("never heard {wanted}, but {heard:?}"));
        heard.extend(String::from_utf8_lossy(&message[..size]).lines().map(str::to_owned));
        if heard.iter().any(|line| line == wanted) {
            return heard;
        }
    }
}

#[test]
fn the_manager_hears_that_the_agent_is_ready_alive_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(SILENCE)).unwrap();
    let config = folder.path().join("curbwatch.yaml");
    let data = folder.path().join("data");
    // Nothing answers at these addresses (RFC 5737): an agent that has no broker and no camera gets on all the same.
    let text = format!(
        "agent: {{id: box, site: test, data_dir: {}}}\nhub: {{host: 192.0.2.1}}\nweb: {{enabled: false}}\ncameras:\n  - id: east\n    streams: {{detect: {{url: 'rtsp://192.0.2.2/'}}}}\n",
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut agent = Agent(
        Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .args(["run", "--config"])
            .arg(&config)
            .env("NOTIFY_SOCKET", &socket)
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    hear(&manager, "READY=1");
    let heard = hear(&manager, "WATCHDOG=1");
    assert!(heard.contains(&"STATUS=0 of 1 cameras online".to_owned()), "{heard:?}");
    agent.stop();
    hear(&manager, "STOPPING=1");
}

#[test]
fn the_unit_is_right_and_exposes_little() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/curbwatch.service");
    let Ok(judged) = Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(&unit).output() else {
        eprintln!("systemd-analyze is not installed: the unit is not judged");
        return;
    };
    let report = String::from_utf8_lossy(&judged.stdout);
    let overall = report.lines().find_map(|line| line.split_once("exposure level for curbwatch.service: "));
    let exposure: f64 = overall.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok()).unwrap();
    assert!(exposure <= MOST_EXPOSURE, "{report}");
}
