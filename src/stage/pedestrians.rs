//! The real pedestrians of the footage, cut out by their difference from the static background.
//!
//! A cut-out is generous: around a person lies a rim of the footage's own ground, which the eye cannot tell from the
//! background. What is lost is what moves but is thin (a fluttering barrier tape).

use super::canvas::{Cutout, Picture, Plane};
use std::collections::VecDeque;

/// Difference in luma (chroma counts twice) from which a sample is foreground. The clip's slow exposure changes move the
/// background by up to 5, its coding noise by about 10.
const THRESHOLD: u8 = 28;
/// Shortest vertical run of foreground that is kept: the barrier tape is up to 5 rows thick, the smallest walker's legs 20.
const MIN_RUN: usize = 7;
/// Side of the tiles on which connected parts are found.
const TILE: usize = 8;
/// Foreground samples from which a tile belongs to a walker.
const TILE_MIN: u16 = 6;
/// Foreground samples from which a connected part is a walker: the farthest in the clip has about 300.
const WALKER_MIN: u32 = 80;

/// A connected piece of foreground: one walker, or several who overlap.
#[derive(Debug, Clone)]
pub struct Walker {
    /// Left edge in the street; even.
    pub left: usize,
    /// Upper edge in the street; even.
    pub top: usize,
    /// Row on which the feet stand.
    pub ground: usize,
    /// The walker.
    pub cutout: Cutout,
}

/// All walkers of one frame of the footage.
#[must_use]
pub fn find(frame: &Picture, background: &Picture) -> Vec<Walker> {
    let foreground = without_thin_parts(&difference(frame, background));
    connected_parts(&foreground).into_iter().map(|part| cut(frame, &foreground, &part)).collect()
}

/// 1 where the frame differs from the background.
fn difference(frame: &Picture, background: &Picture) -> Plane {
    let [luma, blue, red] = &frame.planes;
    let [still_luma, still_blue, still_red] = &background.planes;
    let mut foreground = Plane::filled(luma.width, luma.height, 0);
    let chroma: Vec<u8> = (blue.samples.iter().zip(&still_blue.samples))
        .zip(red.samples.iter().zip(&still_red.samples))
        .map(|((blue, still_blue), (red, still_red))| {
            u8::from(blue.abs_diff(*still_blue).max(red.abs_diff(*still_red)) > THRESHOLD / 2)
        })
        .collect();
    for y in 0..luma.height {
        let row = y * luma.width..(y + 1) * luma.width;
        let chroma = &chroma[y / 2 * blue.width..][..blue.width];
        let pairs = foreground.samples[row.clone()].chunks_exact_mut(2).zip(chroma);
        let compared = luma.samples[row.clone()].chunks_exact(2).zip(still_luma.samples[row].chunks_exact(2));
        for ((target, chroma), (now, still)) in pairs.zip(compared) {
            target[0] = u8::from(now[0].abs_diff(still[0]) > THRESHOLD) | chroma;
            target[1] = u8::from(now[1].abs_diff(still[1]) > THRESHOLD) | chroma;
        }
    }
    foreground
}

/// Keeps vertical runs of at least [`MIN_RUN`].
fn without_thin_parts(foreground: &Plane) -> Plane {
    let mut kept = Plane::filled(foreground.width, foreground.height, 0);
    let mut runs = vec![0; foreground.width];
    // Columns in eights with a run in progress: the rest of an empty row is skipped, and most of the picture is empty.
    let mut running = vec![false; foreground.width.div_ceil(TILE)];
    let below_last = vec![0; foreground.width];
    let rows = foreground.samples.chunks_exact(foreground.width).chain([&below_last[..]]);
    for (y, row) in rows.enumerate() {
        for ((tile, samples), running) in row.chunks(TILE).enumerate().zip(&mut running) {
            if !*running && samples.iter().all(|&sample| sample == 0) {
                continue;
            }
            *running = samples.contains(&1);
            for (x, &sample) in (tile * TILE..).zip(samples) {
                if sample == 1 {
                    runs[x] += 1;
                    continue;
                }
                if runs[x] >= MIN_RUN {
                    for row in y - runs[x]..y {
                        kept.samples[row * foreground.width + x] = 1;
                    }
                }
                runs[x] = 0;
            }
        }
    }
    kept
}

/// A connected part: its tiles' extent, half open, and its lowest row.
struct Part {
    columns: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
    ground: usize,
}

