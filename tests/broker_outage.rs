//! The hub gets every event, in order, whatever happens to the broker; and it learns how the agent is.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/gate.rs"]
mod gate;
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "broker_outage/street.rs"]
mod street;

use curbwatch::config::Protocol;
use curbwatch::contract::{AgentState, IncidentEvent};
use curbwatch::hub::{Content, Sight};
use curbwatch::incident::Phase;
use curbwatch::mqtt::{AlarmKind, Farewell, MqttSettings};
use curbwatch::store::{Bounds, Destination};
use gate::Gate;
use mosquitto::Mosquitto;
use std::time::{Duration, Instant};
use street::{Agent, Hub};

/// `now` of a test; tests may wait for real things.
#[expect(clippy::disallowed_methods, reason = "measures a real outage")]
fn instant() -> Instant {
    Instant::now()
}

fn sequences(events: &[IncidentEvent]) -> Vec<u64> {
    events.iter().map(|event| event.sequence.0).collect()
}

#[test]
fn what_happens_before_the_broker_is_there_arrives_later_in_order_and_marked() {
    let mut broker = Mosquitto::reserve("allow_anonymous true");
    let gate = Gate::shut(broker.port());
    let mut agent = Agent::new(gate.port());
    agent.link.as_ref().unwrap().state(agent.topics.birth(), agent.birth());
    for _ in 0..30 {
        agent.record(Phase::Opened, true);
    }
    agent.wait_until("an attempt to connect failed", |agent| agent.stats().failures > 0);
    assert_eq!(agent.store.lock().backlog(Destination::Hub).unwrap().rows, 60);

    broker.start();
    let mut hub = Hub::watch(&broker);
    let began = instant();
    gate.open();
    let events = hub.events(30);
    assert!(began.elapsed() >= Duration::from_millis(500), "60 rows at 100 a second took {:?}", began.elapsed());
    assert_eq!(sequences(&events), (1..=30).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.data.replayed), "a backlog is marked");
    let order: Vec<&str> = hub.kinds.iter().copied().take(4).collect();
    assert_eq!(order, ["status", "birth", "picture", "event"], "state first, and each picture before its event");
    assert_eq!(hub.pictures_right, 30);

    agent.wait_until("nothing waits any more", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
    agent.record(Phase::Closed, false);
    let live = hub.events(1);
    assert!(!live[0].data.replayed, "what happens while connected is not marked");
    broker.assert_no_protocol_error();
}

#[test]
fn a_broker_that_is_killed_and_forgets_everything_gets_the_rest_and_all_states() {
    let mut broker = Mosquitto::anonymous();
    let gate = Gate::shut(broker.port());
    gate.open();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(gate.port());
    let camera_status = agent.topics.camera_status(&agent.camera.id);
    agent.link.as_ref().unwrap().state(camera_status.clone(), agent.camera_status());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    for _ in 0..10 {
        agent.record(Phase::Opened, false);
    }
    let before = hub.events(10);
    assert!(before.iter().all(|event| !event.data.replayed));
    let first_session = hub.sessions(AgentState::Online)[0];

    gate.cut();
    broker.kill();
    for _ in 0..10 {
        agent.record(Phase::Opened, false);
    }
    agent.wait_until("the link noticed", |agent| !agent.link.as_ref().unwrap().connected());
    broker.start();
    hub.wait_until("subscribed again", |hub| hub.connects == 2);
    gate.open();
    let after = hub.events(10);
    assert_eq!(sequences(&after), (11..=20).collect::<Vec<_>>());
    assert!(after.iter().all(|event| event.data.replayed));
    agent.wait_until("nothing waits any more", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);

    let mut newcomer = Hub::watch(&broker);
    newcomer.wait_until("the restarted broker knows the camera", |hub| hub.topics.contains(&camera_status));
    assert!(newcomer.sessions(AgentState::Online)[0] > first_session, "each connection has a higher session number");
    broker.assert_no_protocol_error();
}

