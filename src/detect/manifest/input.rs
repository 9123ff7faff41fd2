//! The input tensor and how a picture becomes one.

use serde::{Deserialize, Serialize};

/// Longest side of a model's input in pixels; larger ones are a mistake in the manifest.
const MAX_INPUT_SIDE: u32 = 4096;

/// The input tensor and how a picture becomes one: a byte (0..=255) of a colour becomes `(byte * scale - mean) / std`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the tensor.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Order of the dimensions.
    pub layout: Layout,
    /// Type of the elements.
    #[serde(default)]
    pub dtype: ElementType,
    /// Order of the colours.
    pub color: Color,
    /// Factor from a byte (0..=255) to the value from which `mean` is taken; 1 for `u8`.
    pub scale: f32,
    /// Taken from each colour after `scale`, in the order of `color`; 0 for `u8`.
    #[serde(default = "no_mean", skip_serializing_if = "is_no_mean")]
    pub mean: [f32; 3],
    /// Divides each colour last, in the order of `color`; 1 for `u8`.
    #[serde(default = "no_std", skip_serializing_if = "is_no_std")]
    pub std: [f32; 3],
    /// How a picture of another shape is fitted.
    pub resize: Resize,
    /// Byte (0..=255, before `scale`) of the borders that the fitting leaves; unused by `stretch`.
    #[serde(default)]
    pub pad: u8,
    /// Name of a second input, `i64 [1, 2]`, that wants the size of the picture as width, height (`orig_target_sizes` of
    /// RT-DETR and D-FINE). It is given the size of the first, so that boxes come in input pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_input: Option<String>,
}

fn no_mean() -> [f32; 3] {
    [0.0; 3]
}

fn no_std() -> [f32; 3] {
    [1.0; 3]
}

fn is_no_mean(mean: &[f32; 3]) -> bool {
    mean.iter().all(|mean| mean.abs() <= 0.0)
}

fn is_no_std(std: &[f32; 3]) -> bool {
    std.iter().all(|std| (std - 1.0).abs() <= 0.0)
}

impl Input {
    /// Dimensions of the tensor for a batch of one.
    #[must_use]
    pub fn shape(&self) -> [i64; 4] {
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }

    /// The first value that cannot be right.
    pub(super) fn mistake(&self) -> Option<String> {
        for (side, pixels) in [("width", self.width), ("height", self.height)] {
            if !(1..=MAX_INPUT_SIDE).contains(&pixels) {
                return Some(format!("input.{side} is {pixels}, allowed are 1 to {MAX_INPUT_SIDE}"));
            }
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Some(format!("input.scale is {}, it must be greater than 0", self.scale));
        }
        if self.mean.iter().any(|mean| !mean.is_finite()) {
            return Some(format!("input.mean is {:?}, allowed are finite numbers", self.mean));
        }
        if self.std.iter().any(|std| !(std.is_finite() && *std > 0.0)) {
            return Some(format!("input.std is {:?}, allowed are numbers greater than 0", self.std));
        }
        let is_plain = (self.scale - 1.0).abs() < f32::EPSILON && is_no_mean(&self.mean) && is_no_std(&self.std);
        match self.dtype {
            ElementType::U8 if !is_plain => {
                Some("input.dtype u8 takes bytes as they are: scale must be 1, mean 0 and std 1".to_owned())
            }
            ElementType::U8 | ElementType::F16 | ElementType::F32 => None,
        }
    }
}

/// Order of the input's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementType {
    /// 32-bit floating point.
    #[default]
    F32,
    /// 16-bit floating point (IEEE 754 binary16).
    F16,
    /// Bytes.
    U8,
}

/// Order of the input's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// How a picture is fitted into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Scaled evenly, centred, the rest padded.
    Letterbox,
    /// Each side scaled by itself to fill the input.
    Stretch,
}
