//! MQTT 5 and MQTT 3.1.1 behind one face: the client library has a client for each, with types of their own.
//!
//! Nothing is decided here. What 3.1.1 cannot say (reasons, limits, content types, correlation data) is absent: an acknowledgement is
//! a success, and a refusal is a closed connection.

use super::connection::Failure;
use super::{FromHub, WINDOW};
use crate::config::Protocol;
use crate::contract::JSON;
use bytes::Bytes;
use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as packets;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, SubscribeReasonCode};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Seconds after which an attempt to connect is given up.
const CONNECT_LIMIT_SECS: u64 = 5;
/// Packet ids before they repeat: far more than the window, so that one that was answered late does not collide.
const PACKET_IDS: u16 = 8 * WINDOW as u16;
/// Room for requests to the library: the window, the subscription, and DISCONNECT.
const REQUESTS: usize = WINDOW + 4;
/// Largest packet taken from the broker. Commands are smaller; one that is larger than those is still answered.
const MAX_INCOMING_BYTES: u32 = 256 << 10;

/// How often a message goes at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

/// Everything that a connection begins with. Not `Debug`: it holds the password.
pub(super) struct Opening<'a> {
    pub(super) protocol: Protocol,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) client_id: &'a str,
    pub(super) keep_alive: Duration,
    pub(super) credentials: Option<(&'a str, Option<SecretString>)>,
    pub(super) will_topic: String,
    pub(super) will: Vec<u8>,
}

/// A message on its way out.
#[derive(Debug, Clone)]
pub(super) struct Publish<'a> {
    pub(super) topic: &'a str,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) content_type: &'a str,
    pub(super) correlation_data: Option<Bytes>,
    pub(super) payload: Bytes,
}

/// What the broker said to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has it.
    Taken,
    /// Not now: too much was sent.
    Quota,
    /// The agent may not.
    NotAuthorised,
    /// It never will.
    Invalid,
    /// It did not say why, or a cause that may pass.
    Refused,
}

/// What happened on a connection, as far as it matters.
#[derive(Debug)]
pub(super) enum Heard {
    /// CONNACK with the broker's limits.
    Connected { receive_max: Option<u16>, max_packet_bytes: Option<u32> },
    /// A publish was written, with this packet id; 0 for one without an acknowledgement.
    Sent(u16),
    /// A publish was answered.
    Answered(u16, Verdict),
    /// SUBACK; the broker's words if it refused.
    Subscribed(Result<(), String>),
    /// A message of the hub.
    FromHub(FromHub),
    /// DISCONNECT was written.
    Left,
    /// Anything else that came in.
    SignOfLife,
    /// Anything else that went out.
    Nothing,
}

