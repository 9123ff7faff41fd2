//! What rules are about: classes and groups against the model, and persons.

use super::RuleKind;
use super::classes::{ClassError, ClassGroups, STATIC_CLASS, is_person};
use super::document::{Document, join, quoted};
use super::meaning::{elements, typed};
use super::report::{Draft, Report, suggestion};
use crate::scene::Attended;
use serde_json::Value;
use std::collections::BTreeMap;

/// Class names that a message lists at most; COCO has 80.
const MAX_LISTED: usize = 100;

/// Where the thresholds of classes and groups stand.
const THRESHOLDS: &str = "/model/thresholds";

/// The model's classes and the groups over them.
pub(super) struct Subjects<'a> {
    groups: ClassGroups,
    /// None if they are not known; then only what holds for every model is checked.
    model: Option<&'a [String]>,
}

impl<'a> Subjects<'a> {
    /// Reads the site's groups and checks them.
    pub fn new(document: &Document, classes: Result<&'a [String], &String>, report: &mut Report) -> Self {
        if let Err(why) = classes {
            report.warning(Draft::at_value(
                "/model",
                format!("gives no list of classes, so classes were not checked: {why}"),
            ));
        }
        let own = document.get("/classes").and_then(Value::as_object);
        let names =
            |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let own = own.into_iter().flatten().map(|(name, list)| (name.clone(), names(list)));
        let subjects = Self { groups: ClassGroups::from_pairs(own), model: classes.ok() };
        subjects.check_groups(document, report);
        subjects.check_thresholds(document, report);
        subjects
    }

    fn check_groups(&self, document: &Document, report: &mut Report) {
        let Some(model) = self.model else { return };
        if model.iter().any(|class| class == STATIC_CLASS) {
            let problem = format!("has a class {STATIC_CLASS}, a name that stands for whatever was put down and stays");
            report.error(Draft::at_value("/model/manifest", problem).allowed("models that call no class so"));
        }
        for name in document.get("/classes").and_then(Value::as_object).into_iter().flat_map(|groups| groups.keys()) {
            for pointer in elements(document, &join("/classes", name)) {
                let Some(class) = document.get(&pointer).and_then(Value::as_str) else { continue };
                if class != STATIC_CLASS && !model.iter().any(|known| known == class) {
                    let draft =
                        Draft::at_value(pointer, format!("is {}, which is not a class of the model", quoted(class)));
                    let help = suggestion(class, model.iter().map(String::as_str));
                    report.error(draft.allowed(listed(model.iter().map(String::as_str))).help(help));
                }
            }
        }
    }

    /// A threshold is of a class or group of the model, and no class has those of two groups.
    fn check_thresholds(&self, document: &Document, report: &mut Report) {
        let Some(model) = self.model else { return };
        let mut group_by_class: BTreeMap<&str, &String> = BTreeMap::new();
        for name in document.get(THRESHOLDS).and_then(Value::as_object).into_iter().flat_map(|names| names.keys()) {
            let pointer = join(THRESHOLDS, name);
            let classes = self.groups.expand(name);
            if !model.iter().any(|class| classes.contains(&class.as_str())) {
                let draft = Draft::at_key(pointer, "is neither a class of the model nor a group of which it has one");
                let known = || self.known(model).filter(|name| *name != STATIC_CLASS);
                report.error(draft.allowed(listed(known())).help(suggestion(name, known())));
                continue;
            }
            for class in classes.into_iter().filter(|class| document.get(&join(THRESHOLDS, class)).is_none()) {
                if let Some(other) = group_by_class.insert(class, name) {
                    let problem = format!("and {other} both hold {class}: it cannot have two thresholds");
                    let draft = Draft::at_key(pointer.clone(), problem);
                    report.error(draft.related_key(join(THRESHOLDS, other), "first given"));
                }
            }
        }
    }

    /// Checks what one rule watches for, and what must be with it.
    pub fn check_rule(&self, document: &Document, rule: &str, report: &mut Report) {
        let kind: Option<RuleKind> = typed(document, &join(rule, "kind"));
        let classes = join(rule, "classes");
        if document.get(&classes).is_some() {
            for class in elements(document, &classes) {
                self.check_thing(document, &class, report);
            }
        } else if let Some(kind) = kind {
            self.check_kind(kind, rule, report);
        }
        for class in elements(document, &join(&join(rule, "near"), "classes")) {
            self.check_known(document, &class, |_| true, report);
        }
        self.check_attendant(document, rule, kind, report);
    }

