//! Which publish the broker acknowledges: the client library names packets only after they were handed to it.

use super::WINDOW;
use super::board::Slot;
use crate::store::RowId;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Publish, PublishProperties};
use std::collections::{BTreeMap, VecDeque};

/// What a publish carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// An outbox row.
    Row(RowId),
    /// A retained topic.
    State(Slot),
    /// A heartbeat; `QoS` 0.
    Heartbeat,
    /// The status `offline`, after which nothing follows.
    Offline,
}

/// Why a publish was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub(super) size_bytes: usize,
    pub(super) limit_bytes: u32,
}

/// The client of one connection with the publishes that are on their way.
///
/// The library takes requests in order and reports each by `Outgoing::Publish(packet id)` when it is sent, so the n-th
/// report belongs to the n-th request.
#[derive(Debug)]
pub(super) struct Wire {
    client: AsyncClient,
    handed: VecDeque<Tag>,
    unanswered: BTreeMap<u16, Tag>,
    window: usize,
    max_packet_bytes: Option<u32>,
}

impl Wire {
    pub(super) fn new(client: AsyncClient) -> Self {
        Self { client, handed: VecDeque::new(), unanswered: BTreeMap::new(), window: WINDOW, max_packet_bytes: None }
    }

    /// Takes over the limits that the broker states.
    pub(super) fn connected(&mut self, connack: &ConnAck) {
        let properties = connack.properties.as_ref();
        if let Some(receive_max) = properties.and_then(|p| p.receive_max) {
            self.window = usize::from(receive_max).clamp(1, WINDOW);
        }
        self.max_packet_bytes = properties.and_then(|p| p.max_packet_size);
    }

    /// Whether another publish may be handed over.
    pub(super) fn has_room(&self) -> bool {
        self.handed.len() + self.unanswered.len() < self.window
    }

    /// Whether every publish was acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.handed.is_empty() && self.unanswered.is_empty()
    }

    /// Hands a publish to the library; call only while there is room.
    pub(super) fn publish(
        &mut self,
        tag: Tag,
        topic: &str,
        (qos, retain): (QoS, bool),
        content_type: &str,
        payload: impl Into<bytes::Bytes>,
    ) -> Result<(), TooLarge> {
        let properties = PublishProperties {
            payload_format_indicator: Some(u8::from(content_type.ends_with("json"))),
            content_type: Some(content_type.to_owned()),
            ..PublishProperties::default()
        };
        let payload = payload.into();
        let size_bytes = Publish::new(topic, qos, payload.clone(), Some(properties.clone())).size();
        if let Some(limit_bytes) = self.max_packet_bytes.filter(|limit| size_bytes > *limit as usize) {
            return Err(TooLarge { size_bytes, limit_bytes });
        }
        self.client
            .try_publish_with_properties(topic, qos, retain, payload, properties)
            .expect("the request channel is longer than the window, and our topics have no wildcards");
        self.handed.push_back(tag);
        Ok(())
    }

    /// The library sent a publish. Returns its tag if no acknowledgement will come.
    pub(super) fn sent(&mut self, packet_id: u16) -> Option<Tag> {
        let tag = self.handed.pop_front()?;
        if packet_id == 0 {
            return Some(tag);
        }
        self.unanswered.insert(packet_id, tag);
        None
    }

    /// The broker acknowledged or refused a publish.
    pub(super) fn answered(&mut self, packet_id: u16) -> Option<Tag> {
        self.unanswered.remove(&packet_id)
    }

    /// Asks the library to send DISCONNECT.
    pub(super) fn disconnect(&self) {
        self.client.try_disconnect().expect("the request channel is longer than the window");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumqttc::v5::mqttbytes::v5::{ConnAckProperties, ConnectReturnCode};
    use rumqttc::v5::{EventLoop, MqttOptions};

    fn wire() -> (Wire, EventLoop) {
        let (client, event_loop) = AsyncClient::new(MqttOptions::new("test", "127.0.0.1", 1), WINDOW + 2);
        (Wire::new(client), event_loop)
    }

    fn hand(wire: &mut Wire, row: i64, payload: &[u8]) -> Result<(), TooLarge> {
        let tag = Tag::Row(RowId::numbered(row));
        wire.publish(tag, "topic", (QoS::AtLeastOnce, false), "image/jpeg", payload.to_vec())
    }

    fn connack(receive_max: Option<u16>, max_packet_size: Option<u32>) -> ConnAck {
        let properties = ConnAckProperties {
            session_expiry_interval: None,
            receive_max,
            max_qos: None,
            retain_available: None,
            max_packet_size,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: vec![],
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: Some(properties) }
    }

    #[test]
    fn answers_find_their_publish_in_whatever_order_they_come() {
        let (mut wire, _event_loop) = wire();
        for row in 1..=3 {
            hand(&mut wire, row, b"x").unwrap();
        }
        for packet_id in [7, 8, 9] {
            assert_eq!(wire.sent(packet_id), None);
        }
        assert_eq!(wire.answered(9), Some(Tag::Row(RowId::numbered(3))));
        assert_eq!(wire.answered(7), Some(Tag::Row(RowId::numbered(1))));
        assert_eq!(wire.answered(7), None, "answered twice");
        assert!(!wire.is_idle());
        assert_eq!(wire.answered(8), Some(Tag::Row(RowId::numbered(2))));
        assert!(wire.is_idle());
    }

    #[test]
    fn a_publish_of_qos_0_is_done_when_sent() {
        let (mut wire, _event_loop) = wire();
        wire.publish(Tag::Heartbeat, "topic", (QoS::AtMostOnce, false), "application/json", "{}").unwrap();
        assert_eq!(wire.sent(0), Some(Tag::Heartbeat));
        assert!(wire.is_idle());
    }

    #[test]
    fn the_broker_limits_the_window_and_the_size() {
        let (mut wire, _event_loop) = wire();
        wire.connected(&connack(Some(2), Some(100)));
        hand(&mut wire, 1, b"x").unwrap();
        assert!(wire.has_room());
        let too_large = hand(&mut wire, 2, &[0; 200]).unwrap_err();
        assert!(too_large.size_bytes > 200 && too_large.limit_bytes == 100, "{too_large:?}");
        hand(&mut wire, 3, b"x").unwrap();
        assert!(!wire.has_room());
    }
}
