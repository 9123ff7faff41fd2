//! Everything that goes over a broker, heard by mosquitto's own client and held against the committed contract: `docs/asyncapi.json` says
//! which message belongs on which topic, `docs/schemas/` what it may be. Nothing of the program has a part in the judgement.

use crate::mosquitto::Mosquitto;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An ear on everything.
pub struct Wire {
    child: Child,
    reader: std::thread::JoinHandle<Vec<(String, Vec<u8>)>>,
}

impl Wire {
    /// Listens from here on; what is retained comes too.
    pub fn listen(broker: &Mosquitto) -> Self {
        let (port, before) = (broker.port().to_string(), broker.seen("Sending SUBACK to wire"));
        let mut child = Command::new("mosquitto_sub")
            .args(["-p", &port, "-V", "5", "-q", "1", "-i", "wire", "-t", "#", "-F", "%t %x"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = move || lines.map_while(Result::ok).filter_map(|line| message_of(&line)).collect();
        let reader = std::thread::Builder::new().name("wire".to_owned()).spawn(heard).unwrap();
        broker.wait_for("Sending SUBACK to wire", before + 1);
        Self { child, reader }
    }

    /// Ends listening and judges each message; returns which messages were heard. Call it once a message that was sent last has been seen by
    /// a later subscriber.
    pub fn judge(mut self) -> BTreeSet<String> {
        // mosquitto_sub prints what it has received before it ends.
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap();
        let (published, mut seen) = (Published::read(), BTreeSet::new());
        for (topic, payload) in self.reader.join().unwrap() {
            match published.judge(&topic, &payload) {
                Ok(message) => drop(seen.insert(message)),
                Err(mistake) => panic!("{topic}: {mistake}\n{}", String::from_utf8_lossy(&payload)),
            }
        }
        seen
    }
}

fn message_of(line: &str) -> Option<(String, Vec<u8>)> {
    let (topic, hex) = line.rsplit_once(' ')?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    Some((topic.to_owned(), bytes?))
}

/// The contract as it is committed.
struct Published {
    /// Levels of each topic below the prefix, the message, and its content type.
    channels: Vec<(Vec<String>, String, String)>,
    schemas: BTreeMap<String, jsonschema::Validator>,
}

impl Published {
    fn read() -> Self {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let json = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let document = json(&docs.join("asyncapi.json"));
        let channels = document["channels"].as_object().unwrap().values().map(|channel| {
            // Of the forms of the hub's messages the plain one: no test with this ear signs.
            let message = channel["messages"].as_object().unwrap().keys().next().unwrap().clone();
            let levels: Vec<String> = channel["address"].as_str().unwrap().split('/').map(str::to_owned).collect();
            let content_type = document["components"]["messages"][&message]["contentType"].as_str().unwrap().to_owned();
            (levels, message, content_type)
        });
        let mut channels: Vec<_> = channels.collect();
        // The one with the most fixed levels is meant.
        channels.sort_by_key(|(levels, _, _)| levels.iter().filter(|level| level.starts_with('{')).count());
        let mut schemas = BTreeMap::new();
        for (_, message, content_type) in &channels {
            if content_type != "image/jpeg" {
                let schema = json(&docs.join(format!("schemas/{message}.schema.json")));
                let options = jsonschema::draft202012::options().should_validate_formats(true);
                schemas.insert(message.clone(), options.build(&schema).unwrap());
            }
        }
        Self { channels, schemas }
    }

    fn judge(&self, topic: &str, payload: &[u8]) -> Result<String, String> {
        let levels: Vec<&str> = topic.split('/').collect();
        let fits = |address: &[String]| {
            address.len() == levels.len()
                && address.iter().zip(&levels).all(|(level, is)| level.starts_with('{') || level == is)
        };
        let channel = self.channels.iter().find(|(address, _, _)| fits(address));
        let (_, message, content_type) = channel.ok_or("no such topic is in the contract")?;
        if content_type == "image/jpeg" {
            let is_jpeg = payload.starts_with(&[0xff, 0xd8, 0xff]);
            return is_jpeg.then(|| message.clone()).ok_or_else(|| "it is no JPEG".to_owned());
        }
        if payload.is_empty() && message == "active" {
            return Ok(message.clone());
        }
        let value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        match self.schemas[message].iter_errors(&value).next() {
            None => Ok(message.clone()),
            Some(mistake) => Err(format!("{mistake} at {}", mistake.instance_path())),
        }
    }
}

#[test]
fn what_the_contract_does_not_know_is_found() {
    let (published, base) = (Published::read(), "curbwatch/v1/s/a");
    let judge = |topic: &str, payload: &str| published.judge(&format!("{base}/{topic}"), payload.as_bytes());
    let heartbeat = r#"{"session": 1, "time": "2026-11-22T08:00:00.000+08:00"}"#;
    assert_eq!(judge("heartbeat", heartbeat).as_deref(), Ok("heartbeat"));
    assert!(judge("heartbeats", heartbeat).is_err());
    assert!(judge("heartbeat", r#"{"session": "one"}"#).is_err());
    assert!(judge("evidence/snapshot/1", "no picture").is_err());
    assert_eq!(judge("camera/c/active/r", "").as_deref(), Ok("active"));
    assert!(judge("camera/c/status", "").is_err());
}
