//! Cameras on the network that say of themselves that they are there: the Probe of WS-Discovery (OASIS, version of April 2005, as the ONVIF Core
//! Specification chapter 7 has it) to every network of the box, and the answers to it.
//!
//! Nothing else is asked of a camera: its streams need a login. Answers are strangers' bytes: what is no answer is passed over, what is shown has no
//! control characters, and there is a limit to their number.

use crate::clock::{Clocks, Mono};
use percent_encoding::percent_decode_str;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use sysinfo::Networks;
use uuid::Uuid;

/// Where devices listen for a Probe.
const EVERYBODY: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 255, 255, 250), 3702);
/// What is asked for: cameras name the first type, recorders and some encoders only the second. Types of one Probe must all hold, so that there are two.
const TYPES: [(&str, &str); 2] = [
    ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
    ("http://www.onvif.org/ver10/device/wsdl", "Device"),
];
/// A datagram may be lost: each Probe is sent so often.
const REPEATS: usize = 2;
/// How long an answer is waited for at one network before the next one is looked at.
const TURN: Duration = Duration::from_millis(50);
/// Most devices that are told of.
const MAX_DEVICES: usize = 256;
/// Longest text of a device that is shown, in characters.
const MAX_TEXT: usize = 200;
/// Beginning of what a device says of itself in a scope.
const SCOPE: &str = "onvif://www.onvif.org/";

