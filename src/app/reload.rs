//! Another configuration while the agent runs: by difference, so that the cameras that did not change lose nothing.
//!
//! Everything that may be wrong with it is found before anything is changed; then the streams of the cameras that change stop, nobody works on
//! them, and the recorder closes, behind everything that was found before, what the configuration no longer wants. A file that cannot be used
//! leaves everything as it is. What only a restart takes over is named.

use super::roster::{Change, Roster, need_restart};
use super::watching::{self, Watched, unseen};
use super::{Agent, Core, Ended, INGEST_STOP_LIMIT, chain};
use crate::analysis::{Analysis, Configured, Plan};
use crate::clock::Mono;
use crate::config::{CameraConfig, Config, EditError, Loaded, Written};
use crate::contract::{self, WallTime};
use crate::incident::Memory;
use crate::ingest::{CameraState, IngestStats};
use crate::logging::Logging;
use crate::service;
use crate::status;
use crate::store::Bounds;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

/// How long what is in work of a camera may take.
const HOLD_LIMIT: Duration = Duration::from_secs(5);
/// How long the recorder may take until it comes to the configuration.
const RECORDER_LIMIT: Duration = Duration::from_secs(10);
/// Characters of a reason that are kept.
const MAX_REASON_CHARS: usize = 1000;

/// Reads and checks the configuration anew: it, or in words what is wrong.
pub type Load = dyn Fn() -> Result<Loaded, String> + Send + Sync;

/// Writes the zones of a camera into the files of the configuration.
pub type WriteZones = dyn Fn(&CameraConfig) -> Result<Written, EditError> + Send + Sync;

/// What a reload needs of the program around the agent.
pub struct Reloading {
    /// Reads the configuration.
    pub load: Box<Load>,
    /// Writes it.
    pub write_zones: Box<WriteZones>,
    /// What is logged.
    pub log: Logging,
}

/// Who wants the configuration read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedBy {
    /// The signal SIGHUP.
    Signal,
    /// A file that changed.
    File,
    /// The hub, whose people cannot restart the agent on the box: what needs a restart is one.
    Hub,
}

/// How the configuration that runs stands.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) since: WallTime,
    /// Why a newer one is not taken over.
    pub(super) refused: Option<String>,
    /// Keys of it that only a restart takes over.
    pub(super) needs_restart: Vec<String>,
}

impl Standing {
    pub(super) fn since(since: WallTime) -> Self {
        Self { since, refused: None, needs_restart: Vec::new() }
    }
}

/// Notices that files changed, by their sizes and times. They are looked at again and again, rather than the kernel asked to tell: that holds on every
/// file system, for a file that an editor or `mv` puts in the place of another, and for one that is not there yet.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<PathBuf>,
    known: Vec<Option<Stamp>>,
    /// As seen last, while it differs from what is known.
    seen: Option<Vec<Option<Stamp>>>,
}

/// Size and time of change of a file.
type Stamp = (u64, SystemTime);

impl FileWatch {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let known = stamps(&files);
        Self { files, known, seen: None }
    }

    /// The files are known as they are now.
    fn take_note(&mut self) {
        (self.known, self.seen) = (stamps(&self.files), None);
    }

    /// Whether the files have changed, and are as they were at the last look: one that is being written is waited for.
    pub(super) fn has_settled(&mut self) -> bool {
        let now = stamps(&self.files);
        if now == self.known {
            self.seen = None;
            return false;
        }
        let has_settled = self.seen.as_ref() == Some(&now);
        if has_settled {
            (self.known, self.seen) = (now, None);
        } else {
            self.seen = Some(now);
        }
        has_settled
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| std::fs::metadata(file).and_then(|of| Ok((of.len(), of.modified()?))).ok();
    files.iter().map(stamp).collect()
}

impl Agent {
    /// Reads the configuration again and goes on by it; says if the agent has to begin anew for that.
    pub(super) fn reload(&mut self, asked_by: AskedBy) -> Option<Ended> {
        service::say_reloading();
        // Before they are read: what changes from here on is noticed.
        self.files.take_note();
        let ended = self.reload_now(asked_by);
        if ended.is_none() {
            service::say_ready();
            self.tell_service();
            self.say_health();
        }
        ended
    }

