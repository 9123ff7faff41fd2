//! What the runners share of one camera.

use super::live::Live;
use super::past::Past;
use super::prepare::{Plan, Prepared};
use super::snapshot::Wanted;
use super::station::Station;
use crate::clips::Roll;
use crate::ids::IdSource;
use crate::incident::Memory;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;

/// Time between two looks whether a camera's turn is free.
const TURN_POLL: Duration = Duration::from_millis(5);

/// What the runners share of one camera.
pub struct Post {
    plan: RwLock<Arc<Plan>>,
    station: Mutex<Station>,
    /// What is to be remembered as of the last frame: the store learns of a finding later than the runner.
    memory: Mutex<Memory>,
    /// Pictures that the hub asked for, of the next frame.
    snapshots: Mutex<Vec<Wanted>>,
    /// The last seconds, for clips; none where there are no clips.
    roll: Mutex<Option<Roll>>,
    /// Held from a change until the recorder has it, so that the changes of one incident keep their order.
    turn: Mutex<()>,
    /// Frames judged so far.
    pub(super) judged: AtomicU64,
    /// Frames inferred so far.
    pub(super) inferred: AtomicU64,
    /// What is shown of it on the console.
    pub(super) live: Live,
    /// What its engine was given lately.
    pub(super) past: Past,
}

impl Post {
    pub(super) fn new(prepared: &Prepared, plan: Plan, memory: Memory, ids: IdSource) -> Self {
        Self {
            station: Mutex::new(station(prepared, &plan, memory.clone(), ids)),
            plan: RwLock::new(Arc::new(plan)),
            memory: Mutex::new(memory),
            snapshots: Mutex::default(),
            roll: Mutex::default(),
            turn: Mutex::default(),
            judged: AtomicU64::new(0),
            inferred: AtomicU64::new(0),
            live: Live::default(),
            past: Past::default(),
        }
    }

    /// Waits until nobody works on the camera and what was found has gone to the recorder, and keeps it so; none if that takes longer than `limit`.
    #[must_use]
    pub fn hold(&self, limit: Duration) -> Option<MutexGuard<'_, ()>> {
        let mut waited = Duration::ZERO;
        loop {
            match self.turn.try_lock() {
                Ok(turn) => return Some(turn),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if waited >= limit => return None,
                Err(TryLockError::WouldBlock) => std::thread::park_timeout(TURN_POLL),
            }
            waited += TURN_POLL;
        }
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn station(&self) -> MutexGuard<'_, Station> {
        // A panic is caught by the runner and the station replaced, so that a poisoned one is never read as it was.
        self.station.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshots(&self) -> MutexGuard<'_, Vec<Wanted>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn roll(&self) -> MutexGuard<'_, Option<Roll>> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_plan(&self, plan: Plan) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }
}

/// A camera's station with what is remembered of it.
pub(super) fn station(prepared: &Prepared, plan: &Plan, memory: Memory, ids: IdSource) -> Station {
    let (engine, orphans) = prepared.engine(plan, memory, ids);
    for orphan in orphans {
        tracing::error!(incident = %orphan.id, rule = %orphan.rule, "an open incident's rule is gone; it stays open");
    }
    Station::new(engine, &plan.view, Arc::clone(&prepared.sensitive))
}
