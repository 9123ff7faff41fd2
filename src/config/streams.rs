//! The streams of a camera: the one that is analysed, and the one of which pictures are made.

use super::SecretSource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The streams of a camera. Most cameras offer a large one (the main stream) and a small one (the sub-stream).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamsConfig {
    /// The stream that is analysed; the sub-stream, where it shows enough: to decode it costs an eighth of the main stream.
    pub detect: RtspConfig,
    /// The stream of which pictures of incidents are made, if not the one that is analysed: the main stream. Both must show the same
    /// view. It is received, and only its last key frame is kept; that is decoded when a picture is needed.
    #[serde(default)]
    pub evidence: Option<EvidenceStreamConfig>,
}

/// An RTSP stream (RFC 2326). User and password are separate fields, so that no character needs escaping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RtspConfig {
    /// `rtsp://host[:port]/path`, without user and password.
    #[schemars(regex(pattern = r"^rtsps?://[^@/\s]+(/\S*)?$"), extend("x-allowed" = "rtsp://host[:port]/path, user and password in their own keys"))]
    pub url: String,
    /// How the media travels.
    #[serde(default)]
    pub transport: RtspTransport,
    /// User at the camera.
    #[serde(default)]
    pub username: Option<String>,
    /// Password at the camera.
    #[serde(default)]
    pub password: Option<SecretSource>,
}

/// The stream for pictures (RTSP, RFC 2326). What it leaves out is that of the detect stream, if both are of the same host.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceStreamConfig {
    /// `rtsp://host[:port]/path`, without user and password.
    #[schemars(regex(pattern = r"^rtsps?://[^@/\s]+(/\S*)?$"), extend("x-allowed" = "rtsp://host[:port]/path, user and password in their own keys"))]
    pub url: String,
    /// How the media travels; if absent, as the detect stream of the same host does, else `tcp`.
    #[serde(default)]
    pub transport: Option<RtspTransport>,
    /// User at the camera; with neither user nor password, those of the detect stream of the same host.
    #[serde(default)]
    pub username: Option<String>,
    /// Password at the camera.
    #[serde(default)]
    pub password: Option<SecretSource>,
}

/// How RTP travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RtspTransport {
    /// Interleaved in the RTSP connection: no loss, works through NAT.
    #[default]
    Tcp,
    /// Over UDP: less delay, loses packets.
    Udp,
}

impl StreamsConfig {
    /// The stream for pictures, with what it takes over from the detect stream; none if pictures are of the analysed frames.
    #[must_use]
    pub fn evidence(&self) -> Option<RtspConfig> {
        let own = self.evidence.clone()?;
        // A password is never sent to another host than the one it was given for.
        let donor = (host(&own.url) == host(&self.detect.url)).then_some(&self.detect);
        let (username, password) = match (own.username, own.password) {
            (None, None) => donor.map(|donor| (donor.username.clone(), donor.password.clone())).unwrap_or_default(),
            given => given,
        };
        let transport = own.transport.or(donor.map(|donor| donor.transport)).unwrap_or_default();
        Some(RtspConfig { url: own.url, transport, username, password })
    }
}

/// Host of a URL without its port, in lower case (RFC 3986, 3.2.2).
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evidence(detect: &str, own: &serde_json::Value) -> RtspConfig {
        let detect = json!({"url": detect, "transport": "udp", "username": "viewer", "password": {"env": "A"}});
        let streams = json!({"detect": detect, "evidence": own});
        serde_json::from_value::<StreamsConfig>(streams).unwrap().evidence().unwrap()
    }

    #[test]
    fn a_stream_of_the_same_host_takes_over_transport_and_login() {
        for (detect, own) in [
            ("rtsp://cam/2", "rtsp://cam/1"),
            ("rtsp://cam:554/2", "rtsp://CAM:8554/1"),
            ("rtsp://[fe80::1]:554/2", "rtsp://[fe80::1]/1"),
        ] {
            let taken = evidence(detect, &json!({"url": own}));
            assert_eq!((taken.transport, taken.username.as_deref()), (RtspTransport::Udp, Some("viewer")), "{own}");
            assert_eq!((taken.url.as_str(), taken.password), (own, Some(SecretSource::Env("A".to_owned()))));
        }
    }

    #[test]
    fn another_host_gets_no_password() {
        for own in ["rtsp://cam-2/1", "rtsp://cam.example/1"] {
            let taken = evidence("rtsp://cam/2", &json!({"url": own}));
            assert_eq!((taken.transport, taken.username, taken.password), (RtspTransport::Tcp, None, None), "{own}");
        }
    }

    #[test]
    fn what_it_gives_itself_counts() {
        let own = json!({"url": "rtsp://cam/1", "transport": "tcp", "username": "other"});
        let taken = evidence("rtsp://cam/2", &own);
        // A password belongs to its user: that of another is not taken over.
        let expected = (RtspTransport::Tcp, Some("other"), None);
        assert_eq!((taken.transport, taken.username.as_deref(), taken.password), expected);
    }
}
