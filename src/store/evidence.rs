//! The index of the pictures and clips on disk, which of them have to go, and which must stay because the hub holds their incident.
//!
//! A picture that is to be deleted is *doomed* first, with the reason, in the transaction that takes what waits for its file out of the
//! outbox; its row goes when its file is gone ([`Store::forget_pictures`]). After a crash in between the doomed are still known.

use super::error::failed;
use super::{Dropped, EvidenceFile, Store, StoreError};
use crate::contract::MediaType;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// Pictures that one transaction dooms at most.
const BATCH: usize = 1000;
/// Kind of a picture that the hub asked for.
pub const KIND_SNAPSHOT: &str = "snapshot";
/// Kind of a picture that was found on the disk and of which nothing else is known.
pub const KIND_UNKNOWN: &str = "unknown";

/// A picture that may be deleted: not doomed yet, and not of an incident that is held at ?1.
const FREE: &str = "doomed IS NULL AND NOT EXISTS
    (SELECT 1 FROM hold WHERE hold.incident = picture.incident AND (hold.until_ms IS NULL OR hold.until_ms > ?1))";
/// Whether something waits for the hub, the webhook or the storage to which the picture belongs.
const WAITS: &str = "EXISTS (SELECT 1 FROM outbox WHERE outbox.incident = coalesce(picture.incident, picture.id))";

/// Why a picture is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeletionReason {
    /// It has been kept for as long as it may be.
    Age,
    /// All pictures together are larger than they may be.
    Bytes,
    /// The disk has less free space than it must have.
    Space,
}

impl DeletionReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Age, Self::Bytes, Self::Space];

    /// Name in the database, in messages and in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Bytes => "bytes",
            Self::Space => "space",
        }
    }

    /// The reason of that name; one of a later version counts as age.
    fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name).unwrap_or(Self::Age)
    }
}

/// A picture as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPicture {
    /// Its id.
    pub id: Uuid,
    /// The incident that it shows; none for a picture of a camera alone.
    pub incident: Option<Uuid>,
    /// Kind of the rule that found the incident, [`KIND_SNAPSHOT`] or [`KIND_UNKNOWN`].
    pub kind: String,
    /// SHA-256 of the JPEG, lower-case hexadecimal; none if it was found on the disk.
    pub sha256: Option<String>,
    /// Length of the JPEG in bytes.
    pub size_bytes: u64,
    /// Where its file is.
    pub path: PathBuf,
    /// When it was made.
    pub taken_at: Timestamp,
    /// Whether its incident is held now.
    pub is_held: bool,
}

impl IndexedPicture {
    /// What it is, by the name of its file; none for one of a later version.
    #[must_use]
    pub fn media_type(&self) -> Option<MediaType> {
        MediaType::of_extension(self.path.extension()?.to_str()?)
    }
}

/// A picture whose file must go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoomedPicture {
    /// Its id.
    pub id: Uuid,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Why.
    pub reason: DeletionReason,
    /// Whether somebody was to have it and has not.
    pub is_undelivered: bool,
}

/// All pictures together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EvidenceTotals {
    /// How many.
    pub pictures: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Incidents that are held.
    pub held_incidents: u64,
    /// Pictures of these.
    pub held_pictures: u64,
}

/// What a hold covers, or covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Pictures of the incident that are on the disk now.
    pub pictures: u64,
}

impl Store {
    /// Bytes of all pictures that are not doomed.
    #[must_use]
    pub fn evidence_bytes(&self) -> u64 {
        self.evidence_bytes
    }

