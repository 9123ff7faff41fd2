//! What the air carries: haze, leaves in the wind, and the light of passing cars.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::f32::consts::TAU;
use std::time::Duration;

/// Grey to which haze draws luma, and chroma.
const HAZE_LUMA: f32 = 120.0;
const GREY: f32 = 128.0;

/// Draws a frame (planar I420, `luma` samples of it luma) towards grey by this share.
pub(super) fn veil(haze: f32, luma: usize, frame: &mut [u8]) {
    if haze <= 0.0 {
        return;
    }
    let (of_luma, of_chroma) = frame.split_at_mut(luma);
    for (samples, grey) in [(of_luma, HAZE_LUMA), (of_chroma, GREY)] {
        for sample in samples {
            *sample = (f32::from(*sample) * (1.0 - haze) + grey * haze).round() as u8;
        }
    }
}

/// A car every so often; of two, one waits with its lights on the same place, the other passes.
const CAR_EVERY_SECS: f32 = 12.0;
const WAITS_SECS: f32 = 9.0;
const PASSES_SECS: f32 = 3.0;
/// Reach of its beams as shares of the frame's width and height, and their light in multiples of what falls on the street.
const BEAM: (f32, f32) = (0.16, 0.09);
const BEAM_LIGHT: f32 = 3.0;
const BLACK: f32 = 16.0;
/// Radius of a lamp as a share of the frame's width.
const LAMP: f32 = 0.006;

/// Lays the light of headlights over luma.
pub(super) fn shine(width: usize, time: Duration, luma: &mut [u8]) {
    let secs = time.as_secs_f32();
    let (car, since) = ((secs / CAR_EVERY_SECS).floor(), secs % CAR_EVERY_SECS);
    let waits = car as u32 % 2 == 1;
    if since > if waits { WAITS_SECS } else { PASSES_SECS } {
        return;
    }
    // The one that waits stands where the other passes.
    let x = if waits { 0.45 } else { 1.1 - 1.2 * since / PASSES_SECS };
    let height = luma.len() / width;
    for (row, luma) in luma.chunks_exact_mut(width).enumerate() {
        let y = row as f32 / height as f32;
        for (column, luma) in luma.iter_mut().enumerate() {
            let across = column as f32 / width as f32 - x;
            let pool = ((across + 0.1) / BEAM.0).powi(2) + ((y - 0.6) / BEAM.1).powi(2);
            let lamp = [0.0, 0.02].map(|right| (across - right).hypot((y - 0.5) * height as f32 / width as f32) < LAMP);
            if lamp[0] || lamp[1] {
                *luma = 235;
            } else if pool < 6.0 {
                let lit = (f32::from(*luma) - BLACK) * (1.0 + BEAM_LIGHT * (-pool).exp()) + BLACK;
                *luma = lit.clamp(0.0, 235.0) as u8;
            }
        }
    }
}

/// Leaves in the air at once in a storm, their radius in pixels of the footage, and how fast they fly in frame widths per second.
const LEAVES: f32 = 90.0;
const LEAF: f32 = 1.6;
const WIND: f32 = 0.22;
/// Those that have come to rest on the street after a minute in a storm.
const FALLEN_PER_MINUTE: f32 = 120.0;

/// One leaf: where it began, how it tumbles, how dark it is.
struct Leaf {
    start: (f32, f32),
    speed: f32,
    phase: f32,
    luma: u8,
}

/// The leaves of a scene.
pub(super) struct Air {
    flying: Vec<Leaf>,
    /// In the order in which they come to rest.
    fallen: Vec<Leaf>,
}

impl Air {
    pub(super) fn new(leaves: f32, seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed ^ 0x1eaf);
        let mut leaf = || Leaf {
            start: (random.random_range(0.0..1.0), random.random_range(0.1..1.0)),
            speed: WIND * random.random_range(0.5..1.5),
            phase: random.random_range(0.0..TAU),
            luma: if random.random_bool(0.5) { 60 } else { 170 },
        };
        let flying = (0..(LEAVES * leaves) as usize).map(|_| leaf()).collect();
        let fallen = (0..(10.0 * FALLEN_PER_MINUTE * leaves) as usize).map(|_| leaf()).collect();
        Self { flying, fallen }
    }

    /// Draws the leaves into luma.
    pub(super) fn blow(&self, width: usize, scale: f32, time: Duration, luma: &mut [u8]) {
        let secs = time.as_secs_f32();
        let settled = (self.fallen.len() as f32 * secs / 600.0) as usize;
        for leaf in self.fallen.iter().take(settled) {
            draw(leaf.start, scale, leaf.luma, width, luma);
        }
        for leaf in &self.flying {
            let x = (leaf.start.0 + leaf.speed * secs).rem_euclid(1.0);
            let y = leaf.start.1 + 0.04 * (leaf.phase + 3.0 * secs).sin();
            draw((x, y), scale, leaf.luma, width, luma);
        }
    }
}

/// Draws one leaf, round and opaque.
fn draw((x, y): (f32, f32), scale: f32, shade: u8, width: usize, luma: &mut [u8]) {
    let height = luma.len() / width;
    let (left, top, radius) = (x * width as f32, y * height as f32, LEAF * scale);
    let rows = (top - radius).max(0.0) as usize..((top + radius) as usize + 1).min(height);
    for row in rows {
        let half = (radius * radius - (row as f32 - top).powi(2)).max(0.0).sqrt();
        let columns = (left - half).max(0.0) as usize..((left + half) as usize + 1).min(width);
        luma[row * width..][columns].fill(shade);
    }
}
