//! One connection, from CONNECT to its end.
//!
//! [`serve`] waits for one thing (an event of the client library, a wish of the owner, a timer) and then brings
//! [`Exchange`] up to date, synchronously. The library's `poll` is never cancelled while connected: it may be in the
//! middle of writing a packet.

use super::back_off::Pacer;
use super::board::Slot;
use super::outbox::Reading;
use super::wire::{Tag, TooLarge, Wire};
use super::{MqttSettings, Shared, Stats, Stop};
use crate::clock::{Clocks, Mono};
use crate::config::SecretError;
use crate::contract::{AgentState, AgentStatus, CLOUDEVENTS_JSON, Heartbeat, JSON, WallTime, mark_replayed, to_json};
use crate::store::{Body, OutboxRow, RowId, SharedStore, StoreError};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows read from the store at once.
const READ_AHEAD: usize = 32;
/// Acknowledged rows are removed together: after this time, or when this many came, or when nothing more is expected.
const GROUP_FOR: Duration = Duration::from_millis(5);
const GROUP_MAX: usize = 64;
/// Acknowledged rows that could not be removed (disk full); beyond, nothing more is sent, for it would be sent again.
const UNREMOVED_MAX: usize = 4096;
/// Wait after the store failed.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Wait before a retained topic that the broker refused is told again.
const STATES_RETRY: Duration = Duration::from_mins(1);
/// Kept of the limit for `offline` and DISCONNECT.
const PARTING: Duration = Duration::from_millis(500);

/// Why a connection ended, or none came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Connection(Box<ConnectionError>),
    #[error("the broker was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// The owner does not want the connection any more.
    #[error("ended by the owner")]
    Ended,
}

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// CONNACK is awaited.
    Connecting,
    /// Everything flows.
    Live,
    /// `stopping` was said; what can be sent is sent.
    Draining {
        /// When `offline` must have been said.
        by: Mono,
    },
    /// `offline` was handed over; its acknowledgement is awaited.
    Leaving {
        /// When DISCONNECT is sent without it.
        by: Mono,
    },
    /// DISCONNECT was handed over.
    Parting,
    /// DISCONNECT was sent.
    Over,
}

/// The exchange of messages over one connection.
pub(super) struct Exchange<'a> {
    settings: &'a MqttSettings,
    store: &'a SharedStore,
    clocks: &'a dyn Clocks,
    shared: &'a Shared,
    session: u64,
    stage: Stage,
    wire: Wire,
    reading: Reading,
    ahead: VecDeque<OutboxRow>,
    more_rows: bool,
    /// The newest row that existed when the connection began.
    backlog_until: RowId,
    pacer: Pacer,
    paced_until: Option<Mono>,
    remove_at: Option<Mono>,
    store_retry_at: Option<Mono>,
    refused_states: Vec<Slot>,
    states_retry_at: Option<Mono>,
    heartbeat_at: Mono,
    stop_by: Option<Mono>,
    last_heard: Mono,
}

