//! A manifest to start from, for a model file that has none.

use super::{LayoutError, metadata_classes, probe, recognise};
use crate::detect::manifest::{
    Color, Decoder, ElementType, Input, Layout, Manifest, ModelFileError, Reading, Resize, Thresholds, sha256_of,
};
use crate::detect::signature::shape_of;
use crate::detect::{DetectError, Runtime, SessionOptions};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType};
use std::fs::File;
use std::path::Path;

/// Side of an input that the model leaves open, unless its metadata say more.
const USUAL_SIDE: u32 = 640;

/// What a model file says of itself.
#[derive(Debug)]
pub struct Inspection {
    /// The manifest, complete if nothing is [`Self::undecided`].
    pub manifest: Manifest,
    /// What was decided and why, a sentence each.
    pub notes: Vec<String>,
    /// What must be written by hand.
    pub undecided: Option<String>,
    /// Inputs and outputs as the model declares them.
    pub tensors: Vec<String>,
}

/// Loads a model file, runs it once on a grey picture and writes down what can be told.
pub fn inspect(runtime: &Runtime, path: &Path) -> Result<Inspection, DetectError> {
    let refused = |source| DetectError::Layout { path: path.to_path_buf(), source };
    let load = |source| DetectError::Load { path: path.to_path_buf(), source };
    let (size_bytes, sha256) = measure(path)?;
    let (mut session, _) = runtime.session(path, &SessionOptions::default()).map_err(load)?;
    let mut notes = Vec::new();
    let input = input_of(&session, &mut notes).map_err(|why| refused(LayoutError::Undecided(why)))?;
    let names = metadata_classes(&session);
    let seen = probe(&mut session, &input).map_err(|source| refused(source.into()))?;
    let found = recognise(&seen, (input.width, input.height), names.as_ref().map(Vec::len));
    let classes = names.unwrap_or_else(|| {
        let count = found.as_ref().ok().and_then(|found| found.classes).unwrap_or(0);
        notes.push(format!("the model does not name its classes: write the names of all {count}"));
        (0..count).map(|index| format!("class {index}")).collect()
    });
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut manifest = Manifest {
        name: path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
        file,
        sha256: sha256.try_into().expect("a digest is written as the manifest wants it"),
        size_bytes,
        licence: "unknown".to_owned(),
        source: "unknown".to_owned(),
        input,
        decoder: None,
        boxes: None,
        scores: None,
        outputs: Vec::new(),
        thresholds: Thresholds { confidence: 0.25, nms_iou: 0.45 },
        classes,
        folder: None,
    };
    let undecided = match found {
        Err(why) => Some(why),
        Ok(found) => {
            notes.extend(found.reasons);
            notes.push(feed(&mut manifest.input, &found.reading));
            manifest.adopt(found.reading);
            None
        }
    };
    Ok(Inspection { manifest, notes, undecided, tensors: tensors(&session) })
}

