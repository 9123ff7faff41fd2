//! How many connections to one host are set up at the same time: a recorder that serves thirty cameras refuses thirty
//! connects in a second.

use super::stop::StopFlag;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How often a waiting camera looks whether it should stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// Limits connects in progress per host; shared by the cameras of a box.
#[derive(Debug)]
pub struct ConnectLimiter {
    per_host: usize,
    in_progress: Mutex<BTreeMap<String, usize>>,
    released: Condvar,
}

/// The right to set up one connection, until dropped.
pub(super) struct Permit {
    limiter: Arc<ConnectLimiter>,
    host: String,
}

impl ConnectLimiter {
    /// Allows `per_host` connects in progress to each host, at least one.
    #[must_use]
    pub fn new(per_host: usize) -> Arc<Self> {
        Arc::new(Self { per_host: per_host.max(1), in_progress: Mutex::default(), released: Condvar::new() })
    }

    /// Waits for a permit; none if the camera is stopped first.
    pub(super) fn acquire(self: &Arc<Self>, host: &str, stop: &StopFlag) -> Option<Permit> {
        let mut in_progress = self.lock();
        loop {
            if stop.is_set() {
                return None;
            }
            let count = in_progress.entry(host.to_owned()).or_default();
            if *count < self.per_host {
                *count += 1;
                return Some(Permit { limiter: Arc::clone(self), host: host.to_owned() });
            }
            in_progress = self.released.wait_timeout(in_progress, STOP_CHECK).expect("no holder of this lock panics").0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.in_progress.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_progress = self.limiter.lock();
        if let Some(count) = in_progress.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                in_progress.remove(&self.host);
            }
        }
        drop(in_progress);
        self.limiter.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn a_host_is_limited_and_another_is_not() {
        let (limiter, go) = (ConnectLimiter::new(2), StopFlag::default());
        let first = limiter.acquire("nvr", &go).unwrap();
        let _second = limiter.acquire("nvr", &go).unwrap();
        assert!(limiter.acquire("other", &go).is_some());

        let (acquired, third) = sync_channel(1);
        let waiting = Arc::clone(&limiter);
        let thread = std::thread::Builder::new().name("third".to_owned());
        let thread = thread
            .spawn(move || acquired.send(waiting.acquire("nvr", &StopFlag::default()).is_some()).unwrap())
            .unwrap();
        assert!(third.recv_timeout(Duration::from_millis(200)).is_err(), "the third did not wait");
        drop(first);
        assert_eq!(third.recv_timeout(Duration::from_secs(5)), Ok(true));
        thread.join().unwrap();
    }

    #[test]
    fn a_stopped_camera_does_not_wait() {
        let limiter = ConnectLimiter::new(1);
        let _held = limiter.acquire("nvr", &StopFlag::default()).unwrap();
        let stop = StopFlag::default();
        stop.set();
        assert!(limiter.acquire("nvr", &stop).is_none());
    }

    #[test]
    fn hosts_without_connects_are_forgotten() {
        let limiter = ConnectLimiter::new(1);
        drop(limiter.acquire("nvr", &StopFlag::default()));
        assert!(limiter.lock().is_empty());
    }
}
