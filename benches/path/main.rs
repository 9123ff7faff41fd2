//! CPU time of the agent's path, of its decoding, of its change gate and of many idle cameras, each beside its floor measured in the same
//! run.
//!
//! - `path`: `path_vs_floor_<model>`, for each installed detector. A virtual camera in another process plays a staged 1080p25 H.264 file over RTSP; ingest decodes every frame,
//!   hands every fifth to a runner, which infers, tracks and judges. The floor is what nobody can save: `avdec_h264` to `fakesink` on
//!   the same file, and for every fifth frame the model's input and `Session::run` alone, in a process of its own at the same time and pace.
//!   `path_vs_rtsp_floor_<model>`: the floor takes the camera's stream too, through a bare `rtspsrc`.
//! - `decoding`: `decode_all_vs_bare`, `decode_key_frames_vs_bare`. The agent's ingest beside `gst-launch-1.0` doing just that, on the same
//!   camera at the same time.
//! - `gating`: two whole agents on the same street at the same time, one that idles at key frames and infers what changed, and one that
//!   decodes everything and infers each frame. `quiet_gated_vs_ungated`: what they cost where something moves for a sixth of the time;
//!   `quiet_found`: the seconds of incidents that both found beside those that the ungated one found; `busy_gated_vs_ungated`: what they
//!   cost where something is pending all the time; `busy_gate_cost`: the test alone beside the path of a frame.
//! - `many`: `idle_40_vs_1`, `idle_40_vs_bare`, `rss_per_camera`. Whole agents with 1, 10 and 40 idle cameras, and as many bare pipelines in
//!   one process.
//!
//! - `picture`: `picture_jpeg`, the JPEG of a redacted 1080p frame beside its budget; `picture_all`, everything about the pictures of a change
//!   but the search for faces, beside that.
//!
//! Arguments choose sections: `cargo bench --bench path -- gating many`. Prints a table and writes `target/bench.json`:
//! `name → {value, unit, floor, ratio}`; figures of sections that were not run stay in it.

mod decoding;
mod floor;
mod gating;
mod many;
#[path = "../common/measure.rs"]
mod measure;
mod path;
mod picture;
mod street;

use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::config::Config;
use curbwatch::ingest::Decoding;
use measure::{Bar, Figure, median, print_table, report};
use std::path::Path;
use std::sync::Arc;
use street::VirtualCamera;

/// Rounds of the path beside its floor.
const ROUNDS: usize = 3;
/// The installed models that a camera's frames may be given to.
const DETECTORS: [&str; 2] = ["yolov4-tiny-416", "ssdlite-mobilenet-v2-300"];
/// Rounds of decoding beside a bare pipeline.
const PAIRED_ROUNDS: usize = 2;
const SECTIONS: [&str; 5] = ["path", "decoding", "gating", "many", "picture"];

