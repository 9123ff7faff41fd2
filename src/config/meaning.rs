//! The second pass: what the keys mean together. Names that must be unique or must exist, polygons, places, secrets.
//!
//! It reads the document, not the types, so that it goes on where the first pass found mistakes: what has the wrong shape is
//! passed over here, since it has been reported there. What rules are about is in
//! [`super::subjects`], when and where they apply in [`super::conditions`].

use super::document::{Document, join, quoted};
use super::report::{Draft, Report, suggestion};
use super::{Crs, SecretSource, conditions, evidence, log, provider_options, storage, subjects, web, webhook};
use crate::geometry::{Polygon, PolygonError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reports every contradiction and doubt. `classes` are the model's class names, or why they are not known.
pub(super) fn check(document: &Document, classes: Result<&[String], &String>, report: &mut Report) {
    check_time_zone(document, report);
    log::check(document, report);
    conditions::check_holidays(document, report);
    check_login(document, "/hub", report);
    webhook::check(document, "/hub/webhook", report);
    storage::check(document, "/evidence", report);
    provider_options::check(document, report);
    evidence::check(document, "/evidence", report);
    web::check(document, report);
    check_point(document, "/place/point", report);
    let subjects = subjects::Subjects::new(document, classes, report);
    let cameras = elements(document, "/cameras");
    check_unique(document, &cameras, "id", "the id of another camera", report);
    for camera in &cameras {
        check_point(document, &format!("{camera}/place/point"), report);
        for stream in ["detect", "evidence"] {
            check_rtsp(document, &format!("{camera}/streams/{stream}"), report);
        }
        check_zones_and_rules(document, camera, &subjects, report);
    }
    check_same_stream(document, &cameras, report);
}

/// Pointers of the elements of a list; none if there is no list.
pub(super) fn elements(document: &Document, list: &str) -> Vec<String> {
    let count = document.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    (0..count).map(|index| format!("{list}/{index}")).collect()
}

/// The text at a key of a section.
pub(super) fn text<'a>(document: &'a Document, section: &str, key: &str) -> Option<&'a str> {
    document.get(&join(section, key))?.as_str()
}

/// The value at a pointer as one of the configuration's types; none if it is absent or has been reported.
pub(super) fn typed<T: DeserializeOwned>(document: &Document, pointer: &str) -> Option<T> {
    serde_json::from_value(document.get(pointer)?.clone()).ok()
}

fn check_time_zone(document: &Document, report: &mut Report) {
    let Some(name) = text(document, "/agent", "time_zone") else { return };
    let zones = jiff::tz::db();
    if zones.get(name).is_err() {
        let known: Vec<String> = zones.available().map(|zone| zone.to_string()).collect();
        let draft = Draft::at_value("/agent/time_zone", format!("is {}", quoted(name)));
        let help = suggestion(name, known.iter().map(String::as_str));
        report.error(draft.allowed("a name of the IANA time zone database, such as Asia/Shanghai").help(help));
    }
}

/// Reports each element whose `key` repeats an earlier one's, with both places.
fn check_unique(document: &Document, elements: &[String], key: &str, what: &str, report: &mut Report) {
    let mut first_by_text: BTreeMap<&str, String> = BTreeMap::new();
    for element in elements {
        let (Some(given), pointer) = (text(document, element, key), join(element, key)) else { continue };
        if let Some(first) = first_by_text.get(given) {
            let draft =
                Draft::at_value(pointer, format!("is {}, {what}", quoted(given))).allowed("one that is not in use");
            report.error(draft.related(first.as_str(), "first used"));
        } else {
            first_by_text.insert(given, pointer);
        }
    }
}

