//! The page: the files of the folder `console/`, compiled in.

use crate::sha256::sha256_hex;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A file of the page.
struct Asset {
    bytes: &'static [u8],
    content_type: &'static str,
    /// By its digest.
    etag: String,
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/console/", $name)).as_slice())),+]
    };
}

/// Every file of the page.
static ASSETS: LazyLock<BTreeMap<&'static str, Asset>> = LazyLock::new(|| {
    let files = files![
        "index.html",
        "api.js",
        "audit-log.js",
        "base.css",
        "camera-view.js",
        "camera-words.js",
        "cameras-view.js",
        "chart.js",
        "dom.js",
        "en.json",
        "evidence-pictures.js",
        "i18n.js",
        "icon-cameras.svg",
        "icon-incidents.svg",
        "icon-system.svg",
        "icon.svg",
        "incident-actions.js",
        "incident-item.js",
        "incidents-view.js",
        "live-picture.js",
        "main.js",
        "overlay.js",
        "parts.js",
        "poll.js",
        "polygon.js",
        "shell.js",
        "sign-in.js",
        "system-view.js",
        "views.css",
        "zh.json",
        "zone-draft.js",
        "zone-editor.js",
        "zone-list.js",
        "zone-preview.js",
        "zone-surface.js",
        "zones.css",
    ];
    let asset = |(name, bytes): (&'static str, &'static [u8])| {
        let etag = format!("\"{}\"", sha256_hex(bytes));
        (name, Asset { bytes, content_type: content_type(name), etag })
    };
    files.into_iter().map(asset).collect()
});

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

pub(super) async fn root() -> Redirect {
    Redirect::permanent("/console/")
}

pub(super) async fn index(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

pub(super) async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    answer(&path, &headers)
}

fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.get(name) else {
        return (StatusCode::NOT_FOUND, "there is no such page\n").into_response();
    };
    let own = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, asset.etag.as_str())];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag)) {
        return (StatusCode::NOT_MODIFIED, own).into_response();
    }
    (own, [(header::CONTENT_TYPE, asset.content_type)], asset.bytes).into_response()
}
