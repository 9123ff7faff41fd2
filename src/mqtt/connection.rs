//! One connection, from CONNECT to its end.
//!
//! [`serve`] waits for one thing (an event of the client library, a wish of the owner, a timer) and then brings
//! [`Exchange`] up to date, synchronously. The library's `poll` is never cancelled while connected: it may be in the
//! middle of writing a packet.

mod sending;

use super::board::Slot;
use super::dialect::{Client, Heard, Poller, Qos, Verdict};
use super::outbox::Reading;
use super::wire::{Tag, Wire};
use super::{AlarmKind, MqttSettings, Shared, Stats, Stop};
use crate::back_off::Pacer;
use crate::clock::{Clocks, Mono};
use crate::config::{BrokerConfig, SecretError};
use crate::contract::{AgentState, AgentStatus, WallTime, to_json};
use crate::store::{OutboxRow, RowId, SharedStore};
use crate::tls::TlsError;
use sending::json;
use std::collections::{BTreeMap, VecDeque};
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
    /// In the client library's words.
    #[error("{0}")]
    Connection(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the broker does not take a packet of this size")]
    TooLarge,
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

/// What a connection is made for.
pub(super) struct Owner<'a> {
    pub(super) settings: &'a MqttSettings,
    pub(super) broker: &'a BrokerConfig,
    pub(super) store: &'a SharedStore,
    pub(super) clocks: &'a dyn Clocks,
    pub(super) shared: &'a Shared,
    /// Number of the connection.
    pub(super) session: u64,
}

/// The exchange of messages over one connection.
pub(super) struct Exchange<'a> {
    settings: &'a MqttSettings,
    broker: &'a BrokerConfig,
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
    /// The broker has had enough: nothing of the outbox goes until refused rows are tried again.
    is_over_quota: bool,
    /// Rows that the broker did not take for their size before, and their bytes.
    too_large: BTreeMap<RowId, usize>,
    /// The losses that the hub was told of, by their version.
    losses_told: u64,
    /// The pictures that had been stored when the outbox was last read.
    releases_seen: u64,
}

/// Runs a connection until it fails or was left in order.
pub(super) async fn serve(poller: &mut Poller, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    while exchange.stage != Stage::Over {
        let heard = {
            let mut poll = pin!(poller.poll());
            loop {
                tokio::select! {
                    biased;
                    heard = &mut poll => break heard?,
                    () = exchange.shared.wake.notified() => exchange.more_rows = true,
                    () = tokio::time::sleep(exchange.until_due()) => {}
                }
                exchange.advance()?;
            }
        };
        exchange.handle(heard);
        exchange.advance()?;
    }
    Ok(())
}

impl<'a> Exchange<'a> {
    /// The largest outbox row that the broker has not answered, and its bytes.
    pub(super) fn largest_unanswered(&self) -> Option<(RowId, usize)> {
        self.wire.largest_row()
    }

    pub(super) fn new(owner: &Owner<'a>, client: Client, too_large: BTreeMap<RowId, usize>) -> Self {
        let &Owner { settings, broker, store, clocks, shared, session } = owner;
        let now = clocks.mono();
        Self {
            settings,
            broker,
            store,
            clocks,
            shared,
            session,
            stage: Stage::Connecting,
            wire: Wire::new(client, settings.max_packet_bytes),
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
            is_over_quota: false,
            too_large,
            losses_told: 0,
            releases_seen: 0,
        }
    }

    /// Takes in what happened.
    fn handle(&mut self, heard: Heard) {
        match heard {
            Heard::Sent(packet_id) => {
                // A publish of QoS 0 is done when sent; there is nothing to conclude from it.
                let _ = self.wire.sent(packet_id);
                return;
            }
            Heard::Left => return self.stage = Stage::Over,
            Heard::Nothing => return,
            Heard::Connected { receive_max, max_packet_bytes } => self.connected(receive_max, max_packet_bytes),
            Heard::Answered(packet_id, verdict) => {
                if let Some(tag) = self.wire.answered(packet_id) {
                    self.answered(tag, verdict);
                }
            }
            Heard::Subscribed(Ok(())) => self.clear(AlarmKind::CommandsRefused),
            Heard::Subscribed(Err(words)) => {
                self.raise(
                    AlarmKind::CommandsRefused,
                    &format!("the broker refuses the subscription to commands: {words}"),
                );
            }
            Heard::FromHub(message) => self.shared.deliver(message),
            Heard::SignOfLife => {}
        }
        self.last_heard = self.clocks.mono();
    }

