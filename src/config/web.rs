//! Where the agent listens for whoever watches it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// What the agent serves over HTTP: `/metrics` for Prometheus, `/live` and `/ready`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Whether it listens at all.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// Address and port. There is no login: anything but a loopback address shows every camera's state to whoever reaches it.
    #[serde(default = "default_listen")]
    #[schemars(with = "String", extend("x-allowed" = "address:port, as in 127.0.0.1:8480 or [::1]:8480"))]
    pub listen: SocketAddr,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { enabled: default_enabled(), listen: default_listen() }
    }
}

fn default_enabled() -> bool {
    true
}
fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8480).into()
}