/// Connected parts (8 neighbours) on a grid of tiles, large enough to be walkers.
fn connected_parts(foreground: &Plane) -> Vec<Part> {
    let (across, down) = (foreground.width / TILE, foreground.height / TILE);
    let mut counts = vec![0_u16; across * down];
    for (y, row) in foreground.samples.chunks_exact(foreground.width).enumerate().take(down * TILE) {
        for (tile, samples) in row.chunks_exact(TILE).enumerate() {
            counts[y / TILE * across + tile] += samples.iter().map(|&sample| u16::from(sample)).sum::<u16>();
        }
    }
    let mut visited = vec![false; counts.len()];
    let mut parts = Vec::new();
    for start in 0..counts.len() {
        if visited[start] || counts[start] < TILE_MIN {
            continue;
        }
        visited[start] = true;
        let mut open = VecDeque::from([start]);
        let (mut total, mut columns, mut rows) = (0, across..0, down..0);
        while let Some(tile) = open.pop_front() {
            let (column, row) = (tile % across, tile / across);
            total += u32::from(counts[tile]);
            columns = columns.start.min(column)..columns.end.max(column + 1);
            rows = rows.start.min(row)..rows.end.max(row + 1);
            for near_row in row.saturating_sub(1)..(row + 2).min(down) {
                for near_column in column.saturating_sub(1)..(column + 2).min(across) {
                    let near = near_row * across + near_column;
                    if !visited[near] && counts[near] >= TILE_MIN {
                        visited[near] = true;
                        open.push_back(near);
                    }
                }
            }
        }
        if total >= WALKER_MIN {
            parts.push(grown(foreground, &columns, &rows, across, down));
        }
    }
    parts
}

/// The part in samples, one tile wider on every side, with its lowest row of foreground.
fn grown(
    foreground: &Plane,
    columns: &std::ops::Range<usize>,
    rows: &std::ops::Range<usize>,
    across: usize,
    down: usize,
) -> Part {
    let samples = |tiles: &std::ops::Range<usize>, limit: usize| {
        tiles.start.saturating_sub(1) * TILE..(tiles.end + 1).min(limit) * TILE
    };
    let inner = columns.start * TILE..columns.end * TILE;
    let ground = (rows.start * TILE..rows.end * TILE)
        .rev()
        .find(|&y| foreground.samples[y * foreground.width..][inner.clone()].contains(&1))
        .unwrap_or(rows.end * TILE - 1);
    Part { columns: samples(columns, across), rows: samples(rows, down), ground }
}

/// Cuts a part out of the frame.
fn cut(frame: &Picture, foreground: &Plane, part: &Part) -> Walker {
    let (width, height) = (part.columns.len(), part.rows.len());
    let mut picture = Picture::grey(width, height);
    for (index, target) in picture.planes.iter_mut().enumerate() {
        let halves = if index == 0 { 1 } else { 2 };
        let source = &frame.planes[index];
        for y in 0..target.height {
            let from = (part.rows.start / halves + y) * source.width + part.columns.start / halves;
            let columns = target.width;
            target.samples[y * columns..][..columns].copy_from_slice(&source.samples[from..][..columns]);
        }
    }
    let alpha = softened(foreground, part);
    Walker { left: part.columns.start, top: part.rows.start, ground: part.ground, cutout: Cutout { picture, alpha } }
}

/// Alpha of a part: the share of foreground among the 5 by 5 samples around each. A third of them is enough to be opaque, which
/// closes holes in grey clothes on grey ground.
fn softened(foreground: &Plane, part: &Part) -> Plane {
    const REACH: usize = 2;
    let (width, height) = (part.columns.len(), part.rows.len());
    let mut alpha = Plane::filled(width, height, 0);
    let mut sums = vec![0_u16; width + 2 * REACH];
    for (y, target) in part.rows.clone().zip(alpha.samples.chunks_exact_mut(width)) {
        sums.fill(0);
        let columns = part.columns.start.saturating_sub(REACH)..(part.columns.end + REACH).min(foreground.width);
        let skipped = columns.start + REACH - part.columns.start;
        for near in y.saturating_sub(REACH)..(y + REACH + 1).min(foreground.height) {
            let row = &foreground.samples[near * foreground.width..][columns.clone()];
            for (sum, &sample) in sums[skipped..].iter_mut().zip(row) {
                *sum += u16::from(sample);
            }
        }
        for (alpha, near) in target.iter_mut().zip(sums.windows(2 * REACH + 1)) {
            *alpha = (near.iter().sum::<u16>() * 32).min(255) as u8;
        }
    }
    alpha
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paint(picture: &mut Picture, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>, luma: u8) {
        for y in rows {
            picture.planes[0].samples[y * 128..][columns.clone()].fill(luma);
        }
    }

    #[test]
    fn a_walker_is_cut_out_and_a_tape_is_not() {
        let background = Picture::grey(128, 128);
        let mut frame = background.clone();
        paint(&mut frame, 40..56, 30..80, 20);
        paint(&mut frame, 0..128, 100..104, 220);
        let walkers = find(&frame, &background);
        assert_eq!(walkers.len(), 1);
        let walker = &walkers[0];
        assert_eq!(walker.ground, 79);
        let (width, _) = walker.cutout.size();
        let alpha = |x: usize, y: usize| walker.cutout.alpha.samples[(y - walker.top) * width + x - walker.left];
        assert_eq!((alpha(48, 50), alpha(58 + 5, 50)), (255, 0));
    }

    #[test]
    fn two_apart_are_two() {
        let background = Picture::grey(128, 128);
        let mut frame = background.clone();
        paint(&mut frame, 8..20, 30..80, 20);
        paint(&mut frame, 90..100, 20..60, 220);
        assert_eq!(find(&frame, &background).len(), 2);
    }
}
