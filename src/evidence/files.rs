//! Redacted pictures on disk: written whole or not at all, found by their id, deleted by age.
//!
//! Layout, all below the data folder and readable by the agent's user alone (folders 0700, files 0600):
//! ```text
//! evidence/2026-11-21/0199….jpg   day (UTC) and name both follow from the UUIDv7
//! evidence/2026-11-21/0199….json  beside each picture: what it is
//! evidence/tmp/0199….jpg          being written
//! ```
//! Invariants
//! - A file under a day's folder is whole and synced, and so is its entry in the folder: it is written below `tmp/`,
//!   synced, renamed, and the folder is synced, in this order.
//! - What says what a picture is, is there before the picture, and goes with it.
//! - What is below `tmp/` at start is a left-over of a crash and is removed.
//! - Only what carries the name of a picture is ever deleted. A file that someone else put here stays.
//!
//! One agent per data folder: nothing here locks.

use super::redact::RedactedJpeg;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// The folder of the pictures.
#[derive(Debug, Clone)]
pub struct EvidenceDir {
    root: PathBuf,
}

/// Why a picture was not written, or old ones could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No space, or no quota, left where the picture belongs.
    #[error("the disk is full: {path} cannot be written")]
    DiskFull {
        /// File or folder that was to be written.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused an operation on a file or folder.
    #[error("cannot {action} {path}")]
    Io {
        /// What was to be done, to be read after "cannot".
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The id does not tell the picture's day.
    #[error("the evidence id {id} is not a UUIDv7")]
    NotUuidV7 {
        /// The id.
        id: Uuid,
    },
}

impl FileError {
    /// For `map_err`: tells a full disk from everything else.
    fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| {
            let path = path.to_owned();
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                Self::DiskFull { path, source }
            } else {
                Self::Io { action, path, source }
            }
        }
    }
}

/// What a clean-up did.
#[derive(Debug, Default)]
pub struct Removed {
    /// Pictures that are gone.
    pub ids: Vec<Uuid>,
    /// Bytes that they took.
    pub size_bytes: u64,
    /// What could not be looked at or deleted, and stays; the rest was done nevertheless.
    pub failures: Vec<FileError>,
}

impl EvidenceDir {
    /// Creates the folder below `data_dir` if absent, and removes what an interrupted run left half written.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        let dir = Self { root: data_dir.join("evidence") };
        let tmp = dir.tmp();
        create_dir(&tmp)?;
        for entry in entries(&tmp)? {
            fs::remove_file(&entry).map_err(FileError::at("remove", &entry))?;
        }
        Ok(dir)
    }

    /// Writes a picture durably, with a file beside it that says what it is, and tells the picture's path. Writing the same id again
    /// replaces both.
    pub fn write(&self, id: Uuid, picture: &RedactedJpeg, sidecar: &[u8]) -> Result<PathBuf, FileError> {
        let day = self.day(id)?;
        if !day.is_dir() {
            create_dir(&day)?;
            sync_dir(&self.root)?;
        }
        self.put(&day, &sidecar_name(id), sidecar)?;
        self.put(&day, &file_name(id), picture.bytes())
    }

    /// Puts a file into a folder, whole.
    fn put(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, FileError> {
        let (path, tmp) = (folder.join(name), self.tmp().join(name));
        let written = write_synced(&tmp, bytes)
            .and_then(|()| fs::rename(&tmp, &path).map_err(FileError::at("create", &path)))
            .and_then(|()| sync_dir(folder));
        if written.is_err() {
            // Frees the space; if it fails too, the next start removes the file, and the first error says more.
            let _ = fs::remove_file(&tmp);
        }
        written.map(|()| path)
    }

    /// Where the picture of this id is, or would be.
    pub fn path(&self, id: Uuid) -> Result<PathBuf, FileError> {
        Ok(self.day(id)?.join(file_name(id)))
    }

    /// Deletes the pictures whose id is older than `keep` at wall time `now`, and the folders that become empty.
    pub fn remove_older_than(&self, keep: Duration, now: Timestamp) -> Result<Removed, FileError> {
        let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
        let mut removed = Removed::default();
        // Before the beginning of time nothing is older.
        let Ok(before) = now.checked_sub(keep) else { return Ok(removed) };
        for folder in entries(&self.root)? {
            if day_in_name(&folder).is_some_and(|day| day <= day_of(before)) {
                match entries(&folder) {
                    Ok(files) => remove_files(files, before, &mut removed),
                    Err(failure) => removed.failures.push(failure),
                }
                // Fails while something is left in it, which is what is wanted.
                let _ = fs::remove_dir(&folder);
            }
        }
        Ok(removed)
    }

    /// The folder of the pictures of the id's day.
    fn day(&self, id: Uuid) -> Result<PathBuf, FileError> {
        let taken = timestamp_of(id).ok_or(FileError::NotUuidV7 { id })?;
        Ok(self.root.join(day_of(taken).to_string()))
    }

    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

fn remove_files(files: Vec<PathBuf>, before: Timestamp, removed: &mut Removed) {
    for path in files {
        let Some((id, is_picture)) = id_in_name(&path) else { continue };
        if timestamp_of(id).is_none_or(|taken| taken >= before) {
            continue;
        }
        let size_bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        match fs::remove_file(&path) {
            Ok(()) => {
                removed.ids.extend(is_picture.then_some(id));
                removed.size_bytes += size_bytes;
            }
            Err(source) => removed.failures.push(FileError::Io { action: "remove", path, source }),
        }
    }
}

/// The wall time in a UUIDv7 (RFC 9562, section 5.7).
fn timestamp_of(id: Uuid) -> Option<Timestamp> {
    if id.get_version_num() != 7 {
        return None;
    }
    let (secs, nanos) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(secs).ok()?, nanos.cast_signed()).ok()
}