/// Runs a connection until it fails or was left in order.
pub(super) async fn serve(event_loop: &mut EventLoop, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    while exchange.stage != Stage::Over {
        let event = {
            let mut poll = pin!(event_loop.poll());
            loop {
                tokio::select! {
                    biased;
                    event = &mut poll => break event.map_err(|error| Failure::Connection(Box::new(error)))?,
                    () = exchange.shared.wake.notified() => exchange.more_rows = true,
                    () = tokio::time::sleep(exchange.until_due()) => {}
                }
                exchange.advance()?;
            }
        };
        exchange.handle(event);
        exchange.advance()?;
    }
    Ok(())
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        settings: &'a MqttSettings,
        store: &'a SharedStore,
        clocks: &'a dyn Clocks,
        shared: &'a Shared,
        session: u64,
        client: AsyncClient,
    ) -> Self {
        let now = clocks.mono();
        Self {
            settings,
            store,
            clocks,
            shared,
            session,
            stage: Stage::Connecting,
            wire: Wire::new(client),
            reading: Reading::new(settings.retry_refused),
            ahead: VecDeque::new(),
            more_rows: true,
            backlog_until: RowId::ZERO,
            pacer: Pacer::new(settings.replay_per_sec, now),
            paced_until: None,
            remove_at: None,
            store_retry_at: None,
            refused_states: Vec::new(),
            states_retry_at: None,
            heartbeat_at: now,
            stop_by: None,
            last_heard: now,
        }
    }

    /// Takes in what the library reports.
    fn handle(&mut self, event: Event) {
        match event {
            Event::Incoming(packet) => {
                self.last_heard = self.clocks.mono();
                if let Packet::ConnAck(connack) = &packet {
                    self.connected(connack);
                } else if let Packet::PubAck(ack) = &packet
                    && let Some(tag) = self.wire.answered(ack.pkid)
                {
                    self.answered(tag, ack.reason);
                }
            }
            Event::Outgoing(Outgoing::Publish(packet_id)) => {
                // A publish of QoS 0 is done when sent; there is nothing to conclude from it.
                let _ = self.wire.sent(packet_id);
            }
            Event::Outgoing(Outgoing::Disconnect) => self.stage = Stage::Over,
            Event::Outgoing(_) => {}
        }
    }

    fn connected(&mut self, connack: &ConnAck) {
        self.wire.connected(connack);
        match self.store.lock().last_row() {
            Ok(row) => self.backlog_until = row,
            Err(error) => self.store_failed(&error),
        }
        let mut wishes = self.shared.lock();
        wishes.board.forget_told();
        drop(wishes);
        self.say(AgentState::Online);
        self.stage = Stage::Live;
        self.heartbeat_at = Mono(self.clocks.mono().0 + self.settings.heartbeat);
        Stats::add(&self.shared.stats.connects, 1);
        self.shared.stats.connected.store(true, Ordering::Relaxed);
        tracing::info!(
            host = %self.settings.host, port = self.settings.port, session = self.session,
            "connected to the broker"
        );
    }

    fn answered(&mut self, tag: Tag, reason: PubAckReason) {
        let taken = match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => true,
            PubAckReason::UnspecifiedError
            | PubAckReason::ImplementationSpecificError
            | PubAckReason::NotAuthorized
            | PubAckReason::TopicNameInvalid
            | PubAckReason::PacketIdentifierInUse
            | PubAckReason::QuotaExceeded
            | PubAckReason::PayloadFormatInvalid => false,
        };
        if !taken {
            Stats::add(&self.shared.stats.refused, 1);
            tracing::warn!(what = ?tag, ?reason, "the broker refused a message; it is kept and will be sent again");
        }
        let now = self.clocks.mono();
        match tag {
            Tag::Row(row) if taken => self.row_done(row, now),
            Tag::Row(row) => self.reading.refused(row, now),
            Tag::State(slot) if !taken => {
                self.refused_states.push(slot);
                self.states_retry_at.get_or_insert(Mono(now.0 + STATES_RETRY));
            }
            Tag::State(_) | Tag::Heartbeat => {}
            Tag::Offline => {
                self.stage = Stage::Parting;
                self.wire.disconnect();
            }
        }
    }

    fn row_done(&mut self, row: RowId, now: Mono) {
        if self.reading.acknowledged(row) {
            Stats::add(&self.shared.stats.acknowledged, 1);
            self.remove_at.get_or_insert(Mono(now.0 + GROUP_FOR));
        }
    }

    /// Does everything that can be done now.
    fn advance(&mut self) -> Result<(), Failure> {
        let now = self.clocks.mono();
        if now >= self.silent_at() {
            return Err(Failure::Silent(now.since(self.last_heard)));
        }
        self.heed_stop(now)?;
        self.store_retry_at = self.store_retry_at.filter(|at| now < *at);
        self.remove_acknowledged(now);
        match self.stage {
            Stage::Live => {
                self.send_states(now);
                self.send_heartbeat(now);
                self.send_rows(now);
            }
            Stage::Draining { by } => {
                self.send_states(now);
                self.send_rows(now);
                let told = self.wire.is_idle() && self.shared.lock().board.all_told();
                let drained = told && self.ahead.is_empty() && !self.more_rows;
                if drained || now >= by {
                    self.leave(by);
                }
            }
            Stage::Leaving { by } if now >= by => {
                self.stage = Stage::Parting;
                self.wire.disconnect();
            }
            Stage::Connecting | Stage::Leaving { .. } | Stage::Parting | Stage::Over => {}
        }
        Ok(())
    }

    /// How long until something is due without anything happening. Whatever is due here, [`Self::advance`] does or puts
    /// off, so that waiting never turns into spinning.
    fn until_due(&self) -> Duration {
        let sending = [self.paced_until, self.reading.retry_at(), self.states_retry_at];
        let of_stage = match self.stage {
            Stage::Live => [Some(self.heartbeat_at)].into_iter().chain(sending).flatten().min(),
            Stage::Draining { by } => [Some(by)].into_iter().chain(sending).flatten().min(),
            Stage::Leaving { by } => Some(by),
            Stage::Connecting | Stage::Parting | Stage::Over => None,
        };
        let of_store = self.store_retry_at.or(self.remove_at);
        let due = [of_stage, of_store, self.stop_by].into_iter().flatten().fold(self.silent_at(), Ord::min);
        due.since(self.clocks.mono())
    }

    /// The library notices a missing ping response after two intervals, but not while it is stuck in writing.
    fn silent_at(&self) -> Mono {
        Mono(self.last_heard.0 + 2 * self.settings.keep_alive + Duration::from_secs(5))
    }

    fn heed_stop(&mut self, now: Mono) -> Result<(), Failure> {
        let stop = self.shared.lock().stop;
        match (stop, self.stage) {
            (Stop::AtOnce, _) | (Stop::Orderly { .. }, Stage::Connecting) => Err(Failure::Ended),
            (Stop::Orderly { by }, Stage::Live) => {
                self.say(AgentState::Stopping);
                self.stop_by = Some(by);
                self.stage = Stage::Draining { by: Mono(by.0.saturating_sub(PARTING)) };
                Ok(())
            }
            (Stop::Orderly { by }, _) if now >= by => Err(Failure::Ended),
            (Stop::No | Stop::Orderly { .. }, _) => Ok(()),
        }
    }

    fn say(&self, status: AgentState) {
        let payload = self.status(status);
        self.shared.lock().board.set(self.settings.topics.status(), payload.into(), QoS::AtLeastOnce);
    }

    fn status(&self, status: AgentState) -> Vec<u8> {
        to_json(&AgentStatus { status, session: self.session, time: self.time() })
    }

    fn time(&self) -> WallTime {
        WallTime::new(self.clocks.wall(), &self.settings.time_zone)
    }

    fn send_states(&mut self, now: Mono) {
        if self.states_retry_at.is_some_and(|at| now >= at) {
            self.states_retry_at = None;
            let mut wishes = self.shared.lock();
            self.refused_states.drain(..).for_each(|slot| wishes.board.tell_again(slot));
        }
        while self.wire.has_room() {
            let Some((slot, payload, qos)) = self.shared.lock().board.next() else { return };
            let topic = slot.topic.clone();
            if let Err(too_large) = self.wire.publish(Tag::State(slot), &topic, (qos, true), JSON, payload) {
                self.report_too_large(&topic, too_large);
            }
        }
    }

    fn send_heartbeat(&mut self, now: Mono) {
        if now < self.heartbeat_at {
            return;
        }
        self.heartbeat_at = Mono(now.0 + self.settings.heartbeat);
        if !self.wire.has_room() {
            return;
        }
        let payload = to_json(&Heartbeat { session: self.session, time: self.time() });
        let topic = self.settings.topics.heartbeat();
        if let Err(too_large) = self.wire.publish(Tag::Heartbeat, &topic, (QoS::AtMostOnce, false), JSON, payload) {
            self.report_too_large(&topic, too_large);
        }
    }

    fn send_rows(&mut self, now: Mono) {
        self.paced_until = None;
        if self.reading.retry(now) {
            self.ahead.clear();
            self.more_rows = true;
        }
        if self.reading.removable().len() >= UNREMOVED_MAX {
            return;
        }
        while self.wire.has_room() && self.read_ahead() {
            let replayed = self.ahead.front().is_some_and(|row| row.row <= self.backlog_until);
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
            match self.store.lock().pending(self.reading.cursor(), READ_AHEAD) {
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
        let OutboxRow { row, topic, content_type, body, incident } = row;
        let payload = match body {
            Body::Payload(payload) if replayed && content_type == CLOUDEVENTS_JSON => mark_replayed(&payload)
                .unwrap_or_else(|error| {
                    tracing::error!(%incident, %error, "a stored event is no JSON; it is sent as it is");
                    payload
                }),
            Body::Payload(payload) => payload,
            Body::File(path) => match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    tracing::error!(%incident, path = %path.display(), "a picture is gone before it was sent");
                    Stats::add(&self.shared.stats.pictures_lost, 1);
                    return self.row_done(row, now);
                }
                Err(error) => {
                    tracing::warn!(%incident, path = %path.display(), %error, "a picture cannot be read; trying later");
                    return self.reading.refused(row, now);
                }
            },
        };
        match self.wire.publish(Tag::Row(row), &topic, (QoS::AtLeastOnce, false), &content_type, payload) {
            Ok(()) => Stats::add(&self.shared.stats.sent, 1),
            Err(too_large) => {
                self.report_too_large(&topic, too_large);
                self.reading.leave(row);
            }
        }
    }

    fn report_too_large(&self, topic: &str, TooLarge { size_bytes, limit_bytes }: TooLarge) {
        Stats::add(&self.shared.stats.refused, 1);
        tracing::warn!(topic, size_bytes, limit_bytes, "a message is larger than the broker takes; it is kept back");
    }

    fn remove_acknowledged(&mut self, now: Mono) {
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

    fn remove(&self) -> Result<(), StoreError> {
        let rows: Vec<RowId> = self.reading.removable().iter().copied().collect();
        self.store.lock().acknowledge(&rows)
    }

    fn store_failed(&mut self, error: &StoreError) {
        tracing::warn!(%error, "the outbox cannot be used; trying again");
        self.store_retry_at = Some(Mono(self.clocks.mono().0 + STORE_RETRY));
    }

    fn leave(&mut self, by: Mono) {
        self.stage = Stage::Leaving { by: Mono(by.0 + PARTING / 2) };
        let (topic, payload) = (self.settings.topics.status(), self.status(AgentState::Offline));
        if let Err(too_large) = self.wire.publish(Tag::Offline, &topic, (QoS::AtLeastOnce, true), JSON, payload) {
            self.report_too_large(&topic, too_large);
        }
    }
}

impl Drop for Exchange<'_> {
    /// What the broker has acknowledged is removed also when the connection ends.
    fn drop(&mut self) {
        self.shared.stats.connected.store(false, Ordering::Relaxed);
        let rows = self.reading.removable().len();
        if rows > 0
            && let Err(error) = self.remove()
        {
            tracing::warn!(%error, rows, "acknowledged messages stay stored; they will go twice");
        }
    }
}