    /// Keeps the pictures of an incident, those to come too, until `until` or until it is released. None if there is no such incident.
    pub fn hold(
        &mut self,
        incident: Uuid,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Held>, StoreError> {
        let id = incident.to_string();
        self.transact("hold an incident", |transaction| {
            let is_known = transaction
                .prepare_cached(
                    "SELECT 1 FROM incident WHERE id = ?1 UNION SELECT 1 FROM picture WHERE incident = ?1 AND doomed IS NULL",
                )?
                .exists([&id])?;
            if !is_known {
                return Ok(None);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO hold (incident, since_ms, until_ms) VALUES (?1, ?2, ?3)
                     ON CONFLICT (incident) DO UPDATE SET until_ms = excluded.until_ms",
                )?
                .execute(params![id, now.as_millisecond(), until.map(Timestamp::as_millisecond)])?;
            Ok(Some(Held { pictures: pictures_of(transaction, &id)? }))
        })
    }

    /// Ends a hold, and says how many pictures it kept. None if there is none.
    pub fn release(&mut self, incident: Uuid) -> Result<Option<Held>, StoreError> {
        let id = incident.to_string();
        self.transact("release an incident", |transaction| {
            let ended = transaction.prepare_cached("DELETE FROM hold WHERE incident = ?1")?.execute([&id])?;
            if ended == 0 { Ok(None) } else { Ok(Some(Held { pictures: pictures_of(transaction, &id)? })) }
        })
    }

    /// The kinds of the pictures that there are.
    pub fn picture_kinds(&self) -> Result<Vec<String>, StoreError> {
        self.rows("SELECT DISTINCT kind FROM picture WHERE doomed IS NULL", &[], |row| row.get(0))
    }

    /// Dooms the pictures of a kind that have been kept for longer than `keep`; says whether there were as many as one transaction takes.
    /// A box without a battery begins in 1970, and its clock is set later: what this process made, which has run for `running`, is not
    /// older than that.
    pub fn doom_aged(
        &mut self,
        kind: &str,
        keep: Duration,
        now: Timestamp,
        running: Duration,
    ) -> Result<bool, StoreError> {
        let Ok(before) = now.checked_sub(keep) else { return Ok(false) };
        let chosen = format!(
            "SELECT id, size_bytes FROM picture WHERE {FREE} AND kind = ?2 AND taken_ms < ?3 AND number < ?4
             ORDER BY taken_ms LIMIT {BATCH}"
        );
        let own = if running > keep { i64::MAX } else { self.first_picture_of_run };
        let doomed = self.transact("doom pictures past their age", |transaction| {
            let chosen =
                ids_and_sizes(transaction, &chosen, params![now.as_millisecond(), kind, before.as_millisecond(), own])?;
            doom(transaction, &chosen, u64::MAX, DeletionReason::Age)
        })?;
        Ok(self.note_doomed(&doomed) >= BATCH)
    }

    /// Dooms the oldest pictures of which nothing waits, then the oldest of the others, until `excess` bytes are doomed or none may be.
    /// Returns the bytes.
    pub fn doom_oldest(&mut self, excess: u64, reason: DeletionReason, now: Timestamp) -> Result<u64, StoreError> {
        let chosen =
            format!("SELECT id, size_bytes FROM picture WHERE {FREE} ORDER BY {WAITS}, taken_ms, id LIMIT {BATCH}");
        let mut bytes = 0;
        while bytes < excess {
            let doomed = self.transact("doom the oldest pictures", |transaction| {
                let chosen = ids_and_sizes(transaction, &chosen, params![now.as_millisecond()])?;
                doom(transaction, &chosen, excess - bytes, reason)
            })?;
            bytes += doomed.bytes;
            if self.note_doomed(&doomed) < BATCH {
                break;
            }
        }
        Ok(bytes)
    }

    /// The pictures whose files must go.
    pub fn doomed_pictures(&self) -> Result<Vec<DoomedPicture>, StoreError> {
        let read = |row: &Row<'_>| {
            let reason: String = row.get(2)?;
            Ok(DoomedPicture {
                id: uuid_in(row, 0)?,
                size_bytes: row.get::<_, i64>(1)?.unsigned_abs(),
                reason: DeletionReason::of_name(&reason),
                is_undelivered: row.get(3)?,
            })
        };
        let all =
            "SELECT id, size_bytes, doomed, is_undelivered FROM picture WHERE doomed IS NOT NULL ORDER BY taken_ms, id";
        self.rows(all, &[], read)
    }

