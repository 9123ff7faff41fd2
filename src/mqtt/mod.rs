//! Outbox rows and state → broker; messages of the hub → [commands](crate::command).
//!
//! **In:** rows of the [store](crate::store) in their order, the latest payload of each retained topic ([`Link::state`]), and answers to
//! commands ([`Link::reply`]). **Out:** publishes of MQTT 5 or 3.1.1 ([`dialect`]); acknowledged rows are removed from the store; what
//! the hub sends goes into the inbox.
//!
//! The store, not the client library, is the truth. Each connection gets a fresh client that is dropped with it, so that
//! nothing is remembered outside the store: after a disconnect every row that was not acknowledged is sent again.
//!
//! Invariants:
//! - A row is removed only after a PUBACK with a reason code below 0x80 for it, and not while an earlier row of the same
//!   incident waits to be sent again.
//! - Rows are sent in their order. A row that the broker refuses holds back the later rows of its incident; others go on. One that it
//!   will never take (too large, invalid) is set aside with an alarm, and holds back none. When the broker has had enough (quota),
//!   all rows pause.
//! - After each connect the state topics go first, `status` and `birth` before the others; then the rows.
//! - A broker that is absent, slow or refusing stops nobody: the thread waits and tries again, for ever.
//!
//! Limits: at most [`WINDOW`] publishes wait for the broker (less if it says so by Receive Maximum); the state board holds
//! one payload per retained topic; [`MAX_REPLIES`] answers wait, the oldest goes; what comes in while the inbox is full is dropped and
//! counted, and the hub asks again; rows that existed before the connection go at `replay_per_sec` and carry
//! `replayed: true`. One thread, `mqtt`, with a single-threaded runtime; database work is done on it in line, in short
//! transactions.

mod alarms;
mod board;
mod connection;
mod dialect;
mod outbox;
mod wire;
mod worker;

pub use crate::back_off::BackOffSettings;
pub use alarms::{Alarm, AlarmKind};

use crate::clock::{Clocks, Mono};
use crate::config::{AgentConfig, BrokerConfig, HubConfig, HubTransport, Protocol, SecretSource, TlsConfig};
use crate::contract::Topics;
use crate::evidence::Keyring;
use crate::store::SharedStore;
use alarms::Alarms;
use board::Board;
use bytes::Bytes;
use dialect::Qos;
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Publishes that may wait for the broker's acknowledgement: some round trips' worth on a LAN, and with pictures of
/// 200 KB still only 6 MB.
pub const WINDOW: usize = 32;

/// Answers to commands that wait for the broker; the oldest goes.
pub const MAX_REPLIES: usize = 64;

/// A message of the hub, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromHub {
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Bytes,
    /// Whether the broker had kept it from before.
    pub is_retained: bool,
    /// Where the answer is wanted, if MQTT 5 said so.
    pub response_topic: Option<String>,
    /// What the answer must carry, if MQTT 5 said so.
    pub correlation_data: Option<Bytes>,
}

/// The answer to a message of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Where it goes; without wildcards.
    pub topic: String,
    /// As it came with the question.
    pub correlation_data: Option<Bytes>,
    /// JSON.
    pub payload: Vec<u8>,
}

/// How the broker is reached and how fast things are repeated.
#[derive(Debug, Clone)]
pub struct MqttSettings {
    /// Version of MQTT.
    pub protocol: Protocol,
    /// Brokers in order of preference; at least one.
    pub brokers: Vec<BrokerConfig>,
    /// Where the certificates are, if the connection is encrypted.
    pub tls: Option<TlsConfig>,
    /// What carries MQTT.
    pub transport: HubTransport,
    /// Path of the web socket.
    pub websocket_path: String,
    /// MQTT client id.
    pub client_id: String,
    /// User name, if the broker wants one.
    pub username: Option<String>,
    /// Where the password is read from, at every connect.
    pub password: Option<SecretSource>,
    /// Interval of keep-alive pings; at least 5 s.
    pub keep_alive: Duration,
    /// Rows per second that existed before the connection.
    pub replay_per_sec: u32,
    /// Largest packet that the broker takes, where it does not say so itself.
    pub max_packet_bytes: Option<u32>,
    /// Interval of heartbeats.
    pub heartbeat: Duration,
    /// The agent's topics.
    pub topics: Topics,
    /// Zone in which times are written.
    pub time_zone: TimeZone,
    /// Waits between attempts to connect.
    pub reconnect: BackOffSettings,
    /// Waits before refused rows are sent again.
    pub retry_refused: BackOffSettings,
    /// The keys of pictures on the disk.
    pub keys: Keyring,
}

