//! A platform behind TLS that wants to know the agent by its certificate.

use crate::authority::Authority;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The platform; it takes everything from whom the authority certified.
pub struct Encrypted {
    pub port: u16,
    taken: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Encrypted {
    pub fn start(authority: &Authority) -> Self {
        let config = Arc::new(config(authority));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let taking = Arc::clone(&taken);
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                // Whoever is not trusted, or does not trust, leaves.
                let _ = serve(StreamOwned::new(connection, stream), &taking);
            }
        };
        std::thread::Builder::new().name("encrypted".to_owned()).spawn(serve).unwrap();
        Self { port, taken }
    }

    pub fn taken(&self) -> Vec<serde_json::Value> {
        self.taken.lock().unwrap().clone()
    }
}

fn config(authority: &Authority) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = |name: &str| CertificateDer::from_pem_file(authority.path(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.path("broker.key")).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate("broker.pem")], key)
        .unwrap()
}

/// One request and its answer.
fn serve(
    stream: StreamOwned<ServerConnection, TcpStream>,
    taken: &Mutex<Vec<serde_json::Value>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    taken.lock().unwrap().push(serde_json::from_slice(&body)?);
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
}
