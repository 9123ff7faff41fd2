//! What the service manager is told, `sd_notify(3)`: ready, alive, beginning anew, stopping. Where nobody asked to be told, nothing is.
//!
//! Alive is said only while the agent gets on: its main thread has just read cameras, analysis and outbox, frames are analysed if any
//! come, and the thread of the hub runs. An agent that is merely there is killed by the watchdog and started anew.

use crate::clock::Mono;
use sd_notify::NotifyState;
use std::time::Duration;

/// Longest time without an analysed frame while a camera is online; the rarest key frames that are waited for come every twelve seconds.
pub const STILL_AFTER: Duration = Duration::from_mins(2);

/// The agent has begun.
pub fn say_ready() {
    say(&[NotifyState::Ready]);
}

/// The program is executed anew in its place.
pub fn say_reloading() {
    // systemd wants the time with it; without a clock there is nothing to tell.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        say(&[NotifyState::Reloading, now]);
    }
}

/// The agent stops.
pub fn say_stopping() {
    say(&[NotifyState::Stopping]);
}

/// The agent gets on; `status` is what `systemctl status` shows.
pub fn say_alive(status: &str) {
    say(&[NotifyState::Watchdog, NotifyState::Status(status)]);
}

/// The agent does not get on: only `status` is told, and the watchdog runs out.
pub fn say_stuck(status: &str) {
    say(&[NotifyState::Status(status)]);
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(error = &error as &dyn std::error::Error, "the service manager cannot be told");
    }
}

/// What shows whether the agent gets on.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    /// Frames analysed since the agent began, all cameras.
    pub analysed: u64,
    /// Whether there is something to analyse: a camera is online, and the model is loaded.
    pub has_frames: bool,
    /// Whether the thread of the hub runs.
    pub has_link: bool,
}

/// Why the agent does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// Frames come, and none is analysed.
    #[error("a camera is online, and no frame was analysed for {} s", .0.as_secs())]
    Analysis(Duration),
    /// The thread of the hub has ended.
    #[error("the thread of the hub has ended")]
    Link,
}

/// Watches the [`Vitals`].
#[derive(Debug)]
pub struct Progress {
    analysed: u64,
    /// When a frame was last analysed, or there was none to be.
    at: Mono,
}

impl Progress {
    /// Begins to watch.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self { analysed: 0, at: now }
    }

    /// Whether the agent gets on.
    pub fn check(&mut self, now: Mono, vitals: Vitals) -> Result<(), Stuck> {
        if vitals.analysed != self.analysed || !vitals.has_frames {
            (self.analysed, self.at) = (vitals.analysed, now);
        }
        let still = now.since(self.at);
        if !vitals.has_link {
            Err(Stuck::Link)
        } else if still >= STILL_AFTER {
            Err(Stuck::Analysis(still))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    fn vitals(analysed: u64) -> Vitals {
        Vitals { analysed, has_frames: true, has_link: true }
    }

    #[test]
    fn frames_that_come_and_are_not_analysed_are_no_progress() {
        let mut progress = Progress::new(at(0));
        assert_eq!(progress.check(at(110), vitals(5)), Ok(()));
        assert_eq!(progress.check(at(220), vitals(5)), Ok(()));
        assert_eq!(progress.check(at(230), vitals(5)), Err(Stuck::Analysis(Duration::from_mins(2))));
        assert_eq!(progress.check(at(240), vitals(6)), Ok(()), "it got on");
    }

    #[test]
    fn a_box_without_frames_is_not_stuck_however_long() {
        let mut progress = Progress::new(at(0));
        assert_eq!(progress.check(at(9_000), Vitals { has_frames: false, ..vitals(0) }), Ok(()));
        assert_eq!(progress.check(at(9_100), vitals(0)), Ok(()), "counted from when the first came");
        assert!(progress.check(at(9_120), vitals(0)).is_err());
    }

    #[test]
    fn an_agent_without_its_link_is_stuck_at_once() {
        assert_eq!(Progress::new(at(0)).check(at(1), Vitals { has_link: false, ..vitals(1) }), Err(Stuck::Link));
    }
}
