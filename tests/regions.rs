//! Small stalls far away, in the whole frame and in the box around their zone.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use curbwatch::analysis::parts;
use curbwatch::config::Region;
use curbwatch::detect::{Detections, Detector, Runtime};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::geometry::{BBox, Point, Polygon};
use curbwatch::install;
use curbwatch::stage::{Appearance, Composer, Footage, FrameSize, Scene, ThingObject};
use std::time::Duration;

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
/// Frames looked at of each stall, and how many lie between two of them.
const LOOKS: u64 = 2;
const EVERY: u64 = 30;
/// Largest share of the frame that a stall takes, its attendant included.
const SMALL: f32 = 0.025;

fn frame(bytes: &[u8]) -> Frame {
    let (luma, chroma) = bytes.split_at((WIDTH * HEIGHT) as usize);
    let (cb, cr) = chroma.split_at(chroma.len() / 2);
    let layout = FrameLayout {
        width: WIDTH,
        height: HEIGHT,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt601,
        range: ColorRange::Limited,
        strides: [WIDTH as usize, WIDTH as usize / 2, WIDTH as usize / 2],
    };
    let stamp = FrameStamp::of_recording(Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0);
    Frame::try_from_planes(layout, stamp, [luma.to_vec(), cb.to_vec(), cr.to_vec()]).unwrap()
}

/// A stall at a place of the street, what a detector should see of it, and frames of it.
fn stall(footage: &Footage, at: Point) -> (BBox, ThingObject, Vec<Frame>) {
    let stall = Appearance { from: Duration::ZERO, to: Duration::from_mins(1), at: Some(at) };
    let scene = Scene { stall: Some(stall), ..Scene::quiet(Duration::from_mins(1)) };
    let scene = scene.with_format(FrameSize::try_new(WIDTH, HEIGHT).unwrap(), 25);
    let mut composer = Composer::try_new(&scene, footage).unwrap();
    let thing = composer.truth().things.remove(0);
    let parasol = thing.objects.into_iter().find(|object| object.classes.iter().any(|class| class == "umbrella"));
    let mut bytes = vec![0; composer.frame_bytes()];
    let frames = (1..=LOOKS).map(|look| {
        composer.compose(look * EVERY, &mut bytes);
        frame(&bytes)
    });
    (thing.bbox, parasol.unwrap(), frames.collect())
}

/// A zone on the ground on which the stall stands.
fn zone(stall: &BBox) -> Polygon {
    let foot = stall.bottom_center();
    let corner = |x: f32, y: f32| [(foot.x + x).clamp(0.0, 1.0), (foot.y + y).clamp(0.0, 1.0)];
    Polygon::try_new(&[corner(-0.15, -0.1), corner(0.15, -0.1), corner(0.15, 0.1), corner(-0.15, 0.1)]).unwrap()
}

#[test]
fn a_stall_of_two_hundredths_of_the_frame_is_found_more_often_in_the_box_around_its_zone() {
    let footage = Footage::load(&install::footage("vtest.avi").unwrap()).unwrap();
    let manifest = install::manifest("yolov4-tiny-416").unwrap();
    let model = install::model_file(&manifest).unwrap();
    let mut detector = Detector::open(&Runtime::load().unwrap(), &manifest, &model).unwrap();
    let regions = [Region::Frame, Region::Zones, Region::Tiles];
    let (mut found, mut looked) = ([0; 3], 0);
    let mut out = Detections::new();
    for x in [0.2, 0.4, 0.6, 0.8] {
        for y in [0.15, 0.22] {
            let (extent, parasol, frames) = stall(&footage, Point { x, y });
            assert!(extent.area() <= SMALL, "{extent:?}");
            for frame in &frames {
                looked += 1;
                for (region, found) in regions.iter().zip(&mut found) {
                    match &parts(*region, &[zone(&extent)])[..] {
                        [] => detector.detect(frame, &mut out).unwrap(),
                        parts => detector.detect_in(frame, parts, &mut out).unwrap(),
                    }
                    let is_parasol = |class: u16| parasol.classes.contains(&manifest.classes[usize::from(class)]);
                    let sure = out.iter().filter(|d| d.confidence >= manifest.thresholds.confidence);
                    *found += u32::from(sure.filter(|d| is_parasol(d.class)).any(|d| d.bbox.iou(&parasol.bbox) >= 0.4));
                }
            }
        }
    }
    let [in_frame, in_zones, in_tiles] = found;
    println!(
        "of {looked} looks: {in_frame} in the frame, {in_zones} in the box around the zone, {in_tiles} with tiles of it"
    );
    assert!(in_zones >= in_frame + looked / 4, "{in_zones} against {in_frame} of {looked}");
    assert!(in_tiles >= in_frame, "{in_tiles} against {in_frame} of {looked}");
}
