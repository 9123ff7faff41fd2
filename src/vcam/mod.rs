//! The virtual camera: a real RTSP server that plays files as live streams.
//!
//! In: MP4, MKV or TS files with H.264 or H.265 video. Out: one mount per file, sent as it is coded, over TCP or UDP (RFC 2326),
//! with RTCP sender reports that carry this box's wall clock (RFC 3550, 6.4.1). Each file is a [timeline] that runs from its
//! first viewer on and does not wait for viewers: who comes back sees what is on now, as with a camera.
//!
//! A server has its own thread (`vcam`) and GLib context, so that several live in one process. A file is held in memory, at most
//! [`MAX_FILE_BYTES`]. For demonstrations and tests: must never be part of a production build.

use gstreamer::prelude::*;
use gstreamer_rtsp::{RTSPAuthMethod, RTSPLowerTrans};
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPAuth, RTSPFilterResult, RTSPMediaFactory, RTSPServer, RTSPSuspendMode, RTSPToken};
use secrecy::{ExposeSecret as _, SecretString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use crate::clock::{Clocks, SystemClocks};
use crate::ids::Name;

mod timeline;
mod units;

pub use timeline::Play;
pub use units::{MAX_FILE_BYTES, UnitsError};

use timeline::{Next, Timeline};
use units::{Coding, Units};

/// The role that may play every mount.
const ROLE: &str = "viewer";

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path of its URL.
    pub name: Name,
    /// What it plays.
    pub file: PathBuf,
}

impl Mount {
    /// A mount named after the file.
    pub fn for_file(file: &Path) -> Result<Self, VcamError> {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = Name::try_new(stem).map_err(|_| VcamError::Name(file.to_owned()))?;
        Ok(Self { name, file: file.to_owned() })
    }
}

/// How the media may travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Transports {
    /// As the viewer asks.
    #[default]
    Any,
    /// Only interleaved in the RTSP connection.
    Tcp,
    /// Only over UDP.
    Udp,
}

/// How viewers prove who they are (RFC 2617).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Authentication {
    /// By a digest of the password, as nearly every camera asks.
    #[default]
    Digest,
    /// By the password itself.
    Basic,
}

/// Who may watch.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// How viewers prove who they are.
    pub authentication: Authentication,
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

/// What a server plays, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// The streams, each under another name.
    pub mounts: Vec<Mount>,
    /// Who may watch; everybody if absent.
    pub credentials: Option<Credentials>,
    /// How the media may travel.
    pub transports: Transports,
    /// What follows the end of a file.
    pub play: Play,
}

impl Options {
    /// Loops the mounts on a free loopback port, for everybody.
    #[must_use]
    pub fn looping(mounts: Vec<Mount>) -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            mounts,
            credentials: None,
            transports: Transports::Any,
            play: Play::Loop,
        }
    }
}

/// Why a camera does not play.
#[derive(Debug, thiserror::Error)]
pub enum VcamError {
    /// GStreamer cannot be started.
    #[error("GStreamer cannot be started: {0}")]
    GStreamer(gstreamer::glib::Error),
    /// A file whose name is no name of a mount.
    #[error("{0} has a name that cannot be a path of a URL; give one as NAME=FILE, 1 to 64 of a-z, 0-9, '_' and '-'")]
    Name(PathBuf),
    /// Two mounts of one name.
    #[error("two files are called {0}; give one of them another name as NAME=FILE")]
    Twice(Name),
    /// A file that cannot be played.
    #[error(transparent)]
    Units(#[from] UnitsError),
    /// Nothing can listen there.
    #[error("{address} cannot be listened on: {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The thread cannot be started.
    #[error("the server's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// A running server. Stops when dropped.
pub struct VirtualCamera {
    address: SocketAddr,
    mounts: Vec<(Name, Arc<Timeline>)>,
    server: RTSPServer,
    context: gstreamer::glib::MainContext,
    main_loop: gstreamer::glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl VirtualCamera {
    /// Reads the files and listens.
    pub fn start(options: Options) -> Result<Self, VcamError> {
        gstreamer::init().map_err(VcamError::GStreamer)?;
        let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
        let server = RTSPServer::new();
        server.set_address(&options.bind.to_string());
        server.set_service(&options.port.to_string());
        if let Some(credentials) = &options.credentials {
            server.set_auth(Some(&authentication(credentials)));
        }
        let points = server.mount_points().expect("a new server has mount points");
        let mut mounts: Vec<(Name, Arc<Timeline>)> = Vec::new();
        for mount in &options.mounts {
            if mounts.iter().any(|(name, _)| *name == mount.name) {
                return Err(VcamError::Twice(mount.name.clone()));
            }
            let units = Units::load(&mount.file)?;
            let timeline = Arc::new(Timeline::new(units, options.play, Arc::clone(&clocks)));
            points.add_factory(&format!("/{}", mount.name), factory(&timeline, options.transports));
            mounts.push((mount.name.clone(), timeline));
        }
        Self::listen(&options, server, mounts)
    }

    /// Attaches the server to a thread of its own.
    fn listen(options: &Options, server: RTSPServer, mounts: Vec<(Name, Arc<Timeline>)>) -> Result<Self, VcamError> {
        let context = gstreamer::glib::MainContext::new();
        let main_loop = gstreamer::glib::MainLoop::new(Some(&context), false);
        let wanted = SocketAddr::new(options.bind, options.port);
        let source = server
            .attach(Some(&context))
            .map_err(|error| VcamError::Listen { address: wanted, reason: error.to_string() })?;
        // The source lives as long as the context, which goes with this camera.
        let _ = source;
        let port = u16::try_from(server.bound_port()).unwrap_or(options.port);
        let thread = {
            let (context, main_loop) = (context.clone(), main_loop.clone());
            let run = move || {
                context.with_thread_default(|| main_loop.run()).expect("no other thread runs this context");
            };
            std::thread::Builder::new().name("vcam".to_owned()).spawn(run).map_err(VcamError::Thread)?
        };
        let address = SocketAddr::new(options.bind, port);
        Ok(Self { address, mounts, server, context, main_loop, thread: Some(thread) })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Names of the streams.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.mounts.iter().map(|(name, _)| name)
    }

    /// The URL of a stream, without user and password; the loopback address where the server listens on all.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let mut reachable = self.address;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(match reachable.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("rtsp://{reachable}/{name}")
    }

    /// When the first frame of the stream's file was first sent; `None` before its first viewer, or if there is no such stream.
    #[must_use]
    pub fn timeline_began(&self, name: &str) -> Option<jiff::Timestamp> {
        self.mounts.iter().find(|(mount, _)| mount.as_str() == name)?.1.began()
    }

    /// Disconnects the viewers and stops listening.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let (server, main_loop) = (self.server.clone(), self.main_loop.clone());
        let (done, is_done) = mpsc::sync_channel(1);
        self.context.invoke(move || {
            server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
            if let Some(sessions) = server.session_pool() {
                sessions.filter(Some(&mut |_, _| RTSPFilterResult::Remove));
            }
            main_loop.quit();
            // Nobody waits any more if the thread has ended before.
            let _ = done.try_send(());
        });
        let _ = is_done.recv();
        if thread.join().is_err() {
            tracing::error!("the virtual camera's thread panicked");
        }
    }
}

impl Drop for VirtualCamera {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl std::fmt::Debug for VirtualCamera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualCamera").field("address", &self.address).finish_non_exhaustive()
    }
}

