use super::Redacted;
use super::areas::{HiddenArea, PixelRect};
use super::planes::JfifPlanes;
use super::test_pictures::{AMPLE, encode, frame, noise};
use super::*;
use crate::frame::{ColorMatrix, ColorRange, PixelFormat};
use proptest::prelude::*;
use sha2::Digest;

const FULL_601: (ColorMatrix, ColorRange) = (ColorMatrix::Bt601, ColorRange::Full);

fn bbox(l: f32, t: f32, r: f32, b: f32) -> BBox {
    BBox::try_new(l, t, r, b).unwrap()
}

fn person(l: f32, t: f32, r: f32, b: f32) -> SensitiveObject {
    SensitiveObject { kind: SensitiveKind::Person, bbox: bbox(l, t, r, b) }
}

fn head(l: f32, t: f32, r: f32, b: f32) -> SensitiveObject {
    SensitiveObject { kind: SensitiveKind::Head, bbox: bbox(l, t, r, b) }
}

fn vehicle(l: f32, t: f32, r: f32, b: f32) -> SensitiveObject {
    SensitiveObject { kind: SensitiveKind::Vehicle, bbox: bbox(l, t, r, b) }
}

/// Planes of noise around mid-grey, so that no conversion clips.
fn noisy(size: (u32, u32), seed: u64) -> JfifPlanes {
    JfifPlanes::from_frame(&frame(size, PixelFormat::I420, FULL_601, 0, |p, x, y| 64 + noise(seed, p, x, y) / 2))
}

/// Replaces every sensitive area by its mosaic, as in a picture of the frame.
fn hide(planes: &mut JfifPlanes, sensitive: &[SensitiveObject]) {
    for area in areas::to_hide(sensitive, planes.width(), planes.height()) {
        mosaic::apply(planes, &area);
    }
}

fn samples(planes: &JfifPlanes) -> [&[u8]; 3] {
    [&planes.luma.samples, &planes.cb.samples, &planes.cr.samples]
}

fn holds(rect: &PixelRect, x: usize, y: usize) -> bool {
    (rect.left..rect.right).contains(&x) && (rect.top..rect.bottom).contains(&y)
}

#[test]
fn pixels_outside_the_areas_are_untouched_and_inside_only_a_few_values_remain() {
    let size = (640, 360);
    let objects = [person(0.1, 0.1, 0.2, 0.9), vehicle(0.5, 0.4, 0.9, 0.8)];
    let (original, mut hidden) = (noisy(size, 1), noisy(size, 1));
    hide(&mut hidden, &objects);
    let areas = areas::to_hide(&objects, 640, 360);
    assert_eq!(areas.len(), 3);
    let mut changed = 0;
    for y in 0..360 {
        for x in 0..640 {
            let (before, after) = (original.luma.row(y)[x], hidden.luma.row(y)[x]);
            let inside = areas.iter().any(|area| holds(&area.rect, x, y));
            assert!(inside || before == after, "({x}, {y}) is outside and changed");
            changed += usize::from(before != after);
            for (before, after) in [(&original.cb, &hidden.cb), (&original.cr, &hidden.cr)] {
                assert!(inside || before.row(y / 2)[x / 2] == after.row(y / 2)[x / 2]);
            }
        }
    }
    let inside: usize = areas.iter().map(|area| area.rect.width() * area.rect.height()).sum();
    assert!(changed > inside * 8 / 10, "only {changed} pixels of {inside} changed");
    // Averages of a hundred noisy pixels and more lie within a few values of mid-grey; the noise spanned 128.
    for area in &areas {
        let rows = (area.rect.top..area.rect.bottom).map(|y| &hidden.luma.row(y)[area.rect.left..area.rect.right]);
        let (least, most) = rows.flatten().fold((255, 0), |(least, most), &v| (v.min(least), v.max(most)));
        assert!(most - least < 40, "{least}..{most}");
    }
}

