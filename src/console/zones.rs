//! Other zones for a camera: what they would have reported over the last minutes, and writing them into the configuration.

use super::Console;
use super::answer::{Answer, Json, Refusal, blocking, read};
use super::scene::left_top_size;
use super::session::Person;
use super::sign_in::{actor, signed_in};
use crate::analysis::{Analysis, Rehearsal};
use crate::audit::Deed;
use crate::config::{self, CameraConfig, Config, EditError, STATIC_CLASS, ZoneConfig, ZonePolygon};
use crate::geometry::Polygon;
use crate::ids::Name;
use crate::incident::{Phase, Transition};
use crate::logging::chain;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Most zones of a camera, and most corners of one, that are drawn here.
const MAX_ZONES: usize = 64;
const MAX_CORNERS: usize = 256;
/// Corners are written to a ten-thousandth: a fifth of a pixel of 1080p. Nearer than half of that, a corner has not been moved.
const CORNERS_PER_UNIT: f64 = 10_000.0;

/// The whole list of a camera's zones, as somebody drew it.
#[derive(Deserialize)]
struct Draft {
    zones: Vec<ZoneDraft>,
}

#[derive(Deserialize)]
struct ZoneDraft {
    id: String,
    #[serde(default)]
    name: Option<String>,
    polygon: Vec<[f64; 2]>,
    /// Rules that shall apply in it.
    #[serde(default)]
    rules: Vec<String>,
}

pub(super) async fn preview(State(console): State<Arc<Console>>, Path(camera): Path<String>, body: Bytes) -> Answer {
    blocking(console, move |console| console.preview(&camera, &body)).await.map(Json)
}

pub(super) async fn apply(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Option<Person>>,
    Path(camera): Path<String>,
    body: Bytes,
) -> Answer {
    let person = signed_in(person)?;
    blocking(console, move |console| console.apply(&person, &camera, &body)).await.map(Json)
}

impl Console {
    fn preview(&self, camera: &str, body: &[u8]) -> Result<Value, Refusal> {
        let (index, config) = self.camera(camera)?;
        let wanted = wanted(&config.cameras[index], read(body)?)?;
        let analysis = self.backend.analysis();
        let analysis = analysis.ok_or_else(|| Refusal::failed("nothing is analysed: there is no model yet"))?;
        let rehearsal = rehearse(&analysis, &config, index, &wanted)?;
        let window = rehearsal.window.map(|(first, last)| (first.wall, last.wall));
        Ok(json!({
            "yaml": yaml(&config.cameras[index], &wanted),
            "window": window.map(|(from, to)| json!({"from": self.written(from), "to": self.written(to)})),
            "would": self.would(&rehearsal.transitions),
            "notes": notes(&config.cameras[index], &wanted, &rehearsal),
            "unused": unused(&wanted),
        }))
    }

    /// What would have been opened, and closed again.
    fn would(&self, transitions: &[Transition]) -> Vec<Value> {
        let mut closed = BTreeMap::new();
        for transition in transitions.iter().filter(|transition| transition.phase == Phase::Closed) {
            closed.insert(transition.incident.id, transition.at.wall);
        }
        let opened = transitions.iter().filter(|transition| transition.phase == Phase::Opened);
        let would = |transition: &Transition| {
            let incident = &transition.incident;
            json!({
                "rule": incident.rule, "zone": incident.zone, "class": incident.objects.first().map(|object| &object.class),
                "bbox": left_top_size(&incident.bbox), "opened_at": self.written(transition.at.wall),
                "closed_at": closed.get(&incident.id).map(|at| self.written(*at)),
            })
        };
        opened.map(would).collect()
    }

    fn apply(&self, person: &Person, camera: &str, body: &[u8]) -> Result<Value, Refusal> {
        let (index, config) = self.camera(camera)?;
        let running = &config.cameras[index];
        let wanted = wanted(running, read(body)?)?;
        // One after the other: each reads what the one before has written.
        let written = {
            let _turn = self.applying.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.backend.write_zones(&wanted)
        };
        let by_hand = || yaml(running, &wanted);
        let written = written.map_err(|error| match error {
            EditError::Wrong(_) => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, chain(&error)),
            EditError::Load(_)
            | EditError::NoCamera(_)
            | EditError::Form { .. }
            | EditError::Changed(_)
            | EditError::Write { .. } => Refusal::new(StatusCode::CONFLICT, chain(&error)).with_yaml(by_hand()),
        })?;
        let file = written.path.display().to_string();
        tracing::info!(camera, file, user = person.user, "zones were written into the configuration");
        let changed = Deed::ZonesChanged { camera: camera.to_owned(), file: file.clone(), sha256: written.sha256 };
        self.audit.note(&actor(person), &changed, self.clocks.wall());
        Ok(json!({"applied": true, "file": file, "reason": null}))
    }
}

fn rehearse(analysis: &Analysis, config: &Config, camera: usize, wanted: &CameraConfig) -> Result<Rehearsal, Refusal> {
    let plan = analysis.plan(config, wanted);
    let plan = plan.map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, chain(&error)))?;
    Ok(analysis.rehearse(camera, &plan))
}

