//! The elements of a camera's pipeline and what its threads do: choose the video, build the decoder for it, keep units with broken
//! references from the decoder.

use super::damage::{self, Damage};
use super::failure::{Failure, detail};
use super::gate::{Decoding, HoldLimits, Unit, UnitFlags, UnitGate, Verdict};
use super::pipeline::{DecodedTail, Tail, Target};
use super::stats::DecodingInUse;
use super::{Codec, decoder};
use crate::config::RtspTransport;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video::VideoMeta;
use secrecy::ExposeSecret;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

/// Decoded pictures that wait for the camera's thread, 3 MB each at 1080p. When it is full the decoder waits (a replayed group comes in a
/// burst, of which nothing may be lost) and the jitter buffer, which is bounded, drops.
const MAX_FRAMES: u32 = 2;

/// How much media the jitter buffer holds at most, and how long it waits for a lost packet. Over TCP nothing is lost and nothing
/// waits: there it only bounds what piles up when the box cannot keep up.
const TCP_BUFFER: Duration = Duration::from_secs(2);
const UDP_BUFFER: Duration = Duration::from_millis(500);

/// For how long a TEARDOWN may delay the disconnect. Without it a camera keeps the old session, and may refuse the new one.
const TEARDOWN_LIMIT: Duration = Duration::from_millis(500);

/// Requests until the camera has described its stream, at most. Two, four with a login; twice as many after each redirect.
const MAX_REQUESTS: u32 = 20;

/// Units seen at the gate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UnitCounts {
    pub(super) received: u64,
    /// Not decoded after a loss.
    pub(super) lost: u64,
    /// Held back while idle, whether they were decoded later or not.
    pub(super) held: u64,
    /// Groups of held units that were decoded after all.
    pub(super) groups_replayed: u64,
}

impl UnitCounts {
    /// Units that reached the decoder when they came.
    pub(super) fn let_through(&self) -> u64 {
        self.received.saturating_sub(self.lost + self.held)
    }
}

/// What GStreamer's threads write and the camera's thread reads.
pub(super) struct Taps {
    /// None if nothing is decoded.
    decoding: Option<DecodedTail>,
    /// The elements of the decoder.
    decoder: OnceLock<glib::WeakRef<gst::Bin>>,
    state: Mutex<GateState>,
    /// The video that was asked for.
    selected: OnceLock<Codec>,
    /// Encoding of a video that cannot be read.
    unreadable: OnceLock<String>,
    /// Where the units come out whose caps say what the parser found in them.
    parsed: OnceLock<glib::WeakRef<gst::Pad>>,
    /// The video, and the name of its decoder if it has one.
    stream: OnceLock<(Codec, Option<String>)>,
    failure: OnceLock<Failure>,
}

/// The gate and what went through it.
struct GateState {
    gate: UnitGate<gst::Buffer>,
    damage: Damage,
    counts: UnitCounts,
}

impl Taps {
    pub(super) fn new(tail: Tail) -> Self {
        let (decoding, limits) = match tail {
            Tail::Decoded(decoded) => {
                let hold = decoded.hold;
                (Some(decoded), hold)
            }
            Tail::Compressed => (None, HoldLimits::NOTHING),
        };
        let state = GateState { gate: UnitGate::new(limits), damage: Damage::default(), counts: UnitCounts::default() };
        Self {
            decoding,
            decoder: OnceLock::new(),
            state: Mutex::new(state),
            selected: OnceLock::new(),
            unreadable: OnceLock::new(),
            parsed: OnceLock::new(),
            stream: OnceLock::new(),
            failure: OnceLock::new(),
        }
    }

