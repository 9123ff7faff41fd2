//! Opening the database: settings, schema, and what to do with a damaged file.

use super::error::failed;
use super::{Store, StoreError};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Each entry brings the schema from the version of its index to the next; entries are added, never changed.
const MIGRATIONS: [&str; 9] = ["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    CREATE TABLE incident (
        id TEXT PRIMARY KEY,
        camera TEXT NOT NULL,
        rule TEXT NOT NULL,
        zone TEXT NOT NULL,
        kind TEXT NOT NULL,
        phase TEXT NOT NULL,
        revision INTEGER NOT NULL,
        state TEXT NOT NULL,
        changed_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX incident_open ON incident (camera) WHERE phase NOT IN ('closed', 'withdrawn');
    CREATE TABLE evidence (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        sha256 TEXT NOT NULL,
        path TEXT NOT NULL,
        expires_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX evidence_incident ON evidence (incident);
    CREATE TABLE outbox (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL,
        topic TEXT NOT NULL,
        content_type TEXT NOT NULL,
        payload BLOB,
        path TEXT,
        recorded_ms INTEGER NOT NULL,
        CHECK ((payload IS NULL) <> (path IS NULL))
    ) STRICT;
    CREATE INDEX outbox_incident ON outbox (incident);
", "
    ALTER TABLE incident ADD COLUMN event BLOB;
    CREATE TABLE dismissal (incident TEXT PRIMARY KEY, camera TEXT NOT NULL, state TEXT NOT NULL, until_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE mute (camera TEXT NOT NULL, rule TEXT NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (camera, rule)) STRICT;
    CREATE TABLE verdict (
        incident TEXT PRIMARY KEY,
        camera TEXT NOT NULL,
        rule TEXT NOT NULL,
        verdict TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
", "
    ALTER TABLE outbox ADD COLUMN sequence INTEGER;
    ALTER TABLE outbox ADD COLUMN is_repeated INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE outbox ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;
    UPDATE outbox SET size_bytes = coalesce(length(payload), 0),
        sequence = CASE WHEN json_valid(CAST(payload AS TEXT))
                        THEN CAST(json_extract(CAST(payload AS TEXT), '$.sequence') AS INTEGER) END;
    CREATE INDEX outbox_sequence ON outbox (sequence) WHERE sequence IS NOT NULL;
    CREATE INDEX outbox_recorded ON outbox (recorded_ms, size_bytes);
    CREATE TABLE sent (
        sequence INTEGER PRIMARY KEY,
        incident TEXT NOT NULL,
        topic TEXT NOT NULL,
        content_type TEXT NOT NULL,
        payload BLOB NOT NULL,
        recorded_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE loss (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE command (
        id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        answer BLOB,
        received_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX command_received ON command (received_ms);
    CREATE TABLE case_update (
        incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
        at_ms INTEGER NOT NULL,
        status TEXT NOT NULL,
        number TEXT,
        PRIMARY KEY (incident, at_ms, status)
    ) STRICT;
    CREATE TABLE switched_off (camera TEXT PRIMARY KEY) STRICT;
    ALTER TABLE verdict ADD COLUMN reason TEXT;
", "
    CREATE TABLE withheld (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL,
        event BLOB NOT NULL,
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
", "
    ALTER TABLE outbox ADD COLUMN destination TEXT NOT NULL DEFAULT 'hub';
    CREATE INDEX outbox_destination ON outbox (destination);
    DROP INDEX outbox_recorded;
    CREATE INDEX outbox_recorded ON outbox (recorded_ms, destination, size_bytes);
    ALTER TABLE loss RENAME TO loss_of_hub;
    CREATE TABLE loss (
        destination TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (destination, first)
    ) STRICT;
    INSERT INTO loss SELECT 'hub', first, last, reason, at_ms FROM loss_of_hub;
    DROP TABLE loss_of_hub;
    CREATE TABLE rejected (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        destination TEXT NOT NULL,
        incident TEXT NOT NULL,
        sequence INTEGER,
        payload BLOB,
        path TEXT,
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
", "
    ALTER TABLE outbox ADD COLUMN is_retained INTEGER NOT NULL DEFAULT 0;
", "
    -- A row is held while an earlier picture of its incident waits for the storage, whatever puts rows in and takes them out.
    ALTER TABLE outbox ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0;
    DROP INDEX outbox_destination;
    CREATE INDEX outbox_destination ON outbox (destination, is_held);
    CREATE INDEX outbox_stored ON outbox (incident) WHERE destination = 'storage';
    CREATE TRIGGER hold_until_stored AFTER INSERT ON outbox
    WHEN NEW.destination <> 'storage'
        AND EXISTS (SELECT 1 FROM outbox AS picture WHERE picture.destination = 'storage' AND picture.incident = NEW.incident)
    BEGIN
        UPDATE outbox SET is_held = 1 WHERE row = NEW.row;
    END;
    CREATE TRIGGER release_when_stored AFTER DELETE ON outbox WHEN OLD.destination = 'storage'
    BEGIN
        UPDATE outbox SET is_held = 0 WHERE incident = OLD.incident AND is_held = 1 AND NOT EXISTS (
            SELECT 1 FROM outbox AS picture
            WHERE picture.destination = 'storage' AND picture.incident = OLD.incident AND picture.row < outbox.row
        );
    END;
", "
    -- Of every picture on the disk. Length and time of those of before are read from their files at the next start.
    CREATE TABLE picture (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        incident TEXT,
        kind TEXT NOT NULL,
        sha256 TEXT,
        size_bytes INTEGER NOT NULL,
        path TEXT NOT NULL,
        taken_ms INTEGER NOT NULL,
        doomed TEXT,
        is_undelivered INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO picture (id, incident, kind, sha256, size_bytes, path, taken_ms)
        SELECT evidence.id, evidence.incident, incident.kind, evidence.sha256, 0, evidence.path, 0
        FROM evidence JOIN incident ON incident.id = evidence.incident;
    DROP TABLE evidence;
    CREATE INDEX picture_taken ON picture (doomed, taken_ms, size_bytes);
    CREATE INDEX picture_incident ON picture (incident);
    CREATE TABLE hold (incident TEXT PRIMARY KEY, since_ms INTEGER NOT NULL, until_ms INTEGER) STRICT;
    CREATE INDEX outbox_path ON outbox (path) WHERE path IS NOT NULL;
", "
    CREATE INDEX sent_incident ON sent (incident);
"];

/// Opens the database, setting a damaged one aside.
pub(super) fn open(path: &Path, now: Timestamp) -> Result<Store, StoreError> {
    match try_open(path) {
        Ok(connection) => Store::with(connection, path, None),
        Err(StoreError::Corrupt { source, .. }) => {
            let aside = set_aside(path, now)?;
            tracing::error!(
                path = %path.display(), set_aside = %aside.display(), error = %source,
                "the database is damaged; it was set aside and a new one begun: open incidents, unsent messages and the \
                 sequence of events are lost"
            );
            let connection = try_open(path)?;
            Store::with(connection, path, Some(aside))
        }
        Err(other) => Err(other),
    }
}

/// Opens the database that is there.
pub(super) fn open_existing(path: &Path) -> Result<Store, StoreError> {
    // Else an empty one would be made.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Store::with(prepare(path, Connection::open_with_flags(path, flags))?, path, None)
}

fn try_open(path: &Path) -> Result<Connection, StoreError> {
    prepare(path, Connection::open(path))
}

fn prepare(path: &Path, opened: rusqlite::Result<Connection>) -> Result<Connection, StoreError> {
    let error = |source| failed(path, "open the database", source);
    let mut connection = opened.map_err(error)?;
    configure(&connection).map_err(error)?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(error)?;
    if check != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(error(rusqlite::Error::SqliteFailure(code, Some(check))));
    }
    let known = MIGRATIONS.len() as i64;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(error)?;
    let done = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len());
    let Some(done) = done else {
        return Err(StoreError::TooNew { path: path.to_owned(), found, known });
    };
    for (version, migration) in (1i64..).zip(MIGRATIONS).skip(done) {
        migrate(&mut connection, migration, version).map_err(error)?;
    }
    Ok(connection)
}

/// `locking_mode=EXCLUSIVE`: a second agent on the same folder would send every event twice.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(2))?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn migrate(connection: &mut Connection, migration: &str, version: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// Renames the database and its log; returns the new name of the database.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let with_suffix = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let aside = with_suffix(&format!(".damaged-{stamp}"));
    let error = |source| StoreError::SetAside { path: path.to_owned(), source };
    std::fs::rename(path, &aside).map_err(error)?;
    for log in ["-wal", "-shm"] {
        match std::fs::rename(with_suffix(log), with_suffix(&format!(".damaged-{stamp}{log}"))) {
            Ok(()) => {}
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {}
            Err(other) => return Err(error(other)),
        }
    }
    Ok(aside)
}

/// An empty database as an earlier version of the program left it.
#[cfg(test)]
pub(super) fn create_version(path: &Path, version: usize) {
    let mut connection = Connection::open(path).unwrap();
    for (number, migration) in (1i64..).zip(&MIGRATIONS[..version]) {
        migrate(&mut connection, migration, number).unwrap();
    }
}
