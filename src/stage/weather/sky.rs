//! Nightfall with street lamps, the camera's switch to infrared, and rain.

use rand::Rng;
use rand_pcg::Pcg64Mcg;
use std::time::Duration;

/// Nightfall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// When dusk begins.
    pub from: Duration,
    /// How long it takes until only the lamps give light.
    pub dusk: Duration,
    /// When the camera switches to infrared, if it does. It shows nothing for [`SWITCH`] and then grey, lit by its own lamp.
    pub infrared_at: Option<Duration>,
}

/// The shadow of a building, which the sun moves across the street from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadow {
    /// When it enters.
    pub from: Duration,
    /// When it has left.
    pub to: Duration,
}

/// Light in a shadow as a share of the daylight, its width as a share of the frame's, the softness of its edges as a share of its
/// width, and its slant: how far it leans per height of the frame, in widths.
const SHADOW_LIGHT: f32 = 0.55;
const SHADOW_WIDTH: f32 = 0.3;
const SHADOW_SOFTNESS: f32 = 0.04;
const SHADOW_SLANT: f32 = 0.25;

impl Shadow {
    /// Darkens luma where it falls at this time.
    pub(super) fn fall(&self, width: usize, height: usize, time: Duration, luma: &mut [u8]) {
        if !(self.from..self.to).contains(&time) {
            return;
        }
        let since_from = |time: Duration| time.saturating_sub(self.from).as_secs_f32();
        let way = since_from(time) / since_from(self.to);
        // From wholly beyond the left edge to wholly beyond the right one, slant included.
        let left = way * (1.0 + SHADOW_WIDTH + SHADOW_SLANT) - SHADOW_WIDTH - SHADOW_SLANT;
        for (row, luma) in luma.chunks_exact_mut(width).enumerate() {
            let left = left + SHADOW_SLANT * (1.0 - row as f32 / height as f32);
            for (column, luma) in luma.iter_mut().enumerate() {
                let within = (column as f32 / width as f32 - left) / SHADOW_WIDTH;
                let depth = (within.min(1.0 - within) / SHADOW_SOFTNESS).clamp(0.0, 1.0);
                *luma = dimmed(*luma, 1.0 - (1.0 - SHADOW_LIGHT) * depth);
            }
        }
    }
}

/// How long the picture is black while the camera swings its filter away.
const SWITCH: Duration = Duration::from_millis(1500);
/// Luma of black, and chroma of grey.
const BLACK: u8 = 16;
const GREY: u8 = 128;
/// Share of the daylight that is left by night, beyond the lamps' reach.
const NIGHT_LIGHT: f32 = 0.14;
/// Lamps: where their light falls, 0..1 in the frame, their reach as a share of the width, and their light as a share of
/// the daylight.
const LAMPS: [(f32, f32); 2] = [(0.25, 0.40), (0.72, 0.30)];
const LAMP_REACH: f32 = 0.22;
const LAMP_LIGHT: f32 = 0.55;
/// The camera's own lamp: brightest in the middle.
const INFRARED_REACH: f32 = 0.6;
/// By how much red-poor surfaces (leaves) are brighter in infrared, per step of chroma.
const LEAF_GLOW: i16 = 5;
/// Noise by night in multiples of the day's.
const NIGHT_NOISE: f32 = 4.0;
/// Rain: lines per pixel in a downpour, and what the wet air takes of the contrast.
const LINES_PER_PIXEL: f32 = 1.0 / 1200.0;
const VEIL: f32 = 0.3;
const VEIL_LUMA: f32 = 130.0;
const LINE_LIGHT: u8 = 28;

/// Night and rain, ready to be laid over frames.
pub(super) struct Sky {
    night: Option<Night>,
    rain: f32,
    /// Light of the street's lamps and of the camera's own per pixel, 0..=255; made for the first frame by night.
    lamps: Vec<u8>,
    infrared: Vec<u8>,
}

impl Sky {
    pub(super) fn new(night: Option<Night>, rain: f32) -> Self {
        Self { night, rain, lamps: Vec::new(), infrared: Vec::new() }
    }