fn main() {
    // Cargo adds arguments of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    gstreamer::init().expect("GStreamer is installed: make setup");
    if asked.first().is_some_and(|word| word == floor::ARGUMENT) {
        return serve_floor(&asked[1..]);
    }
    if let Some(unknown) = asked.iter().find(|word| !SECTIONS.contains(&word.as_str())) {
        panic!("{unknown} is no section; there are {SECTIONS:?}");
    }
    let is_asked = |section: &str| asked.is_empty() || asked.iter().any(|word| word == section);
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let busy = street::busy();
    let mut figures = Vec::new();
    if is_asked("path") || is_asked("decoding") || is_asked("gating") {
        let camera = VirtualCamera::start(&busy);
        // Each frame is inferred, changed or not.
        let text =
            config_text(&[&camera.url], r#"{"max_idle_secs": 0}"#, &[WHOLE.to_vec()], 5, Path::new("bench-data"));
        let config: Config = serde_json::from_str(&text).expect("a configuration");
        if is_asked("path") {
            let file = busy.to_str().expect("UTF-8 path");
            for model in DETECTORS {
                for (name, stream) in [("path_vs_floor", file), ("path_vs_rtsp_floor", &camera.url)] {
                    let ready = || floor::Floor::ready(&busy, stream, model);
                    figures.push(path_vs_floor(&format!("{name}_{model}"), &ready, model, &config, &clocks));
                }
            }
        }
        if is_asked("decoding") {
            figures.extend(decoding_vs_bare(&camera, &config, &clocks));
        }
        if is_asked("gating") {
            figures.extend(busy_gate(&camera, &busy, &config));
        }
    }
    if is_asked("gating") {
        figures.extend(quiet_gate());
    }
    if is_asked("many") {
        figures.extend(many::idle_cameras(&VirtualCamera::start(&street::empty()), &street::zones()));
    }
    if is_asked("picture") {
        figures.extend(picture::pictures(&busy));
    }
    print_table(&figures);
    report(&figures);
}

fn decoding_vs_bare(camera: &VirtualCamera, config: &Config, clocks: &Arc<dyn Clocks>) -> Vec<Figure> {
    let both = [("decode_all_vs_bare", Decoding::All), ("decode_key_frames_vs_bare", Decoding::KeyFrames)];
    let figure = |(name, decoding): (&str, Decoding)| {
        eprintln!("{name}: ingest and a bare pipeline, at the same time");
        let rounds: Vec<(f64, f64)> =
            (0..PAIRED_ROUNDS).map(|_| decoding::beside_bare(camera, config, clocks, decoding)).collect();
        let of = |pick: fn(&(f64, f64)) -> f64| rounds.iter().map(pick).sum::<f64>() / rounds.len() as f64;
        let (value, floor) = (of(|round| round.0), of(|round| round.1));
        let (unit, bar) = ("cpu_ms_per_camera_second", Bar::AtMost(1.15));
        Figure { name: name.to_owned(), unit, value, floor, ratio: value / floor, bar }
    };
    both.into_iter().map(figure).collect()
}

fn busy_gate(camera: &VirtualCamera, file: &Path, config: &Config) -> Vec<Figure> {
    eprintln!("busy_gated_vs_ungated: two agents on a busy street");
    let rounds: Vec<_> = (0..PAIRED_ROUNDS).map(|_| gating::busy(camera, &[WHOLE.to_vec()])).collect();
    let sum = |pick: fn(&gating::Pair<f64>) -> f64| rounds.iter().map(pick).sum::<f64>() / rounds.len() as f64;
    let (gated, ungated) = (sum(|round| round.gated), sum(|round| round.ungated));
    let test = gating::FPS_ACTIVE * gating::gate_per_frame(file, config);
    let (unit, bar) = ("cpu_ms_per_camera_second", Bar::AtMost(1.03));
    let whole = Figure {
        name: "busy_gated_vs_ungated".to_owned(),
        unit,
        value: gated,
        floor: ungated,
        ratio: gated / ungated,
        bar,
    };
    // Both sample each frame and judge the picture: so much of it the ungated agent pays too.
    let floor = ungated - test;
    vec![whole, Figure { name: "busy_gate_cost".to_owned(), unit, value: ungated, floor, ratio: ungated / floor, bar }]
}

fn quiet_gate() -> Vec<Figure> {
    eprintln!("quiet_gated_vs_ungated: two agents on a quiet street for {} s", street::QUIET.as_secs());
    let camera = VirtualCamera::start(&street::quiet());
    let (cost, found) = gating::quiet(&camera, &street::zones());
    let (shared, all) = found.shared_and_all_secs();
    vec![
        Figure {
            name: "quiet_gated_vs_ungated".to_owned(),
            unit: "cpu_ms_per_camera_second",
            value: cost.gated,
            floor: cost.ungated,
            ratio: cost.gated / cost.ungated,
            bar: Bar::AtMost(0.20),
        },
        Figure {
            name: "quiet_found".to_owned(),
            unit: "incident_seconds",
            value: shared,
            floor: all,
            ratio: shared / all,
            bar: Bar::AtLeast(0.99),
        },
    ]
}

fn path_vs_floor(
    name: &str,
    floor: &dyn Fn() -> floor::Floor,
    model: &str,
    config: &Config,
    clocks: &Arc<dyn Clocks>,
) -> Figure {
    let mut config = config.clone();
    model.clone_into(&mut config.model.manifest);
    let config = &config;
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        eprintln!("{name}, round {round} of {ROUNDS}: the agent's path and its floor, at the same time");
        rounds.push(path::beside_floor(config, clocks, &mut floor()));
    }
    let per_inferred = |spent: &floor::Spent| spent.cpu_ms / spent.inferred as f64;
    let of = |pick: fn(&(floor::Spent, floor::Spent)) -> &floor::Spent| {
        median(&rounds.iter().map(|round| per_inferred(pick(round))).collect::<Vec<_>>())
    };
    let ratios: Vec<f64> = rounds.iter().map(|(path, floor)| per_inferred(path) / per_inferred(floor)).collect();
    for (who, spent) in rounds.iter().flat_map(|(path, floor)| [("path", path), ("floor", floor)]) {
        println!("{who:<8}{:>10.0} CPU-ms,{:>6} decoded,{:>5} inferred", spent.cpu_ms, spent.decoded, spent.inferred);
    }
    println!("{:<44}{ratios:>12.3?}", "by round");
    Figure {
        name: name.to_owned(),
        unit: "cpu_ms_per_inferred_frame",
        value: of(|round| &round.0),
        floor: of(|round| &round.1),
        ratio: median(&ratios),
        bar: Bar::AtMost(1.05),
    }
}

/// The process that is the floor: `floor MODEL STREAM FILE`.
fn serve_floor(words: &[String]) {
    let [model, stream, file] = words else { panic!("a model, a stream and a file are expected, not {words:?}") };
    floor::serve(model, stream, &gating::every_sixth_frame(Path::new(file), 1).remove(0));
}

/// The whole picture as a zone.
const WHOLE: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

/// A configuration with a camera per address and the same zones in each, in which nothing may be sold and no vehicle may stand. JSON is
/// YAML.
fn config_text(urls: &[&str], analysis: &str, zones: &[Vec<[f32; 2]>], dwell_secs: u32, data_dir: &Path) -> String {
    let names: Vec<String> = (0..zones.len()).map(|index| format!("zone-{index}")).collect();
    let analysis: serde_json::Value = serde_json::from_str(analysis).expect("JSON");
    let zones: Vec<_> =
        names.iter().zip(zones).map(|(id, polygon)| serde_json::json!({"id": id, "polygon": polygon})).collect();
    let rule = |id, kind| serde_json::json!({"id": id, "kind": kind, "zones": names, "dwell_secs": dwell_secs});
    let camera = |(index, url): (usize, &&str)| {
        serde_json::json!({
            "id": format!("bench-{index}"), "streams": {"detect": {"url": url}}, "analysis": analysis, "zones": zones,
            "rules": [rule("vending", "street_vending"), rule("parking", "vehicle_parking")],
        })
    };
    serde_json::json!({
        "agent": {"site": "bench", "id": "bench", "data_dir": data_dir},
        "hub": {"host": "127.0.0.1", "port": 9},
        "cameras": urls.iter().enumerate().map(camera).collect::<Vec<_>>(),
    })
    .to_string()
}
