//! Whatever a broker does wrong, nothing is lost, nothing else waits for it longer than it must, and an alarm says what it was.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "../common/mosquitto.rs"]
mod mosquitto;
mod scripted;
#[expect(dead_code, reason = "this test needs no password and publishes nothing itself")]
#[path = "../broker_outage/street.rs"]
mod street;

use curbwatch::clock::{Clocks, Mono, SystemClocks};
use curbwatch::config::OutboxConfig;
use curbwatch::incident::Phase;
use curbwatch::mqtt::{AlarmKind, MqttSettings};
use curbwatch::store::{Bounds, Destination};
use mosquitto::Mosquitto;
use scripted::{Answer, Manners, Published, Scripted};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;
use street::{Agent, Hub};

const QUOTA_EXCEEDED: u8 = 0x97;
const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
const ADMINISTRATIVE_ACTION: u8 = 0x98;

fn polite(_: usize) -> Manners {
    Manners::default()
}

/// Answers the first incident event otherwise than all else.
fn once(answer: Answer) -> impl Fn(&Published) -> Answer {
    let events = AtomicUsize::new(0);
    move |publish| {
        let is_first = publish.sequence().is_some() && events.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { answer } else { Answer::Ack(0) }
    }
}

fn alarms(agent: &Agent) -> Vec<AlarmKind> {
    agent.link.as_ref().unwrap().alarms().iter().map(|alarm| alarm.kind).collect()
}

fn backlog(agent: &Agent) -> u64 {
    agent.store.lock().backlog(Destination::Hub).unwrap().rows
}

fn is_connected(agent: &Agent) -> bool {
    agent.link.as_ref().unwrap().connected()
}

#[test]
fn a_quota_pauses_everything_and_the_refused_event_goes_first_again() {
    // One at a time, so that what follows the refusal is seen.
    let one_at_a_time = |_| Manners { receive_max: Some(1), ..Manners::default() };
    let broker = Scripted::start(one_at_a_time, once(Answer::Ack(QUOTA_EXCEEDED)));
    let mut agent =
        Agent::with(broker.port(), |settings| settings.retry_refused.first = Duration::from_millis(400), None);
    agent.wait_until("it is connected", is_connected);
    (0..4).for_each(|_| agent.record_quietly(Phase::Opened, false));
    agent.link.as_ref().unwrap().wake();
    agent.wait_until("the alarm is raised", |agent| alarms(agent) == [AlarmKind::Quota]);
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    assert_eq!(broker.events(), [(1, 1), (1, 1), (1, 2), (1, 3), (1, 4)], "nothing went past the refused one");
    assert_eq!((alarms(&agent), agent.stats().refused), (vec![], 1));
}

#[test]
fn what_the_broker_calls_invalid_is_set_aside_until_the_next_connection() {
    let broker = Scripted::start(polite, {
        let first = once(Answer::Ack(PAYLOAD_FORMAT_INVALID));
        move |publish: &Published| match first(publish) {
            // The fourth event ends the connection.
            Answer::Ack(0) if publish.sequence() == Some(4) && publish.connection == 1 => {
                Answer::Kick(ADMINISTRATIVE_ACTION)
            }
            answer @ (Answer::Ack(_) | Answer::Kick(_) | Answer::FallSilent) => answer,
        }
    });
    let mut agent = Agent::new(broker.port());
    agent.wait_until("it is connected", is_connected);
    (0..3).for_each(|_| agent.record(Phase::Opened, false));
    agent.wait_until("the others went on", |agent| backlog(agent) == 1);
    assert_eq!(alarms(&agent), [AlarmKind::Invalid]);
    assert_eq!(broker.events().len(), 3, "it is not tried again on this connection");
    agent.record(Phase::Opened, false);
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    assert_eq!(alarms(&agent), []);
    let again: Vec<_> = broker.events().into_iter().filter(|(connection, _)| *connection == 2).collect();
    assert_eq!(again, [(2, 1), (2, 4)]);
}