    fn reload_now(&mut self, asked_by: AskedBy) -> Option<Ended> {
        let loaded = match (self.reloading.load)() {
            Ok(loaded) => loaded,
            Err(reason) => {
                self.refuse(&reason);
                return None;
            }
        };
        let core = Arc::clone(&self.core);
        let running = core.roster();
        if loaded.digest_sha256 == running.sha256 {
            core.stand(|standing| standing.refused = None);
            tracing::info!(?asked_by, "the configuration is as it was");
            return None;
        }
        let needs_restart = need_restart(&running.config, &loaded.config);
        let Some(analysis) = core.analysis.get() else {
            tracing::info!("nothing is analysed yet: beginning anew");
            return Some(Ended::Reload);
        };
        if !needs_restart.is_empty() && asked_by == AskedBy::Hub {
            tracing::info!(?needs_restart, "beginning anew, as the hub wants");
            return Some(Ended::Reload);
        }
        for warning in &loaded.warnings {
            tracing::warn!("{}", warning.sentence());
        }
        let (roster, changes) = running.next(loaded.config, loaded.digest_sha256);
        if let Err(reason) = self.take_over(analysis, &Arc::new(roster), &changes) {
            self.refuse(&reason);
            return None;
        }
        self.files = FileWatch::new(loaded.files);
        tracing::info!(?asked_by, cameras = ?self.named(&changes), "the configuration is taken over");
        if !needs_restart.is_empty() {
            tracing::warn!(
                ?needs_restart,
                "what only a restart takes over has changed too; until then it is as before"
            );
        }
        let now = WallTime::new(core.clocks.wall(), &core.time_zone);
        core.stand(|standing| *standing = Standing { needs_restart, ..Standing::since(now) });
        None
    }

    fn named(&self, changes: &[(usize, Change)]) -> Vec<(String, Change)> {
        let roster = self.core.roster();
        changes.iter().map(|(index, change)| (roster.camera(*index).id.to_string(), *change)).collect()
    }

    fn refuse(&self, reason: &str) {
        tracing::error!("the configuration is not taken over, the one before runs on: {reason}");
        let reason = reason.chars().take(MAX_REASON_CHARS).collect();
        self.core.stand(|standing| standing.refused = Some(reason));
    }

    /// Goes on by another roster, or leaves everything as it is.
    fn take_over(
        &mut self,
        analysis: &Arc<Analysis>,
        roster: &Arc<Roster>,
        changes: &[(usize, Change)],
    ) -> Result<(), String> {
        let core = Arc::clone(&self.core);
        let config = &roster.config;
        let mut plans = BTreeMap::new();
        for (index, _) in changes.iter().filter(|(_, change)| *change != Change::Removed) {
            let plan = analysis.plan(config, roster.camera(*index)).map_err(|error| chain(&error))?;
            plans.insert(*index, plan);
        }
        let stopping: Vec<usize> = changes
            .iter()
            .filter(|(_, change)| matches!(change, Change::Streams | Change::Removed))
            .map(|(index, _)| *index)
            .collect();
        let stopped = self.stop_streams(&stopping);
        let posts: Vec<_> = changes.iter().filter_map(|(index, _)| analysis.post_of(*index)).collect();
        let held: Option<Vec<_>> = posts.iter().map(|post| post.hold(HOLD_LIMIT)).collect();
        let recorded = match &held {
            Some(_) => configure_recorder(analysis, roster),
            None => Err("what was found waits to be recorded: is the disk full?".to_owned()),
        };
        if let Err(reason) = recorded {
            drop(held);
            self.begin_streams_anew(analysis, &stopped);
            return Err(reason);
        }
        self.make_room(roster.len());
        *core.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(roster);
        for index in stopping {
            core.mailboxes.clear(index);
        }
        // Masks may be others, and cameras too.
        core.tiles.clear();
        for (index, change) in changes {
            self.change_camera(analysis, roster, *index, *change, plans.remove(index).unwrap_or_default());
        }
        drop(held);
        self.start_streams(roster, changes);
        core.store.lock().set_bounds(Bounds::from(&config.hub.outbox));
        self.reloading.log.set_filter(&config.agent.log.filter);
        core.say_birth(&self.link);
        self.say_cameras();
        Ok(())
    }

    /// Room for so many cameras.
    fn make_room(&mut self, cameras: usize) {
        let (core, now) = (&self.core, self.core.clocks.wall());
        core.mailboxes.grow(cameras);
        let mut views = core.views.lock().unwrap_or_else(PoisonError::into_inner);
        while views.len() < cameras {
            views.push(unseen(None, CameraState::Disabled, now));
        }
        core.holds.write().unwrap_or_else(PoisonError::into_inner).resize(cameras.max(self.watched.len()), None);
        self.watched.resize_with(cameras.max(self.watched.len()), || None);
        self.analysed.grow(cameras);
    }

    /// Changes what the analysis has of a camera. Its turn is held, and its streams are stopped if they begin anew.
    fn change_camera(&self, analysis: &Analysis, roster: &Roster, index: usize, change: Change, plan: Plan) {
        let core = &self.core;
        let id = &roster.camera(index).id;
        let memory = || {
            core.store.lock().memory(id, core.clocks.wall()).unwrap_or_else(|error| {
                let error = &error as &dyn std::error::Error;
                tracing::error!(camera = %id, error, "the store does not say what is open; going on by what the analysis knows");
                analysis.remembered(index)
            })
        };
        match change {
            Change::Added | Change::Streams => analysis.begin_with(index, plan, memory()),
            Change::Rules => analysis.adopt(index, plan, memory()),
            Change::Removed => {
                analysis.begin_with(index, plan, Memory::default());
                let view = unseen(None, CameraState::Disabled, core.clocks.wall());
                let last = status::camera_status(id, &view, &IngestStats::default(), 0.0, None, &core.time_zone);
                self.link.state(core.topics.camera_status(id), contract::to_json(&last));
            }
        }
    }

