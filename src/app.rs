//! The agent: the one place that names the concrete types and ties them together.
//!
//! Threads: `main` (signals, status every [`STATUS_EVERY`]), `ingest-<camera>` each, `prepare` (loads the model, then answers what no frame
//! answers), `runner-<n>` per core, `recorder`, `clips` (if there are any), `mqtt`, `webhook`, `storage`, `commands`, `web`, `web-work` (three). Queues between them: a mailbox per camera (latest wins), findings (bounded;
//! runners wait), the outbox (on disk). Nothing waits for the broker, and no camera waits for another.

mod analysing;
mod console;
mod couriers;
mod desk;
mod opening;
mod orders;
mod reload;
mod roster;
mod telling;
mod watching;

pub use reload::{Load, Reloading, WriteZones};

use crate::active::ActiveBoard;
use crate::analysis::Analysis;
use crate::audit::AuditLog;
use crate::clock::{Clocks, Mono};
use crate::command::{self, Commander, CommanderParts, Keys, Outcome};
use crate::config::{CameraConfig, Loaded};
use crate::console::{History, Tiles};
use crate::contract::{BirthModel, RequestId, Topics, WallTime};
use crate::courier::Courier;
use crate::evidence::{Custody, CustodyCounts, CustodyError, Keyring};
use crate::frame::Frame;
use crate::health::{Drops, HostSampler, Latencies};
use crate::incident::Memory;
use crate::ingest::{ConnectLimiter, Decoders, Failure};
use crate::logging::chain;
use crate::mailbox::Mailboxes;
use crate::mqtt::{Farewell, Link, MqttSettings};
use crate::quality::Counts;
use crate::service::{self, Progress};
use crate::status::CameraView;
use crate::store::{SharedStore, StoreError};
use crate::web::{Board, Web};
use jiff::tz::TimeZone;
use opening::Opened;
use orders::{Orders, Wish};
use reload::{AskedBy, FileWatch, Standing};
use roster::Roster;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use telling::AnalysedRates;
use tokio::signal::unix::Signal;
use watching::{Hold, Watched};

/// Interval of the health message and of refreshed camera status.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// Time between two looks whether the files of the configuration have changed.
const WATCH_FILES_EVERY: Duration = Duration::from_secs(2);
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
    #[error("failed to make the data folder {path} (agent.data_dir)")]
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
    /// The folders of the pictures or of the audit log cannot be opened.
    #[error(transparent)]
    Custody(#[from] CustodyError),
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
    /// It must begin anew, with the configuration as it is now.
    Reload,
}

/// A running agent.
pub struct Agent {
    core: Arc<Core>,
    link: Arc<Link>,
    watched: Vec<Option<Watched>>,
    limiter: Arc<ConnectLimiter>,
    wishes: tokio::sync::mpsc::Receiver<Wish>,
    reloading: Arc<Reloading>,
    files: FileWatch,
    commands: JoinHandle<()>,
    prepare: JoinHandle<()>,
    /// Serves until it is dropped.
    web: Option<Web>,
    sampler: HostSampler,
    /// Frames analysed per camera and second, over the last whole interval.
    analysed: AnalysedRates,
    progress: Progress,
}

