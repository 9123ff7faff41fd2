//! The console: a page for people at `/console/`, and what it asks the agent.
//!
//! **In:** requests of browsers. **Out:** the page ([`assets`]), what the agent last said of itself, what its analysis sees, redacted pictures, what its
//! store and audit log hold; and the words of people, carried out the way that the hub's commands are ([`Backend::carry_out`]).
//!
//! Invariants
//! - Whoever is not signed in gets the page's files, and of the agent nothing ([`guard`], [`session`]).
//! - No picture but a [`RedactedJpeg`](crate::evidence::RedactedJpeg) is shown: one of the moment, or one of an incident that the evidence folder has.
//!   Who looks through a camera or at evidence is on record before.
//! - Nothing is done for nobody: no picture is made and no scene is copied unless somebody asked within the last seconds.
//! - A request waits for a disk or a lock on a thread of a pool, never on that of the others; and it holds no lock for longer than it takes to copy what
//!   is shown. No people are told of: neither boxes nor numbers.
//!
//! Bounds: a request has [`MAX_BODY_BYTES`] and is answered within [`REQUEST_LIMIT`]; connections are bounded by [`web`](crate::web).

mod answer;
mod assets;
mod guard;
mod history;
mod incidents;
mod overview;
mod records;
mod scene;
mod session;
mod sign_in;
mod tiles;
mod zones;

pub use history::History;
pub use tiles::Tiles;

use crate::analysis::Analysis;
use crate::audit::{Actor, AuditLog};
use crate::clock::Clocks;
use crate::command::Outcome;
use crate::config::{CameraConfig, Config, EditError, WebConfig, Written};
use crate::contract::{Command, Request, WallTime};
use crate::evidence::EvidenceDir;
use crate::ids::IdSource;
use crate::store::SharedStore;
use crate::web::{Board, OpenIncidents};
use answer::Refusal;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use guard::Hosts;
use jiff::tz::TimeZone;
use records::Records;
use session::Access;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest body of a request: a camera's zones with hundreds of corners.
const MAX_BODY_BYTES: usize = 64 << 10;
/// How long a request may take, its body included.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// What the console asks of the agent around it; cameras by index.
pub trait Backend: Send + Sync + 'static {
    /// The configuration that runs. Its cameras are by index; some of them may be gone.
    fn config(&self) -> Arc<Config>;
    /// The cameras that are there.
    fn cameras(&self) -> Vec<usize>;
    /// The analysis; none while there is no model.
    fn analysis(&self) -> Option<Arc<Analysis>>;
    /// Name of the model in use.
    fn model(&self) -> Option<String>;
    /// Whether the hub is connected.
    fn is_connected(&self) -> bool;
    /// What is open, of every rule that has had something open.
    fn open(&self) -> Vec<OpenIncidents>;
    /// Carries out what somebody asks, as a command of the hub is, and returns when it is known what came of it.
    fn carry_out(&self, by: Actor, command: Command<Request>) -> Outcome;
    /// Writes the zones of a camera, and which of them its rules have, into the configuration, which is then read again.
    fn write_zones(&self, camera: &CameraConfig) -> Result<Written, EditError>;
}

/// What the console works with.
pub struct ConsoleParts {
    /// Where it is served, and who may use it.
    pub web: WebConfig,
    /// The agent around it.
    pub backend: Arc<dyn Backend>,
    /// What the agent last said of itself.
    pub board: Arc<Board>,
    /// How that was over the last hour.
    pub history: Arc<History>,
    /// Live pictures.
    pub tiles: Arc<Tiles>,
    /// The database.
    pub store: SharedStore,
    /// The pictures.
    pub evidence: EvidenceDir,
    /// Where is recorded who did and saw what.
    pub audit: Arc<AuditLog>,
    /// Time.
    pub clocks: Arc<dyn Clocks>,
    /// Zone in which times are written.
    pub time_zone: TimeZone,
    /// When the program started.
    pub started_at: WallTime,
}

/// What the handlers share.
struct Console {
    hosts: Hosts,
    access: Access,
    backend: Arc<dyn Backend>,
    board: Arc<Board>,
    history: Arc<History>,
    tiles: Arc<Tiles>,
    viewings: tiles::Viewings,
    store: SharedStore,
    evidence: EvidenceDir,
    audit: Arc<AuditLog>,
    records: Records,
    clocks: Arc<dyn Clocks>,
    time_zone: TimeZone,
    started_at: WallTime,
    ids: Mutex<IdSource>,
    /// Held while somebody's zones are written.
    applying: Mutex<()>,
}

impl Console {
    /// A camera that is there, by its id.
    fn camera(&self, id: &str) -> Result<(usize, Arc<Config>), Refusal> {
        let config = self.backend.config();
        let is_it = |index: &usize| config.cameras.get(*index).is_some_and(|camera| camera.id.as_str() == id);
        let found = self.backend.cameras().into_iter().find(is_it);
        found.map(|index| (index, config)).ok_or_else(|| Refusal::unknown("camera"))
    }

    /// Names a request.
    fn next_id(&self) -> uuid::Uuid {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(self.clocks.wall())
    }

    fn written(&self, instant: jiff::Timestamp) -> WallTime {
        WallTime::new(instant, &self.time_zone)
    }
}

/// Everything under `/console`.
pub fn routes(parts: ConsoleParts) -> Router {
    let ConsoleParts { web, backend, board, history, tiles, store, evidence, audit, clocks, time_zone, started_at } =
        parts;
    let console = Arc::new(Console {
        hosts: Hosts::new(&web),
        access: Access::new(web.console),
        records: Records::default(),
        viewings: tiles::Viewings::default(),
        backend,
        board,
        history,
        tiles,
        store,
        evidence,
        audit,
        clocks,
        time_zone,
        started_at,
        ids: Mutex::new(IdSource::from_os()),
        applying: Mutex::default(),
    });
    Router::new()
        .route("/console", get(assets::root))
        .route("/console/", get(assets::index))
        .route("/console/{*path}", get(assets::file))
        .route("/console/api/session", get(sign_in::show).post(sign_in::sign_in).delete(sign_in::sign_out))
        .route("/console/api/overview", get(overview::show))
        .route("/console/api/cameras/{camera}/scene", get(scene::show))
        .route("/console/api/cameras/{camera}/picture", get(tiles::show))
        .route("/console/api/cameras/{camera}/zones", post(zones::apply))
        .route("/console/api/cameras/{camera}/zones/preview", post(zones::preview))
        .route("/console/api/incidents", get(incidents::list))
        .route("/console/api/incidents/{incident}/recheck", post(incidents::recheck))
        .route("/console/api/incidents/{incident}/feedback", post(incidents::feedback))
        .route("/console/api/evidence/{picture}", get(incidents::evidence))
        .route("/console/api/history", get(history::show))
        .route("/console/api/audit", get(records::list))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&console), guard::guard))
        .with_state(console)
}
