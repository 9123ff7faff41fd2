//! Faults before the first picture: reaching the camera, logging in, agreeing on a stream.

use crate::Case;
use crate::clips::Clip;
use crate::peer::{Answers, Media, Peer};
use crate::rtsp_server::{H264, Options as LaunchOptions, Server};
use crate::stand::Stand;
use crate::watch::{open, with_login};
use curbwatch::config::RtspTransport::{Tcp, Udp};
use curbwatch::ids::Name;
use curbwatch::vcam::{Authentication, Credentials, Mount, Options, Transports, VirtualCamera};
use gstreamer_rtsp::RTSPLowerTrans;

pub const CASES: &[Case] = &[
    Case { fault: "refuses connections", server: "virtual camera", slow: false, run: refuses },
    Case { fault: "accepts and is silent", server: "raw socket", slow: false, run: silent },
    Case { fault: "answers a byte at a time", server: "raw socket", slow: true, run: dripping },
    Case { fault: "wrong password (401, digest)", server: "virtual camera", slow: false, run: wrong_password },
    Case { fault: "wrong password (401, basic)", server: "virtual camera", slow: false, run: wrong_password_basic },
    Case { fault: "401 with a challenge that cannot be met", server: "raw socket", slow: false, run: unmet_challenge },
    Case { fault: "password with @:/?#%", server: "virtual camera", slow: false, run: special_password },
    Case { fault: "no such stream (404)", server: "virtual camera", slow: false, run: not_found },
    Case { fault: "busy (503)", server: "raw socket", slow: false, run: busy },
    Case { fault: "transport not offered", server: "virtual camera", slow: false, run: other_transport },
    Case { fault: "redirects (302)", server: "raw socket, virtual camera", slow: false, run: redirect },
    Case { fault: "redirects to itself", server: "raw socket", slow: false, run: redirect_to_itself },
    Case { fault: "description cut off", server: "raw socket", slow: false, run: half_described },
    Case { fault: "description is nonsense", server: "raw socket", slow: false, run: nonsense },
    Case { fault: "lies about the length of its answer", server: "raw socket", slow: false, run: lies_about_length },
    Case { fault: "speaks HTTP", server: "raw socket", slow: false, run: speaks_http },
    Case { fault: "two video tracks", server: "GStreamer server", slow: false, run: two_videos },
    Case { fault: "audio before the video", server: "GStreamer server", slow: false, run: audio_first },
    Case { fault: "sound and no video", server: "GStreamer server", slow: false, run: no_video },
];

/// A virtual camera that plays the clip as `/live` for ever.
pub fn camera(clip: &Clip, change: impl FnOnce(&mut Options)) -> VirtualCamera {
    let name = Name::try_new("live").expect("a name");
    let mut options = Options::looping(vec![Mount { name, file: clip.file.clone() }]);
    change(&mut options);
    VirtualCamera::start(&options).unwrap()
}

fn url(camera: &VirtualCamera) -> String {
    camera.url("live")
}

/// A port on which nothing listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn refuses(stand: &mut Stand) {
    let port = free_port();
    stand.watch(open(format!("rtsp://127.0.0.1:{port}/live"), Tcp));
    stand.fails_with(&[("offline", "refused")]);
    let camera = stand.returns(|stand| camera(&stand.clips.small, |options| options.port = port));
    drop(camera);
}

/// The peer gives `answers` until it is mended.
fn answers_badly(stand: &mut Stand, answers: Answers, expected: &[(&str, &str)]) {
    let peer = Peer::start(&stand.clips, answers, Media::Clean);
    stand.watch(open(peer.url(), Tcp));
    stand.fails_with(expected);
    stand.returns(|_| peer.set_answers(Answers::Proper));
}

fn always(text: &str) -> Answers {
    Answers::Always(text.to_owned())
}

fn silent(stand: &mut Stand) {
    answers_badly(stand, Answers::None, &[("offline", "timeout")]);
}

fn dripping(stand: &mut Stand) {
    // rtspsrc waits for the rest of the answer before it comes down.
    stand.may_leave_a_call_behind();
    answers_badly(stand, Answers::Dripping, &[("offline", "no_picture")]);
}

fn login(stand: &mut Stand, authentication: Authentication, wrong: Option<&str>, password: &str) {
    let credentials = Credentials { authentication, user: "admin".into(), password: password.to_owned().into() };
    let camera = camera(&stand.clips.small, |options| options.credentials = Some(credentials));
    let file = stand.folder().join("password");
    std::fs::write(&file, wrong.unwrap_or(password)).unwrap();
    let rtsp = with_login(url(&camera), "admin", &file);
    if wrong.is_some() {
        stand.watch(rtsp);
        stand.fails_with(&[("unauthorised", "unauthorised")]);
        stand.returns(|_| std::fs::write(&file, password).unwrap());
    } else {
        stand.watch(rtsp);
        stand.returns(|_| ());
        stand.stays_online_for(10);
    }
}

