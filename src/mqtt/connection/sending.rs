//! What goes out: retained topics, answers, heartbeats, outbox rows, in this order; and what of it the store may forget.

use super::{Exchange, GROUP_FOR, GROUP_MAX, READ_AHEAD, STORE_RETRY, UNREMOVED_MAX};
use crate::clock::Mono;
use crate::contract::{CLOUDEVENTS_JSON, EventsLost, Heartbeat, JSON, WallTime, mark_replayed, to_json};
use crate::evidence::read_picture;
use crate::mqtt::dialect::{Publish, Qos};
use crate::mqtt::wire::{Tag, TooLarge};
use crate::mqtt::{AlarmKind, Reply, Stats};
use crate::store::{Body, Destination, OutboxRow, RowId, StoreError};
use bytes::Bytes;

/// A JSON message that arrives at least once.
pub(super) fn json(topic: &str, retain: bool, payload: Bytes) -> Publish<'_> {
    Publish { topic, qos: Qos::AtLeastOnce, retain, content_type: JSON, correlation_data: None, payload }
}

impl Exchange<'_> {
    /// Puts on the board which events were dropped, when there is news of it.
    pub(super) fn say_losses(&mut self) {
        let losses = {
            let store = self.store.lock();
            if store.losses_version() == self.losses_told {
                return;
            }
            self.losses_told = store.losses_version();
            store.losses(Destination::Hub)
        };
        match losses {
            Ok(Some(losses)) => {
                let time = WallTime::new(losses.at, &self.settings.time_zone);
                let message = EventsLost { time, count: losses.count, ranges: losses.ranges };
                let topic = self.settings.topics.events_lost();
                self.shared.lock().board.set(topic, to_json(&message).into(), Qos::AtLeastOnce);
            }
            Ok(None) => {}
            Err(error) => self.store_failed(&error),
        }
    }

    /// Sends the answers to commands. One that is lost with the connection is given again when the command is.
    pub(super) fn send_replies(&mut self) {
        while self.wire.has_room() {
            let Some(Reply { topic, correlation_data, payload }) = self.shared.lock().replies.pop_front() else {
                return;
            };
            self.publish(Tag::Reply, Publish { correlation_data, ..json(&topic, false, payload.into()) });
        }
    }

    pub(super) fn row_done(&mut self, row: RowId, now: Mono) {
        if self.reading.acknowledged(row) {
            Stats::add(&self.shared.stats.acknowledged, 1);
            self.remove_at.get_or_insert(Mono(now.0 + GROUP_FOR));
            if self.reading.refuses_nothing() {
                for kind in [AlarmKind::Quota, AlarmKind::NotAuthorised, AlarmKind::Refused] {
                    self.clear(kind);
                }
            }
        }
    }

    pub(super) fn send_states(&mut self, now: Mono) {
        if self.states_retry_at.is_some_and(|at| now >= at) {
            self.states_retry_at = None;
            let mut wishes = self.shared.lock();
            self.refused_states.drain(..).for_each(|slot| wishes.board.tell_again(slot));
        }
        while self.wire.has_room() {
            let Some((slot, payload, qos)) = self.shared.lock().board.next() else { return };
            let topic = slot.topic.clone();
            self.publish(Tag::State(slot), Publish { qos, ..json(&topic, true, payload) });
        }
    }

    pub(super) fn send_heartbeat(&mut self, now: Mono) {
        if now < self.heartbeat_at {
            return;
        }
        self.heartbeat_at = Mono(now.0 + self.settings.heartbeat);
        if !self.wire.has_room() {
            return;
        }
        let payload = to_json(&Heartbeat { session: self.session, time: self.time() });
        let topic = self.settings.topics.heartbeat();
        self.publish(Tag::Heartbeat, Publish { qos: Qos::AtMostOnce, ..json(&topic, false, payload.into()) });
    }

    pub(super) fn send_rows(&mut self, now: Mono) {
        self.paced_until = None;
        if self.reading.retry(now) {
            self.ahead.clear();
            self.more_rows = true;
            self.is_over_quota = false;
        }
        if self.is_over_quota {
            return;
        }
        if self.reading.removable().len() >= UNREMOVED_MAX {
            return;
        }
        while self.wire.has_room() && self.read_ahead() {
            let replayed = self.ahead.front().is_some_and(|row| row.row <= self.backlog_until || row.is_repeated);
            if replayed && let Err(from) = self.pacer.admit(now) {
                self.paced_until = Some(from);
                return;
            }
            let Some(row) = self.ahead.pop_front() else { return };
            if self.reading.take(&row) {
                self.send_row(row, replayed, now);
            }
        }
    }

    /// Whether a row is at hand; reads more from the store if none is.
    fn read_ahead(&mut self) -> bool {
        if self.ahead.is_empty() && self.more_rows && self.store_retry_at.is_none() {
            let read = {
                let store = self.store.lock();
                if store.releases() != self.releases_seen {
                    self.releases_seen = store.releases();
                    self.reading.begin_anew();
                }
                store.pending(Destination::Hub, self.reading.cursor(), READ_AHEAD)
            };
            match read {
                Ok(rows) => {
                    self.more_rows = rows.len() == READ_AHEAD;
                    self.ahead.extend(rows);
                }
                Err(error) => self.store_failed(&error),
            }
        }
        !self.ahead.is_empty()
    }

    fn send_row(&mut self, row: OutboxRow, replayed: bool, now: Mono) {
        let OutboxRow { row, topic, content_type, body, incident, is_repeated: _, is_retained } = row;
        let payload = match body {
            Body::Payload(payload) if replayed && content_type == CLOUDEVENTS_JSON => mark_replayed(&payload)
                .unwrap_or_else(|error| {
                    tracing::error!(%incident, %error, "a stored event is no JSON; it is sent as it is");
                    payload
                }),
            Body::Payload(payload) => payload,
            Body::File(path) => match read_picture(&path, &self.settings.keys) {
                Ok(picture) => picture,
                Err(error) if error.is_final() => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(%incident, error, "a picture is lost before it was sent");
                    Stats::add(&self.shared.stats.pictures_lost, 1);
                    return self.row_done(row, now);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%incident, error, "a picture cannot be read; trying later");
                    return self.reading.refused(row, now);
                }
            },
        };
        let publish = Publish { content_type: &content_type, ..json(&topic, is_retained, payload.into()) };
        match self.wire.publish(Tag::Row(row), publish) {
            Ok(()) => Stats::add(&self.shared.stats.sent, 1),
            Err(TooLarge { size_bytes, limit_bytes }) => {
                tracing::warn!(topic, size_bytes, limit_bytes, "a message is larger than the broker takes");
                self.set_aside(row, size_bytes);
            }
        }
    }

    /// Leaves a row for which there is no room in a packet; it goes when the broker takes larger ones.
    pub(super) fn set_aside(&mut self, row: RowId, size_bytes: usize) {
        Stats::add(&self.shared.stats.refused, 1);
        self.raise(
            AlarmKind::TooLarge,
            &format!("a message of {size_bytes} bytes is larger than the broker takes; it is set aside"),
        );
        self.reading.leave(row);
    }

    /// Hands over what is not of the outbox. Whatever of it does not fit is not sent.
    pub(super) fn publish(&mut self, tag: Tag, publish: Publish<'_>) {
        let topic = publish.topic;
        if let Err(TooLarge { size_bytes, limit_bytes }) = self.wire.publish(tag, publish) {
            Stats::add(&self.shared.stats.refused, 1);
            let detail = format!("{topic}: {size_bytes} bytes, and the broker takes {limit_bytes}");
            self.raise(AlarmKind::TooLarge, &detail);
        }
    }

    pub(super) fn remove_acknowledged(&mut self, now: Mono) {
        let due = self.remove_at.is_some_and(|at| now >= at);
        let together = due || self.reading.removable().len() >= GROUP_MAX || self.wire.is_idle();
        if self.reading.removable().is_empty() || !together || self.store_retry_at.is_some() {
            return;
        }
        match self.remove() {
            Ok(()) => {
                self.reading.removed();
                self.remove_at = None;
            }
            Err(error) => self.store_failed(&error),
        }
    }

    pub(super) fn remove(&self) -> Result<(), StoreError> {
        let rows: Vec<RowId> = self.reading.removable().iter().copied().collect();
        self.store.lock().acknowledge(&rows)
    }

    pub(super) fn store_failed(&mut self, error: &StoreError) {
        tracing::warn!(%error, "the outbox cannot be used; trying again");
        self.store_retry_at = Some(Mono(self.clocks.mono().0 + STORE_RETRY));
    }
}
