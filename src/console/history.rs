//! How the agent was over the last hour: a few figures every ten seconds.

use super::Console;
use super::answer::Json;
use crate::contract::Health;
use crate::web::Facts;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Time between two samples.
const STEP_SECS: u64 = 10;
/// An hour.
const MAX_SAMPLES: usize = 360;
/// Name and unit of every figure of a sample.
const SERIES: [(&str, &str); 10] = [
    ("inference_ms", "ms"),
    ("inference_p99_ms", "ms"),
    ("gate_ms", "ms"),
    ("cpu", "ratio"),
    ("host_cpu", "ratio"),
    ("memory_bytes", "bytes"),
    ("backlog", "messages"),
    ("dropped_per_sec", "frames/s"),
    ("analysed_per_sec", "frames/s"),
    ("fps_in", "frames/s"),
];

/// One value of each series; none where nothing was measured.
type Sample = [Option<f64>; SERIES.len()];

/// The last hour. Takes a sample whenever the agent has told its health; about 60 KiB.
#[derive(Debug, Default)]
pub struct History(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    samples: VecDeque<(Timestamp, Sample)>,
    /// Frames dropped until the last sample.
    dropped: Option<u64>,
}

impl History {
    /// Takes a sample of what the agent has just said of itself.
    pub fn record(&self, facts: &Facts) {
        let Some(health) = &facts.health else { return };
        let mut past = self.past();
        let dropped = health.queues.iter().filter(|queue| queue.camera.is_some()).map(|queue| queue.dropped).sum();
        let now = health.time.instant();
        let since = past.samples.back().map(|(at, _)| now.duration_since(*at).as_secs_f64()).filter(|secs| *secs > 0.0);
        let before = past.dropped.replace(dropped);
        let dropped_per_sec =
            before.zip(since).map(|(before, secs): (u64, f64)| dropped.saturating_sub(before) as f64 / secs);
        past.samples.push_back((now, sample(facts, health, dropped_per_sec)));
        while past.samples.len() > MAX_SAMPLES {
            past.samples.pop_front();
        }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sample(facts: &Facts, health: &Health, dropped_per_sec: Option<f64>) -> Sample {
    let stage = |name: &str| health.stages.iter().find(|stage| stage.stage == name);
    let streams = || facts.cameras.iter().filter_map(|camera| camera.status.stream.as_ref());
    [
        stage("detect").map(|stage| stage.p50_ms),
        stage("detect").map(|stage| stage.p99_ms),
        stage("gate").map(|stage| stage.p50_ms),
        health.host.process_cpu_share,
        health.host.cpu_share,
        health.host.process_memory_bytes.map(|bytes| bytes as f64),
        Some(health.outbox.backlog as f64),
        dropped_per_sec,
        Some(streams().map(|stream| stream.fps_analysed).sum()),
        Some(streams().map(|stream| stream.fps_in).sum()),
    ]
}

pub(super) async fn show(State(console): State<Arc<Console>>) -> Json<Value> {
    let samples = console.history.past().samples.clone();
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let series = SERIES.iter().enumerate().map(|(index, (name, unit))| {
        let values: Vec<Option<f64>> = samples.iter().map(|(_, sample)| sample[index].map(rounded)).collect();
        json!({"name": name, "unit": unit, "values": values})
    });
    let at: Vec<_> = samples.iter().map(|(at, _)| console.written(*at)).collect();
    Json(json!({"step_secs": STEP_SECS, "at": at, "series": series.collect::<Vec<_>>()}))
}
