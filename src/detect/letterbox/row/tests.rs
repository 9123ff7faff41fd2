use super::*;
use crate::detect::letterbox::plan::samples;
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

#[cfg(target_arch = "x86_64")]
proptest! {
    #[test]
    fn vectors_give_what_pixels_give_to_the_bit(
        count in avx2::LANES..90, step in 0.3f32..13.0, seed: u32, share in 0f32..1.0, is_first: bool,
        factors in prop::array::uniform4(-1.99f32..1.99), is_full: bool, is_bgr: bool,
    ) {
        if !is_x86_feature_detected!("avx2") {
            return Ok(());
        }
        let width = ((count as f32 * step) as u32).max(31);
        let columns = over(count as u32, width);
        let chroma_width = width.div_ceil(2) as usize;
        let planes: [Vec<u8>; 6] = std::array::from_fn(|row| noise(chroma_width, seed ^ row as u32));
        let luma = [noise(width as usize, seed ^ 6), noise(width as usize, seed ^ 7)];
        let sources = Sources {
            luma: luma.each_ref().map(Vec::as_slice),
            share,
            is_first,
            chroma: [0, 3].map(|first| std::array::from_fn(|row| planes[first + row].as_slice())),
        };
        let [red, green_cb, green_cr, blue] = factors;
        let (zero, white) = if is_full { (0, 255) } else { (16, 235) };
        let (gain, black) = ([0.004, 0.2, 1.0], [-0.5, 3.0, 0.0]);
        let colors = Colors { red, green: [green_cb, green_cr], blue, zero, white, is_bgr, gain, black };
        let converter = Converter::new(&colors);
        let blocks = columns.blocks.as_ref().expect("columns that lie so close together fit");

        let mut slow = [(); 3].map(|()| vec![0f32; count]);
        let mut fast = [(); 3].map(|()| vec![f32::NAN; count]);
        portable::convert(&sources, &columns, &converter, out(&mut slow));
        // SAFETY: the processor has AVX2.
        unsafe { avx2::convert(&sources, blocks, &converter, out(&mut fast)) };
        prop_assert_eq!(&slow, &fast);

        let (mut slow_pixels, mut fast_pixels) = (vec![0f32; 3 * count], vec![f32::NAN; 3 * count]);
        portable::convert(&sources, &columns, &converter, Out::Pixels(&mut slow_pixels));
        // SAFETY: the processor has AVX2.
        unsafe { avx2::convert(&sources, blocks, &converter, Out::Pixels(&mut fast_pixels)) };
        prop_assert_eq!(&slow_pixels, &fast_pixels);
        let woven: Vec<f32> = (0..3 * count).map(|index| slow[index % 3][index / 3]).collect();
        prop_assert_eq!(&slow_pixels, &woven);
    }
}

#[cfg(target_arch = "x86_64")]
fn out(rows: &mut [Vec<f32>; 3]) -> Out<'_> {
    Out::Planes(rows.each_mut().map(Vec::as_mut_slice))
}

/// `count` columns over whole rows of a width.
#[cfg(target_arch = "x86_64")]
fn over(count: u32, width: u32) -> Columns {
    Columns::new(&samples(count, 0, width, width), width)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn columns_that_lie_too_far_apart_are_left_to_the_portable_way() {
    assert!(over(32, 3200).blocks.is_none());
}