#[test]
fn a_connection_cut_in_the_middle_of_a_burst_loses_nothing_and_mixes_nothing_up() {
    let broker = Mosquitto::anonymous();
    let gate = Gate::shut(broker.port());
    gate.open();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(gate.port());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    for round in 0..4 {
        gate.cut_after(20_000 + 7_000 * round);
        for _ in 0..25 {
            agent.record(Phase::Updated, true);
        }
        agent.wait_until("the gate cut", |_| !gate.is_open());
        gate.open();
    }
    let events = hub.events(100);
    assert_eq!(sequences(&events), (1..=100).collect::<Vec<_>>(), "first sights are in order");
    agent.wait_until("nothing waits any more", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
    assert!(agent.stats().connects >= 5, "{:?}", agent.stats());
    assert!(agent.stats().sent > 200, "a cut in a burst makes something be sent twice: {:?}", agent.stats());
    broker.assert_no_protocol_error();
}

#[test]
fn an_agent_that_vanishes_is_reported_lost_by_its_will() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(broker.port());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    drop(agent.link.take());
    hub.wait_until("the will arrived", |hub| !hub.sessions(AgentState::Lost).is_empty());
    assert_eq!(hub.sessions(AgentState::Lost), hub.sessions(AgentState::Online));
    let mut newcomer = Hub::watch(&broker);
    newcomer.wait_until("the will is retained", |hub| !hub.sessions(AgentState::Lost).is_empty());
}

#[test]
fn an_agent_that_leaves_in_order_sends_what_it_has_and_says_so() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(broker.port());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    for _ in 0..40 {
        agent.record_quietly(Phase::Opened, false);
    }
    let began = instant();
    assert_eq!(agent.link.take().unwrap().stop(Duration::from_secs(5)), Farewell::Said);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(sequences(&hub.events(40)), (1..=40).collect::<Vec<_>>());
    hub.wait_until("offline was said", |hub| !hub.sessions(AgentState::Offline).is_empty());
    let said: Vec<AgentState> = hub.statuses.iter().map(|status| status.status).collect();
    assert_eq!(said, [AgentState::Online, AgentState::Stopping, AgentState::Offline]);
    assert_eq!(agent.store.lock().backlog(Destination::Hub).unwrap().rows, 0);
    broker.assert_no_protocol_error();
}

#[test]
fn stopping_without_a_broker_takes_no_time_and_keeps_everything() {
    let broker = Mosquitto::reserve("allow_anonymous true");
    let mut agent = Agent::new(broker.port());
    agent.record(Phase::Opened, true);
    agent.wait_until("an attempt to connect failed", |agent| agent.stats().failures > 0);
    let began = instant();
    assert_eq!(agent.link.take().unwrap().stop(Duration::from_secs(5)), Farewell::NotConnected);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(agent.store.lock().backlog(Destination::Hub).unwrap().rows, 2);
}

#[test]
fn an_event_that_the_broker_refuses_is_kept_and_sent_again_and_others_pass() {
    let mut broker = Mosquitto::reserve("allow_anonymous true\nacl_file {folder}/acl");
    let acl = broker.folder().join("acl");
    let denied = "topic deny curbwatch/v1/hangzhou/box/camera/east/event/#\ntopic readwrite curbwatch/#\n";
    std::fs::write(&acl, denied).unwrap();
    broker.start();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(broker.port());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    agent.record(Phase::Opened, true);
    agent.wait_until("the broker refused", |agent| agent.stats().refused > 0);
    hub.wait_until("the picture passed", |hub| hub.kinds.contains(&"picture"));
    agent.wait_until("only the event waits", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 1);
    let kinds =
        |agent: &Agent| agent.link.as_ref().unwrap().alarms().iter().map(|alarm| alarm.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&agent), [AlarmKind::NotAuthorised]);

    std::fs::write(&acl, "topic readwrite curbwatch/#\n").unwrap();
    broker.reload();
    let events = hub.events(1);
    assert_eq!(sequences(&events), [1]);
    assert!(!events[0].data.replayed);
    agent.wait_until("nothing waits any more", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
    assert_eq!(kinds(&agent), [], "the alarm is over");
    assert_eq!(agent.stats().connects, 1, "a refusal is no reason to part");
    broker.assert_no_protocol_error();
}

