//! A camera that does not work: its state and the reason are right, the agent goes on trying, and frames flow again.

use crate::raw_peer::RawPeer;
use crate::rtsp_server::{H264, Options, Server};
use crate::watch::{Record, Watch, open, with_login};
use curbwatch::config::{RtspTransport, SecretSource};
use curbwatch::ids::Name;
use curbwatch::ingest::{CameraSource, CameraState, ConnectLimiter, Decoders, Failure, Platform};
use curbwatch::mask::PrivacyMasks;
use gstreamer_rtsp::RTSPLowerTrans;
use std::net::TcpListener;
use std::sync::Arc;

const ANY: RTSPLowerTrans = RTSPLowerTrans::TCP.union(RTSPLowerTrans::UDP);

fn serve(port: u16) -> Server {
    Server::start(&Options { launch: H264, port, credentials: None, transport: ANY })
}

fn times(record: &Record, code: &str) -> usize {
    record.states.iter().filter(|state| state.reason().is_some_and(|reason| reason.code() == code)).count()
}

/// Watches until the reason was given twice: once may be luck, twice is going on trying.
fn fails_repeatedly_with(watch: &Watch, code: &str) -> Record {
    watch.wait_for(code, |record| times(record, code) >= 2)
}

#[test]
fn a_camera_that_is_not_there_is_offline_until_it_comes() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let watch = Watch::start(open(format!("rtsp://127.0.0.1:{port}/live"), RtspTransport::Tcp), 30.0);
    let record = fails_repeatedly_with(&watch, "refused");
    assert_eq!(record.states[0], CameraState::Connecting);
    assert_eq!(record.states[1].as_str(), "offline");
    assert!(record.states[2].retry_in().unwrap() > record.states[1].retry_in().unwrap() / 2);

    let _server = serve(port);
    let record = watch.wait_for("frames", |record| record.frames.len() >= 5);
    assert_eq!(record.states.last().unwrap().as_str(), "online");
}

#[test]
fn a_wrong_password_is_said_and_tried_again_until_it_is_right() {
    let credentials = Some(("admin", "right"));
    let server = Server::start(&Options { launch: H264, port: 0, credentials, transport: RTSPLowerTrans::TCP });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "wrong-s3cret").unwrap();
    let watch = Watch::start(with_login(server.url(), "admin", &file), 30.0);
    let record = fails_repeatedly_with(&watch, "unauthorised");
    assert!(matches!(record.states.last(), Some(CameraState::Unauthorised { .. })));
    assert!(!format!("{:?} {}", record.states, record.states[1]).contains("s3cret"));

    std::fs::write(&file, "right").unwrap();
    watch.wait_for("frames", |record| record.frames.len() >= 5);
}

#[test]
fn a_password_that_cannot_be_read_is_said() {
    let server = serve(0);
    let mut rtsp = open(server.url(), RtspTransport::Tcp);
    rtsp.username = Some("admin".to_owned());
    rtsp.password = Some(SecretSource::File("/nonexistent/password".into()));
    let record = fails_repeatedly_with(&Watch::start(rtsp, 30.0), "secret");
    assert!(record.states.last().unwrap().to_string().contains("/nonexistent/password"));
}

#[test]
fn a_camera_that_accepts_and_is_silent_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/live", listener.local_addr().unwrap());
    fails_repeatedly_with(&Watch::start(open(url, RtspTransport::Tcp), 30.0), "timeout");
}

#[test]
fn a_stream_that_does_not_exist_is_said() {
    let server = serve(0);
    let url = server.url().replace("/live", "/other");
    fails_repeatedly_with(&Watch::start(open(url, RtspTransport::Tcp), 30.0), "not_found");
}

#[test]
fn a_transport_that_the_camera_does_not_offer_is_said() {
    let server = Server::start(&Options { launch: H264, port: 0, credentials: None, transport: RTSPLowerTrans::TCP });
    fails_repeatedly_with(&Watch::start(open(server.url(), RtspTransport::Udp), 30.0), "transport");
}