#[test]
fn a_connection_of_which_only_this_end_is_left_is_given_up_and_all_of_it_sent_again() {
    let broker = Scripted::start(polite, once(Answer::FallSilent));
    let mut agent = Agent::new(broker.port());
    agent.wait_until("it is connected", is_connected);
    (0..3).for_each(|_| agent.record(Phase::Opened, true));
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    let second: Vec<_> = broker.events().into_iter().filter(|(connection, _)| *connection == 2).collect();
    assert_eq!(second, [(2, 1), (2, 2), (2, 3)]);
}

#[test]
fn a_broker_that_reads_slowly_gets_everything_on_one_connection() {
    let slow = |_| Manners { rest_per_kib: Duration::from_millis(5), ..Manners::default() };
    let broker = Scripted::start(slow, |_| Answer::Ack(0));
    let mut agent = Agent::new(broker.port());
    (0..40).for_each(|_| agent.record(Phase::Opened, true));
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    assert_eq!(broker.events(), (1..=40).map(|sequence| (1, sequence)).collect::<Vec<_>>());
}

#[test]
fn a_broker_that_throws_the_agent_out_again_and_again_gets_everything_in_order() {
    let publishes = AtomicUsize::new(0);
    let broker = Scripted::start(polite, move |_| {
        let is_enough = publishes.fetch_add(1, Ordering::SeqCst) % 9 == 8;
        if is_enough { Answer::Kick(ADMINISTRATIVE_ACTION) } else { Answer::Ack(0) }
    });
    let mut agent = Agent::new(broker.port());
    (0..30).for_each(|_| agent.record(Phase::Opened, true));
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    assert!(agent.stats().connects > 3, "{:?}", agent.stats());
    let mut firsts: Vec<u64> = Vec::new();
    for (_, sequence) in broker.events() {
        if !firsts.contains(&sequence) {
            firsts.push(sequence);
        }
    }
    assert_eq!(firsts, (1..=30).collect::<Vec<_>>());
}

#[test]
fn a_packet_limit_of_a_kibibyte_sets_events_aside_until_a_broker_takes_them() {
    let limited = |connection| Manners { max_packet_bytes: (connection == 1).then_some(1024), ..Manners::default() };
    let broker = Scripted::start(limited, |publish| {
        let is_the_sign = publish.connection == 1 && publish.topic.ends_with("camera/east/status");
        if is_the_sign { Answer::Kick(ADMINISTRATIVE_ACTION) } else { Answer::Ack(0) }
    });
    let mut agent = Agent::new(broker.port());
    agent.wait_until("it is connected", is_connected);
    (0..3).for_each(|_| agent.record(Phase::Opened, false));
    agent.wait_until("all are set aside", |agent| agent.stats().refused == 3);
    assert_eq!((alarms(&agent), backlog(&agent)), (vec![AlarmKind::TooLarge], 3));
    broker.wait_until("what is small goes on", |heard| heard.iter().any(|publish| publish.topic.ends_with("/status")));
    assert_eq!(broker.events(), []);
    // What comes next ends the connection; the other broker takes more.
    let status = agent.topics.camera_status(&agent.camera.id);
    agent.link.as_ref().unwrap().state(status, agent.camera_status());
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    assert_eq!(broker.events(), [(2, 1), (2, 2), (2, 3)]);
    assert_eq!(alarms(&agent), []);
}

/// The box's clocks, of which the wall clock can be set.
struct SetClocks {
    real: SystemClocks,
    ahead_secs: AtomicI64,
}

impl Clocks for SetClocks {
    fn mono(&self) -> Mono {
        self.real.mono()
    }
    fn wall(&self) -> jiff::Timestamp {
        self.real.wall() + jiff::SignedDuration::from_secs(self.ahead_secs.load(Ordering::SeqCst))
    }
}