#[test]
fn pictures_that_differ_only_within_cells_cannot_be_told_apart() {
    // 48x48 in cells of 12: both pictures have each cell's average, of different pixels.
    let area = HiddenArea {
        rect: PixelRect { left: 24, top: 12, right: 72, bottom: 60 },
        cell_px: 12,
        class: RedactedClass::PersonHead,
    };
    let turned = |flip: bool| {
        JfifPlanes::from_frame(&frame((96, 72), PixelFormat::I420, FULL_601, 0, move |p, x, y| {
            let cell = if p == 0 { 12 } else { 6 };
            let mirror = |v: usize| v / cell * cell + (cell - 1 - v % cell);
            let (x, y) = if flip { (mirror(x), mirror(y)) } else { (x, y) };
            noise(5, p, x, y)
        }))
    };
    let (mut one, mut other) = (turned(false), turned(true));
    assert_ne!(samples(&one), samples(&other));
    mosaic::apply(&mut one, &area);
    mosaic::apply(&mut other, &area);
    for y in area.rect.top..area.rect.bottom {
        assert_eq!(one.luma.row(y)[24..72], other.luma.row(y)[24..72]);
        assert_eq!(one.cb.row(y / 2)[12..36], other.cb.row(y / 2)[12..36]);
        assert_eq!(one.cr.row(y / 2)[12..36], other.cr.row(y / 2)[12..36]);
    }
}

#[test]
fn the_mosaic_is_pixelation_followed_by_a_box_blur_of_one_cell() {
    // Columns of 12 px with the values 0, 120, 240: linear from centre to centre, constant before and after.
    let step = |p: usize, x: usize| if p == 0 { [0, 120, 240][x / 12] } else { 128 };
    let mut planes = JfifPlanes::from_frame(&frame((36, 12), PixelFormat::I420, FULL_601, 0, |p, x, _| step(p, x)));
    let rect = PixelRect { left: 0, top: 0, right: 36, bottom: 12 };
    mosaic::apply(&mut planes, &HiddenArea { rect, cell_px: 12, class: RedactedClass::PersonHead });
    let row = planes.luma.row(5);
    assert_eq!(row[..6], [0; 6]);
    assert_eq!(row[30..], [240; 6]);
    for (x, &v) in row.iter().enumerate().take(30).skip(6) {
        let expected = (x as f32 + 0.5 - 6.0) * 10.0;
        assert!((f32::from(v) - expected).abs() <= 1.0, "{v} at {x}, not {expected}");
    }
}

#[test]
fn detail_of_the_original_does_not_correlate_with_what_is_left() {
    let size = (320, 320);
    let objects = [person(0.1, 0.1, 0.4, 0.95)];
    let (original, mut hidden) = (noisy(size, 9), noisy(size, 9));
    hide(&mut hidden, &objects);
    let rect = areas::to_hide(&objects, 320, 320)[0].rect;
    // High frequencies: a pixel less the mean of its neighbours to the left and right.
    let detail = |planes: &JfifPlanes, x: usize, y: usize| {
        let row = planes.luma.row(y);
        f64::from(row[x]) - f64::midpoint(f64::from(row[x - 1]), f64::from(row[x + 1]))
    };
    let (mut both, mut before_only) = (0.0, 0.0);
    for y in rect.top..rect.bottom {
        for x in rect.left + 1..rect.right - 1 {
            let (before, after) = (detail(&original, x, y), detail(&hidden, x, y));
            both += before * after;
            before_only += before * before;
        }
    }
    let left_of_detail = (both / before_only).abs();
    assert!(left_of_detail < 0.001, "{left_of_detail} of the detail is left");
}