/// What the agent's threads share.
struct Core {
    roster: RwLock<Arc<Roster>>,
    /// How the configuration stands.
    standing: Mutex<Standing>,
    /// The models in use, as `birth` names them; none while they are loaded.
    models: Mutex<Vec<BirthModel>>,
    time_zone: TimeZone,
    topics: Topics,
    started_at: WallTime,
    started: Mono,
    clocks: Arc<dyn Clocks>,
    store: SharedStore,
    /// Posts events to a platform, if there is one.
    webhook: Option<Arc<Courier>>,
    /// Puts pictures into a storage, if they go there.
    storage: Option<Courier>,
    /// What was done, and by whom.
    audit: Arc<AuditLog>,
    /// What was deleted.
    custody_counts: Arc<CustodyCounts>,
    /// The keys of the pictures.
    keys: Keyring,
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
    /// How that was over the last hour.
    history: Arc<History>,
    /// Live pictures for who looks at the console.
    tiles: Arc<Tiles>,
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

impl Agent {
    /// Opens the store, reaches for the broker and the cameras, and begins to load the model. Returns at once.
    pub fn start(loaded: Loaded, clocks: &Arc<dyn Clocks>, reloading: Reloading) -> Result<Self, AppError> {
        let Opened { store, time_zone, orphaned, memories, switched_off } = opening::open(&loaded, clocks.as_ref())?;
        let config = loaded.config;
        let data_dir = config.agent.data_dir.clone();
        let custody = Custody::open(&config, store.clone(), Arc::clone(clocks))?;
        custody.audit().note_start(&loaded.digest_sha256, clocks.wall());
        let keys = custody.dir().keys().clone();
        let settings =
            MqttSettings { keys: keys.clone(), ..MqttSettings::new(&config.agent, &config.hub, time_zone.clone()) };
        let webhook = couriers::webhook(&config, custody.dir(), &store, clocks)?;
        gstreamer::init().map_err(|error| AppError::GStreamer(error.to_string()))?;
        let (inbox, asked) = sync_channel(command::MAX_WAITING);
        let link = Link::start(settings, store.clone(), Arc::clone(clocks), Some(inbox))
            .map_err(|source| AppError::Thread { name: "mqtt".to_owned(), source })?;
        let link = Arc::new(link);
        let storage = couriers::storage(&config, &keys, &link, webhook.as_ref(), &store, clocks)?;
        let awaited =
            |camera: &CameraConfig| watching::awaited(camera, watching::is_on(camera, &switched_off), clocks.wall());
        let topics = Topics::new(&config.hub.prefix, &config.agent.site, &config.agent.id);
        let core = Arc::new(Core {
            active: Mutex::new(ActiveBoard::new(topics.clone(), time_zone.clone())),
            decoders: Decoders::of_this_box(),
            board: Arc::default(),
            history: Arc::default(),
            tiles: Arc::default(),
            topics,
            started_at: WallTime::new(clocks.wall(), &time_zone),
            started: clocks.mono(),
            mailboxes: Arc::new(Mailboxes::new(config.cameras.len())),
            views: Mutex::new(config.cameras.iter().map(awaited).collect()),
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
            roster: RwLock::new(Arc::new(Roster::new(config.clone(), loaded.digest_sha256))),
            standing: Mutex::new(Standing::since(WallTime::new(clocks.wall(), &time_zone))),
            models: Mutex::default(),
            clocks: Arc::clone(clocks),
            store,
            memories,
            webhook,
            storage,
            audit: Arc::clone(custody.audit()),
            custody_counts: Arc::clone(custody.counts()),
            keys,
            time_zone,
        });
        core.say_birth(&link);
        core.say_open_from_store(&link);
        for (camera, rule) in &orphaned {
            core.say_open(&link, camera, rule, Vec::new());
        }
        core.say_set_aside(&link, &loaded.set_aside);
        let limiter = ConnectLimiter::new(CONNECTS_PER_HOST);
        let watch = |(index, camera): (usize, &CameraConfig)| {
            watching::is_on(camera, &switched_off).then(|| core.watch_camera(index, &limiter)).transpose()
        };
        let watched = config.cameras.iter().enumerate().map(watch).collect::<Result<_, _>>()?;
        let commander = Arc::new(core.commander(&link));
        // Nobody else sets it.
        let _ = core.commander.set(Arc::clone(&commander));
        let (reloading, files) = (Arc::new(reloading), FileWatch::new(loaded.files));
        let (wish, wishes) = tokio::sync::mpsc::channel(orders::MAX_WISHES);
        let orders = Arc::new(Orders { core: Arc::clone(&core), wishes: wish, reloading: Arc::clone(&reloading) });
        let commands = {
            let orders = Arc::clone(&orders);
            named_thread("commands", move || commander.run(&asked, &*orders, &|| orders.core.is_stopping()))?
        };
        let prepare = {
            let (core, link) = (Arc::clone(&core), Arc::clone(&link));
            named_thread("prepare", move || core.prepare_and_run(&link, custody))?
        };
        let analysed = AnalysedRates::new(clocks.mono(), config.cameras.len());
        let sampler = HostSampler::new(data_dir, clocks.mono());
        let web = core.serve(&link, &orders);
        let web = web.map_err(|source| AppError::Thread { name: "web".to_owned(), source })?;
        let progress = Progress::new(clocks.mono());
        Ok(Self {
            core,
            link,
            watched,
            limiter,
            wishes,
            reloading,
            files,
            commands,
            prepare,
            web,
            sampler,
            analysed,
            progress,
        })
    }

