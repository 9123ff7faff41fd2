//! A model loaded and every rule resolved against its classes.

use super::region::parts;
use crate::camera::{ClassTable, Engine, EngineRule};
use crate::clock::Clocks;
use crate::config::{CameraConfig, ClassGroups, Config, IdlePace, ModelConfig, bears_plate, is_person};
use crate::detect::manifest::Manifest;
use crate::detect::{
    Arrangement, DetectError, Detector, Model, ProviderInUse, Runtime, RuntimeError, SessionOptions, arrange,
};
use crate::evidence::SensitiveKind;
use crate::geometry::{BBox, Polygon};
use crate::ids::{IdSource, Name};
use crate::incident::{Incident, Limits};
use crate::install;
use crate::scene::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Why analysis cannot begin; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// ONNX Runtime is missing or broken.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No manifest of that name.
    #[error(transparent)]
    Manifest(#[from] install::FindManifestError),
    /// The model file is missing.
    #[error(transparent)]
    Model(#[from] install::NotFound),
    /// The model is refused.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The model shows no people.
    #[error(
        "failed to accept the model {model}: it has no class that shows people, so that nobody could be redacted in pictures"
    )]
    NoPeople {
        /// Name of the model.
        model: String,
    },
    /// A rule speaks of a class that the model lacks.
    #[error("failed to resolve the classes of rule {rule} of camera {camera}")]
    Classes {
        /// The camera.
        camera: Name,
        /// The rule.
        rule: Name,
        /// Which class.
        source: crate::config::ClassError,
    },
}

/// A loaded model with a detector per runner, and the classes as the rules need them.
pub struct Prepared {
    manifest: Manifest,
    provider: ProviderInUse,
    arrangement: Arrangement,
    detectors: Vec<Detector>,
    classes: Arc<ClassTable>,
    pub(super) sensitive: Arc<BTreeMap<u16, SensitiveKind>>,
    rules: Vec<Vec<EngineRule>>,
    views: Vec<View>,
    /// Of each camera, the parts of its frames that are inferred; none for all of them.
    parts: Vec<Vec<BBox>>,
}

/// What is watched of a camera's picture, and how closely.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Its zones.
    pub(super) zones: Vec<Polygon>,
    /// Whether the camera decodes key frames only while it is idle.
    pub(super) idles_at_key_frames: bool,
    /// See [`AnalysisConfig::max_idle_secs`](crate::config::AnalysisConfig).
    pub(super) max_idle: Duration,
}

impl Prepared {
    /// Finds and loads the configured model, finds out how it is best run if the configuration leaves that open, and resolves every
    /// rule.
    pub fn try_new(config: &Config, clocks: &dyn Clocks) -> Result<Self, PrepareError> {
        let runtime = Runtime::load()?;
        let mut manifest = install::manifest(&config.model.manifest)?;
        if let Some(confidence) = config.model.min_confidence {
            manifest.thresholds.confidence = confidence;
        }
        let path = install::model_file(&manifest)?;
        let (model, arrangement) = load(&config.model, &runtime, &manifest, &path, clocks)?;
        let detectors = (0..arrangement.runners).map(|_| model.detector()).collect::<Result<Vec<_>, _>>()?;
        // Loading fills in what the manifest leaves to the model.
        let manifest = model.manifest().clone();
        let groups = ClassGroups::new(&config.classes);
        let sensitive = sensitive_classes(&manifest.classes);
        let of_kind = |kind| sensitive.iter().filter(move |(_, of)| **of == kind).map(|(class, _)| *class);
        let people: Vec<u16> = of_kind(SensitiveKind::Person).collect();
        if people.is_empty() {
            return Err(PrepareError::NoPeople { model: manifest.name });
        }
        let vehicles = groups.resolve(&["vehicle"], &manifest.classes).unwrap_or_default();
        let rules = config
            .cameras
            .iter()
            .map(|camera| engine_rules(camera, &groups, &manifest.classes, &people))
            .collect::<Result<_, _>>()?;
        let classes = Arc::new(ClassTable {
            association: association(&manifest.classes, &[&people, &vehicles]),
            start_confidence: manifest.thresholds.confidence,
            names: manifest.classes.clone(),
        });
        let views: Vec<View> = config.cameras.iter().map(view).collect();
        let parts = views.iter().zip(&config.cameras).map(|(view, camera)| parts(camera.analysis.region, &view.zones));
        let parts = parts.collect();
        let provider = model.provider().clone();
        Ok(Self {
            manifest,
            provider,
            arrangement,
            detectors,
            classes,
            sensitive: Arc::new(sensitive),
            rules,
            views,
            parts,
        })
    }

    /// The manifest of the model.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// On what the model runs.
    #[must_use]
    pub fn provider(&self) -> &ProviderInUse {
        &self.provider
    }

