//! Where a camera listens, and whether it can be reached at all.
//!
//! A plain TCP connect comes before every pipeline: a camera that is absent then costs a socket instead of a pipeline, and the
//! reason is known exactly (rtspsrc reports a refused connect, an unknown host and no route alike as "Generic error").

use super::failure::{Failure, detail};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The camera's control port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Name or address; IPv6 without brackets.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
}

impl Address {
    /// Takes host and port from `rtsp://host[:port]/…`; 554 or, for `rtsps`, 322 if none is given (RFC 7826, section 4.2).
    pub(super) fn try_from_url(url: &str) -> Result<Self, Failure> {
        let fail = || Failure::Url(detail(url));
        let (default_port, rest) = match url.split_once("://") {
            Some(("rtsp", rest)) => (554, rest),
            Some(("rtsps", rest)) => (322, rest),
            Some(_) | None => return Err(fail()),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']').ok_or_else(fail)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_| fail())?,
            None if port.is_empty() => default_port,
            None => return Err(fail()),
        };
        if host.is_empty() || host.contains('@') { Err(fail()) } else { Ok(Self { host: host.to_owned(), port }) }
    }

    /// Connects and hangs up. Blocks for name resolution and for at most `limit` per address of the host.
    pub(super) fn probe(&self, limit: Duration) -> Result<(), Failure> {
        let addresses = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| Failure::Unresolvable(detail(&error.to_string())))?;
        let mut failure = Failure::Unresolvable("it has no address".to_owned());
        for address in addresses {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(_) => return Ok(()),
                Err(error) => failure = Failure::from_connect(&error),
            }
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_taken_from_the_url() {
        for (url, host, port) in [
            ("rtsp://10.0.0.1/live", "10.0.0.1", 554),
            ("rtsp://cam:8554", "cam", 8554),
            ("rtsps://cam/a/b?c=d:e", "cam", 322),
            ("rtsp://[fe80::1]:8554/x", "fe80::1", 8554),
            ("rtsp://[fe80::1]/x", "fe80::1", 554),
        ] {
            assert_eq!(Address::try_from_url(url), Ok(Address { host: host.to_owned(), port }), "{url}");
        }
    }

    #[test]
    fn what_is_no_rtsp_url_is_refused_without_its_password() {
        for url in ["", "rtsp://", "rtsp://:554/x", "http://cam/", "rtsp://cam:0x1/", "rtsp://u:pw@cam/", "rtsp://[::1"]
        {
            let Err(Failure::Url(shown)) = Address::try_from_url(url) else { panic!("{url} was taken") };
            assert!(!shown.contains("pw"), "{shown}");
        }
    }

    #[test]
    fn a_closed_port_is_refused_and_an_open_one_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        assert_eq!(address.probe(Duration::from_secs(5)), Ok(()));
        drop(listener);
        assert_eq!(address.probe(Duration::from_secs(5)), Err(Failure::Refused));
    }
}
