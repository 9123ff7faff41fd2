//! `curbwatch models quantize`.
//!
//! ONNX Runtime's own quantiser does the work, in the Python that set-up makes; what it is calibrated on are input tensors as the agent
//! itself writes them. Then both models are measured on pictures that the quantiser has not seen.

mod frames;
mod precision;

use crate::clock::thread_cpu_time;
use crate::detect::letterbox::{InputWriter, PixelRect};
use crate::detect::manifest::{ElementType, Manifest, Sha256Hex, sha256_of};
use crate::detect::{Detections, Detector, Runtime};
use crate::frame::Frame;
use crate::install;
use anyhow::{Context, bail, ensure};
use frames::Pictures;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = include_str!("../../../../models/convert/quantize.py");

/// From what gain and up to what loss an 8-bit model is worth it.
const WORTH_FROM: f64 = 1.2;
const WORTH_UP_TO: f64 = 0.01;
/// Runs of each model that are timed, in turns.
const ROUNDS: usize = 30;

/// Arguments of `curbwatch models quantize`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a model, or path of a manifest.
    model: String,
    /// Videos and pictures of the cameras that it is for, or folders of them: by day and by night, if it is for both.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE|FOLDER")]
    frames: Vec<PathBuf>,
    /// Seconds between the pictures that are taken from a video.
    #[arg(long, default_value_t = 1.0)]
    every: f64,
    /// Folder for the model and its manifest.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    out: PathBuf,
}

/// Writes the model and its manifest, and prints whether they are worth it.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let python = install::python()?;
    let (path, mut float) = super::open(&args.model)?;
    let input = &float.manifest().input;
    ensure!(input.dtype == ElementType::F32, "only models whose input is f32 can be quantised");
    ensure!(args.every.is_finite() && args.every >= 0.0, "--every must be a number of seconds, 0 or more");

    let tensors = Temporary::new()?;
    let mut writer = InputWriter::new(input);
    let mut tensor = vec![0f32; input.shape().iter().product::<i64>() as usize];
    let every = Duration::from_secs_f64(args.every);
    let pictures = Pictures::read(&args.frames, every, |number, frame| {
        let part = PixelRect::whole(frame.layout().width, frame.layout().height);
        writer.write(frame, part, &mut tensor);
        let bytes: Vec<u8> = tensor.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(tensors.path().join(format!("{number:05}.f32")), bytes).context("failed to keep a picture")
    })?;
    println!("{} pictures to calibrate on, {} others to compare on", pictures.calibrated_on, pictures.held_out.len());

    let name = format!("{}-int8", float.manifest().name);
    let file = args.out.join(format!("{name}.onnx"));
    quantize(&python, &path, tensors.path(), &file)?;
    let manifest = args.out.join(format!("{name}.yaml"));
    std::fs::write(&manifest, serde_saphyr::to_string(&described(float.manifest(), &name, &file)?)?)
        .with_context(|| format!("failed to write {}", manifest.display()))?;
    println!("{} and its model are written", manifest.display());

    let described = Manifest::load(&manifest)?;
    let mut int8 = Detector::open(&Runtime::load()?, &described, &install::model_file(&described)?)?;
    Comparison::of(&mut float, &mut int8, &pictures.held_out)?.print();
    Ok(())
}

/// A folder of this process that is removed when it is no longer needed.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("curbwatch-quantize-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("failed to make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// Runs the quantiser.
fn quantize(python: &Path, model: &Path, tensors: &Path, out: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, "--model"]).arg(model).arg("--tensors").arg(tensors).arg("--output").arg(out);
    let done = command.output().with_context(|| format!("failed to run {}", python.display()))?;
    if !done.status.success() {
        bail!("failed to quantise {}:\n{}", model.display(), String::from_utf8_lossy(&done.stderr).trim_end());
    }
    Ok(())
}

/// The manifest of the 8-bit model: that of the other but for the file.
fn described(float: &Manifest, name: &str, file: &Path) -> anyhow::Result<Manifest> {
    let read = || format!("failed to read {}", file.display());
    let mut content = std::fs::File::open(file).with_context(read)?;
    let size_bytes = content.metadata().with_context(read)?.len();
    let sha256 = Sha256Hex::try_from(sha256_of(&mut content).with_context(read)?).map_err(anyhow::Error::msg)?;
    Ok(Manifest {
        name: name.to_owned(),
        file: format!("{name}.onnx"),
        sha256,
        size_bytes,
        source: format!("{}, quantised by curbwatch models quantize", float.source),
        ..float.clone()
    })
}

/// What the two models cost, and how far they agree.
struct Comparison {
    float_ms: f64,
    int8_ms: f64,
    /// Average precision of the 8-bit model, if what the float model finds is the truth: over COCO's overlaps, and at an overlap of one half.
    agreement: f64,
    found_again: f64,
    truths: usize,
}

impl Comparison {
    /// Both on the same pictures.
    fn of(float: &mut Detector, int8: &mut Detector, pictures: &[Frame]) -> anyhow::Result<Self> {
        let limit = float.manifest().thresholds.confidence;
        let (mut truth, mut found) = (Vec::new(), Vec::new());
        for picture in pictures {
            let (mut of_float, mut of_int8) = (Detections::new(), Detections::new());
            float.detect(picture, &mut of_float)?;
            int8.detect(picture, &mut of_int8)?;
            of_float.retain(|detection| detection.confidence >= limit);
            truth.push(of_float);
            found.push(of_int8);
        }
        let (mut float_times, mut int8_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            float_times.push(run_time(float)?);
            int8_times.push(run_time(int8)?);
        }
        Ok(Self {
            float_ms: median_ms(float_times),
            int8_ms: median_ms(int8_times),
            agreement: precision::average_precision(&found, &truth, &precision::coco_limits()),
            found_again: precision::average_precision(&found, &truth, &[0.5]),
            truths: truth.iter().map(Vec::len).sum(),
        })
    }

    fn print(&self) {
        let Self { float_ms, int8_ms, agreement, found_again, truths } = self;
        let (gain, loss) = (float_ms / int8_ms, 1.0 - agreement);
        println!("CPU-ms per inference: {float_ms:.1} before, {int8_ms:.1} with 8 bits: {gain:.2} times as fast");
        println!("average precision of {truths} objects that it found before: {agreement:.3}, {loss:.3} lost");
        println!(
            "  at an overlap of one half: {found_again:.3}; what is below comes of boxes that lie a little elsewhere"
        );
        let is_worth_it = *truths > 0 && gain >= WORTH_FROM && loss < WORTH_UP_TO;
        let verdict = if is_worth_it { "recommended" } else { "not recommended" };
        println!("{verdict} (from {WORTH_FROM} times as fast and below {WORTH_UP_TO} lost, on a box like this one)");
    }
}

/// CPU time of one run of the session on the picture that was detected last.
fn run_time(detector: &mut Detector) -> anyhow::Result<Duration> {
    let began = thread_cpu_time();
    detector.infer_only()?;
    Ok(thread_cpu_time().saturating_sub(began))
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
