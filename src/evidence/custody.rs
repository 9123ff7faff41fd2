//! Pictures from their writing to their deletion: index and disk in step, within the limits of the site.
//!
//! In: pictures to keep, and time. Out: files, deletions, their counts, and their records in the [audit log](crate::audit).
//!
//! Invariants
//! - A picture is on the disk before a row names it, and its row goes after its file: a row never names a file that is not there. A file
//!   without a row, which a crash between the two leaves, is taken into the index at the next start ([`Custody::open`]).
//! - Deletion is decided in the database first, with the reason, and finished from there, over any number of crashes: unlink, sync of the
//!   folder, audit record, row. A crash before the row goes can only repeat the audit record.
//! - The oldest go first; those last of which something is still to be delivered, and that it was not is counted and said. What the hub
//!   holds stays, even beyond the limits.

use super::files::{EvidenceDir, FileError};
use super::redact::Redacted;
use super::seal::Keyring;
use crate::audit::{Actor, AuditError, AuditLog, Deed};
use crate::clock::{Clocks, Mono};
use crate::config::{Config, EvidenceConfig, RuleKind};
use crate::contract::MediaType;
use crate::store::{DeletionReason, DoomedPicture, IndexedPicture, KIND_SNAPSHOT, SharedStore, StoreError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// How often pictures are looked through for those past their age.
const AGED_EVERY: Duration = Duration::from_hours(1);
/// The part of the disk beyond which `min_free` is not heeded: on a small disk nothing could be kept.
const MIN_FREE_PART: u64 = 10;

/// What was written and deleted since the program started; shared with who tells of it.
#[derive(Debug, Default)]
pub struct CustodyCounts {
    written: [AtomicU64; MediaType::ALL.len()],
    by_reason: [AtomicU64; DeletionReason::ALL.len()],
    undelivered: AtomicU64,
}

impl CustodyCounts {
    /// Pictures or clips written.
    #[must_use]
    pub fn written(&self, media_type: MediaType) -> u64 {
        self.written[media_type as usize].load(Ordering::Relaxed)
    }

    /// Pictures deleted for that reason.
    #[must_use]
    pub fn deleted(&self, reason: DeletionReason) -> u64 {
        self.by_reason[reason as usize].load(Ordering::Relaxed)
    }

    /// Those of all that somebody was still to have.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::Relaxed)
    }
}

/// Keeps pictures; owned by the thread that makes them.
pub struct Custody {
    dir: EvidenceDir,
    store: SharedStore,
    audit: Arc<AuditLog>,
    limits: EvidenceConfig,
    clocks: Arc<dyn Clocks>,
    counts: Arc<CustodyCounts>,
    aged_at: Option<Mono>,
}

