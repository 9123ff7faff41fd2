//! Calls that may block for ever (name resolution, connects, state changes of a pipeline) run on threads of their own, which are
//! left behind when they are late. What is left behind is counted and bounded.

use super::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Late calls of one camera above which it starts no new connection.
const MAX_LATE: usize = 4;

/// Runs the calls of one camera. Clones share their counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Errands {
    running: Arc<AtomicUsize>,
    late: Arc<AtomicU64>,
}

/// A call did not return in time; its thread goes on without us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late;

impl Errands {
    /// Runs `work` on a thread named `name` and waits for its result for at most `limit`.
    pub(super) fn run<T: Send + 'static>(
        &self,
        name: &str,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, Late>, Failure> {
        let (sender, result) = sync_channel(1);
        let running = Running::count(&self.running);
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let done = work();
            drop(running);
            // Nobody waits for a late result.
            drop(sender.send(done));
        });
        spawned.map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(result.recv_timeout(limit).map_err(|_| {
            self.late.fetch_add(1, Ordering::Relaxed);
            Late
        }))
    }

    /// Calls that did not return in time since the camera is watched.
    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Refuses if too many calls have not returned.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.running.load(Ordering::Acquire) {
            late if late >= MAX_LATE => Err(Failure::Stuck(late)),
            _ => Ok(()),
        }
    }
}

/// Counts a call from its start to its return, however it ends.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn count(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_in_time_is_returned() {
        assert_eq!(Errands::default().run("quick", Duration::from_secs(5), || 7), Ok(Ok(7)));
    }

    #[test]
    fn late_calls_are_left_behind_and_bounded() {
        let errands = Errands::default();
        let mut hold = Vec::new();
        for _ in 0..MAX_LATE {
            assert_eq!(errands.check(), Ok(()));
            let (release, blocked) = sync_channel::<()>(1);
            hold.push(release);
            assert_eq!(errands.run("late", Duration::from_millis(1), move || blocked.recv().is_ok()), Ok(Err(Late)));
        }
        assert_eq!(errands.check(), Err(Failure::Stuck(MAX_LATE)));
        assert_eq!(errands.late(), MAX_LATE as u64);
        drop(hold);
        // They return one by one; a quick call tells when all have: its own thread is counted too.
        let all_returned =
            (0..1000).any(|_| errands.run("tick", Duration::from_secs(5), || ()).is_ok() && errands.check().is_ok());
        assert!(all_returned);
    }

    #[test]
    fn a_call_that_panics_is_over() {
        let errands = Errands::default();
        assert_eq!(
            errands.run("panics", Duration::from_secs(5), || panic!("as told")),
            Ok::<Result<(), _>, _>(Err(Late))
        );
        assert_eq!(errands.running.load(Ordering::Acquire), 0);
    }
}
