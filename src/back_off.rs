//! How long to wait before trying again, and how fast to send a backlog. Pure: time is an argument.

use crate::clock::Mono;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use std::time::Duration;

/// Shortest and longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOffSettings {
    /// The first wait, before jitter.
    pub first: Duration,
    /// No wait is longer.
    pub cap: Duration,
}

/// Waits that double up to a cap, each shortened by up to half at random, so that many agents do not return to a broker
/// in step.
#[derive(Debug)]
pub(crate) struct BackOff {
    settings: BackOffSettings,
    attempt: u32,
    random: Pcg64,
}

impl BackOff {
    pub(crate) fn new(settings: BackOffSettings) -> Self {
        Self { settings, attempt: 0, random: Pcg64::from_os_rng() }
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self.settings.first.saturating_mul(1 << self.attempt.min(20));
        self.attempt = self.attempt.saturating_add(1);
        doubled.min(self.settings.cap).mul_f64(self.random.random_range(0.5..=1.0))
    }

    /// The next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// Lets a number of things per second pass, in bursts of at most [`Pacer::BURST`]'s worth.
#[derive(Debug)]
pub(crate) struct Pacer {
    interval: Duration,
    next: Mono,
}

impl Pacer {
    /// Timers are not finer than a millisecond; at high rates several pass at once.
    const BURST: Duration = Duration::from_millis(20);

    pub(crate) fn new(per_sec: u32, now: Mono) -> Self {
        Self { interval: Duration::from_secs(1) / per_sec.max(1), next: now }
    }

    /// Lets one pass, or says from when on the next may.
    pub(crate) fn admit(&mut self, now: Mono) -> Result<(), Mono> {
        let earliest = Mono(now.0.saturating_sub(Self::BURST));
        self.next = self.next.max(earliest);
        if self.next > now {
            return Err(self.next);
        }
        self.next = Mono(self.next.0 + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono(Duration::from_millis(millis))
    }

    #[test]
    fn waits_double_up_to_the_cap_with_jitter_and_begin_anew() {
        let settings = BackOffSettings { first: Duration::from_millis(500), cap: Duration::from_secs(8) };
        let mut back_off = BackOff { settings, attempt: 0, random: Pcg64::seed_from_u64(7) };
        let waits: Vec<Duration> = (0..40).map(|_| back_off.next()).collect();
        for (wait, full) in waits.iter().zip([500, 1000, 2000, 4000, 8000, 8000, 8000]) {
            let full = Duration::from_millis(full);
            assert!(*wait >= full / 2 && *wait <= full, "{wait:?} of {full:?}");
        }
        assert!(waits.iter().all(|wait| *wait <= settings.cap));
        let capped = &waits[4..];
        assert!(capped.iter().any(|wait| wait != &capped[0]), "no jitter");
        back_off.reset();
        assert!(back_off.next() <= settings.first);
    }

    #[test]
    fn a_pacer_keeps_its_rate_and_does_not_save_up_for_a_flood() {
        let mut pacer = Pacer::new(100, at(0));
        let passed = |pacer: &mut Pacer, now| std::iter::from_fn(|| pacer.admit(now).ok()).count();
        let in_a_second: usize = (0..1000).map(|millis| passed(&mut pacer, at(millis))).sum();
        assert_eq!(in_a_second, 100);
        assert!(passed(&mut pacer, at(60_000)) <= 3, "a minute of silence was saved up");
        assert_eq!(pacer.admit(at(60_000)), Err(at(60_010)));
    }
}
