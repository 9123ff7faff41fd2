//! `probe` and `check --probe`: what a camera's stream is, before anything is configured or while it is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use curbwatch::stage::{self, Footage, FrameSize, Scene};
use curbwatch::vcam::{Authentication, Credentials, Mount, Options, VirtualCamera};
use mosquitto::Mosquitto;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Every character that breaks a URL.
const PASSWORD: &str = "p@ss:w/rd?#%";

/// A camera that shows a quiet street to whoever knows the password.
fn camera(folder: &Path) -> VirtualCamera {
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let file = folder.join("street.mp4");
    let scene = Scene::quiet(Duration::from_secs(12)).with_format(FrameSize::try_new(640, 360).unwrap(), 5);
    stage::render(&scene, &footage, &file).unwrap();
    let mut options = Options::looping(vec![Mount::for_file(&file).unwrap()]);
    let authentication = Authentication::Digest;
    options.credentials =
        Some(Credentials { authentication, user: "viewer".into(), password: PASSWORD.to_owned().into() });
    VirtualCamera::start(&options).unwrap()
}

fn curbwatch(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
    command.args(arguments).env("CAMERA_PASSWORD", PASSWORD).output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(both).unwrap();
    assert!(!text.contains(PASSWORD), "the password was printed: {text}");
    text
}

#[test]
fn a_camera_is_known_after_a_few_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera(folder.path());
    let (url, picture) = (camera.url("street"), folder.path().join("seen.jpg"));
    let login = ["--username", "viewer", "--password-env", "CAMERA_PASSWORD"];
    let arguments = [&["probe", &url, "--picture", picture.to_str().unwrap()][..], &login[..]].concat();
    let output = curbwatch(&arguments);
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    for expected in [
        "video            h264 main 2.2 640x360",
        "key frames       every ",
        "first picture    after ",
        "clock            +0.",
        "loss             0 of ",
        "`analysis.idle: keyframes` (the default) fits",
    ] {
        assert!(told.replace("clock            -0.", "clock            +0.").contains(expected), "{expected}: {told}");
    }
    let rate = told.lines().find_map(|line| line.strip_prefix("rate")?.split_whitespace().next()?.parse::<f64>().ok());
    assert!(rate.is_some_and(|rate| (rate - 5.0).abs() <= 0.5), "{told}");
    let picture = image::open(&picture).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 360));

    let refused = curbwatch(&["probe", &url]);
    let told = text(&refused);
    assert!(!refused.status.success() && told.contains("unauthorised"), "{told}");
    let in_url = curbwatch(&["probe", &url.replace("rtsp://", "rtsp://viewer:secret@")]);
    assert!(!text(&in_url).contains("secret"), "what is wrong in a URL is not repeated");
}

#[test]
fn a_configuration_is_held_against_its_cameras_and_its_broker() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera(folder.path());
    let broker = Mosquitto::anonymous();
    let config = folder.path().join("edge.yaml");
    let write = |url: &str| {
        let text = format!(
            "agent: {{site: test, id: box-1}}\nhub: {{host: 127.0.0.1, port: {}}}\ncameras:\n  - id: east\n    streams: {{detect: {{url: '{url}', username: viewer, password: {{env: CAMERA_PASSWORD}}}}}}\n",
            broker.port()
        );
        std::fs::write(&config, text).unwrap();
    };
    let check = || curbwatch(&["check", config.to_str().unwrap(), "--probe"]);
    write(&camera.url("street"));
    let good = check();
    let told = text(&good);
    assert!(good.status.success() && told.contains("east detect: h264 main 2.2 640x360"), "{told}");
    assert!(told.contains(&format!("broker 127.0.0.1:{}: accepts connections", broker.port())), "{told}");
    write(&camera.url("elsewhere"));
    let bad = check();
    let told = text(&bad);
    assert_eq!(bad.status.code(), Some(1), "{told}");
    assert!(told.contains("east detect: no picture came"), "{told}");
}
