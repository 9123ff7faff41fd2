//! Staged streets as files, played by a virtual camera in a process of its own, so that its cost is not the agent's.

use crate::measure::target;
use curbwatch::install;
use curbwatch::stage::{self, Composer, Footage, FrameSize, Scene};
use gstreamer::prelude::*;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const FPS: u32 = 25;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// 20 s of 1080p25 with pedestrians and a stall: something moves all the time.
pub fn busy() -> PathBuf {
    staged("bench-1080p", Scene::quiet(secs(20)).with_stall(secs(2), secs(18)))
}

/// Length of [`quiet`].
pub const QUIET: Duration = Duration::from_secs(340);

/// 1080p25 in which pedestrians walk for 10 s of each of five minutes, and a stall and a van come and go within 40 s after the second:
/// something moves for a sixth of the time, and there are two incidents to find.
pub fn quiet() -> PathBuf {
    let path = target().join("bench-quiet-1080p.mp4");
    if !path.exists() {
        let street = |length| Scene { pedestrians: false, ..Scene::quiet(secs(length)) };
        let visited =
            staged("bench-visited-1080p", street(40).with_stall(secs(4), secs(26)).with_van(secs(6), secs(28)));
        let walked = staged("bench-walked-1080p", Scene::quiet(secs(10)));
        let mut parts: Vec<PathBuf> = (0..5).flat_map(|_| [walked.clone(), empty()]).collect();
        parts.insert(4, visited);
        join(&parts, &path);
    }
    path
}

/// 50 s of 1080p25 in which nothing moves.
pub fn empty() -> PathBuf {
    staged("bench-empty-1080p", Scene { pedestrians: false, ..Scene::quiet(secs(50)) })
}

/// Carriageway and fire lane as the camera sees them.
pub fn zones() -> Vec<Vec<[f32; 2]>> {
    let scene = formatted(Scene::quiet(secs(10)).with_van(secs(2), secs(8)));
    let footage = footage();
    let composer = Composer::try_new(&scene, &footage).expect("a scene that the stage allows");
    composer.truth().zones.into_iter().map(|zone| zone.polygon).collect()
}

fn footage() -> Footage {
    let clip = install::footage("vtest.avi").expect("make setup");
    Footage::load(&clip).expect("the footage is readable")
}

fn formatted(scene: Scene) -> Scene {
    scene.with_format(FrameSize::try_new(1920, 1080).expect("a size that the stage allows"), FPS)
}

/// Composes a street once.
fn staged(name: &str, scene: Scene) -> PathBuf {
    let path = target().join(format!("{name}.mp4"));
    if !path.exists() {
        eprintln!("staging {}", path.display());
        stage::render(&formatted(scene), &footage(), &path).expect("the scene renders");
    }
    path
}

/// Plays files one after the other into another, without coding anew.
fn join(parts: &[PathBuf], joined: &Path) {
    let source = |path: &PathBuf| format!("filesrc location={} ! qtdemux ! h264parse ! queue ! all.", path.display());
    let sources: Vec<String> = parts.iter().map(source).collect();
    let sink = format!("concat name=all ! h264parse ! mp4mux ! filesink location={}", joined.display());
    play(&gstreamer::parse::launch(&format!("{sink} {}", sources.join(" "))).expect("elements are installed"));
}

/// Plays a pipeline to its end.
pub fn play(pipeline: &gstreamer::Element) {
    pipeline.set_state(gstreamer::State::Playing).expect("the pipeline starts");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let types = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = bus.timed_pop_filtered(gstreamer::ClockTime::from_seconds(120), &types).expect("the file ends");
    assert_eq!(end.type_(), gstreamer::MessageType::Eos, "{end:?}");
    pipeline.set_state(gstreamer::State::Null).expect("the pipeline stops");
}

/// `curbwatch camera` in a process of its own.
pub struct VirtualCamera {
    process: Child,
    pub url: String,
}

impl VirtualCamera {
    pub fn start(file: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .arg("camera")
            .arg(file)
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built with the bench");
        let out = std::io::BufReader::new(process.stdout.take().expect("piped above"));
        let url = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_whitespace().find(|word| word.starts_with("rtsp://")).map(str::to_owned))
            .expect("the camera prints its address");
        Self { process, url }
    }
}

impl Drop for VirtualCamera {
    fn drop(&mut self) {
        // It has ended already if the machine stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