#[test]
fn a_clock_that_is_set_by_an_hour_either_way_loses_nothing_and_no_session_goes_back() {
    // Each connection ends at its fourth event.
    let broker = Scripted::start(polite, |publish| match publish.sequence() {
        Some(sequence) if sequence % 4 == 0 && publish.connection as u64 == sequence / 4 => {
            Answer::Kick(ADMINISTRATIVE_ACTION)
        }
        _ => Answer::Ack(0),
    });
    let clocks = Arc::new(SetClocks { real: SystemClocks::new(), ahead_secs: AtomicI64::new(0) });
    let mut agent = Agent::with_clocks(broker.port(), Arc::<SetClocks>::clone(&clocks), |_| {});
    let half_an_hour = Bounds { max_age: Duration::from_mins(30), ..Bounds::NONE };
    agent.store.lock().set_bounds(half_an_hour);
    for ahead in [0, 3_600, -3_600] {
        clocks.ahead_secs.store(ahead, Ordering::SeqCst);
        (0..4).for_each(|_| agent.record(Phase::Opened, false));
        agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    }
    agent.wait_until("it is connected again", |agent| agent.stats().connects >= 4 && is_connected(agent));
    let delivered: BTreeSet<u64> = broker.events().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(delivered, (1..=12).collect());
    broker.wait_until("each connection has said its number", |heard| sessions(heard).len() >= 4);
    broker.wait_until("sessions grow", |heard| sessions(heard).is_sorted());
    assert_eq!(agent.store.lock().losses(Destination::Hub).unwrap(), None);
}

#[test]
fn a_day_without_a_broker_and_its_twenty_thousand_events_arrive_in_order() {
    const EVENTS: u64 = 20_000;
    const DAY_SECS: u64 = 24 * 3600;
    // The hub checks every payload, and is slower than the agent: what waits for it is the broker's matter.
    let mut broker = Mosquitto::reserve("allow_anonymous true\nmax_queued_messages 0");
    let clocks = Arc::new(SetClocks { real: SystemClocks::new(), ahead_secs: AtomicI64::new(0) });
    let fast = |settings: &mut MqttSettings| settings.replay_per_sec = 5000;
    let mut agent = Agent::with_clocks(broker.port(), Arc::<SetClocks>::clone(&clocks), fast);
    agent.store.lock().set_bounds(Bounds::from(&OutboxConfig::default()));
    for index in 1..=EVENTS {
        clocks.ahead_secs.store((index * DAY_SECS / EVENTS) as i64, Ordering::SeqCst);
        agent.record_quietly(Phase::Opened, false);
    }
    agent.wait_until("it has tried to connect", |agent| agent.stats().failures > 0);
    assert_eq!(backlog(&agent), EVENTS);

    broker.start();
    let mut hub = Hub::watch(&broker);
    let mut times = Vec::new();
    for first in (1..=EVENTS).step_by(1000) {
        let events = hub.events(1000);
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence.0).collect();
        assert_eq!(sequences, (first..first + 1000).collect::<Vec<_>>());
        assert!(events.iter().all(|event| event.data.replayed), "a backlog is marked");
        times.extend(events.iter().map(|event| event.time.instant()));
    }
    let day = times[times.len() - 1].duration_since(times[0]);
    assert!(day.as_secs() >= DAY_SECS as i64 - 10, "events keep the time at which they happened: {day}");
    agent.wait_until("nothing waits any more", |agent| backlog(agent) == 0);
    assert_eq!(agent.store.lock().losses(Destination::Hub).unwrap(), None);
    broker.assert_no_protocol_error();
}

/// The numbers of the connections, in their order.
fn sessions(heard: &[Published]) -> Vec<u64> {
    let status = |publish: &Published| -> Option<u64> {
        let is_status = publish.topic == "curbwatch/v1/hangzhou/box/status";
        let status: serde_json::Value = is_status.then(|| serde_json::from_slice(&publish.payload).ok())??;
        status["session"].as_u64()
    };
    let mut sessions: Vec<u64> = heard.iter().filter_map(status).collect();
    sessions.dedup();
    sessions
}

#[test]
fn a_broker_that_takes_one_message_at_a_time_gets_all_in_order() {
    let mut broker = Mosquitto::reserve("allow_anonymous true\nmax_inflight_messages 1");
    broker.start();
    let mut hub = Hub::watch(&broker);
    let mut agent = Agent::new(broker.port());
    (0..20).for_each(|_| agent.record(Phase::Opened, true));
    let sequences: Vec<u64> = hub.events(20).iter().map(|event| event.sequence.0).collect();
    assert_eq!((sequences, hub.pictures_right), ((1..=20).collect(), 20));
    broker.assert_no_protocol_error();
}
