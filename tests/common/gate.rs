//! A TCP gate in front of a server: open, shut, or cut in the middle of everything.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Forwards connections to a port of the loopback while it is open.
pub struct Gate {
    port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    open: AtomicBool,
    /// Bytes that may still go towards the server before the gate cuts by itself.
    allowance: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

impl Gate {
    /// A gate that is shut.
    pub fn shut(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            target,
            open: AtomicBool::new(false),
            allowance: AtomicUsize::new(usize::MAX),
            streams: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        spawn("gate", move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.open.load(Ordering::SeqCst)
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", accepting.target))
                {
                    accepting.join(&client, &server);
                }
            }
        });
        Self { port, state }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets connections through from now on.
    pub fn open(&self) {
        self.state.allowance.store(usize::MAX, Ordering::SeqCst);
        self.state.open.store(true, Ordering::SeqCst);
    }

    /// Lets so many more bytes through towards the server, then cuts and stays shut.
    pub fn cut_after(&self, bytes: usize) {
        self.state.allowance.store(bytes, Ordering::SeqCst);
    }

    /// Cuts every connection and stays shut.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Whether connections are let through.
    pub fn is_open(&self) -> bool {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl State {
    fn join(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        for (from, to, counted) in [(client, server, true), (server, client, false)] {
            self.streams.lock().unwrap().push(from.try_clone().unwrap());
            let (from, to, state) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(self));
            spawn("gate-copy", move || {
                state.copy(from, &to, counted);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: &TcpStream, counted: bool) {
        let mut buffer = [0; 1500];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let spend = |left: usize| left.checked_sub(length);
            if counted && self.allowance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).is_err() {
                return self.cut();
            }
            if to.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    }

    fn cut(&self) {
        self.open.store(false, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
}
