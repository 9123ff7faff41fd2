//! CPU time of the agent's path, of its decoding and of its change gate, each beside its floor measured in the same run.
//!
//! - `path_vs_floor`: a virtual camera in another process plays a staged 1080p25 H.264 file over RTSP; ingest decodes every frame,
//!   hands every fifth to a runner, which infers, tracks and judges. The floor is what nobody can save: `avdec_h264` to `fakesink` on
//!   the same file, and `Session::run` alone on the same input. Rounds of the three are interleaved; medians are reported.
//! - `decode_all_vs_bare`, `decode_key_frames_vs_bare`: the agent's ingest beside `gst-launch-1.0` doing just that, on the same camera
//!   at the same time.
//! - `quiet_gated_vs_ungated`: two whole agents on a street in which something moves in 10 s of 60, at the same time: one that idles at
//!   key frames and infers what changed, and one that decodes everything and infers each frame.
//! - `busy_gate_cost`: the path per inferred frame with and without the gate, where the gate saves nothing.
//!
//! Prints a table and adds to `target/bench.json`: `name → {value, unit, floor, ratio}`.

mod decoding;
mod gating;
#[path = "../common/measure.rs"]
mod measure;
mod path;
mod street;

use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::config::Config;
use curbwatch::ingest::Decoding;
use measure::{Figure, median, print_table, report};
use std::path::Path;
use std::sync::Arc;
use street::VirtualCamera;

const ROUNDS: usize = 3;
/// Rounds of decoding beside a bare pipeline: both run at once, so that the machine's moods meet both.
const PAIRED_ROUNDS: usize = 2;

fn main() {
    gstreamer::init().expect("GStreamer is installed: make setup");
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let (busy, quiet) = (street::busy(), street::quiet());
    let camera = VirtualCamera::start(&busy);
    // Each frame is inferred, changed or not.
    let text = config_text(&camera.url, r#"{"max_idle_secs": 0}"#, &WHOLE, Path::new("bench-data"));
    let config: Config = serde_json::from_str(&text).expect("a configuration");

    let path = path_vs_floor(&busy, &config, &clocks);
    let gate = gating::gate_per_frame(&busy, &config);
    let mut figures = vec![path];
    for (name, decoding) in [("decode_all_vs_bare", Decoding::All), ("decode_key_frames_vs_bare", Decoding::KeyFrames)]
    {
        eprintln!("{name}: ingest and a bare pipeline, at the same time");
        let rounds: Vec<(f64, f64)> =
            (0..PAIRED_ROUNDS).map(|_| decoding::beside_bare(&camera, &config, &clocks, decoding)).collect();
        let of = |pick: fn(&(f64, f64)) -> f64| rounds.iter().map(pick).sum::<f64>() / rounds.len() as f64;
        let (value, floor) = (of(|round| round.0), of(|round| round.1));
        figures.push(Figure {
            name: name.to_owned(),
            unit: "cpu_ms_per_camera_second",
            value,
            floor,
            ratio: value / floor,
            bar: 1.15,
        });
    }
    drop(camera);
    eprintln!("quiet_gated_vs_ungated: two agents on a quiet street for a minute");
    let camera = VirtualCamera::start(&quiet);
    let (gated, ungated) = gating::whole_agent(&camera, &street::carriageway());
    drop(camera);
    figures.push(Figure {
        name: "quiet_gated_vs_ungated".to_owned(),
        unit: "cpu_ms_per_camera_second",
        value: gated,
        floor: ungated,
        ratio: gated / ungated,
        bar: 0.20,
    });
    let with_gate = figures[0].value;
    figures.push(Figure {
        name: "busy_gate_cost".to_owned(),
        unit: "cpu_ms_per_inferred_frame",
        value: with_gate,
        floor: with_gate - gate,
        ratio: with_gate / (with_gate - gate),
        bar: 1.03,
    });

    print_table(&figures);
    report(&figures);
}

fn path_vs_floor(file: &Path, config: &Config, clocks: &Arc<dyn Clocks>) -> Figure {
    let (mut decode_floor, mut infer_floor, mut path) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}: bare decoding, bare inference, the agent's path");
        decode_floor.push(path::bare_decode(file));
        infer_floor.push(path::bare_inference(config));
        path.push(path::agent_path(config, clocks));
    }
    let (decode, infer) = (median(&decode_floor), median(&infer_floor));
    let per_inferred = median(&path.iter().map(|p| p.cpu_ms / p.inferred as f64).collect::<Vec<_>>());
    let decoded_per_inferred = median(&path.iter().map(|p| p.decoded as f64 / p.inferred as f64).collect::<Vec<_>>());
    let floor = decoded_per_inferred * decode + infer;
    let ratios: Vec<f64> = (0..ROUNDS)
        .map(|r| path[r].cpu_ms / (path[r].decoded as f64 * decode_floor[r] + path[r].inferred as f64 * infer_floor[r]))
        .collect();
    println!("{:<44}{:>12}", "CPU-ms, median of 3 rounds", "");
    println!("{:<44}{decode:>12.2}", "floor: decode a 1080p H.264 frame");
    println!("{:<44}{infer:>12.2}", "floor: Session::run of the detector");
    println!("{:<44}{decoded_per_inferred:>12.2}", "frames decoded per frame inferred");
    println!("{:<44}{:>12.2}", "agent's path: per decoded frame", per_inferred / decoded_per_inferred);
    println!("{:<44}{ratios:>12.3?}", "path_vs_floor, by round");
    Figure {
        name: "path_vs_floor".to_owned(),
        unit: "cpu_ms_per_inferred_frame",
        value: per_inferred,
        floor,
        ratio: median(&ratios),
        bar: 1.25,
    }
}

/// The whole picture as a zone.
const WHOLE: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

/// A configuration with one camera and one zone, in which nothing may be sold and no vehicle may stand. What stands there from the
/// first frame on is reported within seconds, and then asks for no attention. JSON is YAML.
fn config_text(url: &str, analysis: &str, zone: &[[f32; 2]], data_dir: &Path) -> String {
    format!(
        r#"{{
        "agent": {{"site": "bench", "id": "bench", "data_dir": "{}"}}, "hub": {{"host": "127.0.0.1", "port": 9}},
        "model": {{"runners": 1}},
        "cameras": [{{"id": "bench", "rtsp": {{"url": "{url}"}}, "analysis": {analysis},
            "zones": [{{"id": "zone", "polygon": {zone:?}}}],
            "rules": [{{"id": "vending", "kind": "street_vending", "zones": ["zone"], "dwell_secs": 5}},
                      {{"id": "parking", "kind": "vehicle_parking", "zones": ["zone"], "dwell_secs": 5}}]}}]}}"#,
        data_dir.display()
    )
}
