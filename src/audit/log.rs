//! The files of the log: where the next record goes, and which may be deleted.

use super::record::{self, MAX_LINE_BYTES, Record};
use super::{Actor, Deed, Entry, Head};
use jiff::{Timestamp, tz::TimeZone};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is read of the end of a file to find its last record.
const TAIL_BYTES: u64 = 2 * MAX_LINE_BYTES as u64;
/// Refused commands that are recorded each within [`REFUSALS_PER`]; of more, only their number.
const MAX_REFUSALS: u64 = 30;
const REFUSALS_PER: Duration = Duration::from_mins(1);

/// Why something cannot be recorded or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub struct AuditError {
    /// What was to be done, to be read after "cannot".
    action: &'static str,
    /// With which file or folder.
    path: PathBuf,
    source: io::Error,
}

impl AuditError {
    pub(super) fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// The log of a data folder.
#[derive(Debug)]
pub struct AuditLog {
    folder: PathBuf,
    keep: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Head>,
    /// Why the last record was not written.
    failing: Option<String>,
    refusals: Refusals,
}

/// Commands that were not carried out, within [`REFUSALS_PER`].
#[derive(Debug, Default)]
struct Refusals {
    since: Option<Timestamp>,
    count: u64,
    /// Those that have no record of their own.
    unrecorded: u64,
}

impl Refusals {
    /// Counts one. Says whether it gets a record, and how many of the interval before got none.
    fn count(&mut self, now: Timestamp) -> (bool, u64) {
        let is_over =
            self.since.is_none_or(|since| now < since || now.duration_since(since).unsigned_abs() >= REFUSALS_PER);
        let mut before = 0;
        if is_over {
            before = self.unrecorded;
            *self = Self { since: Some(now), ..Self::default() };
        }
        self.count += 1;
        let has_room = self.count <= MAX_REFUSALS;
        self.unrecorded += u64::from(!has_room);
        (has_room, before)
    }
}

impl AuditLog {
    /// The log below `data_dir`, which is made if absent; records stay for `keep` at least.
    pub fn open(data_dir: &Path, keep: Duration) -> Result<Self, AuditError> {
        let folder = folder(data_dir);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(AuditError::at("create the folder", &folder))?;
        let log = Self { folder, keep, state: Mutex::default() };
        let head = log.files()?.iter().rev().find_map(|file| last_record(file).transpose()).transpose()?;
        log.state().head = head.map(|record| record.head());
        Ok(log)
    }

    /// The last record; none before the first.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.state().head.clone()
    }

    /// Why records are not written, while that is so.
    #[must_use]
    pub fn failing(&self) -> Option<String> {
        self.state().failing.clone()
    }

    /// Appends a record, and returns once it is on the disk.
    pub fn append(&self, actor: &Actor, deed: &Deed, now: Timestamp) -> Result<Head, AuditError> {
        let mut state = self.state();
        let appended = self.locked().and_then(|_lock| self.append_locked(actor, deed, now));
        match &appended {
            Ok(head) => {
                if state.failing.take().is_some() {
                    tracing::warn!("the audit log takes records again");
                }
                state.head = Some(head.clone());
            }
            Err(error) => {
                if state.failing.is_none() {
                    tracing::error!(error = error as &dyn std::error::Error, "the audit log takes no record");
                }
                state.failing = Some(format!("{error}: {}", error.source));
            }
        }
        appended
    }

    /// Appends a record of what happens all the same; that it is not written, the log and `health` say.
    pub fn note(&self, actor: &Actor, deed: &Deed, now: Timestamp) {
        // Said by `append`.
        let _ = self.append(actor, deed, now);
    }

    /// Notes a command that was not carried out. Of more than a few within a minute only the number is recorded: whoever may publish could
    /// fill the disk with them.
    pub fn note_refusal(&self, actor: &Actor, deed: &Deed, now: Timestamp) {
        let (has_room, unrecorded) = self.state().refusals.count(now);
        if unrecorded > 0 {
            self.note(&Actor::Hub(None), &Deed::CommandsRefused { count: unrecorded }, now);
        }
        if has_room {
            self.note(actor, deed, now);
        }
    }