    /// Turns a frame (planar I420) into what the camera sees at this time of the night.
    pub(super) fn darken(&mut self, width: usize, height: usize, time: Duration, frame: &mut [u8]) {
        let Some(night) = self.night else { return };
        let fallen = fallen(&night, time);
        if fallen <= 0.0 {
            return;
        }
        if self.lamps.is_empty() {
            self.lamps = pools(width, height, &LAMPS, LAMP_REACH);
            self.infrared = pools(width, height, &[(0.5, 0.5)], INFRARED_REACH);
        }
        let (luma, chroma) = frame.split_at_mut(width * height);
        match night.infrared_at {
            Some(at) if time >= at => {
                if time < at + SWITCH {
                    luma.fill(BLACK);
                } else {
                    let red = &chroma[chroma.len() / 2..];
                    light_infrared(luma, red, width, &self.infrared);
                }
                chroma.fill(GREY);
            }
            Some(_) | None => {
                for (luma, lamp) in luma.iter_mut().zip(&self.lamps) {
                    let by_night = NIGHT_LIGHT + LAMP_LIGHT * f32::from(*lamp) / 255.0;
                    *luma = dimmed(*luma, 1.0 + (by_night - 1.0) * fallen);
                }
            }
        }
    }

    /// Multiple of the day's noise.
    pub(super) fn noise_gain(&self, time: Duration) -> i16 {
        self.night.map_or(1, |night| (1.0 + (NIGHT_NOISE - 1.0) * fallen(&night, time)).round() as i16)
    }

    /// Draws rain over luma.
    pub(super) fn rain(&self, width: usize, scale: f32, random: &mut Pcg64Mcg, luma: &mut [u8]) {
        if self.rain <= 0.0 {
            return;
        }
        let veil = VEIL * self.rain;
        for luma in luma.iter_mut() {
            *luma = (f32::from(*luma) * (1.0 - veil) + VEIL_LUMA * veil) as u8;
        }
        let (height, longest) = (luma.len() / width, (30.0 * scale) as usize + 4);
        for _ in 0..(luma.len() as f32 * LINES_PER_PIXEL * self.rain) as usize {
            let (left, top) = (random.random_range(0..width), random.random_range(0..height));
            let length = random.random_range(longest / 3..longest);
            for down in 0..length.min(height - top) {
                // Driven by a little wind.
                let column = (left + down / 6).min(width - 1);
                let drop = &mut luma[(top + down) * width + column];
                *drop = drop.saturating_add(LINE_LIGHT);
            }
        }
    }
}

/// How far night has fallen, 0..=1.
fn fallen(night: &Night, time: Duration) -> f32 {
    let dusk = night.dusk.as_secs_f32().max(0.001);
    (time.saturating_sub(night.from).as_secs_f32() / dusk).min(1.0)
}

fn dimmed(luma: u8, light: f32) -> u8 {
    (f32::from(BLACK) + (f32::from(luma) - f32::from(BLACK)) * light).round().clamp(0.0, 255.0) as u8
}

/// The camera's own light falls off from the middle; leaves are bright in it.
fn light_infrared(luma: &mut [u8], red: &[u8], width: usize, light: &[u8]) {
    for (index, (luma, light)) in luma.iter_mut().zip(light).enumerate() {
        let (row, column) = (index / width, index % width);
        let leaf = LEAF_GLOW * (128 - i16::from(red[row / 2 * (width / 2) + column / 2])).max(0);
        let lit = (i16::from(*luma) + leaf).clamp(0, 255) as u8;
        *luma = dimmed(lit, 0.25 + 0.75 * f32::from(*light) / 255.0);
    }
}

/// Light per pixel, 0..=255, of lamps at these places.
fn pools(width: usize, height: usize, lamps: &[(f32, f32)], reach: f32) -> Vec<u8> {
    let light = |index: usize| {
        let (x, y) = ((index % width) as f32, (index / width) as f32);
        let of_lamp = |&(left, top): &(f32, f32)| {
            let across = (x - left * width as f32) / (reach * width as f32);
            let down = (y - top * height as f32) / (reach * width as f32);
            (1.0 + across * across + down * down).powi(-2)
        };
        (255.0 * lamps.iter().map(of_lamp).sum::<f32>().min(1.0)) as u8
    };
    (0..width * height).map(light).collect()
}