fn check_same_stream(document: &Document, cameras: &[String], report: &mut Report) {
    let mut first_by_url: BTreeMap<&str, String> = BTreeMap::new();
    for pointer in
        cameras.iter().flat_map(|camera| ["detect", "evidence"].map(|stream| format!("{camera}/streams/{stream}/url")))
    {
        let Some(url) = document.get(&pointer).and_then(Value::as_str) else { continue };
        if let Some(first) = first_by_url.get(url) {
            let draft = Draft::at_value(pointer, "is the URL of another stream too");
            report.warning(draft.related(first.as_str(), "first used"));
        } else {
            first_by_url.insert(url, pointer);
        }
    }
}

fn check_rtsp(document: &Document, rtsp: &str, report: &mut Report) {
    check_login(document, rtsp, report);
    let Some(url) = text(document, rtsp, "url") else { return };
    let Some((_, rest)) = url.split_once("://") else { return };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if !authority.contains('@') && !is_host_and_port(authority) {
        let draft = Draft::at_value(join(rtsp, "url"), format!("is {}", quoted(url)));
        report.error(draft.allowed("rtsp://host[:port]/path with a port from 1 to 65535"));
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 3986, 3.2).
fn is_host_and_port(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                ("v6", (!after.is_empty()).then(|| after.strip_prefix(':').unwrap_or_default()))
            }
            Some(_) | None => return false,
        },
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty()
        && host.chars().all(legal)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// User and password belong together, and the password can be read now. That it cannot is only a warning: it may be put in
/// place later, and the agent says so and goes on trying.
fn check_login(document: &Document, section: &str, report: &mut Report) {
    let (user, password) = (join(section, "username"), join(section, "password"));
    match (document.get(&user), document.get(&password)) {
        (Some(_), None) => report.warning(Draft::at_key(user, "is given without a password")),
        (None, Some(_)) => report.warning(Draft::at_key(password.clone(), "is given without a username")),
        (Some(_), Some(_)) | (None, None) => {}
    }
    check_secret(document, &password, report);
}

/// A secret that cannot be read now.
pub(super) fn check_secret(document: &Document, pointer: &str, report: &mut Report) {
    let Some(source) = typed::<SecretSource>(document, pointer) else { return };
    if matches!(&source, SecretSource::Env(name) if !is_variable(name)) {
        return;
    }
    if let Err(error) = source.read() {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let help = Some("the agent runs without it, says so and goes on trying".to_owned());
        report.warning(Draft::at_value(pointer, format!("cannot be read now: {error}{cause}")).help(help));
    }
}

/// Whether a text can be the name of an environment variable. If not, it may be the secret itself, and is not repeated.
fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn check_point(document: &Document, point: &str, report: &mut Report) {
    let number = |key| document.get(&join(point, key)).and_then(Value::as_f64);
    let (Some(lon), Some(lat)) = (number("lon"), number("lat")) else { return };
    let Some(crs) = typed::<Crs>(document, &join(point, "crs")) else { return };
    let swapped = crs.covers(lat, lon).then(|| "are lon and lat swapped?".to_owned());
    match crs {
        Crs::Cgcs2000 | Crs::Gcj02 if !crs.covers(lon, lat) => {
            let problem = "lies outside China, where its crs is in use: events that name it are kept back";
            report.warning(Draft::at_value(point, problem).help(swapped));
        }
        Crs::Wgs84 if lon == 0.0 && lat == 0.0 => {
            report.warning(Draft::at_value(point, "is where equator and prime meridian cross, in the sea"));
        }
        Crs::Cgcs2000 | Crs::Gcj02 | Crs::Wgs84 => {}
    }
}

