//! The connection to the broker: encrypted with a private authority, both sides known by certificate, over web sockets, with other
//! brokers to fall back on; certificates that expire and are renewed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/authority.rs"]
mod authority;
#[expect(dead_code, reason = "this test does not reload the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[expect(dead_code, reason = "this test needs no password and publishes nothing itself")]
#[path = "broker_outage/street.rs"]
mod street;

use authority::Authority;
use curbwatch::config::{BrokerConfig, HubTransport, Protocol, TlsConfig};
use curbwatch::contract::AgentState;
use curbwatch::incident::Phase;
use curbwatch::mqtt::{AlarmKind, MqttSettings};
use curbwatch::store::Destination;
use mosquitto::Mosquitto;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use street::{Agent, Hub};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A broker with a plain listener for the hub, and another one for the agent, configured by `listener`.
fn broker(listener: &str) -> (Mosquitto, u16) {
    let port = free_port();
    let mut broker = Mosquitto::reserve(&format!("allow_anonymous true\nlistener {port} 127.0.0.1\n{listener}"));
    broker.start();
    (broker, port)
}

fn with_certificate(authority: &Authority) -> String {
    let path = |name: &str| authority.path(name).display().to_string();
    format!("cafile {}\ncertfile {}\nkeyfile {}\n", path("ca.pem"), path("broker.pem"), path("broker.key"))
}

fn at(port: u16) -> Vec<BrokerConfig> {
    vec![BrokerConfig { host: "localhost".into(), port }]
}

/// An event goes through and is acknowledged.
fn delivers(agent: &mut Agent, hub: &mut Hub) {
    agent.record(Phase::Opened, true);
    hub.events(1);
    agent.wait_until("nothing waits any more", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
}

#[test]
fn a_private_authority_is_trusted_and_another_is_not_until_its_file_is_changed() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (broker, port) = broker(&with_certificate(&authority));
    let mut hub = Hub::watch(&broker);
    let trusted = authority.path("trusted.pem");
    std::fs::copy(stranger.path("ca.pem"), &trusted).unwrap();
    let tls = TlsConfig { ca: trusted.clone(), ..authority.tls() };
    let change = |settings: &mut MqttSettings| (settings.brokers, settings.tls) = (at(port), Some(tls));
    let mut agent = Agent::with(broker.port(), change, None);
    agent.wait_until("it refuses the broker twice", |agent| agent.stats().failures > 1);
    assert!(street::log().contains("invalid peer certificate"), "{}", street::log());
    assert_eq!(agent.stats().connects, 0);
    std::fs::copy(authority.path("ca.pem"), &trusted).unwrap();
    delivers(&mut agent, &mut hub);
}

#[test]
fn a_broker_that_wants_a_certificate_gets_one_and_its_expiry_is_an_alarm_until_it_is_renewed() {
    let authority = Authority::new();
    authority.certify("box", 10);
    let (mut broker, port) = broker(&(with_certificate(&authority) + "require_certificate true\n"));
    let mut hub = Hub::watch(&broker);
    let tls = authority.mutual();
    let change = |settings: &mut MqttSettings| (settings.brokers, settings.tls) = (at(port), Some(tls));
    let mut agent = Agent::with(broker.port(), change, None);
    delivers(&mut agent, &mut hub);
    let alarms = agent.link.as_ref().unwrap().alarms();
    assert!(matches!(&alarms[..], [alarm] if alarm.kind == AlarmKind::CertificateExpires), "{alarms:?}");
    assert!(alarms[0].detail.contains("box.pem"), "{alarms:?}");

    authority.certify("box", 365);
    broker.kill();
    broker.start();
    hub.wait_until("the agent is back", |hub| hub.sessions(AgentState::Online).len() == 2);
    assert_eq!(agent.link.as_ref().unwrap().alarms(), []);

    let tls = authority.tls();
    let change = |settings: &mut MqttSettings| (settings.brokers, settings.tls) = (at(port), Some(tls));
    let nobody = Agent::with(broker.port(), change, None);
    nobody.wait_until("it is refused", |agent| agent.stats().failures > 0);
    assert_eq!(nobody.stats().connects, 0);
}

