//! Both steps, sixteen pixels at a time.
//!
//! A pixel's neighbours lie anywhere in a row. The instructions that gather cost two cycles for each of them; here a load brings sixteen
//! bytes with the neighbours of two pixels, which a shuffle puts in their place, or four samples of chroma, which are weighed as they lie.
//! Where to load from, the shuffles and the shares are laid out once for all rows, in [`Blocks`].
//!
//! Two vectors of eight 32-bit pixels become one of sixteen 16-bit ones by `pack`, which works on each half of a vector apart: pixels lie in
//! it in the [order](ORDER) 0..4, 8..12, 4..8, 12..16, until `unpack` undoes that.

use super::{CHROMA_LEVEL, CbCr, ChromaRows, Converter, LEVEL, Sources};
use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_add_epi16, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_max_epi16, _mm256_min_epi16, _mm256_mul_ps, _mm256_mulhrs_epi16, _mm256_or_si256, _mm256_packs_epi32,
    _mm256_permute2x128_si256, _mm256_set_m128i, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_slli_epi16, _mm256_srai_epi32,
    _mm256_srli_epi16, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_epi16, _mm256_unpackhi_epi16,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi16, _mm256_unpacklo_epi64,
};

/// Pixels of a block.
pub(super) const LANES: usize = 16;

/// The pixels of a block as they lie in a vector.
const ORDER: [usize; LANES] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

/// Where the blocks of a row of `count` begin; the last ends with the row, and overlaps the one before.
fn blocks(count: usize) -> impl Iterator<Item = usize> {
    (0..count / LANES).map(|block| block * LANES).chain((!count.is_multiple_of(LANES)).then(|| count - LANES))
}

/// Output columns, sixteen at a time.
#[derive(Debug)]
pub(crate) struct Blocks {
    all: Vec<Block>,
    /// Luma samples of a row of the frame.
    width: usize,
    /// Samples that a row of mixed chroma must have.
    chroma_len: usize,
    /// Output columns.
    count: usize,
}

#[derive(Debug)]
struct Block {
    /// The first column.
    begin: usize,
    /// Where sixteen bytes of luma begin for each two pixels, in [`ORDER`].
    luma: [u32; LANES / 2],
    /// Which of the bytes that are loaded for the first pair, the second, … of either half of the vector go where in it.
    shuffles: [[u8; 32]; 4],
    /// Shares of the right neighbour, in [`ORDER`].
    x: [i16; LANES],
    /// Where the samples of chroma begin for each pixel.
    chroma: [u32; LANES],
    /// Shares of the four samples that are loaded for a pixel, for Cb and Cr each: of pixel 0 and 4, 1 and 5, …, 8 and 12, ….
    shares: [[i16; 16]; LANES / 2],
}

impl Blocks {
    /// For columns of luma (the left neighbour, and the share of the right one) and chroma (the first of three samples, and their shares), over
    /// rows of `width` samples. None where the processor cannot work so, or two neighbouring columns lie too far apart.
    pub(crate) fn new(luma: &[(u32, i16)], chroma: &[(u32, [i16; 3])], width: usize) -> Option<Self> {
        if luma.len() < LANES || width < 16 || !is_x86_feature_detected!("avx2") {
            return None;
        }
        let block = |begin| Block::new(begin, &luma[begin..begin + LANES], &chroma[begin..begin + LANES], width);
        let chroma_len = chroma.iter().map(|(first, _)| *first as usize + 4).max()?;
        let all = blocks(luma.len()).map(block).collect::<Option<_>>()?;
        Some(Self { all, width, chroma_len, count: luma.len() })
    }
}

