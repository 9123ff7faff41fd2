//! Decoders as data: a file per platform in `pipelines/`, each with a GStreamer fragment per codec; and which of them this box uses.
//!
//! Installed is not working: a driver may be missing, a device busy, a decoder give grey. So each candidate decodes a picture before it is
//! chosen: one key frame, left half black, right half white, made by
//! `ffmpeg -f lavfi -i color=black:s=160x240:r=1 -f lavfi -i color=white:s=160x240:r=1 -filter_complex hstack -frames:v 1 -pix_fmt yuv420p`
//! with libx264 (`-profile:v main`) and libx265.

use super::errand::{Errands, Late};
use super::{Codec, still, stream};
use crate::frame::{Frame, FrameStamp};
use gstreamer as gst;
use gstreamer_video::VideoInfo;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The platforms compiled in, best first: what the box has beside its processor, and the processor where it has nothing.
const PLATFORMS: [&str; 5] = [
    include_str!("../../pipelines/nvidia.yaml"),
    include_str!("../../pipelines/vaapi.yaml"),
    include_str!("../../pipelines/rockchip.yaml"),
    include_str!("../../pipelines/v4l2.yaml"),
    SOFTWARE,
];
const SOFTWARE: &str = include_str!("../../pipelines/software.yaml");

/// How long a candidate may take for one small picture. The first use of a graphics driver takes a second or two.
const TRIAL_LIMIT: Duration = Duration::from_secs(5);

/// Luma that counts as black, and as white.
const BLACK: u8 = 60;
const WHITE: u8 = 190;

/// What `pipelines/*.yaml` holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// What the status calls it.
    pub name: String,
    /// Fragment from `video/x-h264`, byte-stream by access unit, to `video/x-raw` in system memory.
    pub h264: String,
    /// Fragment from `video/x-h265`, byte-stream by access unit, to `video/x-raw` in system memory.
    pub h265: String,
}

impl Platform {
    fn fragment(&self, codec: Codec) -> &str {
        match codec {
            Codec::H264 => &self.h264,
            Codec::H265 => &self.h265,
        }
    }

    fn bin(&self, codec: Codec) -> Result<gst::Bin, String> {
        gst::parse::bin_from_description(self.fragment(codec), true).map_err(|error| error.message().to_owned())
    }

    fn software() -> Self {
        serde_saphyr::from_str(SOFTWARE).expect("the file is compiled in, and a test reads it")
    }
}

/// A platform that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name.
    pub platform: String,
    /// Why.
    pub reason: String,
}

/// What decodes a codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderChoice {
    /// The codec.
    pub codec: Codec,
    /// The first platform that works; none if no one does.
    pub platform: Option<Platform>,
    /// Those before it, in order.
    pub passed_over: Vec<PassedOver>,
}

/// What decodes each codec on this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoders {
    choices: [DecoderChoice; 2],
}

/// A decoder that was built from a fragment.
pub(super) struct Decoder {
    /// The platform's name.
    pub(super) name: String,
    /// The elements of the fragment, with a sink and a source pad.
    pub(super) bin: gst::Bin,
}

impl Decoders {
    /// Tries the platforms compiled in. Takes a fraction of a second where drivers answer, and five seconds for each that hangs.
    #[must_use]
    pub fn of_this_box() -> Arc<Self> {
        let read =
            |text: &&str| serde_saphyr::from_str(text).expect("the files are compiled in, and a test reads them");
        let platforms: Vec<Platform> = PLATFORMS.iter().map(read).collect();
        Arc::new(Self::choose(&platforms))
    }

    /// The processor, untried.
    #[must_use]
    pub fn software() -> Arc<Self> {
        let choice = |codec| DecoderChoice { codec, platform: Some(Platform::software()), passed_over: Vec::new() };
        Arc::new(Self { choices: [Codec::H264, Codec::H265].map(choice) })
    }

    /// Of each codec the first platform that decodes a picture as it should.
    #[must_use]
    pub fn choose(platforms: &[Platform]) -> Self {
        let choice = |codec| {
            let mut passed_over = Vec::new();
            let works = |platform: &&Platform| match try_out(platform, codec) {
                Ok(()) => true,
                Err(reason) => {
                    passed_over.push(PassedOver { platform: platform.name.clone(), reason });
                    false
                }
            };
            let platform = platforms.iter().find(works).cloned();
            let used = platform.as_ref().map_or("nothing", |platform| platform.name.as_str());
            let reasons: Vec<_> =
                passed_over.iter().map(|over| format!("{}: {}", over.platform, over.reason)).collect();
            tracing::info!(codec = codec.as_str(), decoder = used, passed_over = reasons.join("; "), "decoder chosen");
            DecoderChoice { codec, platform, passed_over }
        };
        Self { choices: [Codec::H264, Codec::H265].map(choice) }
    }

    /// The choice for each codec.
    #[must_use]
    pub fn choices(&self) -> &[DecoderChoice] {
        &self.choices
    }

    /// Builds a decoder; with `in_software` the processor's, whatever was chosen. Says why it cannot.
    pub(super) fn build(&self, codec: Codec, in_software: bool) -> Result<Decoder, String> {
        if in_software {
            return software(codec);
        }
        let choice = self.choices.iter().find(|choice| choice.codec == codec);
        let platform = choice.and_then(|choice| choice.platform.as_ref()).ok_or("none works on this box")?;
        Ok(Decoder { name: platform.name.clone(), bin: platform.bin(codec)? })
    }
}

