//! Incidents, outbox and evidence index in SQLite.
//!
//! **In:** changes of incidents ([`Store::record`]) and acknowledgements of their [destinations](Destination) ([`Store::acknowledge`]).
//! **Out:** open incidents after a restart, and outbox rows in the order in which they were recorded.
//!
//! Invariants:
//! - *Durable before visible.* An incident's change, its pictures' index and the outbox rows of both are one
//!   transaction, in a write-ahead log that is synchronised to the disk before `record` returns.
//! - A row leaves the outbox only by [`Store::acknowledge`], by [`Store::reject`] with a reason, or as the oldest when more waits than
//!   may; then its sequence is written down ([`Store::losses`]).
//! - A picture's row stands before the row of the event that names it. One that goes to a [storage](Destination::Storage) holds back what
//!   comes after it in its incident, whomever that is for, until it leaves the outbox.
//! - Sequence numbers are taken inside the transaction: gap-free, also after a crash.
//! - Row numbers are never used again, so that a reader may remember how far it read.
//! - One writer: [`SharedStore`] is the one connection, and the database is locked against other processes.
//!
//! A failure changes nothing on disk and may be tried again; [`StoreError::DiskFull`] and [`StoreError::ReadOnly`] say
//! so. A corrupt database is set aside under another name, reported, and started anew.
//!
//! What was sent to the hub is kept, the last [`MAX_SENT`] events, so that it can be sent again.
//!
//! Limits: a transaction costs one `fsync` (0.2 ms on the measured disk); a picture is not copied into the database.

mod bounds;
mod destinations;
mod error;
mod evidence;
mod hub;
mod listing;
mod memory;
mod open;
mod properties;
mod rows;
#[cfg(test)]
mod tests;
mod withheld;

pub use bounds::{Bounds, Losses};
pub use destinations::{Adapters, Destination, Rejected};
pub use error::StoreError;
pub use evidence::{DeletionReason, DoomedPicture, EvidenceTotals, Held, IndexedPicture, KIND_SNAPSHOT, KIND_UNKNOWN};
pub use hub::{COMMAND_MEMORY, Known};
pub use listing::{Listed, ListedIncident};
pub use memory::{Verdict, Verdicts};
pub use withheld::Withheld;

use crate::config::RuleKind;
use crate::contract::Evidence;
use crate::ids::Name;
use crate::incident::Incident;
use bounds::Dropped;
use error::{failed, state_error};
use jiff::Timestamp;
use properties::insert_property;
use rows::{insert_event, insert_evidence, insert_picture, outbox_row, upsert_incident};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Most events that are kept after they were sent; about 50 MB.
pub const MAX_SENT: u32 = 20_000;

/// Number of an outbox row; grows in the order of recording and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(i64);

impl RowId {
    /// Before every row.
    pub const ZERO: Self = Self(0);

    /// The number before this one: reading after it begins with this row.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0 - 1)
    }

    /// A row of which only the number matters.
    #[cfg(test)]
    pub(crate) fn numbered(number: i64) -> Self {
        Self(number)
    }
}

/// A message to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MQTT topic.
    pub topic: String,
    /// Content type of the payload.
    pub content_type: &'static str,
    /// The bytes to send.
    pub payload: Vec<u8>,
}

/// A picture that lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceFile {
    /// What the event says of it.
    pub evidence: Evidence,
    /// Where its bytes are.
    pub path: PathBuf,
    /// Where it goes: to the hub or to the storage.
    pub destination: Destination,
    /// The topic on which it is sent, or its name in the storage; none if it stays on the box.
    pub topic: Option<String>,
}

/// A change of an incident that is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The camera that saw it.
    pub camera: &'a Name,
    /// The kind of the rule that found it.
    pub kind: RuleKind,
    /// The incident after the change.
    pub incident: &'a Incident,
    /// Pictures of this change, already on disk.
    pub evidence: &'a [EvidenceFile],
    /// Wall time of recording.
    pub now: Timestamp,
}