#[test]
fn a_codec_that_is_not_read_is_named() {
    let launch = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240 ! jpegenc ! rtpjpegpay name=pay0 pt=26";
    let server = Server::start(&Options { launch, port: 0, credentials: None, transport: ANY });
    let record = fails_repeatedly_with(&Watch::start(open(server.url(), RtspTransport::Tcp), 30.0), "codec");
    assert_eq!(record.states[1].reason(), Some(&Failure::Codec("JPEG".to_owned())));
}

#[test]
fn a_stream_without_video_is_said() {
    let launch = "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8";
    let server = Server::start(&Options { launch, port: 0, credentials: None, transport: ANY });
    fails_repeatedly_with(&Watch::start(open(server.url(), RtspTransport::Tcp), 30.0), "no_video");
}

#[test]
fn a_camera_that_dies_and_returns_goes_on_in_a_new_segment() {
    for transport in [RtspTransport::Tcp, RtspTransport::Udp] {
        let server = serve(0);
        let port = server.port();
        let watch = Watch::start(open(server.url(), transport), 30.0);
        watch.wait_for("frames", |record| record.frames.len() >= 10);
        drop(server);
        let before = watch.wait_for("the loss", |record| record.states.last().unwrap().reason().is_some());
        assert!(matches!(before.states.last().unwrap().as_str(), "offline" | "stalled"), "{:?}", before.states);

        let _server = serve(port);
        let after = watch.wait_for("frames again", |record| record.frames.len() >= before.frames.len() + 10);
        assert_eq!(after.states.last().unwrap().as_str(), "online");
        after.assert_ordered();
        let (last, again) = (before.frames.last().unwrap().0, after.frames[before.frames.len()].0);
        assert_eq!((last.segment, again.segment), (0, 1));
        // The outage took as long on the media timeline as on the clock.
        let (media, mono) = (again.media.since(last.media), again.mono.since(last.mono));
        assert!(media.abs_diff(mono).as_millis() < 50, "{media:?} of media time passed in {mono:?}");
        let stats = watch.stats();
        assert_eq!(stats.connections, 2);
        assert!(stats.failures >= 1);
        watch.stop();
    }
}

#[test]
fn a_stream_that_falls_silent_is_stalled_and_rebuilt() {
    for transport in [RtspTransport::Tcp, RtspTransport::Udp] {
        let server = serve(0);
        let watch = Watch::start(open(server.url(), transport), 30.0);
        watch.wait_for("frames", |record| record.frames.len() >= 10);
        server.set_silent(true);
        let stalled = watch.wait_for("the stall", |record| record.states.last().unwrap().as_str() == "stalled");
        assert!(matches!(stalled.states.last().unwrap().reason(), Some(Failure::Stalled(_))));

        server.set_silent(false);
        let after = watch.wait_for("frames again", |record| record.frames.len() >= stalled.frames.len() + 10);
        after.assert_ordered();
        assert_eq!(after.frames.last().unwrap().0.segment, 1);
    }
}

#[test]
fn a_peer_that_talks_nonsense_is_offline_and_tried_again() {
    let cut_off =
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 9000\r\n\r\nv=0\r\no=";
    let no_sdp = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\n%%%%";
    for (reply, code) in [
        ("RTSP/1.0 503 Service Unavailable\r\nCSeq: 1\r\n\r\n", Some("status")),
        ("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", Some("unauthorised")),
        (cut_off, Some("timeout")),
        (no_sdp, None),
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", None),
        ("\u{0}\u{1}$$$$\r\n\r\n\r\n\r\n", None),
    ] {
        let peer = RawPeer::start(reply);
        let watch = Watch::start(open(peer.url(), RtspTransport::Tcp), 30.0);
        let failed = |record: &Record| record.states.iter().filter(|state| state.reason().is_some()).count();
        let record = watch.wait_for("two failures", |record| failed(record) >= 2);
        let seen = record.states.last().unwrap().reason().unwrap().code();
        assert!(code.is_none_or(|code| code == seen), "{reply:?} was taken for {seen}");
        assert!(record.frames.is_empty());
    }
}

