//! What the agent tells of itself: birth, cameras, health, what is open.

use super::reload::Standing;
use super::{Agent, Core, STATUS_EVERY, chain};
use crate::active;
use crate::clock::Mono;
use crate::config::{CameraConfig, SetAside};
use crate::contract::{self, ConfigurationHealth, EvidenceHealth, Health, ModelHealth, QueueDrops, WallTime};
use crate::health::Queue;
use crate::ids::Name;
use crate::ingest::CameraState;
use crate::mqtt::Link;
use crate::service::{self, Vitals};
use crate::status::{self, CameraView};
use crate::store::Destination;
use crate::web::CameraFacts;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::PoisonError;

/// Frames analysed per second, measured over whole intervals: a change of state in between is too short a window.
pub(super) struct AnalysedRates {
    since: Mono,
    counts: Vec<u64>,
    rates: Vec<f64>,
}

impl AnalysedRates {
    pub(super) fn new(now: Mono, cameras: usize) -> Self {
        Self { since: now, counts: vec![0; cameras], rates: vec![0.0; cameras] }
    }

    /// Room for so many cameras.
    pub(super) fn grow(&mut self, cameras: usize) {
        self.counts.resize(cameras.max(self.counts.len()), 0);
        self.rates.resize(cameras.max(self.rates.len()), 0.0);
    }

    pub(super) fn update(&mut self, now: Mono, counts: Vec<u64>) {
        let elapsed = now.since(self.since);
        if elapsed >= STATUS_EVERY / 2 {
            let rate = |(new, old): (&u64, &u64)| new.saturating_sub(*old) as f64 / elapsed.as_secs_f64();
            self.rates = counts.iter().zip(&self.counts).map(rate).collect();
            (self.since, self.counts) = (now, counts);
        }
    }
}

impl Agent {
    /// Publishes the status of every camera; what has not changed is not sent again.
    pub(super) fn say_cameras(&mut self) {
        let roster = self.core.roster();
        let counts = self
            .core
            .analysis
            .get()
            .map(|analysis| (0..roster.len()).map(|camera| analysis.analysed(camera)).collect());
        if let Some(counts) = counts {
            self.analysed.update(self.core.clocks.mono(), counts);
        }
        let analysis = self.core.analysis.get();
        let mut facts = Vec::with_capacity(self.watched.len());
        let views = self.core.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (index, camera) in roster.cameras() {
            let view = &views[index];
            self.core.say_stale(&self.link, &camera.id, view);
            let watched = self.watched[index].as_ref();
            let stats = watched.map(|watched| watched.detect.stats()).unwrap_or_default();
            let evidence = watched.and_then(|watched| watched.evidence.as_ref());
            let last_key_frame = evidence.and_then(|evidence| evidence.stills().last_key_frame());
            let fps = self.analysed.rates[index];
            let message = status::camera_status(&camera.id, view, &stats, fps, last_key_frame, &self.core.time_zone);
            self.link.state(self.core.topics.camera_status(&camera.id), contract::to_json(&message));
            facts.push(CameraFacts {
                status: message,
                picture: view.picture,
                stats,
                judged: analysis.map_or(0, |analysis| analysis.analysed(index)),
                inferred: analysis.map_or(0, |analysis| analysis.inferred(index)),
            });
        }
        self.core.board.set_cameras(facts);
    }

    /// Tells the service manager that the agent gets on, or why it does not.
    pub(super) fn tell_service(&mut self) {
        let core = &self.core;
        let views = core.views.lock().unwrap_or_else(PoisonError::into_inner);
        let roster = core.roster();
        let is_online =
            |(index, _): &(usize, &CameraConfig)| matches!(views[*index].detect.state, CameraState::Online(_));
        let online = roster.cameras().filter(is_online).count();
        let mut status = format!("{online} of {} cameras online", roster.cameras().count());
        drop(views);
        if let Some(refused) = &core.standing.lock().unwrap_or_else(PoisonError::into_inner).refused {
            let first = refused.lines().next().unwrap_or_default();
            let _ = write!(status, "; the configuration is refused: {first}");
        }
        let analysis = core.analysis.get();
        let analysed =
            analysis.map_or(0, |analysis| (0..self.watched.len()).map(|index| analysis.analysed(index)).sum());
        let has_frames = online > 0 && analysis.is_some();
        let vitals = Vitals { analysed, has_frames, has_link: self.link.is_running() };
        match self.progress.check(core.clocks.mono(), vitals) {
            Ok(()) => service::say_alive(&status),
            Err(stuck) => {
                tracing::error!("{stuck}; the service manager is not told that the agent is alive");
                service::say_stuck(&format!("{stuck}; {status}"));
            }
        }
    }

