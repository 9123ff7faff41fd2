//! Where a picture has edges and which way they run, and what a camera's scene is known to look like.
//!
//! Edges are described by their direction alone, without sign and strength: neither the level of light nor an infrared switch,
//! which turns dark leaves bright, changes the direction of a kerb.

use super::sample::{COLUMNS, LumaSample, ROWS};

/// Columns of the field: half the sample's, so that noise and the sway of a pole average out.
pub(super) const FIELD_COLUMNS: usize = COLUMNS / 2;
/// Rows of the field.
pub(super) const FIELD_ROWS: usize = ROWS / 2;
/// Places of the field.
pub(super) const PLACES: usize = FIELD_COLUMNS * FIELD_ROWS;
/// Least gradient of an edge, in luma steps from one place to the next.
const MIN_GRADIENT: f32 = 2.0;
/// Least gradient in deviations of the pixels' noise: four of the gradient's own, which averages 16 pixels and 6 places.
const MIN_GRADIENT_PER_NOISE: f32 = 0.45;
/// Blocks across and down in which loss of structure is judged.
const BLOCK_COLUMNS: usize = 16;
const BLOCK_ROWS: usize = 9;
/// Edges that a block must have had for its loss to mean something.
const MIN_BLOCK_EDGES: f32 = 4.0;
/// Share of a block's edges below which they are gone.
const BLOCK_LOST_BELOW: f32 = 0.25;
/// Length of the mean direction from which an edge is part of the static scene: it was there, and so, most of the time.
const STATIC_FROM: f32 = 0.5;
/// Fewest static edges in sight for a verdict about the view.
const MIN_STATIC_EDGES: usize = 40;
/// Share by which the usual agreement and score follow those of the last picture, at least.
const USUAL_FOLLOWS: f32 = 0.05;
/// Largest displacement that is searched, in places: a sixth of the picture.
const SEARCH_COLUMNS: isize = 20;
const SEARCH_ROWS: isize = 12;

/// The direction of an edge as a unit vector of twice its angle; zero where there is no edge.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Direction {
    x: f32,
    y: f32,
}

impl Direction {
    fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }
    fn length(self) -> f32 {
        self.x.hypot(self.y)
    }
    fn is_edge(self) -> bool {
        self != Self::default()
    }
    fn toward(&mut self, target: Self, share: f32) {
        self.x += (target.x - self.x) * share;
        self.y += (target.y - self.y) * share;
    }
}

/// The edges of one picture.
#[derive(Debug, Clone)]
pub(super) struct EdgeField {
    /// Means of 2x2 cells.
    means: Vec<f32>,
    directions: Vec<Direction>,
    edges: usize,
    blocks: [f32; BLOCK_COLUMNS * BLOCK_ROWS],
}

impl EdgeField {
    pub(super) fn new() -> Self {
        Self {
            means: vec![0.0; PLACES],
            directions: vec![Direction::default(); PLACES],
            edges: 0,
            blocks: [0.0; BLOCK_COLUMNS * BLOCK_ROWS],
        }
    }

    /// Finds the edges of a sample (Sobel); what this held before is overwritten.
    pub(super) fn take(&mut self, sample: &LumaSample) {
        let luma = sample.luma();
        for row in 0..FIELD_ROWS {
            let upper = &luma[2 * row * COLUMNS..][..COLUMNS];
            let lower = &luma[(2 * row + 1) * COLUMNS..][..COLUMNS];
            let means = &mut self.means[row * FIELD_COLUMNS..][..FIELD_COLUMNS];
            for (mean, (upper, lower)) in means.iter_mut().zip(upper.chunks_exact(2).zip(lower.chunks_exact(2))) {
                let sum: u16 = upper.iter().chain(lower).map(|&cell| u16::from(cell)).sum();
                *mean = f32::from(sum) / 4.0;
            }
        }
        let least = MIN_GRADIENT.max(MIN_GRADIENT_PER_NOISE * sample.noise());
        self.edges = 0;
        self.blocks.fill(0.0);
        for row in 1..FIELD_ROWS - 1 {
            for column in 1..FIELD_COLUMNS - 1 {
                let direction = self.direction(row, column, least);
                self.directions[row * FIELD_COLUMNS + column] = direction;
                if direction.is_edge() {
                    self.edges += 1;
                    self.blocks[block_of(row, column)] += 1.0;
                }
            }
        }
    }