    /// Profile and level of the video as its parameter sets name them, as in `high 4.1`; none before they came.
    pub(super) fn profile(&self) -> Option<String> {
        let caps = self.parsed.get()?.upgrade()?.current_caps()?;
        let words = ["profile", "level"].map(|key| caps.structure(0)?.get::<String>(key).ok());
        let words: Vec<String> = words.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    pub(super) fn counts(&self) -> UnitCounts {
        self.state().counts
    }

    pub(super) fn decoding_in_use(&self) -> DecodingInUse {
        match self.decoding() {
            Decoding::All => DecodingInUse::All,
            Decoding::KeyFrames if self.state().gate.lacks_key_frames() => DecodingInUse::AllForLackOfKeyFrames,
            Decoding::KeyFrames => DecodingInUse::KeyFrames,
        }
    }

    pub(super) fn stream(&self) -> Option<&(Codec, Option<String>)> {
        self.stream.get()
    }

    /// What of the units is let through to whatever follows the gate.
    fn decoding(&self) -> Decoding {
        self.decoding.as_ref().map_or(Decoding::All, |tail| tail.pace.decoding())
    }

    /// Whether an element is of a decoder other than the processor's.
    pub(super) fn is_of_hardware(&self, element: Option<&gst::Object>) -> bool {
        let decoder = self.decoder.get().and_then(glib::WeakRef::upgrade);
        let is_within = decoder.zip(element).is_some_and(|(decoder, element)| element.has_as_ancestor(&decoder));
        is_within && self.uses_hardware()
    }

    /// Whether the stream is decoded by something else than the processor.
    pub(super) fn uses_hardware(&self) -> bool {
        let platform = self.stream.get().and_then(|(_, platform)| platform.as_deref());
        platform.is_some_and(|platform| !decoder::is_software(platform))
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    pub(super) fn close_gate(&self) {
        self.state().gate.close();
    }

    /// Whether the picture of this time is damaged, though the decoder marks none.
    pub(super) fn is_damaged(&self, pts: Duration) -> bool {
        self.state().damage.holds(pts)
    }

    /// A unit goes to the decoder.
    fn decode(&self, unit: &Unit<gst::Buffer>) {
        self.state().damage.decode(unit.pts, !unit.flags.delta);
    }

    /// Heeds a complaint of the decoder on this thread: nothing more is decoded up to the next key frame.
    fn heed_complaints(&self) {
        if damage::take_complaint() {
            let mut state = self.state();
            state.damage.complain();
            state.gate.close();
        }
    }

    /// Says more exactly why nothing was set up: rtspsrc itself only knows that every stream was declined.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        match (&failure, self.selected.get(), self.unreadable.get()) {
            (Failure::Transport, None, Some(encoding)) => Failure::Codec(encoding.clone()),
            (Failure::Transport, None, None) => Failure::NoVideo,
            _ => failure,
        }
    }

    /// Decides over a unit, and counts it.
    fn admit(&self, unit: &Unit<gst::Buffer>) -> Verdict<gst::Buffer> {
        self.heed_complaints();
        let mut state = self.state();
        let verdict = state.gate.admit(unit, self.decoding());
        state.counts.received += 1;
        match verdict {
            Verdict::Decode | Verdict::DecodeAlone => state.damage.decode(unit.pts, !unit.flags.delta),
            Verdict::Lost => state.counts.lost += 1,
            Verdict::Held => state.counts.held += 1,
            Verdict::Replay(_) => state.counts.groups_replayed += 1,
        }
        verdict
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// The element that speaks RTSP. User and password are properties of their own, never part of a URL.
pub(super) fn source(target: &Target<'_>) -> Result<gst::Element, glib::BoolError> {
    let micros = |limit: Duration| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    let (protocols, buffer) = match target.transport {
        RtspTransport::Tcp => ("tcp", TCP_BUFFER),
        RtspTransport::Udp => ("udp", UDP_BUFFER),
    };
    let source = gst::ElementFactory::make("rtspsrc")
        .property("location", target.url)
        .property("latency", buffer.as_millis() as u32)
        .property("drop-on-latency", true)
        .property("do-retransmission", false)
        .property("tcp-timeout", micros(target.answer_limit))
        // No switch to another transport, and no opinion of its own on silence: the age of the last picture decides.
        .property("timeout", 0_u64)
        .property("teardown-timeout", TEARDOWN_LIMIT.as_nanos() as u64)
        .property("add-reference-timestamp-meta", true)
        .property("user-agent", concat!("curbwatch/", env!("CARGO_PKG_VERSION")))
        .property_from_str("protocols", protocols)
        .build()?;
    if let Some(username) = target.username {
        source.set_property("user-id", username);
    }
    if let Some(password) = &target.password {
        source.set_property("user-pw", password.expose_secret());
    }
    Ok(source)
}

/// Gives up on a camera that redirects for ever: rtspsrc follows without limit, a thousand times a second.
pub(super) fn limit_redirects(source: &gst::Element, taps: &Arc<Taps>) {
    let (taps, requests) = (Arc::clone(taps), AtomicU32::new(0));
    source.connect("before-send", false, move |_| {
        if taps.selected.get().is_none() && requests.fetch_add(1, Ordering::Relaxed) >= MAX_REQUESTS {
            taps.failure.get_or_init(|| Failure::Status("with redirects that do not end".to_owned()));
        }
        Some(true.to_value())
    });
}

/// Asks for the first H.264 or H.265 video of the session and nothing else: no audio, no metadata, no second video.
pub(super) fn select_video(source: &gst::Element, taps: &Arc<Taps>) {
    let taps = Arc::clone(taps);
    source.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let encoding = caps.as_ref().and_then(video_encoding);
        let wanted = encoding.is_some_and(|encoding| {
            let Some(codec) = codec_of(&encoding) else {
                taps.unreadable.get_or_init(|| detail(&encoding));
                return false;
            };
            taps.selected.set(codec).is_ok()
        });
        Some(wanted.to_value())
    });
}

