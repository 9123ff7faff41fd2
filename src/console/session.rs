//! Who asks: signed in by the token, by a proxy, or by being at the box.
//!
//! Sessions live in memory: [`MAX_SESSIONS`] at most, until [`IDLE`] after their last request and [`LONGEST`] after their first; a restart ends them. A
//! cookie holds 32 random bytes, of which only the SHA-256 is kept. What is a secret is compared in constant time.
//!
//! Attempts to sign in with a wrong token: [`MAX_ATTEMPTS`] a minute from an address (of IPv6 its /64), and [`MAX_ATTEMPTS_OF_ALL`] from all together.

use crate::clock::Mono;
use crate::config::{ConsoleConfig, MIN_TOKEN_CHARS};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Name of the cookie.
pub(super) const COOKIE: &str = "curbwatch_session";
/// The user of a console that only the box itself reaches.
const LOCAL: &str = "local";
/// The user who signed in with the token.
const BY_TOKEN: &str = "token";
/// Most sessions; the one that was idle for the longest makes room.
const MAX_SESSIONS: usize = 64;
const IDLE: Duration = Duration::from_hours(1);
/// A working day on site.
const LONGEST: Duration = Duration::from_hours(12);
const MAX_ATTEMPTS: u32 = 5;
const MAX_ATTEMPTS_OF_ALL: u32 = 30;
const ATTEMPTS_PER: Duration = Duration::from_mins(1);
/// Headers by which a proxy tells that it is one.
const MARKS_OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
/// Longest name of a user that is taken from a proxy.
const MAX_USER_CHARS: usize = 64;

/// Somebody who may use the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// Name in the audit log.
    pub(super) user: String,
    /// What tells one who looks from another: the session, or the user where there is none.
    pub(super) viewer: String,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSignedIn {
    /// The token is asked for.
    NeedsToken,
    /// The proxy did not say who it is.
    NeedsProxy,
    /// A proxy is in front of a console that is not configured for one.
    UnknownProxy,
}

/// Why an attempt to sign in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignInError {
    /// It is another token.
    Wrong,
    /// There were too many attempts; seconds until the next.
    TooMany(u64),
    /// The configured token cannot be read, or is too short.
    NoToken,
}

/// Who may use the console.
pub(super) struct Access {
    config: ConsoleConfig,
    random: SystemRandom,
    /// Of this process.
    key: hmac::Key,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the digest of the cookie.
    sessions: BTreeMap<String, Session>,
    attempts: Attempts,
}

struct Session {
    began: Mono,
    used: Mono,
}

