//! A real mosquitto on a free loopback port, which tests start, kill and restart.
//!
//! A test file that uses only a part says so: `#[expect(dead_code, reason = "..")] mod mosquitto;`.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Time within which the broker must do what a test waits for.
const LIMIT: Duration = Duration::from_secs(20);

/// A broker; killed when dropped.
pub struct Mosquitto {
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Mosquitto {
    /// A broker that is not running yet. `config` is added to its configuration file; `{folder}` in it stands for
    /// [`Self::folder`].
    pub fn reserve(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = config.replace("{folder}", folder.path().to_str().unwrap());
        let text = format!("user root\nlistener {port} 127.0.0.1\npersistence false\nlog_type all\n{config}\n");
        std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        Self { folder, port, child: None, log: Arc::default() }
    }

    /// A running broker that takes everyone.
    pub fn anonymous() -> Self {
        let mut broker = Self::reserve("allow_anonymous true");
        broker.start();
        broker
    }

    /// The folder of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "already running");
        let mut child = Command::new(program())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto is installed");
        let output = BufReader::new(child.stderr.take().unwrap());
        let (log, already) = (Arc::clone(&self.log), self.seen("running"));
        std::thread::Builder::new()
            .name("mosquitto-log".to_owned())
            .spawn(move || {
                for line in output.lines().map_while(Result::ok) {
                    log.lines.lock().unwrap().push(line);
                    log.grown.notify_all();
                }
            })
            .unwrap();
        self.child = Some(child);
        self.wait_for("running", already + 1);
    }

    /// SIGKILL: nothing is saved, no connection is closed in order.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Makes it read its access rules again (SIGHUP).
    pub fn reload(&self) {
        let before = self.seen("Reloading config");
        let pid = self.child.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        self.wait_for("Reloading config", before + 1);
    }

    /// Waits until so many lines of its log contain `text`.
    pub fn wait_for(&self, text: &str, count: usize) {
        let lines = self.log.lines.lock().unwrap();
        let found = |lines: &mut Vec<String>| lines.iter().filter(|line| line.contains(text)).count() < count;
        let (lines, waited) = self.log.grown.wait_timeout_while(lines, LIMIT, found).unwrap();
        assert!(!waited.timed_out(), "mosquitto did not say \"{text}\" {count} times: {lines:#?}");
    }

    /// How many lines of its log contain `text`.
    pub fn seen(&self, text: &str) -> usize {
        self.log.lines.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// The broker never had to complain about what it was sent.
    pub fn assert_no_protocol_error(&self) {
        for complaint in ["protocol error", "malformed", "Protocol error", "Malformed", "invalid"] {
            assert_eq!(self.seen(complaint), 0, "{:#?}", self.log.lines.lock().unwrap());
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian puts it where an unprivileged user's path does not lead.
fn program() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/mosquitto");
    if usual.exists() { usual } else { PathBuf::from("mosquitto") }
}
