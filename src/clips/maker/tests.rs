use super::*;
use crate::contract::MediaType;
use crate::evidence::redact::test_pictures::{frame, noise};
use crate::evidence::{Redacted, RedactedClass, SensitiveKind};
use crate::frame::{ColorMatrix, ColorRange, FrameStamp, PixelFormat};
use crate::geometry::BBox;
use crate::ids::Name;
use gstreamer as gst;
use gstreamer::prelude::*;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: (u32, u32) = (320, 180);
/// Where somebody stands in every frame: lower than what is hidden by its head alone.
fn person() -> BBox {
    BBox::try_new(0.2, 0.2, 0.3, 0.6).unwrap()
}

/// Says of each look what it finds, in turn; nothing is a failure.
struct Looks(Vec<Option<Vec<SensitiveObject>>>, Arc<AtomicUsize>);

impl Looks {
    fn next(&mut self) -> Option<Vec<SensitiveObject>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.0.is_empty() { Some(Vec::new()) } else { self.0.remove(0) }
    }
}

impl FaceFinder for Looks {
    fn find(&mut self, _: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        self.next().ok_or_else(|| FacesError::Detect(blind()))
    }
}

fn blind() -> DetectError {
    DetectError::Thread { source: std::io::ErrorKind::Other.into() }
}