    fn direction(&self, row: usize, column: usize, least: f32) -> Direction {
        let at = |dy: usize, dx: usize| self.means[(row + dy - 1) * FIELD_COLUMNS + column + dx - 1];
        let across = (at(0, 2) + 2.0 * at(1, 2) + at(2, 2) - at(0, 0) - 2.0 * at(1, 0) - at(2, 0)) / 8.0;
        let down = (at(2, 0) + 2.0 * at(2, 1) + at(2, 2) - at(0, 0) - 2.0 * at(0, 1) - at(0, 2)) / 8.0;
        let squared = across * across + down * down;
        if squared < least * least {
            return Direction::default();
        }
        Direction { x: (across * across - down * down) / squared, y: 2.0 * across * down / squared }
    }

    /// Edges as a share of the picture.
    pub(super) fn edge_share(&self) -> f32 {
        self.edges as f32 / PLACES as f32
    }
}

fn block_of(row: usize, column: usize) -> usize {
    row * BLOCK_ROWS / FIELD_ROWS * BLOCK_COLUMNS + column * BLOCK_COLUMNS / FIELD_COLUMNS
}

/// What a camera's scene looks like when all is well: the mean direction of every edge, and how many edges each block has.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    directions: Vec<Direction>,
    blocks: [f32; BLOCK_COLUMNS * BLOCK_ROWS],
    /// What [`Self::agreement`] gives for its own pictures.
    usual_agreement: f32,
    /// What [`Self::score`] gives for its own pictures.
    usual_score: f32,
}

/// A displacement of the view and how well it explains the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Registration {
    /// To the right, as a share of the width.
    pub(super) across: f32,
    /// Down, as a share of the height.
    pub(super) down: f32,
    /// Mean agreement of the picture's edges with the displaced scene; about 0 for another scene.
    pub(super) score: f32,
    /// The same without displacement.
    pub(super) score_in_place: f32,
}

impl Reference {
    pub(super) fn new() -> Self {
        Self {
            directions: vec![Direction::default(); PLACES],
            blocks: [0.0; BLOCK_COLUMNS * BLOCK_ROWS],
            usual_agreement: 0.0,
            usual_score: 0.0,
        }
    }

    /// Moves toward a picture by a share of the difference; a share of 1 forgets everything else.
    pub(super) fn learn(&mut self, field: &EdgeField, share: f32) {
        // By night most edges are lost in the dark: that is no news about the scene.
        let may_forget = field.edge_share() >= 0.5 * self.edge_share();
        for (known, &seen) in self.directions.iter_mut().zip(&field.directions) {
            if seen.is_edge() || may_forget {
                known.toward(seen, share);
            }
        }
        for (known, seen) in self.blocks.iter_mut().zip(field.blocks) {
            if seen >= *known || may_forget {
                *known += (seen - *known) * share;
            }
        }
        let (follows, score) = (share.max(USUAL_FOLLOWS), self.score_in_place(field));
        if let Some(agreement) = self.agreement(field) {
            self.usual_agreement += (agreement - self.usual_agreement) * follows;
        }
        self.usual_score += (score - self.usual_score) * follows;
    }

    /// Edges that the scene has when all is well, as a share of the picture.
    pub(super) fn edge_share(&self) -> f32 {
        self.blocks.iter().sum::<f32>() / PLACES as f32
    }

    /// Share of the blocks with structure whose structure is gone.
    pub(super) fn lost_share(&self, field: &EdgeField) -> f32 {
        let structured = self.blocks.iter().zip(field.blocks).filter(|(known, _)| **known >= MIN_BLOCK_EDGES);
        let (mut lost, mut all) = (0_u32, 0_u32);
        for (known, seen) in structured {
            all += 1;
            lost += u32::from(seen < BLOCK_LOST_BELOW * known);
        }
        if all == 0 { 0.0 } else { lost as f32 / all as f32 }
    }

    /// How well the static edges that are in sight run as they always did, -1..=1; none if too few are in sight.
    fn agreement(&self, field: &EdgeField) -> Option<f32> {
        let (mut agreement, mut weight, mut count) = (0.0, 0.0, 0);
        for (known, seen) in self.directions.iter().zip(&field.directions) {
            let length = known.length();
            if length >= STATIC_FROM && seen.is_edge() {
                agreement += known.dot(*seen);
                weight += length;
                count += 1;
            }
        }
        (count >= MIN_STATIC_EDGES).then(|| agreement / weight)
    }

