//! What a camera's rules see and how they stand, with its zones; never people.

use super::Console;
use super::answer::{Answer, Json, blocking};
use crate::analysis::Scene;
use crate::camera::{RuleView, ThingView};
use crate::config::{CameraConfig, RuleConfig};
use crate::contract::matter;
use crate::geometry::BBox;
use crate::ids::Name;
use crate::incident::{CaseStage, CaseView};
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn show(State(console): State<Arc<Console>>, Path(camera): Path<String>) -> Answer {
    blocking(console, move |console| console.scene(&camera)).await.map(Json)
}

impl Console {
    fn scene(&self, camera: &str) -> Result<Value, super::Refusal> {
        let (index, config) = self.camera(camera)?;
        let camera = &config.cameras[index];
        let scene = self.backend.analysis().and_then(|analysis| analysis.scene(index));
        let rule = |rule: &RuleConfig| json!({"id": rule.id, "kind": rule.kind, "zones": rule.zones});
        let cases = scene.as_deref().map(|scene| cases(camera, scene)).unwrap_or_default();
        let things = scene.as_deref().map_or(&[][..], |scene| &scene.view.things);
        Ok(json!({
            "at": scene.as_ref().map(|scene| self.written(scene.at.wall)),
            "zones": zones(camera),
            "objects": things.iter().map(|thing| object(camera, thing)).collect::<Vec<_>>(),
            "rules": cases,
            "rule_list": camera.rules.iter().map(rule).collect::<Vec<_>>(),
        }))
    }
}

fn zones(camera: &CameraConfig) -> Vec<Value> {
    let zone = |zone: &crate::config::ZoneConfig| {
        let rules_with = |names: fn(&RuleConfig) -> &[Name]| -> Vec<&Name> {
            camera.rules.iter().filter(|rule| names(rule).contains(&zone.id)).map(|rule| &rule.id).collect()
        };
        json!({
            "id": zone.id, "name": zone.name,
            "polygon": zone.polygon.0.corners().iter().map(|corner| [share(corner.x), share(corner.y)]).collect::<Vec<_>>(),
            "rules": rules_with(|rule| &rule.zones), "permitted_of": rules_with(|rule| &rule.except_zones),
        })
    };
    camera.zones.iter().map(zone).collect()
}

fn object(camera: &CameraConfig, thing: &ThingView) -> Value {
    let stands_in = |zone: &&crate::config::ZoneConfig| zone.polygon.0.contains(thing.bbox.bottom_center());
    json!({
        "class": thing.class, "is_static": thing.is_static, "bbox": left_top_size(&thing.bbox),
        "standing_secs": tenths(thing.standing.as_secs_f64()), "zone": camera.zones.iter().find(stands_in).map(|zone| &zone.id),
    })
}

fn cases(camera: &CameraConfig, scene: &Scene) -> Vec<Value> {
    let of_rule = |view: &RuleView| {
        let config = camera.rules.iter().find(|rule| rule.id == view.rule);
        view.cases
            .iter()
            .map(|case| config.map_or(Value::Null, |config| of_case(config, view, case)))
            .collect::<Vec<_>>()
    };
    scene.view.rules.iter().flat_map(of_rule).filter(|case| !case.is_null()).collect()
}

fn of_case(config: &RuleConfig, rule: &RuleView, case: &CaseView) -> Value {
    let phase = match case.stage {
        CaseStage::Pending => "pending",
        CaseStage::Muted { .. } => "muted",
        CaseStage::Open { .. } => "open",
        CaseStage::Clearing { .. } => "clearing",
        CaseStage::Stale { .. } => "stale",
        CaseStage::Dismissed { .. } => "dismissed",
    };
    json!({
        "rule": config.id, "kind": config.kind, "matter": matter(config.kind).name, "dwell_secs": case.dwell.as_secs_f64(),
        "phase": phase, "zone": case.zone, "observed_secs": tenths(case.presence.as_secs_f64()),
        "bbox": left_top_size(&case.bbox), "why": rule.why(case),
    })
}

/// A box as the page has it: left, top, width, height.
pub(super) fn left_top_size(bbox: &BBox) -> [f64; 4] {
    [bbox.left(), bbox.top(), bbox.width(), bbox.height()].map(share)
}

/// A share of the frame as it was written: a single-precision 0.1 is not told as 0.10000000149.
fn share(share: f32) -> f64 {
    (f64::from(share) * 1e6).round() / 1e6
}

fn tenths(secs: f64) -> f64 {
    (secs * 10.0).round() / 10.0
}