/// The head of a standing person, a seventh of the height and wider than it is, lies inside the area with a margin.
#[test]
fn heads_and_plates_lie_inside_the_hidden_areas() {
    let upright = areas::to_hide(&[person(0.40, 0.20, 0.45, 0.50)], 1920, 1080);
    assert_eq!(upright.len(), 1);
    let PixelRect { left, top, right, bottom } = upright[0].rect;
    assert!(left < 768 && right > 864, "the whole width, dilated: {left}..{right}");
    assert!(top < 216 && bottom > 216 + 324 * 35 / 100 && bottom < 216 + 324 / 2, "{top}..{bottom}");
    assert_eq!(upright[0].cell_px, 12);

    let wholes = [
        ("small", person(0.40, 0.20, 0.42, 0.27)),
        ("seated", person(0.40, 0.20, 0.50, 0.40)),
        ("cut", person(0.4, 0.5, 0.5, 1.0)),
    ];
    for (why, object) in wholes {
        let area = areas::to_hide(&[object], 1920, 1080)[0].rect;
        assert!(area.bottom as f32 >= object.bbox.bottom() * 1080.0 - 0.5, "a {why} person is hidden whole");
    }

    let near = areas::to_hide(&[vehicle(0.2, 0.3, 0.5, 0.7)], 1920, 1080);
    assert_eq!(
        near.iter().map(|area| area.class).collect::<Vec<_>>(),
        [RedactedClass::VehiclePlateArea, RedactedClass::PersonHead]
    );
    assert!(near[0].rect.bottom > 756 && near[0].rect.top < 324 + 432 * 55 / 100);
    assert!(near[0].cell_px >= 43 && near[1].cell_px >= 21);
    let far = areas::to_hide(&[vehicle(0.2, 0.3, 0.25, 0.36)], 1920, 1080);
    assert_eq!(far.len(), 1, "nobody is seen behind the windows of a far vehicle");
}

#[test]
fn a_face_is_hidden_whole_and_beyond_its_box_however_upright_it_is() {
    // As high and narrow as an upright person's box, of whom only the upper part is hidden.
    for object in [head(0.40, 0.20, 0.45, 0.50), head(0.40, 0.20, 0.41, 0.23), head(0.2, 0.3, 0.5, 0.7)] {
        let areas = areas::to_hide(&[object], 1920, 1080);
        let [HiddenArea { rect, cell_px, class }] = areas[..] else { panic!("one area: {areas:?}") };
        assert_eq!(class, RedactedClass::PersonHead);
        let [left, top, right, bottom] = <[f32; 4]>::from(object.bbox);
        let (width, height) = ((right - left) * 1920.0, (bottom - top) * 1080.0);
        assert!(rect.left as f32 <= left * 1920.0 - 0.2 * width && rect.right as f32 >= right * 1920.0 + 0.2 * width);
        assert!(rect.top as f32 <= top * 1080.0 - 0.2 * height && rect.bottom as f32 >= bottom * 1080.0 + 0.2 * height);
        assert!(width / cell_px as f32 <= 4.0, "{cell_px} px for a head of {width} px");
    }
}

#[test]
fn a_close_face_gets_no_more_than_four_by_five_cells() {
    // A bust that fills the picture: the face is half as wide as the box.
    let area = areas::to_hide(&[person(0.2, 0.1, 0.8, 1.0)], 1920, 1080)[0];
    let face_width = 0.6 * 1920.0 / 2.0;
    assert!(face_width / area.cell_px as f32 <= 4.0);
}

#[test]
fn the_same_person_in_several_frames_is_hidden_once_over_the_whole_way() {
    let walk: Vec<_> = (0..5u8).map(|i| f32::from(i) * 0.002).map(|d| person(0.4 + d, 0.2, 0.45 + d, 0.5)).collect();
    let joined = areas::to_hide(&walk, 1920, 1080);
    assert_eq!(joined.len(), 1);
    for object in &walk {
        let alone = areas::to_hide(&[*object], 1920, 1080)[0].rect;
        assert!(holds(&joined[0].rect, alone.left, alone.top));
        assert!(holds(&joined[0].rect, alone.right - 1, alone.bottom - 1));
    }
}

#[test]
fn the_summary_names_what_was_hidden() {
    let street = frame((640, 360), PixelFormat::I420, FULL_601, 0, |p, x, y| noise(3, p, x, y));
    let objects = [vehicle(0.1, 0.1, 0.3, 0.3), person(0.6, 0.2, 0.7, 0.6), person(0.8, 0.2, 0.9, 0.6)];
    let picture = RedactedPicture::from_frame(&street, &objects);
    let summary = picture.summary();
    assert_eq!(summary.classes(), [RedactedClass::PersonHead, RedactedClass::VehiclePlateArea]);
    assert_eq!(summary.area_count(), 3);
    assert_eq!(summary.version(), REDACTION_VERSION);
    // A crop names what is hidden in it.
    let crop = picture.crop(&bbox(0.7, 0.3, 0.8, 0.6)).unwrap().summary();
    assert_eq!((crop.classes(), crop.area_count()), (&[RedactedClass::PersonHead][..], 2));
    assert!(RedactedPicture::from_frame(&street, &[]).summary().classes().is_empty());
}