impl MqttSettings {
    /// The settings that a configuration asks for.
    #[must_use]
    pub fn new(agent: &AgentConfig, hub: &HubConfig, time_zone: TimeZone) -> Self {
        Self {
            protocol: hub.protocol,
            max_packet_bytes: hub.max_packet_bytes,
            brokers: std::iter::once(BrokerConfig { host: hub.host.clone(), port: hub.port })
                .chain(hub.fallback.iter().cloned())
                .collect(),
            tls: hub.tls.clone(),
            transport: hub.transport,
            websocket_path: hub.websocket_path.clone(),
            client_id: agent.id.to_string(),
            username: hub.username.clone(),
            password: hub.password.clone(),
            keep_alive: Duration::from_secs(u64::from(hub.keep_alive_secs)),
            replay_per_sec: hub.replay_per_sec,
            heartbeat: Duration::from_secs(30),
            topics: Topics::new(&hub.prefix, &agent.site, &agent.id),
            time_zone,
            reconnect: BackOffSettings { first: Duration::from_millis(500), cap: Duration::from_mins(1) },
            retry_refused: BackOffSettings { first: Duration::from_secs(5), cap: Duration::from_mins(5) },
            keys: Keyring::default(),
        }
    }
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Connections made.
    pub connects: u64,
    /// Attempts to connect that failed, and connections that broke.
    pub failures: u64,
    /// Rows handed to the broker, repetitions included.
    pub sent: u64,
    /// Rows that the broker acknowledged.
    pub acknowledged: u64,
    /// Publishes that the broker refused by a reason code, or that are larger than it takes.
    pub refused: u64,
    /// Messages of the hub and answers to it that were dropped, since too many came at once.
    pub commands_dropped: u64,
    /// Pictures whose file had gone before they could be sent.
    pub pictures_lost: u64,
}

/// What came of [`Link::stop`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// `offline` was published and acknowledged, and the connection closed by DISCONNECT.
    Said,
    /// There was no connection, or it ended first: the hub learns from the will, or from `status` of the last connection.
    NotConnected,
    /// The limit passed; the thread was left to itself.
    TimedOut,
}

/// The connection to the broker, kept up by a thread of its own. Dropping it cuts the connection without a farewell, as a
/// crash would; [`Link::stop`] leaves in order.
pub struct Link {
    shared: Arc<Shared>,
    clocks: Arc<dyn Clocks>,
    /// None once joined or left to itself.
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// In a mutex only because a link is shared by threads; `stop` alone receives.
    ended: Mutex<Receiver<Farewell>>,
}

