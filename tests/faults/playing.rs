//! Faults of a camera that plays: it dies, falls silent, changes, sends nonsense.

use crate::Case;
use crate::clips::Clip;
use crate::handshake::camera;
use crate::peer::{Answers, Media, Peer};
use crate::rtsp_server::{H264, Options, Server};
use crate::stand::Stand;
use crate::watch::open;
use curbwatch::config::RtspTransport::{self, Tcp, Udp};
use curbwatch::ingest::Decoding;
use curbwatch::vcam::Play;
use gstreamer_rtsp::RTSPLowerTrans;
use std::time::Duration;

pub const CASES: &[Case] = &[
    Case { fault: "dies in mid-stream (TCP)", server: "virtual camera", slow: false, run: dies_tcp },
    Case { fault: "dies in mid-stream (UDP)", server: "virtual camera", slow: false, run: dies_udp },
    Case { fault: "cut in the middle of a packet", server: "raw socket", slow: false, run: cut },
    Case { fault: "stalls without closing (TCP)", server: "GStreamer server", slow: false, run: stalls_tcp },
    Case { fault: "stalls without closing (UDP)", server: "GStreamer server", slow: false, run: stalls_udp },
    Case { fault: "gaps of 10 s", server: "raw socket", slow: true, run: gaps },
    Case { fault: "says goodbye (end of stream)", server: "virtual camera", slow: false, run: goodbye },
    Case { fault: "reboots (new SSRC, times from zero)", server: "virtual camera", slow: false, run: reboots },
    Case { fault: "new SSRC and times from zero in one session", server: "raw socket", slow: false, run: new_source },
    Case { fault: "times jump forth and back", server: "raw socket", slow: false, run: times_jump },
    Case { fault: "other size, in one session", server: "raw socket", slow: false, run: other_size },
    Case { fault: "other size after a reboot", server: "virtual camera", slow: false, run: other_size_after_reboot },
    Case { fault: "H.264 becomes H.265, in one session", server: "raw socket", slow: false, run: other_codec },
    Case {
        fault: "H.264 becomes H.265 after a reboot",
        server: "virtual camera",
        slow: false,
        run: other_codec_after_reboot,
    },
    Case { fault: "5 % of packets lost (UDP)", server: "raw socket", slow: false, run: loses_little },
    Case { fault: "30 % of packets lost (UDP)", server: "raw socket", slow: true, run: loses_much },
    Case { fault: "wrong bytes in the pictures", server: "raw socket", slow: false, run: corrupt },
    Case { fault: "bytes that are neither RTSP nor RTP", server: "raw socket", slow: false, run: garbage },
    Case {
        fault: "no parameter sets until the tenth second",
        server: "raw socket",
        slow: true,
        run: no_parameter_sets,
    },
    Case { fault: "no key frame until the sixtieth second", server: "raw socket", slow: true, run: no_key_frame },
    Case { fault: "no key frame for 60 s while idle", server: "raw socket", slow: true, run: long_group },
    Case { fault: "floods with 200 pictures per second", server: "raw socket", slow: false, run: flood },
];

/// The camera dies, and comes back with what `next` of the clips shows.
fn replaced(stand: &mut Stand, transport: RtspTransport, expected: &[(&str, &str)], next: fn(&Stand) -> &Clip) {
    let dying = camera(&stand.clips.small, |_| ());
    let port = dying.port();
    stand.watch(open(dying.url("live"), transport));
    stand.works();
    drop(dying);
    stand.fails_with(expected);
    let camera = stand.returns(|stand| camera(next(stand), |options| options.port = port));
    drop(camera);
}

const GONE: &[(&str, &str)] = &[("offline", "ended"), ("offline", "refused")];

fn dies_tcp(stand: &mut Stand) {
    replaced(stand, Tcp, GONE, |stand| &stand.clips.small);
}

fn dies_udp(stand: &mut Stand) {
    replaced(stand, Udp, GONE, |stand| &stand.clips.small);
}

fn other_size_after_reboot(stand: &mut Stand) {
    replaced(stand, Tcp, GONE, |stand| &stand.clips.large);
}

fn other_codec_after_reboot(stand: &mut Stand) {
    replaced(stand, Tcp, GONE, |stand| &stand.clips.hevc);
}

fn reboots(stand: &mut Stand) {
    let dying = camera(&stand.clips.small, |_| ());
    let port = dying.port();
    stand.watch(open(dying.url("live"), Tcp));
    stand.works();
    // Back before the failure is noticed.
    let camera = stand.returns(|stand| {
        drop(dying);
        camera(&stand.clips.small, |options| options.port = port)
    });
    stand.fails_with(GONE);
    drop(camera);
}