    pub(super) fn say_health(&mut self) {
        let core = &self.core;
        let now = core.clocks.mono();
        let written = |instant| WallTime::new(instant, &core.time_zone);
        let backlog = match core.store.lock().backlog(Destination::Hub) {
            Ok(backlog) => Some(backlog),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read the outbox");
                None
            }
        };
        let verdicts = core.store.lock().verdicts().unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot read the verdicts");
            Vec::new()
        });
        let losses = core.store.lock().losses(Destination::Hub).unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot read what was lost");
            None
        });
        let withheld = core.store.lock().withheld().unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot read what was kept back");
            None
        });
        let set_aside = core.store.lock().set_aside().map(Path::to_owned);
        let link = self.link.stats();
        let mut tallies = core.event_counts.total();
        if let Some(analysis) = core.analysis.get() {
            tallies.add(&analysis.tallies());
        }
        let mailbox = |(index, camera): (usize, &CameraConfig)| QueueDrops {
            queue: Queue::Mailbox.as_str().to_owned(),
            camera: Some(camera.id.clone()),
            dropped: core.mailboxes.dropped(index),
        };
        let evidence = [Queue::Evidence, Queue::Clips].map(|queue| QueueDrops {
            queue: queue.as_str().to_owned(),
            camera: None,
            dropped: core.drops.total(queue),
        });
        let reason = core.not_prepared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let alarm = core.model_alarm.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let health = Health {
            time: written(core.clocks.wall()),
            uptime_secs: now.since(core.started).as_secs(),
            host: status::host_health(&self.sampler.sample(now)),
            model: ModelHealth { is_loaded: reason.is_none(), reason, alarm },
            stages: status::stage_latencies(&core.latencies),
            outbox: status::outbox_health(
                backlog,
                losses,
                withheld,
                set_aside.as_deref(),
                &link,
                self.link.alarms(),
                &core.time_zone,
            ),
            event_stages: status::event_stages(&tallies),
            commands: core.commander.get().map(|commander| commander.counts()).unwrap_or_default(),
            webhook: core.webhook.as_ref().map(|webhook| webhook.health(&core.time_zone)),
            storage: core.storage.as_ref().map(|storage| storage.health(&core.time_zone)),
            evidence: core.evidence_health(),
            audit: Some(status::audit_health(&core.audit)),
            queues: core.roster().cameras().map(mailbox).chain(evidence).collect(),
            configuration: Some(core.configuration_health()),
            verdicts: status::rule_verdicts(verdicts),
        };
        self.link.volatile_state(core.topics.health(), contract::to_json(&health));
        let open = core.active.lock().unwrap_or_else(PoisonError::into_inner).counts();
        core.board.set_health(health, open, now);
        core.history.record(&core.board.read());
        core.tiles.forget(now);
    }
}

impl Core {
    fn evidence_health(&self) -> Option<EvidenceHealth> {
        let totals = self.store.lock().evidence_totals(self.clocks.wall());
        let totals = totals
            .inspect_err(|error| {
                tracing::warn!(error = error as &dyn std::error::Error, "cannot count the pictures");
            })
            .ok()?;
        let alarm = self.keys.check().err().map(|error| chain(&error));
        Some(status::evidence_health(totals, &self.custody_counts, alarm))
    }

    /// Tells what was open when the agent last stopped: its camera or the model may be absent for long.
    pub(super) fn say_open_from_store(&self, link: &Link) {
        for (index, camera) in self.roster().cameras() {
            let mut by_rule: BTreeMap<Name, Vec<uuid::Uuid>> = BTreeMap::new();
            for incident in &self.memories[index].open {
                by_rule.entry(incident.rule.clone()).or_default().push(incident.id);
            }
            for (rule, mut incidents) in by_rule {
                incidents.sort_unstable();
                self.say_open(link, &camera.id, &rule, incidents);
            }
        }
    }

    fn configuration_health(&self) -> ConfigurationHealth {
        let Standing { since, refused, needs_restart } =
            self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ConfigurationHealth { sha256: self.roster().sha256.clone(), since, refused, needs_restart }
    }

    /// Tells of the cameras that are not run because of their mistakes.
    pub(super) fn say_set_aside(&self, link: &Link, cameras: &[SetAside]) {
        for camera in cameras {
            // One whose id is the mistake has no topic; the log names it.
            let Some(id) = camera.id.as_deref().and_then(|id| Name::try_new(id).ok()) else { continue };
            let message = status::set_aside_status(&id, camera.mistakes.len(), self.started_at);
            link.state(self.topics.camera_status(&id), contract::to_json(&message));
        }
    }

    /// Tells what is open for a rule.
    pub(super) fn say_open(&self, link: &Link, camera: &Name, rule: &Name, incidents: Vec<uuid::Uuid>) {
        // Told under the lock, so that what is told last is the latest.
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let (topic, payload) = active.set_open(camera, rule, incidents);
        link.state(topic, payload);
    }

    /// Marks what is open at a camera that gives no pictures.
    pub(super) fn say_stale(&self, link: &Link, camera: &Name, view: &CameraView) {
        let since = view.detect.away_for(active::STALE_AFTER, self.clocks.mono());
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, payload) in active.set_stale(camera, since) {
            link.state(topic, payload);
        }
    }

    /// Tells what the agent is and watches.
    pub(super) fn say_birth(&self, link: &Link) {
        let (roster, decoders) = (self.roster(), self.decoders.choices());
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let birth = status::birth(&roster.present(), &roster.sha256, self.started_at, models, decoders);
        link.state(self.topics.birth(), contract::to_json(&birth));
    }
}
