//! Why a camera gives no pictures, in terms that a person at the hub can act on.

use gstreamer as gst;
use std::time::Duration;

/// Longest text taken over from GStreamer or a camera.
const MAX_DETAIL_CHARS: usize = 200;

/// Why a camera gives no pictures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The URL has no host or port that can be used.
    #[error("the URL {0:?} names no host")]
    Url(String),
    /// The password cannot be read.
    #[error("{0}")]
    Secret(String),
    /// The host's name has no address.
    #[error("the host name cannot be resolved: {0}")]
    Unresolvable(String),
    /// Nothing listens at the camera's port.
    #[error("the camera refuses connections")]
    Refused,
    /// No route to the camera.
    #[error("the camera's network cannot be reached")]
    Unreachable,
    /// No answer, at all or within an RTSP exchange.
    #[error("the camera does not answer")]
    Timeout,
    /// RTSP status 401 or 403.
    #[error("the camera refuses the user or password")]
    Unauthorised,
    /// RTSP status 404.
    #[error("the camera has no such stream")]
    NotFound,
    /// Any other RTSP status that is not success.
    #[error("the camera answers {0}")]
    Status(String),
    /// The camera does not send in the configured way.
    #[error("the camera does not offer the configured transport")]
    Transport,
    /// The session description names no video.
    #[error("the stream has no video")]
    NoVideo,
    /// The video is neither H.264 nor H.265.
    #[error("the video is {0}; H.264 and H.265 are read")]
    Codec(String),
    /// No installed decoder takes this codec.
    #[error("no decoder can be built: {0}")]
    NoDecoder(String),
    /// The decoder of the graphics or the board failed in the middle of a stream, or swallows it.
    #[error("the decoder failed: {0}")]
    Decoder(String),
    /// The stream was set up but no picture came.
    #[error("no picture within {} s of connecting", .0.as_secs())]
    NoPicture(Duration),
    /// Pictures came, and then no more.
    #[error("no picture for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The camera closed the connection or said goodbye.
    #[error("the camera ended the stream")]
    Ended,
    /// The stream cannot be read or decoded.
    #[error("the stream cannot be read: {0}")]
    Stream(String),
    /// The box cannot do its own part: threads, memory, plugins.
    #[error("the box cannot run the pipeline: {0}")]
    Internal(String),
    /// Earlier pipelines of this camera have not come down; building more would exhaust the box.
    #[error("{0} earlier connection(s) have not come down")]
    Stuck(usize),
}

impl Failure {
    /// A short name for machines, stable over versions.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Secret(_) => "secret",
            Self::Unresolvable(_) => "unresolvable",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Unauthorised => "unauthorised",
            Self::NotFound => "not_found",
            Self::Status(_) => "status",
            Self::Transport => "transport",
            Self::NoVideo => "no_video",
            Self::Codec(_) => "codec",
            Self::NoDecoder(_) => "no_decoder",
            Self::Decoder(_) => "decoder",
            Self::NoPicture(_) => "no_picture",
            Self::Stalled(_) => "stalled",
            Self::Ended => "ended",
            Self::Stream(_) => "stream",
            Self::Internal(_) => "internal",
            Self::Stuck(_) => "stuck",
        }
    }

    /// Why a TCP connection to the camera failed.
    pub(super) fn from_connect(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind is not ours and not exhaustive")]
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Self::Unreachable,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Timeout,
            _ => Self::Internal(detail(&error.to_string())),
        }
    }

    /// What an error on the pipeline's bus means.
    pub(super) fn from_bus(message: &gst::message::Error) -> Self {
        let status = message.details().and_then(|details| {
            let code = details.get::<u32>("rtsp-status-code").ok()?;
            Some((code, details.get::<String>("rtsp-status-reason").unwrap_or_default()))
        });
        let debug = message.debug().unwrap_or_default();
        match status {
            Some((code, reason)) => Self::from_status(code, &reason),
            None => Self::from_error(&message.error(), &debug),
        }
    }

    /// What an RTSP status that is not success means (RFC 2326, section 7.1.1).
    fn from_status(code: u32, reason: &str) -> Self {
        match code {
            401 | 403 => Self::Unauthorised,
            404 => Self::NotFound,
            461 => Self::Transport,
            408 => Self::Timeout,
            other => Self::Status(detail(&format!("{other} {reason}"))),
        }
    }

    /// What a GStreamer error without an RTSP status means. `debug` is the only place where rtspsrc tells a timeout from other
    /// failures.
    fn from_error(error: &gst::glib::Error, debug: &str) -> Self {
        use gst::{ResourceError, StreamError};
        let text = || Self::Stream(detail(&format!("{} ({})", error.message(), last_line(debug))));
        if debug.contains("Timeout while waiting") {
            return Self::Timeout;
        }
        // "System error" is how rtspsrc calls a connection that was reset.
        if ["server closed the connection", "(Received end-of-file)", "Could not receive message. (System error)"]
            .iter()
            .any(|text| debug.contains(text))
        {
            return Self::Ended;
        }
        // The probe before the pipeline reached the camera, which has gone since.
        if debug.contains("Could not connect to server") {
            return Self::Refused;
        }
        match error.kind::<ResourceError>() {
            Some(ResourceError::NotAuthorized) => return Self::Unauthorised,
            Some(ResourceError::NotFound) => return Self::NotFound,
            Some(ResourceError::NoSpaceLeft) => return Self::Internal(detail(error.message())),
            _ => {}
        }
        match error.kind::<StreamError>() {
            Some(StreamError::CodecNotFound) if debug.contains("setup_streams") => Self::Transport,
            _ => text(),
        }
    }
}

