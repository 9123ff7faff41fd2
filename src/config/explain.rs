//! What a configuration will report, in plain words: a paragraph per camera and rule.

use super::{CameraConfig, Config, ModelConfig, RuleConfig};
use crate::ids::Name;
use crate::scene::Attended;
use crate::schedule::Window;
use std::fmt::Write;
use std::time::Duration;

/// The rules of every camera in plain English, a paragraph each.
#[must_use]
pub fn explain(config: &Config) -> String {
    let mut text = String::new();
    for camera in &config.cameras {
        let state = if camera.enabled { "" } else { ", which is switched off" };
        let _ = writeln!(text, "Camera {}{state}", named(&camera.id, camera.name.as_deref()));
        let areas = camera.privacy_masks.len();
        if areas > 0 {
            let _ = writeln!(text, "\n  {areas} area(s) of the picture are painted over before anything looks at it.");
        }
        if camera.rules.is_empty() {
            text += "\n  Nothing is reported: there is no rule.\n";
        }
        for rule in &camera.rules {
            let _ = writeln!(text, "\n  {}: {}", rule.id, rule_sentences(camera, rule).join(" "));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", confidences(&config.model));
    let holidays: Vec<String> = config.agent.holidays.iter().map(ToString::to_string).collect();
    let holidays = if holidays.is_empty() { "none are given".to_owned() } else { holidays.join(", ") };
    let _ = writeln!(text, "Times are those of {}. Holidays: {holidays}.", config.agent.time_zone);
    text
}

/// From what confidence a detection counts.
fn confidences(model: &ModelConfig) -> String {
    let by_light = |day: String, night: Option<f32>| match night {
        Some(night) => format!("{day} by day and {night} by night"),
        None => day,
    };
    let general =
        model.min_confidence.map_or_else(|| "the confidence of the model's manifest".to_owned(), |c| c.to_string());
    let mut text = format!("A detection counts from {}", by_light(general, model.min_confidence_night));
    for (name, own) in &model.thresholds {
        let _ = write!(text, "; {name} from {}", by_light(own.day.to_string(), own.night));
    }
    text.push('.');
    if model.min_confidence_night.is_some() || model.thresholds.values().any(|own| own.night.is_some()) {
        text += " It is night for a camera whose picture has had no colour or has been dark for a minute.";
    }
    text
}

fn rule_sentences(camera: &CameraConfig, rule: &RuleConfig) -> Vec<String> {
    let severity = rule.base_severity().as_str();
    let mut sentences = vec![format!(
        "{} of kind {}, severity {severity}, is reported when {}{} stands in {}{} for {}.",
        crate::contract::matter(rule.kind).name,
        rule.kind.as_str(),
        subject(rule),
        company(rule),
        zones(camera, &rule.zones),
        if rule.except_zones.is_empty() {
            String::new()
        } else {
            format!(", but not in {}", zones(camera, &rule.except_zones))
        },
        duration(rule.dwell()),
    )];
    sentences.extend(rule.stays_within().map(|within| {
        format!("Stays at several places of the zone add up, if no more than {} lie between them.", duration(within))
    }));
    sentences.push(format!(
        "It may be out of sight for {}; it is closed when it has been gone for {}, and continued if it comes back within {}.",
        duration(rule.gap()),
        duration(rule.clear()),
        duration(rule.merge()),
    ));
    for step in &rule.escalate {
        let after = duration(Duration::from_secs_f64(step.after_secs));
        sentences.push(format!("After {after} its severity is {}.", step.to.as_str()));
    }
    if !rule.only.is_empty() {
        sentences.push(format!("The rule applies only in these hours: {}.", windows(&rule.only)));
    }
    if !rule.permitted.is_empty() {
        sentences.push(format!(
            "It is permitted, and what is open is closed, in these hours: {}.",
            windows(&rule.permitted)
        ));
    }
    sentences
}

fn subject(rule: &RuleConfig) -> String {
    let (names, _) = rule.class_names();
    let of =
        |name: &str| if name == super::STATIC_CLASS { "anything put down".to_owned() } else { format!("a {name}") };
    let things = names.into_iter().map(of).collect::<Vec<_>>().join(" or ");
    let things = match rule.min_count {
        0 | 1 => things,
        count => format!("a group of at least {count} things ({things})"),
    };
    if rule.min_area > 0.0 {
        format!("{things} of at least {} % of the picture", rule.min_area * 100.0)
    } else {
        things
    }
}

/// What must be with the thing.
fn company(rule: &RuleConfig) -> String {
    let attended = match rule.attendance() {
        Attended::Required => ", with someone within reach for most of the time,",
        Attended::Absent => ", with nobody within reach for most of the time,",
        Attended::Any => "",
    };
    let near = rule
        .near
        .as_ref()
        .map(|near| format!(", with {} within {} times its size,", near.classes.join(" or "), near.within));
    format!("{attended}{}", near.unwrap_or_default())
}

fn zones(camera: &CameraConfig, ids: &[Name]) -> String {
    let name = |id: &Name| {
        let zone = camera.zones.iter().find(|zone| zone.id == *id);
        named(id, zone.and_then(|zone| zone.name.as_deref()))
    };
    ids.iter().map(name).collect::<Vec<_>>().join(" or ")
}

fn windows(windows: &[Window]) -> String {
    windows.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn named(id: &Name, name: Option<&str>) -> String {
    name.map_or_else(|| id.to_string(), |name| format!("{id} ({name})"))
}

fn duration(duration: Duration) -> String {
    let secs = duration.as_secs_f64();
    if secs >= 3600.0 && secs % 3600.0 == 0.0 {
        format!("{} h", secs / 3600.0)
    } else if secs >= 120.0 && secs % 60.0 == 0.0 {
        format!("{} min", secs / 60.0)
    } else {
        format!("{secs} s")
    }
}