impl Access {
    pub(super) fn new(config: ConsoleConfig) -> Self {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).expect("the operating system gives random bytes");
        Self { config, random, key, state: Mutex::default() }
    }

    /// Whether people sign in with a token.
    pub(super) fn needs_token(&self) -> bool {
        self.config.token.is_some()
    }

    /// Who asks.
    pub(super) fn person(&self, peer: IpAddr, headers: &HeaderMap, now: Mono) -> Result<Person, NotSignedIn> {
        if let Some(user) = self.user_of_proxy(peer, headers) {
            return Ok(Person { viewer: format!("user {user}"), user });
        }
        if self.needs_token() {
            let session = cookie(headers).map(|cookie| self.digest(cookie)).filter(|session| self.touch(session, now));
            let person = session.map(|session| Person { user: BY_TOKEN.to_owned(), viewer: session });
            return person.ok_or(NotSignedIn::NeedsToken);
        }
        if self.config.proxy.is_some() {
            return Err(NotSignedIn::NeedsProxy);
        }
        // A proxy that nobody told of would make everybody the person at the box.
        if MARKS_OF_PROXIES.iter().any(|mark| headers.contains_key(*mark)) || !peer.is_loopback() {
            return Err(NotSignedIn::UnknownProxy);
        }
        Ok(Person { user: LOCAL.to_owned(), viewer: format!("user {LOCAL}") })
    }

    /// What must be sent along with whatever changes something: another page can make a browser send a cookie, and cannot read this.
    pub(super) fn csrf_of(&self, person: &Person) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("csrf {}", person.viewer).as_bytes()))
    }

    pub(super) fn is_csrf_of(&self, person: &Person, given: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
        hmac::verify(&self.key, format!("csrf {}", person.viewer).as_bytes(), &given).is_ok()
    }

    /// Begins a session for whoever has the token: its cookie and the person.
    pub(super) fn sign_in(&self, peer: IpAddr, given: &str, now: Mono) -> Result<(String, Person), SignInError> {
        self.state().attempts.admit(peer, now).map_err(SignInError::TooMany)?;
        let token = self.config.token.as_ref().and_then(|source| source.read().ok());
        let token = token.filter(|token| token.expose_secret().chars().count() >= MIN_TOKEN_CHARS);
        let token = token.ok_or(SignInError::NoToken)?;
        let expected = hmac::sign(&self.key, token.expose_secret().as_bytes());
        if hmac::verify(&self.key, given.as_bytes(), expected.as_ref()).is_err() {
            return Err(SignInError::Wrong);
        }
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes).expect("the operating system gives random bytes");
        let cookie = URL_SAFE_NO_PAD.encode(bytes);
        let session = self.digest(&cookie);
        let mut state = self.state();
        state.attempts.forgive(peer);
        state.forget_ended(now);
        while state.sessions.len() >= MAX_SESSIONS {
            let idlest = state.sessions.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone());
            idlest.map(|id| state.sessions.remove(&id));
        }
        state.sessions.insert(session.clone(), Session { began: now, used: now });
        Ok((cookie, Person { user: BY_TOKEN.to_owned(), viewer: session }))
    }

    /// Ends a session.
    pub(super) fn sign_out(&self, person: &Person) {
        self.state().sessions.remove(&person.viewer);
    }

    fn user_of_proxy(&self, peer: IpAddr, headers: &HeaderMap) -> Option<String> {
        let proxy = self.config.proxy.as_ref().filter(|proxy| proxy.addresses.contains(&peer.to_canonical()))?;
        let mut given = headers.get_all(&proxy.user_header).iter();
        // Two of them: one may be the client's own.
        let (user, None) = (given.next()?.to_str().ok()?.trim(), given.next()) else { return None };
        let is_name = (1..=MAX_USER_CHARS).contains(&user.len()) && user.chars().all(|c| c.is_ascii_graphic());
        is_name.then(|| user.to_owned())
    }

    /// Whether a session goes on.
    fn touch(&self, id: &str, now: Mono) -> bool {
        let mut state = self.state();
        state.forget_ended(now);
        state.sessions.get_mut(id).map(|session| session.used = now).is_some()
    }

    fn digest(&self, cookie: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("session {cookie}").as_bytes()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_ended(&mut self, now: Mono) {
        self.sessions.retain(|_, session| now.since(session.used) < IDLE && now.since(session.began) < LONGEST);
    }
}

/// Attempts to sign in within [`ATTEMPTS_PER`].
#[derive(Default)]
struct Attempts {
    since: Mono,
    of_all: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

impl Attempts {
    /// Counts an attempt, or says in how many seconds the next may be made.
    fn admit(&mut self, peer: IpAddr, now: Mono) -> Result<(), u64> {
        if now.since(self.since) >= ATTEMPTS_PER {
            *self = Self { since: now, ..Self::default() };
        }
        // As many addresses as there are attempts: the map is bounded by them.
        let of_address = self.by_address.get(&network(peer)).copied().unwrap_or_default();
        if self.of_all >= MAX_ATTEMPTS_OF_ALL || of_address >= MAX_ATTEMPTS {
            return Err(ATTEMPTS_PER.saturating_sub(now.since(self.since)).as_secs() + 1);
        }
        self.of_all += 1;
        *self.by_address.entry(network(peer)).or_default() += 1;
        Ok(())
    }

