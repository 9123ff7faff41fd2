//! A platform gets every event by HTTP, in order per incident, whatever it does; and what it refuses stops nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../common/authority.rs"]
mod authority;
mod encrypted;
#[path = "../common/made_up.rs"]
mod made_up;
mod platform;

use authority::Authority;
use curbwatch::clock::{Clocks, Mono, SystemClocks};
use curbwatch::config::{CameraConfig, RuleKind, TlsConfig, WebhookConfig};
use curbwatch::contract::{
    CLOUDEVENTS_JSON, EventParts, FrameSize, HttpHealth, HttpTroubleKind, ModelIdentity, incident_event, to_json,
};
use curbwatch::courier::{Courier, CourierParts};
use curbwatch::evidence::{EvidenceDir, Keyring};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::Phase;
use curbwatch::mqtt::BackOffSettings;
use curbwatch::store::{Adapters, Bounds, Change, Destination, Message, SharedStore, Store};
use encrypted::Encrypted;
use jiff::tz::TimeZone;
use platform::{Behaviour, Platform};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Time within which what a test waits for must happen.
const LIMIT: Duration = Duration::from_secs(30);
const TOKEN: &str = "Bearer not-for-the-log";

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

/// Store and courier of an agent.
struct Agent {
    folder: tempfile::TempDir,
    config: WebhookConfig,
    clocks: Arc<dyn Clocks>,
    store: Option<SharedStore>,
    courier: Option<Courier>,
    ids: IdSource,
}

impl Agent {
    fn new(port: u16) -> Self {
        Self::with(port, |_| {})
    }

