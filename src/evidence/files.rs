//! Redacted pictures on disk: written whole or not at all, sealed where the site has a key, found by their id, deleted for good.
//!
//! Layout, all below the data folder and readable by the agent's user alone (folders 0700, files 0600):
//! ```text
//! evidence/2026-11-21/0199….jpg   day (UTC) and name both follow from the UUIDv7; a clip ends with .webm
//! evidence/2026-11-21/0199….json  beside each: what it is
//! evidence/tmp/0199….jpg          being written
//! ```
//! Invariants
//! - A file under a day's folder is whole and synced, and so is its entry in the folder: it is written below `tmp/`,
//!   synced, renamed, and the folder is synced, in this order.
//! - What says what a picture is, is there before the picture, and goes with it.
//! - What is below `tmp/` at start is a left-over of a crash and is removed.
//! - A file is gone when [`EvidenceDir::remove`] says so: unlinked, and its folder synced.
//! - Only what carries the name of a picture is ever deleted. A file that someone else put here stays.
//!
//! What is said of pictures here holds for clips too.
//!
//! One agent per data folder: nothing here locks. Which pictures there are and which may go, the [store](crate::store) knows;
//! [`custody`](super::custody) keeps both in step.

use super::redact::Redacted;
use super::seal::{Keyring, SealError};
use crate::contract::MediaType;
use crate::store::{IndexedPicture, KIND_UNKNOWN};
use jiff::{Timestamp, civil, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The folder of the pictures.
#[derive(Debug, Clone)]
pub struct EvidenceDir {
    root: PathBuf,
    keys: Keyring,
}

/// Why a picture was not written, read or deleted.
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
    /// The keys do not seal or open it.
    #[error("failed to seal or open {path}")]
    Seal {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
}

impl FileError {
    /// Whether the file is not there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether trying again is of no use.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Seal { source, .. } => !source.is_for_want_of_a_key(),
            Self::NotUuidV7 { .. } => true,
            Self::DiskFull { .. } | Self::Io { .. } => self.is_absence(),
        }
    }

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

/// What was deleted.
#[derive(Debug, Default)]
pub struct Removed {
    /// Pictures that are gone, those too that were gone before.
    pub ids: Vec<Uuid>,
    /// What could not be looked at or deleted, and stays; the rest was done nevertheless.
    pub failures: Vec<FileError>,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The picture's id, as its name tells it.
    pub id: Uuid,
    /// The file.
    pub path: PathBuf,
    /// When the picture was made, by its id.
    pub taken_at: Timestamp,
    /// Length of the file.
    pub size_bytes: u64,
}

impl From<StoredFile> for IndexedPicture {
    /// The row of a file of which nothing else is known.
    fn from(StoredFile { id, path, taken_at, size_bytes }: StoredFile) -> Self {
        Self {
            id,
            path,
            taken_at,
            size_bytes,
            incident: None,
            kind: KIND_UNKNOWN.to_owned(),
            sha256: None,
            is_held: false,
        }
    }
}

/// All that lies in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Pictures, oldest folder first.
    pub pictures: Vec<StoredFile>,
    /// Left-overs of a crash.
    pub temporaries: Vec<PathBuf>,
    /// What somebody else put here.
    pub foreign: Vec<PathBuf>,
}

impl EvidenceDir {
    /// Creates the folder below `data_dir` if absent, and removes what an interrupted run left half written.
    pub fn open(data_dir: &Path, keys: Keyring) -> Result<Self, FileError> {
        let dir = Self::at(data_dir, keys);
        let tmp = dir.tmp();
        create_dir(&tmp)?;
        for entry in entries(&tmp)? {
            fs::remove_file(&entry).map_err(FileError::at("remove", &entry))?;
        }
        Ok(dir)
    }

    /// The folder below `data_dir` as it is; nothing is created or removed.
    #[must_use]
    pub fn at(data_dir: &Path, keys: Keyring) -> Self {
        Self { root: data_dir.join("evidence"), keys }
    }

    /// The keys of its files.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a picture durably, with a file beside it that says what it is, and tells the picture's path. Writing the same id again
    /// replaces both.
    pub fn write(&self, id: Uuid, picture: &dyn Redacted, sidecar: &[u8]) -> Result<PathBuf, FileError> {
        let day = self.day(id)?;
        if !day.is_dir() {
            create_dir(&day)?;
            sync_dir(&self.root)?;
        }
        self.put(&day, &sidecar_name(id), sidecar)?;
        self.put(&day, &file_name(id, picture.media_type()), picture.bytes())
    }