    /// Forgets pictures whose files are gone.
    pub fn forget_pictures(&mut self, ids: &[Uuid]) -> Result<(), StoreError> {
        self.transact("forget pictures", |transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM picture WHERE id = ?1")?;
            ids.iter().try_for_each(|id| delete.execute([id.to_string()]).map(drop))
        })?;
        self.evidence_bytes = self.count_evidence_bytes()?;
        Ok(())
    }

    /// Takes files that the index does not know into it, so that they are kept and deleted like the others.
    pub fn adopt_pictures(&mut self, files: &[IndexedPicture]) -> Result<(), StoreError> {
        self.transact("take pictures into the index", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO picture (id, incident, kind, sha256, size_bytes, path, taken_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (id) DO UPDATE SET size_bytes = excluded.size_bytes, taken_ms = excluded.taken_ms",
            )?;
            files.iter().try_for_each(|file| {
                let values = params![
                    file.id.to_string(),
                    file.incident.map(|incident| incident.to_string()),
                    file.kind,
                    file.sha256,
                    file.size_bytes as i64,
                    file.path.to_string_lossy(),
                    file.taken_at.as_millisecond()
                ];
                insert.execute(values).map(drop)
            })
        })?;
        self.evidence_bytes = self.count_evidence_bytes()?;
        Ok(())
    }

    /// Every picture that is not doomed, oldest first.
    pub fn pictures(&self, now: Timestamp) -> Result<Vec<IndexedPicture>, StoreError> {
        let read = |row: &Row<'_>| {
            let incident: Option<String> = row.get(1)?;
            let path: String = row.get(5)?;
            Ok(IndexedPicture {
                id: uuid_in(row, 0)?,
                incident: incident.and_then(|incident| incident.parse().ok()),
                kind: row.get(2)?,
                sha256: row.get(3)?,
                size_bytes: row.get::<_, i64>(4)?.unsigned_abs(),
                path: path.into(),
                taken_at: Timestamp::from_millisecond(row.get(6)?).unwrap_or(Timestamp::UNIX_EPOCH),
                is_held: row.get(7)?,
            })
        };
        let all = format!(
            "SELECT id, incident, kind, sha256, size_bytes, path, taken_ms, NOT ({FREE})
             FROM picture WHERE doomed IS NULL ORDER BY taken_ms, id"
        );
        self.rows(&all, params![now.as_millisecond()], read)
    }

    /// All pictures together, and the holds. Holds that are over are forgotten.
    pub fn evidence_totals(&mut self, now: Timestamp) -> Result<EvidenceTotals, StoreError> {
        self.transact("count the pictures", |transaction| {
            let over = "DELETE FROM hold WHERE until_ms <= ?1";
            transaction.prepare_cached(over)?.execute([now.as_millisecond()])?;
            let of_all = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM picture WHERE doomed IS NULL";
            let of_held = "SELECT count(*) FROM picture JOIN hold USING (incident) WHERE doomed IS NULL";
            let count = |number: i64| number.unsigned_abs();
            let (pictures, bytes) =
                transaction.prepare_cached(of_all)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let held_incidents =
                transaction.prepare_cached("SELECT count(*) FROM hold")?.query_row([], |row| row.get(0))?;
            let held_pictures = transaction.prepare_cached(of_held)?.query_row([], |row| row.get(0))?;
            Ok(EvidenceTotals {
                pictures: count(pictures),
                bytes: count(bytes),
                held_incidents: count(held_incidents),
                held_pictures: count(held_pictures),
            })
        })
    }

    pub(super) fn count_evidence_bytes(&self) -> Result<u64, StoreError> {
        let all = "SELECT coalesce(sum(size_bytes), 0) FROM picture WHERE doomed IS NULL";
        let read = || self.connection.query_row(all, [], |row| row.get(0));
        read().map(i64::unsigned_abs).map_err(|source| failed(&self.path, "count the pictures", source))
    }

    /// The number that the next picture gets at least.
    pub(super) fn next_picture(&self) -> Result<i64, StoreError> {
        let last = "SELECT coalesce(max(number), 0) + 1 FROM picture";
        let read = || self.connection.query_row(last, [], |row| row.get(0));
        read().map_err(|source| failed(&self.path, "read the index of pictures", source))
    }

    /// Accounts for what was doomed; returns how many pictures that were.
    fn note_doomed(&mut self, doomed: &Doomed) -> usize {
        self.evidence_bytes = self.evidence_bytes.saturating_sub(doomed.bytes);
        self.note_dropped(Dropped { events: 0, bytes: doomed.waited_bytes });
        doomed.pictures
    }
}

/// What a transaction doomed.
struct Doomed {
    pictures: usize,
    bytes: u64,
    /// Bytes that waited in the outbox.
    waited_bytes: u64,
}

/// Puts a picture into the index.
pub(super) fn index(
    transaction: &Transaction<'_>,
    incident: Option<&str>,
    kind: &str,
    file: &EvidenceFile,
    now: Timestamp,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO picture (id, incident, kind, sha256, size_bytes, path, taken_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            file.evidence.id.to_string(),
            incident,
            kind,
            file.evidence.sha256,
            file.evidence.size_bytes as i64,
            file.path.to_string_lossy(),
            now.as_millisecond()
        ])?;
    Ok(())
}

fn pictures_of(transaction: &Transaction<'_>, incident: &str) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached("SELECT count(*) FROM picture WHERE incident = ?1 AND doomed IS NULL")?
        .query_row([incident], |row| row.get(0))
        .map(i64::unsigned_abs)
}

fn ids_and_sizes(
    transaction: &Transaction<'_>,
    query: &str,
    params: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<(String, i64)>> {
    transaction.prepare_cached(query)?.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Dooms pictures in their order until `excess` bytes are, and takes what waits for their files out of the outbox.
fn doom(
    transaction: &Transaction<'_>,
    chosen: &[(String, i64)],
    excess: u64,
    reason: DeletionReason,
) -> rusqlite::Result<Doomed> {
    let mut doomed = Doomed { pictures: 0, bytes: 0, waited_bytes: 0 };
    let mut drop_waiting = transaction.prepare_cached(
        "DELETE FROM outbox WHERE path = (SELECT path FROM picture WHERE id = ?1) RETURNING size_bytes",
    )?;
    let mut mark = transaction.prepare_cached("UPDATE picture SET doomed = ?2, is_undelivered = ?3 WHERE id = ?1")?;
    for (id, size_bytes) in chosen {
        if doomed.bytes >= excess {
            break;
        }
        let waited: Option<i64> = drop_waiting.query_row([id], |row| row.get(0)).optional()?;
        mark.execute(params![id, reason.as_str(), waited.is_some()])?;
        doomed.pictures += 1;
        doomed.bytes += size_bytes.unsigned_abs();
        doomed.waited_bytes += waited.unwrap_or(0).unsigned_abs();
    }
    Ok(doomed)
}

fn uuid_in(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