#[test]
fn the_operator_at_a_terminal_is_known_by_certificate_too() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.certify("box", 10);
    let (broker, port) = broker(&(with_certificate(&authority) + "require_certificate true\n"));
    let mut hub = Hub::watch(&broker);
    let tls = authority.mutual();
    let change = |settings: &mut MqttSettings| (settings.brokers, settings.tls) = (at(port), Some(tls));
    let mut agent = Agent::with(broker.port(), change, None);
    delivers(&mut agent, &mut hub);
    let listen = |what: &[&str], ca: PathBuf| {
        let TlsConfig { certificate, key, .. } = authority.mutual();
        let mut command = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
        command.arg("hub").args(what).args(["--host", "localhost", "--port", &port.to_string(), "--ca"]).arg(ca);
        command.arg("--certificate").arg(certificate.unwrap()).arg("--certificate-key").arg(key.unwrap());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let said = listen(&["tail", "--count", "1"], authority.path("ca.pem"));
    assert!(said.starts_with("curbwatch/v1/"), "{said}");
    let said = listen(&["watch", "--for", "2"], stranger.path("ca.pem"));
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert_eq!(said.lines().count(), 1, "it is said once: {said}");
}

#[test]
fn a_broker_whose_certificate_has_expired_is_refused_until_it_has_a_new_one() {
    let authority = Authority::new();
    authority.certify("broker", -1);
    let (mut broker, port) = broker(&with_certificate(&authority));
    let mut hub = Hub::watch(&broker);
    let tls = authority.tls();
    let change = |settings: &mut MqttSettings| (settings.brokers, settings.tls) = (at(port), Some(tls));
    let mut agent = Agent::with(broker.port(), change, None);
    agent.record(Phase::Opened, true);
    agent.wait_until("it refuses the broker twice", |agent| agent.stats().failures > 1);
    assert!(street::log().contains("peer certificate: Expired"), "{}", street::log());
    assert_eq!(agent.stats().connects, 0);
    authority.certify("broker", 365);
    broker.kill();
    broker.start();
    // The agent may be back before the hub, which then misses what is told meanwhile.
    hub.wait_until("the hub is back", |hub| hub.connects == 2);
    agent.wait_until("what waited has gone", |agent| agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
    delivers(&mut agent, &mut hub);
}

#[test]
fn web_sockets_carry_both_versions_in_the_clear_and_encrypted() {
    let authority = Authority::new();
    for (protocol, tls) in [(Protocol::V5, Some(authority.tls())), (Protocol::V311, None)] {
        let certificate = if tls.is_some() { with_certificate(&authority) } else { String::new() };
        let (broker, port) = broker(&format!("protocol websockets\n{certificate}"));
        let mut hub = Hub::watch(&broker);
        let change = |settings: &mut MqttSettings| {
            (settings.brokers, settings.tls, settings.protocol) = (at(port), tls, protocol);
            settings.transport = HubTransport::Websocket;
        };
        let mut agent = Agent::with(broker.port(), change, None);
        delivers(&mut agent, &mut hub);
        broker.assert_no_protocol_error();
    }
}

#[test]
fn another_broker_is_used_while_the_preferred_one_is_away() {
    let mut preferred = Mosquitto::reserve("allow_anonymous true");
    let mut other = Mosquitto::anonymous();
    let mut hub = Hub::watch(&other);
    let both = [preferred.port(), other.port()].map(|port| BrokerConfig { host: "127.0.0.1".into(), port });
    let mut agent = Agent::with(other.port(), |settings| settings.brokers = both.to_vec(), None);
    delivers(&mut agent, &mut hub);
    preferred.start();
    let mut hub = Hub::watch(&preferred);
    other.kill();
    delivers(&mut agent, &mut hub);
}