fn config(evidence: &serde_json::Value) -> Arc<Config> {
    let config = json!({
        "agent": {"site": "hangzhou", "id": "box"}, "hub": {"host": "127.0.0.1"}, "evidence": evidence,
        "cameras": [{
            "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        }]
    });
    Arc::new(serde_json::from_value(config).unwrap())
}

fn maker(evidence: &serde_json::Value, people: Looks, faces: Looks) -> ClipMaker {
    let (config, mut people) = (config(evidence), people);
    let find = move |_: &Frame| people.next().ok_or_else(blind);
    ClipMaker::new(ClipMakerParts {
        config: Box::new(move || Arc::clone(&config)),
        time_zone: TimeZone::UTC,
        people: Box::new(find),
        faces: Box::new(faces),
    })
}

fn nobody() -> Looks {
    Looks(Vec::new(), Arc::default())
}

/// A clip of noise, with a frame at each of these seconds.
fn rolled(secs: &[f64], seen: &[SensitiveObject]) -> RolledClip {
    let shot = |secs: f64| {
        let colours = (ColorMatrix::Bt601, ColorRange::Limited);
        let luma = |plane, x, y| if plane == 0 { 16 + noise(secs.to_bits(), 0, x, y) / 2 } else { 128 };
        let frame = frame(SIZE, PixelFormat::I420, colours, 0, luma).stamped(FrameStamp::at_secs(secs, 0));
        Arc::new(Shot { frame, seen: seen.to_vec() })
    };
    RolledClip {
        camera: 0,
        incident: Uuid::from_u128(7),
        rule: Name::try_new("fire").unwrap(),
        bbox: BBox::try_new(0.6, 0.6, 0.9, 0.9).unwrap(),
        shots: secs.iter().copied().map(shot).collect(),
    }
}

/// What a decoder that is not ours makes of a clip: seconds and luma of each picture.
fn decoded(clip: &impl Redacted) -> Vec<(f64, Vec<u8>)> {
    let (width, height) = (usize::from(clip.width()), usize::from(clip.height()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.webm");
    std::fs::write(&file, clip.bytes()).unwrap();
    let pipeline = "filesrc name=file ! matroskademux ! vp8dec ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=sink sync=false";
    let pipeline = gst::parse::launch(pipeline).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    let sink = pipeline.by_name("sink").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut pictures = Vec::new();
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(20)) {
        let buffer = sample.buffer().unwrap();
        let bytes = buffer.map_readable().unwrap();
        let rows = bytes.chunks(width.next_multiple_of(4)).take(height);
        pictures.push((
            buffer.pts().unwrap().mseconds() as f64 / 1e3,
            rows.flat_map(|row| row[..width].to_vec()).collect(),
        ));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    pictures
}

/// How much luma differs from pixel to pixel in the upper third of a box: what is left to be recognised of a head.
fn detail(luma: &[u8], bbox: &BBox) -> f64 {
    let at = |share: f32, of: u32| (share * of as f32) as usize;
    let (left, right) = (at(bbox.left(), SIZE.0), at(bbox.right(), SIZE.0));
    let rows = at(bbox.top(), SIZE.1)..at(bbox.top() + bbox.height() / 3.0, SIZE.1);
    let steps = rows.flat_map(|y| {
        let row = &luma[y * SIZE.0 as usize..][left..right];
        row.windows(2).map(|pair| f64::from(pair[0].abs_diff(pair[1])))
    });
    let steps: Vec<f64> = steps.collect();
    steps.iter().sum::<f64>() / steps.len() as f64
}

fn made(maker: &mut ClipMaker, rolled: &RolledClip) -> Result<Clip, NoClip> {
    maker.make(rolled, &|| false)
}

#[test]
fn a_clip_shows_every_frame_at_its_time_and_no_head_in_any() {
    let seen = [SensitiveObject { kind: SensitiveKind::Person, bbox: person() }];
    let clip = made(&mut maker(&json!({"strip": false}), nobody(), nobody()), &rolled(&[5.0, 6.0, 8.5], &seen));
    let Clip { clip, captured_at } = clip.unwrap();
    assert_eq!(captured_at, FrameStamp::at_secs(5.0, 0).wall);
    assert_eq!((clip.media_type(), clip.width(), clip.height(), clip.strip_height()), (MediaType::WebM, 320, 180, 0));
    let film = clip.film().unwrap();
    assert_eq!((film.frame_count, film.duration), (3, Duration::from_millis(3500)));
    assert_eq!(clip.redaction().classes(), [RedactedClass::PersonHead]);
    let pictures = decoded(&clip);
    assert_eq!(pictures.iter().map(|(secs, _)| *secs).collect::<Vec<_>>(), [0.0, 1.0, 3.5]);
    let beside = BBox::try_new(0.5, 0.2, 0.6, 0.6).unwrap();
    for (_, luma) in &pictures {
        assert!(detail(luma, &person()) < 4.0, "{}", detail(luma, &person()));
        assert!(detail(luma, &beside) > 15.0, "{}", detail(luma, &beside));
    }
}

#[test]
fn people_are_looked_for_in_every_frame_whatever_the_analysis_saw() {
    let looks: Arc<AtomicUsize> = Arc::default();
    let found = vec![SensitiveObject { kind: SensitiveKind::Person, bbox: person() }];
    let people = Looks(vec![Some(found.clone()), Some(found)], Arc::clone(&looks));
    let mut maker = maker(&json!({"strip": false}), people, nobody());
    let clip = made(&mut maker, &rolled(&[5.0, 6.0], &[])).unwrap().clip;
    assert!(decoded(&clip).iter().all(|(_, luma)| detail(luma, &person()) < 4.0));
    assert_eq!(looks.load(Ordering::Relaxed), 2);
}

#[test]
fn a_frame_in_which_nobody_can_be_looked_for_is_left_out_and_a_clip_of_none_is_none() {
    let faces = Looks(vec![Some(Vec::new()), None, Some(Vec::new())], Arc::default());
    let clip = made(&mut maker(&json!({}), nobody(), faces), &rolled(&[5.0, 6.0, 7.0], &[])).unwrap().clip;
    assert_eq!(decoded(&clip).iter().map(|(secs, _)| *secs).collect::<Vec<_>>(), [0.0, 2.0]);
    let people = Looks(vec![None, None], Arc::default());
    let none = made(&mut maker(&json!({}), people, nobody()), &rolled(&[5.0, 6.0], &[])).unwrap_err();
    assert!(matches!(none, NoClip::Clip(ClipError::Empty)), "{none:?}");
}

#[test]
fn the_strip_tells_the_time_of_each_frame() {
    let clip = made(&mut maker(&json!({}), nobody(), nobody()), &rolled(&[5.0, 6.0], &[])).unwrap().clip;
    assert!(clip.strip_height() > 0 && clip.height() == 180 + clip.strip_height());
    let pictures = decoded(&clip);
    let strip = |index: usize| pictures[index].1[180 * 320..].to_vec();
    let differing = strip(0).iter().zip(strip(1)).filter(|(a, b)| a.abs_diff(*b) > 60).count();
    assert!(differing > 4, "{differing} pixels of the strip differ: seconds do");
}

#[test]
fn a_clip_that_is_too_large_is_encoded_coarser() {
    let frames = || {
        let mut frames = RedactedFrames::default();
        for shot in rolled(&[1.0, 2.0, 3.0, 4.0], &[]).shots {
            frames.add(RedactedPicture::from_frame(&shot.frame, &[]), shot.frame.stamp().media.0).unwrap();
        }
        frames
    };
    let best = frames().encode(usize::MAX).unwrap().bytes().len();
    let fitted = frames().encode(best - 1).unwrap().bytes().len();
    let least = frames().encode(0).unwrap().bytes().len();
    assert!(best > fitted && fitted > least && least > 0, "{best} {fitted} {least}");
    let other = frame((64, 64), PixelFormat::I420, (ColorMatrix::Bt601, ColorRange::Full), 0, |_, _, _| 0);
    let refused = frames().add(RedactedPicture::from_frame(&other, &[]), Duration::from_secs(9));
    assert!(matches!(refused, Err(ClipError::OtherSize { .. })));
}

#[test]
fn where_the_camera_is_gone_or_the_agent_stops_there_is_no_clip() {
    let mut maker = maker(&json!({}), nobody(), nobody());
    let gone = RolledClip { camera: 3, ..rolled(&[1.0], &[]) };
    assert!(matches!(made(&mut maker, &gone), Err(NoClip::Removed)));
    assert!(matches!(maker.make(&rolled(&[1.0], &[]), &|| true), Err(NoClip::Stopping)));
}