    /// Takes back what was counted of somebody who has the token.
    fn forgive(&mut self, peer: IpAddr) {
        let of_address = self.by_address.remove(&network(peer)).unwrap_or_default();
        self.of_all = self.of_all.saturating_sub(of_address);
    }
}

/// An address, of IPv6 its network of 64 bits, of which one host has all.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The session's cookie among those that the browser sent.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(axum::http::header::COOKIE);
    let mut pairs = all.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ProxyConfig, SecretSource};
    use std::net::Ipv4Addr;

    const TOKEN: &str = "a token of a box on a pole";
    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn secs(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// With a token; the folder of its file must live on.
    fn by_token() -> (tempfile::TempDir, Access) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, TOKEN).unwrap();
        let config = ConsoleConfig { token: Some(SecretSource::File(file)), ..ConsoleConfig::default() };
        (folder, Access::new(config))
    }

    #[test]
    fn a_session_begins_with_the_token_and_ends_by_idling_or_by_its_age() {
        let (_folder, access) = by_token();
        assert_eq!(access.person(HERE, &headers(&[]), secs(0)), Err(NotSignedIn::NeedsToken));
        let (cookie, person) = access.sign_in(PEER, TOKEN, secs(0)).unwrap();
        let sent = headers(&[("cookie", &format!("a=b; {COOKIE}={cookie}"))]);
        assert_eq!(access.person(PEER, &sent, secs(3599)), Ok(person.clone()));
        assert_eq!(access.person(PEER, &sent, secs(3599 + 3600)), Err(NotSignedIn::NeedsToken), "idle");

        let (cookie, person) = access.sign_in(PEER, TOKEN, secs(10_000)).unwrap();
        let sent = headers(&[("cookie", &format!("{COOKIE}={cookie}"))]);
        let hours = (1..24).take_while(|hour| access.person(PEER, &sent, secs(10_000 + hour * 3500)).is_ok()).count();
        assert_eq!(hours, 12, "used all the time");
        let (cookie, other) = access.sign_in(PEER, TOKEN, secs(90_000)).unwrap();
        access.sign_out(&other);
        let sent = headers(&[("cookie", &format!("{COOKIE}={cookie}"))]);
        assert_eq!(access.person(PEER, &sent, secs(90_001)), Err(NotSignedIn::NeedsToken));
        assert!(!access.is_csrf_of(&other, &access.csrf_of(&person)), "each session has its own");
        assert!(access.is_csrf_of(&other, &access.csrf_of(&other)));
    }

    #[test]
    fn a_wrong_token_is_refused_and_more_than_a_few_attempts_wait() {
        let (_folder, access) = by_token();
        for _ in 0..MAX_ATTEMPTS {
            assert_eq!(access.sign_in(PEER, "another token of a box", secs(5)), Err(SignInError::Wrong));
        }
        assert_eq!(access.sign_in(PEER, TOKEN, secs(6)), Err(SignInError::TooMany(55)), "the right one too");
        assert!(access.sign_in(HERE, TOKEN, secs(6)).is_ok(), "from another address");
        assert!(access.sign_in(PEER, TOKEN, secs(60)).is_ok());
        for host in 0..MAX_ATTEMPTS_OF_ALL {
            let _ = access.sign_in(Ipv4Addr::new(198, 51, 100, host as u8).into(), "x", secs(200));
        }
        assert!(matches!(access.sign_in(HERE, TOKEN, secs(201)), Err(SignInError::TooMany(_))), "of all together");
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let (_folder, access) = by_token();
        let cookies: Vec<String> =
            (0..=MAX_SESSIONS as u64).map(|n| access.sign_in(PEER, TOKEN, secs(n)).unwrap().0).collect();
        let goes_on = |cookie: &str| {
            access.person(PEER, &headers(&[("cookie", &format!("{COOKIE}={cookie}"))]), secs(100)).is_ok()
        };
        assert!(!goes_on(&cookies[0]) && goes_on(&cookies[1]) && goes_on(&cookies[MAX_SESSIONS]));
    }

    #[test]
    fn a_proxy_is_believed_from_its_address_and_once() {
        let proxy = ProxyConfig { user_header: "X-User".to_owned(), addresses: vec![PEER] };
        let access = Access::new(ConsoleConfig { proxy: Some(proxy), ..ConsoleConfig::default() });
        let user = |peer, pairs: &[(&'static str, &str)]| access.person(peer, &headers(pairs), secs(0));
        assert_eq!(user(PEER, &[("x-user", "li.wei")]).unwrap().user, "li.wei");
        assert_eq!(user(HERE, &[("x-user", "li.wei")]), Err(NotSignedIn::NeedsProxy), "from elsewhere");
        assert_eq!(user(PEER, &[]), Err(NotSignedIn::NeedsProxy));
        assert_eq!(user(PEER, &[("x-user", "a b")]), Err(NotSignedIn::NeedsProxy));
        let mut twice = headers(&[("x-user", "li.wei")]);
        twice.append("x-user", "admin".parse().unwrap());
        assert_eq!(access.person(PEER, &twice, secs(0)), Err(NotSignedIn::NeedsProxy), "one may be the client's");
    }

    #[test]
    fn on_the_loopback_nobody_is_asked_unless_a_proxy_is_in_front() {
        let access = Access::new(ConsoleConfig::default());
        assert_eq!(access.person(HERE, &headers(&[]), secs(0)).unwrap().user, LOCAL);
        for mark in MARKS_OF_PROXIES {
            assert_eq!(access.person(HERE, &headers(&[(mark, "x")]), secs(0)), Err(NotSignedIn::UnknownProxy));
        }
        assert_eq!(access.person(PEER, &headers(&[]), secs(0)), Err(NotSignedIn::UnknownProxy));
    }
}
