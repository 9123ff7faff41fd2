//! Running the independent reference in `tests/reference/`.

use std::process::Command;

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
