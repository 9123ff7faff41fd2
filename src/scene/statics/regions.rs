//! Changed cells → regions, and what a region shows: a thing, mere light, or the ground that a thing has left.

use super::backgrounds::{Backgrounds, luma_of};
use super::grid::CellRect;

/// Cells of a block, across and down, and changed ones from which it belongs to a region.
const BLOCK: usize = 4;
const MIN_BLOCK_CELLS: u16 = 5;
/// Blocks up to which two changed blocks belong to one region: a thing has parts that look like the ground.
const REACH: usize = 2;
/// Cells up to which two parts are one thing, as [`REACH`] has it.
pub(super) const JOINED_GAP: usize = BLOCK * REACH;
/// Fewest changed cells of a region, and its fewest columns and rows; less is a speck.
const MIN_CELLS: usize = 30;
const MIN_SIDE: usize = 4;
/// Cells from the outline of a region to what lies within, and to what lies outside.
const WITHIN: usize = 2;
/// Fewest cells within a region that say something about what is there: what is all border is the edge of a shadow.
const MIN_WITHIN: usize = 12;
/// Cells across and down of the tiles in which light is one factor: a lamp's pool has a slope of its own.
const TILE: usize = 8;
/// Share of a thing's outline that must be its own and not the ground's: less, and the outline is a coincidence.
const MIN_STRENGTH: f32 = 0.6;
/// New structure in luma steps per cell, and as a share of all structure, below which a region differs from its ground in light
/// alone.
const LIGHT: (f32, f32) = (1.5, 0.35);
/// New structure in deviations of the noise that counts at least.
const LIGHT_PER_NOISE: f32 = 0.5;

/// A connected part of the picture that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) rect: CellRect,
    label: u16,
}

/// What a region shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// A thing; the share of the steps along its outline that is its own and not the ground's, [`MIN_STRENGTH`]..=1.
    Thing(f32),
    /// The ground in another light: a shadow, a lamp.
    Light,
    /// The ground, where a thing was taken for it.
    Ghost,
}

/// Finds regions; keeps its buffers.
#[derive(Debug)]
pub(super) struct Regions {
    columns: usize,
    block_columns: usize,
    block_rows: usize,
    counts: Vec<u16>,
    /// Region of each block from 1, 0 for none.
    labels: Vec<u16>,
    stack: Vec<usize>,
}