/// The processor's decoder: what to fall back on, and what to use for a single picture now and then.
pub(super) fn software(codec: Codec) -> Result<Decoder, String> {
    let platform = Platform::software();
    Ok(Decoder { bin: platform.bin(codec)?, name: platform.name })
}

/// Whether this is the name of the processor's decoder.
pub(super) fn is_software(platform: &str) -> bool {
    platform == "software"
}

/// Decodes the sample and looks at it, within [`TRIAL_LIMIT`]; one that hangs is left behind.
fn try_out(platform: &Platform, codec: Codec) -> Result<(), String> {
    let bin = platform.bin(codec)?;
    let sample: &'static [u8] = match codec {
        Codec::H264 => include_bytes!("samples/halves.h264"),
        Codec::H265 => include_bytes!("samples/halves.h265"),
    };
    let mut unit = gst::Buffer::from_slice(sample);
    unit.get_mut().expect("it is new").set_pts(gst::ClockTime::ZERO);
    let decode = move || still::decode(codec, &bin, &stream::unit_caps(codec), [unit], TRIAL_LIMIT);
    match Errands::default().run("decoder-trial", TRIAL_LIMIT, decode).map_err(|failure| failure.to_string())? {
        Ok(decoded) => check_halves(&decoded?),
        Err(Late) => Err(format!("it took more than {} s for one picture", TRIAL_LIMIT.as_secs())),
    }
}

/// Whether a picture is the sample's.
fn check_halves(decoded: &gst::Sample) -> Result<(), String> {
    let wrong = || "it gives something else than the picture".to_owned();
    let format = decoded.caps().and_then(|caps| VideoInfo::from_caps(caps).ok()).ok_or_else(wrong)?;
    let buffer = decoded.buffer_owned().ok_or_else(wrong)?;
    let frame = Frame::try_from_gst(buffer, &format, no_time()).map_err(|error| error.to_string())?;
    let layout = *frame.layout();
    if (layout.width, layout.height) != (320, 240) {
        return Err(wrong());
    }
    let luma = |x: usize, y: usize| frame.plane(0).get(y * layout.strides[0] + x).copied();
    let is_right = [20, 120, 220]
        .into_iter()
        .all(|y| luma(80, y).is_some_and(|black| black < BLACK) && luma(240, y).is_some_and(|white| white > WHITE));
    if is_right { Ok(()) } else { Err(wrong()) }
}

/// The stamp of a picture that was never taken.
fn no_time() -> FrameStamp {
    FrameStamp::of_recording(Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(name: &str, h264: &str) -> Platform {
        Platform { name: name.to_owned(), h264: h264.to_owned(), ..Platform::software() }
    }

    #[test]
    fn every_file_compiled_in_is_well_formed_and_the_processor_comes_last() {
        let names = PLATFORMS.map(|text| serde_saphyr::from_str::<Platform>(text).unwrap().name);
        assert_eq!(names, ["nvidia", "vaapi", "rockchip", "v4l2", "software"]);
        assert!(is_software(&names[4]));
    }

    #[test]
    fn what_is_missing_does_not_decode_gives_another_picture_or_hangs_is_passed_over() {
        gst::init().unwrap();
        let grey = "avdec_h264 ! videobalance brightness=-1";
        let small = "avdec_h264 ! videoscale ! video/x-raw,width=16,height=16";
        let hangs = "avdec_h264 ! valve drop=true drop-mode=transform-to-gap";
        let candidates = [
            platform("missing", "nosuchdecoder"),
            platform("passes", "identity"),
            platform("fails", "avdec_h264 ! identity error-after=1"),
            platform("black", grey),
            platform("small", small),
            platform("silent", hangs),
            platform("works", "avdec_h264"),
            platform("never-tried", "nosuchdecoder"),
        ];
        let decoders = Decoders::choose(&candidates);
        let choice = &decoders.choices()[0];
        assert_eq!(choice.platform.as_ref().map(|platform| platform.name.as_str()), Some("works"));
        let reasons: Vec<_> = choice.passed_over.iter().map(|over| (over.platform.as_str(), &over.reason)).collect();
        let names: Vec<_> = reasons.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["missing", "passes", "fails", "black", "small", "silent"], "{reasons:?}");
        assert!(reasons[0].1.contains("nosuchdecoder"), "{reasons:?}");
        assert!(reasons[3].1.contains("something else"), "{reasons:?}");
        assert_eq!(decoders.build(Codec::H264, false).map(|decoder| decoder.name), Ok("works".to_owned()));
        assert_eq!(decoders.build(Codec::H264, true).map(|decoder| decoder.name), Ok("software".to_owned()));
    }

    #[test]
    fn a_box_without_a_decoder_says_so() {
        gst::init().unwrap();
        let decoders = Decoders::choose(&[Platform { h265: "nosuchdecoder".to_owned(), ..Platform::software() }]);
        assert!(decoders.build(Codec::H264, false).is_ok());
        assert_eq!(decoders.build(Codec::H265, false).err().as_deref(), Some("none works on this box"));
    }

    #[test]
    fn this_box_decodes_both_codecs() {
        gst::init().unwrap();
        for choice in Decoders::of_this_box().choices() {
            assert!(choice.platform.is_some(), "{choice:?}");
        }
    }
}