/// A message that waits for its destination's acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number.
    pub row: RowId,
    /// The incident to which it belongs; messages of one incident keep their order.
    pub incident: Uuid,
    /// MQTT topic.
    pub topic: String,
    /// Content type of the bytes.
    pub content_type: String,
    /// The bytes.
    pub body: Body,
    /// Whether the hub asked to have it once more.
    pub is_repeated: bool,
    /// Whether the broker keeps it for who comes later; without bytes it clears what was kept.
    pub is_retained: bool,
}

/// Where the bytes of an outbox row are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// In the row.
    Payload(Vec<u8>),
    /// In a file.
    File(PathBuf),
}

/// What waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Number of rows.
    pub rows: u64,
    /// Their bytes, pictures included.
    pub bytes: u64,
    /// When the oldest was recorded.
    pub oldest: Option<Timestamp>,
}

/// An incident that was open when the store was last written.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIncident {
    /// The incident after its last recorded change.
    pub incident: Incident,
    /// The kind of the rule that found it.
    pub kind: RuleKind,
}

/// The agent's database.
#[derive(Debug)]
pub struct Store {
    connection: rusqlite::Connection,
    path: PathBuf,
    set_aside: Option<PathBuf>,
    bounds: Bounds,
    adapters: Adapters,
    /// Bytes that wait in the outbox, pictures included.
    waiting_bytes: u64,
    /// Bytes of the pictures on the disk.
    evidence_bytes: u64,
    /// Rows from this one on were recorded by this process.
    first_row_of_run: i64,
    /// Pictures from this one on were made by this process.
    first_picture_of_run: i64,
    losses_version: u64,
    releases: u64,
}