fn authentication(credentials: &Credentials) -> RTSPAuth {
    let auth = RTSPAuth::new();
    let password = credentials.password.expose_secret();
    let token = RTSPToken::builder().field("media.factory.role", ROLE).build();
    match credentials.authentication {
        Authentication::Digest => {
            auth.set_supported_methods(RTSPAuthMethod::Digest);
            auth.add_digest(&credentials.user, password, &token);
        }
        Authentication::Basic => {
            auth.set_supported_methods(RTSPAuthMethod::Basic);
            auth.add_basic(&RTSPAuth::make_basic(&credentials.user, password), &token);
        }
    }
    auth
}

/// Makes the media of one mount: one for all viewers at a time, fed from the mount's timeline.
fn factory(timeline: &Arc<Timeline>, transports: Transports) -> RTSPMediaFactory {
    let payloader = match timeline.units().coding() {
        Coding::H264 => "rtph264pay",
        Coding::H265 => "rtph265pay",
    };
    let factory = RTSPMediaFactory::new();
    // `identity sync=true` paces: the source is asked for the next unit only once the last one's time has come.
    factory.set_launch(&format!(
        "( appsrc name=units is-live=true format=time do-timestamp=false max-buffers=1 max-bytes=0 ! \
         identity sync=true ! {payloader} name=pay0 pt=96 config-interval=-1 )"
    ));
    factory.set_shared(true);
    factory.set_suspend_mode(RTSPSuspendMode::None);
    factory.set_protocols(match transports {
        Transports::Any => RTSPLowerTrans::TCP | RTSPLowerTrans::UDP,
        Transports::Tcp => RTSPLowerTrans::TCP,
        Transports::Udp => RTSPLowerTrans::UDP,
    });
    let role = gstreamer::Structure::builder(ROLE)
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build();
    factory.add_role_from_structure(&role);
    let timeline = Arc::clone(timeline);
    factory.connect_media_configure(move |_, media| {
        let source = media
            .element()
            .downcast::<gstreamer::Bin>()
            .ok()
            .and_then(|bin| bin.by_name("units"))
            .and_then(|source| source.downcast::<gstreamer_app::AppSrc>().ok())
            .expect("the launch line names an appsrc");
        feed(&source, &timeline);
    });
    factory
}

/// Lets the source ask the timeline for one unit at a time, on the source's own thread.
fn feed(source: &gstreamer_app::AppSrc, timeline: &Arc<Timeline>) {
    source.set_caps(Some(timeline.units().caps()));
    let timeline = Arc::clone(timeline);
    let cursor = Mutex::new(None);
    let callbacks = gstreamer_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        let mut cursor = cursor.lock().expect("no holder of this lock panics");
        let next = timeline.next(cursor.get_or_insert_with(|| timeline.cursor()));
        // Refused only while the viewers leave, which ends this source.
        let _ = match next {
            Next::Unit(buffer) => source.push_buffer(buffer),
            Next::Over => source.end_of_stream(),
        };
    });
    source.set_callbacks(callbacks.build());
}
