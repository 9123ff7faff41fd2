//! The agent: the one place that names the concrete types and ties them together.
//!
//! Threads: `main` (signals, status every [`STATUS_EVERY`]), `ingest-<camera>` each, `prepare` (loads the model, then answers what no frame
//! answers),
//! `runner-<n>` per core, `recorder`, `mqtt`, `webhook`, `commands`, `web`. Queues between them: a mailbox per camera (latest wins), findings (bounded;
//! runners wait), the outbox (on disk). Nothing waits for the broker, and no camera waits for another.

mod orders;

pub use orders::ReloadCheck;

use crate::active::{self, ActiveBoard};
use crate::analysis::{Analysis, Attention, PictureNews, PrepareError, Prepared, Record, Surroundings};
use crate::clock::{Clocks, Mono};
use crate::command::{self, Commander, CommanderParts, Keys, Outcome};
use crate::config::{AnalysisConfig, CameraConfig, Config, IdlePace, Loaded, WebhookConfig};
use crate::contract::{self, Evidence, Health, ModelHealth, QueueDrops, RequestId, Topics, WallTime};
use crate::courier::{Courier, CourierParts};
use crate::detect::Arrangement;
use crate::evidence::{EvidenceDir, FileError};
use crate::faces::Faces;
use crate::frame::Frame;
use crate::health::{Drops, HostSampler, Latencies, Queue};
use crate::ids::{IdSource, Name};
use crate::incident::Memory;
use crate::ingest::{
    CameraControl, CameraSource, CameraState, ConnectLimiter, Decoders, Decoding, EvidenceSource, EvidenceStream,
    Failure, Ingest, IngestSettings, Pace, Sink, StillError, StillRunning, Stills,
};
use crate::mailbox::Mailboxes;
use crate::mqtt::{Farewell, Link, MqttSettings};
use crate::orphans;
use crate::quality::Counts;
use crate::recorder::{self, Notice, Recorder, RecorderParts};
use crate::status::{self, CameraView, StreamView};
use crate::store::{Adapters, Bounds, Destination, SharedStore, Store, StoreError};
use crate::web::{Board, CameraFacts, Web};
use jiff::tz::TimeZone;
use orders::{Orders, Wish};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Interval of the health message and of refreshed camera status.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// Time between two attempts to load a model that is missing or refused.
const PREPARE_EVERY: Duration = Duration::from_secs(10);
/// Interval at which requests to look again are looked through for those to which no frame came.
const OVERDUE_EVERY: Duration = Duration::from_secs(2);
/// Connections set up at once to one host: recorders with many channels refuse a crowd.
const CONNECTS_PER_HOST: usize = 2;
/// How long all cameras together may take to stop.
const INGEST_STOP_LIMIT: Duration = Duration::from_secs(2);
/// How long the farewell to the hub may take.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// Why the agent cannot start. Whatever can be mended while it runs (broker, cameras, model) is not among these.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The folder of the agent's data cannot be made.
    #[error("failed to make the data folder {path}")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The time zone is not known.
    #[error("failed to find the time zone {name}")]
    TimeZone {
        /// Its name.
        name: String,
        /// Why.
        source: jiff::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The evidence folder cannot be opened.
    #[error(transparent)]
    Evidence(#[from] FileError),
    /// GStreamer cannot be started.
    #[error("failed to start GStreamer: {0}")]
    GStreamer(String),
    /// A thread cannot be started.
    #[error("failed to start the thread {name}")]
    Thread {
        /// Its name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// A camera's thread cannot be started.
    #[error("failed to begin watching camera {camera}")]
    Ingest {
        /// The camera.
        camera: String,
        /// Why.
        source: Failure,
    },
}

/// Why an agent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// The hub wants it to begin anew, with the configuration as it is now.
    Reload,
}

/// A running agent.
pub struct Agent {
    core: Arc<Core>,
    link: Arc<Link>,
    watched: Vec<Option<Watched>>,
    limiter: Arc<ConnectLimiter>,
    wishes: tokio::sync::mpsc::Receiver<Wish>,
    commands: JoinHandle<()>,
    prepare: JoinHandle<()>,
    /// Serves until it is dropped.
    _web: Option<Web>,
    sampler: HostSampler,
    /// Frames analysed per camera and second, over the last whole interval.
    analysed: AnalysedRates,
}

/// The streams of a camera that is watched.
struct Watched {
    detect: Ingest,
    evidence: Option<EvidenceStream>,
}

/// What the analysis holds of a camera.
struct Hold {
    control: CameraControl,
    stills: Option<Stills>,
}

impl Watched {
    fn hold(&self) -> Arc<Hold> {
        let stills = self.evidence.as_ref().map(EvidenceStream::stills);
        Arc::new(Hold { control: self.detect.control(), stills })
    }

    fn request_stop(&self) {
        self.detect.request_stop();
        if let Some(evidence) = &self.evidence {
            evidence.request_stop();
        }
    }

    /// Stops both streams; an error tells that one did not stop in time.
    fn stop(self, limit: impl Fn() -> Duration) -> Result<(), StillRunning> {
        let detect = self.detect.stop(limit());
        let evidence = self.evidence.map_or(Ok(()), |evidence| evidence.stop(limit()));
        detect.and(evidence)
    }
}

/// Frames analysed per second, measured over whole intervals: a change of state in between is too short a window.
struct AnalysedRates {
    since: Mono,
    counts: Vec<u64>,
    rates: Vec<f64>,
}

impl AnalysedRates {
    fn new(now: Mono, cameras: usize) -> Self {
        Self { since: now, counts: vec![0; cameras], rates: vec![0.0; cameras] }
    }

    fn update(&mut self, now: Mono, counts: Vec<u64>) {
        let elapsed = now.since(self.since);
        if elapsed >= STATUS_EVERY / 2 {
            let rate = |(new, old): (&u64, &u64)| new.saturating_sub(*old) as f64 / elapsed.as_secs_f64();
            self.rates = counts.iter().zip(&self.counts).map(rate).collect();
            (self.since, self.counts) = (now, counts);
        }
    }
}

/// What the agent's threads share.
struct Core {
    config: Arc<Config>,
    config_sha256: String,
    time_zone: TimeZone,
    topics: Topics,
    started_at: WallTime,
    started: Mono,
    clocks: Arc<dyn Clocks>,
    store: SharedStore,
    /// Posts events to a platform, if there is one.
    webhook: Option<Courier>,
    /// What the store remembered of each camera when the agent started; nothing changes it before the analysis begins.
    memories: Vec<Memory>,
    mailboxes: Arc<Mailboxes<Frame>>,
    views: Mutex<Vec<CameraView>>,
    /// A hold on each camera that is watched.
    holds: RwLock<Vec<Option<Arc<Hold>>>>,
    /// Set before anything could be asked.
    commander: OnceLock<Arc<Commander>>,
    /// Told when a view changed.
    changed: Arc<tokio::sync::Notify>,
    analysis: OnceLock<Arc<Analysis>>,
    decoders: Arc<Decoders>,
    /// What the agent last said of itself.
    board: Arc<Board>,
    /// What the hub is told is open.
    active: Mutex<ActiveBoard>,
    /// Why there is no analysis, while there is none.
    not_prepared: Mutex<Option<String>>,
    /// What is wrong with the model though it is loaded.
    model_alarm: Mutex<Option<String>>,
    latencies: Arc<Latencies>,
    drops: Arc<Drops>,
    /// What the stages of events did.
    event_counts: Arc<Counts>,
    is_stopping: AtomicBool,
    /// Waited on by whoever must wake up when the agent stops.
    stopping: (Mutex<()>, Condvar),
}

/// A camera's frames and states, on their way to the mailboxes and the views.
struct CameraSink {
    core: Arc<Core>,
    camera: usize,
}

impl Sink for CameraSink {
    fn frame(&self, frame: Frame) {
        if self.core.mailboxes.put(self.camera, frame) {
            self.core.drops.add(Queue::Mailbox, 1);
        }
    }

    fn replayed_frame(&self, frame: Frame) {
        if self.core.mailboxes.put_replayed(self.camera, frame) {
            self.core.drops.add(Queue::Mailbox, 1);
        }
    }

    fn state(&self, state: CameraState) {
        self.core.update_view(self.camera, |view, mono, now| view.detect.update(state, mono, now));
    }
}

/// The analysis's way to store, cameras and hub.
struct Desk {
    core: Arc<Core>,
    /// The analysis outlives the link, which its owner takes apart at the end.
    link: Weak<Link>,
}

impl Desk {
    fn hold(&self, camera: usize) -> Option<Arc<Hold>> {
        self.core.holds.read().unwrap_or_else(PoisonError::into_inner)[camera].clone()
    }
}

impl Surroundings for Desk {
    fn memory(&self, camera: usize) -> Memory {
        self.core.memories[camera].clone()
    }

    fn ids(&self, _: usize) -> IdSource {
        IdSource::from_os()
    }

    fn frames_corrupt(&self, camera: usize) -> u64 {
        self.hold(camera).map_or(0, |hold| hold.control.frames_corrupt())
    }

    fn attention(&self, camera: usize, attention: Attention) {
        if let Some(hold) = self.hold(camera) {
            hold.control.set_pace(pace(&self.core.config.cameras[camera].analysis, attention));
        }
    }

    fn picture(&self, camera: usize, news: PictureNews) {
        self.core.views.lock().unwrap_or_else(PoisonError::into_inner)[camera].picture = Some(news.state);
        let id = &self.core.config.cameras[camera].id;
        let state = news.state.as_str();
        if news.state.suspends_rules() {
            tracing::warn!(camera = %id, state, "the picture cannot be judged: the camera's rules rest");
        } else if news.previous.is_some() {
            tracing::info!(camera = %id, state, "the picture has changed");
        }
        let message = status::image_health(id, &news, &self.core.time_zone);
        if let Some(link) = self.link.upgrade() {
            link.state(self.core.topics.camera_image(id), contract::to_json(&message));
        }
    }

    fn still(&self, camera: usize) -> Option<Result<Frame, StillError>> {
        self.hold(camera)?.stills.as_ref().map(Stills::latest)
    }
}

/// How a camera is decoded and analysed.
fn pace(analysis: &AnalysisConfig, attention: Attention) -> Pace {
    match (attention, analysis.idle) {
        (Attention::Active, _) => Pace { decoding: Decoding::All, fps: analysis.active },
        (Attention::Idle, IdlePace::Fps(fps)) => Pace { decoding: Decoding::All, fps },
        // Key frames come as the camera sends them; the limit is for one that sends nothing else.
        (Attention::Idle, IdlePace::KeyFrames) => Pace { decoding: Decoding::KeyFrames, fps: analysis.active },
    }
}

/// The recorder's way to the hub's side.
struct ToLink {
    core: Arc<Core>,
    link: Arc<Link>,
}

impl Notice for ToLink {
    fn recorded(&self) {
        self.link.wake();
        if let Some(webhook) = &self.core.webhook {
            webhook.wake();
        }
    }
    fn active(&self, camera: &Name, rule: &Name, incidents: Vec<uuid::Uuid>) {
        self.core.say_open(&self.link, camera, rule, incidents);
    }
    fn snapshot(&self, ticket: &str, taken: Result<Evidence, String>) {
        let outcome = match taken {
            Ok(evidence) => Outcome { evidence: Some(Box::new(evidence)), ..Outcome::ok() },
            Err(reason) => Outcome::failed(reason),
        };
        self.core.finish(ticket, &outcome);
    }
}

impl Agent {
    /// Opens the store, reaches for the broker and the cameras, and begins to load the model. Returns at once.
    pub fn start(loaded: Loaded, clocks: &Arc<dyn Clocks>, reload_check: Arc<ReloadCheck>) -> Result<Self, AppError> {
        let config = Arc::new(loaded.config);
        let data_dir = config.agent.data_dir.clone();
        std::fs::create_dir_all(&data_dir).map_err(|source| AppError::DataDir { path: data_dir.clone(), source })?;
        let time_zone = TimeZone::get(&config.agent.time_zone)
            .map_err(|source| AppError::TimeZone { name: config.agent.time_zone.clone(), source })?;
        let mut store = Store::open(&data_dir.join("curbwatch.db"), clocks.wall())?;
        if let Some(path) = store.set_aside() {
            tracing::error!(path = %path.display(), "the database was corrupt; it is set aside and a new one begun");
        }
        let onvif = config.hub.onvif.as_ref().map(|onvif| onvif.topic_prefix.clone());
        store.set_adapters(Adapters { webhook: config.hub.webhook.is_some(), onvif })?;
        let orphaned = orphans::close(&mut store, &config, &loaded.set_aside, &time_zone, clocks.wall())?;
        let remember = |camera: &CameraConfig| store.memory(&camera.id, clocks.wall());
        let memories = config.cameras.iter().map(remember).collect::<Result<_, _>>()?;
        let switched_off = store.switched_off()?;
        store.set_bounds(Bounds::from(&config.hub.outbox));
        let store = SharedStore::new(store);
        let evidence = EvidenceDir::open(&data_dir)?;
        let settings = MqttSettings::new(&config.agent, &config.hub, time_zone.clone());
        let post = |webhook: &WebhookConfig| {
            let parts = CourierParts::new(store.clone(), Arc::clone(clocks));
            let failed = |source| AppError::Thread { name: "webhook".to_owned(), source };
            Courier::webhook(webhook.clone(), evidence.clone(), parts).map_err(failed)
        };
        let webhook = config.hub.webhook.as_ref().map(post).transpose()?;
        gstreamer::init().map_err(|error| AppError::GStreamer(error.to_string()))?;
        let (inbox, asked) = sync_channel(command::MAX_WAITING);
        let link = Link::start(settings, store.clone(), Arc::clone(clocks), Some(inbox))
            .map_err(|source| AppError::Thread { name: "mqtt".to_owned(), source })?;
        let link = Arc::new(link);
        let unseen = |camera: &CameraConfig| {
            let is_on = camera.enabled && !switched_off.contains(&camera.id);
            let state = if is_on { CameraState::Connecting } else { CameraState::Disabled };
            let detect = StreamView::new(state, clocks.wall());
            CameraView { evidence: camera.streams.evidence.as_ref().map(|_| detect.clone()), detect, picture: None }
        };
        let topics = Topics::new(&config.hub.prefix, &config.agent.site, &config.agent.id);
        let core = Arc::new(Core {
            active: Mutex::new(ActiveBoard::new(topics.clone(), time_zone.clone())),
            decoders: Decoders::of_this_box(),
            board: Arc::default(),
            topics,
            started_at: WallTime::new(clocks.wall(), &time_zone),
            started: clocks.mono(),
            mailboxes: Arc::new(Mailboxes::new(config.cameras.len())),
            views: Mutex::new(config.cameras.iter().map(unseen).collect()),
            holds: RwLock::new(vec![None; config.cameras.len()]),
            commander: OnceLock::new(),
            changed: Arc::default(),
            analysis: OnceLock::new(),
            not_prepared: Mutex::new(Some("the model is being loaded".to_owned())),
            model_alarm: Mutex::default(),
            latencies: Arc::default(),
            drops: Arc::default(),
            event_counts: Arc::default(),
            is_stopping: AtomicBool::new(false),
            stopping: (Mutex::default(), Condvar::default()),
            config_sha256: loaded.digest_sha256,
            config: Arc::clone(&config),
            clocks: Arc::clone(clocks),
            store,
            webhook,
            memories,
            time_zone,
        });
        core.say_birth(&link, Vec::new());
        core.say_open_from_store(&link);
        for (camera, rule) in &orphaned {
            core.say_open(&link, camera, rule, Vec::new());
        }
        for camera in &loaded.set_aside {
            // One whose id is the mistake has no topic; the log names it.
            let Some(id) = camera.id.as_deref().and_then(|id| Name::try_new(id).ok()) else { continue };
            let message = status::set_aside_status(&id, camera.mistakes.len(), core.started_at);
            link.state(core.topics.camera_status(&id), contract::to_json(&message));
        }
        let limiter = ConnectLimiter::new(CONNECTS_PER_HOST);
        let watch = |(index, camera): (usize, &CameraConfig)| {
            let is_on = camera.enabled && !switched_off.contains(&camera.id);
            is_on.then(|| core.watch_camera(index, &limiter)).transpose()
        };
        let watched = config.cameras.iter().enumerate().map(watch).collect::<Result<_, _>>()?;
        let commander = Arc::new(core.commander(&link));
        // Nobody else sets it.
        let _ = core.commander.set(Arc::clone(&commander));
        let (wish, wishes) = tokio::sync::mpsc::channel(orders::MAX_WISHES);
        let commands = {
            let orders = Orders { core: Arc::clone(&core), wishes: wish, reload_check };
            named_thread("commands", move || commander.run(&asked, &orders, &|| orders.core.is_stopping()))?
        };
        let prepare = {
            let (core, link) = (Arc::clone(&core), Arc::clone(&link));
            named_thread("prepare", move || core.prepare_and_run(&link, evidence))?
        };
        let analysed = AnalysedRates::new(clocks.mono(), config.cameras.len());
        let sampler = HostSampler::new(data_dir, clocks.mono());
        let web = core.serve()?;
        Ok(Self { core, link, watched, limiter, wishes, commands, prepare, _web: web, sampler, analysed })
    }

    /// Publishes status until `stop` completes, or the hub wants the agent to begin anew; then stops in order.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Ended {
        let mut stop = std::pin::pin!(stop);
        let mut tick = tokio::time::interval(STATUS_EVERY);
        let changed = Arc::clone(&self.core.changed);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ended::Stopped,
                Some(wish) = self.wishes.recv() => match wish {
                    // Whoever asked may have given up.
                    Wish::Switch { camera, is_on, done } => drop(done.send(self.switch_camera(camera, is_on))),
                    Wish::Reload => break Ended::Reload,
                },
                () = changed.notified() => self.say_cameras(),
                _ = tick.tick() => {
                    self.say_cameras();
                    self.say_health();
                }
            }
        };
        self.stop();
        ended
    }

    /// Switches a camera off or on, and remembers it over a restart.
    fn switch_camera(&mut self, camera: usize, is_on: bool) -> Outcome {
        let core = Arc::clone(&self.core);
        let id = &core.config.cameras[camera].id;
        if let Err(error) = core.store.lock().switch_camera(id, is_on) {
            return Outcome::failed(chain(&error));
        }
        match (is_on, self.watched[camera].take()) {
            (true, None) => {
                // The media time begins anew, and with it the engine.
                if let Some(analysis) = core.analysis.get() {
                    analysis.begin_anew(camera);
                }
                core.update_view(camera, |view, mono, now| view.update(&CameraState::Connecting, mono, now));
                match core.watch_camera(camera, &self.limiter) {
                    Ok(watched) => self.watched[camera] = Some(watched),
                    Err(error) => return Outcome::failed(chain(&error)),
                }
            }
            (false, Some(watched)) => {
                core.holds.write().unwrap_or_else(PoisonError::into_inner)[camera] = None;
                let deadline = Mono(core.clocks.mono().0 + INGEST_STOP_LIMIT);
                if let Err(error) = watched.stop(|| deadline.since(core.clocks.mono())) {
                    tracing::warn!(camera = %id, "{error}");
                }
                core.update_view(camera, |view, mono, now| view.update(&CameraState::Disabled, mono, now));
            }
            (_, watched) => self.watched[camera] = watched,
        }
        tracing::info!(camera = %id, is_on, "the hub switched a camera");
        Outcome::ok()
    }

    /// Stops the cameras, lets the runners and the recorder finish, and says farewell to the hub.
    fn stop(mut self) {
        tracing::info!("stopping");
        {
            // Under the lock: who is about to wait would miss the call.
            let _guard = self.core.stopping.0.lock().unwrap_or_else(PoisonError::into_inner);
            self.core.is_stopping.store(true, Ordering::Relaxed);
            self.core.stopping.1.notify_all();
        }
        // Who waits for a camera to be switched hears that it will not be.
        self.wishes.close();
        while self.wishes.try_recv().is_ok() {}
        for watched in self.watched.iter().flatten() {
            watched.request_stop();
        }
        let deadline = Mono(self.core.clocks.mono().0 + INGEST_STOP_LIMIT);
        for (camera, watched) in self.core.config.cameras.iter().zip(self.watched.drain(..)) {
            let Some(watched) = watched else { continue };
            if let Err(error) = watched.stop(|| deadline.since(self.core.clocks.mono())) {
                tracing::warn!(camera = %camera.id, "{error}");
            }
        }
        self.core.mailboxes.close();
        if self.prepare.join().is_err() {
            tracing::error!("the analysis ended by a panic");
        }
        if self.commands.join().is_err() {
            tracing::error!("the thread of the hub's commands panicked");
        }
        match self.link.stop(FAREWELL_LIMIT) {
            Farewell::Said => tracing::info!("stopped"),
            Farewell::NotConnected => tracing::info!("stopped; the hub was not connected"),
            Farewell::TimedOut => tracing::warn!("stopped without a farewell to the hub"),
        }
    }

    /// Publishes the status of every camera; what has not changed is not sent again.
    fn say_cameras(&mut self) {
        let counts = self
            .core
            .analysis
            .get()
            .map(|analysis| (0..self.core.config.cameras.len()).map(|camera| analysis.analysed(camera)).collect());
        if let Some(counts) = counts {
            self.analysed.update(self.core.clocks.mono(), counts);
        }
        let analysis = self.core.analysis.get();
        let mut facts = Vec::with_capacity(self.watched.len());
        let views = self.core.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (index, (camera, view)) in self.core.config.cameras.iter().zip(&views).enumerate() {
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

    fn say_health(&mut self) {
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
        let evidence = QueueDrops {
            queue: Queue::Evidence.as_str().to_owned(),
            camera: None,
            dropped: core.drops.total(Queue::Evidence),
        };
        let reason = core.not_prepared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let alarm = core.model_alarm.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let health = Health {
            time: written(core.clocks.wall()),
            uptime_secs: now.since(core.started).as_secs(),
            host: status::host_health(&self.sampler.sample(now)),
            model: ModelHealth { is_loaded: reason.is_none(), reason, alarm },
            stages: status::stage_latencies(&core.latencies),
            outbox: status::outbox_health(backlog, losses, withheld, &link, self.link.alarms(), &core.time_zone),
            event_stages: status::event_stages(&tallies),
            commands: core.commander.get().map(|commander| commander.counts()).unwrap_or_default(),
            webhook: core.webhook.as_ref().map(|webhook| webhook.health(&core.time_zone)),
            queues: core.config.cameras.iter().enumerate().map(mailbox).chain([evidence]).collect(),
            verdicts: status::rule_verdicts(verdicts),
        };
        self.link.volatile_state(core.topics.health(), contract::to_json(&health));
        let open = core.active.lock().unwrap_or_else(PoisonError::into_inner).counts();
        core.board.set_health(health, open, now);
    }
}

impl Core {
    /// Starts to watch a camera.
    fn watch_camera(self: &Arc<Self>, index: usize, limiter: &Arc<ConnectLimiter>) -> Result<Watched, AppError> {
        let camera = &self.config.cameras[index];
        let failed = |source| AppError::Ingest { camera: camera.id.to_string(), source };
        let source = CameraSource {
            id: camera.id.clone(),
            rtsp: camera.streams.detect.clone(),
            decoders: Arc::clone(&self.decoders),
            masks: camera.masks(),
            fps: camera.analysis.active,
        };
        let sink = Arc::new(CameraSink { core: Arc::clone(self), camera: index });
        let ingest =
            Ingest::start(source, IngestSettings::default(), sink, Arc::clone(&self.clocks), Arc::clone(limiter))
                .map_err(failed)?;
        ingest.control().set_pace(pace(&camera.analysis, Attention::Idle));
        let evidence = camera.streams.evidence().map(|rtsp| {
            let states = Arc::clone(self);
            let report = move |state| {
                states.update_view(index, |view, mono, now| {
                    if let Some(evidence) = &mut view.evidence {
                        evidence.update(state, mono, now);
                    }
                });
            };
            let (settings, clocks, limiter) =
                (IngestSettings::default(), Arc::clone(&self.clocks), Arc::clone(limiter));
            let source = EvidenceSource { camera: camera.id.clone(), rtsp, masks: camera.masks() };
            EvidenceStream::start(source, settings, report, clocks, limiter).map_err(failed)
        });
        let watched = Watched { detect: ingest, evidence: evidence.transpose()? };
        self.holds.write().unwrap_or_else(PoisonError::into_inner)[index] = Some(watched.hold());
        Ok(watched)
    }

    fn is_watched(&self, camera: usize) -> bool {
        self.holds.read().unwrap_or_else(PoisonError::into_inner)[camera].is_some()
    }

    fn commander(&self, link: &Arc<Link>) -> Commander {
        Commander::new(CommanderParts {
            allowed: self.config.hub.commands.allow.iter().copied().collect(),
            keys: Keys::new(self.config.hub.commands.keys.clone()),
            topics: self.topics.clone(),
            prefix: self.config.hub.prefix.clone(),
            time_zone: self.time_zone.clone(),
            store: self.store.clone(),
            link: Arc::clone(link),
            clocks: Arc::clone(&self.clocks),
        })
    }

    /// Answers the request that has this ticket.
    fn finish(&self, ticket: &str, outcome: &Outcome) {
        if let (Some(commander), Ok(request)) = (self.commander.get(), RequestId::try_from(ticket.to_owned())) {
            commander.finish(&request, outcome);
        }
    }

    /// Loads the model, trying again until it is there, then runs the analysis until the agent stops.
    fn prepare_and_run(self: &Arc<Self>, link: &Arc<Link>, evidence: EvidenceDir) {
        let Some(mut prepared) = self.prepare() else { return };
        let model = status::model_identity(prepared.manifest(), prepared.provider());
        self.say_birth(
            link,
            vec![status::birth_model(prepared.manifest(), prepared.provider(), prepared.arrangement())],
        );
        let (findings, found) = sync_channel(recorder::MAX_WAITING);
        let recorder = Recorder::new(RecorderParts {
            config: Arc::clone(&self.config),
            config_sha256: self.config_sha256.clone(),
            time_zone: self.time_zone.clone(),
            model,
            evidence,
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
    fn analyse(
        self: &Arc<Self>,
        prepared: Prepared,
        detectors: Vec<crate::detect::Detector>,
        findings: SyncSender<Record>,
        mut recorder: Recorder,
        found: Receiver<Record>,
        link: &Arc<Link>,
    ) -> Vec<JoinHandle<()>> {
        let desk = Arc::new(Desk { core: Arc::clone(self), link: Arc::downgrade(link) });
        let (mailboxes, latencies) = (Arc::clone(&self.mailboxes), Arc::clone(&self.latencies));
        let clocks = Arc::clone(&self.clocks);
        let analysis = Arc::new(Analysis::new(prepared, mailboxes, desk, findings.clone(), latencies, clocks));
        for (index, camera) in self.config.cameras.iter().enumerate() {
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
        // The first preparation is the only one: nobody else sets it.
        let _ = self.analysis.set(analysis);
        threads
            .into_iter()
            .filter_map(|thread| thread.inspect_err(|error| tracing::error!("{}", chain(error))).ok())
            .collect()
    }

    /// Tries to load the model until it succeeds; none if the agent stops first.
    fn prepare(&self) -> Option<Prepared> {
        let mut attempt = 0u64;
        while !self.is_stopping() {
            match Prepared::try_new(&self.config, &*self.clocks) {
                Ok(prepared) => {
                    *self.not_prepared.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    self.say_prepared(&prepared);
                    return Some(prepared);
                }
                Err(error) => self.say_not_prepared(&error, attempt),
            }
            attempt += 1;
            self.wait_for_stop(PREPARE_EVERY);
        }
        None
    }

    fn say_prepared(&self, prepared: &Prepared) {
        let Arrangement { runners, threads } = prepared.arrangement();
        let (model, provider) = (&prepared.manifest().name, prepared.provider());
        tracing::info!(model, provider = %provider.provider, nodes = ?provider.nodes, runners, threads, "the model is loaded; analysis begins");
        let alarm = provider.alarm();
        if let Some(alarm) = &alarm {
            tracing::warn!(model, "{alarm}");
        }
        *self.model_alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    /// Waits for so long, or until the agent stops; says whether it does.
    fn wait_for_stop(&self, limit: Duration) -> bool {
        let guard = self.stopping.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.stopping.1.wait_timeout_while(guard, limit, |()| !self.is_stopping()));
        self.is_stopping()
    }

    fn say_not_prepared(&self, error: &PrepareError, attempt: u64) {
        let reason = chain(error);
        // Once aloud, then every ten minutes.
        if attempt.is_multiple_of(60) {
            tracing::error!("nothing is analysed: {reason}; trying again every {} s", PREPARE_EVERY.as_secs());
        }
        *self.not_prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Tells what was open when the agent last stopped: its camera or the model may be absent for long.
    fn say_open_from_store(&self, link: &Link) {
        for (index, camera) in self.config.cameras.iter().enumerate() {
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

    /// Tells what is open for a rule.
    fn say_open(&self, link: &Link, camera: &Name, rule: &Name, incidents: Vec<uuid::Uuid>) {
        // Told under the lock, so that what is told last is the latest.
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let (topic, payload) = active.set_open(camera, rule, incidents);
        link.state(topic, payload);
    }

    /// Marks what is open at a camera that gives no pictures.
    fn say_stale(&self, link: &Link, camera: &Name, view: &CameraView) {
        let since = view.detect.away_for(active::STALE_AFTER, self.clocks.mono());
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, payload) in active.set_stale(camera, since) {
            link.state(topic, payload);
        }
    }

    fn update_view(&self, camera: usize, change: impl FnOnce(&mut CameraView, Mono, jiff::Timestamp)) {
        let (mono, now) = (self.clocks.mono(), self.clocks.wall());
        change(&mut self.views.lock().unwrap_or_else(PoisonError::into_inner)[camera], mono, now);
        self.changed.notify_one();
    }

    /// Begins to serve metrics, if that is wanted.
    fn serve(&self) -> Result<Option<Web>, AppError> {
        let web = &self.config.web;
        let start = || Web::start(web.listen, Arc::clone(&self.board), Arc::clone(&self.clocks));
        let failed = |source| AppError::Thread { name: "web".to_owned(), source };
        web.enabled.then(start).transpose().map_err(failed)
    }

    fn say_birth(&self, link: &Link, models: Vec<contract::BirthModel>) {
        let birth = status::birth(&self.config, &self.config_sha256, self.started_at, models, self.decoders.choices());
        link.state(self.topics.birth(), contract::to_json(&birth));
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

fn named_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, AppError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map_err(|source| AppError::Thread { name: name.to_owned(), source })
}

/// An error and its sources, as one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
