use super::*;
use crate::detect::manifest::{Color, ElementType, Layout};
use crate::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use half::f16;
use proptest::prelude::*;

const MODEL_WIDTH: u32 = 64;
const MODEL_HEIGHT: u32 = 48;
const TENSOR_LEN: usize = 3 * 64 * 48;

fn stamp() -> FrameStamp {
    FrameStamp::of_recording(std::time::Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0)
}

fn input(color: Color, layout: Layout, dtype: ElementType, resize: Resize) -> Input {
    let (scale, mean, std) = match dtype {
        ElementType::U8 => (1.0, [0.0; 3], [1.0; 3]),
        ElementType::F16 | ElementType::F32 => (1.0 / 255.0, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    };
    let (name, width, height) = ("images".to_owned(), MODEL_WIDTH, MODEL_HEIGHT);
    Input { name, width, height, layout, dtype, color, scale, mean, std, resize, pad: 114, size_input: None }
}

/// A frame of reproducible noise whose rows are padded.
fn noise(width: u32, height: u32, padding: usize, format: PixelFormat) -> Frame {
    noise_of(width, height, padding, format, ColorMatrix::Bt601, ColorRange::Full)
}

fn noise_of(
    width: u32,
    height: u32,
    padding: usize,
    format: PixelFormat,
    matrix: ColorMatrix,
    range: ColorRange,
) -> Frame {
    let (cw, ch) = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
    let sizes = match format {
        PixelFormat::I420 => [(width as usize, height as usize), (cw, ch), (cw, ch)],
        PixelFormat::Nv12 => [(width as usize, height as usize), (2 * cw, ch), (0, 0)],
    };
    let mut state = 12_345u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let strides = sizes.map(|(row, _)| row + padding);
    let planes = sizes.map(|(row, rows)| (0..(row + padding) * rows).map(|_| byte()).collect());
    Frame::try_from_planes(FrameLayout { width, height, format, matrix, range, strides }, stamp(), planes).unwrap()
}

/// The same definition in double precision, a pixel at a time, without any of the pass's machinery: R, G, B in 0..=1, or `None` in the
/// border.
fn reference(frame: &Frame, part: PixelRect, resize: Resize, x: u32, y: u32) -> Option<[f64; 3]> {
    let layout = frame.layout();
    let (mw, mh) = (f64::from(MODEL_WIDTH), f64::from(MODEL_HEIGHT));
    let (w, h) = (f64::from(part.width), f64::from(part.height));
    let (iw, ih) = match resize {
        Resize::Letterbox => {
            let scale = (mw / w).min(mh / h);
            ((w * scale).round().clamp(1.0, mw), (h * scale).round().clamp(1.0, mh))
        }
        Resize::Stretch => (mw, mh),
    };
    let (left, top) = (((mw - iw) / 2.0).floor(), ((mh - ih) / 2.0).floor());
    let (ix, iy) = (f64::from(x) - left, f64::from(y) - top);
    if ix < 0.0 || iy < 0.0 || ix >= iw || iy >= ih {
        return None;
    }
    let (fw, fh) = (f64::from(layout.width), f64::from(layout.height));
    let at = |v: f64, start: u32, inner: f64, size: f64, n: f64| {
        (f64::from(start) + (v + 0.5) * size / inner - 0.5).clamp(0.0, n - 1.0)
    };
    let (sx, sy) = (at(ix, part.left, iw, w, fw), at(iy, part.top, ih, h, fh));
    let between = |get: &dyn Fn(f64, f64) -> f64| {
        let (fx, fy, x0, y0) = (sx.fract(), sy.fract(), sx.floor(), sy.floor());
        let (x1, y1) = ((x0 + 1.0).min(fw - 1.0), (y0 + 1.0).min(fh - 1.0));
        let upper = get(x0, y0) * (1.0 - fx) + get(x1, y0) * fx;
        let lower = get(x0, y1) * (1.0 - fx) + get(x1, y1) * fx;
        upper * (1.0 - fy) + lower * fy
    };
    let luma_at = |x: f64, y: f64| f64::from(frame.plane(0)[y as usize * layout.strides[0] + x as usize]);
    // Chroma of one luma pixel: three quarters of the nearest sample, one of the next, in both directions.
    let chroma_at = |plane: usize, step: usize, offset: usize, x: f64, y: f64| {
        let (cw, ch) = (layout.width.div_ceil(2) as usize, layout.height.div_ceil(2) as usize);
        let neighbours = |v: f64, count: usize| {
            let nearest = v as usize / 2;
            let next =
                if (v as usize).is_multiple_of(2) { nearest.saturating_sub(1) } else { (nearest + 1).min(count - 1) };
            [(nearest, 0.75), (next, 0.25)]
        };
        let mut sum = 0.0;
        for (row, row_weight) in neighbours(y, ch) {
            for (column, column_weight) in neighbours(x, cw) {
                let sample = frame.plane(plane)[row * layout.strides[plane] + column * step + offset];
                sum += row_weight * column_weight * f64::from(sample);
            }
        }
        sum
    };
    let chroma_of = |x: f64, y: f64| match layout.format {
        PixelFormat::I420 => (chroma_at(1, 1, 0, x, y), chroma_at(2, 1, 0, x, y)),
        PixelFormat::Nv12 => (chroma_at(1, 2, 0, x, y), chroma_at(1, 2, 1, x, y)),
    };
    let (kr, kb) = if layout.matrix == ColorMatrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
    let colors = |x: f64, y: f64| {
        let (luma, (cb, cr)) = (luma_at(x, y), chroma_of(x, y));
        let (luma, cb, cr) = match layout.range {
            ColorRange::Limited => ((luma - 16.0) / 219.0, (cb - 128.0) / 224.0, (cr - 128.0) / 224.0),
            ColorRange::Full => (luma / 255.0, (cb - 128.0) / 255.0, (cr - 128.0) / 255.0),
        };
        let (red, blue) = (luma + 2.0 * (1.0 - kr) * cr, luma + 2.0 * (1.0 - kb) * cb);
        let green = (luma - kr * red - kb * blue) / (1.0 - kr - kb);
        [red, green, blue].map(|v| v.clamp(0.0, 1.0))
    };
    Some([0, 1, 2].map(|channel| between(&|x, y| colors(x, y)[channel])))
}

/// A tensor written by the pass, as shares of full white in the order R, G, B.
fn written(frame: &Frame, part: PixelRect, input: &Input) -> Vec<[f64; 3]> {
    let mut writer = InputWriter::new(input);
    let values: Vec<f64> = match input.dtype {
        ElementType::F32 => write_into(&mut writer, frame, part, f32::NAN).into_iter().map(f64::from).collect(),
        ElementType::F16 => write_into(&mut writer, frame, part, f16::NAN).into_iter().map(f64::from).collect(),
        ElementType::U8 => write_into(&mut writer, frame, part, 0u8).into_iter().map(f64::from).collect(),
    };
    let pixels = TENSOR_LEN / 3;
    let byte = |pixel: usize, channel: usize| {
        let at = match input.layout {
            Layout::Nchw => channel * pixels + pixel,
            Layout::Nhwc => 3 * pixel + channel,
        };
        (values[at] * f64::from(input.std[channel]) + f64::from(input.mean[channel])) / f64::from(input.scale) / 255.0
    };
    let order = match input.color {
        Color::Rgb => [0, 1, 2],
        Color::Bgr => [2, 1, 0],
    };
    (0..pixels).map(|pixel| order.map(|channel| byte(pixel, channel))).collect()
}

fn write_into<E: Element>(writer: &mut InputWriter, frame: &Frame, part: PixelRect, initial: E) -> Vec<E> {
    let mut tensor = vec![initial; TENSOR_LEN];
    writer.write(frame, part, &mut tensor);
    tensor
}

fn any_input() -> impl Strategy<Value = Input> {
    let dtype = prop_oneof![Just(ElementType::F32), Just(ElementType::F16), Just(ElementType::U8)];
    (any::<bool>(), any::<bool>(), any::<bool>(), dtype).prop_map(|(is_bgr, is_nhwc, is_stretched, dtype)| {
        let color = if is_bgr { Color::Bgr } else { Color::Rgb };
        let layout = if is_nhwc { Layout::Nhwc } else { Layout::Nchw };
        input(color, layout, dtype, if is_stretched { Resize::Stretch } else { Resize::Letterbox })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn agrees_with_the_definition_to_a_part_of_a_level(
        width in 2u32..200, height in 2u32..200, padding in 0usize..9,
        is_nv12: bool, is_bt709: bool, is_full: bool, input in any_input(),
        corners in proptest::option::of([0.0f32..0.7, 0.0..0.7, 0.05..0.6, 0.05..0.6]),
    ) {
        let format = if is_nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 };
        let matrix = if is_bt709 { ColorMatrix::Bt709 } else { ColorMatrix::Bt601 };
        let range = if is_full { ColorRange::Full } else { ColorRange::Limited };
        let frame = noise_of(width, height, padding, format, matrix, range);
        let part = corners.map_or(PixelRect::whole(width, height), |[left, top, w, h]| {
            PixelRect::covering(&BBox::try_new(left, top, left + w, top + h).unwrap(), width, height)
        });
        // A whole level is promised. The arithmetic takes a tenth; bytes are rounded to the nearest.
        let most = if input.dtype == ElementType::U8 { 0.6 } else { 0.15 };
        for (pixel, found) in written(&frame, part, &input).into_iter().enumerate() {
            let (x, y) = (pixel as u32 % MODEL_WIDTH, pixel as u32 / MODEL_WIDTH);
            let expected = reference(&frame, part, input.resize, x, y).unwrap_or([114.0 / 255.0; 3]);
            for (found, expected) in found.into_iter().zip(expected) {
                prop_assert!((found - expected).abs() <= most / 255.0, "{x},{y}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_box_survives_the_way_into_the_model_and_back(
        width in 16u32..4000, height in 16u32..4000, part in [0.0f32..0.2, 0.0..0.2, 0.8..1.0, 0.8..1.0],
        cx in 0.4f32..0.6, cy in 0.4f32..0.6, size in 0.05f32..0.3, input in any_input(),
    ) {
        let [left, top, right, bottom] = part;
        let part = PixelRect::covering(&BBox::try_new(left, top, right, bottom).unwrap(), width, height);
        let letterbox = Letterbox::place(part, (width, height), &input);
        let scale_x = letterbox.width as f32 / part.width as f32;
        let scale_y = letterbox.height as f32 / part.height as f32;
        let back = letterbox.frame_from_model(
            (cx * width as f32 - part.left as f32) * scale_x + letterbox.left as f32,
            (cy * height as f32 - part.top as f32) * scale_y + letterbox.top as f32,
            size * width as f32 * scale_x,
            size * height as f32 * scale_y,
        );
        let truth = BBox::try_from_center(cx, cy, size, size).unwrap();
        prop_assert!(back.unwrap().iou(&truth) > 0.99);
    }
}

#[test]
fn the_border_follows_a_change_of_size() {
    let input = input(Color::Rgb, Layout::Nchw, ElementType::U8, Resize::Letterbox);
    let mut writer = InputWriter::new(&input);
    let mut tensor = vec![0; TENSOR_LEN];
    let (wide, tall) = (noise(64, 16, 0, PixelFormat::I420), noise(16, 48, 0, PixelFormat::I420));
    writer.write(&wide, PixelRect::whole(64, 16), &mut tensor);
    assert_eq!(tensor[0], 114, "above a wide picture is border");
    writer.write(&tall, PixelRect::whole(16, 48), &mut tensor);
    assert_eq!(tensor[24 * 64], 114, "left of a tall picture is border");
    writer.write(&wide, PixelRect::whole(64, 16), &mut tensor);
    assert_eq!(tensor[0], 114, "and above the wide one again");
}

#[test]
fn what_the_model_sees_beyond_its_part_of_the_frame_is_cut_off() {
    let quarter = PixelRect::covering(&BBox::try_new(0.5, 0.5, 1.0, 1.0).unwrap(), 640, 480);
    let input = input(Color::Rgb, Layout::Nchw, ElementType::F32, Resize::Letterbox);
    let letterbox = Letterbox::place(quarter, (640, 480), &input);
    let bbox = letterbox.frame_from_model(0.0, 0.0, 2000.0, 2000.0).unwrap();
    assert_eq!(bbox, BBox::try_new(0.5, 0.5, 1.0, 1.0).unwrap());
    assert_eq!(letterbox.frame_from_model(5.0, 5.0, -1.0, 1.0), Err(BBoxError::Inverted));
    assert_eq!(letterbox.frame_from_model(5.0, f32::NAN, 1.0, 1.0), Err(BBoxError::NotFinite));
}
