//! A camera that works: frames arrive over real sockets, whole, stamped, at the analysed rate.

use crate::rtsp_server::{H264, H265, Options, Server};
use crate::watch::{Watch, open, with_login};
use curbwatch::clock::ClockQuality;
use curbwatch::config::RtspTransport;
use curbwatch::frame::PixelFormat;
use curbwatch::ingest::{CameraState, Codec};
use gstreamer_rtsp::RTSPLowerTrans;

fn serve(launch: &str) -> Server {
    let transport = RTSPLowerTrans::TCP | RTSPLowerTrans::UDP;
    Server::start(&Options { launch, port: 0, credentials: None, transport })
}

#[test]
fn h264_arrives_over_tcp_and_udp_with_the_cameras_own_time() {
    let server = serve(H264);
    for transport in [RtspTransport::Tcp, RtspTransport::Udp] {
        let watch = Watch::start(open(server.url(), transport), 30.0);
        let record =
            watch.wait_for("20 frames in camera time", |record| record.frames_with(ClockQuality::CameraNtp) >= 20);
        let Some(CameraState::Online(stream)) = record.states.last() else { panic!("{:?}", record.states) };
        assert_eq!((stream.codec, stream.width, stream.height), (Codec::H264, 640, 360));
        let (stamp, layout) = record.frames.last().unwrap();
        assert_eq!((layout.width, layout.height, layout.format), (640, 360, PixelFormat::I420));
        // One host, one clock: what is left is the way through encoder and network.
        let offset = stamp.clock_offset.unwrap();
        assert!(offset.abs() < jiff::SignedDuration::from_secs(1), "{offset:?}");
        assert_eq!(watch.stats().frames_corrupt, 0);
        let record = watch.stop();
        assert_eq!(record.names(), ["connecting", "online"]);
        record.assert_ordered();
        assert_eq!(record.frames.last().unwrap().0.segment, 0);
    }
}

#[test]
fn h265_arrives() {
    let server = serve(H265);
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 30.0);
    let record = watch.wait_for("frames", |record| record.frames.len() >= 10);
    let Some(CameraState::Online(stream)) = record.states.last() else { panic!("{:?}", record.states) };
    assert_eq!((stream.codec, stream.width, stream.height), (Codec::H265, 320, 240));
}

#[test]
fn what_the_agent_does_not_read_is_converted() {
    let launch = H264
        .replace("format=I420", "format=Y444")
        .replace("! rtph264pay", "! video/x-h264,profile=high-4:4:4 ! rtph264pay");
    let server = serve(&launch);
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 30.0);
    let record = watch.wait_for("frames", |record| record.frames.len() >= 3);
    assert_eq!(record.frames[0].1.format, PixelFormat::I420);
}

#[test]
fn frames_beyond_the_analysed_rate_are_dropped_evenly_on_media_time() {
    let server = serve(H264);
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 5.0);
    let record = watch.wait_for("21 frames", |record| record.frames.len() >= 21);
    let (first, last) = (record.frames[0].0.media, record.frames[20].0.media);
    let span = last.since(first).as_secs_f64();
    assert!((3.8..=4.3).contains(&span), "20 frames at 5 per second took {span} s of media time");
    for pair in record.frames.windows(2) {
        let step = pair[1].0.media.since(pair[0].0.media).as_secs_f64();
        assert!((0.11..=0.29).contains(&step), "a step of {step} s");
    }
    let stats = watch.stats();
    assert!(stats.frames_over_cap >= 3 * stats.frames_delivered, "{stats:?}");
    assert!((20.0..=30.0).contains(&stats.fps_in), "{stats:?}");
    assert!((4.0..=6.0).contains(&stats.fps_delivered), "{stats:?}");
}

#[test]
fn a_password_of_special_characters_opens_the_camera() {
    let password = "p@ss:/?#%[]& \"'";
    let server = Server::start(&Options {
        launch: H264,
        port: 0,
        credentials: Some(("admin", password)),
        transport: RTSPLowerTrans::TCP,
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let watch = Watch::start(with_login(server.url(), "admin", &file), 30.0);
    watch.wait_for("frames", |record| record.frames.len() >= 3);
    assert_eq!(watch.stop().names(), ["connecting", "online"]);
}

#[test]
fn audio_beside_the_video_is_not_asked_for() {
    let audio = "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8";
    let video = H264.replace("name=pay0", "name=pay1");
    let server = serve(&format!("{audio} {video}"));
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 30.0);
    watch.wait_for("frames", |record| record.frames.len() >= 10);
}
