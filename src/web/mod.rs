//! What the agent shows over HTTP: `/metrics` for Prometheus, `/live` and `/ready`; and the server, which serves the [console](crate::console) too.
//!
//! In: a [`Board`], on which the agent leaves what it last said of itself. A request for one of the three reads it and nothing else: it waits for no
//! camera, no detector and no disk. One thread of its own; loopback by default.

mod board;
mod metrics;
mod server;

pub use board::{Board, CameraFacts, Facts, OpenIncidents};
pub use server::Web;

use crate::clock::Clocks;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;

/// Age of the last facts from which the agent no longer counts as alive: they are renewed every ten seconds.
const ALIVE_WITHIN: Duration = Duration::from_secs(45);

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    board: Arc<Board>,
    clocks: Arc<dyn Clocks>,
}

/// `/metrics`, `/live` and `/ready`, of what is on the board.
pub fn routes(board: Arc<Board>, clocks: Arc<dyn Clocks>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(Shared { board, clocks })
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match metrics::render(&shared.board.read()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Whether the agent goes round its main loop.
async fn live(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    let age = shared.board.read().told_at.map(|at| shared.clocks.mono().since(at));
    match age {
        Some(age) if age <= ALIVE_WITHIN => (StatusCode::OK, "alive\n"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "the agent has said nothing of itself for a while\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}

/// Whether frames are analysed, should any come.
async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    let facts = shared.board.read();
    match facts.health.as_ref().map(|health| &health.model) {
        Some(model) if model.is_loaded => (StatusCode::OK, "ready\n".to_owned()),
        Some(model) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", model.reason.as_deref().unwrap_or("no model")))
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned()),
    }
}

#[cfg(test)]
mod tests;