/// The half that asks.
#[derive(Debug)]
pub(super) enum Client {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// The half that works. Boxed: the library's states are large.
pub(super) enum Poller {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// A fresh client for one connection.
pub(super) fn open(opening: Opening<'_>) -> (Client, Poller) {
    match opening.protocol {
        Protocol::V5 => {
            let (client, event_loop) = v5::AsyncClient::new(options_v5(opening), REQUESTS);
            (Client::V5(client), Poller::V5(Box::new(event_loop)))
        }
        Protocol::V311 => {
            let (client, mut event_loop) = rumqttc::AsyncClient::new(options_v311(opening), REQUESTS);
            event_loop.network_options.set_connection_timeout(CONNECT_LIMIT_SECS);
            (Client::V311(client), Poller::V311(Box::new(event_loop)))
        }
    }
}

fn options_v5(opening: Opening<'_>) -> v5::MqttOptions {
    let properties = packets::LastWillProperties {
        delay_interval: None,
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some(JSON.to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    let will = packets::LastWill::new(opening.will_topic, opening.will, qos, true, Some(properties));
    let mut options = v5::MqttOptions::new(opening.client_id, opening.host, opening.port);
    options
        .set_clean_start(true)
        .set_keep_alive(opening.keep_alive)
        .set_connection_timeout(CONNECT_LIMIT_SECS)
        .set_outgoing_inflight_upper_limit(PACKET_IDS)
        .set_max_packet_size(Some(MAX_INCOMING_BYTES))
        .set_last_will(will);
    if let Some((user, password)) = opening.credentials {
        options.set_credentials(user, password.as_ref().map_or("", |password| password.expose_secret()));
    }
    options
}

fn options_v311(opening: Opening<'_>) -> rumqttc::MqttOptions {
    let will = rumqttc::LastWill::new(opening.will_topic, opening.will, rumqttc::QoS::AtLeastOnce, true);
    let mut options = rumqttc::MqttOptions::new(opening.client_id, opening.host, opening.port);
    options
        .set_clean_session(true)
        .set_keep_alive(opening.keep_alive)
        .set_inflight(PACKET_IDS)
        .set_max_packet_size(MAX_INCOMING_BYTES as usize, usize::MAX)
        .set_last_will(will);
    if let Some((user, password)) = opening.credentials {
        options.set_credentials(user, password.as_ref().map_or("", |password| password.expose_secret()));
    }
    options
}

impl Client {
    /// Bytes of the packet that a publish makes.
    pub(super) fn size_bytes(&self, publish: &Publish<'_>) -> usize {
        // The library counts the packet id once it is there.
        const PACKET_ID: usize = 2;
        let size = match self {
            Self::V5(_) => {
                let properties = Some(properties(publish));
                packets::Publish::new(publish.topic, publish.qos.into(), publish.payload.clone(), properties).size()
            }
            Self::V311(_) => {
                rumqttc::Publish::from_bytes(publish.topic, publish.qos.into(), publish.payload.clone()).size()
            }
        };
        size + PACKET_ID
    }

    /// Hands a publish over; call only while there is room.
    pub(super) fn publish(&self, publish: Publish<'_>) {
        const ROOM: &str = "the request channel is longer than the window, and our topics have no wildcards";
        match self {
            Self::V5(client) => {
                let properties = properties(&publish);
                let Publish { topic, qos, retain, payload, .. } = publish;
                client.try_publish_with_properties(topic, qos.into(), retain, payload, properties).expect(ROOM);
            }
            Self::V311(client) => {
                let Publish { topic, qos, retain, payload, .. } = publish;
                client.try_publish(topic, qos.into(), retain, payload).expect(ROOM);
            }
        }
    }

    /// Asks to subscribe. A retained message is no command of now: MQTT 5 keeps it away, 3.1.1 marks it.
    pub(super) fn subscribe(&self, filters: &[String]) {
        const ROOM: &str = "the request channel has room for the subscription";
        match self {
            Self::V5(client) => {
                let filter = |path: &String| packets::Filter {
                    nolocal: true,
                    retain_forward_rule: packets::RetainForwardRule::Never,
                    ..packets::Filter::new(path, v5::mqttbytes::QoS::AtLeastOnce)
                };
                client.try_subscribe_many(filters.iter().map(filter)).expect(ROOM);
            }
            Self::V311(client) => {
                let filter = |path: &String| rumqttc::SubscribeFilter::new(path.clone(), rumqttc::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter)).expect(ROOM);
            }
        }
    }

    /// Asks to send DISCONNECT.
    pub(super) fn disconnect(&self) {
        const ROOM: &str = "the request channel has room for DISCONNECT";
        match self {
            Self::V5(client) => client.try_disconnect().expect(ROOM),
            Self::V311(client) => client.try_disconnect().expect(ROOM),
        }
    }
}

impl Poller {
    /// What happens next. Must not be dropped before it is done: it may be in the middle of writing a packet.
    pub(super) async fn poll(&mut self) -> Result<Heard, Failure> {
        match self {
            Self::V5(event_loop) => match event_loop.poll().await {
                Ok(event) => Ok(heard_v5(event)),
                Err(error) => Err(failure_v5(&error)),
            },
            Self::V311(event_loop) => match event_loop.poll().await {
                Ok(event) => Ok(heard_v311(event)),
                Err(error) => Err(Failure::Connection(error.to_string())),
            },
        }
    }
}

fn properties(publish: &Publish<'_>) -> packets::PublishProperties {
    packets::PublishProperties {
        payload_format_indicator: Some(u8::from(publish.content_type.ends_with("json"))),
        content_type: Some(publish.content_type.to_owned()),
        correlation_data: publish.correlation_data.clone(),
        ..packets::PublishProperties::default()
    }
}

/// Reason code of MQTT 5: packet too large.
const PACKET_TOO_LARGE: u8 = 0x95;

/// The library does not know that a PUBACK may say so.
fn failure_v5(error: &v5::ConnectionError) -> Failure {
    use v5::mqttbytes::Error::InvalidConnectReturnCode;
    use v5::mqttbytes::v5::DisconnectReasonCode;
    use v5::{ConnectionError, StateError};
    if let ConnectionError::MqttState(
        StateError::Deserialization(InvalidConnectReturnCode(PACKET_TOO_LARGE))
        | StateError::ServerDisconnect { reason_code: DisconnectReasonCode::PacketTooLarge, .. },
    ) = error
    {
        Failure::TooLarge
    } else {
        Failure::Connection(error.to_string())
    }
}

fn heard_v5(event: v5::Event) -> Heard {
    use packets::Packet;
    use rumqttc::Outgoing;
    let packet = match event {
        v5::Event::Outgoing(Outgoing::Publish(packet_id)) => return Heard::Sent(packet_id),
        v5::Event::Outgoing(Outgoing::Disconnect) => return Heard::Left,
        v5::Event::Outgoing(_) => return Heard::Nothing,
        v5::Event::Incoming(packet) => packet,
    };
    if let Packet::PubAck(ack) = &packet {
        Heard::Answered(ack.pkid, verdict(ack.reason))
    } else if let Packet::Publish(publish) = packet {
        let properties = publish.properties.unwrap_or_default();
        Heard::FromHub(FromHub {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            is_retained: publish.retain,
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data,
        })
    } else if let Packet::ConnAck(ack) = &packet {
        let properties = ack.properties.as_ref();
        Heard::Connected {
            receive_max: properties.and_then(|properties| properties.receive_max),
            max_packet_bytes: properties.and_then(|properties| properties.max_packet_size),
        }
    } else if let Packet::SubAck(ack) = &packet {
        let is_taken = ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
        Heard::Subscribed(if is_taken { Ok(()) } else { Err(format!("{:?}", ack.return_codes)) })
    } else {
        Heard::SignOfLife
    }
}

fn heard_v311(event: rumqttc::Event) -> Heard {
    use rumqttc::{Outgoing, Packet};
    let packet = match event {
        rumqttc::Event::Outgoing(Outgoing::Publish(packet_id)) => return Heard::Sent(packet_id),
        rumqttc::Event::Outgoing(Outgoing::Disconnect) => return Heard::Left,
        rumqttc::Event::Outgoing(_) => return Heard::Nothing,
        rumqttc::Event::Incoming(packet) => packet,
    };
    if let Packet::PubAck(ack) = &packet {
        Heard::Answered(ack.pkid, Verdict::Taken)
    } else if let Packet::Publish(publish) = packet {
        Heard::FromHub(FromHub {
            topic: publish.topic,
            payload: publish.payload,
            is_retained: publish.retain,
            response_topic: None,
            correlation_data: None,
        })
    } else if let Packet::ConnAck(_) = &packet {
        Heard::Connected { receive_max: None, max_packet_bytes: None }
    } else if let Packet::SubAck(ack) = &packet {
        let is_taken = ack.return_codes.iter().all(|code| matches!(code, rumqttc::SubscribeReasonCode::Success(_)));
        Heard::Subscribed(if is_taken { Ok(()) } else { Err(format!("{:?}", ack.return_codes)) })
    } else {
        Heard::SignOfLife
    }
}

fn verdict(reason: PubAckReason) -> Verdict {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Verdict::Taken,
        PubAckReason::QuotaExceeded => Verdict::Quota,
        PubAckReason::NotAuthorized => Verdict::NotAuthorised,
        PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid => Verdict::Invalid,
        PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse => Verdict::Refused,
    }
}

impl From<Qos> for v5::mqttbytes::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

impl From<Qos> for rumqttc::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}
