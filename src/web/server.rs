//! The server behind the pages: HTTP/1.1 on a thread of its own, with a bound on whatever a client can hold.
//!
//! [`MAX_CONNECTIONS`] at once; more wait in the system's queue until one ends. A client has [`HEAD_LIMIT`] for the head of a request, which is also how long a
//! connection may idle, and a connection ends after [`LONGEST`], its last request included within [`LAST_REQUEST`]. What a request may take is its handler's
//! affair.

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

/// Time between two attempts to listen at an address that another program holds, and to take a connection where files are short.
const LISTEN_EVERY: Duration = Duration::from_secs(10);
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Ten people at a console, whose browsers open six each, and a monitor.
const MAX_CONNECTIONS: usize = 64;
const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// Longest head of a request, and what is read ahead of a body.
const MAX_HEAD_BYTES: usize = 32 << 10;
const LONGEST: Duration = Duration::from_mins(10);
const LAST_REQUEST: Duration = Duration::from_mins(1);
/// Threads for what waits for a disk or a lock.
const WORK_THREADS: usize = 3;

/// The server on its thread; stops when dropped.
#[derive(Debug)]
pub struct Web {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves the pages at `listen`. An address that cannot be had is reported and tried again.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(listen: SocketAddr, pages: Router) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_io().enable_time().max_blocking_threads(WORK_THREADS).thread_name("web-work");
        let runtime = runtime.build()?;
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listen, pages) => {}
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

async fn serve(listen: SocketAddr, pages: Router) {
    let mut is_told = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return accept(listener, listen, &pages).await,
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

async fn accept(listener: TcpListener, listen: SocketAddr, pages: &Router) {
    let at = listener.local_addr().unwrap_or(listen);
    tracing::info!("console and metrics are served at http://{at}/console/ and http://{at}/metrics");
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let pages = pages.clone().layer(Extension(ConnectInfo(peer)));
                tokio::spawn(async move {
                    converse(stream, pages).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a web connection is not taken");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

/// Answers the requests of a connection. That a client goes away, or is too slow, is no news.
async fn converse(stream: TcpStream, pages: Router) {
    // Answers are small and awaited.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages)));
    tokio::select! {
        _ = &mut connection => return,
        () = tokio::time::sleep(LONGEST) => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(LAST_REQUEST, connection).await;
}
