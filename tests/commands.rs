//! What the hub asks over a real broker is done once and answered, whatever it asks and however often.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/contract.rs"]
mod contract;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[expect(dead_code, reason = "this test sends no pictures and needs no password")]
#[path = "broker_outage/street.rs"]
mod street;

use contract::Wire;
use curbwatch::audit::AuditLog;
use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::command::{Actions, At, Commander, CommanderParts, Keys, MAX_WAITING, Outcome};
use curbwatch::config::Protocol;
use curbwatch::contract::{CaseStatus, Reply, ReplyStatus, RequestId, Verb};
use curbwatch::ids::Name;
use curbwatch::incident::{Order, Phase};
use curbwatch::store::{Destination, RowId, Verdicts};
use jiff::tz::TimeZone;
use mosquitto::Mosquitto;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use street::{Agent, Hub};
use uuid::Uuid;

const AUDIT_KEEP: Duration = Duration::from_hours(24 * 180);

/// What was done, in words.
#[derive(Default)]
struct Deeds(Mutex<Vec<String>>);

impl Deeds {
    fn note(&self, deed: String) -> Outcome {
        self.0.lock().unwrap().push(deed);
        Outcome::ok()
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Actions for Deeds {
    fn order(&self, at: At<'_>, order: &Order) -> Outcome {
        let at = match at {
            At::Incident(_) => "its camera".to_owned(),
            At::Camera(camera) => camera.to_string(),
        };
        match order {
            Order::Recheck { look_for, .. } => self.note(format!("look for {} s at {at}", look_for.as_secs())),
            Order::Dismiss { .. } => self.note(format!("dismiss at {at}")),
            Order::Mute { rule, .. } => self.note(format!("mute {rule} at {at}")),
        }
    }
    fn snapshot(&self, _: &RequestId, camera: &Name, _: Option<Uuid>) -> Option<Outcome> {
        self.note(format!("picture of {camera}"));
        None
    }
    fn switch_camera(&self, camera: &Name, is_on: bool) -> Outcome {
        self.note(format!("switch {camera} {is_on}"))
    }
    fn check_reload(&self) -> Outcome {
        Outcome::rejected("edge.yaml:3:1: no")
    }
    fn reload(&self) {
        self.note("reload".to_owned());
    }
}

/// An agent that carries out commands.
struct Site {
    agent: Agent,
    deeds: Arc<Deeds>,
    keys: Keys,
    /// The folder of the audit log.
    data: tempfile::TempDir,
    commander: Option<Running>,
}

/// A commander on its thread.
struct Running {
    commander: Arc<Commander>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Receiver<curbwatch::mqtt::FromHub>>,
}

impl Site {
    fn new(broker: &Mosquitto, protocol: Protocol, allowed: &[Verb]) -> Self {
        Self::with_keys(broker, protocol, allowed, Keys::default())
    }

    fn with_keys(broker: &Mosquitto, protocol: Protocol, allowed: &[Verb], keys: Keys) -> Self {
        let (inbox, asked) = sync_channel(MAX_WAITING);
        let agent = Agent::with(broker.port(), |settings| settings.protocol = protocol, Some(inbox));
        let mut site = Self { agent, deeds: Arc::default(), keys, data: tempfile::tempdir().unwrap(), commander: None };
        site.begin(asked, allowed);
        broker.wait_for("Sending SUBACK to box", 1);
        site
    }

    fn begin(&mut self, asked: Receiver<curbwatch::mqtt::FromHub>, allowed: &[Verb]) {
        let commander = Arc::new(Commander::new(CommanderParts {
            allowed: allowed.iter().copied().collect(),
            keys: self.keys.clone(),
            topics: self.agent.topics.clone(),
            prefix: Name::try_new("curbwatch").unwrap(),
            time_zone: TimeZone::UTC,
            store: self.agent.store.clone(),
            link: Arc::clone(self.agent.link.as_ref().unwrap()),
            clocks: Arc::new(SystemClocks::new()),
            audit: Arc::new(AuditLog::open(self.data.path(), AUDIT_KEEP).unwrap()),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (commander, deeds, stop) = (Arc::clone(&commander), Arc::clone(&self.deeds), Arc::clone(&stop));
            std::thread::Builder::new()
                .name("commands".to_owned())
                .spawn(move || {
                    commander.run(&asked, &*deeds, &|| stop.load(Ordering::Relaxed));
                    asked
                })
                .unwrap()
        };
        self.commander = Some(Running { commander, stop, thread });
    }

    /// Stops carrying out commands, and begins anew with nothing but what the store remembers.
    fn restart(&mut self, allowed: &[Verb]) {
        let running = self.commander.take().unwrap();
        running.stop.store(true, Ordering::Relaxed);
        let asked = running.thread.join().unwrap();
        self.begin(asked, allowed);
    }

    fn commander(&self) -> &Commander {
        &self.commander.as_ref().unwrap().commander
    }

    /// Records an incident and returns its id.
    fn incident(&mut self) -> Uuid {
        self.agent.record(Phase::Opened, false);
        self.agent.store.lock().open_everywhere().unwrap().last().unwrap().1.incident.id
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.commander.take() {
            running.stop.store(true, Ordering::Relaxed);
            let _ = running.thread.join();
        }
    }
}

fn topic(verb: &str) -> String {
    format!("curbwatch/v1/hangzhou/box/cmd/{verb}")
}

/// A command for whose answer `reply/hub-1` is watched.
#[expect(clippy::needless_pass_by_value, reason = "every caller makes it for this")]
fn command(id: &str, args: Value) -> String {
    json!({"id": id, "client": "hub-1", "args": args}).to_string()
}

/// Asks, and waits for the answer.
fn ask(broker: &Mosquitto, hub: &mut Hub, verb: &str, payload: &str) -> Reply {
    let before = hub.replies.len();
    street::publish(broker, &topic(verb), payload);
    hub.wait_until("an answer", |hub| hub.replies.len() > before);
    let (topic, reply) = hub.replies[before].clone();
    assert_eq!(topic, "curbwatch/v1/hangzhou/box/reply/hub-1");
    reply
}

#[test]
fn every_verb_is_carried_out_and_answered() {
    for protocol in [Protocol::V5, Protocol::V311] {
        let broker = Mosquitto::anonymous();
        let wire = Wire::listen(&broker);
        let mut hub = Hub::watch(&broker);
        let mut site = Site::new(&broker, protocol, &Verb::ALL);
        let incident = site.incident();
        hub.events(1);
        let mut asked = 0;
        let mut ok = |verb: &str, args: Value| {
            asked += 1;
            let reply = ask(&broker, &mut hub, verb, &command(&format!("r-{asked}"), args));
            assert_eq!((reply.status, reply.reason.as_deref()), (ReplyStatus::Ok, None), "{verb}");
            assert_eq!((reply.verb, reply.repeated), (Verb::of_name(verb), false));
            assert_eq!(reply.id.unwrap().as_str(), format!("r-{asked}"));
        };
        ok("recheck", json!({"incident": incident, "look_secs": 7}));
        ok("camera", json!({"camera": "east", "enabled": false}));
        ok("rule", json!({"camera": "east", "rule": "fire", "muted_until": "2126-11-22T08:00:00Z"}));
        ok("feedback", json!({"incident": incident, "verdict": "confirmed"}));
        ok("feedback", json!({"incident": incident, "verdict": "dismissed", "reason": "permitted"}));
        ok("hold", json!({"incident": incident, "until": "2126-11-22T08:00:00Z"}));
        ok("release", json!({"incident": incident}));
        ok("status", json!({}));
        let expected =
            ["look for 7 s at its camera", "switch east false", "mute fire at east", "dismiss at its camera"];
        assert_eq!(site.deeds.all(), expected);
        let [Verdicts { confirmed: 0, dismissed: 1, .. }] = site.agent.store.lock().verdicts().unwrap()[..] else {
            panic!("the last word counts")
        };
        let refused = ask(&broker, &mut hub, "reload", &command("r-reload", json!({})));
        assert_eq!((refused.status, refused.reason.as_deref()), (ReplyStatus::Rejected, Some("edge.yaml:3:1: no")));

        // The answer to a request for a picture comes when the picture does.
        let before = hub.replies.len();
        street::publish(&broker, &topic("snapshot"), &command("r-picture", json!({"camera": "east"})));
        site.agent.wait_until("the picture is awaited", |_| site.deeds.all().len() == expected.len() + 1);
        let picture = RequestId::try_from("r-picture".to_owned()).unwrap();
        site.commander().finish(&picture, &Outcome::failed("the lens fell off"));
        hub.wait_until("the answer", |hub| hub.replies.len() > before);
        assert_eq!(hub.replies[before].1.reason.as_deref(), Some("the lens fell off"));
        broker.assert_no_protocol_error();
        let seen = wire.judge();
        let verbs = ["recheck", "camera", "rule", "feedback", "hold", "release", "status", "reload", "snapshot"];
        let commands = verbs.map(|verb| format!("command-{verb}"));
        let expected = commands.into_iter().chain(["incident", "reply", "status"].map(str::to_owned));
        assert_eq!(expected.filter(|message| !seen.contains(message)).collect::<Vec<_>>(), [] as [String; 0]);
    }
}

#[test]
fn a_request_that_comes_twice_acts_once_also_after_a_restart() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let mut site = Site::new(&broker, Protocol::V5, &Verb::ALL);
    let payload = command("r-1", json!({"camera": "east", "enabled": false}));
    assert!(!ask(&broker, &mut hub, "camera", &payload).repeated);
    let again = ask(&broker, &mut hub, "camera", &payload);
    assert!(again.repeated && again.status == ReplyStatus::Ok);
    site.restart(&[]);
    assert!(ask(&broker, &mut hub, "camera", &payload).repeated, "it is remembered though it is not allowed any more");
    assert_eq!(site.deeds.all(), ["switch east false"]);

    let other = ask(&broker, &mut hub, "camera", &command("r-1", json!({"camera": "east", "enabled": true})));
    assert_eq!((other.status, other.reason.as_deref()), (ReplyStatus::Rejected, Some("another command had this id")));

    // A picture was awaited when the agent was restarted.
    site.restart(&Verb::ALL);
    street::publish(&broker, &topic("snapshot"), &command("r-2", json!({"camera": "east"})));
    site.agent.wait_until("the picture is awaited", |_| site.deeds.all().len() == 2);
    site.restart(&Verb::ALL);
    let interrupted = ask(&broker, &mut hub, "snapshot", &command("r-2", json!({"camera": "east"})));
    assert_eq!(interrupted.status, ReplyStatus::Failed);
    assert!(interrupted.reason.unwrap().contains("restarted"));
    assert_eq!(site.deeds.all().len(), 2, "it acted once");
    let counts = site.commander().counts();
    assert_eq!((counts.failed, counts.repeated), (1, 0), "counted since the last start");
}

#[test]
fn what_may_not_be_carried_out_changes_nothing_and_is_answered_with_the_reason() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let site = Site::new(&broker, Protocol::V5, &[Verb::Camera, Verb::Recheck]);
    let mut refused = |verb: &str, payload: &str, status: ReplyStatus, why: &str| {
        let reply = ask(&broker, &mut hub, verb, payload);
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.reason.as_deref().unwrap().contains(why), "{reply:?}");
    };
    let switch = json!({"camera": "east", "enabled": false});
    refused("status", &command("r-1", json!({})), ReplyStatus::Rejected, "hub.commands.allow");
    refused("explode", &command("r-2", json!({})), ReplyStatus::Rejected, "no such verb");
    refused("camera", &command("r-3", json!({"camera": "east"})), ReplyStatus::Rejected, "enabled");
    refused("camera", &command("not an id", switch.clone()), ReplyStatus::Rejected, "request id");
    let late = json!({"id": "r-4", "client": "hub-1", "expires_at": "2020-01-01T00:00:00Z", "args": switch.clone()});
    refused("camera", &late.to_string(), ReplyStatus::Expired, "time had passed");

    // What is too large to be read names nobody; who is to be told is then known by the response topic alone.
    let before = hub.replies.len();
    let large = command(&"x".repeat(20_000), switch);
    let respond = "curbwatch/v1/hangzhou/box/reply/hub-2";
    let to = ["-V", "5", "-D", "publish", "response-topic", respond, "-D", "publish", "correlation-data", "c-7"];
    street::publish_with(&broker, &topic("camera"), &large, &to);
    hub.wait_until("an answer", |hub| hub.replies.len() > before);
    assert_eq!(hub.replies[before].0, respond);
    assert!(hub.replies[before].1.reason.as_deref().unwrap().contains("at most 16384"));

    // Nobody may make the agent speak on its other topics, or as another one.
    for foreign in ["curbwatch/v1/hangzhou/box/status", "curbwatch/v1/hangzhou/other/reply/x", "$SYS/x"] {
        let dropped = site.commander().counts().dropped;
        let to = ["-V", "5", "-D", "publish", "response-topic", foreign];
        street::publish_with(&broker, &topic("recheck"), &command("r-5", json!({"incident": Uuid::nil()})), &to);
        site.agent.wait_until("it is dropped", |_| site.commander().counts().dropped > dropped);
    }
    assert_eq!(site.deeds.all(), Vec::<String>::new());
    broker.assert_no_protocol_error();
}

#[test]
fn a_retained_command_is_refused_on_3_1_1_and_never_comes_on_5() {
    let broker = Mosquitto::anonymous();
    let payload = command("r-1", json!({"camera": "east", "enabled": false}));
    street::publish_with(&broker, &topic("camera"), &payload, &["-r"]);
    let mut hub = Hub::watch(&broker);
    let site = Site::new(&broker, Protocol::V5, &Verb::ALL);
    assert_eq!(ask(&broker, &mut hub, "status", &command("r-2", json!({}))).status, ReplyStatus::Ok);
    assert_eq!((site.deeds.all().len(), hub.replies.len()), (0, 1));
    drop(site);
    let site = Site::new(&broker, Protocol::V311, &Verb::ALL);
    hub.wait_until("an answer", |hub| hub.replies.len() == 2);
    assert!(hub.replies[1].1.reason.as_deref().unwrap().contains("retained"));
    assert_eq!(site.deeds.all(), Vec::<String>::new());
}

#[test]
fn events_are_sent_again_from_a_sequence_on_and_marked() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let mut site = Site::new(&broker, Protocol::V5, &Verb::ALL);
    for _ in 0..5 {
        site.agent.record(Phase::Opened, false);
    }
    hub.events(5);
    site.agent.wait_until("all are sent", |agent| {
        agent.store.lock().pending(Destination::Hub, RowId::ZERO, 1).unwrap().is_empty()
    });
    let mut newcomer = Hub::watch(&broker);
    let reply = ask(&broker, &mut hub, "replay", &command("r-1", json!({"from": 3})));
    let replayed = reply.replay.unwrap();
    assert_eq!((replayed.events, replayed.first, replayed.last), (3, Some(3), Some(5)));
    let events = newcomer.events(3);
    assert_eq!(events.iter().map(|event| event.sequence.0).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(events.iter().all(|event| event.data.replayed));
    let reply = ask(&broker, &mut hub, "replay", &command("r-2", json!({"from": 90})));
    assert_eq!(reply.replay.unwrap().events, 0);
}

#[test]
fn the_course_of_a_case_is_stored_with_its_incident() {
    let broker = Mosquitto::anonymous();
    let mut site = Site::new(&broker, Protocol::V5, &[]);
    let incident = site.incident();
    let case = format!("curbwatch/v1/hangzhou/box/case/{incident}");
    let update = |status: &str, minute: u8| {
        json!({"status": status, "time": format!("2026-11-22T08:{minute:02}:00+08:00"), "number": "A-7"}).to_string()
    };
    for (status, minute) in [("accepted", 0), ("dispatched", 5), ("accepted", 0)] {
        street::publish(&broker, &case, &update(status, minute));
    }
    street::publish(&broker, &case, "{\"status\": \"eaten\"}");
    street::publish(&broker, &format!("curbwatch/v1/hangzhou/box/case/{}", Uuid::nil()), &update("closed", 9));
    site.agent.wait_until("all have come", |_| {
        let counts = site.commander().counts();
        (counts.ok, counts.rejected) == (3, 2)
    });
    let stored = site.agent.store.lock().case_of(incident).unwrap();
    let statuses: Vec<_> = stored.iter().map(|update| (update.status, update.number.as_deref())).collect();
    assert_eq!(statuses, [(CaseStatus::Accepted, Some("A-7")), (CaseStatus::Dispatched, Some("A-7"))]);
    let files = curbwatch::audit::files(&site.data.path().join("audit")).unwrap();
    let records: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cases: Vec<&Value> = records.iter().filter(|record| record["action"] == "case").collect();
    let courses: Vec<&Value> = cases.iter().map(|record| &record["detail"]["course"]).collect();
    assert_eq!(courses[..3], [&json!("accepted"), &json!("dispatched"), &json!("accepted")]);
    let answers: Vec<&Value> = cases.iter().map(|record| &record["detail"]["status"]).collect();
    assert_eq!(
        answers,
        ["ok", "ok", "ok", "rejected", "rejected"].map(|status| json!(status)).iter().collect::<Vec<_>>()
    );
}

/// Runs `curbwatch hub …` and returns what it printed, and whether it succeeded.
fn console(broker: &Mosquitto, arguments: &[&str]) -> (String, bool) {
    let port = broker.port().to_string();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("curbwatch"));
    let output = command.arg("hub").args(arguments).args(["--port", &port]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr), output.status.success())
}