fn day_of(time: Timestamp) -> civil::Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn day_in_name(folder: &Path) -> Option<civil::Date> {
    folder.file_name()?.to_str()?.parse().ok()
}

fn file_name(id: Uuid) -> String {
    format!("{id}.jpg")
}

fn sidecar_name(id: Uuid) -> String {
    format!("{id}.json")
}

/// The id of a picture's file or of the one beside it, and whether it is the picture's.
fn id_in_name(file: &Path) -> Option<(Uuid, bool)> {
    let name = file.file_name()?.to_str()?;
    let of_picture = name.strip_suffix(".jpg");
    let id = of_picture.or_else(|| name.strip_suffix(".json"))?;
    Some((id.parse().ok()?, of_picture.is_some()))
}

fn create_dir(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::at("create the folder", path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(FileError::at("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(FileError::at("write", path))
}

/// Makes the entries of a folder durable.
fn sync_dir(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(FileError::at("sync the folder", path))
}

/// Paths in a folder, in the order of their names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let listed: io::Result<Vec<PathBuf>> =
        fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut paths = listed.map_err(FileError::at("list", folder))?;
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::redact::test_pictures;
    use crate::ids::IdSource;
    use std::os::unix::fs::PermissionsExt;

    const SIDECAR: &[u8] = b"{}";

    fn id_at(time: &str) -> Uuid {
        IdSource::from_seed(1).next(time.parse().unwrap())
    }

    #[test]
    fn a_picture_is_whole_private_and_found_by_its_id() {
        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path()).unwrap();
        let (id, picture) = (id_at("2026-11-21T23:59:59.999Z"), test_pictures::redacted());
        let path = dir.write(id, &picture, SIDECAR).unwrap();
        assert_eq!(path, data.path().join(format!("evidence/2026-11-21/{id}.jpg")));
        assert_eq!(path, dir.path(id).unwrap());
        assert_eq!(fs::read(&path).unwrap(), picture.bytes().as_ref());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let beside = path.with_extension("json");
        assert_eq!((fs::read(&beside).unwrap(), mode(&beside)), (SIDECAR.to_vec(), 0o600));
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(entries(&dir.tmp()).unwrap(), [] as [PathBuf; 0]);
        dir.write(id, &picture, SIDECAR).unwrap();
    }

    #[test]
    fn half_written_pictures_are_removed_at_the_next_start_and_whole_ones_stay() {
        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path()).unwrap();
        let kept = dir.write(id_at("2026-11-21T12:00:00Z"), &test_pictures::redacted(), SIDECAR).unwrap();
        let orphan = dir.tmp().join("left-by-a-power-cut.jpg");
        fs::write(&orphan, b"\xff\xd8half").unwrap();
        EvidenceDir::open(data.path()).unwrap();
        assert!(!orphan.exists());
        assert!(kept.exists());
    }

    #[test]
    fn retention_deletes_by_the_age_of_each_picture_and_nothing_that_is_not_one() {
        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path()).unwrap();
        let picture = test_pictures::redacted();
        let write = |time| dir.write(id_at(time), &picture, SIDECAR).unwrap();
        let old = write("2026-11-01T09:00:00Z");
        let just_older = write("2026-11-14T11:59:59.999Z");
        let just_younger = write("2026-11-14T12:00:00Z");
        let young = write("2026-11-21T11:00:00Z");
        let foreign = old.parent().unwrap().join("notes.txt");
        fs::write(&foreign, b"not ours").unwrap();

        let week = Duration::from_hours(7 * 24);
        let removed = dir.remove_older_than(week, "2026-11-21T12:00:00Z".parse().unwrap()).unwrap();

        assert_eq!(removed.ids, [id_at("2026-11-01T09:00:00Z"), id_at("2026-11-14T11:59:59.999Z")]);
        assert_eq!(removed.size_bytes, 2 * (picture.bytes().len() + SIDECAR.len()) as u64);
        assert!(removed.failures.is_empty());
        assert!(!old.exists() && !just_older.exists());
        assert!(!old.with_extension("json").exists() && young.with_extension("json").exists());
        assert!(just_younger.exists() && young.exists() && foreign.exists());

        let removed = dir.remove_older_than(week, "2026-12-21T12:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(removed.ids.len(), 2);
        assert!(!young.parent().unwrap().exists(), "an empty day is not kept");
        assert!(dir.remove_older_than(Duration::MAX, Timestamp::MIN).unwrap().ids.is_empty());
    }

    #[test]
    fn errors_name_the_place_and_tell_a_full_disk() {
        let path = Path::new("/data/evidence/tmp/x.jpg");
        let full = FileError::at("write", path)(io::ErrorKind::StorageFull.into());
        assert!(matches!(full, FileError::DiskFull { .. }));
        assert_eq!(full.to_string(), "the disk is full: /data/evidence/tmp/x.jpg cannot be written");

        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path()).unwrap();
        fs::write(data.path().join("evidence/2026-11-21"), b"a file where the day's folder belongs").unwrap();
        let error = dir.write(id_at("2026-11-21T12:00:00Z"), &test_pictures::redacted(), SIDECAR).unwrap_err();
        assert!(error.to_string().ends_with("evidence/2026-11-21"), "{error}");
        assert_eq!(entries(&dir.tmp()).unwrap(), [] as [PathBuf; 0]);

        let random = Uuid::from_u128(0x1234_5678_1234_4234_8234_1234_5678_1234);
        assert!(matches!(dir.write(random, &test_pictures::redacted(), SIDECAR), Err(FileError::NotUuidV7 { .. })));
    }
}
