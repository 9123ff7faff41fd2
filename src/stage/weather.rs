//! What the camera adds: slow changes of light, sensor noise, and the sway of its pole. All seeded.

mod air;
mod sky;

use super::canvas::{Picture, Plane};
use air::Air;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sky::Sky;
pub use sky::{Night, Shadow};
use std::f32::consts::TAU;
use std::time::Duration;

/// How much the camera adds; zero switches a part off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// Largest change of light as a share; default 0.03, a thin cloud.
    pub light: f32,
    /// Standard deviation of the noise in luma steps; default 1, a good sensor by day.
    pub noise: f32,
    /// Largest sway in pixels of the footage; default 0.4.
    pub shake: f32,
    /// Nightfall; default none.
    pub night: Option<Night>,
    /// Rain, 0 (none, the default) to 1 (a downpour).
    pub rain: f32,
    /// The shadow of a building; default none.
    pub shadow: Option<Shadow>,
    /// Share of the contrast that haze takes, 0 (the default) to 0.9.
    pub haze: f32,
    /// Leaves in the wind, 0 (none, the default) to 1 (a storm).
    pub leaves: f32,
    /// Whether the headlights of cars that pass, or wait, fall on the street; default not.
    pub headlights: bool,
}

impl Default for Weather {
    fn default() -> Self {
        Self { light: 0.03, noise: 1.0, shake: 0.4, ..Self::none() }
    }
}

impl Weather {
    /// Nothing is added: for tests that compare samples.
    #[must_use]
    pub fn none() -> Self {
        Self {
            light: 0.0,
            noise: 0.0,
            shake: 0.0,
            night: None,
            rain: 0.0,
            shadow: None,
            haze: 0.0,
            leaves: 0.0,
            headlights: false,
        }
    }
}

/// Precomputed noise samples; each row of each frame begins at another place in them. Prime, so that rows do not line up.
const NOISE_SAMPLES: usize = 65_537;
/// Longest row.
const MAX_WIDTH: usize = 1920;
/// Steps into which a pixel is divided for the sway.
const STEPS: i32 = 16;

/// A scene's weather, ready to be added to frames.
pub(super) struct Atmosphere {
    weather: Weather,
    seed: u64,
    sky: Sky,
    air: Air,
    /// Output pixels per pixel of the footage.
    scale: f32,
    /// Noise, or nothing if there is none.
    noise: Vec<i8>,
    /// Phases of the slow waves of light (2), of the sway across (2) and down (2).
    phases: [f32; 6],
    /// A row between the vertical and the horizontal step, with one sample more on either side than the sway can reach.
    row: Vec<u16>,
}

impl Atmosphere {
    pub(super) fn new(weather: Weather, seed: u64, scale: f32) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let phases = std::array::from_fn(|_| random.random_range(0.0..TAU));
        let noise = if weather.noise > 0.0 {
            (0..NOISE_SAMPLES + MAX_WIDTH).map(|_| gaussian(&mut random, weather.noise)).collect()
        } else {
            Vec::new()
        };
        let (sky, air) = (Sky::new(weather.night, weather.rain), Air::new(weather.leaves, seed));
        Self { weather, seed, sky, air, scale, noise, phases, row: Vec::new() }
    }

    /// Writes the frame as the camera sees it: planar I420, rows without padding.
    pub(super) fn apply(&mut self, clean: &Picture, index: u64, time: Duration, out: &mut [u8]) {
        let seconds = time.as_secs_f32();
        let wave = |period: f32, phase: f32| (TAU * seconds / period + phase).sin();
        let [l0, l1, x0, x1, y0, y1] = self.phases;
        let gain = 1.0 + self.weather.light * (0.7 * wave(97.0, l0) + 0.3 * wave(23.0, l1));
        let reach = self.weather.shake * self.scale;
        let across = reach * (0.7 * wave(1.9, x0) + 0.3 * wave(0.61, x1));
        let down = reach * (0.7 * wave(2.7, y0) + 0.3 * wave(0.83, y1));
        let mut random = Pcg64Mcg::seed_from_u64(self.seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut rest = &mut *out;
        for (plane, source) in clean.planes.iter().enumerate() {
            let (target, after) = rest.split_at_mut(source.samples.len());
            rest = after;
            let halves = if plane == 0 { 1.0 } else { 2.0 };
            self.sway(source, across / halves, down / halves, target);
        }
        let [luma, ..] = &clean.planes;
        if let Some(shadow) = &self.weather.shadow {
            shadow.fall(luma.width, luma.height, time, &mut out[..luma.samples.len()]);
        }
        self.air.blow(luma.width, self.scale, time, &mut out[..luma.samples.len()]);
        self.sky.darken(luma.width, luma.height, time, out);
        if self.weather.headlights {
            air::shine(luma.width, time, &mut out[..luma.samples.len()]);
        }
        air::veil(self.weather.haze, luma.samples.len(), out);
        let noise_gain = self.sky.noise_gain(time);
        let out = &mut out[..luma.samples.len()];
        self.sky.rain(luma.width, self.scale, &mut random, out);
        expose(out, luma.width, gain, noise_gain, &self.noise, &mut random);
    }

    /// Moves a plane by fractions of a pixel; edges are repeated.
    fn sway(&mut self, source: &Plane, across: f32, down: f32, target: &mut [u8]) {
        let steps = |by: f32| {
            let by = (by * STEPS as f32).round() as i32;
            (by.div_euclid(STEPS) as isize, by.rem_euclid(STEPS) as u16)
        };
        let ((whole_x, part_x), (whole_y, part_y)) = (steps(across), steps(down));
        if (whole_x, part_x, whole_y, part_y) == (0, 0, 0, 0) {
            target.copy_from_slice(&source.samples);
            return;
        }
        let pad = whole_x.unsigned_abs() + 1;
        self.row.resize(source.width + 2 * pad, 0);
        let line = |y: isize| {
            &source.samples[y.clamp(0, source.height as isize - 1) as usize * source.width..][..source.width]
        };
        for (y, target) in target.chunks_exact_mut(source.width).enumerate() {
            let (upper, lower) = (line(y as isize + whole_y), line(y as isize + whole_y + 1));
            let middle = &mut self.row[pad..pad + source.width];
            for ((mixed, upper), lower) in middle.iter_mut().zip(upper).zip(lower) {
                *mixed = u16::from(*upper) * (STEPS as u16 - part_y) + u16::from(*lower) * part_y;
            }
            let (first, last) = (self.row[pad], self.row[pad + source.width - 1]);
            self.row[..pad].fill(first);
            self.row[pad + source.width..].fill(last);
            let from = pad.wrapping_add_signed(whole_x);
            let (left, right) = (&self.row[from..], &self.row[from + 1..]);
            for ((target, left), right) in target.iter_mut().zip(left).zip(right) {
                // At most 255 * 16 * 16: fits.
                *target = ((left * (STEPS as u16 - part_x) + right * part_x + 128) >> 8) as u8;
            }
        }
    }
}