    /// Publishes status until `stop` completes, or the agent must begin anew; then stops in order. At each `hangup`, and whenever its files change, the
    /// configuration is read again.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>, mut hangup: Signal) -> Ended {
        let mut stop = std::pin::pin!(stop);
        let mut tick = tokio::time::interval(STATUS_EVERY);
        let mut look = tokio::time::interval(WATCH_FILES_EVERY);
        let changed = Arc::clone(&self.core.changed);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ended::Stopped,
                Some(wish) = self.wishes.recv() => match wish {
                    // Whoever asked may have given up.
                    Wish::Switch { camera, is_on, done } => drop(done.send(self.switch_camera(camera, is_on))),
                    Wish::Reload => if let Some(ended) = self.reload(AskedBy::Hub) { break ended },
                },
                Some(()) = hangup.recv() => if let Some(ended) = self.reload(AskedBy::Signal) { break ended },
                _ = look.tick() => if self.files.has_settled() && let Some(ended) = self.reload(AskedBy::File) { break ended },
                () = changed.notified() => self.say_cameras(),
                _ = tick.tick() => {
                    self.say_cameras();
                    self.say_health();
                    self.tell_service();
                }
            }
        };
        if ended == Ended::Stopped {
            service::say_stopping();
        }
        self.stop();
        ended
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
        // Nobody is answered any more: what people asked for is done, or refused since the agent stops.
        drop(self.web.take());
        for watched in self.watched.iter().flatten() {
            watched.request_stop();
        }
        let deadline = Mono(self.core.clocks.mono().0 + INGEST_STOP_LIMIT);
        let roster = self.core.roster();
        for (index, watched) in self.watched.drain(..).enumerate() {
            let Some(watched) = watched else { continue };
            if let Err(error) = watched.stop(|| deadline.since(self.core.clocks.mono())) {
                tracing::warn!(camera = %roster.camera(index).id, "{error}");
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
}

impl Core {
    fn commander(&self, link: &Arc<Link>) -> Commander {
        let config = self.config();
        Commander::new(CommanderParts {
            allowed: config.hub.commands.allow.iter().copied().collect(),
            keys: Keys::new(config.hub.commands.keys.clone()),
            topics: self.topics.clone(),
            prefix: config.hub.prefix.clone(),
            time_zone: self.time_zone.clone(),
            store: self.store.clone(),
            link: Arc::clone(link),
            clocks: Arc::clone(&self.clocks),
            audit: Arc::clone(&self.audit),
        })
    }

    /// Answers the request that has this ticket.
    fn finish(&self, ticket: &str, outcome: &Outcome) {
        if let (Some(commander), Ok(request)) = (self.commander.get(), RequestId::try_from(ticket.to_owned())) {
            commander.finish(&request, outcome);
        }
    }

    /// Waits for so long, or until the agent stops; says whether it does.
    fn wait_for_stop(&self, limit: Duration) -> bool {
        let guard = self.stopping.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.stopping.1.wait_timeout_while(guard, limit, |()| !self.is_stopping()));
        self.is_stopping()
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

fn named_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, AppError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map_err(|source| AppError::Thread { name: name.to_owned(), source })
}
