//! A viewer over a real socket gets what the virtual camera plays: decodable, at live pace, with rising times over the end of
//! the file, with the camera's wall clock, and only with the right password.
#![cfg(feature = "staging")]

use curbwatch::clock::{Clocks as _, SystemClocks};
use curbwatch::ids::Name;
use curbwatch::vcam::{
    Authentication, Credentials, Mount, Options, Play, Transports, UnitsError, VcamError, VirtualCamera,
};
use gstreamer::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for anything here; the waits end as soon as what is waited for is there.
const LIMIT: Duration = Duration::from_secs(30);

/// One second of a test picture, 10 frames, two key frames.
fn clip(folder: &Path, name: &str, encoder: &str) -> Mount {
    gstreamer::init().unwrap();
    let file = folder.join(format!("{name}.mp4"));
    let description = format!(
        "videotestsrc num-buffers=10 pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! \
         {encoder} ! mp4mux ! filesink name=file"
    );
    let pipeline = gstreamer::parse::launch(&description).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", &file);
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let wanted = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gstreamer::ClockTime::from_seconds(30), &wanted);
    assert_eq!(end.unwrap().type_(), gstreamer::MessageType::Eos);
    pipeline.set_state(gstreamer::State::Null).unwrap();
    Mount { name: Name::try_new(name).unwrap(), file }
}

fn h264(folder: &Path, name: &str) -> Mount {
    clip(folder, name, "x264enc speed-preset=ultrafast bframes=0 key-int-max=5 ! h264parse")
}

fn h265(folder: &Path, name: &str) -> Mount {
    clip(
        folder,
        name,
        "x265enc speed-preset=ultrafast key-int-max=5 log-level=none option-string=bframes=0 ! h265parse",
    )
}

/// A viewer, as an agent would be one.
struct Viewer {
    pipeline: gstreamer::Pipeline,
    frames: gstreamer_app::AppSink,
}

/// What a viewer waits for.
enum Seen {
    Frame { pts: Duration, camera_clock: bool },
    Over,
    Refused(String),
}

impl Viewer {
    fn open(url: &str, protocols: &str, password: Option<(&str, &str)>) -> Self {
        let pipeline = gstreamer::parse::launch(
            "rtspsrc name=camera latency=50 add-reference-timestamp-meta=true ! decodebin ! videoconvert ! \
             video/x-raw,format=I420 ! appsink name=frames sync=false max-buffers=64",
        );
        let pipeline = pipeline.unwrap().downcast::<gstreamer::Pipeline>().unwrap();
        let camera = pipeline.by_name("camera").unwrap();
        camera.set_property("location", url);
        camera.set_property_from_str("protocols", protocols);
        if let Some((user, password)) = password {
            camera.set_property("user-id", user);
            camera.set_property("user-pw", password);
        }
        let frames = pipeline.by_name("frames").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
        // A refusal comes as a message, also where the change of state itself fails.
        let _ = pipeline.set_state(gstreamer::State::Playing);
        Self { pipeline, frames }
    }

    fn next(&self) -> Seen {
        let clocks = SystemClocks::new();
        let bus = self.pipeline.bus().unwrap();
        while clocks.mono().0 < LIMIT {
            if let Some(sample) = self.frames.try_pull_sample(gstreamer::ClockTime::from_mseconds(100)) {
                let buffer = sample.buffer().unwrap();
                assert_eq!(buffer.size(), 160 * 120 * 3 / 2);
                let ntp = gstreamer::Caps::builder("timestamp/x-ntp").build();
                let camera_clock = buffer
                    .iter_meta::<gstreamer::ReferenceTimestampMeta>()
                    .any(|meta| meta.reference().can_intersect(&ntp));
                return Seen::Frame { pts: buffer.pts().unwrap().into(), camera_clock };
            }
            if let Some(message) = bus.pop_filtered(&[gstreamer::MessageType::Error])
                && let gstreamer::MessageView::Error(error) = message.view()
            {
                return Seen::Refused(format!("{} {:?}", error.error(), error.debug()));
            }
            if self.frames.is_eos() {
                return Seen::Over;
            }
        }
        panic!("neither a frame nor an end within {LIMIT:?}");
    }

    fn frame(&self) -> (Duration, bool) {
        match self.next() {
            Seen::Frame { pts, camera_clock } => (pts, camera_clock),
            Seen::Over => panic!("the stream ended"),
            Seen::Refused(why) => panic!("refused: {why}"),
        }
    }