/// Builds depayloader, parser, gate and, if pictures are wanted, the decoder when the camera has described its video.
pub(super) fn build_when_described(
    source: &gst::Element,
    pipeline: &gst::Pipeline,
    frames: &AppSink,
    taps: &Arc<Taps>,
) {
    let (pipeline, frames, taps) = (pipeline.downgrade(), frames.downgrade(), Arc::clone(taps));
    source.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(frames)) = (pipeline.upgrade(), frames.upgrade()) else { return };
        let described = pad.current_caps().as_ref().and_then(video_encoding);
        let Some(codec) = described.as_deref().and_then(codec_of) else { return };
        let outcome = if taps.stream.get().is_some() {
            // Another source in the same session: the camera began anew, and so do we.
            Err(Failure::Stream("a second video".to_owned()))
        } else {
            append_chain(&pipeline, pad, codec, &frames, &taps).map(|decoder| taps.stream.set((codec, decoder)).is_ok())
        };
        if let Err(failure) = outcome {
            taps.failure.get_or_init(|| failure);
        }
    });
}

/// Links `pad` to `frames` through a new depayloader, parser and, if pictures are wanted, decoder; returns the decoder's name.
fn append_chain(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    codec: Codec,
    frames: &AppSink,
    taps: &Arc<Taps>,
) -> Result<Option<String>, Failure> {
    let internal = |error: glib::BoolError| Failure::Internal(detail(&error.message));
    let depay = match codec {
        Codec::H264 => "rtph264depay",
        Codec::H265 => "rtph265depay",
    };
    let make = |name: &str| gst::ElementFactory::make(name).build().map_err(internal);
    let (depay, parse, units) = (make(depay)?, make(parser(codec))?, make("capsfilter")?);
    units.set_property("caps", unit_caps(codec));
    let mut chain = vec![depay.clone(), parse.clone(), units.clone()];
    let mut platform = None;
    if let Some(decoding) = &taps.decoding {
        let decoder = decoding.decoders.build(codec, decoding.in_software).map_err(Failure::NoDecoder)?;
        platform = Some(decoder.name);
        // Nobody else sets it: a second video is refused.
        let _ = taps.decoder.set(decoder.bin.downgrade());
        chain.extend([decoder.bin.upcast(), make("videoconvert")?]);
        damage::listen();
        heed_before(frames, taps);
    } else {
        // A key frame that is decoded alone needs the parameter sets with it (ISO/IEC 14496-10, 7.4.1.2.1).
        parse.set_property("config-interval", -1);
    }
    pipeline.add_many(&chain).map_err(internal)?;
    gst::Element::link_many(chain.iter().chain([frames.upcast_ref()])).map_err(internal)?;
    if let Some(gated) = units.static_pad("src") {
        gate_units(&gated, taps);
        // Nobody else sets it, as above.
        let _ = taps.parsed.set(gated.downgrade());
    }
    for element in chain.into_iter().rev() {
        element.sync_state_with_parent().map_err(internal)?;
    }
    let entry = depay.static_pad("sink").ok_or_else(|| Failure::Internal("a depayloader without input".to_owned()))?;
    pad.link(&entry).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(platform)
}

/// Heeds what the decoder has complained about before the picture reaches whoever pulls it: both happen on the decoding thread.
fn heed_before(frames: &AppSink, taps: &Arc<Taps>) {
    let Some(pad) = frames.static_pad("sink") else { return };
    let taps = Arc::downgrade(taps);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if let Some(taps) = taps.upgrade() {
            taps.heed_complaints();
        }
        gst::PadProbeReturn::Ok
    });
}

/// The element that tells access units apart.
pub(super) fn parser(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "h264parse",
        Codec::H265 => "h265parse",
    }
}

/// Access units as decoders take them and as they are kept.
pub(super) fn unit_caps(codec: Codec) -> gst::Caps {
    let caps = gst::Caps::builder(codec.media_type()).field("stream-format", "byte-stream");
    caps.field("alignment", "au").build()
}