impl Regions {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let (block_columns, block_rows) = (columns.div_ceil(BLOCK), rows.div_ceil(BLOCK));
        let blocks = block_columns * block_rows;
        let (counts, labels) = (vec![0; blocks], vec![0; blocks]);
        Self { columns, block_columns, block_rows, counts, labels, stack: Vec::new() }
    }

    /// Groups the changed cells; specks are left out.
    pub(super) fn find(&mut self, backgrounds: &Backgrounds) -> Vec<Region> {
        self.count(&backgrounds.changed);
        self.labels.fill(0);
        let mut regions = Vec::new();
        let mut label = 0;
        for seed in 0..self.counts.len() {
            if self.labels[seed] != 0 || self.counts[seed] < MIN_BLOCK_CELLS || label == u16::MAX {
                continue;
            }
            label += 1;
            let blocks = self.flood(seed, label);
            regions.extend(self.bound(&blocks, label, &backgrounds.changed));
        }
        regions
    }

    fn count(&mut self, changed: &[bool]) {
        self.counts.fill(0);
        for (row, cells) in changed.chunks_exact(self.columns).enumerate() {
            let counts = &mut self.counts[row / BLOCK * self.block_columns..][..self.block_columns];
            for (count, cells) in counts.iter_mut().zip(cells.chunks(BLOCK)) {
                *count += cells.iter().map(|&cell| u16::from(cell)).sum::<u16>();
            }
        }
    }

    fn flood(&mut self, seed: usize, label: u16) -> Vec<usize> {
        let mut blocks = Vec::new();
        self.labels[seed] = label;
        self.stack.push(seed);
        while let Some(block) = self.stack.pop() {
            blocks.push(block);
            let (row, column) = (block / self.block_columns, block % self.block_columns);
            for next_row in row.saturating_sub(REACH)..(row + REACH + 1).min(self.block_rows) {
                for next_column in column.saturating_sub(REACH)..(column + REACH + 1).min(self.block_columns) {
                    let next = next_row * self.block_columns + next_column;
                    if self.labels[next] == 0 && self.counts[next] >= MIN_BLOCK_CELLS {
                        self.labels[next] = label;
                        self.stack.push(next);
                    }
                }
            }
        }
        blocks
    }

    fn bound(&self, blocks: &[usize], label: u16, changed: &[bool]) -> Option<Region> {
        let rows = changed.len() / self.columns;
        let mut rect: Option<CellRect> = None;
        let mut cells = 0;
        for block in blocks {
            let (top, left) = (block / self.block_columns * BLOCK, block % self.block_columns * BLOCK);
            for row in top..(top + BLOCK).min(rows) {
                for column in left..(left + BLOCK).min(self.columns) {
                    if changed[row * self.columns + column] {
                        cells += 1;
                        let alone = CellRect { left: column, top: row, right: column + 1, bottom: row + 1 };
                        rect.get_or_insert(alone).include(column, row);
                    }
                }
            }
        }
        let rect = rect.filter(|rect| cells >= MIN_CELLS && rect.width() >= MIN_SIDE && rect.height() >= MIN_SIDE)?;
        Some(Region { rect, label })
    }

    /// The changed cells of a region.
    pub(super) fn cells<'a>(&'a self, region: &Region, changed: &'a [bool]) -> impl Iterator<Item = usize> + use<'a> {
        let Region { rect, label } = *region;
        (rect.top..rect.bottom).flat_map(move |row| {
            let cell = move |column: usize| row * self.columns + column;
            (rect.left..rect.right)
                .filter(move |&column| changed[cell(column)] && self.label_at(column, row) == label)
                .map(cell)
        })
    }

    fn label_at(&self, column: usize, row: usize) -> u16 {
        self.labels[row / BLOCK * self.block_columns + column / BLOCK]
    }

    /// Says what a region shows.
    ///
    /// A shadow keeps the structure of the ground that it falls on: what is new in the slopes within the region, after the ground's own
    /// are taken out at the factor that fits best and what is the same all over a tile, is small. And light ends softly: where a region
    /// ends because it falls below the threshold of what has changed, the change across its outline is less than that threshold; what
    /// has an edge begins with more. Of the two pictures of the outline, the one with the thing has the higher steps: now for a thing,
    /// before for a ghost.
    ///
    /// `is_doubtful` says of cells beyond the outline whether their ground is no longer what it was before the region changed: it was a
    /// part of the same thing that settled earlier.
    pub(super) fn judge(
        &self,
        region: &Region,
        backgrounds: &Backgrounds,
        is_doubtful: impl Fn(usize, usize) -> bool,
    ) -> Verdict {
        let spans = Spans::of(region.rect, self.columns, self.cells(region, &backgrounds.changed));
        if is_light(&self.slopes(&spans, backgrounds), backgrounds.noise) {
            return Verdict::Light;
        }
        let is_known =
            |cell: usize| backgrounds.ground[cell] >= 0 && !is_doubtful(cell % self.columns, cell / self.columns);
        let mut outline = Outline::default();
        for (inside, outside) in spans.outline(self.columns, backgrounds.changed.len() / self.columns) {
            if is_known(outside) {
                outline.add(backgrounds, inside, outside);
            }
        }
        if outline.is_soft(backgrounds.threshold()) {
            return Verdict::Light;
        }
        let strength = outline.now / (outline.now + outline.before).max(f32::EPSILON);
        if strength < MIN_STRENGTH { Verdict::Ghost } else { Verdict::Thing(strength) }
    }

    /// The slopes within a region, by tiles, across and down.
    fn slopes(&self, spans: &Spans, backgrounds: &Backgrounds) -> Vec<Slopes> {
        let Spans { rect, of_rows, of_columns } = spans;
        let Backgrounds { recent, ground, .. } = backgrounds;
        let tiles_across = rect.width().div_ceil(TILE);
        let mut within = vec![Slopes::default(); 2 * tiles_across * rect.height().div_ceil(TILE)];
        for (row, of_row) in (rect.top..).zip(of_rows) {
            let inner = of_row.inner().filter(|&column| of_columns[column - rect.left].is_inner(row));
            for column in inner {
                let cell = row * self.columns + column;
                let slope = |values: &[i16], by: usize| luma_of(values[cell + by] - values[cell - by]);
                let tile = (row - rect.top) / TILE * tiles_across + (column - rect.left) / TILE;
                within[2 * tile].add(slope(recent, 1), slope(ground, 1));
                within[2 * tile + 1].add(slope(recent, self.columns), slope(ground, self.columns));
            }
        }
        within
    }
}

/// The extent of a region along every row and column of its rectangle.
#[derive(Debug)]
struct Spans {
    rect: CellRect,
    of_rows: Vec<Span>,
    of_columns: Vec<Span>,
}