impl Block {
    fn new(begin: usize, luma: &[(u32, i16)], chroma: &[(u32, [i16; 3])], width: usize) -> Option<Self> {
        let mut block = Self {
            begin,
            luma: [0; LANES / 2],
            shuffles: [[0x80; 32]; 4],
            x: ORDER.map(|pixel| luma[pixel].1),
            chroma: std::array::from_fn(|pixel| chroma[pixel].0),
            shares: [[0; 16]; LANES / 2],
        };
        for (pair, pixels) in ORDER.chunks_exact(2).enumerate() {
            let base = (luma[pixels[0]].0 as usize).min(width - 16);
            block.luma[pair] = base as u32;
            let bytes = pixels.iter().flat_map(|pixel| {
                let left = luma[*pixel].0 as usize;
                // Beyond the right edge the last is repeated.
                [left - base, (left + 1).min(width - 1) - base]
            });
            for (place, byte) in bytes.enumerate() {
                if byte >= 16 {
                    return None;
                }
                block.shuffles[pair % 4][pair / 4 * 16 + pair % 4 * 4 + place] = byte as u8;
            }
        }
        for (pixel, (_, shares)) in chroma.iter().enumerate() {
            let (row, half) = (pixel / 8 * 4 + pixel % 4, pixel / 4 % 2);
            for (tap, &share) in shares.iter().enumerate() {
                block.shares[row][half * 8 + 2 * tap..][..2].fill(share);
            }
        }
        Some(block)
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn mix(rows: ChromaRows<'_>, from: usize, shares: [i16; 3], out: &mut [CbCr]) {
    let shares = [splat(shares[0]), splat(shares[1]), splat(shares[2])];
    match rows {
        ChromaRows::Planes(planes) => {
            let [cb, cr] = planes.map(|rows| rows.map(|row| &row[from..from + out.len()]));
            for at in blocks(out.len()) {
                let (cb, cr) = (mixed(cb, at, shares), mixed(cr, at, shares));
                let (low, high) = (_mm256_unpacklo_epi16(cb, cr), _mm256_unpackhi_epi16(cb, cr));
                let (first, second) = out[at..at + LANES].as_flattened_mut().split_at_mut(LANES);
                store(_mm256_permute2x128_si256::<0x20>(low, high), first);
                store(_mm256_permute2x128_si256::<0x31>(low, high), second);
            }
        }
        ChromaRows::Interleaved(rows) => {
            let rows = rows.map(|row| &row[2 * from..2 * (from + out.len())]);
            let out = out.as_flattened_mut();
            for at in blocks(out.len()) {
                store(mixed(rows, at, shares), &mut out[at..at + LANES]);
            }
        }
    }
}

/// Sixteen samples of three rows.
#[inline]
#[target_feature(enable = "avx2")]
fn mixed([a, b, c]: [&[u8]; 3], at: usize, shares: [__m256i; 3]) -> __m256i {
    let sides = _mm256_add_epi16(weighed(a, at, shares[0]), weighed(c, at, shares[2]));
    let sum = _mm256_add_epi16(weighed(b, at, shares[1]), sides);
    _mm256_sub_epi16(sum, splat(128 * CHROMA_LEVEL))
}

#[inline]
#[target_feature(enable = "avx2")]
fn weighed(row: &[u8], at: usize, share: __m256i) -> __m256i {
    const { assert!(CHROMA_LEVEL == 1 << 7, "the shift below") }
    let block = &row[at..at + LANES];
    // SAFETY: the block has 16 bytes, and need not be aligned.
    let samples = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
    _mm256_mulhrs_epi16(_mm256_slli_epi16::<7>(_mm256_cvtepu8_epi16(samples)), share)
}

#[target_feature(enable = "avx2")]
pub(super) fn convert(sources: &Sources<'_>, blocks: &Blocks, converters: &[Converter; 3], out: [&mut [f32]; 3]) {
    // The loads rely on it.
    let [upper, lower] = sources.luma;
    assert!(upper.len() >= blocks.width && lower.len() >= blocks.width, "the columns are laid out for these rows");
    assert!(sources.chroma.len() >= blocks.chroma_len, "and for as many samples of chroma");
    let [first, second, third] = out.map(|row| &mut row[..blocks.count]);
    let y = splat(sources.y);
    for block in &blocks.all {
        // SAFETY: the rows are as long as the blocks were laid out for, which was asserted.
        let (luma, chroma) = unsafe {
            let luma = [neighbours(upper, block), neighbours(lower, block)];
            (luma, [chroma::<0>(sources.chroma, block), chroma::<8>(sources.chroma, block)])
        };
        let (x, at) = (load(&block.x), block.begin..block.begin + LANES);
        store_values(&converters[0], levels(&converters[0], luma, chroma, x, y), &mut first[at.clone()]);
        store_values(&converters[1], levels(&converters[1], luma, chroma, x, y), &mut second[at.clone()]);
        store_values(&converters[2], levels(&converters[2], luma, chroma, x, y), &mut third[at]);
    }
}

/// The left and the right neighbour of luma in a row.
///
/// # Safety
/// The row has the width that the block was laid out for.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn neighbours(row: &[u8], block: &Block) -> [__m256i; 2] {
    const { assert!(LEVEL == 1 << 5, "the shifts below") }
    let mut pairs = _mm256_setzero_si256();
    for (index, shuffle) in block.shuffles.iter().enumerate() {
        // SAFETY: sixteen bytes from each place lie in the row.
        let (low, high) = unsafe {
            let place = |pair: usize| row.as_ptr().add(block.luma[pair] as usize).cast();
            (_mm_loadu_si128(place(index)), _mm_loadu_si128(place(index + 4)))
        };
        pairs = _mm256_or_si256(pairs, _mm256_shuffle_epi8(_mm256_set_m128i(high, low), load_bytes(shuffle)));
    }
    let level = splat(0xff * LEVEL);
    let (left, right) = (_mm256_slli_epi16::<5>(pairs), _mm256_srli_epi16::<3>(pairs));
    [_mm256_and_si256(left, level), _mm256_and_si256(right, level)]
}

/// Cb and Cr of eight pixels from the `FIRST` of the block on.
///
/// # Safety
/// There are as many samples as the block was laid out for.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn chroma<const FIRST: usize>(mixed: &[CbCr], block: &Block) -> __m256i {
    // SAFETY: as this function's.
    let [a, b, c, d] = unsafe {
        [
            weighed_taps(mixed, block, FIRST),
            weighed_taps(mixed, block, FIRST + 1),
            weighed_taps(mixed, block, FIRST + 2),
            weighed_taps(mixed, block, FIRST + 3),
        ]
    };
    // First and third sample, second and fourth, of two pixels each; then these two.
    let front = _mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let back = _mm256_add_epi16(_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    let (front, back) = (_mm256_castsi256_ps(front), _mm256_castsi256_ps(back));
    let (even, odd) =
        (_mm256_shuffle_ps::<0b10_00_10_00>(front, back), _mm256_shuffle_ps::<0b11_01_11_01>(front, back));
    _mm256_add_epi16(_mm256_castps_si256(even), _mm256_castps_si256(odd))
}

/// Four samples of a pixel and of the fourth after it, each times its share.
///
/// # Safety
/// There are as many samples as the block was laid out for.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn weighed_taps(mixed: &[CbCr], block: &Block, pixel: usize) -> __m256i {
    // SAFETY: four samples from each place lie in the row.
    let (low, high) = unsafe {
        let place = |pixel: usize| mixed.as_ptr().add(block.chroma[pixel] as usize).cast();
        (_mm_loadu_si128(place(pixel)), _mm_loadu_si128(place(pixel + 4)))
    };
    _mm256_mulhrs_epi16(_mm256_set_m128i(high, low), load(&block.shares[pixel / 8 * 4 + pixel % 4]))
}

