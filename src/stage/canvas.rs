//! The picture that is being composed, the view that places the street in it, and the cut-outs that are laid over it.
//!
//! Everything is planar YCbCr 4:2:0 (ITU-T H.273, BT.601, limited range), as the footage is decoded and as the encoder
//! takes it: nothing goes through RGB but what is drawn.

use super::{FrameSize, Lens};
use crate::geometry::{BBox, Point};

/// Width of the footage in pixels: the street's own coordinates.
pub const STREET_WIDTH: u32 = 768;
/// Height of the footage in pixels.
pub const STREET_HEIGHT: u32 = 576;

/// How the street (pixels of the footage) lies in the output: scaled evenly, and cropped where the shapes differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    size: FrameSize,
    scale: f32,
    crop_x: f32,
    crop_y: f32,
}

impl View {
    /// Covers an output of this size.
    #[must_use]
    pub fn covering(size: FrameSize, lens: Lens) -> Self {
        let (width, height) = (size.width() as f32, size.height() as f32);
        let (street_width, street_height) = (STREET_WIDTH as f32, STREET_HEIGHT as f32);
        let scale = (width / street_width).max(height / street_height) * lens.zoom;
        let crop_x = (street_width - width / scale) / 2.0;
        let crop_y = (street_height - height / scale) * lens.cut_above;
        Self { size, scale, crop_x, crop_y }
    }

    /// Output pixels per pixel of the footage.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Output size.
    #[must_use]
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// From the street to output pixels.
    #[must_use]
    pub fn to_output(self, street: Point) -> Point {
        Point { x: (street.x - self.crop_x) * self.scale, y: (street.y - self.crop_y) * self.scale }
    }

    /// From output pixels to the street.
    #[must_use]
    pub fn to_street(self, output: Point) -> Point {
        Point { x: output.x / self.scale + self.crop_x, y: output.y / self.scale + self.crop_y }
    }

    /// From the frame's 0..1 to the street.
    #[must_use]
    pub fn street_from_frame(&self, frame: Point) -> Point {
        self.to_street(Point { x: frame.x * self.size.width() as f32, y: frame.y * self.size.height() as f32 })
    }

    /// From the street to the frame's 0..1, clipped to the frame.
    #[must_use]
    pub fn frame_from_street(&self, street: Point) -> Point {
        let output = self.to_output(street);
        let share = |at: f32, of: u32| (at / of as f32).clamp(0.0, 1.0);
        Point { x: share(output.x, self.size.width()), y: share(output.y, self.size.height()) }
    }

    /// A box given by its corners in the street, in the frame's 0..1.
    ///
    /// # Panics
    /// If a coordinate is not finite or the corners are in the wrong order.
    #[must_use]
    pub fn bbox(&self, left_top: Point, right_bottom: Point) -> BBox {
        let (a, b) = (self.frame_from_street(left_top), self.frame_from_street(right_bottom));
        BBox::try_new(a.x, a.y, b.x, b.y).expect("actors give finite corners in order")
    }
}

/// One plane of samples, rows without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Samples per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` samples.
    pub samples: Vec<u8>,
}

impl Plane {
    /// A plane of one value.
    #[must_use]
    pub fn filled(width: usize, height: usize, value: u8) -> Self {
        Self { width, height, samples: vec![value; width * height] }
    }

    /// The sample nearest to the given place inside the plane.
    #[must_use]
    pub fn clamped(&self, x: isize, y: isize) -> u8 {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.samples[y * self.width + x]
    }

    /// Catmull-Rom interpolation: sharper than bilinear, for what is scaled once.
    #[must_use]
    fn cubic(&self, x: f32, y: f32) -> u8 {
        let (x0, y0) = (x.floor(), y.floor());
        let (across, down) = (catmull_rom(x - x0), catmull_rom(y - y0));
        let row = |dy: isize| -> f32 {
            let sample = |dx: isize| f32::from(self.clamped(x0 as isize + dx, y0 as isize + dy));
            (-1..3).zip(across).map(|(dx, weight)| weight * sample(dx)).sum()
        };
        let value: f32 = (-1..3).zip(down).map(|(dy, weight)| weight * row(dy)).sum();
        value.round().clamp(0.0, 255.0) as u8
    }
}

/// Weights of the samples at -1, 0, 1, 2 for a place `t` between 0 and 1 (Catmull and Rom, 1974).
fn catmull_rom(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [0.5 * (-t + 2.0 * t2 - t3), 0.5 * (2.0 - 5.0 * t2 + 3.0 * t3), 0.5 * (t + 4.0 * t2 - 3.0 * t3), 0.5 * (t3 - t2)]
}

/// A picture: luma at full size, both chroma planes at half size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Y, U and V.
    pub planes: [Plane; 3],
}