    /// Starts the streams of the cameras that are to be watched and whose streams do not run.
    fn start_streams(&mut self, roster: &Roster, changes: &[(usize, Change)]) {
        let core = Arc::clone(&self.core);
        let switched_off = core.store.lock().switched_off().unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the store does not say which cameras are switched off"
            );
            BTreeSet::new()
        });
        for (index, _) in changes.iter().filter(|(_, change)| matches!(change, Change::Added | Change::Streams)) {
            let camera = roster.camera(*index);
            let is_on = watching::is_on(camera, &switched_off);
            core.views.lock().unwrap_or_else(PoisonError::into_inner)[*index] =
                watching::awaited(camera, is_on, core.clocks.wall());
            if is_on {
                self.start_stream(*index);
            }
        }
    }

    fn start_stream(&mut self, index: usize) {
        match self.core.watch_camera(index, &self.limiter) {
            Ok(watched) => self.watched[index] = Some(watched),
            Err(error) => tracing::error!("{}", chain(&error)),
        }
    }

    /// Stops the streams of these cameras, all at once; those that ran are returned.
    fn stop_streams(&mut self, cameras: &[usize]) -> Vec<usize> {
        let running: Vec<usize> =
            cameras.iter().copied().filter(|index| self.watched.get(*index).is_some_and(Option::is_some)).collect();
        for index in &running {
            self.watched[*index].iter().for_each(Watched::request_stop);
        }
        let deadline = Mono(self.core.clocks.mono().0 + INGEST_STOP_LIMIT);
        for index in &running {
            self.core.holds.write().unwrap_or_else(PoisonError::into_inner)[*index] = None;
            let Some(watched) = self.watched[*index].take() else { continue };
            if let Err(error) = watched.stop(|| deadline.since(self.core.clocks.mono())) {
                tracing::warn!(camera = %self.core.roster().camera(*index).id, "{error}");
            }
        }
        running
    }

    /// Takes up the streams that were stopped for a configuration that is not taken over.
    fn begin_streams_anew(&mut self, analysis: &Analysis, cameras: &[usize]) {
        for index in cameras {
            self.core.mailboxes.clear(*index);
            analysis.begin_anew(*index);
            self.start_stream(*index);
        }
    }
}

impl Core {
    /// The cameras as of now.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configuration as of now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.roster().config)
    }

    fn stand(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Has the recorder take a configuration over, behind everything that was found before.
fn configure_recorder(analysis: &Analysis, roster: &Roster) -> Result<(), String> {
    let (done, answer) = sync_channel(1);
    let is_claimed = Arc::new(AtomicBool::new(false));
    let configured = Configured {
        config: Arc::clone(&roster.config),
        present: roster.present(),
        config_sha256: roster.sha256.clone(),
        is_claimed: Arc::clone(&is_claimed),
        done,
    };
    analysis.configure_recorder(configured).map_err(|error| format!("the recorder cannot keep up: {error}"))?;
    wait_for_recorder(&answer, &is_claimed)
}

fn wait_for_recorder(answer: &Receiver<Result<(), String>>, is_claimed: &AtomicBool) -> Result<(), String> {
    let ended = || "the recorder has ended".to_owned();
    match answer.recv_timeout(RECORDER_LIMIT) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Disconnected) => Err(ended()),
        Err(RecvTimeoutError::Timeout) if !is_claimed.swap(true, Ordering::AcqRel) => {
            Err("the recorder cannot keep up: is the disk full?".to_owned())
        }
        // It is at it.
        Err(RecvTimeoutError::Timeout) => answer.recv().unwrap_or_else(|_| Err(ended())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_noticed_once_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, included) = (folder.path().join("edge.yaml"), folder.path().join("more.yaml"));
        std::fs::write(&file, "a").unwrap();
        let mut watch = FileWatch::new(vec![file.clone(), included.clone()]);
        assert!(!watch.has_settled());
        std::fs::write(&file, "ab").unwrap();
        assert!(!watch.has_settled(), "it may still be written");
        std::fs::write(&file, "abc").unwrap();
        assert!(!watch.has_settled());
        assert!(watch.has_settled() && !watch.has_settled());
        std::fs::write(&included, "b").unwrap();
        assert!(!watch.has_settled() && watch.has_settled(), "one that was not there");
    }

    #[test]
    fn a_recorder_that_comes_too_late_finds_the_configuration_taken_back() {
        let (done, answer) = sync_channel(1);
        let is_claimed = AtomicBool::new(true);
        done.send(Ok(())).unwrap();
        assert_eq!(wait_for_recorder(&answer, &is_claimed), Ok(()));
        drop(done);
        assert!(wait_for_recorder(&answer, &is_claimed).is_err());
    }
}
