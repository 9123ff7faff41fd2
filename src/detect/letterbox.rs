//! One fused pass from decoded planes to the model's input: sample, convert to RGB, scale, and write channel planes.
//!
//! The picture keeps its aspect ratio, is centred, and the rest is filled with a grey ([letterboxing], as darknet does).
//! Bilinear with two taps per axis and pixel centres aligned, like OpenCV's `INTER_LINEAR`. No allocation per frame: the
//! taps of a frame size are computed once and kept.
//!
//! [letterboxing]: https://en.wikipedia.org/wiki/Letterboxing_(filming)

use crate::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, PixelFormat};
use crate::geometry::{BBox, BBoxError};

use super::manifest::Color;

/// How a frame lies in the model's square: `model = frame * scale + pad`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    frame_width: u32,
    frame_height: u32,
    scale: f32,
    pad_left: u32,
    pad_top: u32,
    inner_width: u32,
    inner_height: u32,
}

impl Letterbox {
    /// Fits a frame into a model input, both in pixels.
    #[must_use]
    pub fn fit(frame_width: u32, frame_height: u32, model_width: u32, model_height: u32) -> Self {
        let scale = (model_width as f32 / frame_width as f32).min(model_height as f32 / frame_height as f32);
        let inner_width = ((frame_width as f32 * scale).round() as u32).clamp(1, model_width);
        let inner_height = ((frame_height as f32 * scale).round() as u32).clamp(1, model_height);
        Self {
            frame_width,
            frame_height,
            scale,
            pad_left: (model_width - inner_width) / 2,
            pad_top: (model_height - inner_height) / 2,
            inner_width,
            inner_height,
        }
    }

    /// Turns a box in model pixels (centre and size) into one in the frame, 0..1, clipped to it.
    pub fn frame_from_model(&self, cx: f32, cy: f32, width: f32, height: f32) -> Result<BBox, BBoxError> {
        let x = |v: f32| (v - self.pad_left as f32) / (self.scale * self.frame_width as f32);
        let y = |v: f32| (v - self.pad_top as f32) / (self.scale * self.frame_height as f32);
        BBox::try_new(x(cx - width / 2.0), y(cy - height / 2.0), x(cx + width / 2.0), y(cy + height / 2.0))
    }
}

/// Where an output pixel is sampled on one axis: between `first` and `second`, `weight` of the way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap {
    first: u32,
    second: u32,
    weight: f32,
}

/// Taps for `count` output samples over `source` input samples, pixel centres aligned, edges repeated.
fn taps(count: u32, source: u32, scale: f32) -> Vec<Tap> {
    let last = source - 1;
    (0..count)
        .map(|i| {
            let at = ((i as f32 + 0.5) / scale - 0.5).clamp(0.0, last as f32);
            let first = at.floor() as u32;
            Tap { first, second: (first + 1).min(last), weight: at - first as f32 }
        })
        .collect()
}

/// Affine map from 8-bit YCbCr to RGB times the model's scale (ITU-T H.273, eq. for matrix coefficients 1 and 6).
#[derive(Debug, Clone, Copy)]
struct ColorMap {
    luma_gain: f32,
    luma_bias: f32,
    red_cr: f32,
    green_cb: f32,
    green_cr: f32,
    blue_cb: f32,
    /// The value of full white, above which a channel is cut.
    white: f32,
}

impl ColorMap {
    fn new(matrix: ColorMatrix, range: ColorRange, scale: f32) -> Self {
        let (kr, kb) = match matrix {
            ColorMatrix::Bt601 => (0.299, 0.114),
            ColorMatrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (luma_gain, luma_zero, chroma_gain) = match range {
            ColorRange::Limited => (255.0 / 219.0, 16.0, 255.0 / 224.0),
            ColorRange::Full => (1.0, 0.0, 1.0),
        };
        let (red_cr, blue_cb) = (2.0 * (1.0 - kr) * chroma_gain, 2.0 * (1.0 - kb) * chroma_gain);
        Self {
            luma_gain: luma_gain * scale,
            luma_bias: -luma_zero * luma_gain * scale,
            red_cr: red_cr * scale,
            green_cb: -blue_cb * kb / kg * scale,
            green_cr: -red_cr * kr / kg * scale,
            blue_cb: blue_cb * scale,
            white: 255.0 * scale,
        }
    }
}

/// Writes frames into a model's input tensor.
#[derive(Debug)]
pub struct InputWriter {
    model_width: u32,
    model_height: u32,
    color: Color,
    scale: f32,
    pad: f32,
    /// Taps for the layout of the last frame; `None` before the first.
    plan: Option<Plan>,
}

#[derive(Debug)]
struct Plan {
    layout: FrameLayout,
    letterbox: Letterbox,
    color: ColorMap,
    luma_x: Vec<Tap>,
    luma_y: Vec<Tap>,
    chroma_x: Vec<Tap>,
    chroma_y: Vec<Tap>,
    /// One output row of sampled Y, Cb, Cr.
    row: [Vec<f32>; 3],
}

impl InputWriter {
    /// For an input of `model_width` × `model_height` values per colour in `0..=255 * scale`, `pad` in the same unit
    /// outside the picture.
    #[must_use]
    pub fn new(model_width: u32, model_height: u32, color: Color, scale: f32, pad: f32) -> Self {
        Self { model_width, model_height, color, scale, pad, plan: None }
    }