#[test]
fn a_crop_is_a_part_of_the_redacted_picture_and_says_which() {
    let street = frame((640, 360), PixelFormat::Nv12, FULL_601, 3, |p, x, y| noise(6, p, x, y));
    let hidden = RedactedPicture::from_frame(&street, &[person(0.45, 0.2, 0.55, 0.9)]);
    let whole = decode(&hidden.encode(&mut JpegEncoder::default(), AMPLE).unwrap());
    let mut encoder = JpegEncoder::default();
    let jpeg = hidden.crop(&bbox(0.4, 0.3, 0.6, 0.7)).unwrap().encode(&mut encoder, AMPLE).unwrap();
    assert_eq!(<[f32; 4]>::from(jpeg.shown()).map(|share| (share * 100.0).round() as u8), [25, 17, 75, 83]);
    let (left, top) = ((jpeg.shown().left() * 640.0).round() as u32, (jpeg.shown().top() * 360.0).round() as u32);
    let close = decode(&jpeg);
    // Both are encoded with loss, of blocks that begin elsewhere: the head's mosaic is smooth and must agree, the noise around it need not.
    for (x, y) in (300..340).flat_map(|x| (90..130).map(move |y| (x, y))) {
        let (of_whole, of_part) = (whole.get_pixel(x, y).0, close.get_pixel(x - left, y - top).0);
        for (a, b) in of_whole.iter().zip(of_part) {
            assert!(a.abs_diff(b) < 24, "{of_whole:?} and {of_part:?} at ({x}, {y})");
        }
    }
    assert!(hidden.crop(&bbox(0.0, 0.0, 0.9, 0.9)).is_none());
}

#[test]
fn the_strip_adds_to_the_height_and_is_told() {
    let street = frame((640, 360), PixelFormat::I420, FULL_601, 0, |_, _, _| 128);
    let facts = ["2026-11-21 15:29:41 +08:00".to_owned(), "文一路东口".to_owned()];
    let jpeg = RedactedPicture::from_frame(&street, &[]).with_strip(&facts).encode(&mut JpegEncoder::default(), AMPLE);
    let jpeg = jpeg.unwrap();
    assert_eq!((jpeg.height(), jpeg.strip_height(), jpeg.shown()), (384, 24, BBox::FRAME));
    let decoded = decode(&jpeg);
    let light = |rows: std::ops::Range<u32>| {
        rows.flat_map(|y| (0..640).map(move |x| (x, y))).filter(|(x, y)| decoded.get_pixel(*x, *y).0[1] > 200).count()
    };
    assert_eq!(light(0..360), 0);
    assert!(light(360..384) > 500, "{}", light(360..384));
}

fn decode(jpeg: &RedactedJpeg) -> image::RgbImage {
    let picture = image::load_from_memory_with_format(jpeg.bytes(), image::ImageFormat::Jpeg).unwrap();
    assert_eq!((picture.width(), picture.height()), (u32::from(jpeg.width()), u32::from(jpeg.height())));
    picture.into_rgb8()
}

/// 8-bit `Y'CbCr` of an R'G'B' colour by the definitions of BT.601 and BT.709.
fn ycbcr([r, g, b]: [f64; 3], matrix: ColorMatrix, range: ColorRange) -> [u8; 3] {
    let (kr, kb) = match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
    };
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
    let (black, luma_span, chroma_span) = match range {
        ColorRange::Limited => (16.0, 219.0, 224.0),
        ColorRange::Full => (0.0, 255.0, 255.0),
    };
    let scaled = [black + y * luma_span, 128.0 + cb * chroma_span, 128.0 + cr * chroma_span];
    scaled.map(|v| v.round().clamp(0.0, 255.0) as u8)
}

