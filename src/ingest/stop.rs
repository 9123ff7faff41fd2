//! A request to stop that ends waits at once.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Set once, seen by every wait on it.
#[derive(Debug, Default)]
pub(super) struct StopFlag {
    set: Mutex<bool>,
    changed: Condvar,
}

impl StopFlag {
    pub(super) fn set(&self) {
        *self.set.lock().expect("no holder of this lock panics") = true;
        self.changed.notify_all();
    }

    pub(super) fn is_set(&self) -> bool {
        *self.set.lock().expect("no holder of this lock panics")
    }

    /// Waits for `limit`, or less if the flag is set; says whether it is.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let set = self.set.lock().expect("no holder of this lock panics");
        let waited = self.changed.wait_timeout_while(set, limit, |set| !*set);
        *waited.expect("no holder of this lock panics").0
    }
}