fn measure(path: &Path) -> Result<(u64, String), DetectError> {
    let unreadable = |source| ModelFileError::Read { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    Ok((size, sha256_of(&mut file).map_err(unreadable)?))
}

fn tensors(session: &Session) -> Vec<String> {
    let line = |kind: &str, outlet: &Outlet| format!("{kind} \"{}\" {}", outlet.name(), outlet.dtype());
    let inputs = session.inputs().iter().map(|outlet| line("input", outlet));
    inputs.chain(session.outputs().iter().map(|outlet| line("output", outlet))).collect()
}

/// The input by its declaration, scaled as most are; [`feed`] refines that once the family is known.
fn input_of(session: &Session, notes: &mut Vec<String>) -> Result<Input, String> {
    let is_image = |outlet: &&Outlet| shape_of(outlet).is_some_and(|shape| shape.len() == 4);
    let image = session.inputs().iter().find(is_image).ok_or("it has no input of four dimensions")?;
    let shape = shape_of(image).unwrap_or_default();
    let (layout, height, width) = match *shape {
        [_, 3, height, width] => (Layout::Nchw, height, width),
        [_, height, width, 3] => (Layout::Nhwc, height, width),
        _ => return Err(format!("its input \"{}\" {shape:?} has no dimension of 3 colours", image.name())),
    };
    if shape[0] > 1 {
        return Err(format!("it takes {} pictures at once; export it for one, or for any number", shape[0]));
    }
    let dtype = match image.dtype().tensor_type() {
        Some(TensorElementType::Float32) => ElementType::F32,
        Some(TensorElementType::Float16) => ElementType::F16,
        Some(TensorElementType::Uint8) => ElementType::U8,
        _ => return Err(format!("its input \"{}\" is {}; only f32, f16 and u8 are fed", image.name(), image.dtype())),
    };
    let trained = trained_size(session);
    let side = |declared: i64, trained: Option<u32>| match u32::try_from(declared) {
        Ok(pixels) if pixels > 0 => pixels,
        _ => trained.unwrap_or(USUAL_SIDE),
    };
    let (width_px, height_px) = (side(width, trained.map(|(w, _)| w)), side(height, trained.map(|(_, h)| h)));
    if width < 1 || height < 1 {
        notes.push(format!(
            "the model leaves the input's size open: {width_px}x{height_px} is taken, set it as you trained"
        ));
    }
    let is_size = |outlet: &&Outlet| {
        outlet.dtype().tensor_type() == Some(TensorElementType::Int64)
            && shape_of(outlet).is_some_and(|shape| shape.last() == Some(&2))
    };
    let size_input = session.inputs().iter().find(is_size).map(|outlet| outlet.name().to_owned());
    if session.inputs().len() > 1 + usize::from(size_input.is_some()) {
        return Err("it has inputs beside the picture and its size".to_owned());
    }
    let scale = if dtype == ElementType::U8 { 1.0 } else { 1.0 / 255.0 };
    Ok(Input {
        name: image.name().to_owned(),
        width: width_px,
        height: height_px,
        layout,
        dtype,
        color: Color::Rgb,
        scale,
        mean: [0.0; 3],
        std: [1.0; 3],
        resize: Resize::Letterbox,
        pad: 114,
        size_input,
    })
}

/// Width and height in the metadata of Ultralytics' exports: `[height, width]`.
fn trained_size(session: &Session) -> Option<(u32, u32)> {
    let sides: Vec<u32> = serde_saphyr::from_str(&session.metadata().ok()?.custom("imgsz")?).ok()?;
    match sides[..] {
        [height, width] => Some((width, height)),
        _ => None,
    }
}

/// How a family is usually fed; nothing in a model says it. Gives the sentence for whoever reads the manifest.
fn feed(input: &mut Input, reading: &Reading) -> String {
    const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
    let is_rf_detr = reading.outputs.iter().any(|output| output.name == "dets");
    let how = match reading.decoder {
        Decoder::Yolov5 | Decoder::Yolov8 | Decoder::YoloEndToEnd | Decoder::YoloBoxesScores => {
            "RGB from 0 to 1, letterboxed on grey"
        }
        Decoder::Yolox => {
            (input.color, input.scale) = (Color::Bgr, 1.0);
            "BGR from 0 to 255, letterboxed on grey"
        }
        Decoder::Nanodet => {
            (input.color, input.scale, input.resize) = (Color::Bgr, 1.0, Resize::Stretch);
            (input.mean, input.std) = ([103.53, 116.28, 123.675], [57.375, 57.12, 58.395]);
            "BGR less ImageNet's mean, stretched"
        }
        Decoder::Picodet | Decoder::Centernet => {
            input.resize = Resize::Stretch;
            (input.mean, input.std) = (IMAGENET_MEAN, IMAGENET_STD);
            "RGB less ImageNet's mean, stretched"
        }
        Decoder::Detr | Decoder::Listed if is_rf_detr => {
            input.resize = Resize::Stretch;
            (input.mean, input.std) = (IMAGENET_MEAN, IMAGENET_STD);
            "RGB less ImageNet's mean, stretched"
        }
        Decoder::Detr | Decoder::Listed => {
            input.resize = Resize::Stretch;
            "RGB from 0 to 1, stretched"
        }
        Decoder::Ssd | Decoder::TfSsd => {
            input.resize = Resize::Stretch;
            "RGB, stretched, bytes as they are if the input takes them, else from 0 to 1"
        }
        Decoder::Centerface => {
            (input.scale, input.pad) = (1.0, 0);
            "RGB from 0 to 255, letterboxed on black"
        }
    };
    if input.dtype == ElementType::U8 {
        (input.scale, input.mean, input.std) = (1.0, [0.0; 3], [1.0; 3]);
    }
    format!("fed as this family usually is: {how}; no model says how, compare with your training")
}
