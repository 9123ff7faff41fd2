//! Manifests: whatever is read makes sense, and is read again from what it is written as.

use crate::mutate;
use curbwatch::detect::manifest::Manifest;
use rand::Rng;
use rand_pcg::Pcg64Mcg;

const MANIFESTS: [&str; 3] = [
    include_str!("../../models/centerface-640x384.yaml"),
    include_str!("../../models/ssdlite-mobilenet-v2-300.yaml"),
    include_str!("../../models/yolov4-tiny-416.yaml"),
];

pub fn run(random: &mut Pcg64Mcg) {
    let original = MANIFESTS[random.random_range(0..MANIFESTS.len())];
    let text = mutate::text(random, original, &MANIFESTS);
    let Ok(manifest) = Manifest::parse(&text, "fuzzed") else { return };
    assert!(manifest.input.shape().iter().all(|&side| (1..=4096).contains(&side)), "{:?}", manifest.input);
    assert!(manifest.input.scale.is_finite() && manifest.input.scale > 0.0);
    assert!((0.0..=1.0).contains(&manifest.thresholds.confidence));
    if let Some(reading) = manifest.reading() {
        assert_eq!(reading.mistake(manifest.classes.len()), None);
    }
    let written = serde_saphyr::to_string(&manifest).expect("a manifest can be written");
    let again = Manifest::parse(&written, "written").unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, manifest, "{written}");
}