#[test]
fn an_agent_with_the_wrong_password_goes_on_trying_until_it_is_right() {
    let mut broker = Mosquitto::reserve("allow_anonymous false\npassword_file {folder}/users");
    let users = broker.folder().join("users");
    street::add_user(&users, "box", "right one");
    street::add_user(&users, "hub", "hub's own");
    broker.start();
    let secret = broker.folder().join("secret");
    std::fs::write(&secret, "wrong one\n").unwrap();
    let mut agent = Agent::with_password(broker.port(), "box", &secret);
    agent.record(Phase::Opened, false);
    agent.wait_until("the broker refused twice", |agent| agent.stats().failures > 1);
    assert!(!agent.link.as_ref().unwrap().connected());

    let mut hub = Hub::watch_as(&broker, "hub", "hub's own");
    std::fs::write(&secret, "right one\n").unwrap();
    assert_eq!(sequences(&hub.events(1)), [1]);
    let log = street::log();
    assert!(log.contains("no connection to the broker"), "{log}");
    assert!(log.contains("NotAuthorized") || log.contains("BadUserNamePassword"), "{log}");
    assert!(!log.contains("wrong one") && !log.contains("right one"), "a password in the log");
}

#[test]
fn a_picture_larger_than_the_broker_takes_blocks_nothing_and_is_kept() {
    let mut broker = Mosquitto::reserve("allow_anonymous true\nmax_packet_size 3000");
    broker.start();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(broker.port());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    agent.record(Phase::Opened, true);
    agent.record(Phase::Opened, false);
    assert_eq!(sequences(&hub.events(2)), [1, 2]);
    agent.wait_until("only the picture is left", |agent| {
        agent.store.lock().backlog(Destination::Hub).unwrap().rows == 1
    });
    assert_eq!((agent.stats().refused, agent.stats().connects), (1, 1));
    broker.assert_no_protocol_error();
}

#[test]
fn a_picture_for_which_the_broker_closes_the_connection_is_set_aside_and_blocks_nothing() {
    // It does not say how much it takes, and acknowledges what is too large with a reason that the client library does not know.
    let mut broker = Mosquitto::reserve("allow_anonymous true\nmessage_size_limit 3000");
    broker.start();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(broker.port());
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    agent.record(Phase::Opened, true);
    agent.record(Phase::Opened, false);
    assert_eq!(sequences(&hub.events(2)), [1, 2]);
    agent.wait_until("only the picture is left", |agent| {
        agent.store.lock().backlog(Destination::Hub).unwrap().rows == 1
    });
    let alarms = agent.link.as_ref().unwrap().alarms();
    assert!(matches!(&alarms[..], [alarm] if alarm.kind == AlarmKind::TooLarge), "{alarms:?}");
    assert_eq!(agent.stats().connects, 2, "one connection is the price");
}

#[test]
fn what_is_larger_than_the_configuration_says_is_kept_back_on_3_1_1() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let change = |settings: &mut MqttSettings| {
        (settings.protocol, settings.max_packet_bytes) = (Protocol::V311, Some(3000));
    };
    let mut agent = Agent::with(broker.port(), change, None);
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    agent.record(Phase::Opened, true);
    agent.record(Phase::Opened, false);
    assert_eq!(sequences(&hub.events(2)), [1, 2]);
    agent.wait_until("only the picture is left", |agent| {
        agent.store.lock().backlog(Destination::Hub).unwrap().rows == 1
    });
    assert_eq!(agent.link.as_ref().unwrap().alarms().len(), 1);
    assert!(broker.seen("as box (p2,") > 0, "version 4 is 3.1.1");
    broker.assert_no_protocol_error();
}