#[test]
fn the_console_asks_and_prints_the_answer() {
    let broker = Mosquitto::anonymous();
    let mut site = Site::new(&broker, Protocol::V5, &[Verb::Recheck, Verb::Rule, Verb::Feedback, Verb::Replay]);
    let incident = site.incident().to_string();
    let agent = "hangzhou/box";
    for (arguments, status) in [
        (&["recheck", "--agent", agent, &incident, "--look-secs", "5"][..], "ok"),
        (&["mute", "--agent", agent, "east", "fire", "--minutes", "30"], "ok"),
        (&["dismiss", "--agent", agent, &incident, "--reason", "permitted"], "ok"),
        (&["replay", "--agent", agent, "1"], "ok"),
        (&["snapshot", "--agent", agent, "east"], "rejected"),
    ] {
        let (printed, is_success) = console(&broker, arguments);
        assert_eq!(is_success, status == "ok", "{printed}");
        assert!(printed.contains(&format!("\"status\": \"{status}\"")), "{printed}");
    }
    assert_eq!(site.deeds.all(), ["look for 5 s at its camera", "mute fire at east", "dismiss at its camera"]);
    let (printed, is_success) = console(&broker, &["replay", "--agent", "hangzhou/nobody", "1"]);
    assert!(!is_success && printed.contains("no agent of that name listens"), "{printed}");
    let (printed, _) = console(&broker, &["tail", "--count", "1"]);
    assert!(printed.starts_with("curbwatch/v1/hangzhou/box/status {\"status\":\"online\""), "{printed}");
}

