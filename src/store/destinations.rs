//! Where messages go. Each row of the outbox waits for one destination: one that is away, slow or refusing holds up no other.

use super::error::failed;
use super::{Backlog, RowId, Store, StoreError, advance};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

/// Most messages that are kept after a destination refused them for good; the last ones. About 2 MB.
const MAX_REJECTED: u32 = 256;

/// Who takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The hub, by its broker.
    Hub,
    /// A platform of the city, by HTTP.
    Webhook,
    /// Where pictures are put, by HTTP. What comes after a picture in its incident waits until it is there, or given up.
    Storage,
}

impl Destination {
    /// Every destination.
    const ALL: [Self; 3] = [Self::Hub, Self::Webhook, Self::Storage];

    /// Name in the database, in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Webhook => "webhook",
            Self::Storage => "storage",
        }
    }

    /// The count of its events that were dropped, in the table `meta`.
    pub(super) fn lost_key(self) -> &'static str {
        match self {
            Self::Hub => "events_lost",
            Self::Webhook => "webhook_events_lost",
            Self::Storage => "storage_events_lost",
        }
    }

    /// The count of messages that it refused for good, in the table `meta`.
    fn rejected_key(self) -> &'static str {
        match self {
            Self::Hub => "rejected",
            Self::Webhook => "webhook_rejected",
            Self::Storage => "storage_rejected",
        }
    }

    /// The destination of a row; one of a later version counts as the hub's.
    pub(super) fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|destination| destination.as_str() == name).unwrap_or(Self::Hub)
    }
}

/// What goes out beside our own events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adapters {
    /// Every event goes to the webhook too.
    pub webhook: bool,
    /// First levels of the topics on which what is open is told as properties of ONVIF.
    pub onvif: Option<String>,
    /// Pictures go to a storage.
    pub storage: bool,
}

/// Messages that a destination refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// How many, ever.
    pub count: u64,
    /// What it said of the last of them.
    pub reason: String,
}

impl Store {
    /// Sets what goes out beside our own events from now on. What waits for an adapter that there is no longer is dropped.
    pub fn set_adapters(&mut self, adapters: Adapters) -> Result<(), StoreError> {
        self.adapters = adapters;
        let of = [(Destination::Webhook, self.adapters.webhook), (Destination::Storage, self.adapters.storage)];
        for (destination, _) in of.into_iter().filter(|(_, is_configured)| !is_configured) {
            let destination = destination.as_str();
            let dropped = self.transact("drop what waits for an adapter that is gone", |transaction| {
                transaction.execute("DELETE FROM outbox WHERE destination = ?1", [destination])
            })?;
            if dropped > 0 {
                tracing::warn!(dropped, destination, "no longer configured; what waited for it is dropped");
                self.waiting_bytes = self.count_waiting_bytes()?;
            }
        }
        Ok(())
    }

    /// Grows whenever a picture was stored or given up: rows that were held may stand before those that were read.
    #[must_use]
    pub fn releases(&self) -> u64 {
        self.releases
    }

    /// How much waits for a destination, and since when.
    pub fn backlog(&self, destination: Destination) -> Result<Backlog, StoreError> {
        let read = || {
            // The index has all that is asked for; the rows have the messages too.
            let mut query = self.connection.prepare_cached(
                "SELECT count(*), coalesce(sum(size_bytes), 0), min(recorded_ms) FROM outbox INDEXED BY outbox_recorded
                 WHERE destination = ?1",
            )?;
            query.query_row([destination.as_str()], |row| {
                let (rows, bytes, oldest): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Backlog {
                    rows: rows.unsigned_abs(),
                    bytes: bytes.unsigned_abs(),
                    oldest: oldest.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
                })
            })
        };
        read().map_err(|source| failed(&self.path, "count the outbox", source))
    }

    /// Sets a row aside that its destination refuses for good, with the reason: it waits no longer.
    pub fn reject(&mut self, row: RowId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let (freed, releases) = self.transact("set a refused message aside", |transaction| {
            let found: Option<(String, i64)> = transaction
                .prepare_cached("SELECT destination, size_bytes FROM outbox WHERE row = ?1")?
                .query_row([row.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((destination, size_bytes)) = found else { return Ok((0, false)) };
            transaction
                .prepare_cached(
                    "INSERT INTO rejected (destination, incident, sequence, payload, path, reason, at_ms)
                     SELECT destination, incident, sequence, payload, path, ?2, ?3 FROM outbox WHERE row = ?1",
                )?
                .execute(params![row.0, reason, now.as_millisecond()])?;
            transaction
                .prepare_cached("DELETE FROM rejected WHERE number <= (SELECT max(number) FROM rejected) - ?1")?
                .execute([MAX_REJECTED])?;
            transaction.prepare_cached("DELETE FROM outbox WHERE row = ?1")?.execute([row.0])?;
            let destination = Destination::of_name(&destination);
            advance(transaction, destination.rejected_key(), |count| count + 1)?;
            Ok((size_bytes, destination == Destination::Storage))
        })?;
        self.releases += u64::from(releases);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(freed.unsigned_abs());
        Ok(())
    }

    /// What a destination refused for good; none if nothing ever was.
    pub fn rejected(&self, destination: Destination) -> Result<Option<Rejected>, StoreError> {
        let rows = self.rows(
            "SELECT value, (SELECT reason FROM rejected WHERE destination = ?2 ORDER BY number DESC LIMIT 1)
             FROM meta WHERE key = ?1",
            params![destination.rejected_key(), destination.as_str()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)),
        )?;
        let rejected = |(count, reason): (i64, Option<String>)| Rejected {
            count: count.unsigned_abs(),
            reason: reason.unwrap_or_default(),
        };
        Ok(rows.into_iter().next().map(rejected))
    }
}
