//! The model is loaded, however long that takes; then runners and recorder work until the agent stops.

use super::desk::{Desk, ToLink};
use super::{AppError, Core, OVERDUE_EVERY, PREPARE_EVERY, chain, named_thread};
use crate::analysis::{Analysis, PeopleFinder, PrepareError, Prepared, Record};
use crate::clips::{self, ClipMaker, ClipMakerParts, ClipNews, RolledClip};
use crate::command::Outcome;
use crate::detect::{Arrangement, Detector};
use crate::evidence::Custody;
use crate::faces::Faces;
use crate::health::Queue;
use crate::mqtt::Link;
use crate::recorder::{self, Recorder, RecorderParts};
use crate::status;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

impl Core {
    /// Loads the model, trying again until it is there, then runs the analysis until the agent stops.
    pub(super) fn prepare_and_run(self: &Arc<Self>, link: &Arc<Link>, mut custody: Custody) {
        let Some(mut prepared) = self.prepare(&mut custody) else { return };
        let model = status::model_identity(prepared.manifest(), prepared.provider());
        *self.models.lock().unwrap_or_else(PoisonError::into_inner) =
            vec![status::birth_model(prepared.manifest(), prepared.provider(), prepared.arrangement())];
        self.say_birth(link);
        let (findings, found) = sync_channel(recorder::MAX_WAITING);
        let recorder = Recorder::new(RecorderParts {
            config: self.config(),
            config_sha256: self.roster().sha256.clone(),
            time_zone: self.time_zone.clone(),
            model,
            custody,
            store: self.store.clone(),
            notice: Arc::new(ToLink { core: Arc::clone(self), link: Arc::clone(link) }),
            clocks: Arc::clone(&self.clocks),
            latencies: Arc::clone(&self.latencies),
            drops: Arc::clone(&self.drops),
            faces: Box::new(Faces::default()),
            counts: Arc::clone(&self.event_counts),
        });
        let detectors = prepared.take_detectors();
        let threads = self.analyse(prepared, detectors, findings, recorder, found, link);
        while let (Some(analysis), false) = (self.analysis.get(), self.wait_for_stop(OVERDUE_EVERY)) {
            analysis.answer_overdue();
            analysis.end_overdue_clips();
            for ticket in analysis.give_up_snapshots() {
                self.finish(&ticket, &Outcome::failed("the camera gave no picture in time"));
            }
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the analysis panicked");
            }
        }
    }

    /// Starts the runners and the recorder.
    pub(super) fn analyse(
        self: &Arc<Self>,
        mut prepared: Prepared,
        detectors: Vec<Detector>,
        findings: SyncSender<Record>,
        mut recorder: Recorder,
        found: Receiver<Record>,
        link: &Arc<Link>,
    ) -> Vec<JoinHandle<()>> {
        let desk = Arc::new(Desk { core: Arc::clone(self), link: Arc::downgrade(link) });
        let (mailboxes, latencies) = (Arc::clone(&self.mailboxes), Arc::clone(&self.latencies));
        let clocks = Arc::clone(&self.clocks);
        let clips = self.config().clips().zip(prepared.take_people_finder());
        let analysis = Analysis::new(prepared, mailboxes, desk, findings.clone(), latencies, clocks);
        let (analysis, clips) = match clips {
            Some((terms, people)) => {
                let (rolled, to_make) = sync_channel(clips::MAX_WAITING);
                (Arc::new(analysis.with_clips(terms, rolled)), Some((people, to_make)))
            }
            None => (Arc::new(analysis), None),
        };
        for (index, camera) in self.roster().cameras() {
            for (rule, incidents) in analysis.active(index) {
                self.say_open(link, &camera.id, &rule, incidents);
            }
        }
        let mut threads = Vec::new();
        let core = Arc::clone(self);
        threads.push(named_thread("recorder", move || recorder.run(&found, &|| core.is_stopping())));
        for (number, detector) in detectors.into_iter().enumerate() {
            let (analysis, findings) = (Arc::clone(&analysis), findings.clone());
            threads.push(named_thread(&format!("runner-{number}"), move || analysis.run(detector, findings)));
        }
        drop(findings);
        threads.extend(clips.map(|(people, to_make)| self.make_clips(&analysis, people, to_make)));
        // The first preparation is the only one: nobody else sets it.
        let _ = self.analysis.set(analysis);
        threads
            .into_iter()
            .filter_map(|thread| thread.inspect_err(|error| tracing::error!("{}", chain(error))).ok())
            .collect()
    }

    /// Starts the thread that makes clips.
    fn make_clips(
        self: &Arc<Self>,
        analysis: &Arc<Analysis>,
        mut people: PeopleFinder,
        to_make: Receiver<RolledClip>,
    ) -> Result<JoinHandle<()>, AppError> {
        let (analysis, core, roster) = (Arc::clone(analysis), Arc::clone(self), Arc::clone(self));
        let mut maker = ClipMaker::new(ClipMakerParts {
            config: Box::new(move || roster.config()),
            time_zone: self.time_zone.clone(),
            people: Box::new(move |frame| people.find(frame)),
            faces: Box::new(Faces::default()),
        });
        named_thread("clips", move || {
            let deliver = |camera: usize, incident, news: &ClipNews| {
                if let Err(error) = analysis.tell_of_clip(camera, incident, news) {
                    tracing::warn!(%incident, "a clip is given up: {error}");
                    core.drops.add(Queue::Clips, 1);
                }
            };
            maker.run(&to_make, &deliver, &|| core.is_stopping());
        })
    }

    /// Tries to load the model until it succeeds; none if the agent stops first. Pictures of before are deleted in their time meanwhile.
    pub(super) fn prepare(&self, custody: &mut Custody) -> Option<Prepared> {
        let mut attempt = 0u64;
        while !self.is_stopping() {
            match Prepared::try_new(&self.config(), &*self.clocks) {
                Ok(prepared) => {
                    *self.not_prepared.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    self.say_prepared(&prepared);
                    return Some(prepared);
                }
                Err(error) => self.say_not_prepared(&error, attempt),
            }
            attempt += 1;
            custody.keep_within_limits();
            self.wait_for_stop(PREPARE_EVERY);
        }
        None
    }

    pub(super) fn say_prepared(&self, prepared: &Prepared) {
        let Arrangement { runners, threads } = prepared.arrangement();
        let (model, provider) = (&prepared.manifest().name, prepared.provider());
        tracing::info!(model, provider = %provider.provider, nodes = ?provider.nodes, runners, threads, "the model is loaded; analysis begins");
        let alarm = provider.alarm();
        if let Some(alarm) = &alarm {
            tracing::warn!(model, "{alarm}");
        }
        *self.model_alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    pub(super) fn say_not_prepared(&self, error: &PrepareError, attempt: u64) {
        let reason = chain(error);
        // Once aloud, then every ten minutes.
        if attempt.is_multiple_of(60) {
            tracing::error!("nothing is analysed: {reason}; trying again every {} s", PREPARE_EVERY.as_secs());
        }
        *self.not_prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }
}
