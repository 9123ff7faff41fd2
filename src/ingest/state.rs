//! Whether a stream gives pictures, and why not.

use super::failure::Failure;
use std::fmt;
use std::time::Duration;

/// Video codec of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, AVC.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
}

impl Codec {
    /// The codec of GStreamer's `video/x-h264` and `video/x-h265`.
    pub(super) fn from_media_type(name: &str) -> Option<Self> {
        [Self::H264, Self::H265].into_iter().find(|codec| codec.media_type() == name)
    }

    /// GStreamer's name of the codec's streams.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::H264 => "video/x-h264",
            Self::H265 => "video/x-h265",
        }
    }

    /// The codec's name in the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }
}

/// What an online camera sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its codec.
    pub codec: Codec,
    /// Its profile and level, as in `high 4.1` (ISO/IEC 14496-10 annex A, 23008-2 annex A); none if the parameter sets do not tell.
    pub profile: Option<String>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Name of the platform whose decoder is used, as in `pipelines/`; none for a stream that is not decoded.
    pub decoder: Option<String>,
}

/// Whether a camera gives pictures, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraState {
    /// The first attempt since the agent began to watch it.
    Connecting,
    /// Pictures come.
    Online(StreamInfo),
    /// Pictures came, and then no more, though the connection stood.
    Stalled {
        /// What was noticed.
        reason: Failure,
        /// Failures in a row.
        attempt: u32,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// No connection.
    Offline {
        /// What failed.
        reason: Failure,
        /// Failures in a row.
        attempt: u32,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// The camera refuses user or password.
    Unauthorised {
        /// Failures in a row.
        attempt: u32,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// The configuration says to leave it alone; nothing is running for it.
    Disabled,
}

impl CameraState {
    /// The state's name in the status.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online(_) => "online",
            Self::Stalled { .. } => "stalled",
            Self::Offline { .. } => "offline",
            Self::Unauthorised { .. } => "unauthorised",
            Self::Disabled => "disabled",
        }
    }

    /// What failed; none while nothing has.
    #[must_use]
    pub fn reason(&self) -> Option<&Failure> {
        match self {
            Self::Stalled { reason, .. } | Self::Offline { reason, .. } => Some(reason),
            Self::Unauthorised { .. } => Some(&Failure::Unauthorised),
            Self::Connecting | Self::Online(_) | Self::Disabled => None,
        }
    }

    /// The wait before the next attempt; none while no attempt is due.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Stalled { retry_in, .. } | Self::Offline { retry_in, .. } | Self::Unauthorised { retry_in, .. } => {
                Some(*retry_in)
            }
            Self::Connecting | Self::Online(_) | Self::Disabled => None,
        }
    }

    /// Whether a hub that knows `self` learns nothing new from `other` but the count of attempts.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        let stream = |state: &Self| match state {
            Self::Online(stream) => Some(stream.clone()),
            Self::Connecting
            | Self::Stalled { .. }
            | Self::Offline { .. }
            | Self::Unauthorised { .. }
            | Self::Disabled => None,
        };
        let code = |state: &Self| state.reason().map(Failure::code);
        self.as_str() == other.as_str() && code(self) == code(other) && stream(self) == stream(other)
    }

    /// The state after a failure.
    pub(super) fn after(reason: Failure, attempt: u32, retry_in: Duration) -> Self {
        if reason == Failure::Unauthorised {
            Self::Unauthorised { attempt, retry_in }
        } else if matches!(reason, Failure::Stalled(_)) {
            Self::Stalled { reason, attempt, retry_in }
        } else {
            Self::Offline { reason, attempt, retry_in }
        }
    }
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Online(stream) => {
                let StreamInfo { codec, width, height, decoder, profile: _ } = stream;
                write!(f, "online: {} {width}x{height}", codec.as_str())?;
                decoder.as_ref().map_or(Ok(()), |decoder| write!(f, ", decoded by {decoder}"))
            }
            Self::Stalled { .. } | Self::Offline { .. } | Self::Unauthorised { .. } => {
                f.write_str(self.as_str())?;
                if let (Some(reason), Some(retry_in)) = (self.reason(), self.retry_in()) {
                    write!(f, ": {reason}; next attempt in {:.1} s", retry_in.as_secs_f64())?;
                }
                Ok(())
            }
            Self::Disabled => f.write_str("disabled"),
        }
    }
}
