//! Pictures are put into a storage, signed, and no event goes to the hub before its picture is there or given up.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod bucket;
#[expect(dead_code, reason = "this test never stops the broker")]
#[path = "../common/mosquitto.rs"]
mod mosquitto;
#[expect(dead_code, reason = "this test needs an agent and a hub")]
#[path = "../broker_outage/street.rs"]
mod street;

use bucket::{Bucket, path};
use curbwatch::clock::SystemClocks;
use curbwatch::config::StorageConfig;
use curbwatch::contract::{DeliveryVia, HttpHealth, HttpTroubleKind};
use curbwatch::courier::{Courier, CourierParts};
use curbwatch::hub::sha256_hex;
use curbwatch::incident::Phase;
use curbwatch::mqtt::BackOffSettings;
use curbwatch::store::{Adapters, Destination, RowId};
use jiff::tz::TimeZone;
use mosquitto::Mosquitto;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use street::{Agent, Hub};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// An agent whose pictures go to a storage.
struct Site {
    agent: Agent,
    courier: Option<Courier>,
}

impl Site {
    fn new(broker: &Mosquitto, storage: &Value) -> Self {
        let mut agent = Agent::new(broker.port());
        let config: StorageConfig = serde_json::from_value(storage.clone()).unwrap();
        agent.store.lock().set_adapters(Adapters { storage: true, ..Adapters::default() }).unwrap();
        agent.storage = Some(config);
        let mut new = Self { agent, courier: None };
        new.deliver();
        new
    }

    /// Begins to put pictures.
    fn deliver(&mut self) {
        let link = Arc::downgrade(self.agent.link.as_ref().unwrap());
        let done = move || link.upgrade().iter().for_each(|link| link.wake());
        let retry = BackOffSettings { first: Duration::from_millis(20), cap: Duration::from_millis(200) };
        let parts = CourierParts::new(self.agent.store.clone(), Arc::new(SystemClocks::new()));
        let parts = CourierParts { retry, done: Box::new(done), ..parts };
        self.courier = Some(Courier::storage(self.agent.storage.clone().unwrap(), parts).unwrap());
    }

    fn record(&mut self, incident: uuid::Uuid, phase: Phase, with_picture: bool) {
        self.agent.record_change(incident, phase, with_picture);
        self.agent.link.as_ref().unwrap().wake();
        self.courier.iter().for_each(Courier::wake);
    }

    fn health(&self) -> HttpHealth {
        self.courier.as_ref().unwrap().health(&TimeZone::UTC)
    }

    fn trouble(&self) -> Option<HttpTroubleKind> {
        self.health().trouble.map(|trouble| trouble.trouble)
    }
}