impl Spans {
    fn of(rect: CellRect, columns: usize, cells: impl Iterator<Item = usize>) -> Self {
        let (of_rows, of_columns) = (vec![Span::EMPTY; rect.height()], vec![Span::EMPTY; rect.width()]);
        let mut spans = Self { rect, of_rows, of_columns };
        for cell in cells {
            let (row, column) = (cell / columns, cell % columns);
            spans.of_rows[row - rect.top].include(column);
            spans.of_columns[column - rect.left].include(row);
        }
        spans
    }

    /// Cells just inside the outline with those just outside, in a grid of so many columns and rows.
    fn outline(&self, columns: usize, rows: usize) -> impl Iterator<Item = (usize, usize)> {
        let across = (self.rect.top..).zip(&self.of_rows).flat_map(move |(row, span)| {
            span.steps(columns).map(move |(inside, outside)| (row * columns + inside, row * columns + outside))
        });
        let down = (self.rect.left..).zip(&self.of_columns).flat_map(move |(column, span)| {
            span.steps(rows).map(move |(inside, outside)| (inside * columns + column, outside * columns + column))
        });
        across.chain(down)
    }
}

/// The steps across an outline, summed, in luma: now, in the ground, and of the change from the ground to now.
#[derive(Debug, Clone, Copy, Default)]
struct Outline {
    now: f32,
    before: f32,
    change: f32,
    count: u16,
}

impl Outline {
    fn add(&mut self, backgrounds: &Backgrounds, inside: usize, outside: usize) {
        let step = |values: &[i16]| luma_of(values[inside] - values[outside]);
        let (now, before) = (step(&backgrounds.recent), step(&backgrounds.ground));
        self.now += now.abs();
        self.before += before.abs();
        self.change += (now - before).abs();
        self.count += 1;
    }

    /// Whether it is where a change falls below a threshold, and no edge.
    fn is_soft(&self, threshold: f32) -> bool {
        self.change < threshold * f32::from(self.count.max(1))
    }
}

/// The changed cells of a region along one row or column, from the first to the last.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: usize,
    end: usize,
}

impl Span {
    const EMPTY: Self = Self { first: usize::MAX, end: 0 };

    fn include(&mut self, at: usize) {
        self.first = self.first.min(at);
        self.end = self.end.max(at + 1);
    }

    /// Those that have [`WITHIN`] others on either side.
    fn inner(self) -> std::ops::Range<usize> {
        self.first.saturating_add(WITHIN)..self.end.saturating_sub(WITHIN)
    }

    fn is_inner(self, at: usize) -> bool {
        self.inner().contains(&at)
    }

    /// Across both ends: the cell inside and the one outside, where there is one in a line of this length.
    fn steps(self, length: usize) -> impl Iterator<Item = (usize, usize)> {
        let is_there = self.first < self.end;
        let before = (is_there && self.first >= WITHIN).then(|| (self.first, self.first - WITHIN));
        let after = (is_there && self.end + WITHIN <= length).then(|| (self.end - 1, self.end - 1 + WITHIN));
        before.into_iter().chain(after)
    }
}

/// Sums over pairs of slopes in one direction, now and of the ground, and over their squares and products.
#[derive(Debug, Clone, Copy, Default)]
struct Slopes {
    now: f32,
    before: f32,
    now_square: f32,
    before_square: f32,
    product: f32,
    count: usize,
}

impl Slopes {
    fn add(&mut self, now: f32, before: f32) {
        self.now += now;
        self.before += before;
        self.now_square += now * now;
        self.before_square += before * before;
        self.product += now * before;
        self.count += 1;
    }

    /// How much the slopes now differ among each other: light that falls off evenly adds the same to all of them.
    fn structure(&self) -> f32 {
        (self.now_square - self.now * self.now / self.count.max(1) as f32).max(0.0)
    }

    /// What of that is new, after the ground's slopes at the factor that fits best.
    fn unexplained(&self) -> f32 {
        let count = self.count.max(1) as f32;
        let product = self.product - self.now * self.before / count;
        let before = (self.before_square - self.before * self.before / count).max(0.0);
        let factor = (product / before.max(f32::EPSILON)).clamp(0.0, 3.0);
        (self.structure() - 2.0 * factor * product + factor * factor * before).max(0.0)
    }
}

/// Whether tiles of a region show their ground in another light.
fn is_light(tiles: &[Slopes], noise: f32) -> bool {
    let count: usize = tiles.iter().map(|tile| tile.count).sum();
    if count < 2 * MIN_WITHIN {
        return true;
    }
    let (new, now) =
        tiles.iter().fold((0.0, 0.0), |(new, now), tile| (new + tile.unexplained(), now + tile.structure()));
    // Slopes span two cells.
    let per_cell = (new / count as f32).sqrt() / 2.0;
    per_cell < LIGHT.0.max(LIGHT_PER_NOISE * noise) || new < LIGHT.1 * now
}
