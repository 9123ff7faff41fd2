//! The thread's course: the next row that may go, its request, what follows from the answer.

use super::pace::Pace;
use super::{CourierParts, Errand, Outcome, Shared, Trouble};
use crate::clock::{Clocks, Mono};
use crate::contract::HttpTroubleKind;
use crate::store::{OutboxRow, RowId, SharedStore, Store, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Rows read from the store at once.
const READ_AHEAD: usize = 16;
/// Wait after the store failed.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// The store is looked at after this time even if nobody says that it has something.
const IDLE: Duration = Duration::from_mins(1);
/// The same trouble is told again after this time.
const REPEAT_AFTER: Duration = Duration::from_mins(5);

/// What there is to do.
enum Next {
    Send(OutboxRow),
    /// Nothing before this time, whatever comes.
    At(Mono),
    /// Nothing until there is a new row, or until this time.
    Wait(Option<Mono>),
}

pub(super) struct Worker {
    errand: Box<dyn Errand>,
    store: SharedStore,
    clocks: Arc<dyn Clocks>,
    shared: Arc<Shared>,
    pace: Pace,
    ahead: VecDeque<OutboxRow>,
    /// The newest row that waited for the server.
    late_until: RowId,
    told_at: Option<Mono>,
    done: Box<dyn Fn() + Send>,
}

impl Worker {
    pub(super) fn new(errand: Box<dyn Errand>, parts: CourierParts, shared: Arc<Shared>) -> Self {
        let CourierParts { store, clocks, retry, keys: _, done } = parts;
        let pace = Pace::new(retry);
        let (ahead, late_until) = (VecDeque::new(), RowId::ZERO);
        Self { errand, store, clocks, shared, pace, ahead, late_until, told_at: None, done }
    }

    /// Delivers until the owner wants to stop.
    pub(super) fn work(mut self) {
        self.all_are_late();
        while !self.shared.is_stopping() {
            let now = self.clocks.mono();
            match self.next(now) {
                Ok(Next::Send(row)) => self.deliver(&row),
                Ok(Next::At(until)) => self.shared.pause(until.since(now)),
                Ok(Next::Wait(until)) => self.shared.wait_for_rows(until.map_or(IDLE, |until| until.since(now))),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read; trying again");
                    self.shared.pause(STORE_RETRY);
                }
            }
        }
    }

    fn next(&mut self, now: Mono) -> Result<Next, StoreError> {
        if let Some(until) = self.pace.paused_until(now) {
            return Ok(Next::At(until));
        }
        if !self.pace.holds_nothing() {
            // A row that was passed over for its incident may go by now, and must before the later ones.
            self.ahead.clear();
        }
        let (mut after, mut earliest, mut releases) = (RowId::ZERO, None::<Mono>, None);
        loop {
            let is_fresh = self.ahead.is_empty();
            if is_fresh {
                let store = self.store.lock();
                if releases.replace(store.releases()).is_some_and(|before| before != store.releases()) {
                    // What was held until its picture was stored may stand before what was passed over.
                    after = RowId::ZERO;
                }
                self.ahead = store.pending(self.errand.destination(), after, READ_AHEAD)?.into();
            }
            let is_last = is_fresh && self.ahead.len() < READ_AHEAD;
            while let Some(row) = self.ahead.pop_front() {
                let Some(until) = self.pace.held_until(row.incident, now) else { return Ok(Next::Send(row)) };
                after = row.row;
                earliest = Some(earliest.map_or(until, |earliest| earliest.min(until)));
            }
            if is_last {
                return Ok(Next::Wait(earliest));
            }
        }
    }

    fn deliver(&mut self, row: &OutboxRow) {
        let outcome = self.errand.send(row, row.row <= self.late_until);
        self.shared.lock().stats.requests += 1;
        let now = self.clocks.mono();
        match outcome {
            Outcome::Taken => {
                self.shared.lock().stats.taken += 1;
                self.settled(row);
                self.insist(|store| store.acknowledge(&[row.row]));
                (self.done)();
            }
            Outcome::Rejected { reason } => {
                let (incident, destination) = (row.incident, self.errand.destination().as_str());
                tracing::error!(%incident, destination, reason, "a message is refused for good; it is set aside");
                self.settled(row);
                let wall = self.clocks.wall();
                self.insist(|store| store.reject(row.row, &reason, wall));
                (self.done)();
            }
            Outcome::Unavailable { kind, detail, retry_after } => {
                self.pace.unavailable(now, retry_after);
                self.failed(kind, &detail);
            }
            Outcome::Failed { detail } => {
                self.pace.failed(row.incident, now);
                self.failed(HttpTroubleKind::Failing, &detail);
            }
        }
    }

    /// A row is done with: the server answers.
    fn settled(&mut self, row: &OutboxRow) {
        self.pace.settled(row.incident);
        if self.shared.lock().stats.trouble.take().is_some() {
            tracing::info!(destination = self.errand.destination().as_str(), "messages are taken again");
            self.told_at = None;
        }
    }

    fn failed(&mut self, kind: HttpTroubleKind, detail: &str) {
        self.ahead.clear();
        self.all_are_late();
        let (wall, now) = (self.clocks.wall(), self.clocks.mono());
        let mut state = self.shared.lock();
        state.stats.failures += 1;
        let before = state.stats.trouble.take();
        let is_new = before.as_ref().is_none_or(|before| before.kind != kind);
        let (since, count) = before.filter(|_| !is_new).map_or((wall, 1), |before| (before.since, before.count + 1));
        state.stats.trouble = Some(Trouble { kind, since, count, detail: detail.to_owned() });
        drop(state);
        let destination = self.errand.destination().as_str();
        if !is_new && self.told_at.is_some_and(|at| now.since(at) < REPEAT_AFTER) {
            tracing::debug!(destination, detail, "a message is not taken");
            return;
        }
        self.told_at = Some(now);
        if kind.needs_a_person() {
            tracing::error!(destination, trouble = kind.as_str(), detail, "messages are not taken; they are kept");
        } else {
            tracing::warn!(destination, trouble = kind.as_str(), detail, "messages are not taken; they are kept");
        }
    }

    /// Whatever waits now has waited for the server.
    fn all_are_late(&mut self) {
        match self.store.lock().last_row() {
            Ok(row) => self.late_until = row,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read"),
        }
    }

    /// Writes to the store until it succeeds, or the owner wants to stop; then the message goes twice.
    fn insist(&self, mut work: impl FnMut(&mut Store) -> Result<(), StoreError>) {
        loop {
            let result = work(&mut self.store.lock());
            let Err(error) = result else { return };
            tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be written; trying again");
            if self.shared.is_stopping() {
                return;
            }
            self.shared.pause(STORE_RETRY);
        }
    }
}