/// Lets the units at `pad` through to what follows as the gate decides.
fn gate_units(pad: &gst::Pad, taps: &Arc<Taps>) {
    let taps = Arc::clone(taps);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let (Some(buffer), Some(decoder)) = (info.buffer(), pad.peer()) else { return gst::PadProbeReturn::Ok };
        let unit = unit_of(buffer, pad);
        match taps.admit(&unit) {
            Verdict::Decode => gst::PadProbeReturn::Ok,
            Verdict::Lost | Verdict::Held => gst::PadProbeReturn::Drop,
            Verdict::DecodeAlone => {
                let at = unit.data.pts().unwrap_or_default();
                if decoder.chain(unit.data).is_err() {
                    // Pushed again, the same failure reaches the source, which reports it.
                    return gst::PadProbeReturn::Ok;
                }
                // A gap after it drains the decoder (GstVideoDecoder, `GST_EVENT_GAP`): streams with B-frames give a key frame out
                // only when later frames arrive, and those are held.
                decoder.send_event(gst::event::Gap::builder(at).build());
                gst::PadProbeReturn::Drop
            }
            Verdict::Replay(units) => {
                // Straight into the decoder: pushed on `pad`, each would come here again. What fails, fails again with the unit that
                // follows, and is reported by the source.
                for held in units {
                    taps.decode(&unit_of(&held, pad));
                    if decoder.chain(late(held, pad)).is_err() {
                        break;
                    }
                    taps.heed_complaints();
                }
                taps.decode(&unit);
                gst::PadProbeReturn::Ok
            }
        }
    });
}

/// A unit at `pad`, with its time on the timeline of the connection.
fn unit_of(buffer: &gst::Buffer, pad: &gst::Pad) -> Unit<gst::Buffer> {
    let flags = buffer.flags();
    let flags = UnitFlags {
        delta: flags.contains(gst::BufferFlags::DELTA_UNIT),
        after_loss: flags.contains(gst::BufferFlags::DISCONT),
        corrupt: flags.contains(gst::BufferFlags::CORRUPTED),
    };
    let pts = running_time(buffer, pad).unwrap_or_default().into();
    Unit { flags, pts, size_bytes: buffer.size(), data: buffer.clone() }
}

/// When a unit at `pad` is to be shown, on the timeline of the connection.
fn running_time(buffer: &gst::BufferRef, pad: &gst::Pad) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    segment.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts())
}

/// What a unit that is decoded late carries: its own time, since a decoder lets no time go back. It comes out with the picture.
pub(super) const LATE: &str = "timestamp/x-curbwatch-late";

/// A held unit, about to be decoded.
fn late(mut held: gst::Buffer, pad: &gst::Pad) -> gst::Buffer {
    if let Some(time) = running_time(&held, pad) {
        let reference = gst::Caps::new_empty_simple(LATE);
        gst::ReferenceTimestampMeta::add(held.make_mut(), &reference, time, gst::ClockTime::NONE);
    }
    held
}

/// Where units wait for the camera's thread.
pub(super) fn unit_sink() -> AppSink {
    AppSink::builder().max_buffers(MAX_FRAMES).sync(false).async_(false).enable_last_sample(false).build()
}

/// Where decoded pictures wait for the camera's thread.
pub(super) fn frame_sink() -> AppSink {
    let sink = unit_sink();
    sink.set_caps(Some(&gst::Caps::builder("video/x-raw").field("format", gst::List::new(["I420", "NV12"])).build()));
    // Frames are read by their strides and offsets: said so, the decoder need not copy each picture out of its padded planes.
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
            let query = info.query_mut().map(gst::QueryRef::view_mut);
            if let Some(gst::QueryViewMut::Allocation(query)) = query {
                query.add_allocation_meta::<VideoMeta>(None);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
    }
    sink
}

/// The encoding name of RTP caps that carry video (RFC 4566, `a=rtpmap`).
fn video_encoding(caps: &gst::Caps) -> Option<String> {
    let structure = caps.structure(0)?;
    let video = structure.get::<&str>("media").is_ok_and(|media| media == "video");
    video.then(|| structure.get::<String>("encoding-name").unwrap_or_else(|_| "unnamed".to_owned()))
}

fn codec_of(encoding: &str) -> Option<Codec> {
    match encoding {
        "H264" => Some(Codec::H264),
        "H265" => Some(Codec::H265),
        _ => None,
    }
}