#[test]
fn after_lost_packets_decoding_waits_for_a_key_frame() {
    let launch = format!("{} ! identity drop-probability=0.01 name=pay0", H264.replace("name=pay0", "name=lossless"));
    let server = Server::start(&Options { launch: &launch, port: 0, credentials: None, transport: ANY });
    let watch = Watch::start(open(server.url(), RtspTransport::Udp), 30.0);
    let record = watch.wait_for("200 frames", |record| record.frames.len() >= 200);
    let stats = watch.stats();
    assert!(stats.units_lost > 0, "{stats:?}");
    assert!(stats.frames_decoded + stats.units_lost <= stats.units_received, "{stats:?}");
    assert_eq!(record.names(), ["connecting", "online"]);
    record.assert_ordered();
}

/// A decoder of this description, as if it were the graphics', for H.264.
fn decoders(h264: &str) -> Arc<Decoders> {
    gstreamer::init().expect("GStreamer starts");
    let graphics = Platform { name: "graphics".into(), h264: h264.into(), h265: "avdec_h265".into() };
    let chosen = Decoders::choose(&[graphics]);
    assert!(chosen.choices()[0].platform.is_some(), "it decodes one picture: {chosen:?}");
    Arc::new(chosen)
}

#[test]
fn a_decoder_that_fails_or_swallows_the_stream_is_replaced_by_the_processors() {
    let launch = H264.replace("key-int-max=25", "key-int-max=1000");
    let server = Server::start(&Options { launch: &launch, port: 0, credentials: None, transport: ANY });
    // Eight pictures and then an error; or key frames only, of which there is one.
    for fails in ["avdec_h264 ! identity error-after=8", "identity drop-buffer-flags=delta-unit ! avdec_h264"] {
        let watch = Watch::start_with(decoders(fails), open(server.url(), RtspTransport::Tcp), 30.0);
        let decoders_of = |record: &Record| -> Vec<String> {
            let streams = record.states.iter().filter_map(|state| match state {
                CameraState::Online(stream) => stream.decoder.clone(),
                CameraState::Connecting
                | CameraState::Stalled { .. }
                | CameraState::Offline { .. }
                | CameraState::Unauthorised { .. }
                | CameraState::Disabled => None,
            });
            streams.collect()
        };
        let record = watch.wait_for("the processor's decoder", |record| decoders_of(record).len() == 2);
        assert_eq!(decoders_of(&record), ["graphics", "software"]);
        assert_eq!(times(&record, "decoder"), 1, "{:?}", record.states);
        watch.wait_for("frames", |after| after.frames.len() >= record.frames.len() + 20);
        watch.stop();
    }
}

#[test]
fn a_camera_that_gives_no_picture_does_not_hold_up_the_others_of_its_host() {
    let (silent, good) = (serve(0), serve(0));
    let first = Watch::start(open(silent.url(), RtspTransport::Tcp), 30.0);
    first.wait_for("frames", |record| !record.frames.is_empty());
    silent.set_silent(true);

    // It answers PLAY, and then nothing comes for as long as a first picture may take.
    let limiter = ConnectLimiter::new(1);
    let behind = |url| {
        let rtsp = open(url, RtspTransport::Tcp);
        let source = CameraSource {
            id: Name::try_new("test").expect("a name"),
            rtsp,
            decoders: Decoders::software(),
            masks: PrivacyMasks::default(),
            fps: 30.0,
        };
        Watch::start_behind(Arc::clone(&limiter), source)
    };
    let (slow, other) = (behind(silent.url()), behind(good.url()));
    other.wait_for("frames", |record| record.frames.len() >= 5);
    let record = slow.wait_for("anything", |_| true);
    assert_eq!((record.names(), record.frames.len()), (vec!["connecting"], 0), "it is still being waited for");
}
