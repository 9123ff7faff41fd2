//! How the agent and its cameras are.

use super::Console;
use super::answer::Json;
use crate::analysis::Attention;
use crate::contract::{Health, WallTime};
use crate::picture::PictureState;
use crate::web::Facts;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct Overview {
    agent: Agent,
    now: WallTime,
    hub: Hub,
    model: Model,
    /// What a person must see to, in sentences.
    alarms: Vec<String>,
    cameras: Vec<Camera>,
}

#[derive(Serialize)]
struct Agent {
    id: String,
    site: String,
    version: &'static str,
    started_at: WallTime,
    time_zone: String,
}

#[derive(Serialize)]
struct Hub {
    is_connected: bool,
    backlog: u64,
    oldest: Option<WallTime>,
}

#[derive(Serialize)]
struct Model {
    is_loaded: bool,
    name: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Camera {
    id: String,
    name: Option<String>,
    enabled: bool,
    state: &'static str,
    reason: Option<String>,
    picture: Option<PictureState>,
    attention: Option<&'static str>,
    fps_in: Option<f64>,
    analysed_per_sec: Option<f64>,
    size: Option<[u32; 2]>,
    open: usize,
}

pub(super) async fn show(State(console): State<Arc<Console>>) -> Json<Overview> {
    Json(console.overview())
}

impl Console {
    fn overview(&self) -> Overview {
        let config = self.backend.config();
        let analysis = self.backend.analysis();
        let open = self.backend.open();
        let cameras = self.backend.cameras();
        let facts = self.board.read();
        let health = facts.health.as_ref();
        let camera = |index: usize| {
            let camera = config.cameras.get(index)?;
            let told = facts.cameras.iter().find(|facts| facts.status.camera == camera.id);
            let status = told.map(|facts| &facts.status);
            let stream = status.and_then(|status| status.stream.as_ref());
            let attention = analysis.as_ref().filter(|_| stream.is_some()).map(|analysis| analysis.attention(index));
            Some(Camera {
                id: camera.id.to_string(),
                name: camera.name.clone(),
                enabled: camera.enabled,
                state: status.map_or("connecting", |status| status.state.as_str()),
                reason: status.and_then(|status| status.reason.clone()),
                picture: stream.and(told).and_then(|facts| facts.picture),
                attention: attention.map(|attention| match attention {
                    Attention::Idle => "idle",
                    Attention::Active => "active",
                }),
                fps_in: stream.map(|stream| stream.fps_in),
                analysed_per_sec: stream.map(|stream| stream.fps_analysed),
                size: stream.map(|stream| [stream.width, stream.height]),
                open: open.iter().filter(|open| open.camera == camera.id).map(|open| open.count).sum(),
            })
        };
        Overview {
            agent: Agent {
                id: config.agent.id.to_string(),
                site: config.agent.site.to_string(),
                version: env!("CARGO_PKG_VERSION"),
                started_at: self.started_at,
                time_zone: config.agent.time_zone.clone(),
            },
            now: self.written(self.clocks.wall()),
            hub: Hub {
                is_connected: self.backend.is_connected(),
                backlog: health.map_or(0, |health| health.outbox.backlog),
                oldest: health.and_then(|health| health.outbox.oldest),
            },
            model: Model {
                is_loaded: health.is_some_and(|health| health.model.is_loaded),
                name: self.backend.model(),
                reason: health.and_then(|health| health.model.reason.clone()),
            },
            alarms: alarms(&facts),
            cameras: cameras.into_iter().filter_map(camera).collect(),
        }
    }
}

/// What a person must see to, in sentences.
fn alarms(facts: &Facts) -> Vec<String> {
    let mut alarms = facts.health.as_ref().map(alarms_of).unwrap_or_default();
    for camera in &facts.cameras {
        if camera.status.stream.as_ref().is_some_and(|stream| stream.clock_alarm.is_some()) {
            alarms.push(format!("camera {}: its clock is off or drifts", camera.status.camera));
        }
    }
    alarms
}

fn alarms_of(health: &Health) -> Vec<String> {
    let mut alarms = Vec::new();
    let mut say = |what: &str, why: Option<&str>| alarms.extend(why.map(|why| format!("{what}: {why}")));
    say("model", health.model.alarm.as_deref());
    for alarm in &health.outbox.alarms {
        say(&format!("hub ({})", alarm.alarm.as_str()), Some(&alarm.detail));
    }
    say("the database was damaged and set aside", health.outbox.database_set_aside.as_deref());
    say("events are kept back", health.outbox.withheld.as_ref().map(|withheld| withheld.reason.as_str()));
    let adapters = [("webhook", &health.webhook), ("storage", &health.storage)];
    for (what, http) in adapters {
        say(what, http.as_ref().and_then(|http| http.trouble.as_ref()).map(|trouble| trouble.detail.as_str()));
    }
    say("pictures", health.evidence.as_ref().and_then(|evidence| evidence.alarm.as_deref()));
    say("audit log", health.audit.as_ref().and_then(|audit| audit.alarm.as_deref()));
    if let Some(configuration) = &health.configuration {
        say("the configuration is not taken over", configuration.refused.as_deref());
        let keys = configuration.needs_restart.join(", ");
        say("a restart is needed for what has changed", (!keys.is_empty()).then_some(keys.as_str()));
    }
    alarms
}
