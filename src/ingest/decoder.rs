//! Decoders as data: a file per platform in `pipelines/`, each with a GStreamer fragment per codec.

use super::Codec;
use gstreamer as gst;
use serde::Deserialize;

/// The fragments compiled in, best first.
const PLATFORMS: [&str; 1] = [include_str!("../../pipelines/software.yaml")];

/// What `pipelines/*.yaml` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    /// What the status calls it.
    name: String,
    /// Fragment from `video/x-h264`, byte-stream by access unit, to `video/x-raw`.
    h264: String,
    /// Fragment from `video/x-h265`, byte-stream by access unit, to `video/x-raw`.
    h265: String,
}

/// A decoder that was built from a fragment.
pub(super) struct Decoder {
    /// The platform's name.
    pub(super) name: String,
    /// The elements of the fragment, with a sink and a source pad.
    pub(super) bin: gst::Bin,
}

/// Builds the first decoder whose elements are all installed; says why none could be built.
pub(super) fn build(codec: Codec) -> Result<Decoder, String> {
    let mut refusals = Vec::new();
    for text in PLATFORMS {
        let platform: Platform = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let fragment = match codec {
            Codec::H264 => &platform.h264,
            Codec::H265 => &platform.h265,
        };
        match gst::parse::bin_from_description(fragment, true) {
            Ok(bin) => return Ok(Decoder { name: platform.name, bin }),
            Err(error) => refusals.push(format!("{}: {}", platform.name, error.message())),
        }
    }
    Err(refusals.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fragment_compiled_in_is_well_formed() {
        for text in PLATFORMS {
            serde_saphyr::from_str::<Platform>(text).unwrap();
        }
    }

    #[test]
    fn software_decoders_of_both_codecs_can_be_built() {
        gst::init().unwrap();
        for codec in [Codec::H264, Codec::H265] {
            assert_eq!(build(codec).map(|decoder| decoder.name), Ok("software".to_owned()));
        }
    }
}