/// A device that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// From where its answer came.
    pub from: IpAddr,
    /// Its name, model and place as it says, if it does.
    pub name: Option<String>,
    /// Its model.
    pub hardware: Option<String>,
    /// Its place.
    pub location: Option<String>,
    /// Addresses of its ONVIF service.
    pub services: Vec<String>,
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The box has no network but loopback.
    #[error("this box has no IPv4 network besides loopback")]
    NoNetwork,
    /// On none of its networks a Probe could be sent.
    #[error("the question could not be sent from {from}")]
    Send {
        /// The box's address on the network tried last.
        from: IpAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Asks every network of the box, or the device `at` an address alone, and collects answers for `length`; in the order of their addresses.
pub fn discover(at: Option<SocketAddr>, length: Duration, clocks: &dyn Clocks) -> Result<Vec<Found>, DiscoverError> {
    let target = at.unwrap_or_else(|| EVERYBODY.into());
    let sources = if at.is_some() { vec![unspecified(target)] } else { own_addresses() };
    let mut refused = DiscoverError::NoNetwork;
    let mut sockets = Vec::new();
    for from in sources {
        match ask(from, target) {
            Ok(socket) => sockets.push(socket),
            Err(source) => refused = DiscoverError::Send { from, source },
        }
    }
    if sockets.is_empty() {
        return Err(refused);
    }
    let until = Mono(clocks.mono().0 + length);
    let mut devices: BTreeMap<String, Found> = BTreeMap::new();
    let mut datagram = vec![0; usize::from(u16::MAX)];
    while until.since(clocks.mono()) > Duration::ZERO && devices.len() < MAX_DEVICES {
        for socket in &sockets {
            let Some((bytes, from)) = receive(socket, &mut datagram) else { continue };
            for (endpoint, found) in answers(&datagram[..bytes], from.ip()) {
                devices.entry(endpoint).or_insert(found);
            }
        }
    }
    let mut found: Vec<Found> = devices.into_values().collect();
    found.sort_by_key(|device| device.from);
    Ok(found)
}

fn unspecified(target: SocketAddr) -> IpAddr {
    if target.is_ipv6() { std::net::Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

/// The box's IPv4 addresses besides loopback. Linux sends to a group by the network of the address that a socket is bound to.
fn own_addresses() -> Vec<IpAddr> {
    let networks = Networks::new_with_refreshed_list();
    let addresses = networks.values().flat_map(sysinfo::NetworkData::ip_networks).map(|network| network.addr);
    addresses.filter(|address| address.is_ipv4() && !address.is_loopback()).collect()
}

/// Sends the Probes from an address of the box.
fn ask(from: IpAddr, target: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_read_timeout(Some(TURN))?;
    for (namespace, name) in TYPES {
        let probe = probe(Uuid::from_u128(rand::random()), namespace, name);
        for _ in 0..REPEATS {
            socket.send_to(probe.as_bytes(), target)?;
        }
    }
    Ok(socket)
}

fn receive(socket: &UdpSocket, datagram: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(datagram) {
        Ok(received) => Some(received),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => {
            // A host that refuses (ICMP) is no device; others may still answer.
            tracing::debug!(%error, "an answer could not be received");
            None
        }
    }
}

fn probe(id: Uuid, namespace: &str, name: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">
<s:Header><a:MessageID>urn:uuid:{id}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>
<s:Body><d:Probe xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><d:Types xmlns:t="{namespace}">t:{name}</d:Types></d:Probe></s:Body>
</s:Envelope>"#
    )
}

/// The devices of an answer by their endpoints; none if it is not one.
fn answers(datagram: &[u8], from: IpAddr) -> Vec<(String, Found)> {
    let Ok(text) = std::str::from_utf8(datagram) else { return Vec::new() };
    let mut reader = Reader::from_str(text);
    let (mut found, mut within): (Vec<(String, Found)>, Vec<String>) = (Vec::new(), Vec::new());
    // The ProbeMatch that is being read: one that breaks off is none.
    let mut current = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                within.push(start.local_name().as_ref().to_owned());
                if within.last().is_some_and(|name| name == "ProbeMatch") {
                    let nobody = Found { from, name: None, hardware: None, location: None, services: Vec::new() };
                    current = Some((String::new(), nobody));
                }
            }
            Ok(Event::End(_)) => {
                if within.pop().is_some_and(|name| name == "ProbeMatch") {
                    found.extend(current.take().filter(|(endpoint, _)| !endpoint.is_empty()));
                }
            }
            Ok(Event::Text(text)) => {
                let (Some(name), Some((endpoint, device))) = (within.last(), &mut current) else { continue };
                // Addresses and scopes are URIs: entities do not occur in them but as `&amp;`, which no device of use sends.
                match name.as_str() {
                    "Address" => text.trim().clone_into(endpoint),
                    "XAddrs" => device.services = text.split_whitespace().map(shown).collect(),
                    "Scopes" => text.split_whitespace().for_each(|scope| device.take_scope(scope)),
                    _ => {}
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

impl Found {
    fn take_scope(&mut self, scope: &str) {
        let Some((kind, value)) = scope.strip_prefix(SCOPE).and_then(|rest| rest.split_once('/')) else { return };
        let place = match kind {
            "name" => &mut self.name,
            "hardware" => &mut self.hardware,
            "location" => &mut self.location,
            _ => return,
        };
        // A place may be told in several, from the country to the room.
        let value = shown(&percent_decode_str(value).decode_utf8_lossy());
        *place = Some(place.take().map_or_else(|| value.clone(), |before| format!("{before}, {value}")));
    }
}

/// A device's text as it may be shown on a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = r#"<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
        xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
        <SOAP-ENV:Header><wsa:ReplyTo><wsa:Address>http://anonymous</wsa:Address></wsa:ReplyTo></SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches>
        <d:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:1</wsa:Address></wsa:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>
        <d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/IPC%20%E8%B7%AF%E5%8F%A3 onvif://www.onvif.org/hardware/DS-1
          onvif://www.onvif.org/location/country/china onvif://www.onvif.org/location/hangzhou%1B[31m http://elsewhere/name/x</d:Scopes>
        <d:XAddrs>http://192.0.2.7/onvif/device_service http://[fe80::1]/onvif/device_service</d:XAddrs></d:ProbeMatch>
        <d:ProbeMatch><d:XAddrs>http://192.0.2.8/</d:XAddrs></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"#;

    #[test]
    fn an_answer_is_read_with_what_the_device_says_of_itself() {
        let from = IpAddr::from([192, 0, 2, 7]);
        let expected = Found {
            from,
            name: Some("IPC 路口".to_owned()),
            hardware: Some("DS-1".to_owned()),
            location: Some("country/china, hangzhou[31m".to_owned()),
            services: vec![
                "http://192.0.2.7/onvif/device_service".to_owned(),
                "http://[fe80::1]/onvif/device_service".to_owned(),
            ],
        };
        assert_eq!(answers(ANSWER.as_bytes(), from), [("urn:uuid:1".to_owned(), expected)]);
    }

    #[test]
    fn what_breaks_off_or_is_no_answer_gives_no_nameless_device() {
        let from = IpAddr::from([192, 0, 2, 7]);
        for end in 0..ANSWER.len() {
            let found = answers(&ANSWER.as_bytes()[..end], from);
            let is_whole = end > ANSWER.find("</d:ProbeMatch>").unwrap() + "</d:ProbeMatch".len();
            assert_eq!(found.len(), usize::from(is_whole), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much_for_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            answers(&bytes, IpAddr::from([192, 0, 2, 7]));
        }
    }
}
