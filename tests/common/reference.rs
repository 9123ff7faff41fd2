//! The independent reference in `tests/reference/`, and how close the agent must come to it.

use curbwatch::detect::Detection;
use curbwatch::geometry::BBox;
use std::process::Command;

/// What a reference finds in a picture.
#[derive(serde::Deserialize)]
pub struct Expected {
    /// Width in pixels.
    pub width: f32,
    /// Height in pixels.
    pub height: f32,
    /// Best first.
    pub detections: Vec<ExpectedDetection>,
}

/// One of its objects.
#[derive(serde::Deserialize)]
pub struct ExpectedDetection {
    /// Index of the class.
    pub index: u16,
    /// Confidence, 0..=1.
    pub confidence: f32,
    /// Left, top, right, bottom, 0..1.
    pub bbox: [f32; 4],
}

/// Runs a script of the reference on a decoded I420 frame and gives what it prints.
pub fn run(script: &str, sample: &gstreamer::Sample, arguments: &[&str]) -> Vec<u8> {
    let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("frame.i420");
    std::fs::write(&raw, packed(sample)).unwrap();
    let output = Command::new(dirs::cache_dir().unwrap().join("curbwatch/python/bin/python"))
        .arg(script)
        .arg(&raw)
        .args(["--i420", &format!("{}x{}", info.width(), info.height())])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The planes without padding between rows.
fn packed(sample: &gstreamer::Sample) -> Vec<u8> {
    let frame = crate::footage::frame(sample, 0.0);
    let (width, height) = (frame.layout().width as usize, frame.layout().height as usize);
    let rows = [(0, width, height), (1, width / 2, height / 2), (2, width / 2, height / 2)];
    let lines = |(plane, row, count): (usize, usize, usize)| {
        let lines = frame.plane(plane).chunks(frame.layout().strides[plane]).take(count);
        lines.flat_map(|line| line[..row].to_vec()).collect::<Vec<u8>>()
    };
    rows.into_iter().flat_map(lines).collect()
}

/// Holds that every object of the reference is found within a pixel and 0.01 of confidence, and, from `limit` of confidence up,
/// no other.
pub fn assert_same(model: &str, found: &[Detection], expected: &Expected, limit: f32) {
    let pixels = [expected.width, expected.height, expected.width, expected.height];
    for wanted in &expected.detections {
        let [left, top, right, bottom] = wanted.bbox;
        let bbox = BBox::try_new(left, top, right, bottom).unwrap();
        let is_twin = |d: &&Detection| {
            let sides = <[f32; 4]>::from(d.bbox);
            d.class == wanted.index
                && sides.iter().zip(wanted.bbox).zip(pixels).all(|((a, b), size)| (a - b).abs() * size <= 1.0)
        };
        let Some(twin) = found.iter().find(is_twin) else {
            panic!("{model}: class {} is not within a pixel of {bbox:?}: {found:?}", wanted.index)
        };
        let difference = (twin.confidence - wanted.confidence).abs();
        assert!(difference <= 0.01, "{model}: {twin:?}, the reference says {}", wanted.confidence);
    }
    let clearly_more = found.iter().filter(|d| d.confidence >= limit + 0.01).count();
    assert!(clearly_more <= expected.detections.len(), "{model}: {found:?}");
}
