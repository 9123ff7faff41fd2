//! Eight pixels at a time.
//!
//! A pixel's neighbours lie anywhere in a row. The instructions that gather cost two cycles for each of them; here a load brings sixteen bytes
//! with the neighbours of four pixels, or of two, and a shuffle puts them in their place. Where to load from, and the shuffles, are laid out
//! once for all rows, in [`Blocks`]. The left and the right neighbour of a pixel stay side by side until they are weighed into one 32-bit
//! value, so that nothing has to be put in order again.

use super::{CHROMA_LEVEL, Converter, LEVEL, Out, Sources, share_of_rows};
use crate::detect::letterbox::plan::{Column, near_and_next};
use std::arch::x86_64::{
    __m256, __m256i, _mm_loadu_si128, _mm256_add_epi16, _mm256_add_ps, _mm256_adds_epi16, _mm256_blend_ps,
    _mm256_cvtepi32_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epi16,
    _mm256_min_epi16, _mm256_mul_ps, _mm256_mulhrs_epi16, _mm256_or_si256, _mm256_permute_ps, _mm256_permute2f128_ps,
    _mm256_set_m128i, _mm256_set1_epi16, _mm256_set1_ps, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
    _mm256_storeu_ps, _mm256_sub_epi16,
};

/// Pixels of a block.
pub(super) const LANES: usize = 8;
/// Pixels of either half of a vector.
const HALF: usize = 4;
/// Bytes of a load.
const LOAD: usize = 16;

/// Output columns, eight at a time.
#[derive(Debug)]
pub(crate) struct Blocks {
    all: Vec<Block>,
    /// Loads that each half of a vector takes.
    luma_loads: usize,
    chroma_loads: usize,
    /// Luma samples of a row of the frame.
    width: usize,
    /// Output columns.
    count: usize,
}

#[derive(Debug)]
struct Block {
    /// The first column.
    begin: usize,
    luma: Taps,
    chroma: Taps,
    /// Shares of the left and the right neighbour of each pixel.
    shares: [i16; 2 * LANES],
}

/// Which bytes of a row go where in a vector.
#[derive(Debug, Default)]
struct Taps {
    /// Where the loads for the first half begin, and those for the second.
    places: [[u32; 2]; 2],
    /// Where the bytes of the first load of both halves go, and those of the second.
    shuffles: [[u8; 2 * LOAD]; 2],
}

impl Taps {
    /// For the four bytes of each pixel, by where they lie in a row of `len` (none: zero), with so many loads for each half. None if they
    /// lie too far apart.
    fn new(bytes: &[[Option<usize>; 4]; LANES], len: usize, loads: usize) -> Option<Self> {
        let mut taps = Self { shuffles: [[0x80; 2 * LOAD]; 2], ..Self::default() };
        let pixels = HALF / loads;
        for (group, bytes) in bytes.chunks_exact(pixels).enumerate() {
            let (half, load) = (group / loads, group % loads);
            let base = (*bytes.as_flattened().iter().flatten().min()?).min(len - LOAD);
            taps.places[load][half] = base as u32;
            let shuffle = &mut taps.shuffles[load][half * LOAD + load * pixels * 4..];
            for (byte, to) in bytes.as_flattened().iter().zip(shuffle) {
                let Some(byte) = byte else { continue };
                if byte - base >= LOAD {
                    return None;
                }
                *to = (byte - base) as u8;
            }
        }
        Some(taps)
    }
}

impl Blocks {
    /// For columns over rows of `width` samples of luma. None where the processor cannot work so, or two neighbouring columns lie too far
    /// apart.
    pub(crate) fn new(columns: &[Column], width: usize) -> Option<Self> {
        let count = columns.len();
        let is_wide = count >= LANES && width.div_ceil(2) >= LOAD;
        if !is_wide || !is_x86_feature_detected!("avx2") {
            return None;
        }
        // The last block ends with the row, and overlaps the one before.
        let begins = (0..count - LANES).step_by(LANES).chain([count - LANES]);
        [(1, 1), (2, 1), (2, 2)].into_iter().find_map(|(luma_loads, chroma_loads)| {
            let block = |begin| Block::new(begin, columns, width, luma_loads, chroma_loads);
            let all = begins.clone().map(block).collect::<Option<_>>()?;
            Some(Self { all, luma_loads, chroma_loads, width, count })
        })
    }
}