fn wrong_password(stand: &mut Stand) {
    login(stand, Authentication::Digest, Some("wrong"), "right");
}

fn wrong_password_basic(stand: &mut Stand) {
    login(stand, Authentication::Basic, Some("wrong"), "right");
}

fn special_password(stand: &mut Stand) {
    login(stand, Authentication::Digest, None, "p@ss:w/rd?#%&\"' \\");
}

fn unmet_challenge(stand: &mut Stand) {
    let challenge = "WWW-Authenticate: Digest realm=\"\", nonce=\"\", algorithm=SHA-512-256, qop=\"auth-int\"";
    let peer = Peer::start(
        &stand.clips,
        Answers::Always(format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {{cseq}}\r\n{challenge}\r\n\r\n")),
        Media::Clean,
    );
    let file = stand.folder().join("password");
    std::fs::write(&file, "right").unwrap();
    stand.watch(with_login(peer.url(), "admin", &file));
    stand.fails_with(&[("unauthorised", "unauthorised")]);
    stand.returns(|_| peer.set_answers(Answers::Proper));
}

fn not_found(stand: &mut Stand) {
    let other = camera(&stand.clips.small, |options| options.mounts[0].name = Name::try_new("other").expect("a name"));
    let port = other.port();
    stand.watch(open(format!("rtsp://127.0.0.1:{port}/live"), Tcp));
    stand.fails_with(&[("offline", "not_found")]);
    drop(other);
    let camera = stand.returns(|stand| camera(&stand.clips.small, |options| options.port = port));
    drop(camera);
}

fn busy(stand: &mut Stand) {
    let answers = always("RTSP/1.0 503 Service Unavailable\r\nCSeq: {cseq}\r\n\r\n");
    answers_badly(stand, answers, &[("offline", "status")]);
}

fn other_transport(stand: &mut Stand) {
    let tcp_only = camera(&stand.clips.small, |options| options.transports = Transports::Tcp);
    let port = tcp_only.port();
    stand.watch(open(url(&tcp_only), Udp));
    stand.fails_with(&[("offline", "transport")]);
    drop(tcp_only);
    let camera = stand.returns(|stand| camera(&stand.clips.small, |options| options.port = port));
    drop(camera);
}

fn redirect(stand: &mut Stand) {
    let camera = camera(&stand.clips.small, |_| ());
    let moved = format!("RTSP/1.0 302 Found\r\nCSeq: {{cseq}}\r\nLocation: {}\r\n\r\n", url(&camera));
    let peer = Peer::start(&stand.clips, Answers::Always(moved), Media::Clean);
    stand.watch(open(peer.url(), Tcp));
    stand.returns(|_| ());
    stand.stays_online_for(10);
}

fn redirect_to_itself(stand: &mut Stand) {
    let moved = always("RTSP/1.0 302 Found\r\nCSeq: {cseq}\r\nLocation: {url}\r\n\r\n");
    answers_badly(stand, moved, &[("offline", "status")]);
}

fn half_described(stand: &mut Stand) {
    answers_badly(stand, Answers::HalfDescribed, &[("offline", "timeout")]);
}

fn nonsense(stand: &mut Stand) {
    let answers = always(
        "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\nContent-Length: 8\r\n\r\n%%%%\r\n\0\0",
    );
    answers_badly(stand, answers, &[("offline", "stream"), ("offline", "no_video")]);
}

fn lies_about_length(stand: &mut Stand) {
    let answers = always(
        "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\nContent-Length: 2147483646\r\n\r\nv=0\r\n",
    );
    answers_badly(stand, answers, &[("offline", "timeout"), ("offline", "stream")]);
}

fn speaks_http(stand: &mut Stand) {
    let answers = always("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    answers_badly(stand, answers, &[("offline", "stream"), ("offline", "status")]);
}

fn launch(launch: &str) -> Server {
    let transport = RTSPLowerTrans::TCP | RTSPLowerTrans::UDP;
    Server::start(&LaunchOptions { launch, port: 0, credentials: None, transport })
}

fn two_videos(stand: &mut Stand) {
    let server =
        launch(&format!("{H264} {}", H264.replace("name=pay0", "name=pay1").replace("name=tap", "name=other")));
    stand.watch(open(server.url(), Tcp));
    stand.returns(|_| ());
    stand.stays_online_for(25);
}

const AUDIO: &str = "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8";

fn audio_first(stand: &mut Stand) {
    let server = launch(&format!("{AUDIO} {}", H264.replace("name=pay0", "name=pay1")));
    stand.watch(open(server.url(), Tcp));
    stand.returns(|_| ());
    stand.stays_online_for(25);
}

fn no_video(stand: &mut Stand) {
    let server = launch(AUDIO);
    let port = server.port();
    stand.watch(open(server.url(), Tcp));
    stand.fails_with(&[("offline", "no_video")]);
    drop(server);
    let camera = stand.returns(|stand| camera(&stand.clips.small, |options| options.port = port));
    drop(camera);
}
