//! What the agent shows over HTTP: `/metrics` for Prometheus, `/live` and `/ready`.
//!
//! In: a [`Board`], on which the agent leaves what it last said of itself. A request reads it and nothing else: it waits for no camera, no
//! detector and no disk. One thread of its own; loopback by default.

mod board;
mod metrics;

pub use board::{Board, CameraFacts, Facts, OpenIncidents};

use crate::clock::Clocks;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Time between two attempts to listen at an address that another program holds.
const LISTEN_EVERY: Duration = Duration::from_secs(10);
/// Age of the last facts from which the agent no longer counts as alive: they are renewed every ten seconds.
const ALIVE_WITHIN: Duration = Duration::from_secs(45);

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    board: Arc<Board>,
    clocks: Arc<dyn Clocks>,
}

/// The server on its thread; stops when dropped.
#[derive(Debug)]
pub struct Web {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves what is on the board at `listen`. An address that cannot be had is reported and tried again.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(listen: SocketAddr, board: Arc<Board>, clocks: Arc<dyn Clocks>) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let routes = routes(Shared { board, clocks });
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listen, routes) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("web".to_owned()).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // It has ended already if nobody listens.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the web server panicked");
        }
    }
}

async fn serve(listen: SocketAddr, routes: Router) {
    let mut is_told = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                let at = listener.local_addr().unwrap_or(listen);
                tracing::info!("metrics are served at http://{at}/metrics");
                if let Err(error) = axum::serve(listener, routes.clone()).await {
                    tracing::error!(%listen, error = &error as &dyn std::error::Error, "the web server failed");
                }
            }
            Err(error) if !is_told => {
                is_told = true;
                let error = &error as &dyn std::error::Error;
                tracing::error!(%listen, error, "cannot listen for web requests: is `web.listen` another program's? Tried again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(LISTEN_EVERY).await;
    }
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(shared)
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