impl Picture {
    /// A grey picture; both sides are even.
    #[must_use]
    pub fn grey(width: usize, height: usize) -> Self {
        let chroma = Plane::filled(width / 2, height / 2, 128);
        Self { planes: [Plane::filled(width, height, 128), chroma.clone(), chroma] }
    }

    /// This picture of the street as the view shows it.
    #[must_use]
    pub fn seen_through(&self, view: &View) -> Self {
        let mut seen = Self::grey(view.size().width() as usize, view.size().height() as usize);
        for (plane, (target, source)) in seen.planes.iter_mut().zip(&self.planes).enumerate() {
            let halves = if plane == 0 { 1.0 } else { 2.0 };
            for row in 0..target.height {
                for column in 0..target.width {
                    let output = Point { x: (column as f32 + 0.5) * halves, y: (row as f32 + 0.5) * halves };
                    let street = view.to_street(output);
                    target.samples[row * target.width + column] =
                        source.cubic(street.x / halves - 0.5, street.y / halves - 0.5);
                }
            }
        }
        seen
    }
}

/// A piece of a picture with a soft edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutout {
    /// Its samples; where alpha is 0 they do not matter.
    pub picture: Picture,
    /// How much of it covers what lies below, 0..=255; as large as luma.
    pub alpha: Plane,
}

impl Cutout {
    /// Takes what was drawn. A row or column is lost where a side is odd.
    #[must_use]
    pub fn from_drawing(drawing: &tiny_skia::Pixmap) -> Self {
        let (width, height) = (drawing.width() as usize & !1, drawing.height() as usize & !1);
        let mut picture = Picture::grey(width, height);
        let mut alpha = Plane::filled(width, height, 0);
        let stride = drawing.width() as usize;
        for y in 0..height {
            for x in 0..width {
                let pixel = drawing.pixels()[y * stride + x];
                let color = pixel.demultiply();
                alpha.samples[y * width + x] = pixel.alpha();
                let [luma, ..] = ycbcr([color.red(), color.green(), color.blue()]);
                picture.planes[0].samples[y * width + x] = luma;
            }
        }
        for y in 0..height / 2 {
            for x in 0..width / 2 {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .map(|(dx, dy)| drawing.pixels()[(2 * y + dy) * stride + 2 * x + dx]);
                let sum = |channel: fn(tiny_skia::PremultipliedColorU8) -> u8| -> u32 {
                    four.iter().map(|&pixel| u32::from(channel(pixel))).sum()
                };
                let coverage = sum(tiny_skia::PremultipliedColorU8::alpha).max(1);
                let mean = |channel| (sum(channel) * 255 / coverage).min(255) as u8;
                let [_, blue, red] = ycbcr([
                    mean(tiny_skia::PremultipliedColorU8::red),
                    mean(tiny_skia::PremultipliedColorU8::green),
                    mean(tiny_skia::PremultipliedColorU8::blue),
                ]);
                picture.planes[1].samples[y * width / 2 + x] = blue;
                picture.planes[2].samples[y * width / 2 + x] = red;
            }
        }
        Self { picture, alpha }
    }

    /// Width and height in its own pixels.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.alpha.width, self.alpha.height)
    }
}

/// RGB to limited-range YCbCr (ITU-R BT.601-7, 2.5).
fn ycbcr([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (f32::from(r) / 255.0, f32::from(g) / 255.0, f32::from(b) / 255.0);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    let level = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    [level(16.0 + 219.0 * luma), level(128.0 + 224.0 * (b - luma) / 1.772), level(128.0 + 224.0 * (r - luma) / 1.402)]
}

/// Where a cut-out is laid, in output pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Left upper corner.
    pub left_top: Point,
    /// Output pixels per pixel of the cut-out.
    pub scale: f32,
    /// How far the upper edge is moved to the right, in output pixels; the lower edge stays.
    pub lean: f32,
    /// 0 (invisible) to 1.
    pub opacity: f32,
}

impl Placement {
    /// Unscaled, upright, opaque.
    #[must_use]
    pub fn at(left_top: Point) -> Self {
        Self { left_top, scale: 1.0, lean: 0.0, opacity: 1.0 }
    }
}

impl Picture {
    /// Lays a cut-out over this picture, interpolated bilinearly; what falls outside is not drawn.
    pub fn lay(&mut self, cutout: &Cutout, placement: &Placement) {
        for (plane, target) in self.planes.iter_mut().enumerate() {
            lay_plane(target, plane, cutout, placement);
        }
    }
}