    fn connected(&mut self, receive_max: Option<u16>, max_packet_bytes: Option<u32>) {
        self.wire.connected(receive_max, max_packet_bytes);
        if self.shared.inbox.is_some() {
            self.wire.subscribe(&self.settings.topics.from_hub());
        }
        // What the broker did not take before is tried anew.
        self.clear(AlarmKind::Invalid);
        self.clear(AlarmKind::TooLarge);
        for (row, size_bytes) in std::mem::take(&mut self.too_large) {
            self.set_aside(row, size_bytes);
        }
        let (wall, running) = (self.clocks.wall(), self.clocks.mono().0);
        let last_row = {
            let mut store = self.store.lock();
            store.drop_aged(wall, running).and_then(|()| store.tell_properties(wall)).and_then(|()| store.last_row())
        };
        match last_row {
            Ok(row) => self.backlog_until = row,
            Err(error) => self.store_failed(&error),
        }
        self.shared.lock().board.forget_told();
        self.say(AgentState::Online);
        self.stage = Stage::Live;
        self.heartbeat_at = Mono(self.clocks.mono().0 + self.settings.heartbeat);
        Stats::add(&self.shared.stats.connects, 1);
        self.shared.stats.connected.store(true, Ordering::Relaxed);
        tracing::info!(
            host = %self.broker.host, port = self.broker.port, session = self.session,
            "connected to the broker"
        );
    }

    fn answered(&mut self, tag: Tag, verdict: Verdict) {
        let now = self.clocks.mono();
        self.heed(&tag, verdict);
        match (tag, verdict) {
            (Tag::Row(row), Verdict::Taken) => self.row_done(row, now),
            (Tag::Row(row), Verdict::Invalid) => self.reading.leave(row),
            (Tag::Row(row), Verdict::Quota | Verdict::NotAuthorised | Verdict::Refused) => {
                self.reading.refused(row, now);
            }
            (Tag::State(_), Verdict::Taken) | (Tag::Reply | Tag::Heartbeat, _) => {}
            (Tag::State(slot), _) => {
                self.refused_states.push(slot);
                self.states_retry_at.get_or_insert(Mono(now.0 + STATES_RETRY));
            }
            (Tag::Offline, _) => {
                self.stage = Stage::Parting;
                self.wire.disconnect();
            }
        }
    }

    /// Raises or ends the alarm that an answer of the broker is a reason for.
    fn heed(&mut self, tag: &Tag, verdict: Verdict) {
        let (kind, detail) = match verdict {
            Verdict::Taken => return,
            Verdict::Quota => (AlarmKind::Quota, "the broker has had enough for now; sending pauses"),
            Verdict::NotAuthorised => (AlarmKind::NotAuthorised, "the agent may not publish; the message is kept"),
            Verdict::Invalid => (AlarmKind::Invalid, "the broker calls a message invalid; it is set aside"),
            Verdict::Refused => (AlarmKind::Refused, "the broker refused a message without a reason; it is kept"),
        };
        Stats::add(&self.shared.stats.refused, 1);
        self.is_over_quota |= verdict == Verdict::Quota;
        self.raise(kind, &format!("{detail}: {tag:?}"));
    }

    fn raise(&self, kind: AlarmKind, detail: &str) {
        let now = self.clocks.wall();
        if self.shared.alarms().raise(kind, now, detail.to_owned()) {
            tracing::error!(alarm = ?kind, "{detail}");
        } else {
            tracing::debug!(alarm = ?kind, "{detail}");
        }
    }

    fn clear(&self, kind: AlarmKind) {
        if self.shared.alarms().clear(kind) {
            tracing::info!(alarm = ?kind, "an alarm is over");
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
                self.say_losses();
                self.send_states(now);
                self.send_replies();
                self.send_heartbeat(now);
                self.send_rows(now);
            }
            Stage::Draining { by } => {
                self.send_states(now);
                self.send_replies();
                self.send_rows(now);
                let told = self.wire.is_idle() && self.shared.lock().all_told();
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
        self.shared.lock().board.set(self.settings.topics.status(), payload.into(), Qos::AtLeastOnce);
    }

    fn status(&self, status: AgentState) -> Vec<u8> {
        to_json(&AgentStatus { status, session: self.session, time: self.time() })
    }

    fn time(&self) -> WallTime {
        WallTime::new(self.clocks.wall(), &self.settings.time_zone)
    }

    fn leave(&mut self, by: Mono) {
        self.stage = Stage::Leaving { by: Mono(by.0 + PARTING / 2) };
        let (topic, payload) = (self.settings.topics.status(), self.status(AgentState::Offline));
        self.publish(Tag::Offline, json(&topic, true, payload.into()));
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
