//! `curbwatch stage`.

use crate::geometry::Point;
use crate::install;
use crate::stage::{Codec, Footage, FrameSize, Scene, StageError, Truth, Weather, render, truth_path};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What happens in the street.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SceneKind {
    /// Pedestrians, nothing to report.
    Quiet,
    /// A stall opens on the carriageway and leaves.
    Stall,
    /// A van stands in a fire lane.
    FireLane,
    /// A stall and a van.
    Street,
    /// Crates and rubbish bags are left on the carriageway.
    Goods,
}

/// Arguments of `curbwatch stage`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to write (MP4); its truth is written beside it as FILE.truth.json.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What happens.
    #[arg(long, value_enum, default_value_t = SceneKind::Stall)]
    scene: SceneKind,
    /// Length in seconds.
    #[arg(long, default_value_t = 120.0, value_parser = seconds)]
    duration: f64,
    /// Second at which the stall opens, or the goods are left.
    #[arg(long, default_value_t = 20.0, value_parser = seconds)]
    open_at: f64,
    /// Second at which the stall leaves, or the goods are taken away.
    #[arg(long, default_value_t = 80.0, value_parser = seconds)]
    close_at: f64,
    /// Where the stall stands, 0..1 in the frame.
    #[arg(long, value_name = "X,Y", value_parser = place)]
    stall_at: Option<Point>,
    /// Second from which the van stands.
    #[arg(long, default_value_t = 20.0, value_parser = seconds)]
    arrive_at: f64,
    /// Second at which the van drives off.
    #[arg(long, default_value_t = 80.0, value_parser = seconds)]
    leave_at: f64,
    /// Where the van stands, 0..1 in the frame.
    #[arg(long, value_name = "X,Y", value_parser = place)]
    van_at: Option<Point>,
    /// Nobody walks through.
    #[arg(long)]
    no_pedestrians: bool,
    /// No light drift, noise or shake.
    #[arg(long)]
    still: bool,
    /// Seed of noise, light and shake.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Width and height in pixels.
    #[arg(long, default_value = "1280x720", value_parser = size)]
    size: FrameSize,
    /// Frames per second.
    #[arg(long, default_value_t = 25)]
    fps: u32,
    /// Frames from one key frame to the next; 2 seconds' worth if absent.
    #[arg(long)]
    gop: Option<u32>,
    /// How the video is coded.
    #[arg(long, value_enum, default_value_t = Codec::H264)]
    codec: Codec,
    /// Bits per second; from size and frame rate if absent.
    #[arg(long, value_name = "BITS")]
    bitrate: Option<u32>,
    /// The footage (vtest.avi); the installed one if absent.
    #[arg(long, value_name = "PATH")]
    footage: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = match &args.footage {
        Some(path) => path.clone(),
        None => {
            install::footage("vtest.avi").context("failed to find the footage; --footage takes it from elsewhere")?
        }
    };
    let footage = Footage::load(&path).context("failed to load the footage")?;
    let truth = render(&scene(args), &footage, &args.out).context("failed to stage the scene")?;
    let beside = truth_path(&args.out);
    write_truth(&truth, &beside).with_context(|| format!("failed to write {}", beside.display()))?;
    println!("{} (staged, {} s, {}x{})", args.out.display(), truth.duration_secs, truth.width, truth.height);
    for thing in &truth.things {
        println!("  {} from {} s to {} s: {}", thing.kind.as_str(), thing.from_secs, thing.to_secs, thing.what);
    }
    println!("{}", beside.display());
    Ok(ExitCode::SUCCESS)
}

fn scene(args: &Args) -> Scene {
    let secs = Duration::from_secs_f64;
    let mut scene = Scene::quiet(secs(args.duration)).with_format(args.size, args.fps);
    if matches!(args.scene, SceneKind::Stall | SceneKind::Street) {
        scene = scene.with_stall(secs(args.open_at), secs(args.close_at));
    }
    if matches!(args.scene, SceneKind::FireLane | SceneKind::Street) {
        scene = scene.with_van(secs(args.arrive_at), secs(args.leave_at));
    }
    if args.scene == SceneKind::Goods {
        scene = scene.with_goods(secs(args.open_at), secs(args.close_at));
    }
    for (appearance, at) in [(&mut scene.stall, args.stall_at), (&mut scene.van, args.van_at)] {
        if let Some(appearance) = appearance {
            appearance.at = at;
        }
    }
    Scene {
        gop: args.gop.unwrap_or(scene.gop),
        codec: args.codec,
        bitrate_bps: args.bitrate,
        seed: args.seed,
        pedestrians: !args.no_pedestrians,
        weather: if args.still { Weather::none() } else { scene.weather },
        ..scene
    }
}

fn write_truth(truth: &Truth, path: &Path) -> anyhow::Result<()> {
    Ok(std::fs::write(path, serde_json::to_string_pretty(truth)? + "\n")?)
}

/// Seconds on the command line, at most a day.
fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=86_400.0).contains(&value) { Ok(value) } else { Err("must be between 0 and 86400".to_owned()) }
}

/// `WIDTHxHEIGHT` on the command line.
fn size(text: &str) -> Result<FrameSize, String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let (width, height) = sides.ok_or("must look like 1280x720")?;
    FrameSize::try_new(width, height).map_err(|error: StageError| error.to_string())
}

/// `X,Y` on the command line.
fn place(text: &str) -> Result<Point, String> {
    let parts = text.split_once(',').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
    let (x, y) = parts.ok_or("must look like 0.45,0.7")?;
    Ok(Point { x, y })
}
