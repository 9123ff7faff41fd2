//! Configurations: the loader answers with one that can be used, or with mistakes that have a place.

use crate::mutate;
use curbwatch::config::{self, LoadError};
use rand::Rng;
use rand_pcg::Pcg64Mcg;
use std::path::PathBuf;
use std::sync::LazyLock;

const EXAMPLES: [&str; 5] = [
    include_str!("../../edge-config/city-platform.yaml"),
    include_str!("../../edge-config/fire-lane.yaml"),
    include_str!("../../edge-config/market-street.yaml"),
    include_str!("../../edge-config/minimal.yaml"),
    include_str!("../../edge-config/permitted-hours.yaml"),
];

/// The file that is read, in a folder that is removed by the system.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made").keep();
    folder.join("edge.yaml")
});

pub fn run(random: &mut Pcg64Mcg) {
    let original = EXAMPLES[random.random_range(0..EXAMPLES.len())];
    let text = mutate::text(random, original, &EXAMPLES);
    std::fs::write(&*FILE, &text).expect("a temporary file can be written");
    let classes = |_: &str| Ok(["person", "car", "umbrella", "dining table"].map(str::to_owned).to_vec());
    let findings = config::check(&FILE, &classes).expect("the file can be read");
    for finding in &findings.errors {
        assert!(finding.position.line >= 1 && finding.position.column >= 1, "{finding}");
        assert!(!finding.problem.contains("the configuration cannot be used"), "{finding}\n{text}");
    }
    match config::load(&FILE, &classes) {
        Ok(loaded) => assert_eq!(loaded.set_aside.is_empty(), findings.errors.is_empty(), "{text}"),
        Err(LoadError::Wrong(_)) => assert!(!findings.errors.is_empty(), "{text}"),
        Err(error @ LoadError::Read { .. }) => panic!("{error}"),
    }
}
