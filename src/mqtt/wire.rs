//! Which publish the broker acknowledges: the client library names packets only after they were handed to it.

use super::WINDOW;
use super::board::Slot;
use super::dialect::{Client, Publish};
use crate::store::RowId;
use std::collections::{BTreeMap, VecDeque};

/// What a publish carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// An outbox row.
    Row(RowId),
    /// A retained topic.
    State(Slot),
    /// The answer to a command.
    Reply,
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
/// The library takes requests in order and reports each by its packet id when it is sent, so the n-th report belongs to the n-th
/// request.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    handed: VecDeque<(Tag, usize)>,
    unanswered: BTreeMap<u16, (Tag, usize)>,
    window: usize,
    max_packet_bytes: Option<u32>,
}

impl Wire {
    pub(super) fn new(client: Client, max_packet_bytes: Option<u32>) -> Self {
        Self { client, handed: VecDeque::new(), unanswered: BTreeMap::new(), window: WINDOW, max_packet_bytes }
    }

    /// Takes over the limits that the broker states.
    pub(super) fn connected(&mut self, receive_max: Option<u16>, max_packet_bytes: Option<u32>) {
        if let Some(receive_max) = receive_max {
            self.window = usize::from(receive_max).clamp(1, WINDOW);
        }
        self.max_packet_bytes = [self.max_packet_bytes, max_packet_bytes].into_iter().flatten().min();
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
    pub(super) fn publish(&mut self, tag: Tag, publish: Publish<'_>) -> Result<(), TooLarge> {
        let size_bytes = self.client.size_bytes(&publish);
        if let Some(limit_bytes) = self.max_packet_bytes.filter(|limit| size_bytes > *limit as usize) {
            return Err(TooLarge { size_bytes, limit_bytes });
        }
        self.client.publish(publish);
        self.handed.push_back((tag, size_bytes));
        Ok(())
    }

    /// The library sent a publish. Returns its tag if no acknowledgement will come.
    pub(super) fn sent(&mut self, packet_id: u16) -> Option<Tag> {
        let (tag, size_bytes) = self.handed.pop_front()?;
        if packet_id == 0 {
            return Some(tag);
        }
        self.unanswered.insert(packet_id, (tag, size_bytes));
        None
    }

    /// The broker acknowledged or refused a publish.
    pub(super) fn answered(&mut self, packet_id: u16) -> Option<Tag> {
        self.unanswered.remove(&packet_id).map(|(tag, _)| tag)
    }

    /// The largest outbox row that is on its way, and the bytes of its packet.
    pub(super) fn largest_row(&self) -> Option<(RowId, usize)> {
        let row = |(tag, size): &(Tag, usize)| match tag {
            Tag::Row(row) => Some((*row, *size)),
            Tag::State(_) | Tag::Reply | Tag::Heartbeat | Tag::Offline => None,
        };
        self.unanswered.values().chain(&self.handed).filter_map(row).max_by_key(|(_, size)| *size)
    }

    /// Asks the library to subscribe.
    pub(super) fn subscribe(&self, filters: &[String]) {
        self.client.subscribe(filters);
    }

    /// Asks the library to send DISCONNECT.
    pub(super) fn disconnect(&self) {
        self.client.disconnect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::Qos;
    use super::*;
    use rumqttc::v5::{AsyncClient, EventLoop, MqttOptions};

    fn wire() -> (Wire, EventLoop) {
        let (client, event_loop) = AsyncClient::new(MqttOptions::new("test", "127.0.0.1", 1), WINDOW + 2);
        (Wire::new(Client::V5(client), None), event_loop)
    }

    fn publish(qos: Qos, payload: &[u8]) -> Publish<'static> {
        let payload = payload.to_vec().into();
        Publish { topic: "topic", qos, retain: false, content_type: "image/jpeg", correlation_data: None, payload }
    }

    fn hand(wire: &mut Wire, row: i64, payload: &[u8]) -> Result<(), TooLarge> {
        wire.publish(Tag::Row(RowId::numbered(row)), publish(Qos::AtLeastOnce, payload))
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
        wire.publish(Tag::Heartbeat, publish(Qos::AtMostOnce, b"{}")).unwrap();
        assert_eq!(wire.sent(0), Some(Tag::Heartbeat));
        assert!(wire.is_idle());
    }

    #[test]
    fn the_broker_limits_the_window_and_the_size() {
        let (mut wire, _event_loop) = wire();
        wire.connected(Some(2), Some(100));
        hand(&mut wire, 1, b"x").unwrap();
        assert!(wire.has_room());
        let too_large = hand(&mut wire, 2, &[0; 200]).unwrap_err();
        assert!(too_large.size_bytes > 200 && too_large.limit_bytes == 100, "{too_large:?}");
        hand(&mut wire, 3, b"x").unwrap();
        assert!(!wire.has_room());
    }

    #[test]
    fn the_largest_row_on_its_way_is_known() {
        let (mut wire, _event_loop) = wire();
        hand(&mut wire, 1, &[0; 20]).unwrap();
        hand(&mut wire, 2, &[0; 200]).unwrap();
        assert_eq!(wire.sent(1), None);
        assert_eq!(wire.largest_row().unwrap().0, RowId::numbered(2));
    }
}
