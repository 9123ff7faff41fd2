//! When, where and how long a rule applies, and how grave it is: what these keys mean together.

use super::RuleKind;
use super::document::{Document, join, quoted};
use super::meaning::{elements, text, typed};
use super::report::{Draft, Report};
use super::rule::default_gap_secs;
use crate::geometry::{Point, Polygon};
use crate::incident::Severity;
use crate::schedule::{DateSpan, Hours, Window, WindowError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Points per side of the grid on which a zone is compared with the permitted places in it.
const GRID: u8 = 24;

/// Checks the site's holidays.
pub(super) fn check_holidays(document: &Document, report: &mut Report) {
    check_texts::<DateSpan>(document, elements(document, "/agent/holidays"), report);
}

/// Checks one rule's times, windows and severity.
pub(super) fn check_rule(document: &Document, rule: &str, report: &mut Report) {
    let windows_of = |key: &str| elements(document, &join(rule, key));
    for window in windows_of("permitted").iter().chain(&windows_of("only")) {
        check_window(document, window, report);
    }
    check_always(document, &windows_of("permitted"), "is always: the rule never applies", report);
    check_always(document, &windows_of("only"), "is always: it does not restrict the rule", report);
    let Some(kind) = typed::<RuleKind>(document, &join(rule, "kind")) else { return };
    let number = |key: &str| document.get(&join(rule, key)).and_then(Value::as_f64);
    let dwell = number("dwell_secs").unwrap_or(kind.defaults().dwell_secs);
    check_times(document, rule, dwell, report);
    check_severity(document, rule, kind, dwell, report);
}

fn check_times(document: &Document, rule: &str, dwell: f64, report: &mut Report) {
    let number = |key: &str| document.get(&join(rule, key)).and_then(Value::as_f64);
    if let Some(gap) = number("gap_secs").filter(|&gap| gap > dwell) {
        let problem =
            format!("is {gap}, longer than the dwell of {dwell} s: what is out of sight counts as still there");
        report.warning(Draft::at_value(join(rule, "gap_secs"), problem));
    }
    let gap = number("gap_secs").unwrap_or(default_gap_secs());
    if let Some(within) = number("stays_within_secs").filter(|&within| within < gap) {
        let problem = format!("is {within}, less than the gap of {gap} s: no two stays add up");
        report.warning(Draft::at_value(join(rule, "stays_within_secs"), problem));
    }
    let only: Vec<Window> = typed(document, &join(rule, "only")).unwrap_or_default();
    let longest = only.iter().map(Window::length).max();
    if let Some(longest) = longest.filter(|longest| longest.as_secs_f64() < dwell) {
        let problem = format!("lasts {} s at most, and the dwell is {dwell} s: nothing is reported", longest.as_secs());
        report.warning(Draft::at_value(join(rule, "only"), problem));
    }
}

/// A window says something, and its texts are dates and hours.
fn check_window(document: &Document, window: &str, report: &mut Report) {
    let Some(Value::Object(keys)) = document.get(window) else { return };
    if keys.is_empty() {
        report.error(Draft::at_value(window, "is empty").allowed("days, dates, hours, or several of them"));
    }
    check_texts::<DateSpan>(document, elements(document, &join(window, "dates")), report);
    check_texts::<Hours>(document, [join(window, "hours")], report);
}

/// What has the right shape, and is still no date or hour: 30 February, 08:00-08:00.
fn check_texts<T: FromStr<Err = WindowError>>(
    document: &Document,
    pointers: impl IntoIterator<Item = String>,
    report: &mut Report,
) {
    for pointer in pointers {
        let Some(text) = document.get(&pointer).and_then(Value::as_str) else { continue };
        let Err(error) = text.parse::<T>() else { continue };
        let has_right_shape = match error {
            WindowError::NoTime | WindowError::Inverted => true,
            WindowError::NotDates => text.split("..").all(|date| date.len() == 10),
            WindowError::NotHours => false,
        };
        if has_right_shape {
            report.error(Draft::at_value(pointer, format!("is {}, which {error}", quoted(text))));
        }
    }
}

fn check_always(document: &Document, windows: &[String], problem: &str, report: &mut Report) {
    let is_always = |pointer: &&String| {
        let says_something = document.get(pointer).and_then(Value::as_object).is_some_and(|keys| !keys.is_empty());
        says_something && typed::<Window>(document, pointer).is_some_and(|window| window.is_always())
    };
    if let Some(window) = windows.iter().find(is_always) {
        report.warning(Draft::at_value(window.clone(), problem));
    }
}

/// Steps come in the order of time, after the dwell, each graver than the one before.
fn check_severity(document: &Document, rule: &str, kind: RuleKind, dwell: f64, report: &mut Report) {
    let mut severity = typed::<Severity>(document, &join(rule, "severity")).unwrap_or(kind.defaults().severity);
    let mut after = dwell;
    for step in elements(document, &join(rule, "escalate")) {
        let to: Option<Severity> = typed(document, &join(&step, "to"));
        let secs = document.get(&join(&step, "after_secs")).and_then(Value::as_f64);
        if let Some(secs) = secs {
            if secs <= after {
                let problem = format!("is {secs}, not after what comes before it ({after} s)");
                report.warning(Draft::at_value(join(&step, "after_secs"), problem));
            }
            after = after.max(secs);
        }
        if let Some(to) = to {
            if to <= severity {
                let problem = format!("is {}, no graver than {} before it", to.as_str(), severity.as_str());
                report.warning(Draft::at_value(join(&step, "to"), problem));
            }
            severity = severity.max(to);
        }
    }
}

/// A permitted place is not also a place of the rule, and leaves something of its zones.
pub(super) fn check_places(document: &Document, rule: &str, zones: &[String], report: &mut Report) {
    let names = |key: &str| -> Vec<(String, &str)> {
        let pointers = elements(document, &join(rule, key)).into_iter();
        pointers.filter_map(|p| document.get(&p).and_then(Value::as_str).map(|name| (p, name))).collect()
    };
    let (of_rule, except) = (names("zones"), names("except_zones"));
    for (pointer, name) in &except {
        if let Some((first, _)) = of_rule.iter().find(|(_, of_rule)| of_rule == name) {
            let problem = format!("is {}, a zone in which the rule applies too", quoted(name));
            let draft = Draft::at_value(pointer.clone(), problem).allowed("zones that are not among `zones`");
            report.error(draft.related(first.as_str(), "named"));
        }
    }
    let area = |zone: &String| Some((text(document, zone, "id")?, polygon(document, &join(zone, "polygon"))?));
    let polygons: BTreeMap<&str, Polygon> = zones.iter().filter_map(area).collect();
    let permitted: Vec<&Polygon> = except.iter().filter_map(|(_, name)| polygons.get(name)).collect();
    for (_, name) in &of_rule {
        if polygons.get(name).is_some_and(|zone| !permitted.is_empty() && is_covered(zone, &permitted)) {
            let problem = format!("leaves nothing of the zone {}: nothing is reported there", quoted(name));
            report.warning(Draft::at_value(join(rule, "except_zones"), problem));
        }
    }
}

/// The polygon at a place; none if it is not one, which is told elsewhere.
pub(super) fn polygon(document: &Document, pointer: &str) -> Option<Polygon> {
    Polygon::try_new(&typed::<Vec<[f32; 2]>>(document, pointer)?).ok()
}

/// Whether every point of a grid over the zone that lies in it lies in one of the others too.
pub(super) fn is_covered(zone: &Polygon, others: &[&Polygon]) -> bool {
    let bounds = zone.bounds();
    let at = |low: f32, length: f32, step: u8| low + length * (f32::from(step) + 0.5) / f32::from(GRID);
    let grid = (0..GRID).flat_map(|row| (0..GRID).map(move |column| (column, row)));
    let points = grid.map(|(column, row)| Point {
        x: at(bounds.left(), bounds.width(), column),
        y: at(bounds.top(), bounds.height(), row),
    });
    points.filter(|point| zone.contains(*point)).all(|point| others.iter().any(|other| other.contains(point)))
}
