//! A model loaded and every rule resolved against its classes.

use super::region::parts;
use super::rolling::PeopleFinder;
use crate::camera::{ClassTable, Engine, EngineRule};
use crate::clock::Clocks;
use crate::config::{
    CameraConfig, ClassError, ClassGroups, Config, EscalationConfig, IdlePace, ModelConfig, NearConfig, RuleConfig,
    STATIC_CLASS, ThresholdConfig, bears_plate, hangs, is_head, is_person, provider_options,
};
use crate::detect::manifest::Manifest;
use crate::detect::{
    Arrangement, DetectError, Detector, Model, ProviderInUse, Runtime, RuntimeError, SessionOptions, arrange,
};
use crate::evidence::SensitiveKind;
use crate::geometry::{BBox, Polygon};
use crate::ids::{IdSource, Name};
use crate::incident::{Incident, Memory, Terms};
use crate::install;
use crate::scene::{Near, Watch};
use crate::schedule::{Calendar, Schedule};
use crate::track::{ByLight, StartConfidence};
use std::collections::BTreeMap;
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
        source: ClassError,
    },
    /// A threshold is of a class that the model lacks.
    #[error("failed to resolve the classes of model.thresholds")]
    Thresholds(#[source] ClassError),
    /// The time zone is not known.
    #[error("failed to find the time zone")]
    TimeZone(#[from] jiff::Error),
}

/// A loaded model with a detector per runner, and the classes as the rules need them.
pub struct Prepared {
    manifest: Manifest,
    provider: ProviderInUse,
    arrangement: Arrangement,
    detectors: Vec<Detector>,
    /// One more, for the frames of clips.
    spare: Option<Detector>,
    pub(super) classes: Arc<ClassTable>,
    pub(super) sensitive: Arc<BTreeMap<u16, SensitiveKind>>,
    /// Classes of people.
    people: Vec<u16>,
    /// Of each camera.
    plans: Vec<Plan>,
}

/// A camera with every reference resolved against the model.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) rules: Vec<EngineRule>,
    pub(super) view: View,
    /// The parts of its frames that are inferred, as [`Detector::detect_in`] takes them; none for the whole.
    pub(super) parts: Vec<BBox>,
}

/// What is watched of a camera's picture, and how closely.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// Its zones.
    pub(super) zones: Vec<Polygon>,
    /// Whether the camera decodes key frames only while it is idle.
    pub(super) idles_at_key_frames: bool,
    /// See [`AnalysisConfig::max_idle_secs`](crate::config::AnalysisConfig).
    pub(super) max_idle: Duration,
}

/// A model that is ready to run.
pub(super) struct LoadedModel {
    pub(super) manifest: Manifest,
    pub(super) provider: ProviderInUse,
    pub(super) arrangement: Arrangement,
    pub(super) detectors: Vec<Detector>,
    pub(super) spare: Option<Detector>,
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
        let spare = config.clips().map(|_| model.detector()).transpose()?;
        // Loading fills in what the manifest leaves to the model.
        let manifest = model.manifest().clone();
        let provider = model.provider().clone();
        Self::resolve(config, LoadedModel { manifest, provider, arrangement, detectors, spare })
    }

    /// Resolves every rule against the classes of a model.
    pub(super) fn resolve(config: &Config, model: LoadedModel) -> Result<Self, PrepareError> {
        let LoadedModel { manifest, provider, arrangement, detectors, spare } = model;
        let groups = ClassGroups::new(&config.classes);
        let sensitive = sensitive_classes(&manifest.classes);
        let people: Vec<u16> =
            sensitive.iter().filter(|(_, kind)| kind.is_of_person()).map(|(class, _)| *class).collect();
        if people.is_empty() {
            return Err(PrepareError::NoPeople { model: manifest.name });
        }
        let vehicles = groups.resolve(&["vehicle"], &manifest.classes).unwrap_or_default();
        let two_wheelers = groups.resolve(&["two_wheeler"], &manifest.classes).unwrap_or_default();
        let names: Vec<String> = manifest.classes.iter().cloned().chain([STATIC_CLASS.to_owned()]).collect();
        let classes = Arc::new(ClassTable {
            association: association(&names, &[&people, &vehicles, &two_wheelers]),
            start_confidence: start_confidence(&config.model, &manifest, &groups).map_err(PrepareError::Thresholds)?,
            names,
        });
        let (sensitive, plans) = (Arc::new(sensitive), Vec::new());
        let mut prepared =
            Self { manifest, provider, arrangement, detectors, spare, classes, sensitive, people, plans };
        prepared.plans = config.cameras.iter().map(|camera| prepared.plan(config, camera)).collect::<Result<_, _>>()?;
        Ok(prepared)
    }

    /// Resolves a camera of a configuration whose sections `model` and `classes` are those with which this was prepared.
    pub(super) fn plan(&self, config: &Config, camera: &CameraConfig) -> Result<Plan, PrepareError> {
        let groups = ClassGroups::new(&config.classes);
        let calendar = Arc::new(config.agent.calendar()?);
        let resolver = Resolver { groups: &groups, classes: &self.manifest.classes, people: &self.people, calendar };
        let (rules, view) = (resolver.rules(camera)?, view(camera));
        let parts = parts(camera.analysis.region, &view.zones);
        Ok(Plan { rules, view, parts })
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

    /// Looks for people in the frames of clips; none where there are no clips, and none the second time.
    pub fn take_people_finder(&mut self) -> Option<PeopleFinder> {
        let sensitive = Arc::clone(&self.sensitive);
        self.spare.take().map(|detector| PeopleFinder { detector, sensitive })
    }

    /// What each camera is to do, by index; empty afterwards.
    pub(super) fn take_plans(&mut self) -> Vec<Plan> {
        std::mem::take(&mut self.plans)
    }

    /// The engine of a camera, with what is remembered; open incidents whose rule is gone are returned.
    pub(super) fn engine(&self, plan: &Plan, memory: Memory, ids: IdSource) -> (Engine, Vec<Incident>) {
        Engine::new(&self.classes, plan.rules.clone(), memory, ids)
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
    let (runners, threads) = (usize::from(config.runners), usize::from(config.threads));
    let provider_options = provider_options::by_provider(&config.provider_options);
    let options = SessionOptions { providers: config.providers.clone(), provider_options, threads };
    if runners == 0 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        return arrange(runtime, manifest, path, &options, cores, clocks);
    }
    Ok((Model::open(runtime, manifest, path, &options)?, Arrangement { runners, threads }))
}