    fn check_thing(&self, document: &Document, pointer: &str, report: &mut Report) {
        let Some(name) = document.get(pointer).and_then(Value::as_str) else { return };
        if self.groups.expand(name).into_iter().any(is_person) {
            let problem = format!(
                "is {}: a person is context (someone attends a stall), never what a rule reports",
                quoted(name)
            );
            report.error(Draft::at_value(pointer, problem).allowed("classes and groups of things"));
            return;
        }
        self.check_known(document, pointer, |name| !is_person(name), report);
    }

    /// A name must be a group or a class of the model; those are proposed that `fit`.
    fn check_known(&self, document: &Document, pointer: &str, fits: impl Fn(&str) -> bool, report: &mut Report) {
        let (Some(name), Some(model)) = (document.get(pointer).and_then(Value::as_str), self.model) else { return };
        match self.groups.resolve(&[name], model) {
            Ok(_) => {}
            Err(ClassError::Unknown(_)) => {
                let draft =
                    Draft::at_value(pointer, format!("is {}, neither a group nor a class of the model", quoted(name)));
                let known = || self.known(model).filter(|name| fits(name));
                report.error(draft.allowed(listed(known())).help(suggestion(name, known())));
            }
            Err(ClassError::EmptyGroup { classes, .. }) => {
                let draft = Draft::at_value(
                    pointer,
                    format!("is {}, a group of which the model has no class ({})", quoted(name), classes.join(", ")),
                );
                report.error(draft.allowed(listed(model.iter().map(String::as_str))));
            }
        }
    }

    /// The groups of which the model has a class, [`STATIC_CLASS`], and the model's classes.
    fn known<'s>(&'s self, model: &'s [String]) -> impl Iterator<Item = &'s str> {
        let groups = self.groups.names().filter(|group| self.groups.resolve(&[group], model).is_ok());
        groups.chain([STATIC_CLASS]).chain(model.iter().map(String::as_str))
    }

    /// The model must have one of the kind's own groups, and none of them may be a person.
    fn check_kind(&self, kind: RuleKind, rule: &str, report: &mut Report) {
        let groups = kind.defaults().classes;
        let pointer = join(rule, "kind");
        if let Some(group) = groups.iter().find(|group| self.groups.expand(group).into_iter().any(is_person)) {
            let problem = format!("watches the group {group}, in which `classes` puts a person");
            report.error(Draft::at_value(pointer, problem).allowed("groups of things"));
            return;
        }
        let Some(model) = self.model else { return };
        let errors: Vec<ClassError> =
            groups.iter().filter_map(|group| self.groups.resolve(&[group], model).err()).collect();
        if let (Some(error), true) = (errors.first(), errors.len() == groups.len()) {
            let help = format!(
                "give the rule `classes` (`{STATIC_CLASS}` for whatever was put down and stays), or define the group {}, from: {}",
                groups.join(" or "),
                listed(model.iter().map(String::as_str))
            );
            let draft = Draft::at_value(pointer, format!("is {}, and {error}", quoted(kind.as_str())));
            report.error(draft.help(Some(help)));
        }
    }

    /// Who must be with the thing must be someone whom the model sees.
    fn check_attendant(&self, document: &Document, rule: &str, kind: Option<RuleKind>, report: &mut Report) {
        let Some(model) = self.model else { return };
        let own: Option<Attended> = typed(document, &join(rule, "attended"));
        let (key, attended) = match (own, kind) {
            (Some(own), _) => ("attended", own),
            (None, Some(kind)) => ("kind", kind.defaults().attended),
            (None, None) => return,
        };
        if attended == Attended::Any || model.iter().any(|class| is_person(class)) {
            return;
        }
        let value = document.get(&join(rule, key)).and_then(Value::as_str).unwrap_or_default();
        let problem =
            format!("is {}, which needs to know who is near by, and the model sees no persons", quoted(value));
        let help = Some("use a model that sees persons, or say `attended: any`".to_owned());
        report.error(Draft::at_value(join(rule, key), problem).help(help));
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().checked_sub(MAX_LISTED) {
        Some(more @ 1..) => format!("{} and {more} more", names[..MAX_LISTED].join(", ")),
        Some(0) | None => names.join(", "),
    }
}