/// [`Converter::value`] before it is scaled.
#[inline]
#[target_feature(enable = "avx2")]
fn levels(converter: &Converter, luma: [[__m256i; 2]; 2], chroma: [__m256i; 2], x: __m256i, y: __m256i) -> __m256i {
    let [cb, cr] = converter.chroma;
    let factors = _mm256_set1_epi32(i32::from(cb as u16) | i32::from(cr) << 16);
    let first = _mm256_srai_epi32::<16>(_mm256_madd_epi16(chroma[0], factors));
    let second = _mm256_srai_epi32::<16>(_mm256_madd_epi16(chroma[1], factors));
    let color = _mm256_sub_epi16(_mm256_packs_epi32(first, second), splat(converter.zero));
    let range = [_mm256_sub_epi16(_mm256_setzero_si256(), color), _mm256_sub_epi16(splat(converter.span), color)];
    let upper = between(cut(luma[0][0], range), cut(luma[0][1], range), x);
    let lower = between(cut(luma[1][0], range), cut(luma[1][1], range), x);
    _mm256_add_epi16(between(upper, lower, y), color)
}

#[inline]
#[target_feature(enable = "avx2")]
fn cut(luma: __m256i, [low, high]: [__m256i; 2]) -> __m256i {
    _mm256_min_epi16(_mm256_max_epi16(luma, low), high)
}

#[inline]
#[target_feature(enable = "avx2")]
fn between(from: __m256i, to: __m256i, share: __m256i) -> __m256i {
    _mm256_add_epi16(from, _mm256_mulhrs_epi16(_mm256_sub_epi16(to, from), share))
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_values(converter: &Converter, levels: __m256i, out: &mut [f32]) {
    let (first, second) = out.split_at_mut(8);
    store_eight(converter, _mm256_unpacklo_epi16(levels, levels), first);
    store_eight(converter, _mm256_unpackhi_epi16(levels, levels), second);
}

/// Stores eight values, of which the levels are the upper halves of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn store_eight(converter: &Converter, levels: __m256i, out: &mut [f32]) {
    let levels = _mm256_cvtepi32_ps(_mm256_srai_epi32::<16>(levels));
    let values = _mm256_add_ps(_mm256_mul_ps(levels, _mm256_set1_ps(converter.gain)), _mm256_set1_ps(converter.black));
    assert_eq!(out.len(), 8);
    // SAFETY: there is room for eight, which need not be aligned.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(values: __m256i, out: &mut [i16]) {
    assert_eq!(out.len(), LANES);
    // SAFETY: there is room for sixteen, which need not be aligned.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), values) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(value: i16) -> __m256i {
    _mm256_set1_epi16(value)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[i16; 16]) -> __m256i {
    // SAFETY: there are sixteen, which need not be aligned.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: there are 32, which need not be aligned.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
