//! The thread of a stream, as its owner holds it.

use super::failure::Failure;
use super::stats::{Counters, IngestStats};
use super::stop::StopFlag;
use super::supervisor::{Consumer, Supervisor};
use crate::clock::Clocks;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A camera's thread did not stop in time; it goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the camera's thread did not stop in time")]
pub struct StillRunning;

/// The thread that watches a stream. Dropping it tells the thread to stop without waiting for it.
pub(super) struct StreamThread {
    stop: Arc<StopFlag>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Mutex<Counters>>,
    clocks: Arc<dyn Clocks>,
}

impl StreamThread {
    /// Starts the thread under this name. `stop` and `counters` are those of the supervisor's surroundings.
    pub(super) fn start<C: Consumer>(
        name: String,
        supervisor: Supervisor<C>,
        stop: Arc<StopFlag>,
        counters: Arc<Mutex<Counters>>,
        clocks: Arc<dyn Clocks>,
    ) -> Result<Self, Failure> {
        let (end, ended) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                // Dropped when the thread ends, however it ends.
                let _end: SyncSender<()> = end;
                supervisor.run();
            })
            .map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(Self { stop, ended, thread: Some(thread), counters, clocks })
    }

    /// Counters and rates as of now.
    pub(super) fn stats(&self) -> IngestStats {
        let now = self.clocks.mono();
        let mut counters = self.counters.lock().expect("no holder of this lock panics");
        counters.tick(now);
        counters.totals
    }

    pub(super) fn request_stop(&self) {
        self.stop.set();
    }

    /// Says TEARDOWN, takes the pipeline down, ends the thread. The thread calls nobody after an `Ok`.
    pub(super) fn stop(mut self, limit: Duration) -> Result<(), StillRunning> {
        self.stop.set();
        if self.ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            return Err(StillRunning);
        }
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("a camera's thread panicked");
        }
        Ok(())
    }
}

impl Drop for StreamThread {
    fn drop(&mut self) {
        self.stop.set();
    }
}