/// Scales luma about black and adds noise.
fn expose(luma: &mut [u8], width: usize, gain: f32, noise_gain: i16, noise: &[i8], random: &mut Pcg64Mcg) {
    let gain = (gain * 128.0).round() as i16;
    if noise.is_empty() {
        for sample in luma {
            *sample = (((i16::from(*sample) - 16) * gain) / 128 + 16).clamp(0, 255) as u8;
        }
        return;
    }
    for row in luma.chunks_exact_mut(width) {
        let start = random.random_range(0..NOISE_SAMPLES);
        for (sample, noise) in row.iter_mut().zip(&noise[start..start + width]) {
            // At most 239 * 133: fits, as `Composer::try_new` refuses a light of more than 0.04.
            let exposed = ((i16::from(*sample) - 16) * gain) / 128 + 16;
            *sample = (exposed + noise_gain * i16::from(*noise)).clamp(0, 255) as u8;
        }
    }
}

/// A normally distributed step: the sum of 12 uniform numbers (Irwin-Hall) has variance 1.
fn gaussian(random: &mut Pcg64Mcg, deviation: f32) -> i8 {
    let sum: f32 = (0..12).map(|_| random.random_range(0.0..1.0_f32)).sum();
    ((sum - 6.0) * deviation).round().clamp(-127.0, 127.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_weather_changes_nothing() {
        let mut clean = Picture::grey(64, 48);
        clean.planes[0].samples.iter_mut().enumerate().for_each(|(i, sample)| *sample = (i % 200) as u8 + 20);
        let mut out = vec![0; 64 * 48 * 3 / 2];
        Atmosphere::new(Weather::none(), 1, 1.0).apply(&clean, 5, Duration::from_secs(3), &mut out);
        let same: Vec<u8> = clean.planes.iter().flat_map(|plane| plane.samples.clone()).collect();
        assert_eq!(out, same);
    }

    #[test]
    fn noise_has_the_stated_deviation() {
        let mut random = Pcg64Mcg::seed_from_u64(3);
        let samples: Vec<f32> = (0..20_000).map(|_| f32::from(gaussian(&mut random, 4.0))).collect();
        let variance = samples.iter().map(|v| v * v).sum::<f32>() / samples.len() as f32;
        assert!((variance.sqrt() - 4.0).abs() < 0.2, "deviation {}", variance.sqrt());
    }

    #[test]
    fn sway_moves_by_whole_and_part_pixels() {
        let mut source = Plane::filled(16, 4, 0);
        for row in source.samples.chunks_exact_mut(16) {
            row[8] = 160;
        }
        let mut air = Atmosphere::new(Weather::none(), 1, 1.0);
        let mut target = vec![0; 64];
        air.sway(&source, 2.0, 0.0, &mut target);
        assert_eq!((target[6], target[8]), (160, 0));
        air.sway(&source, -0.5, 0.0, &mut target);
        assert_eq!((target[8], target[9]), (80, 80));
    }
}
