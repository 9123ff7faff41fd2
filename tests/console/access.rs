//! Who may use the console, and what every answer carries.

use super::browser::{Answer, Browser};
use super::{free_address, start};
use serde_json::{Value, json};

const TOKEN: &str = "correct horse battery staple";
const API: &str = "/console/api";

/// A box whose camera is away and whose console asks for a token.
fn box_with_token() -> (tempfile::TempDir, super::Agent, Browser) {
    let (folder, at) = (tempfile::tempdir().unwrap(), free_address());
    let (config, token) = (folder.path().join("edge.yaml"), folder.path().join("token"));
    std::fs::write(&token, TOKEN).unwrap();
    let text = json!({
        "agent": {"site": "test", "id": "box-1", "data_dir": folder.path().join("data")},
        "hub": {"host": "127.0.0.1", "port": free_address().port()},
        "web": {"listen": at.to_string(), "console": {"token": {"file": token}, "hosts": ["box.example"]}},
        "cameras": [{"id": "east", "streams": {"detect": {"url": format!("rtsp://{}/", free_address())}}}],
    });
    std::fs::write(&config, text.to_string()).unwrap();
    let (agent, browser) = start(&config, at);
    (folder, agent, browser)
}

fn sign_in(browser: &mut Browser) -> Answer {
    let answer = browser.post(&format!("{API}/session"), &json!({"token": TOKEN}));
    let cookie = answer.headers["set-cookie"].split(';').next().unwrap().to_owned();
    (browser.cookie, browser.csrf) = (Some(cookie), answer.json()["csrf"].as_str().map(str::to_owned));
    answer
}

#[test]
fn who_is_not_signed_in_gets_the_page_and_nothing_of_the_agent() {
    let (folder, mut agent, mut browser) = box_with_token();
    let session = browser.open();
    assert_eq!(session, json!({"signed_in": false, "needs_token": true, "user": null, "csrf": null}));
    let inside =
        ["overview", "cameras/east/scene", "cameras/east/picture", "incidents", "history", "audit", "evidence/x"];
    for path in inside {
        assert_eq!(browser.get(&format!("{API}/{path}")).status, 401, "{path}");
    }
    let page = browser.get("/console/");
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let known = [("Host", "localhost"), ("If-None-Match", page.headers["etag"].as_str())];
    assert_eq!(browser.raw("GET", "/console/", &known, b"").unwrap().status, 304);
    every_answer_is_confined(&browser);
    foreign_names_and_pages_are_refused(&browser);

    let wrong = browser.post(&format!("{API}/session"), &json!({"token": "correct horse battery"}));
    assert_eq!(wrong.status, 401);
    let answer = sign_in(&mut browser);
    assert_eq!(answer.status, 200);
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/console"] {
        assert!(answer.headers["set-cookie"].contains(flag), "{flag}");
    }
    let overview = browser.get(&format!("{API}/overview")).json();
    assert_eq!((&overview["agent"]["id"], &overview["cameras"][0]["id"]), (&json!("box-1"), &json!("east")));
    let away = browser.get(&format!("{API}/cameras/east/picture"));
    assert_eq!((away.status, away.json()["error"].is_string()), (503, true), "and says why");

    what_changes_something_must_be_meant(&browser);
    assert_eq!(browser.send("DELETE", &format!("{API}/session"), &Value::Null, &[]).status, 204);
    assert_eq!(browser.get(&format!("{API}/overview")).status, 401, "the session is over");

    too_many_attempts_wait(&mut browser);
    agent.stop();
    let log = std::fs::read_to_string(folder.path().join("edge.log")).unwrap();
    assert!(log.contains("tried to sign in") && !log.contains(TOKEN), "{log}");
}

fn every_answer_is_confined(browser: &Browser) {
    let long = "x".repeat(70_000);
    let answers = [
        browser.get("/console"),
        browser.get("/console/"),
        browser.get("/console/no-such-file.js"),
        browser.get("/console/..%2f..%2fCargo.toml"),
        browser.get("/console/../Cargo.toml"),
        browser.get("/console/api/session"),
        browser.get("/console/api/nothing"),
        browser.get("/console/api/overview"),
        browser.raw("GET", "/console/", &[("Host", "evil.example")], b"").unwrap(),
        browser.post("/console/api/session", &json!({"token": long})),
        browser.post("/console/api/session", &json!({"user": "x"})),
        browser.send("PUT", "/console/api/session", &json!({}), &[]),
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [308, 200, 404, 404, 404, 200, 401, 401, 403, 413, 422, 401]);
    for answer in &answers {
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{answer:?}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin");
        assert!(["no-store", "no-cache"].contains(&answer.headers["cache-control"].as_str()), "{answer:?}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

fn foreign_names_and_pages_are_refused(browser: &Browser) {
    let path = "/console/api/session";
    let of = |headers: &[(&str, &str)]| browser.raw("GET", path, headers, b"").unwrap().status;
    assert_eq!(of(&[("Host", "evil.example")]), 403, "a name that points at this box");
    assert_eq!(of(&[]), 403, "no name at all");
    assert_eq!(of(&[("Host", "box.example")]), 200);
    let sign_in = |more: &[(&'static str, &str)]| browser.send("POST", path, &json!({"token": ""}), more).status;
    assert_eq!(sign_in(&[("Origin", "http://evil.example")]), 403);
    assert_eq!(sign_in(&[("Origin", "null")]), 403, "a sandboxed page");
    assert_eq!(sign_in(&[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(sign_in(&[("Content-Type", "text/plain")]), 415, "what a form can send");
}

fn what_changes_something_must_be_meant(browser: &Browser) {
    let path = "/console/api/cameras/east/zones/preview";
    let of = |more: &[(&'static str, &str)]| browser.send("POST", path, &json!({"zones": []}), more).status;
    assert_eq!(of(&[("X-Curbwatch-Csrf", "")]), 403);
    assert_eq!(of(&[("X-Curbwatch-Csrf", "AAAA")]), 403);
    assert_eq!(of(&[("Origin", "https://evil.example")]), 403);
    assert_eq!(of(&[("Content-Type", "application/x-www-form-urlencoded")]), 415);
    assert_ne!(of(&[]), 403);
    assert_ne!(of(&[("Origin", "https://box.example")]), 403, "behind a proxy that has a name");
}

fn too_many_attempts_wait(browser: &mut Browser) {
    (browser.cookie, browser.csrf) = (None, None);
    let attempt = || browser.post("/console/api/session", &json!({"token": "guess"}));
    let answers: Vec<Answer> = (0..8).map(|_| attempt()).collect();
    let last = answers.last().unwrap();
    assert_eq!(last.status, 429);
    assert!(last.headers["retry-after"].parse::<u64>().unwrap() <= 60);
    assert!(answers.iter().filter(|answer| answer.status == 401).count() <= 5);
}
