use super::*;
use crate::frame::ColorRange;
use proptest::prelude::*;

/// Reproducible noise in which black and white are as frequent as what lies between.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match (state >> 24) as u8 {
            0..80 => 0,
            176.. => 255,
            byte => byte,
        }
    };
    std::iter::repeat_with(byte).take(count).collect()
}

/// Three rows of Cb, and three of Cr.
fn chroma_rows(planes: &[Vec<u8>; 6]) -> ChromaRows<'_> {
    ChromaRows::Planes([0, 3].map(|first| std::array::from_fn(|row| &planes[first + row][..])))
}

#[cfg(target_arch = "x86_64")]
proptest! {
    #[test]
    fn vectors_give_what_pixels_give_to_the_bit(
        count in avx2::LANES..90, step in 0.3f32..13.0, seed: u32, y in 0f32..1.0,
        factors in prop::array::uniform6(-1.99f32..1.99), is_full: bool, shares in [0f32..0.3, 0.3..0.4, 0.0..0.3],
    ) {
        if !is_x86_feature_detected!("avx2") {
            return Ok(());
        }
        let width = ((count as f32 * step) as u32).max(16);
        let columns = Columns::over(count as u32, width);
        let chroma_width = width.div_ceil(2) as usize + 3;
        let planes = [0, 1, 2, 3, 4, 5].map(|row| noise(chroma_width, seed ^ row));
        let rows = chroma_rows(&planes);
        let shares = shares.map(share);
        let (mut chroma, mut other) = (vec![[0; 2]; chroma_width], vec![[1; 2]; chroma_width]);
        portable::mix(rows, 0, shares, &mut chroma);
        if chroma_width >= avx2::LANES {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::mix(rows, 0, shares, &mut other) };
            prop_assert_eq!(&chroma, &other);
        }
        let luma = [noise(width as usize, seed ^ 6), noise(width as usize, seed ^ 7)];
        let sources = Sources { luma: luma.each_ref().map(Vec::as_slice), y: share(y), chroma: &chroma };
        let range = Luma::of(if is_full { ColorRange::Full } else { ColorRange::Limited });
        let converters = [0, 2, 4].map(|at| {
            // Together below 2, as in every matrix.
            let (cb, cr) = (factors[at], factors[at + 1] * (1.0 - factors[at].abs() / 1.99));
            let channel = Channel { cb, cr, gain: 0.004, black: -0.5 };
            Converter::new(&channel, range)
        });
        let mut slow = [(); 3].map(|()| vec![0f32; count]);
        let mut fast = [(); 3].map(|()| vec![f32::NAN; count]);
        portable::convert(&sources, &columns, &converters, slow.each_mut().map(Vec::as_mut_slice));
        let blocks = columns.blocks.as_ref().expect("columns that lie so close together fit");
        // SAFETY: the processor has AVX2.
        unsafe { avx2::convert(&sources, blocks, &converters, fast.each_mut().map(Vec::as_mut_slice)) };
        prop_assert_eq!(slow, fast);
    }

    #[test]
    fn interleaved_chroma_is_mixed_as_that_of_planes(count in 1usize..80, seed: u32, from in 0usize..3) {
        let planes = [0, 1, 2, 3, 4, 5].map(|row| noise(count + 3, seed ^ row));
        let weave = |row: usize| planes[row].iter().zip(&planes[row + 3]).flat_map(|(cb, cr)| [*cb, *cr]).collect();
        let woven: [Vec<u8>; 3] = [0, 1, 2].map(weave);
        let (mut apart, mut together) = (vec![[0; 2]; count], vec![[1; 2]; count]);
        let shares = [0.2, 0.75, 0.05].map(share);
        mix(chroma_rows(&planes), from, shares, &mut apart);
        mix(ChromaRows::Interleaved(woven.each_ref().map(Vec::as_slice)), from, shares, &mut together);
        prop_assert_eq!(apart, together);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn columns_that_lie_too_far_apart_are_left_to_the_portable_way() {
    assert!(Columns::over(32, 3200).blocks.is_none());
}