fn goodbye(stand: &mut Stand) {
    let ending = camera(&stand.clips.small, |options| options.play = Play::Once);
    let port = ending.port();
    stand.watch(open(ending.url("live"), Tcp));
    stand.works();
    stand.fails_with(&[("offline", "ended")]);
    drop(ending);
    let camera = stand.returns(|stand| camera(&stand.clips.small, |options| options.port = port));
    drop(camera);
}

fn stalls(stand: &mut Stand, transport: RtspTransport) {
    let both = RTSPLowerTrans::TCP | RTSPLowerTrans::UDP;
    let server = Server::start(&Options { launch: H264, port: 0, credentials: None, transport: both });
    stand.watch(open(server.url(), transport));
    stand.works();
    server.set_silent(true);
    stand.fails_with(&[("stalled", "stalled")]);
    stand.returns(|_| server.set_silent(false));
}

fn stalls_tcp(stand: &mut Stand) {
    stalls(stand, Tcp);
}

fn stalls_udp(stand: &mut Stand) {
    stalls(stand, Udp);
}

/// A working peer, which then misbehaves.
fn spoilt(stand: &mut Stand, transport: RtspTransport, media: Media) -> Peer {
    let peer = Peer::start(&stand.clips, Answers::Proper, Media::Clean);
    stand.watch(open(peer.url(), transport));
    stand.works();
    peer.set_media(media);
    peer
}

fn cut(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::Cut);
    stand.fails_with(GONE);
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn gaps(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::Nothing);
    for gap in 0..2 {
        if gap > 0 {
            stand.works();
            peer.set_media(Media::Nothing);
        }
        peer.goes_on_for(Duration::from_secs(10));
        stand.fails_with(&[("stalled", "stalled")]);
        stand.returns(|_| peer.set_media(Media::Clean));
    }
}

fn new_source(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::NewSource);
    stand.stays_online_or_fails_with(40, &[("stalled", "stalled"), ("offline", "stream")]);
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn times_jump(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::TimesBackAndForth);
    stand.stays_online_or_fails_with(40, &[("stalled", "stalled")]);
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn other_size(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::OtherSize);
    stand.stays_online_for(40);
    let widths: Vec<u32> = stand.frames_come(1).frames.iter().map(|(_, layout)| layout.width).collect();
    assert!(widths.contains(&320) && widths.contains(&480), "the new size is passed on");
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn other_codec(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::OtherCodec);
    stand.fails_with(&[("stalled", "stalled"), ("offline", "stream")]);
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn loses_little(stand: &mut Stand) {
    let peer = spoilt(stand, Udp, Media::Lossy(0.05));
    stand.stays_online_for(40);
    assert!(stand.watched().stats().units_lost > 0, "what was damaged was not decoded");
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn loses_much(stand: &mut Stand) {
    let peer = spoilt(stand, Udp, Media::Lossy(0.3));
    stand.stays_online_or_fails_with(40, &[("stalled", "stalled")]);
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn corrupt(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::Corrupt);
    stand.stays_online_or_fails_with(40, &[("stalled", "stalled"), ("offline", "stream")]);
    stand.finds_damage();
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn garbage(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::Garbage);
    stand.fails_with(&[("offline", "stream"), ("offline", "ended"), ("stalled", "stalled")]);
    stand.returns(|_| peer.set_media(Media::Clean));
}

/// The peer plays what cannot be decoded for so long: more than a first picture may take.
fn undecodable(stand: &mut Stand, media: Media, secs: u64) {
    let peer = Peer::start(&stand.clips, Answers::Proper, media);
    stand.watch(open(peer.url(), Tcp));
    peer.goes_on_for(Duration::from_secs(secs));
    stand.fails_with(&[("offline", "no_picture")]);
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn no_parameter_sets(stand: &mut Stand) {
    undecodable(stand, Media::NoParameterSets, 10);
}

fn no_key_frame(stand: &mut Stand) {
    undecodable(stand, Media::NoKeyFrames, 60);
}

fn long_group(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::LongGroup);
    stand.watched().set_decoding(Decoding::KeyFrames);
    for _ in 0..6 {
        stand.stays_online_for(100);
    }
    stand.returns(|_| peer.set_media(Media::Clean));
}

fn flood(stand: &mut Stand) {
    let peer = spoilt(stand, Tcp, Media::Flood);
    let begin = stand.watched().stats();
    stand.stays_online_for(150);
    let end = stand.watched().stats();
    assert!(end.frames_over_cap > begin.frames_over_cap, "what is beyond the rate is not passed on: {end:?}");
    stand.returns(|_| peer.set_media(Media::Clean));
}
