//! `curbwatch discover` beside a device that answers as cameras do.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use assert_cmd::Command;
use std::net::UdpSocket;
use std::time::Duration;

/// Answers the first question, and keeps everything it was asked.
fn device(answer: impl Fn(&str) -> String + Send + 'static) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let serve = move || {
        let mut asked: Vec<String> = Vec::new();
        let mut datagram = [0; 4096];
        while asked.len() < 4 {
            let (bytes, from) = socket.recv_from(&mut datagram).unwrap();
            let question = String::from_utf8(datagram[..bytes].to_vec()).unwrap();
            socket.send_to(b"\xff\xfe no answer", from).unwrap();
            socket.send_to(answer(&question).as_bytes(), from).unwrap();
            asked.push(question);
        }
        asked
    };
    (address, std::thread::Builder::new().name("device".to_owned()).spawn(serve).unwrap())
}

fn discover(address: &str) -> std::process::Output {
    Command::cargo_bin("curbwatch").unwrap().args(["discover", "--seconds", "2", "--at", address]).output().unwrap()
}

#[test]
fn a_camera_that_answers_is_shown_once_with_its_addresses() {
    let (address, device) = device(|_| {
        r#"<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><d:ProbeMatches xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
        <d:ProbeMatch><a:EndpointReference xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><a:Address>urn:uuid:7</a:Address></a:EndpointReference>
        <d:Scopes>onvif://www.onvif.org/name/Gate%20East onvif://www.onvif.org/hardware/C-200</d:Scopes>
        <d:XAddrs>http://127.0.0.1/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"#.to_owned()
    });
    let output = discover(&address);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "127.0.0.1        Gate East, C-200; http://127.0.0.1/onvif/device_service\n");
    assert!(output.status.success());
    let asked = device.join().unwrap();
    let asks_for = |kind: &str| asked.iter().filter(|question| question.contains(kind)).count();
    assert_eq!((asks_for("NetworkVideoTransmitter</d:Types>"), asks_for("t:Device</d:Types>")), (2, 2));
}

#[test]
fn nobody_who_answers_is_said_and_is_no_success() {
    let (address, device) = device(|_| "<Envelope/>".to_owned());
    let output = discover(&address);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("no device answered within 2 s"));
    device.join().unwrap();
}
