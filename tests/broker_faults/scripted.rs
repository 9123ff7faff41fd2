//! A broker of a few lines that does what mosquitto cannot be made to do: it answers by a script, falls silent, or reads slowly.
//!
//! MQTT 5 (OASIS, 2019), as far as an agent that publishes needs it; every packet it gets is well-formed, or it panics.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Time within which what a test waits for must happen.
const LIMIT: Duration = Duration::from_mins(1);

/// What is done about a PUBLISH of `QoS` 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// PUBACK with this reason code.
    Ack(u8),
    /// DISCONNECT with this reason code, and the connection is closed.
    Kick(u8),
    /// From here on nothing is read or answered, and the connection stays.
    FallSilent,
}

/// What the broker says of itself in CONNACK, and how it reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    pub receive_max: Option<u16>,
    pub max_packet_bytes: Option<u32>,
    /// It rests for so long after each KiB.
    pub rest_per_kib: Duration,
}

/// A PUBLISH as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Which connection, from 1.
    pub connection: usize,
    pub topic: String,
    pub payload: Vec<u8>,
}

impl Published {
    /// The sequence, if it is an incident event.
    pub fn sequence(&self) -> Option<u64> {
        let event: Value = serde_json::from_slice(&self.payload).ok()?;
        event.get("sequence")?.as_str()?.parse().ok()
    }
}

type Script = dyn Fn(&Published) -> Answer + Send + Sync;

/// The broker; its threads end with the test.
pub struct Scripted {
    port: u16,
    heard: Arc<(Mutex<Vec<Published>>, Condvar)>,
}

impl Scripted {
    /// Listens; `manners` are those of each connection by its number, from 1.
    pub fn start(
        manners: impl Fn(usize) -> Manners + Send + 'static,
        script: impl Fn(&Published) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<(Mutex<Vec<Published>>, Condvar)>::default();
        let (script, ears): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&heard));
        spawn(move || {
            for (connection, stream) in (1..).zip(listener.incoming().map_while(Result::ok)) {
                let (script, heard, manners) = (Arc::clone(&script), Arc::clone(&ears), manners(connection));
                spawn(move || drop(serve(stream, connection, manners, &*script, &heard)));
            }
        });
        Self { port, heard }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The incident events that came so far, refused ones included: connection and sequence.
    pub fn events(&self) -> Vec<(usize, u64)> {
        let heard = self.heard.0.lock().unwrap();
        heard.iter().filter_map(|publish| Some((publish.connection, publish.sequence()?))).collect()
    }

    /// Waits until what came is as wanted.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&[Published]) -> bool) {
        let (heard, grown) = &*self.heard;
        let guard = heard.lock().unwrap();
        let (guard, waited) = grown.wait_timeout_while(guard, LIMIT, |heard| !condition(heard)).unwrap();
        let topics: Vec<_> = guard.iter().map(|publish| (publish.connection, &publish.topic)).collect();
        assert!(!waited.timed_out(), "waited in vain: {what}; {topics:?}");
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("scripted-broker".to_owned()).spawn(work).unwrap();
}

/// A connection, until either side ends it.
fn serve(
    mut stream: TcpStream,
    connection: usize,
    manners: Manners,
    script: &Script,
    heard: &(Mutex<Vec<Published>>, Condvar),
) -> std::io::Result<()> {
    loop {
        let (kind, body) = packet(&mut stream, manners.rest_per_kib)?;
        match kind >> 4 {
            // CONNECT
            1 => stream.write_all(&connack(manners))?,
            // PUBLISH
            3 => {
                let (packet_id, publish) = publish(connection, kind, &body);
                let answer = script(&publish);
                heard.0.lock().unwrap().push(publish);
                heard.1.notify_all();
                let Some([high, low]) = packet_id else { continue };
                match answer {
                    Answer::Ack(0) => stream.write_all(&[0x40, 2, high, low])?,
                    Answer::Ack(reason) => stream.write_all(&[0x40, 4, high, low, reason, 0])?,
                    Answer::Kick(reason) => {
                        stream.write_all(&[0xe0, 2, reason, 0])?;
                        return stream.shutdown(Shutdown::Both);
                    }
                    Answer::FallSilent => loop {
                        std::thread::park();
                    },
                }
            }
            // SUBSCRIBE: no topic is refused; the agent asks for two in one packet.
            8 => stream.write_all(&[0x90, 5, body[0], body[1], 0, 1, 1])?,
            // PINGREQ
            12 => stream.write_all(&[0xd0, 0])?,
            // DISCONNECT
            14 => return Ok(()),
            other => panic!("packet of kind {other}"),
        }
    }
}

/// The first byte and what follows the length (1.5.5, 2.1).
fn packet(stream: &mut TcpStream, rest_per_kib: Duration) -> std::io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let (kind, mut length, mut shift) = (byte[0], 0usize, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    for part in body.chunks_mut(1024) {
        stream.read_exact(part)?;
        if !rest_per_kib.is_zero() {
            std::thread::park_timeout(rest_per_kib);
        }
    }
    Ok((kind, body))
}

/// CONNACK with the properties Receive Maximum (0x21) and Maximum Packet Size (0x27).
fn connack(manners: Manners) -> Vec<u8> {
    let mut properties = Vec::new();
    if let Some(receive_max) = manners.receive_max {
        properties.push(0x21);
        properties.extend(receive_max.to_be_bytes());
    }
    if let Some(bytes) = manners.max_packet_bytes {
        properties.push(0x27);
        properties.extend(bytes.to_be_bytes());
    }
    let mut packet = vec![0x20, 3 + properties.len() as u8, 0, 0, properties.len() as u8];
    packet.extend(properties);
    packet
}

/// The packet id, of `QoS` 1, and what is published (3.3).
fn publish(connection: usize, kind: u8, body: &[u8]) -> (Option<[u8; 2]>, Published) {
    let (length, rest) = body.split_at(2);
    let (topic, mut rest) = rest.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
    let mut packet_id = None;
    if kind & 0b110 != 0 {
        packet_id = Some([rest[0], rest[1]]);
        rest = &rest[2..];
    }
    assert!(rest[0] < 0x80, "properties of more than 127 bytes");
    let payload = rest[1 + usize::from(rest[0])..].to_vec();
    (packet_id, Published { connection, topic: String::from_utf8(topic.to_vec()).unwrap(), payload })
}