/// Index and disk do not come together.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index cannot be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Custody {
    /// Opens the folders of the pictures and of the audit log below the data folder, and brings index and disk into step: deletions that
    /// were decided are finished, files that the index does not know are taken into it, and rows whose file is gone are forgotten.
    pub fn open(config: &Config, store: SharedStore, clocks: Arc<dyn Clocks>) -> Result<Self, CustodyError> {
        let data_dir = &config.agent.data_dir;
        let dir = EvidenceDir::open(data_dir, Keyring::new(config.evidence.encryption.as_ref()))?;
        let audit = Arc::new(AuditLog::open(data_dir, config.audit.keep())?);
        let (limits, counts) = (config.evidence.clone(), Arc::default());
        let custody = Self { dir, store, audit, limits, clocks, counts, aged_at: None };
        custody.reconcile()?;
        Ok(custody)
    }

    /// The folder of the pictures.
    #[must_use]
    pub fn dir(&self) -> &EvidenceDir {
        &self.dir
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &Arc<AuditLog> {
        &self.audit
    }

    /// What was deleted.
    #[must_use]
    pub fn counts(&self) -> &Arc<CustodyCounts> {
        &self.counts
    }

    /// Keeps pictures by other limits from here on; at the next look they hold.
    pub fn set_limits(&mut self, limits: EvidenceConfig) {
        (self.limits, self.aged_at) = (limits, None);
    }

    /// Writes a picture and what says what it is durably, and tells the picture's path. On a full disk room is made for them once.
    pub fn write(&self, id: Uuid, picture: &dyn Redacted, sidecar: &[u8]) -> Result<PathBuf, FileError> {
        let written = match self.dir.write(id, picture, sidecar) {
            Err(FileError::DiskFull { .. }) => {
                let size = (picture.bytes().len() + sidecar.len()) as u64;
                self.make_room(size);
                self.dir.write(id, picture, sidecar)
            }
            other => other,
        };
        if written.is_ok() {
            self.counts.written[picture.media_type() as usize].fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn reconcile(&self) -> Result<(), CustodyError> {
        self.finish_deletions()?;
        let now = self.clocks.wall();
        let files = self.dir.list()?.pictures;
        let index = self.store.lock().pictures(now)?;
        let indexed: BTreeSet<Uuid> = index.iter().filter(|row| row.size_bytes > 0).map(|row| row.id).collect();
        let adopted: Vec<IndexedPicture> =
            files.iter().filter(|file| !indexed.contains(&file.id)).cloned().map(IndexedPicture::from).collect();
        if !adopted.is_empty() {
            self.store.lock().adopt_pictures(&adopted)?;
            tracing::warn!(count = adopted.len(), "pictures that the index did not know are in it now");
            self.note(&Deed::PicturesAdopted { count: adopted.len() as u64 });
        }
        let on_disk: BTreeSet<Uuid> = files.iter().map(|file| file.id).collect();
        let missing: Vec<Uuid> = index.iter().map(|row| row.id).filter(|id| !on_disk.contains(id)).collect();
        if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            tracing::error!(count = missing.len(), %first, %last, "the files of pictures are gone");
            self.note(&Deed::PicturesMissing { count: missing.len() as u64, first: *first, last: *last });
            self.store.lock().forget_pictures(&missing)?;
        }
        Ok(())
    }

    /// Deletes what is beyond the limits. What goes wrong is said and tried again the next time.
    pub fn keep_within_limits(&mut self) {
        if let Err(error) = self.try_within_limits() {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot delete old pictures");
        }
    }

    /// Deletes the oldest pictures until so many bytes are free, though no limit wants it: the disk is full.
    pub fn make_room(&self, bytes: u64) {
        let now = self.clocks.wall();
        let doomed = self.store.lock().doom_oldest(bytes, DeletionReason::Space, now);
        let finished = doomed.map_err(CustodyError::from).and_then(|_| self.finish_deletions());
        if let Err(error) = finished {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot delete old pictures on a full disk");
        }
    }

    fn try_within_limits(&mut self) -> Result<(), CustodyError> {
        let now = self.clocks.mono();
        if self.aged_at.is_none_or(|last| now.since(last) >= AGED_EVERY) {
            self.doom_aged()?;
            self.aged_at = Some(now);
            if let Err(error) = self.audit.cut(self.clocks.wall()) {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot delete old audit records");
            }
        }
        let wall = self.clocks.wall();
        let excess = self.store.lock().evidence_bytes().saturating_sub(self.limits.max_bytes.bytes());
        if excess > 0 {
            self.store.lock().doom_oldest(excess, DeletionReason::Bytes, wall)?;
        }
        self.finish_deletions()?;
        let missing = missing_space(self.dir.root(), self.limits.min_free.bytes());
        if missing > 0 {
            self.store.lock().doom_oldest(missing, DeletionReason::Space, wall)?;
            self.finish_deletions()?;
        }
        Ok(())
    }

    fn doom_aged(&self) -> Result<(), StoreError> {
        let (now, running) = (self.clocks.wall(), self.clocks.mono().0);
        let kinds = self.store.lock().picture_kinds()?;
        for kind in kinds {
            let keep = keep(&self.limits, &kind);
            while self.store.lock().doom_aged(&kind, keep, now, running)? {}
        }
        Ok(())
    }

    /// Deletes the files of all that is doomed, records it, and forgets the rows.
    fn finish_deletions(&self) -> Result<(), CustodyError> {
        let doomed = self.store.lock().doomed_pictures()?;
        if doomed.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = doomed.iter().map(|picture| picture.id).collect();
        let removed = self.dir.remove(&ids);
        for failure in &removed.failures {
            tracing::warn!(error = failure as &dyn std::error::Error, "a picture that was to be deleted stays");
        }
        let gone: BTreeSet<Uuid> = removed.ids.iter().copied().collect();
        for reason in DeletionReason::ALL {
            let of_reason = doomed.iter().filter(|picture| picture.reason == reason && gone.contains(&picture.id));
            self.record(reason, &of_reason.collect::<Vec<_>>());
        }
        self.store.lock().forget_pictures(&removed.ids)?;
        Ok(())
    }

    fn record(&self, reason: DeletionReason, pictures: &[&DoomedPicture]) {
        let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else { return };
        let count = pictures.len() as u64;
        let bytes = pictures.iter().map(|picture| picture.size_bytes).sum();
        let undelivered = pictures.iter().filter(|picture| picture.is_undelivered).count() as u64;
        let (first, last, why) = (first.id, last.id, reason.as_str());
        self.counts.by_reason[reason as usize].fetch_add(count, Ordering::Relaxed);
        self.counts.undelivered.fetch_add(undelivered, Ordering::Relaxed);
        tracing::info!(count, bytes, reason = why, "deleted pictures");
        if undelivered > 0 {
            tracing::error!(count = undelivered, reason = why, "deleted pictures that were not delivered yet");
        }
        self.note(&Deed::PicturesDeleted { count, bytes, reason: why, undelivered, first, last });
    }

    fn note(&self, deed: &Deed) {
        self.audit.note(&Actor::Agent, deed, self.clocks.wall());
    }
}

/// How long pictures of a kind are kept, by its name in the index.
fn keep(limits: &EvidenceConfig, kind: &str) -> Duration {
    if kind == KIND_SNAPSHOT {
        return limits.keep(None);
    }
    let of_rule = RuleKind::ALL.into_iter().find(|of_rule| of_rule.as_str() == kind);
    of_rule.map_or_else(|| limits.keep_default(), |kind| limits.keep(Some(kind)))
}

/// Bytes that the disk of a folder has too little; 0 if that cannot be told.
fn missing_space(folder: &Path, min_free: u64) -> u64 {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return 0 };
    let wanted = min_free.min(disk.f_blocks.saturating_mul(disk.f_frsize) / MIN_FREE_PART);
    wanted.saturating_sub(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests;