/// The camera with the zones of a draft, or what is wrong with it.
fn wanted(running: &CameraConfig, draft: Draft) -> Result<CameraConfig, Refusal> {
    let wrong = |error: String, at: String| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error).at(at);
    if draft.zones.len() > MAX_ZONES {
        return Err(wrong(format!("a camera has {MAX_ZONES} zones at most"), "zones".to_owned()));
    }
    let mut camera = CameraConfig { zones: Vec::new(), ..running.clone() };
    for (index, drawn) in draft.zones.into_iter().enumerate() {
        let at = |field: &str| format!("zones[{index}].{field}");
        let id = Name::try_new(drawn.id).map_err(|error| wrong(error.to_string(), at("id")))?;
        if camera.zones.iter().any(|other| other.id == id) {
            return Err(wrong(format!("two zones are called {id}"), at("id")));
        }
        let before = running.zones.iter().find(|zone| zone.id == id);
        let polygon = polygon(&drawn.polygon, before).map_err(|error| wrong(error, at("polygon")))?;
        for rule in drawn.rules {
            let of_camera = camera.rules.iter_mut().find(|known| known.id.as_str() == rule);
            let of_camera = of_camera.ok_or_else(|| wrong(format!("there is no rule {rule}"), at("rules")))?;
            if !of_camera.zones.contains(&id) {
                of_camera.zones.push(id.clone());
            }
        }
        let name = before.map_or(drawn.name, |before| before.name.clone());
        camera.zones.push(ZoneConfig { id, name, polygon });
    }
    for rule in &camera.rules {
        let missing = rule.zones.iter().chain(&rule.except_zones).find(|id| !has_zone(&camera, id));
        if let Some(id) = missing {
            return Err(wrong(format!("the rule {} needs the zone {id}", rule.id), "zones".to_owned()));
        }
    }
    Ok(camera)
}

fn has_zone(camera: &CameraConfig, id: &Name) -> bool {
    camera.zones.iter().any(|zone| zone.id == *id)
}

/// A polygon as it was drawn; the one from before, if no corner was moved.
fn polygon(drawn: &[[f64; 2]], before: Option<&ZoneConfig>) -> Result<ZonePolygon, String> {
    if drawn.len() > MAX_CORNERS {
        return Err(format!("a zone has {MAX_CORNERS} corners at most"));
    }
    if let Some(before) = before {
        let is_at = |(corner, drawn): (&crate::geometry::Point, &[f64; 2])| {
            let near = |a: f32, b: f64| (f64::from(a) - b).abs() < 0.5 / CORNERS_PER_UNIT;
            near(corner.x, drawn[0]) && near(corner.y, drawn[1])
        };
        let corners = before.polygon.0.corners();
        if corners.len() == drawn.len() && corners.iter().zip(drawn).all(is_at) {
            return Ok(before.polygon.clone());
        }
    }
    let rounded = |share: f64| ((share * CORNERS_PER_UNIT).round() / CORNERS_PER_UNIT) as f32;
    let corners: Vec<[f32; 2]> = drawn.iter().map(|[x, y]| [rounded(*x), rounded(*y)]).collect();
    Polygon::try_new(&corners).map(ZonePolygon).map_err(|error| error.to_string())
}

/// What is to be put into the file by hand.
fn yaml(running: &CameraConfig, wanted: &CameraConfig) -> String {
    let mut yaml = config::zones_as_yaml(&wanted.zones);
    let is_changed = |rule: &&config::RuleConfig| {
        running.rules.iter().any(|before| before.id == rule.id && before.zones != rule.zones)
    };
    for (number, rule) in wanted.rules.iter().filter(is_changed).enumerate() {
        let zones: Vec<&str> = rule.zones.iter().map(Name::as_str).collect();
        let head = if number == 0 { "# and of its rules:\n" } else { "" };
        // Writing to a text cannot fail.
        let _ = write!(yaml, "{head}#   - id: {}\n#     zones: [{}]\n", rule.id, zones.join(", "));
    }
    yaml
}

/// Zones that no rule names.
fn unused(camera: &CameraConfig) -> Vec<&Name> {
    let is_named =
        |id: &Name| camera.rules.iter().any(|rule| rule.zones.contains(id) || rule.except_zones.contains(id));
    camera.zones.iter().map(|zone| &zone.id).filter(|id| !is_named(id)).collect()
}

/// What the preview cannot tell.
fn notes(running: &CameraConfig, wanted: &CameraConfig, rehearsal: &Rehearsal) -> Vec<String> {
    let mut notes = Vec::new();
    let Some((first, last)) = rehearsal.window else {
        return vec!["nothing has been analysed yet since the camera began".to_owned()];
    };
    for rule in &rehearsal.without_people {
        notes.push(format!(
            "the rule {rule} asks whether somebody attends the thing; people are not remembered, so that this is not judged here"
        ));
    }
    let known_secs = last.wall.duration_since(first.wall).as_secs_f64();
    for rule in &wanted.rules {
        let dwell = rule.dwell().as_secs_f64();
        if dwell > known_secs {
            notes.push(format!(
                "the rule {} reports after {dwell:.0} s, and only the last {known_secs:.0} s are known",
                rule.id
            ));
        }
    }
    let polygon = |camera: &CameraConfig, id: &Name| {
        camera.zones.iter().find(|zone| zone.id == *id).map(|zone| zone.polygon.0.clone())
    };
    let looks_elsewhere = |rule: &&config::RuleConfig| {
        rule.classes.iter().flatten().any(|class| class == STATIC_CLASS)
            && rule.zones.iter().any(|id| polygon(running, id) != polygon(wanted, id))
    };
    for rule in wanted.rules.iter().filter(looks_elsewhere) {
        notes.push(format!(
            "what was put down (the rule {}) is known only where the zones of now already look for it",
            rule.id
        ));
    }
    notes
}