fn check_zones_and_rules(document: &Document, camera: &str, subjects: &subjects::Subjects, report: &mut Report) {
    let (zones, rules) = (elements(document, &join(camera, "zones")), elements(document, &join(camera, "rules")));
    check_unique(document, &zones, "id", "the id of another zone of this camera", report);
    check_unique(document, &rules, "id", "the id of another rule of this camera", report);
    let mut zone_ids: Vec<&str> = zones.iter().filter_map(|zone| text(document, zone, "id")).collect();
    zone_ids.sort_unstable();
    zone_ids.dedup();
    for zone in &zones {
        check_polygon(document, &join(zone, "polygon"), report);
    }
    let masks = elements(document, &join(camera, "privacy_masks"));
    for mask in &masks {
        check_polygon(document, mask, report);
    }
    check_what_is_hidden(document, &zones, &masks, report);
    let mut used = Vec::new();
    for rule in &rules {
        for list in ["zones", "except_zones"] {
            used.extend(check_zone_references(document, &join(rule, list), &zone_ids, report));
        }
        conditions::check_places(document, rule, &zones, report);
        conditions::check_rule(document, rule, report);
        subjects.check_rule(document, rule, report);
    }
    for zone in &zones {
        if text(document, zone, "id").is_some_and(|id| !used.contains(&id)) {
            report.warning(Draft::at_value(zone.clone(), "is a zone that no rule of this camera names"));
        }
    }
    if rules.is_empty() && document.get(camera).is_some_and(Value::is_object) {
        report.warning(Draft::at_value(camera, "has no rules: nothing that it sees is reported"));
    }
}

fn check_what_is_hidden(document: &Document, zones: &[String], masks: &[String], report: &mut Report) {
    let masks: Vec<Polygon> = masks.iter().filter_map(|mask| conditions::polygon(document, mask)).collect();
    let masks: Vec<&Polygon> = masks.iter().collect();
    for zone in zones {
        let area = conditions::polygon(document, &join(zone, "polygon"));
        if area.is_some_and(|area| !masks.is_empty() && conditions::is_covered(&area, &masks)) {
            report.warning(Draft::at_value(
                zone.clone(),
                "lies behind the privacy masks of its camera: nothing is seen there",
            ));
        }
    }
}

fn check_zone_references<'d>(
    document: &'d Document,
    list: &str,
    zone_ids: &[&str],
    report: &mut Report,
) -> Vec<&'d str> {
    let mut named = Vec::new();
    for pointer in elements(document, list) {
        let Some(id) = document.get(&pointer).and_then(Value::as_str) else { continue };
        if !zone_ids.contains(&id) {
            let known = zone_ids.join(", ");
            let allowed = if known.is_empty() {
                "a zone of this camera, which has none".to_owned()
            } else {
                format!("a zone of this camera: {known}")
            };
            let draft = Draft::at_value(pointer, format!("is {}, which is not a zone of this camera", quoted(id)));
            report.error(draft.allowed(allowed).help(suggestion(id, zone_ids.iter().copied())));
        }
        named.push(id);
    }
    named
}

fn check_polygon(document: &Document, pointer: &str, report: &mut Report) {
    let Some(corners) = typed::<Vec<[f32; 2]>>(document, pointer) else { return };
    let Err(error) = Polygon::try_new(&corners) else { return };
    let allowed = "at least 3 corners in order around the area, no edge crossing another";
    let closed = corners.len() > 3 && corners.first() == corners.last();
    let closed = closed.then(|| "leave out the last corner, which repeats the first".to_owned());
    match error {
        PolygonError::OutsideFrame { .. } => {}
        PolygonError::TooFewCorners(count) => {
            report.error(Draft::at_value(pointer, format!("has {count} corners")).allowed(allowed));
        }
        PolygonError::CrossesItself { first, second } => {
            let problem = format!(
                "crosses itself: the edge that begins at corner {second} meets the one that begins at corner {first}"
            );
            let draft =
                Draft::at_value(pointer, problem).positioned(document.value_position(&format!("{pointer}/{second}")));
            report.error(draft.allowed(allowed).help(closed));
        }
        PolygonError::NoArea => {
            report.error(Draft::at_value(pointer, "encloses no area: its corners lie on one line").allowed(allowed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_of_streams_are_told_from_slips() {
        for good in ["camera", "10.0.0.7:554", "cam-1.local:8554", "[fe80::1]", "[fe80::1]:554", "摄像机"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in ["", ":554", "cam:", "cam:0", "cam:99999", "cam:55a", "[fe80::1", "[nonsense]:554", "[::1]x", "a b"]
        {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }
}
