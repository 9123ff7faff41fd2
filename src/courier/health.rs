//! What `health` says of a courier.

use super::{Courier, CourierStats, Trouble};
use crate::contract::{EventsLost, HttpHealth, HttpTrouble, RejectedMessages, WallTime};
use crate::store::{Rejected, StoreError};
use jiff::tz::TimeZone;

impl Courier {
    /// What it did and what waits for it. What the store does not tell is left out, and reported.
    #[must_use]
    pub fn health(&self, time_zone: &TimeZone) -> HttpHealth {
        let written = |instant| WallTime::new(instant, time_zone);
        let CourierStats { requests, taken, failures, trouble } = self.stats();
        let store = self.store.lock();
        let backlog = known(store.backlog(self.destination));
        let rejected = known(store.rejected(self.destination)).flatten();
        let losses = known(store.losses(self.destination)).flatten();
        drop(store);
        let trouble = trouble.map(|Trouble { kind, since, count, detail }| HttpTrouble {
            trouble: kind,
            since: written(since),
            count,
            detail,
        });
        HttpHealth {
            backlog: backlog.map_or(0, |backlog| backlog.rows),
            backlog_bytes: backlog.map_or(0, |backlog| backlog.bytes),
            oldest: backlog.and_then(|backlog| backlog.oldest).map(written),
            requests,
            taken,
            failures,
            rejected: rejected.map(|Rejected { count, reason }| RejectedMessages { count, reason }),
            events_lost: losses.map(|losses| EventsLost {
                time: written(losses.at),
                count: losses.count,
                ranges: losses.ranges,
            }),
            trouble,
        }
    }
}

fn known<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(|error| tracing::warn!(error = error as &dyn std::error::Error, "cannot read what waits")).ok()
}
