//! Whether index and folder agree, and whether each picture is what it was: `curbwatch evidence fsck`.

use super::files::{EvidenceDir, FileError, Listing};
use crate::sha256::sha256_hex;
use crate::store::{IndexedPicture, Store, StoreError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use uuid::Uuid;

/// Something that is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A row whose file is gone.
    #[error("{id}: its file is gone: {}", path.display())]
    FileMissing {
        /// The picture.
        id: Uuid,
        /// Where it was.
        path: PathBuf,
    },
    /// A file that no row names.
    #[error("{}: the index does not know it", picture.path.display())]
    NotIndexed {
        /// What its name tells.
        picture: Box<IndexedPicture>,
    },
    /// A picture whose deletion was decided and not finished.
    #[error("{0}: its deletion was not finished")]
    NotDeleted(Uuid),
    /// A file that a crash left half written.
    #[error("{}: it was left half written", .0.display())]
    Temporary(PathBuf),
    /// The picture has another length than the event said.
    #[error("{id}: it has {found} bytes instead of {expected}")]
    WrongSize {
        /// The picture.
        id: Uuid,
        /// By the index.
        expected: u64,
        /// By its file.
        found: u64,
    },
    /// The picture is not the one of which the event told.
    #[error("{0}: its SHA-256 is another: the file was changed")]
    WrongHash(Uuid),
    /// The picture cannot be read.
    #[error("{id}: {reason}")]
    Unreadable {
        /// The picture.
        id: Uuid,
        /// Why, in words.
        reason: String,
    },
}

impl Finding {
    /// Whether [`repair`] mends it. What was changed stays as it is: it may be wanted for what it tells.
    #[must_use]
    pub fn is_reparable(&self) -> bool {
        match self {
            Self::FileMissing { .. } | Self::NotIndexed { .. } | Self::NotDeleted(_) | Self::Temporary(_) => true,
            Self::WrongSize { .. } | Self::WrongHash(_) | Self::Unreadable { .. } => false,
        }
    }
}

/// The folder cannot be checked or mended.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A left-over cannot be removed.
    #[error("failed to remove {path}")]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What was looked at, and what is wrong.
#[derive(Debug, Default)]
pub struct Checked {
    /// Pictures whose file was read.
    pub pictures: u64,
    /// Files in the folder that are none of the agent's.
    pub foreign: Vec<PathBuf>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Reads every picture and compares it with the index.
pub fn check(dir: &EvidenceDir, store: &Store, now: Timestamp) -> Result<Checked, CheckError> {
    let Listing { pictures: files, temporaries, foreign } = dir.list()?;
    let mut files: BTreeMap<Uuid, _> = files.into_iter().map(|file| (file.id, file)).collect();
    let mut checked = Checked { foreign, ..Checked::default() };
    checked.findings.extend(temporaries.into_iter().map(Finding::Temporary));
    for doomed in store.doomed_pictures()? {
        files.remove(&doomed.id);
        checked.findings.push(Finding::NotDeleted(doomed.id));
    }
    for row in store.pictures(now)? {
        if files.remove(&row.id).is_none() {
            checked.findings.push(Finding::FileMissing { id: row.id, path: row.path });
        } else {
            checked.pictures += 1;
            checked.findings.extend(compare(dir, &row));
        }
    }
    checked.findings.extend(files.into_values().map(|file| Finding::NotIndexed { picture: Box::new(file.into()) }));
    Ok(checked)
}

fn compare(dir: &EvidenceDir, row: &IndexedPicture) -> Option<Finding> {
    let id = row.id;
    let picture = match dir.read(id) {
        Ok(picture) => picture,
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            return Some(Finding::Unreadable { id, reason: format!("{error}{source}") });
        }
    };
    // Of one that was found on the disk only the length of the file is known.
    let expected = row.sha256.as_ref()?;
    let found = picture.len() as u64;
    if found != row.size_bytes {
        return Some(Finding::WrongSize { id, expected: row.size_bytes, found });
    }
    (sha256_hex(&picture) != *expected).then_some(Finding::WrongHash(id))
}

/// Mends what can be mended: rows without a file go, files without a row get one, deletions are finished, left-overs go.
pub fn repair(dir: &EvidenceDir, store: &mut Store, findings: &[Finding]) -> Result<(), CheckError> {
    let (mut forget, mut delete, mut adopt) = (Vec::new(), Vec::new(), Vec::new());
    for finding in findings {
        match finding {
            Finding::FileMissing { id, .. } => forget.push(*id),
            Finding::NotDeleted(id) => delete.push(*id),
            Finding::NotIndexed { picture } => adopt.push((**picture).clone()),
            Finding::Temporary(path) => {
                std::fs::remove_file(path).map_err(|source| CheckError::Remove { path: path.clone(), source })?;
            }
            Finding::WrongSize { .. } | Finding::WrongHash(_) | Finding::Unreadable { .. } => {}
        }
    }
    let removed = dir.remove(&delete);
    forget.extend(removed.ids);
    store.forget_pictures(&forget)?;
    store.adopt_pictures(&adopt)?;
    removed.failures.into_iter().next().map_or(Ok(()), |failure| Err(failure.into()))
}
