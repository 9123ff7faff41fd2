//! Handing a frame to the independent reference in `tests/reference/`.

/// Runs a script of the reference on a decoded I420 frame and gives what it prints.
pub fn run(script: &str, sample: &gstreamer::Sample, arguments: &[&str]) -> Vec<u8> {
    let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("frame.i420");
    std::fs::write(&raw, packed(sample)).unwrap();
    let size = format!("{}x{}", info.width(), info.height());
    crate::python::run(script, &[&[raw.to_str().unwrap(), "--i420", &size], arguments].concat())
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
