//! The console over a real socket, with the agent behind it.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
#[path = "../common/agent.rs"]
mod agent;
mod browser;
mod street;

use agent::Agent;
use browser::Browser;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Attempts until a condition must hold, and the pause between two.
const ATTEMPTS: usize = 1200;
const PAUSE: Duration = Duration::from_millis(100);

/// An address at which nobody listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Starts an agent, whose console listens at `at`, and waits until it does.
fn start(config: &Path, at: SocketAddr) -> (Agent, Browser) {
    let log = std::fs::File::create(config.with_extension("log")).unwrap();
    let agent = Agent(
        Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .args(["run", "--config"])
            .arg(config)
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap(),
    );
    let browser = Browser::new(at);
    until("the console listens", || browser.raw("GET", "/live", &[("Host", "localhost")], b"").ok());
    (agent, browser)
}

/// Tries until there is something.
fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..ATTEMPTS {
        if let Some(found) = attempt() {
            return found;
        }
        std::thread::park_timeout(PAUSE);
    }
    panic!("gave up waiting: {what}");
}