/// A key made by OpenSSL, which also signs with it.
struct OpenSsl(tempfile::TempDir);

impl OpenSsl {
    fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.run(&["genpkey", "-algorithm", "ed25519", "-out", "hub.pem"]);
        made
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = std::process::Command::new("openssl").args(arguments).current_dir(self.0.path()).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn keys(&self) -> Keys {
        let public = String::from_utf8(self.run(&["pkey", "-in", "hub.pem", "-pubout"])).unwrap();
        let middle = public.lines().nth(1).unwrap().to_owned();
        Keys::new([(Name::try_new("hub").unwrap(), middle.try_into().unwrap())].into())
    }

    /// As `docs/delivery.md` says it.
    fn sign(&self, topic: &str, text: &str) -> String {
        std::fs::write(self.0.path().join("message"), format!("{topic}\n{text}")).unwrap();
        self.run(&["pkeyutl", "-sign", "-inkey", "hub.pem", "-rawin", "-in", "message", "-out", "signature"]);
        let signature = String::from_utf8(self.run(&["base64", "-A", "-in", "signature"])).unwrap();
        json!({"key": "hub", "text": text, "signature": signature.trim()}).to_string()
    }
}

#[test]
fn an_agent_with_keys_does_only_what_was_signed_for_it_lately_and_once() {
    let (broker, hub_key) = (Mosquitto::anonymous(), OpenSsl::new());
    let mut hub = Hub::watch(&broker);
    let mut site = Site::with_keys(&broker, Protocol::V5, &Verb::ALL, hub_key.keys());
    let issued = |id: &str, minutes_ago: u64, is_on: bool| {
        let at = SystemClocks::new().wall() - Duration::from_mins(minutes_ago);
        json!({"id": id, "client": "hub-1", "issued_at": at, "args": {"camera": "east", "enabled": is_on}}).to_string()
    };
    let mut rejected = |payload: &str, why: &str| {
        let reply = ask(&broker, &mut hub, "camera", payload);
        assert_eq!(reply.status, ReplyStatus::Rejected, "{reply:?}");
        assert!(reply.reason.as_deref().unwrap().contains(why), "{reply:?}");
    };
    rejected(&issued("r-1", 0, false), "not signed");
    let of_another = hub_key.sign("curbwatch/v1/hangzhou/other/cmd/camera", &issued("r-1", 0, false));
    rejected(&of_another, "signature");
    let of_another_verb = hub_key.sign(&topic("status"), &issued("r-1", 0, false));
    rejected(&of_another_verb, "signature");
    rejected(&OpenSsl::new().sign(&topic("camera"), &issued("r-1", 0, false)), "signature");
    rejected(&hub_key.sign(&topic("camera"), &issued("r-1", 11, false)), "10 minutes");
    rejected(
        &hub_key.sign(&topic("camera"), &command("r-1", json!({"camera": "east", "enabled": false}))),
        "issued_at",
    );
    assert_eq!(site.deeds.all(), Vec::<String>::new());

    let signed = hub_key.sign(&topic("camera"), &issued("r-1", 0, false));
    assert_eq!(ask(&broker, &mut hub, "camera", &signed).status, ReplyStatus::Ok);
    site.restart(&Verb::ALL);
    assert!(ask(&broker, &mut hub, "camera", &signed).repeated, "heard by another, and sent again");
    assert_eq!(site.deeds.all(), ["switch east false"]);

    let incident = site.incident();
    let case = format!("curbwatch/v1/hangzhou/box/case/{incident}");
    let update = json!({"status": "accepted", "time": "2026-11-22T08:00:00+08:00"}).to_string();
    street::publish(&broker, &case, &update);
    street::publish(&broker, &case, &hub_key.sign(&case, &update));
    site.agent.wait_until("both have come", |_| {
        let counts = site.commander().counts();
        (counts.ok, counts.rejected) == (1, 1)
    });
    assert_eq!(site.agent.store.lock().case_of(incident).unwrap().len(), 1);

    let mute = ["mute", "--agent", "hangzhou/box", "east", "fire"];
    let (printed, is_success) = console(&broker, &mute);
    assert!(!is_success && printed.contains("not signed"), "{printed}");
    let key = hub_key.0.path().join("hub.pem");
    let (printed, is_success) =
        console(&broker, &[&mute[..], &["--key", key.to_str().unwrap(), "--key-id", "hub"]].concat());
    assert!(is_success, "{printed}");
    assert_eq!(site.deeds.all(), ["switch east false", "mute fire at east"]);
    broker.assert_no_protocol_error();
}