impl Block {
    fn new(begin: usize, columns: &[Column], width: usize, luma_loads: usize, chroma_loads: usize) -> Option<Self> {
        let pixels: [Column; LANES] = std::array::from_fn(|pixel| columns[begin + pixel]);
        let chroma_width = width.div_ceil(2);
        let luma = pixels.map(|Column { pair: [left, right], .. }| [None, Some(left), None, Some(right)]);
        let chroma = pixels.map(|Column { pair, .. }| {
            let [[left, beside_left], [right, beside_right]] = pair.map(|luma| near_and_next(luma, chroma_width));
            [left, beside_left, right, beside_right].map(Some)
        });
        Some(Self {
            begin,
            luma: Taps::new(&luma, width, luma_loads)?,
            chroma: Taps::new(&chroma, chroma_width, chroma_loads)?,
            shares: std::array::from_fn(|index| pixels[index / 2].shares[index % 2]),
        })
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn convert(sources: &Sources<'_>, blocks: &Blocks, converter: &Converter, out: Out<'_>) {
    // The loads rely on it.
    let chroma_width = blocks.width.div_ceil(2);
    assert!(sources.luma.iter().all(|row| row.len() >= blocks.width), "the columns are laid out for these rows");
    assert!(sources.chroma.as_flattened().iter().all(|row| row.len() >= chroma_width), "and for these");
    // SAFETY: the rows are as long as the blocks were laid out for.
    unsafe {
        match (blocks.luma_loads, blocks.chroma_loads) {
            (1, _) => convert_row::<1, 1>(sources, blocks, converter, out),
            (_, 1) => convert_row::<2, 1>(sources, blocks, converter, out),
            _ => convert_row::<2, 2>(sources, blocks, converter, out),
        }
    }
}

/// # Safety
/// The rows are as long as the blocks were laid out for.
#[target_feature(enable = "avx2")]
unsafe fn convert_row<const LUMA_LOADS: usize, const CHROMA_LOADS: usize>(
    sources: &Sources<'_>,
    blocks: &Blocks,
    converter: &Converter,
    mut out: Out<'_>,
) {
    match &mut out {
        Out::Planes(rows) => assert!(rows.iter().all(|row| row.len() == blocks.count), "a value for each column"),
        Out::Pixels(pixels) => assert_eq!(pixels.len(), 3 * blocks.count, "three values for each column"),
    }
    let down = splat(share_of_rows(sources.share));
    for block in &blocks.all {
        // SAFETY: as this function's.
        let (luma, cb, cr) = unsafe {
            (
                [luma::<LUMA_LOADS>(sources.luma[0], &block.luma), luma::<LUMA_LOADS>(sources.luma[1], &block.luma)],
                chroma::<CHROMA_LOADS>(sources.chroma[0], sources.is_first, &block.chroma),
                chroma::<CHROMA_LOADS>(sources.chroma[1], sources.is_first, &block.chroma),
            )
        };
        let (red, green, blue) = (splat(converter.red), converter.green, splat(converter.blue));
        let across = load(&block.shares);
        let levels = converter.in_order([
            level(luma, [times(cr[0], red), times(cr[1], red)], across, down, converter),
            level(luma, [sum(cb[0], cr[0], green), sum(cb[1], cr[1], green)], across, down, converter),
            level(luma, [times(cb[0], blue), times(cb[1], blue)], across, down, converter),
        ]);
        let values = [value(levels, converter, 0), value(levels, converter, 1), value(levels, converter, 2)];
        match &mut out {
            Out::Planes([first, second, third]) => {
                store(values[0], &mut first[block.begin..][..LANES]);
                store(values[1], &mut second[block.begin..][..LANES]);
                store(values[2], &mut third[block.begin..][..LANES]);
            }
            Out::Pixels(pixels) => {
                let pixels = &mut pixels[3 * block.begin..][..3 * LANES];
                let parts = side_by_side(values);
                store(parts[0], &mut pixels[..LANES]);
                store(parts[1], &mut pixels[LANES..2 * LANES]);
                store(parts[2], &mut pixels[2 * LANES..]);
            }
        }
    }
}

/// The bytes of a row, where they go.
///
/// # Safety
/// The row is as long as the taps were laid out for.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn bring<const LOADS: usize>(row: &[u8], taps: &Taps) -> __m256i {
    // SAFETY: as this function's.
    unsafe {
        if LOADS == 1 {
            bring_once(row, taps, 0)
        } else {
            _mm256_or_si256(bring_once(row, taps, 0), bring_once(row, taps, 1))
        }
    }
}

/// The bytes of one load for each half.
///
/// # Safety
/// As of [`bring`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn bring_once(row: &[u8], taps: &Taps, which: usize) -> __m256i {
    let [low, high] = taps.places[which];
    // SAFETY: sixteen bytes from each place lie in the row.
    let (low, high) = unsafe {
        (
            _mm_loadu_si128(row.as_ptr().add(low as usize).cast()),
            _mm_loadu_si128(row.as_ptr().add(high as usize).cast()),
        )
    };
    _mm256_shuffle_epi8(_mm256_set_m128i(high, low), load_bytes(&taps.shuffles[which]))
}

/// Luma of the left and the right neighbours.
///
/// # Safety
/// As of [`bring`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn luma<const LOADS: usize>(row: &[u8], taps: &Taps) -> __m256i {
    const { assert!(LEVEL == 1 << 7, "a byte in the upper half, and the shift") }
    // SAFETY: as this function's.
    _mm256_srli_epi16::<1>(unsafe { bring::<LOADS>(row, taps) })
}