    /// How the model is run.
    #[must_use]
    pub fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    /// The detectors, one per runner; empty afterwards.
    pub fn take_detectors(&mut self) -> Vec<Detector> {
        std::mem::take(&mut self.detectors)
    }

    /// Cameras, watched or not.
    pub(super) fn cameras(&self) -> usize {
        self.rules.len()
    }

    /// What is watched of a camera's picture.
    pub(super) fn view(&self, camera: usize) -> &View {
        &self.views[camera]
    }

    /// The parts of a camera's frames that are inferred, as [`Detector::detect_in`] takes them; none for the whole.
    pub(super) fn parts(&self, camera: usize) -> &[BBox] {
        &self.parts[camera]
    }

    /// The engine of a camera, with the incidents that the store holds open; those whose rule is gone are returned.
    #[must_use]
    pub fn engine(&self, camera: usize, open: Vec<Incident>, ids: IdSource) -> (Engine, Vec<Incident>) {
        Engine::new(Arc::clone(&self.classes), self.rules[camera].clone(), open, ids)
    }
}

/// Loads the model as it is to be run.
fn load(
    config: &ModelConfig,
    runtime: &Runtime,
    manifest: &Manifest,
    path: &Path,
    clocks: &dyn Clocks,
) -> Result<(Model, Arrangement), DetectError> {
    if config.runners == 0 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        return arrange(runtime, manifest, path, &config.providers, cores, clocks);
    }
    let arrangement = Arrangement { runners: usize::from(config.runners), threads: usize::from(config.threads) };
    let options = SessionOptions { providers: config.providers.clone(), threads: arrangement.threads };
    Ok((Model::open(runtime, manifest, path, &options)?, arrangement))
}

/// What must be redacted of each class, by the class's own name: no configuration takes a class out.
pub(crate) fn sensitive_classes(classes: &[String]) -> BTreeMap<u16, SensitiveKind> {
    let kind_of = |class: &str| {
        if is_person(class) {
            Some(SensitiveKind::Person)
        } else {
            bears_plate(class).then_some(SensitiveKind::Vehicle)
        }
    };
    (0u16..).zip(classes).filter_map(|(index, class)| Some((index, kind_of(class)?))).collect()
}

/// Classes that share a group share its lowest index; every other class is a group of its own.
fn association(classes: &[String], groups: &[&Vec<u16>]) -> Vec<u16> {
    let group_of = |class: u16| groups.iter().find(|group| group.contains(&class)).map_or(class, |group| group[0]);
    (0..classes.len() as u16).map(group_of).collect()
}

fn view(camera: &CameraConfig) -> View {
    View {
        zones: camera.zones.iter().map(|zone| zone.polygon.0.clone()).collect(),
        idles_at_key_frames: camera.analysis.idle == IdlePace::KeyFrames,
        max_idle: Duration::from_secs_f64(camera.analysis.max_idle_secs),
    }
}

fn engine_rules(
    camera: &CameraConfig,
    groups: &ClassGroups,
    classes: &[String],
    people: &[u16],
) -> Result<Vec<EngineRule>, PrepareError> {
    let rule_of = |rule: &crate::config::RuleConfig| {
        let own = rule.classes.as_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        let names = own.unwrap_or_else(|| rule.kind.default_classes().to_vec());
        let resolved = groups.resolve(&names, classes).map_err(|source| PrepareError::Classes {
            camera: camera.id.clone(),
            rule: rule.id.clone(),
            source,
        })?;
        let zones = camera.zones.iter().filter(|zone| rule.zones.contains(&zone.id));
        let needs_attendant = rule.kind.needs_attendant();
        Ok(EngineRule {
            id: rule.id.clone(),
            watch: Watch {
                zones: zones.map(|zone| (zone.id.clone(), zone.polygon.0.clone())).collect(),
                classes: resolved.into_iter().collect::<BTreeSet<_>>(),
                person_classes: people.iter().copied().collect(),
                min_area: rule.min_area,
                is_composite: needs_attendant,
            },
            limits: Limits {
                dwell: Duration::from_secs_f64(rule.dwell_secs.unwrap_or_else(|| rule.kind.default_dwell_secs())),
                gap: Duration::from_secs_f64(rule.gap_secs),
                clear: Duration::from_secs_f64(rule.clear_secs),
                needs_attendant,
            },
        })
    };
    camera.rules.iter().map(rule_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_whatever_bears_a_plate_are_redacted_whatever_the_model_calls_them() {
        let classes = ["pedestrian", "motorcycle", "bicycle", "truck", "umbrella", "Person"].map(str::to_owned);
        let (person, vehicle) = (SensitiveKind::Person, SensitiveKind::Vehicle);
        assert_eq!(sensitive_classes(&classes), [(0, person), (1, vehicle), (3, vehicle), (5, person)].into());
    }
}