    /// With another configuration.
    fn with(port: u16, change: impl FnOnce(&mut WebhookConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let config = serde_json::from_value(json!({
            "url": format!("http://127.0.0.1:{port}/case/report"), "timeout_secs": 1,
            "authentication": {"value": {"file": token}}, "constants": {"origin": "curbwatch"}
        }));
        let clocks = Arc::new(SystemClocks::new()) as Arc<dyn Clocks>;
        let mut config: WebhookConfig = config.unwrap();
        change(&mut config);
        let mut agent = Self { folder, config, clocks, store: None, courier: None, ids: IdSource::from_seed(1) };
        agent.start();
        agent
    }

    /// Opens the database and begins to deliver.
    fn start(&mut self) {
        self.open();
        self.deliver();
    }

    fn open(&mut self) {
        let mut store = Store::open(&self.folder.path().join("agent.db"), self.clocks.wall()).unwrap();
        store.set_adapters(Adapters { webhook: true, ..Adapters::default() }).unwrap();
        self.store = Some(SharedStore::new(store));
    }

    fn deliver(&mut self) {
        let retry = BackOffSettings { first: Duration::from_millis(20), cap: Duration::from_millis(200) };
        let parts = CourierParts { retry, ..CourierParts::new(self.store().clone(), Arc::clone(&self.clocks)) };
        let evidence = EvidenceDir::open(self.folder.path(), Keyring::default()).unwrap();
        self.courier = Some(Courier::webhook(self.config.clone(), evidence, parts).unwrap());
    }

    fn stop(&mut self) {
        self.courier = None;
        self.store = None;
    }

    fn store(&self) -> &SharedStore {
        self.store.as_ref().unwrap()
    }

    /// Records a change of an incident; returns its sequence.
    fn record(&mut self, incident: Uuid, phase: Phase) -> u64 {
        let wall = self.clocks.wall();
        let (id, transition) = (self.ids.next(wall), made_up::transition(incident, phase, wall));
        let camera: CameraConfig = serde_json::from_value(json!({
            "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        }))
        .unwrap();
        let parts = EventParts {
            agent: &name("box"),
            time_zone: &TimeZone::UTC,
            camera: &camera,
            rule: &camera.rules[0],
            frame: FrameSize { width: 1280, height: 720 },
            evidence: &[],
            model: &ModelIdentity { name: "test".into(), sha256: "0".repeat(64), provider: "cpu".into() },
            config_sha256: &"1".repeat(64),
        };
        let message = |sequence| Message {
            topic: "event".to_owned(),
            content_type: CLOUDEVENTS_JSON,
            payload: to_json(&incident_event(id, sequence, &transition, &parts)),
        };
        let kind = RuleKind::FireLaneBlocked;
        let change = Change { camera: &camera.id, kind, incident: &transition.incident, evidence: &[], now: wall };
        let sequence = self.store().lock().record(&change, message).unwrap();
        if let Some(courier) = &self.courier {
            courier.wake();
        }
        sequence
    }

    fn incident(&mut self) -> Uuid {
        self.ids.next(self.clocks.wall())
    }

    fn health(&self) -> HttpHealth {
        self.courier.as_ref().unwrap().health(&TimeZone::UTC)
    }

    fn trouble(&self) -> Option<HttpTroubleKind> {
        self.health().trouble.map(|trouble| trouble.trouble)
    }

    fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let until = Mono(self.clocks.mono().0 + LIMIT);
        while !condition() {
            assert!(
                self.clocks.mono() < until,
                "waited in vain: {what}; {:?}",
                self.courier.as_ref().map(Courier::stats)
            );
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn wait_until_all_is_taken(&self) {
        self.wait_until("nothing waits", || self.health().backlog == 0);
    }
}

fn sequences(platform: &Platform) -> Vec<u64> {
    platform.taken().iter().map(|message| message["sequence"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn an_event_is_posted_flat_with_its_key_and_the_secret() {
    let platform = Platform::start();
    let mut agent = Agent::new(platform.port);
    let incident = agent.incident();
    agent.record(incident, Phase::Opened);
    agent.wait_until_all_is_taken();
    let [request] = &platform.requests()[..] else { panic!("one request") };
    assert_eq!(request.line, "POST /case/report HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["authorization"], TOKEN);
    assert_eq!(json!(request.headers["idempotency-key"]), request.body["eventId"]);
    assert_eq!(request.body["incidentId"], json!(incident));
    assert_eq!(
        (&request.body["phase"], &request.body["cameraId"], &request.body["origin"]),
        (&json!("opened"), &json!("east"), &json!("curbwatch"))
    );
    assert_eq!(request.body.get("address"), None, "what is not configured is left out");
    assert_eq!(agent.store().lock().backlog(Destination::Hub).unwrap().rows, 1, "the hub's own waits for the hub");
}

#[test]
fn whatever_the_platform_does_every_event_arrives_in_order_and_none_twice_under_another_key() {
    let platform = Platform::start();
    let mut agent = Agent::new(platform.port);
    platform.script([
        Behaviour::Answer(500, "", "stack trace"),
        Behaviour::CutInBody,
        Behaviour::Answer(200, "", ""),
        Behaviour::CutInAnswer,
        Behaviour::Answer(503, "", ""),
        Behaviour::Silence,
        Behaviour::Answer(201, "", ""),
        Behaviour::Answer(429, "Retry-After: 1\r\n", ""),
        Behaviour::Answer(502, "", ""),
    ]);
    let incidents = [agent.incident(), agent.incident(), agent.incident()];
    for phase in [Phase::Opened, Phase::Updated, Phase::Closed] {
        for incident in incidents {
            agent.record(incident, phase);
        }
    }
    agent.wait_until_all_is_taken();
    let taken = platform.taken();
    assert_eq!(taken.len(), 9);
    for incident in incidents {
        let of_incident = taken.iter().filter(|message| message["incidentId"] == json!(incident));
        let phases: Vec<_> = of_incident.map(|message| message["phase"].as_str().unwrap()).collect();
        assert_eq!(phases, ["opened", "updated", "closed"]);
    }
    let repeated = platform.requests();
    let key = |body: &serde_json::Value| body["eventId"].clone();
    assert!(repeated.iter().all(|request| json!(request.headers["idempotency-key"]) == key(&request.body)));
    assert!(repeated.len() > 9, "something was asked twice");
    let health = agent.health();
    assert_eq!((health.taken, &health.trouble), (9, &None));
    assert!(health.failures >= 7, "{health:?}");
}

#[test]
fn what_was_not_taken_outlives_an_absent_platform_and_a_restart() {
    let port = Platform::reserve();
    let mut agent = Agent::new(port);
    let incident = agent.incident();
    agent.record(incident, Phase::Opened);
    agent.wait_until("the platform is missed", || agent.trouble() == Some(HttpTroubleKind::Unreachable));
    agent.stop();
    agent.start();
    agent.record(incident, Phase::Closed);
    agent.wait_until("it is missed again", || agent.trouble().is_some());
    let platform = Platform::at(port);
    agent.wait_until_all_is_taken();
    assert_eq!(sequences(&platform), [1, 2]);
    assert_eq!(agent.health().trouble, None, "the trouble is over");
}

#[test]
fn a_platform_that_wants_other_credentials_is_an_alarm_and_loses_nothing() {
    let platform = Platform::start();
    platform.usually(Behaviour::Answer(403, "", "who are you?"));
    let mut agent = Agent::new(platform.port);
    let (first, second) = (agent.incident(), agent.incident());
    agent.record(first, Phase::Opened);
    agent.record(second, Phase::Opened);
    agent.wait_until("it was refused twice", || agent.health().failures > 1);
    let trouble = agent.health().trouble.unwrap();
    assert_eq!(trouble.trouble, HttpTroubleKind::NotAuthorised);
    assert!(trouble.detail.contains("who are you?") && !trouble.detail.contains("Bearer"), "{trouble:?}");
    assert_eq!((agent.health().backlog, agent.health().rejected), (2, None));
    platform.usually(Behaviour::Answer(200, "", ""));
    agent.wait_until_all_is_taken();
    assert_eq!(sequences(&platform), [1, 2]);
}

#[test]
fn a_redirect_is_not_followed_and_nothing_is_lost_by_it() {
    let platform = Platform::start();
    let elsewhere = Platform::start();
    let location: &'static str = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.port).leak();
    platform.script([Behaviour::Answer(307, location, "")]);
    let mut agent = Agent::new(platform.port);
    let incident = agent.incident();
    agent.record(incident, Phase::Opened);
    agent.wait_until_all_is_taken();
    assert_eq!((platform.requests().len(), elsewhere.requests().len()), (2, 0));
}

#[test]
fn what_the_platform_calls_wrong_is_set_aside_and_what_comes_after_goes_on() {
    let platform = Platform::start();
    platform.script([Behaviour::Answer(400, "", "unknown caseCode")]);
    let mut agent = Agent::new(platform.port);
    let (wrong, other) = (agent.incident(), agent.incident());
    for (incident, phase) in [(wrong, Phase::Opened), (other, Phase::Opened), (wrong, Phase::Closed)] {
        agent.record(incident, phase);
    }
    agent.wait_until_all_is_taken();
    assert_eq!(sequences(&platform), [2, 3], "the later events of the incident go");
    let rejected = agent.health().rejected.unwrap();
    assert_eq!((rejected.count, &*rejected.reason), (1, "status 400: unknown caseCode"));
    agent.stop();
    agent.start();
    assert_eq!(agent.health().rejected.unwrap().count, 1, "also after a restart");
    assert_eq!(platform.requests().len(), 3, "it is not sent again");
}

#[test]
fn an_event_at_which_the_platform_fails_holds_back_its_incident_and_no_other() {
    let platform = Platform::start();
    // It fails at the first event, takes the next two, and fails at the first again.
    let (fails, takes) = (Behaviour::Answer(500, "", ""), Behaviour::Answer(200, "", ""));
    platform.script([fails, takes.clone(), takes]);
    let mut agent = Agent::new(platform.port);
    let (poison, other) = (agent.incident(), agent.incident());
    agent.stop();
    agent.open();
    for (incident, phase) in
        [(poison, Phase::Opened), (poison, Phase::Closed), (other, Phase::Opened), (other, Phase::Closed)]
    {
        agent.record(incident, phase);
    }
    agent.deliver();
    agent.wait_until_all_is_taken();
    let order = sequences(&platform);
    let at = |sequence: u64| order.iter().position(|taken| *taken == sequence).unwrap();
    assert!(at(1) < at(2) && at(3) < at(4), "{order:?}");
    assert_eq!(order[0], 3, "the other incident did not wait");
}

#[test]
fn when_too_much_waits_the_oldest_goes_and_health_says_which() {
    let mut agent = Agent::new(Platform::reserve());
    let incident = agent.incident();
    agent.record(incident, Phase::Opened);
    let of_one = agent.store().lock().waiting_bytes();
    agent.store().lock().set_bounds(Bounds { max_bytes: 3 * of_one, ..Bounds::NONE });
    for _ in 0..4 {
        agent.record(incident, Phase::Updated);
    }
    let lost = agent.health().events_lost.unwrap();
    assert!(lost.count >= 2 && lost.ranges[0].first.0 == 1, "{lost:?}");
    let of_hub = agent.store().lock().losses(Destination::Hub).unwrap().unwrap();
    assert!(of_hub.count >= 2, "each destination has its own account: {of_hub:?}");
}

#[test]
fn a_platform_that_never_answers_does_not_hold_up_the_hub_nor_the_recording() {
    let platform = Platform::start();
    platform.usually(Behaviour::Silence);
    let mut agent = Agent::new(platform.port);
    let incident = agent.incident();
    agent.record(incident, Phase::Opened);
    agent.wait_until("a request is on its way", || !platform.requests().is_empty());
    for _ in 0..50 {
        agent.record(incident, Phase::Updated);
    }
    let hub = agent.store().lock().pending(Destination::Hub, curbwatch::store::RowId::ZERO, 100).unwrap();
    assert_eq!(hub.len(), 51);
    assert_eq!(platform.requests().len(), 1, "one request at a time");
}

#[test]
fn both_sides_are_known_by_certificate_and_a_renewed_authority_is_heeded_without_a_restart() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.certify("box", 365);
    let platform = Encrypted::start(&authority);
    let trusted = authority.path("trusted.pem");
    std::fs::copy(stranger.path("ca.pem"), &trusted).unwrap();
    let mut agent = Agent::with(platform.port, |config| {
        config.url = format!("https://localhost:{}/", platform.port);
        config.tls = Some(TlsConfig { ca: trusted.clone(), ..authority.mutual() });
    });
    let incident = agent.incident();
    agent.record(incident, Phase::Opened);
    agent.wait_until("the platform is not trusted", || agent.trouble() == Some(HttpTroubleKind::Unreachable));
    assert_eq!(platform.taken(), [] as [serde_json::Value; 0], "nothing goes to whom nobody vouches for");
    std::fs::copy(authority.path("ca.pem"), &trusted).unwrap();
    agent.wait_until_all_is_taken();
    assert_eq!(platform.taken()[0]["incidentId"], json!(incident));
}