#[test]
fn a_hold_is_answered_with_what_it_keeps_and_every_command_is_on_record() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let mut site = Site::new(&broker, Protocol::V5, &[Verb::Hold, Verb::Release]);
    let incident = site.agent.new_id();
    site.agent.record_change(incident, Phase::Opened, true);
    let held = ask(&broker, &mut hub, "hold", &command("r-1", json!({"incident": incident})));
    assert_eq!((held.status, held.hold.unwrap().pictures), (ReplyStatus::Ok, 1));
    let past = json!({"incident": incident, "until": "2020-01-01T00:00:00Z"});
    assert_eq!(ask(&broker, &mut hub, "hold", &command("r-2", past)).status, ReplyStatus::Rejected);
    let unknown = ask(&broker, &mut hub, "hold", &command("r-3", json!({"incident": Uuid::from_u128(1)})));
    assert_eq!(unknown.reason.as_deref(), Some("no such incident is known"));
    site.restart(&[Verb::Hold, Verb::Release]);
    let now = SystemClocks::new().wall();
    assert_eq!(site.agent.store.lock().evidence_totals(now).unwrap().held_pictures, 1, "it is kept over a restart");
    assert!(ask(&broker, &mut hub, "hold", &command("r-1", json!({"incident": incident}))).repeated);
    let released = ask(&broker, &mut hub, "release", &command("r-4", json!({"incident": incident})));
    assert_eq!((released.status, released.hold.unwrap().pictures), (ReplyStatus::Ok, 1));
    let again = ask(&broker, &mut hub, "release", &command("r-5", json!({"incident": incident})));
    assert_eq!(again.reason.as_deref(), Some("the incident is not held"));
    assert_eq!(ask(&broker, &mut hub, "reload", &command("r-6", json!({}))).status, ReplyStatus::Rejected);

    let files = curbwatch::audit::files(&site.data.path().join("audit")).unwrap();
    assert_eq!(curbwatch::audit::verify(&files, true, &[]).unwrap().problems, []);
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |record: &Value| {
        let detail = &record["detail"];
        format!("{} {} {} {}", detail["request"], detail["verb"], detail["client"], detail["status"]).replace('"', "")
    };
    let expected = [
        "r-1 hold hub-1 ok",
        "r-2 hold hub-1 rejected",
        "r-3 hold hub-1 rejected",
        "r-4 release hub-1 ok",
        "r-5 release hub-1 rejected",
        "r-6 reload hub-1 rejected",
    ];
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), expected, "a repetition does nothing and has no record");
    assert_eq!(records[0]["detail"]["args"]["incident"], json!(incident));
    assert!(records.iter().all(|record| record["actor"] == "hub"));
}
