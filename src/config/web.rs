//! Where the agent listens for whoever watches it, and who may use the console.

use super::SecretSource;
use super::document::Document;
use super::meaning::{check_secret, typed};
use super::report::{Draft, Report};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Fewest characters of the token with which people sign in: 16 of 64 kinds are 96 bits, which nobody guesses.
pub const MIN_TOKEN_CHARS: usize = 16;

/// What the agent serves over HTTP: the console, `/metrics` for Prometheus, `/live` and `/ready`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Whether it listens at all.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// Address and port. Beyond a loopback address the console needs `console.token` or `console.proxy`; `/metrics`, `/live` and `/ready` have no
    /// login and show every camera's state to whoever reaches them.
    #[serde(default = "default_listen")]
    #[schemars(with = "String", extend("x-allowed" = "address:port, as in 127.0.0.1:8480 or [::1]:8480"))]
    pub listen: SocketAddr,
    /// The page for people, at `/console/`.
    #[serde(default)]
    pub console: ConsoleConfig,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { enabled: default_enabled(), listen: default_listen(), console: ConsoleConfig::default() }
    }
}

/// The page for people. With neither `token` nor `proxy` whoever reaches the loopback address may use it, as the user `local`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Whether it is served.
    pub enabled: bool,
    /// The token with which people sign in, at least 16 characters; read at every sign-in.
    pub token: Option<SecretSource>,
    /// A proxy in front of the console that has signed people in.
    pub proxy: Option<ProxyConfig>,
    /// Host names under which browsers reach the console, besides the loopback's and the address of `listen`. Requests for others are refused, so that
    /// no foreign page can point its own name at this box.
    #[schemars(inner(regex(pattern = r"^[A-Za-z0-9._-]+$")), extend("x-allowed" = "host names or addresses, without scheme and port"))]
    pub hosts: Vec<String>,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { enabled: true, token: None, proxy: None, hosts: Vec::new() }
    }
}

/// A proxy in front of the console that has signed people in and says who they are.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// The header with the name of the user, as `X-Forwarded-User`. The proxy must set it in every request, whatever its client sent.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]+$"), extend("x-allowed" = "the name of a header"))]
    pub user_header: String,
    /// Addresses of the proxy: from others the header does not count.
    #[serde(default = "default_proxies")]
    #[schemars(with = "Vec<String>", length(min = 1), extend("x-allowed" = "addresses, as 127.0.0.1"))]
    pub addresses: Vec<IpAddr>,
}

fn default_enabled() -> bool {
    true
}
fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8480).into()
}
fn default_proxies() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

/// Reports a console that would ask nobody who they are, and a token that could be guessed.
pub(super) fn check(document: &Document, report: &mut Report) {
    const TOKEN: &str = "/web/console/token";
    let Some(web) = typed::<WebConfig>(document, "/web") else { return };
    let is_served = web.enabled && web.console.enabled;
    let asks_nobody = web.console.token.is_none() && web.console.proxy.is_none();
    if is_served && asks_nobody && !web.listen.ip().is_loopback() {
        let problem = format!("is {}, where the console would ask nobody who they are", web.listen);
        let allowed = "a loopback address, or web.console.token, web.console.proxy or web.console.enabled: false";
        report.error(Draft::at_value("/web/listen", problem).allowed(allowed));
    }
    check_secret(document, TOKEN, report);
    let is_short = |source: &SecretSource| {
        source.read().is_ok_and(|token| token.expose_secret().chars().count() < MIN_TOKEN_CHARS)
    };
    if web.console.token.as_ref().is_some_and(is_short) {
        let allowed = format!("at least {MIN_TOKEN_CHARS} characters");
        let help = Some("openssl rand -base64 24 makes one".to_owned());
        report.error(Draft::at_value(TOKEN, "is so short that it could be guessed").allowed(allowed).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::super::load_bytes;
    use std::path::Path;

    /// What is said of a configuration with that section.
    fn said(web: &str) -> String {
        let text = format!(
            r#"{{"agent": {{"site": "s", "id": "box"}}, "hub": {{"host": "h"}}, "web": {web},
                "cameras": [{{"id": "c", "streams": {{"detect": {{"url": "rtsp://192.0.2.1/"}}}}}}]}}"#
        );
        let classes = |_: &str| Ok(vec!["person".to_owned()]);
        match load_bytes(Path::new("edge.yaml"), text.as_bytes(), &classes) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn beyond_the_loopback_the_console_must_know_who_asks() {
        let folder = tempfile::tempdir().unwrap();
        let token = |text: &str| {
            let path = folder.path().join(text);
            std::fs::write(&path, text).unwrap();
            format!(r#"{{"listen": "0.0.0.0:8480", "console": {{"token": {{"file": {path:?}}}}}}}"#)
        };
        assert!(said(r#"{"listen": "0.0.0.0:8480"}"#).contains("ask nobody who they are"));
        assert!(said(&token("short")).contains("at least 16 characters"));
        for fine in [
            token("0123456789abcdef").as_str(),
            r#"{"listen": "127.0.0.2:8480"}"#,
            r#"{"listen": "0.0.0.0:8480", "console": {"enabled": false}}"#,
            r#"{"listen": "0.0.0.0:8480", "enabled": false}"#,
            r#"{"listen": "[::]:8480", "console": {"proxy": {"user_header": "X-User", "addresses": ["192.0.2.7"]}}}"#,
        ] {
            assert_eq!(said(fine), "", "{fine}");
        }
        assert!(said(r#"{"console": {"hosts": ["https://box.example"]}}"#).contains("web.console.hosts[0]"));
    }
}
