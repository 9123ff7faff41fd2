//! A camera on a raw socket that misbehaves as it is told: what no real server can be made to do.
//!
//! It speaks as much RTSP (RFC 2326) as a client needs to play one video, interleaved or over UDP.

use crate::clips::{Clip, Clips, Coding};
use crate::media::Feed;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How requests are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// As a camera does.
    Proper,
    /// Not at all.
    None,
    /// All alike; `{cseq}` and `{url}` stand for those of the request.
    Always(String),
    /// As a camera does, a byte every 200 ms.
    Dripping,
    /// DESCRIBE with the first half of the description, whose full length was announced.
    HalfDescribed,
}

/// What is sent once a client plays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Media {
    Clean,
    /// Nothing, while the connection stands.
    Nothing,
    /// The connection is cut in the middle of a packet.
    Cut,
    /// A new source whose times begin with zero, as after a reboot, within the connection.
    NewSource,
    /// Times jump by 1000 s, forth and back, every half second.
    TimesBackAndForth,
    /// A share of the packets is lost.
    Lossy(f64),
    /// Bytes inside the coded pictures are wrong.
    Corrupt,
    /// Pictures without the parameter sets that they need.
    NoParameterSets,
    /// No picture with which decoding can begin.
    NoKeyFrames,
    /// One key frame at most: the clip with the long group, from where it is.
    LongGroup,
    /// Bytes that are neither RTSP nor RTP.
    Garbage,
    /// Two hundred pictures per second.
    Flood,
    /// Pictures of another size.
    OtherSize,
    /// Pictures of another codec, announced as before.
    OtherCodec,
}

/// A listening peer; it stops when dropped.
pub struct Peer {
    port: u16,
    shared: Arc<Shared>,
}

/// What all threads of a peer share.
pub struct Shared {
    pub clips: Arc<Clips>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    answers: Answers,
    media: Media,
    stopped: bool,
    connections: Vec<TcpStream>,
}