    /// Notes that the agent runs with this configuration, and whether it is another than the last time.
    pub fn note_start(&self, config_sha256: &str, now: Timestamp) {
        let version = env!("CARGO_PKG_VERSION");
        let last = self.last_configuration().unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot look for the last configuration");
            None
        });
        if let Some(last) = last {
            self.note_configuration(&last, config_sha256, now);
        }
        self.note(&Actor::Agent, &Deed::Started { version, config_sha256: config_sha256.to_owned() }, now);
    }

    /// Notes that the agent goes on by another configuration, if it is another.
    pub fn note_configuration(&self, from_sha256: &str, to_sha256: &str, now: Timestamp) {
        if from_sha256 != to_sha256 {
            let (from_sha256, to_sha256) = (from_sha256.to_owned(), to_sha256.to_owned());
            self.note(&Actor::Agent, &Deed::ConfigurationChanged { from_sha256, to_sha256 }, now);
        }
    }

    /// Deletes files whose last record is older than is kept, after a record that says so. The newest file stays.
    pub fn cut(&self, now: Timestamp) -> Result<(), AuditError> {
        let files = self.files()?;
        let Some((_, older)) = files.split_last() else { return Ok(()) };
        for file in older {
            let Some(last) = last_record(file)? else { break };
            if now.duration_since(last.time).unsigned_abs() <= self.keep || last.time > now {
                break;
            }
            let cut = Deed::RecordsCut { through_sequence: last.sequence, through_hash: last.hash };
            self.append(&Actor::Agent, &cut, now)?;
            fs::remove_file(file).map_err(AuditError::at("remove", file))?;
            sync_dir(&self.folder)?;
            tracing::info!(file = %file.display(), "deleted audit records past their age");
        }
        Ok(())
    }

    /// The files, in the order of the chain.
    pub fn files(&self) -> Result<Vec<PathBuf>, AuditError> {
        files(&self.folder)
    }

    /// The last records before number `before`, the newest first, `limit` at most. A line that is no record is left out: see
    /// [`verify`](super::verify()).
    pub fn latest(&self, before: Option<u64>, limit: usize) -> Result<Vec<Entry>, AuditError> {
        let mut latest = Vec::new();
        for file in self.files()?.iter().rev() {
            let text = fs::read(file).map_err(AuditError::at("read", file))?;
            let text = String::from_utf8_lossy(&text);
            let records = text.lines().rev().filter_map(record::read);
            let wanted = records.filter(|record| before.is_none_or(|before| record.sequence < before));
            latest.extend(wanted.take(limit - latest.len()).map(Entry::from));
            if latest.len() >= limit {
                break;
            }
        }
        Ok(latest)
    }

    fn append_locked(&self, actor: &Actor, deed: &Deed, now: Timestamp) -> Result<Head, AuditError> {
        // Read anew: a command of an operator may have appended since.
        let files = self.files()?;
        let torn = files.last().map_or(Ok(0), |newest| cut_torn_end(newest))?;
        let last = files.iter().rev().find_map(|file| last_record(file).transpose()).transpose()?;
        let mut head = last.map(|record| record.head());
        if let (1.., Some(newest)) = (torn, files.last()) {
            tracing::warn!(file = %newest.display(), bytes = torn, "a half written audit record is cut off");
            head = Some(write(newest, &Actor::Agent, &Deed::TornRecordCut { bytes: torn }, head.as_ref(), now)?);
        }
        let month = now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        let newest = files.last().filter(|file| name(file).contains(&month));
        if let Some(file) = newest {
            return write(file, actor, deed, head.as_ref(), now);
        }
        let first = head.as_ref().map_or(1, |head| head.sequence + 1);
        let file = self.folder.join(format!("{first:012}_{month}.jsonl"));
        let head = write(&file, actor, deed, head.as_ref(), now)?;
        sync_dir(&self.folder)?;
        Ok(head)
    }

    /// Digest of the configuration with which the agent ran last.
    fn last_configuration(&self) -> Result<Option<String>, AuditError> {
        for file in self.files()?.iter().rev() {
            let text = fs::read_to_string(file).map_err(AuditError::at("read", file))?;
            let of = |record: Record| {
                let key = match record.action.as_str() {
                    "started" => "config_sha256",
                    "configuration_changed" => "to_sha256",
                    _ => return None,
                };
                record.detail[key].as_str().map(str::to_owned)
            };
            let last = text.lines().rev().filter_map(record::read).find_map(of);
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    /// Keeps other processes from appending until it is dropped.
    fn locked(&self) -> Result<File, AuditError> {
        let path = self.folder.join("lock");
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(AuditError::at("open", &path))?;
        file.lock().map_err(AuditError::at("lock", &path))?;
        Ok(file)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the records of a data folder are.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("audit")
}

/// The files of a folder of records, in the order of the chain.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let listed: io::Result<Vec<PathBuf>> =
        fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut files = listed.map_err(AuditError::at("list", folder))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort_unstable();
    Ok(files)
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn write(file: &Path, actor: &Actor, deed: &Deed, after: Option<&Head>, now: Timestamp) -> Result<Head, AuditError> {
    let (line, head) = record::line(actor, deed, after, now);
    let open = OpenOptions::new().append(true).create(true).mode(0o600).open(file);
    let mut open = open.map_err(AuditError::at("open", file))?;
    open.write_all(format!("{line}\n").as_bytes())
        .and_then(|()| open.sync_data())
        .map_err(AuditError::at("write", file))?;
    Ok(head)
}

/// Cuts off what stands behind the last line feed; returns how much that was.
fn cut_torn_end(file: &Path) -> Result<u64, AuditError> {
    let text = tail(file)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = (text.len() - whole) as u64;
    if torn > 0 {
        let cut = || {
            let open = OpenOptions::new().write(true).open(file)?;
            open.set_len(open.metadata()?.len() - torn)?;
            open.sync_all()
        };
        cut().map_err(AuditError::at("cut off the end of", file))?;
    }
    Ok(torn)
}

/// The last line that is a record, whether it is intact or not; none if there is none.
fn last_record(file: &Path) -> Result<Option<Record>, AuditError> {
    let text = tail(file)?;
    let lines = text.split(|byte| *byte == b'\n').rev();
    Ok(lines.filter_map(|line| std::str::from_utf8(line).ok()).find_map(record::read))
}

/// The end of a file, in which the last record is.
fn tail(file: &Path) -> Result<Vec<u8>, AuditError> {
    let read = || {
        let mut open = File::open(file)?;
        let length = open.metadata()?.len();
        open.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut text = Vec::new();
        open.read_to_end(&mut text)?;
        Ok(text)
    };
    read().map_err(AuditError::at("read", file))
}

fn sync_dir(folder: &Path) -> Result<(), AuditError> {
    File::open(folder).and_then(|open| open.sync_all()).map_err(AuditError::at("sync the folder", folder))
}
