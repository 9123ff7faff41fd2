//! What can go wrong with the database, sorted by what the caller can do about it.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Why the store failed. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space left; trying again later can succeed.
    #[error("failed to {doing}: no space left for {path}")]
    DiskFull {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// The file cannot be written (mounted read-only, no permission, disk failing); trying again later can succeed.
    #[error("failed to {doing}: {path} cannot be written")]
    ReadOnly {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// Another process holds the database.
    #[error("failed to {doing}: another process uses {path}")]
    InUse {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// The file is damaged; the next start sets it aside.
    #[error("failed to {doing}: {path} is damaged")]
    Corrupt {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// The database was written by a later version of the program.
    #[error("failed to open {path}: it has version {found}, this program knows versions up to {known}")]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Version found.
        found: i64,
        /// Last version known.
        known: i64,
    },
    /// A damaged database could not be renamed.
    #[error("failed to set aside the damaged {path}")]
    SetAside {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An incident cannot be written as JSON.
    #[error("failed to write the state of incident {incident}")]
    State {
        /// The incident.
        incident: Uuid,
        /// Why not.
        source: serde_json::Error,
    },
    /// Anything else: a mistake in this program.
    #[error("failed to {doing} in {path}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
}

/// Sorts an error of SQLite by its primary result code.
pub(super) fn failed(path: &Path, doing: &'static str, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { doing, path, source },
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied,
        ) => StoreError::ReadOnly { doing, path, source },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse { doing, path, source },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { doing, path, source },
        Some(_) | None => StoreError::Sqlite { doing, path, source },
    }
}

/// The error of an incident that cannot be written as JSON.
pub(super) fn state_error(incident: Uuid, source: serde_json::Error) -> StoreError {
    StoreError::State { incident, source }
}
