//! A browser's side of HTTP/1.1, down to the headers that a hostile page would forge.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Somebody at a console.
pub struct Browser {
    at: SocketAddr,
    pub cookie: Option<String>,
    pub csrf: Option<String>,
}

impl Browser {
    pub fn new(at: SocketAddr) -> Self {
        Self { at, cookie: None, csrf: None }
    }

    /// One request with exactly these headers.
    pub fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(self.at)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n\r\n"]);
        stream.write_all(head.as_bytes())?;
        // A server that refuses a long body does not read it to its end.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        if bytes.is_empty() {
            read?;
        }
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Ok(Answer { status, headers, body: bytes[end + 4..].to_vec() })
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let cookie = self.cookie.clone().map(|cookie| ("Cookie", cookie));
        let csrf = self.csrf.clone().map(|csrf| ("X-Curbwatch-Csrf", csrf));
        [("Host", self.at.to_string())].into_iter().chain(cookie).chain(csrf).collect()
    }

    pub fn get(&self, path: &str) -> Answer {
        let headers = self.headers();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.raw("GET", path, &headers, b"").unwrap()
    }

    /// Sends JSON as the page does; `more` replaces headers of the same name.
    pub fn send(&self, method: &str, path: &str, body: &Value, more: &[(&'static str, &str)]) -> Answer {
        let mut headers = self.headers();
        headers.push(("Content-Type", "application/json".to_owned()));
        headers.push(("Origin", format!("http://{}", self.at)));
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let headers: Vec<_> = headers
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.raw(method, path, &headers, body.to_string().as_bytes()).unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body, &[])
    }

    /// Takes the token against forged requests, as the page does when it is loaded.
    pub fn open(&mut self) -> Value {
        let session = self.get("/console/api/session").json();
        self.csrf = session["csrf"].as_str().map(str::to_owned);
        session
    }
}