#[test]
fn mqtt_3_1_1_delivers_as_5_does_over_an_outage() {
    let mut broker = Mosquitto::anonymous();
    let gate = Gate::shut(broker.port());
    gate.open();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::with(gate.port(), |settings| settings.protocol = Protocol::V311, None);
    hub.wait_until("the agent is online", |hub| !hub.sessions(AgentState::Online).is_empty());
    for _ in 0..10 {
        agent.record(Phase::Opened, true);
    }
    assert_eq!(sequences(&hub.events(10)), (1..=10).collect::<Vec<_>>());
    gate.cut();
    broker.kill();
    for _ in 0..10 {
        agent.record(Phase::Opened, true);
    }
    agent.wait_until("the link noticed", |agent| !agent.link.as_ref().unwrap().connected());
    broker.start();
    hub.wait_until("subscribed again", |hub| hub.connects == 2);
    gate.open();
    let after = hub.events(10);
    assert_eq!(sequences(&after), (11..=20).collect::<Vec<_>>());
    assert!(after.iter().all(|event| event.data.replayed));
    assert_eq!(hub.pictures_right, 20);
    drop(agent.link.take());
    hub.wait_until("the will arrived", |hub| !hub.sessions(AgentState::Lost).is_empty());
    broker.assert_no_protocol_error();
}

#[test]
fn what_had_to_be_dropped_is_named_to_the_hub() {
    let broker = Mosquitto::anonymous();
    // Shut until the hub listens: what nobody has subscribed to is acknowledged all the same.
    let gate = Gate::shut(broker.port());
    let mut agent = Agent::new(gate.port());
    agent.store.lock().set_bounds(Bounds { max_bytes: 8_000, ..Bounds::NONE });
    for _ in 0..20 {
        agent.record(Phase::Opened, false);
    }
    let kept = agent.store.lock().backlog(Destination::Hub).unwrap().rows;
    assert!(kept > 2 && kept < 20, "{kept}");
    let mut hub = Hub::watch(&broker);
    gate.open();
    let first = hub.events(1)[0].sequence.0;
    assert_eq!(first, 21 - kept, "the oldest went");
    let lost = hub.lost.clone().expect("it was named before the backlog came");
    assert_eq!((lost.count, lost.ranges.len()), (20 - kept, 1));
    assert_eq!((lost.ranges[0].first.0, lost.ranges[0].last.0), (1, first - 1));
    broker.assert_no_protocol_error();
}

#[test]
fn the_terminal_shows_incidents_once_and_ends_when_it_saw_enough() {
    let broker = Mosquitto::anonymous();
    let mut agent = Agent::new(broker.port());
    let (port, pictures) = (broker.port().to_string(), tempfile::tempdir().unwrap());
    let watch = assert_cmd::Command::cargo_bin("curbwatch")
        .unwrap()
        .args(["hub", "watch", "--port", &port, "--until", "opened=1", "--for", "0"])
        .assert();
    let quiet = String::from_utf8(watch.failure().get_output().stdout.clone()).unwrap();
    assert!(!quiet.contains("OPENED"), "{quiet}");

    let before = broker.seen("Sending SUBACK");
    let program = assert_cmd::cargo::cargo_bin("curbwatch");
    let watch = std::process::Command::new(program)
        .args(["hub", "watch", "--port", &port, "--until", "opened=1", "--for", "30", "--evidence"])
        .arg(pictures.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    broker.wait_for("Sending SUBACK", before + 1);
    agent.record(Phase::Opened, true);
    let output = watch.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("OPENED     east  占用消防通道 (fire_lane_blocked 09012)  lane  45 s"), "{text}");
    assert!(text.contains("agent   hangzhou/box  online"), "{text}");
    let saved = std::fs::read_dir(pictures.path()).unwrap().count();
    assert_eq!((saved, text.matches("picture saved: ").count()), (1, 1), "{text}");
}

#[test]
fn heartbeats_come_without_being_asked_for() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    let agent = Agent::new(broker.port());
    hub.wait_until("two heartbeats", |hub| hub.kinds.iter().filter(|kind| **kind == "heartbeat").count() >= 2);
    drop(agent);
}

#[test]
fn foreign_messages_do_not_disturb_the_hub() {
    let broker = Mosquitto::anonymous();
    let mut hub = Hub::watch(&broker);
    street::publish(&broker, "curbwatch/v1/a/b/status", "{\"status\":\"online\",\"person\":1}");
    let sight = hub.next();
    let Sight::Message(message) = sight else { panic!("{sight:?}") };
    assert!(matches!(message.content, Content::Unreadable { .. }), "{:?}", message.content);
}
