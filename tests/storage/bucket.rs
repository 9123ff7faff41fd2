//! A storage that takes objects by HTTP/1.1, and refuses them as a test tells it.

#[path = "../common/http.rs"]
mod http;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that came whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub status: u16,
}

#[derive(Default)]
struct State {
    script: VecDeque<u16>,
    usual: u16,
    requests: Vec<Request>,
}

/// The storage; it listens until the test ends.
pub struct Bucket {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Bucket {
    /// One that answers every request so.
    pub fn answering(status: u16) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), status)
    }

    /// A port at which nobody listens yet.
    pub fn reserve() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// One that takes everything, at a certain port.
    pub fn at(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).unwrap(), 200)
    }

    fn listen(listener: TcpListener, usual: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { usual, ..State::default() }));
        let shared = Arc::clone(&state);
        http::accept(listener, move |stream| serve(stream, &shared));
        Self { port, state }
    }

    /// What it answers to the next requests, one each.
    pub fn script(&self, statuses: impl IntoIterator<Item = u16>) {
        self.state.lock().unwrap().script.extend(statuses);
    }

    /// What it answers from now on.
    pub fn usually(&self, status: u16) {
        self.state.lock().unwrap().usual = status;
    }

    /// Every request that came whole.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Whether it has an object at this URL.
    pub fn has(&self, url: &str) -> bool {
        let taken = |request: &Request| request.status == 200 && url.ends_with(path(request));
        self.requests().iter().any(taken)
    }
}

/// The path of a request, without its query.
pub fn path(request: &Request) -> &str {
    request.line.split(' ').nth(1).unwrap().split('?').next().unwrap()
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let Some((line, headers)) = http::read_head(&mut reader)? else { return Ok(()) };
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body)?;
        // As some servers do, it repeats what it was asked.
        let text = format!("refused: {line}");
        let status = {
            let mut state = state.lock().unwrap();
            let status = state.script.pop_front().unwrap_or(state.usual);
            state.requests.push(Request { line, headers, body, status });
            status
        };
        let mut to = stream;
        write!(to, "HTTP/1.1 {status} Word\r\nContent-Length: {}\r\n\r\n{text}", text.len())?;
    }
}