/// Chroma of the left and the right neighbours in the upper and in the lower row, from its middle.
///
/// # Safety
/// As of [`bring`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn chroma<const LOADS: usize>(rows: [&[u8]; 3], is_first: bool, taps: &Taps) -> [__m256i; 2] {
    let middle = splat(i16::MIN);
    // SAFETY: as this function's.
    let (same, after) = unsafe { (across::<LOADS>(rows[1], taps), across::<LOADS>(rows[2], taps)) };
    let twice = _mm256_slli_epi16::<1>(same);
    // What overflows comes back with the middle.
    if is_first {
        let thrice = _mm256_sub_epi16(_mm256_add_epi16(same, twice), middle);
        // SAFETY: as this function's.
        let before = unsafe { across::<LOADS>(rows[0], taps) };
        [_mm256_add_epi16(thrice, before), _mm256_add_epi16(thrice, after)]
    } else {
        let both = _mm256_sub_epi16(_mm256_add_epi16(same, after), middle);
        [_mm256_add_epi16(both, twice), _mm256_add_epi16(both, _mm256_slli_epi16::<1>(after))]
    }
}

/// Chroma of the left and the right neighbours in one row of it, in units of 1 / 64.
///
/// # Safety
/// As of [`bring`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn across<const LOADS: usize>(row: &[u8], taps: &Taps) -> __m256i {
    const { assert!(CHROMA_LEVEL == 256, "64 for each of four rows") }
    // SAFETY: as this function's.
    _mm256_maddubs_epi16(unsafe { bring::<LOADS>(row, taps) }, splat(i16::from_le_bytes([48, 16])))
}

/// Colour added to luma, cut to what can be shown, and interpolated: in units of 1 / (`LEVEL` * `WHOLE`).
#[inline]
#[target_feature(enable = "avx2")]
fn level(luma: [__m256i; 2], color: [__m256i; 2], across: __m256i, down: __m256i, converter: &Converter) -> __m256 {
    let upper = shown(_mm256_adds_epi16(luma[0], color[0]), converter);
    let lower = shown(_mm256_adds_epi16(luma[1], color[1]), converter);
    let both = _mm256_add_epi16(upper, _mm256_mulhrs_epi16(_mm256_sub_epi16(lower, upper), down));
    _mm256_cvtepi32_ps(_mm256_madd_epi16(both, across))
}

#[inline]
#[target_feature(enable = "avx2")]
fn value(levels: [__m256; 3], converter: &Converter, channel: usize) -> __m256 {
    let scaled = _mm256_mul_ps(levels[channel], _mm256_set1_ps(converter.gain[channel]));
    _mm256_add_ps(scaled, _mm256_set1_ps(converter.offset[channel]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn times(values: __m256i, factor: __m256i) -> __m256i {
    _mm256_mulhrs_epi16(values, factor)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum(cb: __m256i, cr: __m256i, factors: [i16; 2]) -> __m256i {
    _mm256_adds_epi16(times(cb, splat(factors[0])), times(cr, splat(factors[1])))
}

/// Cut to what can be shown.
#[inline]
#[target_feature(enable = "avx2")]
fn shown(levels: __m256i, converter: &Converter) -> __m256i {
    _mm256_min_epi16(_mm256_max_epi16(levels, splat(converter.zero)), splat(converter.white))
}

/// Eight values of each of three channels as eight pixels: a, b, c, a, b, …
#[inline]
#[target_feature(enable = "avx2")]
fn side_by_side([a, b, c]: [__m256; 3]) -> [__m256; 3] {
    // In each half of a vector: a 0 3 2 1, b 1 0 3 2, c 2 1 0 3, so that each value is where it is wanted, in one of three vectors.
    let (a, b, c) = (
        _mm256_permute_ps::<0b01_10_11_00>(a),
        _mm256_permute_ps::<0b10_11_00_01>(b),
        _mm256_permute_ps::<0b11_00_01_10>(c),
    );
    let first = pick(a, b, c);
    let second = pick(b, c, a);
    let third = pick(c, a, b);
    // The halves that begin and end the eight pixels lie in the first and the second; those in the middle, in the third.
    [_mm256_permute2f128_ps::<0x20>(first, second), third, _mm256_permute2f128_ps::<0x31>(first, second)]
}

/// The first, the second and the third in turn, beginning with the first in one half and with the second in the other.
#[inline]
#[target_feature(enable = "avx2")]
fn pick(first: __m256, second: __m256, third: __m256) -> __m256 {
    _mm256_blend_ps::<0b0010_0100>(_mm256_blend_ps::<0b1001_0010>(first, second), third)
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(values: __m256, out: &mut [f32]) {
    assert_eq!(out.len(), LANES);
    // SAFETY: there is room for eight, which need not be aligned.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(value: i16) -> __m256i {
    _mm256_set1_epi16(value)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[i16; 2 * LANES]) -> __m256i {
    // SAFETY: there are 32 bytes, which need not be aligned.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(bytes: &[u8; 2 * LOAD]) -> __m256i {
    // SAFETY: there are 32 bytes, which need not be aligned.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
