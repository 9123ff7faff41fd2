//! How long to wait before the next attempt: exponential with jitter and a cap, seedable.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use std::time::Duration;

/// Limits of the wait between two attempts to reach a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffSettings {
    /// The wait after the first failure, before jitter.
    pub first: Duration,
    /// The longest wait. A camera that returns is seen again within this time and that of one attempt.
    pub cap: Duration,
    /// The shortest wait after a refused login: cameras lock an account, or this box's address, after a handful of wrong
    /// passwords in a row.
    pub unauthorised: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), cap: Duration::from_secs(15), unauthorised: Duration::from_mins(1) }
    }
}

/// The waits of one camera. Doubles from attempt to attempt; each wait lies between half of its size and the whole, so that cameras
/// that failed together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    settings: BackoffSettings,
    failures: u32,
    random: Pcg64,
}

impl Backoff {
    /// The same seed gives the same waits.
    pub(super) fn new(settings: BackoffSettings, seed: u64) -> Self {
        Self { settings, failures: 0, random: Pcg64::seed_from_u64(seed) }
    }

    /// Failures since the last [`reset`](Self::reset).
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after one more failure.
    pub(super) fn next(&mut self, unauthorised: bool) -> Duration {
        let doubled = 2_u32.checked_pow(self.failures).and_then(|times| self.settings.first.checked_mul(times));
        let whole = doubled.map_or(self.settings.cap, |wait| wait.min(self.settings.cap));
        self.failures = self.failures.saturating_add(1);
        let wait = whole.mul_f64(self.random.random_range(0.5..=1.0));
        if unauthorised { wait.max(self.settings.unauthorised) } else { wait }
    }

    /// The camera has been delivering: the next failure is a first one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings() -> BackoffSettings {
        BackoffSettings {
            first: Duration::from_millis(500),
            cap: Duration::from_secs(15),
            unauthorised: Duration::from_mins(1),
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new(settings(), 1);
        for whole_ms in [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
            let wait = backoff.next(false);
            let whole = Duration::from_millis(whole_ms);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} is not within half of {whole:?}");
        }
        assert_eq!(backoff.failures(), 7);
        backoff.reset();
        assert!(backoff.next(false) <= Duration::from_millis(500));
    }

    #[test]
    fn seeds_tell_cameras_apart_and_repeat() {
        let waits = |seed| {
            let mut backoff = Backoff::new(settings(), seed);
            (0..6).map(|_| backoff.next(false)).collect::<Vec<_>>()
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }

    #[test]
    fn a_refused_login_is_not_repeated_soon() {
        assert_eq!(Backoff::new(settings(), 1).next(true), Duration::from_mins(1));
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_the_cap_or_vanishes(seed: u64, failures in 1_usize..100) {
            let mut backoff = Backoff::new(settings(), seed);
            for _ in 0..failures {
                let wait = backoff.next(false);
                prop_assert!(wait <= settings().cap && wait >= settings().first / 2);
            }
        }
    }
}