#[test]
fn colours_survive_whatever_the_range_the_matrix_and_the_layout() {
    let colours =
        [[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.2, 0.3, 0.9], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.5, 0.5, 0.5]];
    for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709] {
        for range in [ColorRange::Limited, ColorRange::Full] {
            for format in [PixelFormat::I420, PixelFormat::Nv12] {
                let fields = colours.map(|rgb| ycbcr(rgb, matrix, range));
                // Fields of 32 px side by side.
                let picture = frame((192, 32), format, (matrix, range), 7, |plane, x, _| {
                    fields[x / if plane == 0 { 32 } else { 16 }][plane]
                });
                let jpeg = encode(&picture, &[], &[], AMPLE).unwrap();
                let decoded = decode(&jpeg);
                for (field, rgb) in (0u32..).zip(&colours) {
                    let found = decoded.get_pixel(field * 32 + 16, 16).0;
                    for (found, wanted) in found.iter().zip(rgb) {
                        let off = (f64::from(*found) - wanted * 255.0).abs();
                        assert!(off <= 4.0, "{found} for {rgb:?} of {matrix:?} {range:?} {format:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_last_rows_and_columns_of_any_size_keep_their_colour() {
    let red = ycbcr([0.9, 0.1, 0.1], ColorMatrix::Bt601, ColorRange::Full);
    for size in [(32, 32), (33, 33), (34, 34), (47, 30), (30, 47), (2, 2), (3, 3)] {
        let picture = frame(size, PixelFormat::I420, FULL_601, 0, |plane, _, _| red[plane]);
        let decoded = decode(&encode(&picture, &[], &[], AMPLE).unwrap());
        for (x, y, pixel) in decoded.enumerate_pixels() {
            assert!(matches!(pixel.0, [222..=238, 18..=34, 18..=34]), "{pixel:?} at ({x}, {y}) of {size:?}");
        }
    }
}

#[test]
fn the_outline_is_drawn_on_the_box_and_nowhere_else() {
    let grey = frame((640, 480), PixelFormat::I420, FULL_601, 0, |_, _, _| 128);
    let jpeg = encode(&grey, &[], &[bbox(0.25, 0.25, 0.75, 0.75)], AMPLE).unwrap();
    let decoded = decode(&jpeg);
    let is_amber = |x, y| matches!(decoded.get_pixel(x, y).0, [200..=255, 130..=220, 0..=90]);
    for (x, y) in [(160, 200), (161, 300), (479, 200), (300, 120), (300, 121), (300, 359)] {
        assert!(is_amber(x, y), "{:?} at ({x}, {y})", decoded.get_pixel(x, y));
    }
    for (x, y) in [(320, 240), (150, 200), (490, 200), (300, 112), (300, 370)] {
        assert!(!is_amber(x, y), "amber at ({x}, {y})");
    }
}

#[test]
fn quality_gives_way_to_the_limit_of_bytes_and_an_impossible_limit_is_an_error() {
    let picture = frame((320, 240), PixelFormat::I420, FULL_601, 0, |p, x, y| noise(2, p, x, y));
    let encode = |quality, max_bytes| encode(&picture, &[], &[], JpegLimits { quality, max_bytes });
    let (best, least) = (encode(90, usize::MAX).unwrap(), encode(30, usize::MAX).unwrap());
    let limit = usize::midpoint(best.bytes().len(), least.bytes().len());
    let fitted = encode(90, limit).unwrap();
    assert!(fitted.bytes().len() <= limit && fitted.bytes().len() > least.bytes().len());
    match encode(90, 1_000) {
        Err(RedactError::TooLarge { found_bytes, max_bytes: 1_000, .. }) => {
            assert_eq!(found_bytes, least.bytes().len());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_encoder_takes_pictures_of_any_size_one_after_the_other() {
    let mut encoder = JpegEncoder::default();
    for size in [(640, 360), (64, 48), (33, 35), (640, 360)] {
        let street = frame(size, PixelFormat::I420, FULL_601, 0, |p, x, y| noise(8, p, x, y));
        let jpeg = RedactedPicture::from_frame(&street, &[]).encode(&mut encoder, AMPLE).unwrap();
        assert_eq!(decode(&jpeg).dimensions(), size);
        assert_eq!(jpeg.bytes(), encode(&street, &[], &[], AMPLE).unwrap().bytes(), "the same as of a new one");
    }
}

#[test]
fn the_hash_is_of_the_bytes_and_there_is_no_metadata() {
    let street = frame((320, 240), PixelFormat::I420, FULL_601, 0, |p, x, y| noise(2, p, x, y));
    let facts = ["文一路".to_owned()];
    let picture = RedactedPicture::from_frame(&street, &[]).with_strip(&facts);
    let jpeg = picture.encode(&mut JpegEncoder::default(), AMPLE).unwrap();
    assert_eq!(jpeg.sha256(), format!("{:x}", sha2::Sha256::digest(jpeg.bytes())));
    assert_eq!(jpeg.sha256().len(), 64);
    // Segments up to the scan: the only application segment is JFIF's own, without a thumbnail, and there is no comment.
    let mut at = 2;
    while jpeg.bytes()[at + 1] != 0xDA {
        let (marker, length) = (jpeg.bytes()[at + 1], u16::from_be_bytes([jpeg.bytes()[at + 2], jpeg.bytes()[at + 3]]));
        assert!(!matches!(marker, 0xE1..=0xEF | 0xFE), "segment {marker:#x}");
        assert!(marker != 0xE0 || length == 16, "JFIF with a thumbnail");
        at += 2 + usize::from(length);
    }
}

fn any_kind() -> impl Strategy<Value = SensitiveKind> {
    prop_oneof![Just(SensitiveKind::Person), Just(SensitiveKind::Head), Just(SensitiveKind::Vehicle)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Any size, layout, stride and any boxes, at and beyond the border: a picture of the frame's size comes out.
    #[test]
    fn no_frame_and_no_box_makes_it_panic(
        size in (2u32..200, 2u32..150),
        nv12: bool, bt709: bool, limited: bool,
        padding in 0usize..40,
        boxes in prop::collection::vec((any_kind(), -0.3f32..1.3, -0.3f32..1.3, 0f32..1.5, 0f32..1.5), 0..8),
    ) {
        let format = if nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 };
        let matrix = if bt709 { ColorMatrix::Bt709 } else { ColorMatrix::Bt601 };
        let range = if limited { ColorRange::Limited } else { ColorRange::Full };
        let picture = frame(size, format, (matrix, range), padding, |p, x, y| noise(4, p, x, y));
        let objects: Vec<_> = boxes.iter().map(|&(kind, l, t, w, h)| {
            SensitiveObject { kind, bbox: bbox(l, t, l + w, t + h) }
        }).collect();
        let outline = objects.first().map(|object| object.bbox);
        let jpeg = encode(&picture, &objects, outline.as_slice(), AMPLE).unwrap();
        prop_assert_eq!((u32::from(jpeg.width()), u32::from(jpeg.height())), size);
        prop_assert_eq!(decode(&jpeg).dimensions(), size);
    }

    /// Every area lies in the picture, holds at least one cell where the picture does, and the part of the box nearest
    /// to the head or the plate is in one of them.
    #[test]
    fn areas_lie_in_the_picture_and_hold_what_they_must(
        (width, height) in (2u16..2000, 2u16..1200),
        kind in any_kind(),
        (l, t, w, h) in (0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0),
    ) {
        let object = SensitiveObject { kind, bbox: bbox(l, t, l + w, t + h) };
        let areas = areas::to_hide(&[object], width, height);
        for HiddenArea { rect, cell_px, .. } in &areas {
            prop_assert!(rect.left < rect.right && rect.right <= usize::from(width));
            prop_assert!(rect.top < rect.bottom && rect.bottom <= usize::from(height));
            prop_assert!(rect.left % 2 == 0 && rect.top % 2 == 0);
            prop_assert!(rect.right % 2 == 0 || rect.right == usize::from(width));
            prop_assert!(rect.bottom % 2 == 0 || rect.bottom == usize::from(height));
            prop_assert!(*cell_px >= 12);
        }
        let key_y = if kind == SensitiveKind::Vehicle { object.bbox.bottom() } else { object.bbox.top() };
        let pixel = |share: f32, length: u16| ((share * f32::from(length)) as usize).min(usize::from(length) - 1);
        for x in [object.bbox.left(), object.bbox.center().x, object.bbox.right()] {
            let (x, y) = (pixel(x, width), pixel(key_y, height));
            prop_assert!(areas.iter().any(|area| holds(&area.rect, x, y)), "({x}, {y}) in {areas:?}");
        }
    }
}