fn open(port: u16) -> Value {
    json!({"url": format!("http://127.0.0.1:{port}/bucket/street"), "timeout_secs": 2})
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn a_picture_is_put_whole_and_signed_before_its_event() {
    let broker = Mosquitto::anonymous();
    let bucket = Bucket::answering(200);
    let (access, secret) = (broker.folder().join("access"), broker.folder().join("secret"));
    std::fs::write(&access, "AKIDEXAMPLE\n").unwrap();
    std::fs::write(&secret, SECRET).unwrap();
    let mut config = open(bucket.port);
    config["access_key"] = json!({"file": access});
    config["secret_key"] = json!({"file": secret});
    config["region"] = json!("cn-hangzhou");
    let mut hub = Hub::watch(&broker);
    let mut agent = Site::new(&broker, &config);
    let incident = agent.agent.new_id();
    agent.record(incident, Phase::Opened, true);
    let [event] = &hub.events(1)[..] else { panic!("one event") };
    let [request] = &bucket.requests()[..] else { panic!("one request, before the event") };
    let evidence = &event.data.evidence[0];
    let object = format!("/bucket/street/{incident}/{}.jpg", evidence.id);
    assert_eq!(request.line, format!("PUT {object} HTTP/1.1"));
    assert_eq!((sha256_hex(&request.body), request.body.len() as u64), (evidence.sha256.clone(), evidence.size_bytes));
    assert_eq!(evidence.delivery.via, DeliveryVia::Http);
    assert_eq!(evidence.delivery.reference, Some(format!("http://127.0.0.1:{}{object}", bucket.port)));
    let header = |name: &str| request.headers[name].as_str();
    assert_eq!((header("content-type"), header("x-amz-content-sha256")), ("image/jpeg", evidence.sha256.as_str()));
    // Signed anew, step by step as the specification has them.
    let (date, signed) = (header("x-amz-date"), "content-type;host;x-amz-content-sha256;x-amz-date");
    let headers = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect::<Vec<_>>().concat();
    let canonical = format!("PUT\n{object}\n\n{headers}\n{signed}\n{}", evidence.sha256);
    let scope = format!("{}/cn-hangzhou/s3/aws4_request", &date[..8]);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let key = hmac(format!("AWS4{SECRET}").as_bytes(), &date[..8]);
    let key = ["cn-hangzhou", "s3", "aws4_request"].iter().fold(key, |key, part| hmac(&key, part));
    let signature = hmac(&key, &text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(
        header("authorization"),
        format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope},SignedHeaders={signed},Signature={signature}")
    );
    assert!(!hub.kinds.contains(&"picture"), "nothing of it goes by the broker");
    broker.assert_no_protocol_error();
}

#[test]
fn while_the_storage_is_away_an_event_with_a_picture_waits_with_its_incident_and_no_other() {
    let broker = Mosquitto::anonymous();
    let port = Bucket::reserve();
    let mut hub = Hub::watch(&broker);
    let mut agent = Site::new(&broker, &open(port));
    let (held, other) = (agent.agent.new_id(), agent.agent.new_id());
    agent.record(held, Phase::Opened, true);
    agent.record(held, Phase::Closed, false);
    agent.record(other, Phase::Opened, false);
    agent.record(other, Phase::Closed, false);
    let events = hub.events(2);
    assert!(events.iter().all(|event| event.data.incident_id == other), "{events:?}");
    agent.agent.wait_until("it is missed", |_| agent.trouble() == Some(HttpTroubleKind::Unreachable));
    // The thread that puts pictures begins anew.
    agent.courier = None;
    agent.deliver();
    agent.agent.wait_until("it is missed again", |_| agent.trouble().is_some());
    let waiting = |agent: &Agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows;
    agent.agent.wait_until("what may go has gone and what is held is kept", |agent| waiting(agent) == 2);
    assert_eq!(agent.agent.store.lock().pending(Destination::Hub, RowId::ZERO, 9).unwrap(), []);
    let bucket = Bucket::at(port);
    let events = hub.events(2);
    let told: Vec<_> = events.iter().map(|event| (event.data.incident_id, event.data.phase)).collect();
    assert_eq!(told, [(held, Phase::Opened), (held, Phase::Closed)], "in order");
    assert!(bucket.has(events[0].data.evidence[0].delivery.reference.as_ref().unwrap()));
    agent.agent.wait_until("nothing waits", |agent| agent.store.lock().waiting_bytes() == 0);
    assert_eq!((agent.health().taken, agent.trouble()), (1, None));
}

#[test]
fn a_storage_that_is_busy_or_wants_other_keys_gets_the_picture_later_and_then_the_event_goes() {
    let broker = Mosquitto::anonymous();
    let bucket = Bucket::answering(403);
    bucket.script([503]);
    let mut hub = Hub::watch(&broker);
    let mut config = open(bucket.port);
    config["url"] = json!(format!("http://127.0.0.1:{}/bucket?token=not-for-the-log", bucket.port));
    let mut agent = Site::new(&broker, &config);
    let incident = agent.agent.new_id();
    agent.record(incident, Phase::Opened, true);
    agent.agent.wait_until("refused", |_| agent.trouble() == Some(HttpTroubleKind::NotAuthorised));
    assert_eq!(agent.agent.store.lock().pending(Destination::Hub, RowId::ZERO, 9).unwrap(), []);
    let health = agent.health();
    assert_eq!((health.backlog, &health.rejected), (1, &None), "it is kept");
    bucket.usually(200);
    let events = hub.events(1);
    let reference = events[0].data.evidence[0].delivery.reference.as_ref().unwrap();
    assert!(bucket.has(reference), "{reference}");
    let requests = bucket.requests();
    assert!(requests.iter().all(|request| request.line.contains("?token=not-for-the-log")));
    assert!(
        requests
            .iter()
            .all(|request| path(request) == path(&requests[0]) && !request.headers.contains_key("authorization"))
    );
    for told in [serde_json::to_string(&health).unwrap(), serde_json::to_string(&events).unwrap(), street::log()] {
        assert!(!told.contains("not-for-the-log"), "{told}");
    }
}

#[test]
fn a_picture_that_is_refused_for_good_or_gone_is_given_up_and_its_event_goes() {
    let broker = Mosquitto::anonymous();
    let bucket = Bucket::answering(200);
    bucket.script([413]);
    let mut hub = Hub::watch(&broker);
    let mut agent = Site::new(&broker, &open(bucket.port));
    let incident = agent.agent.new_id();
    agent.record(incident, Phase::Opened, true);
    agent.record(incident, Phase::Updated, true);
    let events = hub.events(2);
    let has = |event: usize| bucket.has(events[event].data.evidence[0].delivery.reference.as_ref().unwrap());
    assert_eq!((has(0), has(1)), (false, true));
    let rejected = agent.health().rejected.unwrap();
    assert!(rejected.count == 1 && rejected.reason.starts_with("status 413"), "{rejected:?}");
}