impl Store {
    /// Opens or creates the database; `now` names a corrupt one that has to be set aside.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        open::open(path, now)
    }

    /// Where the database of a data folder is.
    #[must_use]
    pub fn path_in(data_dir: &Path) -> PathBuf {
        data_dir.join("curbwatch.db")
    }

    /// Opens the database that an agent has left. A damaged one stays where it is.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        open::open_existing(path)
    }

    fn with(connection: rusqlite::Connection, path: &Path, set_aside: Option<PathBuf>) -> Result<Self, StoreError> {
        let mut store = Self {
            connection,
            path: path.to_owned(),
            set_aside,
            bounds: Bounds::NONE,
            adapters: Adapters::default(),
            waiting_bytes: 0,
            evidence_bytes: 0,
            first_row_of_run: 0,
            first_picture_of_run: 0,
            losses_version: 1,
            releases: 0,
        };
        store.waiting_bytes = store.count_waiting_bytes()?;
        store.evidence_bytes = store.count_evidence_bytes()?;
        store.first_row_of_run = store.last_row()?.0 + 1;
        store.first_picture_of_run = store.next_picture()?;
        Ok(store)
    }

    /// Where a corrupt database was put when this one was opened.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Records a change: the incident, its pictures, and what the hub must be told, in one transaction.
    ///
    /// `event` gets the sequence number and returns the event; it must not have side effects, for the transaction may
    /// fail after it was called. Returns the sequence number.
    pub fn record(&mut self, change: &Change<'_>, event: impl Fn(u64) -> Message) -> Result<u64, StoreError> {
        let state = serde_json::to_string(change.incident).map_err(|source| state_error(change.incident.id, source))?;
        let (waiting, max) = (self.waiting_bytes, self.bounds.max_bytes);
        let copies = self.adapters.webhook.then_some(Destination::Webhook);
        let onvif = self.adapters.onvif.clone();
        let (sequence, size, dropped) = self.transact("record an incident", |transaction| {
            upsert_incident(transaction, change, &state)?;
            let mut size = 0;
            for file in change.evidence {
                insert_evidence(transaction, change, file)?;
                size += file.topic.as_ref().map_or(0, |_| file.evidence.size_bytes);
            }
            let sequence = advance(transaction, "sequence", |last| last + 1)?;
            let message = event(sequence);
            transaction
                .prepare_cached("UPDATE incident SET event = ?2 WHERE id = ?1")?
                .execute(params![change.incident.id.to_string(), message.payload])?;
            for destination in [Destination::Hub].into_iter().chain(copies) {
                insert_event(transaction, change, destination, sequence, &message)?;
                size += message.payload.len() as u64;
            }
            size += insert_property(transaction, change, onvif.as_deref())?;
            let excess = (waiting + size).saturating_sub(max);
            let dropped =
                if excess > 0 { bounds::drop_oldest(transaction, excess, change.now)? } else { Dropped::default() };
            Ok((sequence, size, dropped))
        })?;
        self.waiting_bytes += size;
        self.evidence_bytes += bytes_of(change.evidence);
        self.note_dropped(dropped);
        Ok(sequence)
    }

    /// Keeps a picture that the hub asked for and puts it into the outbox, with those of its incident or by itself.
    pub fn record_picture(
        &mut self,
        incident: Option<Uuid>,
        file: &EvidenceFile,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let of_incident = incident.map(|incident| incident.to_string());
        let group = incident.unwrap_or(file.evidence.id).to_string();
        self.transact("record a picture", |transaction| {
            evidence::index(transaction, of_incident.as_deref(), KIND_SNAPSHOT, file, now)?;
            file.topic.as_ref().map_or(Ok(()), |topic| insert_picture(transaction, &group, topic, file, now))
        })?;
        self.evidence_bytes += file.evidence.size_bytes;
        self.waiting_bytes += file.topic.as_ref().map_or(0, |_| file.evidence.size_bytes);
        Ok(())
    }

    /// The incidents of a camera that were open when last recorded, oldest first.
    ///
    /// One that cannot be read (written by a later version) is reported as an error in the log and left out: the others
    /// must not be forgotten because of it.
    pub fn open_incidents(&self, camera: &Name) -> Result<Vec<OpenIncident>, StoreError> {
        let read = || -> rusqlite::Result<Vec<(String, String, String)>> {
            let mut query = self.connection.prepare_cached(
                "SELECT id, kind, state FROM incident WHERE camera = ?1 AND phase NOT IN ('closed', 'withdrawn') ORDER BY id",
            )?;
            let rows = query.query_map([camera.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        let rows = read().map_err(|source| failed(&self.path, "read open incidents", source))?;
        let restore = |(id, kind, state): (String, String, String)| {
            let kind = serde_json::from_value(kind.into());
            match (serde_json::from_str(&state), kind) {
                (Ok(incident), Ok(kind)) => Some(OpenIncident { incident, kind }),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(%camera, incident = %id, %error, "an open incident cannot be restored");
                    None
                }
            }
        };
        Ok(rows.into_iter().filter_map(restore).collect())
    }

    /// A session number greater than every one before, also than those of a database that was lost: not less than the
    /// wall time in seconds.
    pub fn next_session(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let seconds = now.as_second();
        self.transact("begin a session", |transaction| advance(transaction, "session", |last| (last + 1).max(seconds)))
    }

    /// The first `limit` outbox rows of a destination after `after`, in order, without those that are held until a picture is stored.
    ///
    /// What is held may stand before what was read, and is not read by going on: see [`Self::releases`].
    pub fn pending(&self, destination: Destination, after: RowId, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<OutboxRow>> {
            let mut query = self.connection.prepare_cached(
                "SELECT row, incident, topic, content_type, payload, path, is_repeated, is_retained FROM outbox
                 WHERE destination = ?1 AND is_held = 0 AND row > ?2 ORDER BY row LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map(params![destination.as_str(), after.0, limit], outbox_row)?;
            rows.collect()
        };
        read().map_err(|source| failed(&self.path, "read the outbox", source))
    }

    /// The newest outbox row, or [`RowId::ZERO`] if the outbox is empty.
    pub fn last_row(&self) -> Result<RowId, StoreError> {
        let read = || self.connection.query_row("SELECT coalesce(max(row), 0) FROM outbox", [], |row| row.get(0));
        read().map(RowId).map_err(|source| failed(&self.path, "read the outbox", source))
    }

    /// The sequence that was given to the last event; 0 before the first.
    pub fn last_sequence(&self) -> Result<u64, StoreError> {
        let read = || {
            let mut query = self.connection.prepare_cached("SELECT value FROM meta WHERE key = 'sequence'")?;
            query.query_row([], |row| row.get::<_, i64>(0)).optional()
        };
        let last = read().map_err(|source| failed(&self.path, "read the sequence", source))?;
        Ok(last.map_or(0, i64::unsigned_abs))
    }

    /// Removes rows that their destination acknowledged, in one transaction; the hub's events are kept aside to be sent again if it asks
    /// for it.
    pub fn acknowledge(&mut self, rows: &[RowId]) -> Result<(), StoreError> {
        let (freed, stored) = self.transact("remove acknowledged rows", |transaction| {
            let mut keep = transaction.prepare_cached(
                "INSERT OR IGNORE INTO sent (sequence, incident, topic, content_type, payload, recorded_ms)
                 SELECT sequence, incident, topic, content_type, payload, recorded_ms FROM outbox
                 WHERE row = ?1 AND sequence IS NOT NULL AND destination = 'hub'",
            )?;
            let mut delete = transaction
                .prepare_cached("DELETE FROM outbox WHERE row = ?1 RETURNING size_bytes, destination = 'storage'")?;
            let (mut freed, mut stored) = (0, 0);
            for row in rows {
                keep.execute([row.0])?;
                let of_row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?));
                let (size, is_stored) = delete.query_row([row.0], of_row).optional()?.unwrap_or_default();
                freed += size;
                stored += u64::from(is_stored);
            }
            transaction
                .prepare_cached("DELETE FROM sent WHERE sequence <= (SELECT max(sequence) FROM sent) - ?1")?
                .execute([MAX_SENT])?;
            Ok((freed.unsigned_abs(), stored))
        })?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(freed);
        self.releases += stored;
        Ok(())
    }

    /// Forgets incidents that ended before `before`, of which nothing waits any more, no picture is kept, and which are not held. Returns how
    /// many.
    pub fn forget_ended_before(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        self.transact("forget old incidents", |transaction| {
            transaction.execute("DELETE FROM sent WHERE recorded_ms < ?1", [before.as_millisecond()])?;
            transaction.execute(
                "DELETE FROM incident WHERE phase IN ('closed', 'withdrawn') AND changed_ms < ?1
                 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.incident = incident.id)
                 AND NOT EXISTS (SELECT 1 FROM picture WHERE picture.incident = incident.id)
                 AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.incident = incident.id)",
                [before.as_millisecond()],
            )
        })
    }

    fn transact<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let run = || -> rusqlite::Result<T> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|source| failed(&self.path, doing, source))
    }
}

/// The store as its users share it: the thread that records incidents and those that deliver.
///
/// One connection behind one lock, held for one transaction at a time (about a millisecond).
#[derive(Debug, Clone)]
pub struct SharedStore(Arc<Mutex<Store>>);

impl SharedStore {
    /// Shares a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    /// Takes the store. A holder that panicked left no trace: its transaction was rolled back.
    pub fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces a number in `meta` by the next one, and returns it.
fn advance(transaction: &Transaction<'_>, key: &str, next: impl FnOnce(i64) -> i64) -> rusqlite::Result<u64> {
    let last = transaction
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let value = next(last);
    transaction
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    Ok(value.unsigned_abs())
}

/// Bytes of pictures together.
fn bytes_of(pictures: &[EvidenceFile]) -> u64 {
    pictures.iter().map(|file| file.evidence.size_bytes).sum()
}

/// How far an incident has come, as it stands in the table: one that is closed stays so when it is looked at again.
fn phase_of(incident: &Incident) -> &'static str {
    if incident.closed_at.is_some() { "closed" } else { "opened" }
}