    /// Fills `tensor`, three planes in the order of the model's colours, and says how the frame lies in it.
    ///
    /// # Panics
    /// If `tensor` does not have that length.
    pub fn write(&mut self, frame: &Frame, tensor: &mut [f32]) -> Letterbox {
        let plane_len = (self.model_width * self.model_height) as usize;
        assert_eq!(tensor.len(), 3 * plane_len, "three planes of the model's size");
        if self.plan.as_ref().is_none_or(|plan| plan.layout != *frame.layout()) {
            // A new size leaves another border than the last; while the size stays, nobody overwrites the border.
            tensor.fill(self.pad);
            self.plan = Some(Plan::new(*frame.layout(), self.model_width, self.model_height, self.scale));
        }
        let plan = self.plan.as_mut().expect("set just above");
        let (first, rest) = tensor.split_at_mut(plane_len);
        let (green, last) = rest.split_at_mut(plane_len);
        let (red, blue) = match self.color {
            Color::Rgb => (first, last),
            Color::Bgr => (last, first),
        };
        let (left, width) = (plan.letterbox.pad_left as usize, plan.letterbox.inner_width as usize);
        for row in 0..plan.letterbox.inner_height as usize {
            plan.sample_row(frame, row);
            let start = (row + plan.letterbox.pad_top as usize) * self.model_width as usize + left;
            let out = [&mut red[start..][..width], &mut green[start..][..width], &mut blue[start..][..width]];
            convert_row(&plan.color, &plan.row, out);
        }
        plan.letterbox
    }
}

impl Plan {
    fn new(layout: FrameLayout, model_width: u32, model_height: u32, scale: f32) -> Self {
        let letterbox = Letterbox::fit(layout.width, layout.height, model_width, model_height);
        let (width, height) = (letterbox.inner_width, letterbox.inner_height);
        // The exact ratio of the rounded inner size, so that the last output pixel meets the last input pixel.
        let (scale_x, scale_y) = (width as f32 / layout.width as f32, height as f32 / layout.height as f32);
        Self {
            layout,
            letterbox,
            color: ColorMap::new(layout.matrix, layout.range, scale),
            luma_x: taps(width, layout.width, scale_x),
            luma_y: taps(height, layout.height, scale_y),
            chroma_x: taps(width, layout.width.div_ceil(2), scale_x * 2.0),
            chroma_y: taps(height, layout.height.div_ceil(2), scale_y * 2.0),
            row: std::array::from_fn(|_| vec![0.0; width as usize]),
        }
    }

    /// Samples one output row of Y, Cb and Cr.
    fn sample_row(&mut self, frame: &Frame, row: usize) {
        let strides = self.layout.strides;
        let luma = Rows::of(frame.plane(0), strides[0], self.luma_y[row]);
        let [y, cb, cr] = &mut self.row;
        luma.sample::<1>(0, &self.luma_x, y);
        match self.layout.format {
            PixelFormat::I420 => {
                Rows::of(frame.plane(1), strides[1], self.chroma_y[row]).sample::<1>(0, &self.chroma_x, cb);
                Rows::of(frame.plane(2), strides[2], self.chroma_y[row]).sample::<1>(0, &self.chroma_x, cr);
            }
            PixelFormat::Nv12 => {
                let rows = Rows::of(frame.plane(1), strides[1], self.chroma_y[row]);
                rows.sample::<2>(0, &self.chroma_x, cb);
                rows.sample::<2>(1, &self.chroma_x, cr);
            }
        }
    }
}

/// The two source rows between which an output row lies.
struct Rows<'a> {
    upper: &'a [u8],
    lower: &'a [u8],
    weight: f32,
}

