//! An RTSP server of the test's own: a synthetic picture, encoded live, on a free loopback port.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_rtsp::RTSPLowerTrans;
use gstreamer_rtsp_server as rtsp_server;
use gstreamer_rtsp_server::prelude::*;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server plays, and to whom.
pub struct Options<'a> {
    /// `gst-launch` description of the stream; its payloader is named `pay0`.
    pub launch: &'a str,
    /// TCP port to listen on; 0 for any free one.
    pub port: u16,
    /// User and password that a client must give.
    pub credentials: Option<(&'a str, &'a str)>,
    /// How the media may travel.
    pub transport: RTSPLowerTrans,
}

/// H.264 640x360 at 25 fps, a key frame per second.
pub const H264: &str = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 \
     ! valve name=tap ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 threads=1 ! rtph264pay name=pay0 pt=96 config-interval=-1";

/// H.265 320x240 at 10 fps, a key frame per second.
pub const H265: &str = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 \
     ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 option-string=pools=none:frame-threads=1:log-level=none \
     ! rtph265pay name=pay0 pt=96 config-interval=-1";

/// A running server; it stops, and cuts its clients off, when dropped.
pub struct Server {
    port: u16,
    taps: Arc<Mutex<Vec<gst::Element>>>,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server and waits until it listens.
    pub fn start(options: &Options<'_>) -> Self {
        gst::init().expect("GStreamer starts");
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let server = rtsp_server::RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&options.port.to_string());
        let factory = rtsp_server::RTSPMediaFactory::new();
        factory.set_launch(&format!("( {} )", options.launch));
        factory.set_shared(true);
        factory.set_protocols(options.transport);
        let taps = Arc::<Mutex<Vec<gst::Element>>>::default();
        let configured = Arc::clone(&taps);
        factory.connect_media_configure(move |_, media| {
            let bin = media.element().downcast::<gst::Bin>().expect("a launched media is a bin");
            configured.lock().expect("unpoisoned").extend(bin.by_name("tap"));
        });
        if let Some((user, password)) = options.credentials {
            require_login(&server, &factory, user, password);
        }
        server.mount_points().expect("a new server has mount points").add_factory("/live", factory);

        let (ready, started) = mpsc::sync_channel(1);
        let running = main_loop.clone();
        let thread = std::thread::Builder::new()
            .name("test-rtsp".to_owned())
            .spawn(move || {
                let attached = server.attach(Some(&context));
                let port = u16::try_from(server.bound_port()).ok().filter(|_| attached.is_ok());
                ready.send(port).expect("the test waits for its server");
                running.run();
                server.client_filter(Some(&mut |_, _| rtsp_server::RTSPFilterResult::Remove));
                if let Some(listener) = attached.ok().and_then(|id| context.find_source_by_id(&id)) {
                    listener.destroy();
                }
            })
            .expect("a thread starts");
        let port = started.recv_timeout(Duration::from_secs(10)).expect("the server starts").expect("the port is free");
        Self { port, taps, main_loop, thread: Some(thread) }
    }

    /// Where the stream is.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// Holds all pictures back, or lets them go again, while the connections stand.
    pub fn set_silent(&self, silent: bool) {
        for tap in self.taps.lock().expect("unpoisoned").iter() {
            tap.set_property("drop", silent);
        }
    }

    /// The TCP port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.main_loop.quit();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread ends");
        }
    }
}

fn require_login(
    server: &rtsp_server::RTSPServer,
    factory: &rtsp_server::RTSPMediaFactory,
    user: &str,
    password: &str,
) {
    let auth = rtsp_server::RTSPAuth::new();
    auth.set_supported_methods(gstreamer_rtsp::RTSPAuthMethod::Digest);
    let token = rtsp_server::RTSPToken::builder().field("media.factory.role", "viewer").build();
    auth.add_digest(user, password, &token);
    server.set_auth(Some(&auth));
    let role = gst::Structure::builder("viewer")
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build();
    factory.add_role_from_structure(&role);
}
