//! Pictures that libav has patched up: it conceals macroblocks that it cannot read, and marks nothing.
//!
//! Its one sign is a line in the log, written by the thread that decodes (the software decoders run without threads of their own). A hook
//! takes the line for a mark on that thread; [`Damage`] then tells which pictures are not to be trusted: from the unit that was being decoded up to the
//! next key frame, since all between refer to it. Bytes that are wrong and still make sense are found by no decoder.

use gstreamer as gst;
use std::cell::Cell;
use std::sync::Once;
use std::time::Duration;

/// The category under which gst-libav passes on what libav logs.
const CATEGORY: &str = "libav";
/// How libav's complaints begin that mean a concealed picture (`h264_slice.c`, `hevc_refs.c`). Others are about streams that are only untidy: to heed them would
/// blind the agent to a camera that works.
const COMPLAINTS: [&str; 2] = ["error while decoding MB", "Could not find ref with POC"];

thread_local! {
    /// Whether libav has complained on this thread since it was last asked.
    static COMPLAINED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to listen to libav; once. Whoever debugs GStreamer by `GST_DEBUG` still gets its log.
pub(super) fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        if std::env::var_os("GST_DEBUG").is_none() {
            // The lines would fill the agent's log, a dozen for each damaged picture.
            gst::log::remove_default_log_function();
        }
        gst::log::set_threshold_for_name(CATEGORY, gst::DebugLevel::Error);
        gst::log::add_log_function(|category, _, _, _, _, _, message| {
            let is_complaint = |text: &str| COMPLAINTS.iter().any(|complaint| text.trim_start().starts_with(complaint));
            if category.name() == CATEGORY && message.get().is_some_and(|text| is_complaint(&text)) {
                COMPLAINED.set(true);
            }
        });
    });
}

/// Whether libav has complained on this thread since the last call.
pub(super) fn take_complaint() -> bool {
    COMPLAINED.take()
}

/// Which pictures of a connection are damaged. Times are those of units and pictures on the timeline of the connection.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// The unit that went to the decoder last.
    decoding: Duration,
    /// The first damaged picture, and the key frame that ends the damage.
    span: Option<(Duration, Option<Duration>)>,
}

impl Damage {
    /// A unit goes to the decoder.
    pub(super) fn decode(&mut self, pts: Duration, is_key: bool) {
        self.decoding = pts;
        if let Some((_, end @ None)) = &mut self.span
            && is_key
        {
            *end = Some(pts);
        }
    }

    /// The decoder complains about the unit that it is at.
    pub(super) fn complain(&mut self) {
        let from = match self.span {
            Some((from, None)) => from,
            // The key frame that was to end it is damaged too.
            Some((from, Some(end))) if end == self.decoding => from,
            Some((_, Some(_))) | None => self.decoding,
        };
        self.span = Some((from, None));
    }

    /// Whether a picture is damaged.
    pub(super) fn holds(&self, pts: Duration) -> bool {
        self.span.is_some_and(|(from, end)| pts >= from && end.is_none_or(|end| pts < end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// A key frame every ten seconds, a unit each second; the decoder complains about some.
    fn damaged(complaints: &[u64]) -> Vec<u64> {
        let mut damage = Damage::default();
        let mut found = Vec::new();
        for pts in 0..40 {
            damage.decode(secs(pts), pts % 10 == 0);
            if complaints.contains(&pts) {
                damage.complain();
            }
            if damage.holds(secs(pts)) {
                found.push(pts);
            }
        }
        found
    }

    #[test]
    fn what_refers_to_a_damaged_picture_is_damaged_up_to_the_next_key_frame() {
        assert_eq!(damaged(&[]), Vec::<u64>::new());
        assert_eq!(damaged(&[13]), (13..20).collect::<Vec<_>>());
        assert_eq!(damaged(&[13, 15, 36]), (13..20).chain(36..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_key_frame_ends_no_damage() {
        assert_eq!(damaged(&[17, 20]), (17..30).collect::<Vec<_>>());
    }

    #[test]
    fn a_picture_that_comes_out_late_is_judged_by_its_own_time() {
        let mut damage = Damage::default();
        damage.decode(secs(4), false);
        damage.decode(secs(5), false);
        damage.complain();
        damage.decode(secs(10), true);
        assert_eq!([4, 5, 9, 10].map(|pts| damage.holds(secs(pts))), [false, true, true, false]);
    }

    #[test]
    fn only_complaints_about_pictures_count_and_each_thread_has_its_own() {
        gst::init().unwrap();
        listen();
        let category = gst::DebugCategory::new(CATEGORY, gst::DebugColorFlags::empty(), None);
        gst::error!(category, "mmco: unref short failure");
        assert!(!take_complaint());
        gst::error!(category, "error while decoding MB 3 7, bytestream -5");
        let elsewhere = std::thread::Builder::new().name("elsewhere".to_owned()).spawn(take_complaint).unwrap();
        assert!(!elsewhere.join().unwrap());
        assert_eq!((take_complaint(), take_complaint()), (true, false));
    }
}
