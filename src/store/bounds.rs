//! What may wait in the outbox, and what is said of that which may not: the oldest goes, and its sequence is written down.

use super::error::failed;
use super::{Destination, Store, StoreError, advance};
use crate::config::OutboxConfig;
use crate::contract::{LossReason, LostRange, Sequence};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use std::time::Duration;

/// Most ranges of lost events that are remembered for each destination; the last ones.
const MAX_RANGES: u32 = 64;

/// How much may wait, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// No message waits longer.
    pub max_age: Duration,
    /// Bytes of all messages that wait, pictures included.
    pub max_bytes: u64,
}

impl Bounds {
    /// Nothing is ever dropped.
    pub const NONE: Self = Self { max_age: Duration::MAX, max_bytes: u64::MAX };
}

impl From<&OutboxConfig> for Bounds {
    fn from(config: &OutboxConfig) -> Self {
        Self {
            max_age: Duration::from_secs(u64::from(config.max_days) * 86_400),
            max_bytes: u64::from(config.max_mib) << 20,
        }
    }
}

/// Events that were dropped before a destination had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Losses {
    /// When the last of them was dropped.
    pub at: Timestamp,
    /// How many in all.
    pub count: u64,
    /// Their sequences, oldest first; the last ranges.
    pub ranges: Vec<LostRange>,
}

/// What a transaction dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Store {
    /// Sets what may wait from now on.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Drops what waits longer than it may. A box without a battery begins in 1970, and its clock is set later: what was recorded by this
    /// process, which has run for `running`, is not older than that.
    pub fn drop_aged(&mut self, now: Timestamp, running: Duration) -> Result<(), StoreError> {
        let Ok(max_age) = jiff::SignedDuration::try_from(self.bounds.max_age) else { return Ok(()) };
        let Ok(before) = now.checked_sub(max_age) else { return Ok(()) };
        let own = if running > self.bounds.max_age { i64::MAX } else { self.first_row_of_run };
        let dropped = self.transact("drop what waited too long", |transaction| {
            let rows = "SELECT row, sequence, size_bytes, is_repeated, destination FROM outbox WHERE recorded_ms < ?1 AND row < ?2 ORDER BY row";
            drop_rows(transaction, rows, params![before.as_millisecond(), own], u64::MAX, LossReason::Age, now)
        })?;
        self.note_dropped(dropped);
        Ok(())
    }

    /// Events that were dropped before a destination had them; none if none ever was.
    pub fn losses(&self, destination: Destination) -> Result<Option<Losses>, StoreError> {
        let key = destination.lost_key();
        let count = self.rows("SELECT value FROM meta WHERE key = ?1", params![key], |row| row.get::<_, i64>(0))?;
        let Some(count) = count.first().filter(|count| **count > 0) else { return Ok(None) };
        let ranges = "SELECT first, last, reason, at_ms FROM loss WHERE destination = ?1 ORDER BY first";
        let ranges = self.rows(ranges, params![destination.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
        })?;
        let at = ranges.iter().map(|(_, _, _, at)| *at).max().unwrap_or(0);
        let sequence = |number: i64| Sequence(number.unsigned_abs());
        let range = |(first, last, reason, _): (i64, i64, String, i64)| {
            let reason = serde_json::from_value(reason.into()).unwrap_or(LossReason::Size);
            LostRange { first: sequence(first), last: sequence(last), reason }
        };
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Some(Losses { at, count: count.unsigned_abs(), ranges: ranges.into_iter().map(range).collect() }))
    }

    /// Grows whenever something was dropped: [`Self::losses`] has news.
    #[must_use]
    pub fn losses_version(&self) -> u64 {
        self.losses_version
    }

    /// Bytes that wait, pictures included.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    pub(super) fn note_dropped(&mut self, dropped: Dropped) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(dropped.bytes);
        if dropped.bytes > 0 {
            // A picture may be among it.
            self.releases += 1;
        }
        if dropped.events > 0 {
            self.losses_version += 1;
            tracing::error!(events = dropped.events, "the outbox is full: its oldest events are dropped");
        }
    }

    /// Bytes that wait according to the database.
    pub(super) fn count_waiting_bytes(&self) -> Result<u64, StoreError> {
        let read =
            || self.connection.query_row("SELECT coalesce(sum(size_bytes), 0) FROM outbox", [], |row| row.get(0));
        read().map(i64::unsigned_abs).map_err(|source| failed(&self.path, "count the outbox", source))
    }
}

/// Drops the oldest rows until `excess` bytes are gone.
pub(super) fn drop_oldest(transaction: &Transaction<'_>, excess: u64, now: Timestamp) -> rusqlite::Result<Dropped> {
    // What has no bytes frees none, and clears what is retained.
    let rows =
        "SELECT row, sequence, size_bytes, is_repeated, destination FROM outbox WHERE size_bytes > 0 ORDER BY row";
    drop_rows(transaction, rows, &[], excess, LossReason::Size, now)
}

fn drop_rows(
    transaction: &Transaction<'_>,
    rows: &str,
    params: &[&dyn rusqlite::ToSql],
    excess: u64,
    reason: LossReason,
    now: Timestamp,
) -> rusqlite::Result<Dropped> {
    let mut dropped = Dropped::default();
    let mut doomed: Vec<i64> = Vec::new();
    {
        let mut query = transaction.prepare_cached(rows)?;
        let mut rows = query.query(params)?;
        while dropped.bytes < excess {
            let Some(row) = rows.next()? else { break };
            doomed.push(row.get(0)?);
            dropped.bytes += row.get::<_, i64>(2)?.unsigned_abs();
            // What is sent again the hub has had.
            if let (Some(sequence), false) = (row.get::<_, Option<i64>>(1)?, row.get(3)?) {
                write_down(transaction, &row.get::<_, String>(4)?, sequence, reason, now)?;
                dropped.events += 1;
            }
        }
    }
    let mut delete = transaction.prepare_cached("DELETE FROM outbox WHERE row = ?1")?;
    for row in doomed {
        delete.execute([row])?;
    }
    Ok(dropped)
}

/// Adds a lost event to the range that it continues, or begins a range.
fn write_down(
    transaction: &Transaction<'_>,
    destination: &str,
    sequence: i64,
    reason: LossReason,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let reason = match reason {
        LossReason::Age => "age",
        LossReason::Size => "size",
    };
    let now = now.as_millisecond();
    let before: Option<i64> = transaction
        .prepare_cached("SELECT first FROM loss WHERE destination = ?1 AND last = ?2 AND reason = ?3")?
        .query_row(params![destination, sequence - 1, reason], |row| row.get(0))
        .optional()?;
    match before {
        Some(first) => transaction
            .prepare_cached("UPDATE loss SET last = ?3, at_ms = ?4 WHERE destination = ?1 AND first = ?2")?
            .execute(params![destination, first, sequence, now])?,
        None => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO loss (destination, first, last, reason, at_ms) VALUES (?1, ?2, ?2, ?3, ?4)",
            )?
            .execute(params![destination, sequence, reason, now])?,
    };
    advance(transaction, Destination::of_name(destination).lost_key(), |count| count + 1)?;
    transaction
        .prepare_cached(
            "DELETE FROM loss WHERE destination = ?1 AND first IN
             (SELECT first FROM loss WHERE destination = ?1 ORDER BY first DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![destination, MAX_RANGES])?;
    Ok(())
}
