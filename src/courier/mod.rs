//! Outbox rows → a server that takes them by HTTP.
//!
//! **In:** rows of one [destination](crate::store::Destination), in their order. **Out:** requests, one at a time; a row leaves the outbox
//! once the server has taken it with 2xx. What a request is, an [`Errand`] knows: [`webhook`] posts events, [`storage`] puts pictures.
//!
//! Invariants:
//! - The messages of one incident keep their order. One that the server fails at holds back the later ones of its incident and no other.
//! - At least once: a row is removed after the answer. What was asked without an answer is asked again.
//! - A server that is absent, slow or refusing stops nobody else: the thread waits and tries again, for ever, ever later, and not
//!   before the server says (Retry-After).
//! - What a server refuses for good is set aside with its reason, and what comes after goes on.
//!
//! Limits: one request at a time, so that a thousand waiting events take a thousand round trips; [`MAX_HELD`](pace::MAX_HELD) incidents are
//! held back each for itself, beyond it everything pauses. One thread, named after the destination.

mod answer;
mod client;
mod health;
mod pace;
mod signature;
mod storage;
mod webhook;
mod worker;

use crate::back_off::BackOffSettings;
use crate::clock::Clocks;
use crate::config::{StorageConfig, WebhookConfig};
use crate::contract::HttpTroubleKind;
use crate::evidence::{EvidenceDir, Keyring};
use crate::store::{Destination, OutboxRow, SharedStore};
use jiff::Timestamp;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a courier that is dropped is waited for; a request on its way may take longer.
const PARTING: Duration = Duration::from_secs(2);

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The server has it.
    Taken,
    /// The server takes nothing now.
    Unavailable { kind: HttpTroubleKind, detail: String, retry_after: Option<Duration> },
    /// The server failed, perhaps at this message alone.
    Failed { detail: String },
    /// The server will never take this message.
    Rejected { reason: String },
}

/// Makes requests of rows.
trait Errand: Send {
    /// Whose rows.
    fn destination(&self) -> Destination;
    /// Sends a row. `is_late` says that it waited for the server.
    fn send(&mut self, row: &OutboxRow, is_late: bool) -> Outcome;
}

/// Why nothing gets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What.
    pub kind: HttpTroubleKind,
    /// Since when.
    pub since: Timestamp,
    /// How often it was met.
    pub count: u64,
    /// The last time, in words without any secret.
    pub detail: String,
}

/// What a courier did since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourierStats {
    /// Requests made, repetitions included.
    pub requests: u64,
    /// Messages that the server took.
    pub taken: u64,
    /// Requests that came to nothing.
    pub failures: u64,
    /// Why nothing gets through, while that is so.
    pub trouble: Option<Trouble>,
}

/// What a courier works with.
pub struct CourierParts {
    /// The database.
    pub store: SharedStore,
    /// Time.
    pub clocks: Arc<dyn Clocks>,
    /// Waits between attempts.
    pub retry: BackOffSettings,
    /// The keys of pictures on the disk.
    pub keys: Keyring,
    /// Called when a row has left the outbox: others may wait for it.
    pub done: Box<dyn Fn() + Send>,
}

impl CourierParts {
    /// With waits from a second to five minutes, no keys, and nobody who waits for the rows.
    #[must_use]
    pub fn new(store: SharedStore, clocks: Arc<dyn Clocks>) -> Self {
        let retry = BackOffSettings { first: Duration::from_secs(1), cap: Duration::from_mins(5) };
        Self { store, clocks, retry, keys: Keyring::default(), done: Box::new(|| ()) }
    }
}

/// Delivers the rows of one destination, on a thread of its own. Dropping it ends that after the request that is on its way; what was not
/// taken waits in the store.
pub struct Courier {
    destination: Destination,
    store: SharedStore,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// In a mutex only because a courier is shared by threads; the drop alone receives.
    ended: Mutex<Receiver<()>>,
}

impl Courier {
    /// Posts events to a webhook. Fails only if the operating system gives no thread.
    pub fn webhook(config: WebhookConfig, evidence: EvidenceDir, parts: CourierParts) -> std::io::Result<Self> {
        let errand = webhook::Webhook::new(config, evidence, Arc::clone(&parts.clocks));
        Self::start(Box::new(errand), parts)
    }

    /// Puts pictures into a storage. Fails only if the operating system gives no thread.
    pub fn storage(config: StorageConfig, parts: CourierParts) -> std::io::Result<Self> {
        let errand = storage::Storage::new(config, parts.keys.clone(), Arc::clone(&parts.clocks));
        Self::start(Box::new(errand), parts)
    }

    fn start(errand: Box<dyn Errand>, parts: CourierParts) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (report, ended) = std::sync::mpsc::sync_channel(1);
        let (destination, store) = (errand.destination(), parts.store.clone());
        let worker = worker::Worker::new(errand, parts, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name(destination.as_str().to_owned()).spawn(move || {
            worker.work();
            // The receiver is gone if the courier was dropped and not waited for: then nobody wants to know.
            let _ = report.send(());
        })?;
        Ok(Self { destination, store, shared, thread: Some(thread), ended: Mutex::new(ended) })
    }

    /// Says that the store has new rows.
    pub fn wake(&self) {
        self.shared.lock().is_woken = true;
        self.shared.changed.notify_one();
    }

    /// What it did since the start.
    #[must_use]
    pub fn stats(&self) -> CourierStats {
        self.shared.lock().stats.clone()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_one();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(PARTING);
        match ended {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
                    tracing::error!("a courier panicked");
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("a request is still on its way; it is made again at the next start");
            }
        }
    }
}

/// What a courier's owner and its thread share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// There may be new rows.
    is_woken: bool,
    is_stopping: bool,
    stats: CourierStats,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Waits for so long, or until there may be new rows.
    fn wait_for_rows(&self, limit: Duration) {
        let asleep = |state: &mut State| !state.is_woken && !state.is_stopping;
        let waited = self.changed.wait_timeout_while(self.lock(), limit, asleep);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_woken = false;
    }

    /// Waits for so long, whatever comes meanwhile.
    fn pause(&self, time: Duration) {
        drop(self.changed.wait_timeout_while(self.lock(), time, |state| !state.is_stopping));
    }
}
