//! What every request under `/console` must pass, and what every answer carries.
//!
//! - The `Host` must be one of this box's: else a foreign page could point its own name at it and read it (DNS rebinding).
//! - Whatever changes something must be JSON, from this very page (`Origin`), and bear the session's token (`X-Curbwatch-Csrf`).
//! - No answer may run or load anything that is not from here, be shown in a frame, or be kept.

use super::answer::Refusal;
use super::session::{NotSignedIn, Person};
use super::{Console, REQUEST_LIMIT};
use crate::config::WebConfig;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The header that bears the session's token.
const CSRF: &str = "x-curbwatch-csrf";
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Carried by every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// The one path below `/console/api` that is answered without being signed in.
const SESSION: &str = "/console/api/session";

/// From where a request comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Lets a request through, or says why not.
pub(super) async fn guard(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    // Nobody is at the unspecified address, so that it is never one that is trusted.
    let peer = Peer(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
    let mut response = match admit(&console, peer, &request) {
        Ok(person) => {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(person);
            let answered = tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await;
            let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long");
            answered.unwrap_or_else(|_| late().into_response())
        }
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Who asks, if the request may pass; for the page itself and the session nobody need be signed in.
fn admit(console: &Console, Peer(peer): Peer, request: &Request) -> Result<Option<Person>, Refusal> {
    let (headers, path) = (request.headers(), request.uri().path());
    let host = host_of(request.uri(), headers);
    let host = host.filter(|host| console.hosts.are(host)).ok_or_else(|| {
        let known = "this box answers under its own names only: see web.console.hosts";
        Refusal::new(StatusCode::FORBIDDEN, known).at("host")
    })?;
    let person = console.access.person(peer, headers, console.clocks.mono());
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes {
        check_origin(headers, host, &console.hosts)?;
        check_is_json(headers)?;
    }
    if path == SESSION && (!changes || *request.method() == Method::POST) {
        return Ok(person.ok());
    }
    if !path.starts_with("/console/api/") {
        return Ok(None);
    }
    let person = person.map_err(|why| Refusal::new(StatusCode::UNAUTHORIZED, sentence(why)))?;
    let given = headers.get(CSRF).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if changes && !console.access.is_csrf_of(&person, given) {
        let error = "the request does not bear the token of your session: load the page again";
        return Err(Refusal::new(StatusCode::FORBIDDEN, error).at(CSRF));
    }
    Ok(Some(person))
}

/// Why nobody is signed in, in words.
pub(super) fn sentence(why: NotSignedIn) -> &'static str {
    match why {
        NotSignedIn::NeedsToken => "sign in first",
        NotSignedIn::NeedsProxy => "the proxy in front of this console does not say who you are",
        NotSignedIn::UnknownProxy => {
            "the request came through a proxy, of which this console knows nothing: set web.console.proxy or web.console.token"
        }
    }
}

/// The host that a request is for, with its port.
fn host_of<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, None) = (hosts.next()?.to_str().ok()?, hosts.next()) else { return None };
    // A request in absolute form names it twice.
    let named = uri.authority().map_or(host, axum::http::uri::Authority::as_str);
    (named == host).then_some(host)
}

fn check_is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    let error = || Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the request must be application/json");
    is_json.then_some(()).ok_or_else(error)
}

/// A browser says from which page a request is; a program that is none says nothing.
fn check_origin(headers: &HeaderMap, host: &str, hosts: &Hosts) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = |origin: &str| {
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        authority == host || hosts.are_configured(authority)
    };
    let is_from_here = text("origin").is_none_or(is_own)
        && text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let error = || Refusal::new(StatusCode::FORBIDDEN, "the request comes from another page").at("origin");
    is_from_here.then_some(()).ok_or_else(error)
}

/// The names of this box.
#[derive(Debug)]
pub(super) struct Hosts {
    configured: Vec<String>,
    listen: IpAddr,
}

impl Hosts {
    pub(super) fn new(web: &WebConfig) -> Self {
        Self { configured: web.console.hosts.clone(), listen: web.listen.ip() }
    }

    /// Whether `authority`, a host with or without a port, is this box. An address cannot be pointed elsewhere, as a name can: where the
    /// console listens at all addresses, any is taken.
    fn are(&self, authority: &str) -> bool {
        let host = without_port(authority);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_own = |address: IpAddr| {
            let address = address.to_canonical();
            address.is_loopback() || address == self.listen.to_canonical() || self.listen.is_unspecified()
        };
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(is_own) || self.are_configured(authority)
    }

    fn are_configured(&self, authority: &str) -> bool {
        self.configured.iter().any(|known| known.eq_ignore_ascii_case(without_port(authority)))
    }
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_answers_under_its_own_names() {
        let hosts = |listen: &str| {
            let mut web = WebConfig { listen: listen.parse().unwrap(), ..WebConfig::default() };
            web.console.hosts = vec!["box.example".to_owned()];
            Hosts::new(&web)
        };
        let at_home = hosts("127.0.0.1:8480");
        for own in
            ["localhost", "LOCALHOST:8480", "127.0.0.1:8480", "127.8.0.1", "[::1]:80", "[::1]", "box.example:443"]
        {
            assert!(at_home.are(own), "{own}");
        }
        for other in ["evil.example", "localhost.evil.example", "192.0.2.1", "box.example.evil", "", "box.example:x"] {
            assert!(!at_home.are(other), "{other}");
        }
        let at_one = hosts("192.0.2.1:80");
        assert!(at_one.are("192.0.2.1") && !at_one.are("192.0.2.2") && !at_one.are("box2.example"));
        let at_all = hosts("[::]:80");
        assert!(at_all.are("192.0.2.2:80") && at_all.are("[2001:db8::1]") && !at_all.are("box2.example"));
    }
}