/// The part of GStreamer's debug text that is about the error; what precedes it names source files.
fn last_line(debug: &str) -> &str {
    debug.lines().last().unwrap_or_default()
}

/// Text of others, made safe to publish: short, on one line, without user and password in any URL.
pub(super) fn detail(text: &str) -> String {
    let mut safe = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        safe.push_str(before);
        let authority_end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        rest = after[..authority_end].rfind('@').map_or(after, |login_end| &after[login_end + 1..]);
    }
    safe.push_str(rest);
    safe.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::{ResourceError, StreamError, glib};
    use std::io::{Error, ErrorKind};

    #[test]
    fn connect_errors_are_told_apart() {
        for (kind, failure) in [
            (ErrorKind::ConnectionRefused, Failure::Refused),
            (ErrorKind::HostUnreachable, Failure::Unreachable),
            (ErrorKind::TimedOut, Failure::Timeout),
        ] {
            assert_eq!(Failure::from_connect(&Error::from(kind)), failure);
        }
    }

    #[test]
    fn rtsp_statuses_are_told_apart() {
        for (code, failure) in [
            (401, Failure::Unauthorised),
            (403, Failure::Unauthorised),
            (404, Failure::NotFound),
            (461, Failure::Transport),
            (503, Failure::Status("503 Service Unavailable".to_owned())),
        ] {
            assert_eq!(Failure::from_status(code, "Service Unavailable"), failure);
        }
    }

    #[test]
    fn gstreamer_errors_are_told_apart() {
        let timeout =
            "gst_rtsp_src_receive_response ():\nCould not receive message. (Timeout while waiting for server response)";
        let closed = "gst_rtspsrc_loop_interleaved ():\nThe server closed the connection.";
        let reset = "gst_rtspsrc_loop_interleaved ():\nCould not receive message. (System error)";
        let ended = "gst_rtspsrc_retrieve_sdp ():\nCould not receive message. (Received end-of-file)";
        let gone = "gst_rtsp_conninfo_connect ():\nCould not connect to server. (Generic error)";
        let no_stream = "../gst/rtsp/gstrtspsrc.c(7894): gst_rtspsrc_setup_streams_start (): /GstRTSPSrc:src";
        for (error, debug, failure) in [
            (glib::Error::new(ResourceError::Read, "read"), timeout, Failure::Timeout),
            (glib::Error::new(ResourceError::Read, "read"), closed, Failure::Ended),
            (glib::Error::new(ResourceError::Read, "read"), reset, Failure::Ended),
            (glib::Error::new(ResourceError::Read, "read"), ended, Failure::Ended),
            (glib::Error::new(ResourceError::OpenReadWrite, "open"), gone, Failure::Refused),
            (glib::Error::new(ResourceError::NotAuthorized, "no"), "", Failure::Unauthorised),
            (glib::Error::new(StreamError::CodecNotFound, "none"), no_stream, Failure::Transport),
            (
                glib::Error::new(StreamError::Decode, "bad"),
                "x.c(1): f ():\nwhy",
                Failure::Stream("bad (why)".to_owned()),
            ),
        ] {
            assert_eq!(Failure::from_error(&error, debug), failure);
        }
    }

    #[test]
    fn texts_of_others_carry_no_password() {
        for (text, safe) in [
            ("moved to rtsp://admin:s3cret@10.0.0.1/x", "moved to rtsp://10.0.0.1/x"),
            ("rtsp://a:p@ss@host and rtsp://b:c@d", "rtsp://host and rtsp://d"),
            ("rtsp://host/a@b", "rtsp://host/a@b"),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(detail(text), safe);
        }
        assert_eq!(detail(&"x".repeat(1000)).len(), MAX_DETAIL_CHARS);
    }
}