/// Lays one plane. Fixed-point arithmetic throughout: this is most of the work of composing.
fn lay_plane(target: &mut Plane, plane: usize, cutout: &Cutout, placement: &Placement) {
    let halves = if plane == 0 { 1.0 } else { 2.0 };
    let source = &cutout.picture.planes[plane];
    let (width, height) = cutout.size();
    let (left_top, lean) = (placement.left_top, placement.lean);
    let drawn_height = height as f32 * placement.scale;
    let opacity = (placement.opacity.clamp(0.0, 1.0) * 256.0) as u32;
    // From the centre of a target sample to the cut-out's pixels.
    let step = halves / placement.scale;
    for row in span(left_top.y, drawn_height, halves, target.height) {
        let down = (row as f32 + 0.5) * halves - left_top.y;
        let shifted = left_top.x + lean * (1.0 - down / drawn_height);
        let y = down / placement.scale;
        let alpha_rows = Rows::at(&cutout.alpha, y);
        let source_rows = Rows::at(source, y / halves);
        let columns = span(shifted, width as f32 * placement.scale, halves, target.width);
        let x = ((columns.start as f32 + 0.5) * halves - shifted) / placement.scale;
        let (mut alpha_at, alpha_step) = (fixed(x - 0.5), fixed(step));
        let (mut source_at, source_step) = (fixed(x / halves - 0.5), fixed(step / halves));
        for under in &mut target.samples[row * target.width..][columns] {
            let alpha = (alpha_rows.interpolate(alpha_at) * opacity) >> 16;
            if alpha > 0 {
                let over = source_rows.interpolate(source_at);
                // Both terms scaled by 255 * 256; the sum stays below 2^24.
                let mixed = over * alpha + u32::from(*under) * 256 * (255 - alpha);
                *under = ((mixed + 255 * 128) / (255 * 256)) as u8;
            }
            alpha_at += alpha_step;
            source_at += source_step;
        }
    }
}

/// Target samples whose centre lies between `start` and `start + length`, given in output pixels.
fn span(start: f32, length: f32, halves: f32, limit: usize) -> std::ops::Range<usize> {
    let first_after = |edge: f32| ((edge / halves - 0.5).ceil().max(0.0) as usize).min(limit);
    first_after(start)..first_after(start + length)
}

/// With 16 bits after the point.
fn fixed(value: f32) -> i32 {
    (value * 65_536.0) as i32
}

/// The two rows of a plane between which a place lies.
struct Rows<'a> {
    upper: &'a [u8],
    lower: &'a [u8],
    /// Share of the lower one, 0..256.
    share: u32,
}

impl<'a> Rows<'a> {
    /// For a place counted in samples from the upper edge.
    fn at(plane: &'a Plane, y: f32) -> Self {
        let y = fixed(y - 0.5);
        let row = |index: i32| {
            &plane.samples[index.clamp(0, plane.height as i32 - 1) as usize * plane.width..][..plane.width]
        };
        Self { upper: row(y >> 16), lower: row((y >> 16) + 1), share: (y >> 8) as u32 & 255 }
    }

    /// The value at a fixed-point place counted from the centre of the first sample, times 256.
    fn interpolate(&self, x: i32) -> u32 {
        let last = self.upper.len() - 1;
        let first = ((x >> 16).max(0) as usize).min(last);
        let second = (((x >> 16) + 1).max(0) as usize).min(last);
        let share = (x >> 8) as u32 & 255;
        let mix = |row: &[u8]| u32::from(row[first]) * (256 - share) + u32::from(row[second]) * share;
        (mix(self.upper) * (256 - self.share) + mix(self.lower) * self.share) >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_neither_distorts_nor_leaves_an_edge_uncovered() {
        for (width, height) in [(1280, 720), (960, 540), (640, 480), (352, 288), (1920, 1080)] {
            let view = View::covering(FrameSize::try_new(width, height).unwrap(), Lens::default());
            let (a, b) =
                (view.to_street(Point { x: 0.0, y: 0.0 }), view.to_street(Point { x: width as f32, y: height as f32 }));
            assert!(a.x >= -1e-3 && a.y >= -1e-3, "{width}x{height} begins at {a:?}");
            assert!(b.x <= STREET_WIDTH as f32 + 1e-3 && b.y <= STREET_HEIGHT as f32 + 1e-3, "and ends at {b:?}");
            let there_and_back = view.to_output(view.to_street(Point { x: 17.0, y: 31.0 }));
            assert!((there_and_back.x - 17.0).abs() < 1e-2 && (there_and_back.y - 31.0).abs() < 1e-2);
        }
    }

    #[test]
    fn an_opaque_cutout_replaces_and_a_clear_one_leaves() {
        let mut picture = Picture::grey(32, 32);
        let mut drawing = tiny_skia::Pixmap::new(8, 8).unwrap();
        drawing.fill(tiny_skia::Color::WHITE);
        let cutout = Cutout::from_drawing(&drawing);
        let mut placement = Placement::at(Point { x: 4.0, y: 4.0 });
        placement.opacity = 0.0;
        picture.lay(&cutout, &placement);
        assert_eq!(picture, Picture::grey(32, 32));
        placement.opacity = 1.0;
        picture.lay(&cutout, &placement);
        let luma = &picture.planes[0];
        assert_eq!((luma.samples[8 * 32 + 8], luma.samples[20 * 32 + 20]), (235, 128));
    }
}