    /// The same as a share of what this camera's pictures usually reach.
    pub(super) fn relative_agreement(&self, field: &EdgeField) -> Option<f32> {
        self.agreement(field).map(|agreement| agreement / self.usual_agreement.max(0.1))
    }

    /// What a picture of the known view scores; see [`Registration::score`].
    pub(super) fn usual_score(&self) -> f32 {
        self.usual_score
    }

    fn score_in_place(&self, field: &EdgeField) -> f32 {
        let sum: f32 = self.directions.iter().zip(&field.directions).map(|(known, seen)| known.dot(*seen)).sum();
        sum / field.edges.max(1) as f32
    }

    /// Finds the displacement at which the picture fits the scene best. Some milliseconds: only for pictures that do not fit.
    pub(super) fn register(&self, field: &EdgeField) -> Registration {
        let edges: Vec<(isize, isize, Direction)> = field
            .directions
            .iter()
            .enumerate()
            .filter(|(_, direction)| direction.is_edge())
            .map(|(place, &d)| ((place / FIELD_COLUMNS) as isize, (place % FIELD_COLUMNS) as isize, d))
            .collect();
        let (mut best, mut best_at, mut in_place) = (f32::MIN, (0, 0), 0.0);
        for down in -SEARCH_ROWS..=SEARCH_ROWS {
            for across in -SEARCH_COLUMNS..=SEARCH_COLUMNS {
                let score = self.score(&edges, across, down);
                // A place more or less is the sway of the pole.
                if across.abs() <= 1 && down.abs() <= 1 {
                    in_place = score.max(in_place);
                }
                if score > best {
                    (best, best_at) = (score, (across, down));
                }
            }
        }
        Registration {
            across: best_at.0 as f32 / FIELD_COLUMNS as f32,
            down: best_at.1 as f32 / FIELD_ROWS as f32,
            score: best,
            score_in_place: in_place,
        }
    }

    fn score(&self, edges: &[(isize, isize, Direction)], across: isize, down: isize) -> f32 {
        let (mut sum, mut count) = (0.0, 0);
        for &(row, column, seen) in edges {
            let (row, column) = (row - down, column - across);
            if (0..FIELD_ROWS as isize).contains(&row) && (0..FIELD_COLUMNS as isize).contains(&column) {
                sum += self.directions[row as usize * FIELD_COLUMNS + column as usize].dot(seen);
                count += 1;
            }
        }
        if count < MIN_STATIC_EDGES { 0.0 } else { sum / count as f32 }
    }
}

/// How steep the edges of a picture are: the largest rise over 3 pixels as a share of the rise over 6 cells, mean over all edges.
///
/// It does not depend on contrast and light, and falls when the lens is out of focus or dirty. None if the picture has too few
/// edges.
pub(super) fn sharpness(sample: &LumaSample) -> Option<f32> {
    /// Cells from one side of an edge to its middle.
    const REACH: usize = 3;
    /// Fewest edges for a verdict.
    const MIN_EDGES: u32 = 200;
    /// Least rise that counts as an edge, in luma steps and in deviations of the noise.
    const MIN_RISE: f32 = 24.0;
    const MIN_RISE_PER_NOISE: f32 = 6.0;
    /// What noise adds to the largest of some differences, in its deviations.
    const NOISE_ADDS: f32 = 2.0;
    let noise = sample.noise();
    let least = MIN_RISE.max(MIN_RISE_PER_NOISE * noise) as u8;
    let (mut sum, mut count) = (0.0, 0_u32);
    for (luma, steps) in sample.luma().chunks_exact(COLUMNS).zip(sample.steps().chunks_exact(COLUMNS)) {
        for (luma, steps) in luma.windows(2 * REACH + 1).zip(steps.windows(2 * REACH + 1)) {
            let rise = luma[0].abs_diff(luma[2 * REACH]);
            if rise >= least {
                let steepest = steps[1..2 * REACH].iter().copied().max().unwrap_or(0);
                sum += ((f32::from(steepest) - NOISE_ADDS * noise) / f32::from(rise)).clamp(0.0, 1.0);
                count += 1;
            }
        }
    }
    (count >= MIN_EDGES).then(|| sum / count as f32)
}