    /// Watches well over the end of a one-second file.
    fn assert_rising_over_the_loop(&self) {
        let (first, _) = self.frame();
        let mut last = first;
        while last < first + Duration::from_millis(2500) {
            let (pts, _) = self.frame();
            let step = pts.saturating_sub(last);
            assert!(pts > last, "{pts:?} came after {last:?}, the first was {first:?}");
            assert!(step < Duration::from_millis(400), "a jump of {step:?} at {pts:?}");
            last = pts;
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.pipeline.set_state(gstreamer::State::Null).unwrap();
    }
}

#[test]
fn both_codecs_play_over_tcp_and_udp_with_rising_times_over_the_loop() {
    let folder = tempfile::tempdir().unwrap();
    let mounts = vec![h264(folder.path(), "avc"), h265(folder.path(), "hevc")];
    let camera = VirtualCamera::start(Options::looping(mounts)).unwrap();
    let viewers: Vec<_> = ["avc", "hevc"]
        .into_iter()
        .flat_map(|name| ["tcp", "udp"].map(|protocols| Viewer::open(&camera.url(name), protocols, None)))
        .collect();
    for viewer in &viewers {
        viewer.assert_rising_over_the_loop();
    }
}

#[test]
fn sender_reports_carry_the_wall_clock() {
    let folder = tempfile::tempdir().unwrap();
    let camera = VirtualCamera::start(Options::looping(vec![h264(folder.path(), "clock")])).unwrap();
    let viewer = Viewer::open(&camera.url("clock"), "tcp", None);
    let clocks = SystemClocks::new();
    while !viewer.frame().1 {
        assert!(clocks.mono().0 < LIMIT, "no sender report within {LIMIT:?}");
    }
}

#[test]
fn only_the_right_password_opens_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mount = h264(folder.path(), "locked");
    for authentication in [Authentication::Digest, Authentication::Basic] {
        let mut options = Options::looping(vec![mount.clone()]);
        // Characters that would break a URL.
        options.credentials =
            Some(Credentials { authentication, user: "watch".to_owned(), password: "p@ss:w/rd#".into() });
        let camera = VirtualCamera::start(options).unwrap();
        let url = camera.url("locked");
        Viewer::open(&url, "tcp", Some(("watch", "p@ss:w/rd#"))).frame();
        for wrong in [None, Some(("watch", "guess")), Some(("nobody", "p@ss:w/rd#"))] {
            let Seen::Refused(why) = Viewer::open(&url, "tcp", wrong).next() else {
                panic!("{wrong:?} was let in");
            };
            assert!(why.contains("Unauthorized"), "{why}");
        }
    }
}

#[test]
fn a_file_played_once_ends_and_two_servers_live_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let mount = h264(folder.path(), "once");
    let once = Options { play: Play::Once, ..Options::looping(vec![mount.clone()]) };
    let (ending, endless) =
        (VirtualCamera::start(once).unwrap(), VirtualCamera::start(Options::looping(vec![mount])).unwrap());
    assert_ne!(ending.port(), endless.port());
    assert_eq!(ending.timeline_began("once"), None);
    let (short, long) =
        (Viewer::open(&ending.url("once"), "tcp", None), Viewer::open(&endless.url("once"), "tcp", None));
    let mut frames = 0;
    while let Seen::Frame { .. } = short.next() {
        frames += 1;
    }
    assert!((1..=10).contains(&frames), "{frames} of 10 frames");
    assert!(ending.timeline_began("once").is_some());
    ending.stop();
    long.assert_rising_over_the_loop();
}

#[test]
fn who_comes_back_sees_the_same_timeline_and_a_stopped_server_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let camera = VirtualCamera::start(Options::looping(vec![h264(folder.path(), "again")])).unwrap();
    let url = camera.url("again");
    Viewer::open(&url, "tcp", None).frame();
    let began = camera.timeline_began("again").unwrap();
    Viewer::open(&url, "tcp", None).frame();
    assert_eq!(camera.timeline_began("again"), Some(began));
    camera.stop();
    assert!(matches!(Viewer::open(&url, "tcp", None).next(), Seen::Refused(_)));
}

#[test]
fn a_transport_that_is_not_offered_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { transports: Transports::Tcp, ..Options::looping(vec![h264(folder.path(), "only-tcp")]) };
    let camera = VirtualCamera::start(options).unwrap();
    Viewer::open(&camera.url("only-tcp"), "tcp", None).frame();
    assert!(matches!(Viewer::open(&camera.url("only-tcp"), "udp", None).next(), Seen::Refused(_)));
}

#[test]
fn files_that_cannot_be_played_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.mp4");
    std::fs::write(&text, "no video").unwrap();
    let start =
        |file: PathBuf| VirtualCamera::start(Options::looping(vec![Mount::for_file(&file).unwrap()])).unwrap_err();
    assert!(matches!(start(text), VcamError::Units(UnitsError::Video { .. })));
    assert!(matches!(start(folder.path().join("absent.mp4")), VcamError::Units(UnitsError::Read { .. })));
    assert!(matches!(Mount::for_file(Path::new("Ümlaut.mp4")), Err(VcamError::Name(_))));
}