/// What the configuration wants of each class, and of the others; the manifest's confidence where it is silent.
fn start_confidence(
    config: &ModelConfig,
    manifest: &Manifest,
    groups: &ClassGroups,
) -> Result<StartConfidence, ClassError> {
    let day = config.min_confidence.unwrap_or(manifest.thresholds.confidence);
    let general = ByLight { day, night: config.min_confidence_night.unwrap_or(day) };
    let of_class = groups.thresholds(&config.thresholds, &manifest.classes)?;
    let by_light = |own: ThresholdConfig| ByLight { day: own.day, night: own.night.unwrap_or(own.day) };
    Ok(StartConfidence::new(general, of_class.into_iter().map(|(class, own)| (class, by_light(own))).collect()))
}

/// What must be redacted of each class, by the class's own name: no configuration takes a class out.
pub(crate) fn sensitive_classes(classes: &[String]) -> BTreeMap<u16, SensitiveKind> {
    let kind_of = |class: &str| {
        if is_head(class) {
            Some(SensitiveKind::Head)
        } else if is_person(class) {
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

/// What the rules of every camera are resolved against.
struct Resolver<'a> {
    groups: &'a ClassGroups,
    classes: &'a [String],
    people: &'a [u16],
    calendar: Arc<Calendar>,
}

impl Resolver<'_> {
    fn rules(&self, camera: &CameraConfig) -> Result<Vec<EngineRule>, PrepareError> {
        let resolved = |rule: &RuleConfig| {
            self.rule(camera, rule).map_err(|source| PrepareError::Classes {
                camera: camera.id.clone(),
                rule: rule.id.clone(),
                source,
            })
        };
        camera.rules.iter().map(resolved).collect()
    }

    fn rule(&self, camera: &CameraConfig, rule: &RuleConfig) -> Result<EngineRule, ClassError> {
        let classes = self.groups.of_rule(rule, self.classes)?;
        let is_composite = rule.kind.defaults().is_composite;
        let near = |near: &NearConfig| -> Result<Near, ClassError> {
            let classes = self.groups.resolve(&near.classes, self.classes)?.into_iter().collect();
            Ok(Near { classes, within: near.within })
        };
        let polygons = |names: &[Name]| -> Vec<(Name, Polygon)> {
            let named = camera.zones.iter().filter(|zone| names.contains(&zone.id));
            named.map(|zone| (zone.id.clone(), zone.polygon.0.clone())).collect()
        };
        let step = |step: &EscalationConfig| (Duration::from_secs_f64(step.after_secs), step.to);
        let terms = Terms {
            dwell: rule.dwell(),
            gap: rule.gap(),
            clear: rule.clear(),
            merge: rule.merge(),
            stays_within: rule.stays_within(),
            is_group: rule.min_count > 1,
            mixes_classes: is_composite || classes.contains(&static_class(self.classes)),
            schedule: Schedule::new(Arc::clone(&self.calendar), rule.permitted.clone(), rule.only.clone()),
            severity: rule.base_severity(),
            escalate: rule.escalate.iter().map(step).collect(),
        };
        let watch = Watch {
            zones: polygons(&rule.zones),
            except: polygons(&rule.except_zones).into_iter().map(|(_, polygon)| polygon).collect(),
            classes: classes.into_iter().collect(),
            person_classes: self.people.iter().copied().collect(),
            hanging_classes: (0..).zip(self.classes).filter(|(_, name)| hangs(name)).map(|(class, _)| class).collect(),
            min_area: rule.min_area,
            is_composite,
            attended: rule.attendance(),
            near: rule.near.as_ref().map(near).transpose()?,
            min_count: usize::from(rule.min_count),
        };
        Ok(EngineRule { id: rule.id.clone(), watch, terms })
    }
}

/// Index of [`STATIC_CLASS`]: it comes after the model's own classes.
fn static_class(classes: &[String]) -> u16 {
    classes.len() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_whatever_bears_a_plate_are_redacted_whatever_the_model_calls_them() {
        let classes = ["pedestrian", "motorcycle", "bicycle", "truck", "umbrella", "Person", "face"].map(str::to_owned);
        let (person, head, vehicle) = (SensitiveKind::Person, SensitiveKind::Head, SensitiveKind::Vehicle);
        let expected = [(0, person), (1, vehicle), (3, vehicle), (5, person), (6, head)];
        assert_eq!(sensitive_classes(&classes), expected.into());
    }
}
