//! The stream for pictures: its last key frame is kept, and decoded when it is asked for.

use crate::rtsp_server::{H264, H265, Options, Server};
use crate::watch::{LIMIT, open, settings};
use curbwatch::clock::{ClockQuality, Clocks, SystemClocks};
use curbwatch::config::RtspTransport;
use curbwatch::frame::Frame;
use curbwatch::geometry::Polygon;
use curbwatch::ids::Name;
use curbwatch::ingest::{CameraState, Codec, ConnectLimiter, EvidenceSource, EvidenceStream, StillError, Stills};
use curbwatch::mask::PrivacyMasks;
use gstreamer_rtsp::RTSPLowerTrans;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

fn serve(launch: &str) -> Server {
    Server::start(&Options { launch, port: 0, credentials: None, transport: RTSPLowerTrans::TCP })
}

/// A stream and the states that it goes through.
struct Watched {
    stream: EvidenceStream,
    states: Receiver<CameraState>,
}

impl Watched {
    fn start(server: &Server) -> Self {
        Self::start_masked(server, PrivacyMasks::default())
    }

    fn start_masked(server: &Server, masks: PrivacyMasks) -> Self {
        let (say, states) = sync_channel(1000);
        let stream = EvidenceStream::start(
            EvidenceSource {
                camera: Name::try_new("test").expect("a name"),
                rtsp: open(server.url(), RtspTransport::Tcp),
                masks,
            },
            settings(),
            move |state| say.send(state).expect("fewer states than fit"),
            Arc::new(SystemClocks::new()),
            ConnectLimiter::new(1),
        )
        .expect("GStreamer and threads start");
        Self { stream, states }
    }

    fn wait_for(&self, name: &str) -> CameraState {
        loop {
            let state = self.states.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("never {name}"));
            if state.as_str() == name {
                return state;
            }
        }
    }
}

/// Asks until the answer is as wanted.
fn ask(stills: &Stills, wanted: impl Fn(&Result<Frame, StillError>) -> bool) -> Result<Frame, StillError> {
    let clocks = SystemClocks::new();
    loop {
        let answer = stills.latest();
        if wanted(&answer) {
            return answer;
        }
        assert!(clocks.mono().0 < LIMIT, "{answer:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn the_last_key_frame_is_decoded_when_it_is_asked_for() {
    let large = H264.replace("width=640,height=360", "width=1280,height=720");
    for (launch, codec, size) in [(large.as_str(), Codec::H264, (1280, 720)), (H265, Codec::H265, (320, 240))] {
        let server = serve(launch);
        let watched = Watched::start(&server);
        let CameraState::Online(info) = watched.wait_for("online") else { panic!("that is online") };
        assert_eq!((info.codec, (info.width, info.height), info.decoder), (codec, size, None));
        let stills = watched.stream.stills();
        let first = ask(&stills, Result::is_ok).unwrap();
        assert_eq!((first.layout().width, first.layout().height), size);
        // The key frames come every second; the picture is never older, and it moves on.
        let next = ask(&stills, |answer| answer.as_ref().is_ok_and(|frame| frame.stamp().mono > first.stamp().mono));
        let stamp = *next.unwrap().stamp();
        let step = stamp.wall.duration_since(first.stamp().wall).as_secs_f64();
        assert!((0.8..=2.2).contains(&step), "{step} s");
        assert_eq!(stills.last_key_frame(), Some(stamp.wall));
        let age = SystemClocks::new().wall().duration_since(stamp.wall).as_secs_f64();
        assert!((-0.5..=2.0).contains(&age), "{age} s old");
        watched.stream.stop(Duration::from_secs(5)).unwrap();
    }
}

#[test]
fn its_pictures_have_the_cameras_own_time() {
    let server = serve(H264);
    let watched = Watched::start(&server);
    let in_camera_time = |answer: &Result<Frame, StillError>| {
        answer.as_ref().is_ok_and(|frame| frame.stamp().clock_quality == ClockQuality::CameraNtp)
    };
    ask(&watched.stream.stills(), in_camera_time).unwrap();
}

#[test]
fn after_an_interruption_there_is_no_picture_until_the_stream_returns() {
    let server = serve(H264);
    let watched = Watched::start(&server);
    let stills = watched.stream.stills();
    ask(&stills, Result::is_ok).unwrap();
    server.set_silent(true);
    watched.wait_for("stalled");
    assert!(matches!(stills.latest(), Err(StillError::NoKeyFrame)));
    server.set_silent(false);
    watched.wait_for("online");
    ask(&stills, Result::is_ok).unwrap();
}

#[test]
fn a_key_frame_of_long_ago_is_not_a_picture_of_now() {
    let server = serve(&H264.replace("key-int-max=25", "key-int-max=1000"));
    let watched = Watched::start(&server);
    let stills = watched.stream.stills();
    ask(&stills, Result::is_ok).unwrap();
    let old = ask(&stills, |answer| matches!(answer, Err(StillError::TooOld(_))));
    assert!(old.unwrap_err().to_string().contains("s old"));
}

#[test]
fn what_a_privacy_mask_covers_is_in_no_picture() {
    let server = serve(H264);
    let area = Polygon::try_new(&[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
    let watched = Watched::start_masked(&server, PrivacyMasks::new([area]));
    let picture = ask(&watched.stream.stills(), Result::is_ok).unwrap();
    let (layout, luma) = (*picture.layout(), picture.plane(0));
    let rows = || luma.chunks(layout.strides[0]).take(layout.height as usize);
    let half = layout.width as usize / 2;
    assert!(rows().all(|row| row[..half].iter().all(|&pixel| pixel == row[0])), "the left half is flat");
    let right: Vec<u8> = rows().flat_map(|row| &row[half + 8..layout.width as usize]).copied().collect();
    assert!(right.iter().any(|&pixel| pixel != right[0]), "the right half is as the camera gives it");
}
