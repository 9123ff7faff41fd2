//! The server's side of HTTP/1.1, as far as scripted servers need it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};

/// Serves each connection on a thread of its own, until the test ends.
pub fn accept(listener: TcpListener, serve: impl Fn(&TcpStream) -> std::io::Result<()> + Clone + Send + 'static) {
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            let connection = move || drop(serve(&stream));
            std::thread::Builder::new().name("http-connection".to_owned()).spawn(connection).unwrap();
        }
    };
    std::thread::Builder::new().name("http-server".to_owned()).spawn(accept).unwrap();
}

/// The line of the next request and its headers by lower-case name; none if there is none.
pub fn read_head(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, BTreeMap<String, String>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    Ok(Some((line.trim_end().to_owned(), headers)))
}
