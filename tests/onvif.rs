//! What is open stands at the broker as a retained ONVIF property, and nothing is left of it once it is over: whatever happens to the broker.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[expect(dead_code, reason = "this test only opens the gate")]
#[path = "common/gate.rs"]
mod gate;
#[expect(dead_code, reason = "this test does not reload the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[expect(dead_code, reason = "this test hears the broker by mosquitto's own client")]
#[path = "broker_outage/street.rs"]
mod street;

use curbwatch::incident::Phase;
use curbwatch::store::{Adapters, Destination};
use gate::Gate;
use mosquitto::Mosquitto;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use street::Agent;
use uuid::Uuid;

const TOPIC: &str = "city/box/onvif-ej/RuleEngine/curbwatch:fire_lane_blocked/&east/fire";

fn agent(port: u16) -> Agent {
    let agent = Agent::new(port);
    let adapters = Adapters { onvif: Some("city/box".to_owned()), ..Adapters::default() };
    agent.store.lock().set_adapters(adapters).unwrap();
    agent
}

/// What the broker has retained below `city/`, by topic and payload.
fn retained(broker: &Mosquitto) -> Vec<(String, Value)> {
    let port = broker.port().to_string();
    let arguments = ["-p", &port, "-V", "5", "-t", "city/#", "--retained-only", "-W", "1", "-F", "%t %p"];
    let output = Command::new("mosquitto_sub").args(arguments).output().expect("mosquitto_sub is installed");
    let lines = String::from_utf8(output.stdout).unwrap();
    let message = |line: &str| {
        line.split_once(' ').map(|(topic, payload)| (topic.to_owned(), serde_json::from_str(payload).unwrap()))
    };
    lines.lines().filter_map(message).collect()
}

fn incidents(retained: &[(String, Value)]) -> Vec<(&str, &str)> {
    retained.iter().map(|(topic, property)| (topic.as_str(), property["Data"]["Incident"].as_str().unwrap())).collect()
}

/// Hears what goes by below `city/`: whether each message says something or clears.
struct Ear {
    child: Child,
    heard: Arc<Mutex<Vec<bool>>>,
}

impl Ear {
    fn listen(broker: &Mosquitto) -> Self {
        let (port, before) = (broker.port().to_string(), broker.seen("Sending SUBACK to ear"));
        let arguments = ["-p", &port, "-V", "5", "-q", "1", "-i", "ear", "-t", "city/#", "-F", "%l"];
        let mut child = Command::new("mosquitto_sub").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (lines, heard) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::new(Mutex::new(Vec::new())));
        let hearing = Arc::clone(&heard);
        let hear = move || {
            for line in lines.map_while(Result::ok) {
                hearing.lock().unwrap().push(line != "0");
            }
        };
        std::thread::Builder::new().name("ear".to_owned()).spawn(hear).unwrap();
        broker.wait_for("Sending SUBACK to ear", before + 1);
        Self { child, heard }
    }

    fn heard(&self) -> Vec<bool> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn record(agent: &mut Agent, incident: Uuid, phase: Phase) {
    agent.record_change(incident, phase, false);
    agent.link.as_ref().unwrap().wake();
}

fn nothing_waits(agent: &Agent) {
    agent.wait_until("nothing waits", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
}

#[test]
fn a_property_is_retained_while_something_is_open_and_cleared_when_nothing_is() {
    let broker = Mosquitto::anonymous();
    let mut agent = agent(broker.port());
    let (first, second) = (agent.new_id(), agent.new_id());
    record(&mut agent, first, Phase::Opened);
    nothing_waits(&agent);
    let stands = retained(&broker);
    assert_eq!(incidents(&stands), [(TOPIC, &*first.to_string())]);
    let (_, property) = &stands[0];
    assert_eq!((&property["Source"]["VideoSource"], &property["Data"]["State"]), (&"east".into(), &true.into()));
    record(&mut agent, second, Phase::Opened);
    record(&mut agent, second, Phase::Closed);
    nothing_waits(&agent);
    assert_eq!(
        incidents(&retained(&broker)),
        [(TOPIC, &*first.to_string())],
        "one topic for a rule; the first is still open"
    );
    record(&mut agent, first, Phase::Closed);
    nothing_waits(&agent);
    assert_eq!(retained(&broker), []);
    broker.assert_no_protocol_error();
}

#[test]
fn what_opens_and_closes_during_an_outage_is_told_afterwards_and_leaves_nothing() {
    let broker = Mosquitto::anonymous();
    let gate = Gate::shut(broker.port());
    let mut agent = agent(gate.port());
    let incident = agent.new_id();
    record(&mut agent, incident, Phase::Opened);
    record(&mut agent, incident, Phase::Updated);
    record(&mut agent, incident, Phase::Closed);
    let ear = Ear::listen(&broker);
    gate.open();
    nothing_waits(&agent);
    agent.wait_until("all was heard", |_| ear.heard().len() == 3);
    assert_eq!(ear.heard(), [true, true, false], "opened, updated, cleared");
    assert_eq!(retained(&broker), []);
}

#[test]
fn a_broker_that_forgot_what_it_retained_is_told_again() {
    let mut broker = Mosquitto::anonymous();
    let mut agent = agent(broker.port());
    let incident = agent.new_id();
    record(&mut agent, incident, Phase::Opened);
    nothing_waits(&agent);
    broker.kill();
    agent.wait_until("the link noticed", |agent| !agent.link.as_ref().unwrap().connected());
    broker.start();
    agent.wait_until("it is connected again", |agent| agent.stats().connects == 2);
    nothing_waits(&agent);
    assert_eq!(incidents(&retained(&broker)), [(TOPIC, &*incident.to_string())]);
    record(&mut agent, incident, Phase::Closed);
    nothing_waits(&agent);
    assert_eq!(retained(&broker), []);
    broker.assert_no_protocol_error();
}
