//! Many idle cameras: the whole agent beside as many bare pipelines in one process, both decoding key frames of an unchanged scene.

use crate::decoding::{bare_line, gst_launch};
use crate::gating::Agent;
use crate::measure::{Bar, Figure, cpu_ms_of, resident_mib_of};
use crate::street::VirtualCamera;
use curbwatch::ingest::Decoding;
use std::process::Child;
use std::time::Duration;

/// How many cameras are watched; memory per camera is that between the last two.
const COUNTS: [usize; 3] = [1, 10, 40];
/// Loading the model.
const WARM_UP: Duration = Duration::from_secs(15);
/// Per camera: two are connected at a time.
const CONNECT: Duration = Duration::from_millis(600);
const WATCH: Duration = Duration::from_secs(20);
/// Nothing is inferred while it is measured: what an inference costs is another figure.
const ANALYSIS: &str = r#"{"idle": "keyframes", "max_idle_secs": 3600}"#;

/// What so many cameras cost a process.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cameras: usize,
    cpu_ms_per_camera_second: f64,
    resident_mib: f64,
}

/// CPU time and memory of idle cameras, one and many.
pub fn idle_cameras(camera: &VirtualCamera, zones: &[Vec<[f32; 2]>]) -> Vec<Figure> {
    let (mut agents, mut bares) = (Vec::new(), Vec::new());
    for cameras in COUNTS {
        eprintln!("many: {cameras} idle cameras, the agent and then bare pipelines");
        let agent = Agent::start("many", &vec![camera.url.as_str(); cameras], zones, ANALYSIS, 5);
        agents.push(watch(&agent.process, cameras));
        drop(agent);
        let lines = vec![bare_line(&camera.url, Decoding::KeyFrames); cameras].join(" ");
        let mut bare = gst_launch(lines.split_whitespace());
        bares.push(watch(&bare, cameras));
        bare.kill().expect("the bare pipelines run");
        bare.wait().expect("the bare pipelines end");
    }
    for (agent, bare) in agents.iter().zip(&bares) {
        eprintln!("  {agent:.1?} bare {bare:.1?}");
    }
    let [one, some, many] = [0, 1, 2].map(|index| agents[index]);
    let figure = |name: &str, unit, value: f64, floor: f64, bar| Figure {
        name: name.to_owned(),
        unit,
        value,
        floor,
        ratio: value / floor,
        bar,
    };
    let per_second = "cpu_ms_per_camera_second";
    vec![
        figure(
            "idle_40_vs_1",
            per_second,
            many.cpu_ms_per_camera_second,
            one.cpu_ms_per_camera_second,
            Bar::AtMost(1.1),
        ),
        figure(
            "idle_40_vs_bare",
            per_second,
            many.cpu_ms_per_camera_second,
            bares[2].cpu_ms_per_camera_second,
            Bar::None,
        ),
        figure("rss_per_camera", "mib", slope(some, many), slope(bares[1], bares[2]), Bar::AtMost(1.25)),
    ]
}

/// What a process costs once all of its cameras are watched.
fn watch(process: &Child, cameras: usize) -> Cost {
    std::thread::sleep(WARM_UP + CONNECT * cameras as u32);
    let before = cpu_ms_of(process);
    std::thread::sleep(WATCH);
    let spent = cpu_ms_of(process) - before;
    let cpu_ms_per_camera_second = spent / WATCH.as_secs_f64() / cameras as f64;
    Cost { cameras, cpu_ms_per_camera_second, resident_mib: resident_mib_of(process) }
}

/// MiB per additional camera.
fn slope(few: Cost, many: Cost) -> f64 {
    (many.resident_mib - few.resident_mib) / (many.cameras - few.cameras) as f64
}