impl Link {
    /// Starts the thread. What the hub sends goes into `inbox`; without one nothing is asked for. Fails only if the operating system gives
    /// no thread.
    pub fn start(
        settings: MqttSettings,
        store: SharedStore,
        clocks: Arc<dyn Clocks>,
        inbox: Option<SyncSender<FromHub>>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let shared = Arc::new(Shared { inbox, ..Shared::default() });
        let (report, ended) = std::sync::mpsc::sync_channel(1);
        let worker = worker::Worker::new(settings, store, Arc::clone(&clocks), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("mqtt".to_owned()).spawn(move || {
            let farewell = runtime.block_on(worker.work());
            // A name lookup may still run on the runtime's helper thread: do not wait for it.
            runtime.shutdown_background();
            // The receiver is gone after a drop without `stop`: then nobody wants to know.
            let _ = report.send(farewell);
        })?;
        Ok(Self { shared, clocks, thread: Mutex::new(Some(thread)), ended: Mutex::new(ended) })
    }

    /// Sets what a retained topic says. Sent with `QoS` 1 when connected, again after every connect, and not if it says so
    /// already; of several changes during an outage only the last is sent. Zero bytes clear the topic.
    pub fn state(&self, topic: String, payload: impl Into<Bytes>) {
        self.shared.lock().board.set(topic, payload.into(), Qos::AtLeastOnce);
        self.shared.wake.notify_one();
    }

    /// Like [`Self::state`] with `QoS` 0, for what is renewed soon anyway (`health`).
    pub fn volatile_state(&self, topic: String, payload: impl Into<Bytes>) {
        self.shared.lock().board.set(topic, payload.into(), Qos::AtMostOnce);
        self.shared.wake.notify_one();
    }

    /// Sends an answer to the hub, when there is a connection.
    pub fn reply(&self, reply: Reply) {
        let mut wishes = self.shared.lock();
        wishes.replies.push_back(reply);
        if wishes.replies.len() > MAX_REPLIES {
            wishes.replies.pop_front();
            Stats::add(&self.shared.stats.commands_dropped, 1);
        }
        drop(wishes);
        self.shared.wake.notify_one();
    }

    /// Sends every retained topic once more.
    pub fn tell_all_again(&self) {
        self.shared.lock().board.forget_told();
        self.shared.wake.notify_one();
    }

    /// What is wrong with the delivery although there is a connection, or may be soon.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.shared.alarms().all(self.clocks.wall())
    }

    /// Says that the store has new outbox rows.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Whether the broker has accepted the present connection.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.shared.stats.connected.load(Ordering::Relaxed)
    }

    /// Whether its thread runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        self.shared.stats.snapshot()
    }

    /// Publishes `stopping`, sends what can be sent, publishes `offline`, disconnects; all within `limit`. Once.
    #[must_use]
    pub fn stop(&self, limit: Duration) -> Farewell {
        let by = Mono(self.clocks.mono().0 + limit);
        self.shared.lock().stop = Stop::Orderly { by };
        self.shared.wake.notify_one();
        // The thread ends by itself at the limit; the second more is for its last database transaction.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(limit + Duration::from_secs(1)) {
            Ok(farewell) => {
                self.join();
                farewell
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                tracing::warn!(?limit, "the MQTT thread did not end in time");
                self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
                Farewell::TimedOut
            }
        }
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the MQTT thread panicked");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.shared.lock().stop = Stop::AtOnce;
            self.shared.wake.notify_one();
            self.join();
        }
    }
}

/// What the link's owner and its thread share.
#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    /// Told after every change of `wishes` and after new outbox rows.
    wake: tokio::sync::Notify,
    stats: Stats,
    alarms: Mutex<Alarms>,
    /// Where messages of the hub go.
    inbox: Option<SyncSender<FromHub>>,
}

/// What the owner wants of the thread.
#[derive(Debug, Default)]
struct Wishes {
    board: Board,
    /// At most [`MAX_REPLIES`].
    replies: VecDeque<Reply>,
    stop: Stop,
}

/// Whether and how the thread shall end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stop {
    #[default]
    No,
    /// With a farewell.
    Orderly {
        /// When it must be over.
        by: Mono,
    },
    /// Without a word, as after a crash.
    AtOnce,
}

impl Wishes {
    fn all_told(&self) -> bool {
        self.board.all_told() && self.replies.is_empty()
    }
}

impl Shared {
    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a message of the hub on; never waits.
    fn deliver(&self, message: FromHub) {
        let Some(inbox) = &self.inbox else { return };
        if inbox.try_send(message).is_err() {
            Stats::add(&self.stats.commands_dropped, 1);
            tracing::warn!("a message of the hub is dropped: too many came at once");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Stats {
    connected: AtomicBool,
    connects: AtomicU64,
    failures: AtomicU64,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    commands_dropped: AtomicU64,
    pictures_lost: AtomicU64,
}

impl Stats {
    fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn snapshot(&self) -> LinkStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkStats {
            connects: read(&self.connects),
            failures: read(&self.failures),
            sent: read(&self.sent),
            acknowledged: read(&self.acknowledged),
            refused: read(&self.refused),
            commands_dropped: read(&self.commands_dropped),
            pictures_lost: read(&self.pictures_lost),
        }
    }
}