impl<'a> Rows<'a> {
    fn of(plane: &'a [u8], stride: usize, tap: Tap) -> Self {
        Self {
            upper: &plane[tap.first as usize * stride..],
            lower: &plane[tap.second as usize * stride..],
            weight: tap.weight,
        }
    }

    /// Samples the component at `offset` of pixels `STEP` bytes apart.
    fn sample<const STEP: usize>(&self, offset: usize, taps: &[Tap], out: &mut [f32]) {
        for (value, tap) in out.iter_mut().zip(taps) {
            let (first, second) = (tap.first as usize * STEP + offset, tap.second as usize * STEP + offset);
            let upper = lerp(self.upper[first], self.upper[second], tap.weight);
            let lower = lerp(self.lower[first], self.lower[second], tap.weight);
            *value = upper + (lower - upper) * self.weight;
        }
    }
}

fn lerp(first: u8, second: u8, weight: f32) -> f32 {
    let (first, second) = (f32::from(first), f32::from(second));
    first + (second - first) * weight
}

/// Converts one sampled row to RGB; the loop has no branch, so that the compiler vectorises it.
fn convert_row(color: &ColorMap, row: &[Vec<f32>; 3], out: [&mut [f32]; 3]) {
    let [y, cb, cr] = row;
    let [red, green, blue] = out;
    for ((((red, green), blue), &y), (&cb, &cr)) in
        red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()).zip(y).zip(cb.iter().zip(cr))
    {
        let (luma, cb, cr) = (y * color.luma_gain + color.luma_bias, cb - 128.0, cr - 128.0);
        *red = (luma + color.red_cr * cr).clamp(0.0, color.white);
        *green = (luma + color.green_cb * cb + color.green_cr * cr).clamp(0.0, color.white);
        *blue = (luma + color.blue_cb * cb).clamp(0.0, color.white);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockQuality, MediaTime, Mono};
    use crate::frame::FrameStamp;
    use proptest::prelude::*;

    fn stamp() -> FrameStamp {
        FrameStamp {
            media: MediaTime::default(),
            mono: Mono::default(),
            wall: jiff::Timestamp::UNIX_EPOCH,
            clock_quality: ClockQuality::Arrival,
            clock_offset: None,
            segment: 0,
        }
    }

    /// A frame of reproducible noise with padded rows.
    fn noise(
        width: u32,
        height: u32,
        padding: usize,
        format: PixelFormat,
        matrix: ColorMatrix,
        range: ColorRange,
    ) -> Frame {
        let (cw, ch) = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
        let sizes = match format {
            PixelFormat::I420 => [(width as usize, height as usize), (cw, ch), (cw, ch)],
            PixelFormat::Nv12 => [(width as usize, height as usize), (2 * cw, ch), (0, 0)],
        };
        let mut state = 12_345u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let strides = sizes.map(|(row, _)| row + padding);
        let planes = sizes.map(|(row, rows)| (0..(row + padding) * rows).map(|_| byte()).collect());
        Frame::try_from_planes(FrameLayout { width, height, format, matrix, range, strides }, stamp(), planes).unwrap()
    }

    /// The same definition in double precision, a pixel at a time, without any of the pass's machinery.
    fn reference(frame: &Frame, model: u32, x: u32, y: u32) -> Option<[f64; 3]> {
        let layout = frame.layout();
        let (w, h) = (f64::from(layout.width), f64::from(layout.height));
        let scale = (f64::from(model) / w).min(f64::from(model) / h);
        let (iw, ih) = ((w * scale).round().max(1.0), (h * scale).round().max(1.0));
        let left = ((f64::from(model) - iw) / 2.0).floor();
        let top = ((f64::from(model) - ih) / 2.0).floor();
        let (ix, iy) = (f64::from(x) - left, f64::from(y) - top);
        if ix < 0.0 || iy < 0.0 || ix >= iw || iy >= ih {
            return None;
        }
        let sample = |plane: usize, step: usize, offset: usize, halving: f64, pw: f64, ph: f64| {
            let at = |v: f64, inner: f64, full: f64, n: f64| {
                (((v + 0.5) * full / inner) / halving - 0.5).clamp(0.0, n - 1.0)
            };
            let (sx, sy) = (at(ix, iw, w, pw), at(iy, ih, h, ph));
            let get = |px: f64, py: f64| {
                let (px, py) = (px.min(pw - 1.0) as usize, py.min(ph - 1.0) as usize);
                f64::from(frame.plane(plane)[py * layout.strides[plane] + px * step + offset])
            };
            let (fx, fy) = (sx - sx.floor(), sy - sy.floor());
            let (x0, y0) = (sx.floor(), sy.floor());
            let upper = get(x0, y0) * (1.0 - fx) + get(x0 + 1.0, y0) * fx;
            let lower = get(x0, y0 + 1.0) * (1.0 - fx) + get(x0 + 1.0, y0 + 1.0) * fx;
            upper * (1.0 - fy) + lower * fy
        };
        let (cw, ch) = ((w / 2.0).ceil(), (h / 2.0).ceil());
        let luma = sample(0, 1, 0, 1.0, w, h);
        let (cb, cr) = match layout.format {
            PixelFormat::I420 => (sample(1, 1, 0, 2.0, cw, ch), sample(2, 1, 0, 2.0, cw, ch)),
            PixelFormat::Nv12 => (sample(1, 2, 0, 2.0, cw, ch), sample(1, 2, 1, 2.0, cw, ch)),
        };
        let (kr, kb) = if layout.matrix == ColorMatrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
        let (luma, cb, cr) = match layout.range {
            ColorRange::Limited => ((luma - 16.0) / 219.0, (cb - 128.0) / 224.0, (cr - 128.0) / 224.0),
            ColorRange::Full => (luma / 255.0, (cb - 128.0) / 255.0, (cr - 128.0) / 255.0),
        };
        let (red, blue) = (luma + 2.0 * (1.0 - kr) * cr, luma + 2.0 * (1.0 - kb) * cb);
        let green = (luma - kr * red - kb * blue) / (1.0 - kr - kb);
        Some([red, green, blue].map(|v| v.clamp(0.0, 1.0)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_the_reference_within_a_255th(
            width in 2u32..200, height in 2u32..200, padding in 0usize..9,
            nv12: bool, bt709: bool, full: bool,
        ) {
            let format = if nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 };
            let matrix = if bt709 { ColorMatrix::Bt709 } else { ColorMatrix::Bt601 };
            let range = if full { ColorRange::Full } else { ColorRange::Limited };
            let frame = noise(width, height, padding, format, matrix, range);
            let model = 64;
            let mut tensor = vec![-1.0; 3 * 64 * 64];
            InputWriter::new(model, model, Color::Rgb, 1.0 / 255.0, 0.5).write(&frame, &mut tensor);
            for y in 0..model {
                for x in 0..model {
                    let expected = reference(&frame, model, x, y).unwrap_or([0.5; 3]);
                    for (channel, expected) in expected.iter().enumerate() {
                        let found = f64::from(tensor[channel * 64 * 64 + (y * 64 + x) as usize]);
                        prop_assert!((found - expected).abs() <= 1.0 / 255.0, "{x},{y} channel {channel}: {found} {expected}");
                    }
                }
            }
        }

        #[test]
        fn a_box_survives_the_way_into_the_model_and_back(
            width in 16u32..4000, height in 16u32..4000, cx in 0.3f32..0.7, cy in 0.3f32..0.7, size in 0.05f32..0.3,
        ) {
            let letterbox = Letterbox::fit(width, height, 416, 416);
            let into_x = |v: f32| v * width as f32 * letterbox.scale + letterbox.pad_left as f32;
            let into_y = |v: f32| v * height as f32 * letterbox.scale + letterbox.pad_top as f32;
            let w = size * width as f32 * letterbox.scale;
            let h = size * height as f32 * letterbox.scale;
            let back = letterbox.frame_from_model(into_x(cx), into_y(cy), w, h).unwrap();
            let truth = BBox::try_from_center(cx, cy, size, size).unwrap();
            prop_assert!(back.iou(&truth) > 0.999);
        }
    }

    #[test]
    fn the_border_follows_a_change_of_size() {
        let mut writer = InputWriter::new(64, 64, Color::Bgr, 1.0, 7.0);
        let mut tensor = vec![0.0; 3 * 64 * 64];
        let make = |w, h| noise(w, h, 0, PixelFormat::I420, ColorMatrix::Bt601, ColorRange::Full);
        writer.write(&make(64, 32), &mut tensor);
        assert!((tensor[0] - 7.0).abs() < f32::EPSILON, "above a wide picture is border");
        writer.write(&make(32, 64), &mut tensor);
        assert!((tensor[32 * 64] - 7.0).abs() < f32::EPSILON, "left of a tall picture is border");
    }
}
