//! What the cameras of this test show: synthetic clips, encoded once.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::path::{Path, PathBuf};

/// Frames per second of every clip.
pub const FPS: u64 = 10;

/// How a clip is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    H264,
    H265,
}

/// A coded picture: its NAL units without start codes.
#[derive(Debug, Clone)]
pub struct Picture {
    pub units: Vec<Vec<u8>>,
    pub is_key: bool,
}

/// A clip as a file, and as its coded pictures.
#[derive(Debug)]
pub struct Clip {
    pub coding: Coding,
    pub file: PathBuf,
    pub pictures: Vec<Picture>,
}

/// All clips of the test. `long` has one key frame, at its beginning; the others have one per second.
#[derive(Debug)]
pub struct Clips {
    pub small: Clip,
    pub large: Clip,
    pub hevc: Clip,
    pub long: Clip,
}

impl Clips {
    /// Encodes into `folder`.
    pub fn encode(folder: &Path) -> Self {
        let clip = |name: &str, coding, size: (u32, u32), frames: u32, gop: u32| {
            let file = folder.join(format!("{name}.mp4"));
            let pictures = encode(&file, coding, size, frames, gop);
            Clip { coding, file, pictures }
        };
        Self {
            small: clip("small", Coding::H264, (320, 240), 40, 10),
            large: clip("large", Coding::H264, (480, 272), 40, 10),
            hevc: clip("hevc", Coding::H265, (320, 240), 40, 10),
            long: clip("long", Coding::H264, (320, 240), 900, 10_000),
        }
    }
}

fn encode(file: &Path, coding: Coding, (width, height): (u32, u32), frames: u32, gop: u32) -> Vec<Picture> {
    let (encoder, parser, caps) = match coding {
        Coding::H264 => {
            ("x264enc tune=zerolatency speed-preset=ultrafast threads=1 bframes=0", "h264parse", "video/x-h264")
        }
        Coding::H265 => (
            "x265enc tune=zerolatency speed-preset=ultrafast option-string=pools=none:frame-threads=1:log-level=none:scenecut=0",
            "h265parse",
            "video/x-h265",
        ),
    };
    let launch = format!(
        "videotestsrc num-buffers={frames} pattern=ball animation-mode=frames ! \
         video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1 ! {encoder} key-int-max={gop} ! tee name=coded \
         coded. ! queue ! {parser} ! mp4mux ! filesink name=file \
         coded. ! queue ! {parser} config-interval=-1 ! {caps},stream-format=byte-stream,alignment=au ! appsink name=units sync=false"
    );
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    let sink = pipeline.by_name("units").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let limit = gst::ClockTime::from_seconds(30);
    let mut pictures = Vec::new();
    while let Some(sample) = sink.try_pull_sample(limit) {
        let buffer = sample.buffer().unwrap();
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        pictures.push(Picture { units: split(&buffer.map_readable().unwrap()), is_key });
    }
    pipeline.bus().unwrap().timed_pop_filtered(limit, &[gst::MessageType::Eos]).expect("the file is finished");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(pictures.len(), frames as usize);
    assert!(pictures[0].is_key);
    pictures
}

/// NAL units between start codes (ISO/IEC 14496-10, annex B).
fn split(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at).collect();
    starts.push(stream.len());
    let unit = |pair: &[usize]| {
        let unit = &stream[pair[0] + 3..pair[1]];
        // A zero before the next start code belongs to it.
        let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        unit[..end].to_vec()
    };
    starts.windows(2).map(unit).filter(|unit| !unit.is_empty()).collect()
}
