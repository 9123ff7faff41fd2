//! Decoding as much as is needed: key frames while nothing goes on, everything when something does, and what led to it.

use crate::rtsp_server::{H264, Options, Server};
use crate::watch::{Record, Watch, open};
use curbwatch::config::RtspTransport;
use curbwatch::ingest::{Decoding, DecodingInUse};
use gstreamer_rtsp::RTSPLowerTrans;

fn serve(launch: &str) -> Server {
    Server::start(&Options { launch, port: 0, credentials: None, transport: RTSPLowerTrans::TCP })
}

/// Media seconds from each frame to the next, from the frame with index `from` on.
fn steps_secs(record: &Record, from: usize) -> Vec<f64> {
    let pairs = record.frames[from..].windows(2);
    pairs.map(|pair| pair[1].0.media.since(pair[0].0.media).as_secs_f64()).collect()
}

#[test]
fn an_idle_camera_decodes_key_frames_only_and_loses_nothing_when_it_wakes() {
    let server = serve(H264);
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 30.0);
    watch.set_decoding(Decoding::KeyFrames);
    let idle = watch.wait_for("key frames", |record| record.frames.len() >= 5);
    for step in steps_secs(&idle, 1) {
        assert!((0.9..=1.1).contains(&step), "the key frames come every second, these after {step} s");
    }
    let stats = watch.stats();
    assert!(stats.frames_decoded <= 6 && stats.units_held >= 70, "{stats:?}");
    assert_eq!(stats.decoding, DecodingInUse::KeyFrames);

    watch.set_decoding(Decoding::All);
    let awake = watch.wait_for("all frames", |record| record.frames.len() >= idle.frames.len() + 40);
    assert_eq!(watch.stats().groups_replayed, 1);
    let back = awake.frames.windows(2).position(|pair| pair[1].0.media < pair[0].0.media).expect("it goes back");
    let from = back + 1;
    let gone_back = awake.frames[back].0.media.since(awake.frames[from].0.media).as_secs_f64();
    assert!((0.4..=1.1).contains(&gone_back), "by {gone_back} s, to the key frame before the last");
    // Held frames come at two a second, the live ones each; together they leave no hole.
    let steps = steps_secs(&awake, from);
    assert!(steps.iter().all(|step| (0.02..=0.56).contains(step)), "{steps:?}");
    let late = steps.iter().filter(|step| **step > 0.09).count();
    assert!((awake.replayed - 1..=awake.replayed).contains(&late), "{steps:?}");
    assert_eq!(awake.names(), ["connecting", "online"]);
    assert!(awake.frames.iter().all(|(stamp, _)| stamp.segment == 0));
}

#[test]
fn a_key_frame_is_seen_at_once_though_the_stream_has_b_frames() {
    let launch = H264.replace("tune=zerolatency", "bframes=3 b-adapt=false rc-lookahead=0 sync-lookahead=0");
    let launch = launch.replace("key-int-max=25", "key-int-max=75");
    let server = serve(&launch);
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 30.0);
    watch.set_decoding(Decoding::KeyFrames);
    let record = watch.wait_for("key frames", |record| record.frames.len() >= 3);
    let age = record.ages[2].as_secs_f64();
    assert!(age < 1.5, "the third key frame was {age} s old; the next comes after 3 s");
}

#[test]
fn a_stream_with_rare_key_frames_is_decoded_after_all() {
    let server = serve(&H264.replace("key-int-max=25", "key-int-max=1000"));
    let watch = Watch::start(open(server.url(), RtspTransport::Tcp), 30.0);
    watch.set_decoding(Decoding::KeyFrames);
    let record = watch.wait_for("all frames", |record| record.frames.len() >= 100);
    assert!(steps_secs(&record, 0).iter().all(|step| *step < 0.6), "nothing was lost");
    assert_eq!(record.names(), ["connecting", "online"]);
    let stats = watch.stats();
    assert_eq!((stats.groups_replayed, stats.decoding), (1, DecodingInUse::AllForLackOfKeyFrames));
}
