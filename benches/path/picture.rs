//! What a picture of evidence costs, from the frame to its JPEGs; without the detector that looks for faces, which is an inference like others.

use crate::gating;
use crate::measure::{Bar, Figure, cpu_ms, median};
use curbwatch::evidence::{JpegEncoder, JpegLimits, RedactedPicture, SensitiveKind, SensitiveObject};
use curbwatch::geometry::BBox;
use std::path::Path;

const ROUNDS: usize = 5;
/// Pictures of a round: what one costs lies well above the resolution of the process's CPU clock.
const PICTURES: usize = 20;
/// What the JPEG of a 1080p frame may cost.
const JPEG_BUDGET_MS: f64 = 12.0;
const LIMITS: JpegLimits = JpegLimits { quality: 85, max_bytes: 1_000_000 };

/// `picture_jpeg`: the overview alone, encoded. `picture_all`: redaction, outline, strip and JPEG of overview and crop.
pub fn pictures(file: &Path) -> Vec<Figure> {
    eprintln!("picture: {ROUNDS} rounds of {PICTURES} pictures of a staged 1080p street");
    let frame = gating::every_sixth_frame(file, 1).remove(0);
    let bbox = |left, top| BBox::try_new(left, top, left + 0.1, top + 0.3).expect("literals in order");
    let kinds = [SensitiveKind::Person, SensitiveKind::Vehicle, SensitiveKind::Head].into_iter().cycle();
    let places = (0..8u8).map(|index| bbox(f32::from(index) / 10.0, 0.4));
    let sensitive: Vec<_> = kinds.zip(places).map(|(kind, bbox)| SensitiveObject { kind, bbox }).collect();
    let (incident, facts) = (bbox(0.4, 0.5), ["2026-11-21 15:29:41 +08:00", "文一路东口"].map(str::to_owned));
    let mut encoder = JpegEncoder::default();
    let mut jpeg = |picture: &RedactedPicture| picture.encode(&mut encoder, LIMITS).expect("GStreamer is installed");
    let redacted = RedactedPicture::from_frame(&frame, &sensitive);
    // Starts the encoder.
    let size_bytes = jpeg(&redacted).bytes().len();
    eprintln!("  the JPEG has {size_bytes} bytes");
    let (mut of_jpeg, mut of_all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = cpu_ms();
        for _ in 0..PICTURES {
            jpeg(&redacted);
        }
        let between = cpu_ms();
        for _ in 0..PICTURES {
            let picture = RedactedPicture::from_frame(&frame, &sensitive);
            let crop = picture.crop(&incident).expect("it is a small part");
            jpeg(&picture.outlined(&[incident]).with_strip(&facts));
            jpeg(&crop.with_strip(&facts));
        }
        of_jpeg.push((between - before) / PICTURES as f64);
        of_all.push((cpu_ms() - between) / PICTURES as f64);
    }
    let figure = |name: &str, values: &[f64], floor: f64, bar| {
        let value = median(values);
        Figure { name: name.to_owned(), unit: "cpu_ms", value, floor, ratio: value / floor, bar }
    };
    vec![
        figure("picture_jpeg", &of_jpeg, JPEG_BUDGET_MS, Bar::AtMost(1.0)),
        figure("picture_all", &of_all, median(&of_jpeg), Bar::None),
    ]
}