    /// Puts a file into a folder, whole, and sealed if there is a key.
    fn put(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, FileError> {
        let (path, tmp) = (folder.join(name), self.tmp().join(name));
        let sealed = self.keys.seal(name, bytes).map_err(|source| FileError::Seal { path: path.clone(), source })?;
        let written = write_synced(&tmp, &sealed)
            .and_then(|()| fs::rename(&tmp, &path).map_err(FileError::at("create", &path)))
            .and_then(|()| sync_dir(folder));
        if written.is_err() {
            // Frees the space; if it fails too, the next start removes the file, and the first error says more.
            let _ = fs::remove_file(&tmp);
        }
        written.map(|()| path)
    }

    /// Where the picture or clip of this id is, or would be.
    pub fn path(&self, id: Uuid, media_type: MediaType) -> Result<PathBuf, FileError> {
        Ok(self.day(id)?.join(file_name(id, media_type)))
    }

    /// The picture or clip of this id.
    pub fn read(&self, id: Uuid) -> Result<Vec<u8>, FileError> {
        let clip = self.path(id, MediaType::WebM)?;
        let path = if clip.exists() { clip } else { self.path(id, MediaType::Jpeg)? };
        read_picture(&path, &self.keys)
    }

    /// What was written beside the picture of this id.
    pub fn read_sidecar(&self, id: Uuid) -> Result<Vec<u8>, FileError> {
        read_picture(&self.day(id)?.join(sidecar_name(id)), &self.keys)
    }

    /// Deletes pictures for good, and the folders that become empty. One that is not there counts as deleted.
    #[must_use]
    pub fn remove(&self, ids: &[Uuid]) -> Removed {
        let mut by_day: BTreeMap<PathBuf, BTreeSet<Uuid>> = BTreeMap::new();
        let mut removed = Removed::default();
        for id in ids {
            match self.day(*id) {
                Ok(day) => drop(by_day.entry(day).or_default().insert(*id)),
                Err(failure) => removed.failures.push(failure),
            }
        }
        for (day, ids) in by_day {
            match remove_from(&day, &ids) {
                Ok(()) => removed.ids.extend(ids),
                Err(failure) => removed.failures.push(failure),
            }
        }
        if !removed.ids.is_empty()
            && let Err(failure) = sync_dir(&self.root)
        {
            removed.failures.push(failure);
        }
        removed
    }

    /// All that lies in the folder.
    pub fn list(&self) -> Result<Listing, FileError> {
        let mut listing = Listing::default();
        for folder in entries(&self.root)? {
            if folder == self.tmp() {
                listing.temporaries = entries(&folder)?;
            } else if let Some(day) = day_in_name(&folder)
                && folder.is_dir()
            {
                // A picture in another day's folder is not the agent's: it would look for it elsewhere.
                let of_this_day = |taken_at: &Timestamp| day_of(*taken_at) == day;
                for path in entries(&folder)? {
                    match id_in_name(&path).and_then(|id| Some((id, timestamp_of(id).filter(of_this_day)?))) {
                        Some(_) if !is_picture(&path) => {}
                        Some((id, taken_at)) => {
                            let metadata = fs::metadata(&path).map_err(FileError::at("look at", &path))?;
                            listing.pictures.push(StoredFile { id, path, taken_at, size_bytes: metadata.len() });
                        }
                        None => listing.foreign.push(path),
                    }
                }
            } else {
                listing.foreign.push(folder);
            }
        }
        Ok(listing)
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

/// What was put into a file of pictures, whether it was sealed or not.
pub fn read_picture(path: &Path, keys: &Keyring) -> Result<Vec<u8>, FileError> {
    let bytes = fs::read(path).map_err(FileError::at("read", path))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    keys.open(name, bytes).map_err(|source| FileError::Seal { path: path.to_owned(), source })
}

/// Deletes the files of pictures from the folder of their day. All of them or none are said to be gone: the folder is synced once.
fn remove_from(day: &Path, ids: &BTreeSet<Uuid>) -> Result<(), FileError> {
    let files = match entries(day) {
        Ok(files) => files,
        Err(error) if error.is_absence() => return Ok(()),
        Err(error) => return Err(error),
    };
    for path in files {
        if id_in_name(&path).is_some_and(|id| ids.contains(&id)) {
            fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
        }
    }
    sync_dir(day)?;
    // Fails while something is left in it, which is what is wanted.
    let _ = fs::remove_dir(day);
    Ok(())
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

fn file_name(id: Uuid, media_type: MediaType) -> String {
    format!("{id}.{}", media_type.extension())
}

/// The id of a picture's file, and of whatever lies beside it under the picture's name.
fn id_in_name(file: &Path) -> Option<Uuid> {
    file.file_stem()?.to_str()?.parse().ok()
}

fn is_picture(file: &Path) -> bool {
    file.extension().and_then(|extension| extension.to_str()).and_then(MediaType::of_extension).is_some()
}

fn sidecar_name(id: Uuid) -> String {
    format!("{id}.json")
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
    use crate::evidence::seal;
    use crate::ids::IdSource;
    use std::os::unix::fs::PermissionsExt;

    const SIDECAR: &[u8] = b"{}";

    fn id_at(time: &str) -> Uuid {
        IdSource::from_seed(1).next(time.parse().unwrap())
    }

    #[test]
    fn a_picture_is_whole_private_and_found_by_its_id() {
        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path(), Keyring::default()).unwrap();
        let (id, picture) = (id_at("2026-11-21T23:59:59.999Z"), test_pictures::redacted());
        let path = dir.write(id, &picture, SIDECAR).unwrap();
        assert_eq!(path, data.path().join(format!("evidence/2026-11-21/{id}.jpg")));
        assert_eq!(path, dir.path(id, MediaType::Jpeg).unwrap());
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
        let dir = EvidenceDir::open(data.path(), Keyring::default()).unwrap();
        let kept = dir.write(id_at("2026-11-21T12:00:00Z"), &test_pictures::redacted(), SIDECAR).unwrap();
        let orphan = dir.tmp().join("left-by-a-power-cut.jpg");
        fs::write(&orphan, b"\xff\xd8half").unwrap();
        EvidenceDir::open(data.path(), Keyring::default()).unwrap();
        assert!(!orphan.exists());
        assert!(kept.exists());
    }

    #[test]
    fn pictures_are_deleted_by_their_ids_and_nothing_that_is_not_one() {
        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path(), Keyring::default()).unwrap();
        let picture = test_pictures::redacted();
        let mut ids = IdSource::from_seed(1);
        let times = ["2026-11-01T09:00:00Z", "2026-11-01T10:00:00Z", "2026-11-14T12:00:00Z"];
        let ids = times.map(|time| ids.next(time.parse().unwrap()));
        let paths = ids.map(|id| dir.write(id, &picture, SIDECAR).unwrap());
        let foreign = paths[2].parent().unwrap().join("notes.txt");
        fs::write(&foreign, b"not ours").unwrap();
        let misplaced = paths[2].with_file_name(paths[0].file_name().unwrap());
        fs::copy(&paths[0], &misplaced).unwrap();
        let listing = dir.list().unwrap();
        assert_eq!(listing.pictures.iter().map(|file| file.id).collect::<Vec<_>>(), ids);
        assert_eq!(listing.pictures[0].taken_at.to_string(), times[0]);
        assert_eq!(listing.foreign, [misplaced.clone(), foreign.clone()], "nothing would look for it in that folder");

        let gone = IdSource::from_seed(9).next(times[0].parse().unwrap());
        let removed = dir.remove(&[ids[0], ids[2], gone]);
        assert!(removed.failures.is_empty(), "{removed:?}");
        assert_eq!(removed.ids.len(), 3, "one that is not there is gone");
        assert_eq!(paths.each_ref().map(|path| path.exists()), [false, true, false]);
        assert_eq!(paths.each_ref().map(|path| path.with_extension("json").exists()), [false, true, false]);
        assert!(foreign.exists() && misplaced.exists());
        assert!(dir.remove(&[ids[1]]).failures.is_empty());
        assert!(!paths[1].parent().unwrap().exists(), "an empty day is not kept");
        assert_eq!(dir.remove(&[ids[1]]).ids, [ids[1]], "nor is it an error that it is gone");
    }

    #[test]
    fn with_a_key_no_file_tells_what_is_in_it() {
        let (data, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dir = EvidenceDir::open(data.path(), seal::tests::keyring(keys.path(), &["k"])).unwrap();
        let (id, picture) = (id_at("2026-11-21T12:00:00Z"), test_pictures::redacted());
        let path = dir.write(id, &picture, SIDECAR).unwrap();
        let middle = &picture.bytes()[picture.bytes().len() / 2..][..16];
        let sealed = fs::read(&path).unwrap();
        assert!(!sealed.starts_with(&[0xff, 0xd8]) && !sealed.windows(16).any(|window| window == middle));
        assert_eq!(dir.read(id).unwrap(), picture.bytes().as_ref());
        fs::remove_file(keys.path().join("k.key")).unwrap();
        let dir = EvidenceDir::open(data.path(), seal::tests::keyring(keys.path(), &["other"])).unwrap();
        let error = dir.read(id).unwrap_err();
        assert!(!error.is_final(), "the key may come back: {error}");
    }

    #[test]
    fn errors_name_the_place_and_tell_a_full_disk() {
        let path = Path::new("/data/evidence/tmp/x.jpg");
        let full = FileError::at("write", path)(io::ErrorKind::StorageFull.into());
        assert!(matches!(full, FileError::DiskFull { .. }));
        assert_eq!(full.to_string(), "the disk is full: /data/evidence/tmp/x.jpg cannot be written");

        let data = tempfile::tempdir().unwrap();
        let dir = EvidenceDir::open(data.path(), Keyring::default()).unwrap();
        fs::write(data.path().join("evidence/2026-11-21"), b"a file where the day's folder belongs").unwrap();
        let error = dir.write(id_at("2026-11-21T12:00:00Z"), &test_pictures::redacted(), SIDECAR).unwrap_err();
        assert!(error.to_string().ends_with("evidence/2026-11-21"), "{error}");
        assert_eq!(entries(&dir.tmp()).unwrap(), [] as [PathBuf; 0]);

        let random = Uuid::from_u128(0x1234_5678_1234_4234_8234_1234_5678_1234);
        assert!(matches!(dir.write(random, &test_pictures::redacted(), SIDECAR), Err(FileError::NotUuidV7 { .. })));
    }
}
