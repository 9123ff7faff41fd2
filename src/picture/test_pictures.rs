//! Synthetic pictures of known content for the tests of this module.

use super::LumaSample;
use crate::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::sync::LazyLock;

pub(crate) const WIDTH: usize = 640;
pub(crate) const HEIGHT: usize = 360;

/// A stamp at this second of media time.
pub(crate) fn stamp(secs: f64) -> FrameStamp {
    FrameStamp::at_secs(secs, 0)
}

/// The luma of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Luma {
    pub(crate) pixels: Vec<u8>,
}

impl Luma {
    pub(crate) fn filled(value: u8) -> Self {
        Self { pixels: vec![value; WIDTH * HEIGHT] }
    }

    /// A street corner: 120 rectangles of seeded size, place and grey, walls and windows and kerbs.
    pub(crate) fn street(seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut picture = Self::filled(110);
        for _ in 0..120 {
            let (width, height) = (random.random_range(10..140), random.random_range(8..100));
            let (left, top) = (random.random_range(0..WIDTH - width), random.random_range(0..HEIGHT - height));
            picture.fill(left, top, width, height, random.random_range(40..210));
        }
        picture
    }

    pub(crate) fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, value: u8) {
        for row in self.pixels.chunks_exact_mut(WIDTH).skip(top).take(height) {
            row[left..left + width].fill(value);
        }
    }

    /// Makes a part brighter or darker.
    pub(crate) fn shade(&mut self, left: usize, top: usize, width: usize, height: usize, by: i16) {
        for row in self.pixels.chunks_exact_mut(WIDTH).skip(top).take(height) {
            row[left..left + width].iter_mut().for_each(|luma| *luma = (i16::from(*luma) + by).clamp(16, 235) as u8);
        }
    }

    pub(crate) fn map(&self, tone: impl Fn(f32) -> f32) -> Self {
        Self { pixels: self.pixels.iter().map(|&luma| tone(f32::from(luma)).round() as u8).collect() }
    }

    /// What the camera sees after it was turned; edges are repeated.
    pub(crate) fn moved(&self, across: isize, down: isize) -> Self {
        let at = |index: usize| {
            let row = ((index / WIDTH) as isize - down).clamp(0, HEIGHT as isize - 1) as usize;
            let column = ((index % WIDTH) as isize - across).clamp(0, WIDTH as isize - 1) as usize;
            self.pixels[row * WIDTH + column]
        };
        Self { pixels: (0..self.pixels.len()).map(at).collect() }
    }

    /// Mean over a square of `2 * radius + 1` pixels.
    pub(crate) fn blurred(&self, radius: usize) -> Self {
        let across = blur_lines(&self.pixels, WIDTH, 1, radius);
        Self { pixels: blur_lines(&across, HEIGHT, WIDTH, radius) }
    }

    /// With noise of this deviation (nearly normal), other for each seed.
    pub(crate) fn noisy(&self, deviation: f32, seed: u64) -> Self {
        static STEPS: LazyLock<Vec<f32>> = LazyLock::new(|| {
            let mut random = Pcg64Mcg::seed_from_u64(11);
            let mut step = || (0..12).map(|_| random.random_range(-0.5..0.5_f32)).sum();
            (0..65_537).map(|_| step()).collect()
        });
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut pixels = self.pixels.clone();
        for row in pixels.chunks_exact_mut(WIDTH) {
            let start = random.random_range(0..STEPS.len() - WIDTH);
            for (luma, step) in row.iter_mut().zip(&STEPS[start..]) {
                *luma = (f32::from(*luma) + step * deviation).round() as u8;
            }
        }
        Self { pixels }
    }

    pub(crate) fn sample(&self) -> LumaSample {
        let mut sample = LumaSample::new();
        sample.take(&frame(self.pixels.clone(), WIDTH, HEIGHT));
        sample
    }
}

/// Mean over `2 * radius + 1` samples along lines of `length`, whose samples are `step` apart.
fn blur_lines(source: &[u8], length: usize, step: usize, radius: usize) -> Vec<u8> {
    let blurred = |index: usize| {
        let position = index / step % length;
        let base = index - position * step;
        let (from, to) = (position.saturating_sub(radius), (position + radius).min(length - 1));
        let sum: usize = (from..=to).map(|at| usize::from(source[base + at * step])).sum();
        (sum / (to - from + 1)) as u8
    };
    (0..source.len()).map(blurred).collect()
}

pub(crate) fn frame(luma: Vec<u8>, width: usize, height: usize) -> Frame {
    tinted(luma, width, height, [128, 128])
}

/// A picture of one colour, Cb and Cr, in many shades.
pub(crate) fn tinted(luma: Vec<u8>, width: usize, height: usize, chroma: [u8; 2]) -> Frame {
    let chroma = chroma.map(|value| vec![value; width.div_ceil(2) * height.div_ceil(2)]);
    let layout = FrameLayout {
        width: width as u32,
        height: height as u32,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [width, width.div_ceil(2), width.div_ceil(2)],
    };
    let [cb, cr] = chroma;
    Frame::try_from_planes(layout, stamp(0.0), [luma, cb, cr]).unwrap()
}

/// A grey picture whose upper half has the given chroma.
pub(crate) fn half_colored(format: PixelFormat, cb: u8, cr: u8) -> Frame {
    let (width, height) = (WIDTH / 2, HEIGHT / 2);
    let plane = |value: u8| [vec![value; width * height / 2], vec![128; width * height / 2]].concat();
    let (chroma, strides) = match format {
        PixelFormat::I420 => ([plane(cb), plane(cr)], [WIDTH, width, width]),
        PixelFormat::Nv12 => {
            let pairs = plane(cb).into_iter().zip(plane(cr)).flat_map(|(cb, cr)| [cb, cr]);
            ([pairs.collect(), Vec::new()], [WIDTH, WIDTH, 0])
        }
    };
    let (matrix, range) = (ColorMatrix::Bt709, ColorRange::Limited);
    let layout = FrameLayout { width: WIDTH as u32, height: HEIGHT as u32, format, matrix, range, strides };
    let [first, second] = chroma;
    Frame::try_from_planes(layout, stamp(0.0), [vec![110; WIDTH * HEIGHT], first, second]).unwrap()
}