impl Peer {
    pub fn start(clips: &Arc<Clips>, answers: Answers, media: Media) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { answers, media, stopped: false, connections: Vec::new() };
        let shared = Arc::new(Shared { clips: Arc::clone(clips), state: Mutex::new(state), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        spawn("peer", move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = serving.lock();
                if state.stopped {
                    return;
                }
                state.connections.push(client.try_clone().unwrap());
                drop(state);
                let shared = Arc::clone(&serving);
                spawn("peer-session", move || Session::new(client, shared).run());
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// Goes on as it is for so long.
    pub fn goes_on_for(&self, time: Duration) {
        self.shared.media_after(time);
    }

    pub fn set_answers(&self, answers: Answers) {
        self.shared.lock().answers = answers;
        self.shared.changed.notify_all();
    }

    pub fn set_media(&self, media: Media) {
        self.shared.lock().media = media;
        self.shared.changed.notify_all();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        for connection in state.connections.drain(..) {
            // It may have ended long ago.
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    /// Waits until `wait` is over or the peer has stopped, and returns what to send then; `None` if it has stopped.
    pub fn media_after(&self, wait: Duration) -> Option<Media> {
        let state = self.changed.wait_timeout_while(self.lock(), wait, |state| !state.stopped).unwrap().0;
        (!state.stopped).then_some(state.media)
    }

    fn answers(&self) -> Answers {
        self.lock().answers.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Where the media of a session go.
pub enum Way {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// Datagrams to the client; the socket of the reports is kept so that its port stays taken.
    Udp { media: UdpSocket, _reports: UdpSocket },
}

/// One connection.
struct Session {
    client: TcpStream,
    /// Answers and media take turns.
    writer: Arc<Mutex<TcpStream>>,
    shared: Arc<Shared>,
    way: Way,
}

impl Session {
    fn new(client: TcpStream, shared: Arc<Shared>) -> Self {
        let writer = Arc::new(Mutex::new(client.try_clone().unwrap()));
        Self { client, writer, shared, way: Way::Tcp }
    }

    fn run(mut self) {
        let mut lines = BufReader::new(self.client.try_clone().unwrap());
        while let Some(request) = Request::read(&mut lines) {
            let answers = self.shared.answers();
            let sent = match &answers {
                Answers::None => continue,
                Answers::Always(text) => {
                    self.send(text.replace("{cseq}", &request.cseq).replace("{url}", &request.url).as_bytes())
                }
                Answers::Proper => {
                    let answer = self.proper(&request);
                    self.send(answer.as_bytes())
                }
                Answers::Dripping => {
                    let answer = self.proper(&request);
                    self.drip(&answer)
                }
                Answers::HalfDescribed => {
                    let answer = self.proper(&request);
                    let length = if request.method == "DESCRIBE" { answer.len() / 2 } else { answer.len() };
                    self.send(&answer.as_bytes()[..length])
                }
            };
            if !sent {
                return;
            }
            if request.method == "PLAY" && answers != Answers::None {
                let way = std::mem::replace(&mut self.way, Way::Tcp);
                let feed = Feed::new(Arc::clone(&self.shared), Arc::clone(&self.writer), way);
                spawn("peer-media", move || feed.run());
            }
        }
    }

    /// What a camera answers.
    fn proper(&mut self, request: &Request) -> String {
        let head = format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\n", request.cseq);
        match request.method.as_str() {
            "OPTIONS" => head + "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
            "DESCRIBE" => {
                let text = description(&self.shared.clips.small);
                let (url, length) = (&request.url, text.len());
                format!(
                    "{head}Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{text}"
                )
            }
            "SETUP" => format!("{head}Session: 12345678\r\nTransport: {}\r\n\r\n", self.set_up(&request.transport)),
            _ => head + "Session: 12345678\r\n\r\n",
        }
    }

    /// Takes the transport that the client asks for.
    fn set_up(&mut self, wanted: &str) -> String {
        let Some(ports) = wanted.split("client_port=").nth(1) else {
            return "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned();
        };
        let ports = ports.split(';').next().unwrap();
        let client: u16 = ports.split('-').next().unwrap().parse().unwrap();
        let (media, reports) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        media.connect(("127.0.0.1", client)).unwrap();
        let own = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let transport = format!("RTP/AVP;unicast;client_port={ports};server_port={}-{}", own(&media), own(&reports));
        self.way = Way::Udp { media, _reports: reports };
        transport
    }

    fn send(&self, bytes: &[u8]) -> bool {
        self.writer.lock().unwrap().write_all(bytes).is_ok()
    }

    fn drip(&self, answer: &str) -> bool {
        answer.bytes().all(|byte| self.shared.media_after(Duration::from_millis(200)).is_some() && self.send(&[byte]))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.client.shutdown(Shutdown::Both);
    }
}

/// What a client wants.
struct Request {
    method: String,
    url: String,
    cseq: String,
    transport: String,
}

impl Request {
    /// The next request; skips the interleaved reports of the client. `None` at the end of the connection.
    fn read(from: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut request =
            Self { method: String::new(), url: String::new(), cseq: String::new(), transport: String::new() };
        loop {
            if from.fill_buf().ok()?.first() == Some(&b'$') && request.method.is_empty() {
                let mut header = [0; 4];
                std::io::Read::read_exact(from, &mut header).ok()?;
                let mut report = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
                std::io::Read::read_exact(from, &mut report).ok()?;
                continue;
            }
            let mut line = String::new();
            if from.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() && !request.method.is_empty() {
                return Some(request);
            }
            match line.split_once(": ") {
                Some(("CSeq", value)) => value.clone_into(&mut request.cseq),
                Some(("Transport", value)) => value.clone_into(&mut request.transport),
                Some(_) => {}
                None => {
                    let mut words = line.split(' ').map(str::to_owned);
                    (request.method, request.url) =
                        (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                }
            }
        }
    }
}

/// The session description (RFC 4566) of one video. Parameter sets are only in the stream.
fn description(clip: &Clip) -> String {
    let encoding = match clip.coding {
        Coding::H264 => "H264",
        Coding::H265 => "H265",
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=peer\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 {encoding}/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
    )
}

pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
}
