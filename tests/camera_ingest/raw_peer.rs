//! A peer on a raw socket that gives every request the same answer: what no real server can be made to do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A listening peer; it stops when dropped.
pub struct RawPeer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RawPeer {
    /// Listens on a free port. One connection is served at a time, until its client hangs up.
    pub fn start(reply: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("test-raw-peer".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Ok(client) = client {
                        answer(client, reply);
                    }
                }
            })
            .expect("a thread starts");
        Self { address, stop, thread: Some(thread) }
    }

    /// Where a client would look for a stream.
    pub fn url(&self) -> String {
        format!("rtsp://{}/live", self.address)
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the peer's thread ends");
        }
    }
}

/// Answers until the client hangs up, or an answer cannot be sent.
fn answer(mut client: TcpStream, reply: &str) {
    let mut request = [0; 4096];
    while client.read(&mut request).is_ok_and(|count| count > 0) {
        if client.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}
