//! A platform that takes events by HTTP/1.1, and misbehaves as a test tells it.

#[path = "../common/http.rs"]
mod http;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the platform does with a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers with a status, further headers and a text.
    Answer(u16, &'static str, &'static str),
    /// Reads the request and says nothing more.
    Silence,
    /// Closes the connection when half of the body has come.
    CutInBody,
    /// Takes the message and closes the connection in the middle of the answer's head.
    CutInAnswer,
}

/// A request that came whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: serde_json::Value,
    /// What it was answered with; none if nothing.
    pub status: Option<u16>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Behaviour>,
    usual: Option<Behaviour>,
    requests: Vec<Request>,
    /// Connections on which nothing more is said.
    silent: Vec<TcpStream>,
}

/// The platform; it listens until the test ends.
pub struct Platform {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Platform {
    /// One that answers 200 to everything.
    pub fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// One that will listen at a port at which nobody listens yet.
    pub fn reserve() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// At a certain port.
    pub fn at(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).unwrap())
    }

    fn listen(listener: TcpListener) -> Self {
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(State::default())));
        let shared = Arc::clone(&state);
        http::accept(listener, move |stream| serve(stream, &shared));
        Self { port, state }
    }

    /// What it does with the next requests, one each; with the rest it does what it usually does.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.state.lock().unwrap().script.extend(behaviours);
    }

    /// What it does with a request for which there is no script.
    pub fn usually(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().usual = Some(behaviour);
    }

    /// Every request that came whole.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// What was taken, each message once, in the order in which it first was.
    pub fn taken(&self) -> Vec<serde_json::Value> {
        let mut taken: Vec<serde_json::Value> = Vec::new();
        for request in self.requests().into_iter().filter(|request| request.status.is_some_and(|status| status < 300)) {
            if taken.iter().all(|before| before["eventId"] != request.body["eventId"]) {
                taken.push(request.body);
            }
        }
        taken
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let Some((line, headers)) = http::read_head(&mut reader)? else { return Ok(()) };
        let behaviour = {
            let mut state = state.lock().unwrap();
            let usual = state.usual.clone().unwrap_or(Behaviour::Answer(200, "", "{\"code\": 0}"));
            state.script.pop_front().unwrap_or(usual)
        };
        let length: usize = headers["content-length"].parse().unwrap();
        if matches!(behaviour, Behaviour::CutInBody) {
            reader.read_exact(&mut vec![0; length / 2])?;
            return stream.shutdown(std::net::Shutdown::Both);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let status = match behaviour {
            Behaviour::Answer(status, ..) => Some(status),
            Behaviour::CutInAnswer => Some(200),
            Behaviour::Silence | Behaviour::CutInBody => None,
        };
        let body = serde_json::from_slice(&body).unwrap();
        state.lock().unwrap().requests.push(Request { line, headers, body, status });
        let mut to = stream;
        match behaviour {
            Behaviour::Answer(status, headers, text) => {
                let length = text.len();
                write!(to, "HTTP/1.1 {status} Word\r\n{headers}Content-Length: {length}\r\n\r\n{text}")?;
            }
            Behaviour::CutInAnswer => {
                write!(to, "HTTP/1.1 2")?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            Behaviour::Silence | Behaviour::CutInBody => {
                let kept = stream.try_clone()?;
                state.lock().unwrap().silent.push(kept);
                return Ok(());
            }
        }
    }
}
