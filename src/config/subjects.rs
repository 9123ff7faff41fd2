//! What rules are about: classes and groups against the model, persons, and the times of a rule.

use super::RuleKind;
use super::classes::{ClassError, ClassGroups, is_person};
use super::document::{Document, join, quoted};
use super::meaning::{elements, typed};
use super::report::{Draft, Report, suggestion};
use serde_json::Value;

/// Class names that a message lists at most; COCO has 80.
const MAX_LISTED: usize = 100;

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
        subjects
    }

    fn check_groups(&self, document: &Document, report: &mut Report) {
        let Some(model) = self.model else { return };
        for name in document.get("/classes").and_then(Value::as_object).into_iter().flat_map(|groups| groups.keys()) {
            for pointer in elements(document, &join("/classes", name)) {
                let Some(class) = document.get(&pointer).and_then(Value::as_str) else { continue };
                if !model.iter().any(|known| known == class) {
                    let draft =
                        Draft::at_value(pointer, format!("is {}, which is not a class of the model", quoted(class)));
                    let help = suggestion(class, model.iter().map(String::as_str));
                    report.error(draft.allowed(listed(model.iter().map(String::as_str))).help(help));
                }
            }
        }
    }

    /// Checks what one rule watches for, and how long.
    pub fn check_rule(&self, document: &Document, rule: &str, report: &mut Report) {
        let kind: Option<RuleKind> = typed(document, &join(rule, "kind"));
        let classes = join(rule, "classes");
        if document.get(&classes).is_some() {
            for class in elements(document, &classes) {
                self.check_class(document, &class, report);
            }
        } else if let Some(kind) = kind {
            self.check_kind(kind, rule, report);
        }
        if let Some(kind) = kind {
            self.check_attendant(kind, rule, report);
            check_times(document, kind, rule, report);
        }
    }

    fn check_class(&self, document: &Document, pointer: &str, report: &mut Report) {
        let Some(name) = document.get(pointer).and_then(Value::as_str) else { return };
        if self.groups.expand(name).into_iter().any(is_person) {
            let problem = format!(
                "is {}: a person is context (someone attends a stall), never what a rule reports",
                quoted(name)
            );
            report.error(Draft::at_value(pointer, problem).allowed("classes and groups of things"));
            return;
        }
        let Some(model) = self.model else { return };
        match self.groups.resolve(&[name], model) {
            Ok(_) => {}
            Err(ClassError::Unknown(_)) => {
                let draft =
                    Draft::at_value(pointer, format!("is {}, neither a group nor a class of the model", quoted(name)));
                let things =
                    || self.groups.names().chain(model.iter().map(String::as_str)).filter(|name| !is_person(name));
                report.error(draft.allowed(listed(things())).help(suggestion(name, things())));
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

    /// The kind's own groups must mean something to the model.
    fn check_kind(&self, kind: RuleKind, rule: &str, report: &mut Report) {
        let Some(model) = self.model else { return };
        for &group in kind.default_classes() {
            if self.groups.expand(group).into_iter().any(is_person) {
                let problem = format!("watches the group {group}, in which `classes` puts a person");
                report.error(Draft::at_value(join(rule, "kind"), problem).allowed("groups of things"));
            } else if let Err(error) = self.groups.resolve(&[group], model) {
                let help = format!(
                    "give the rule `classes`, or define the group {group}, from: {}",
                    listed(model.iter().map(String::as_str))
                );
                let draft = Draft::at_value(join(rule, "kind"), format!("is {}, and {error}", quoted(kind.as_str())));
                report.error(draft.help(Some(help)));
            }
        }
    }

    fn check_attendant(&self, kind: RuleKind, rule: &str, report: &mut Report) {
        let Some(model) = self.model else { return };
        if kind.needs_attendant() && self.groups.resolve(&["person"], model).is_err() {
            let problem = format!(
                "is {}, which needs someone near by, and the model has no class of the group person",
                quoted(kind.as_str())
            );
            report.error(
                Draft::at_value(join(rule, "kind"), problem).help(Some("use a model that sees persons".to_owned())),
            );
        }
    }
}

fn check_times(document: &Document, kind: RuleKind, rule: &str, report: &mut Report) {
    let number = |key: &str| document.get(&join(rule, key)).and_then(Value::as_f64);
    let dwell = number("dwell_secs").unwrap_or(kind.default_dwell_secs());
    if let Some(gap) = number("gap_secs").filter(|&gap| gap > dwell) {
        let problem =
            format!("is {gap}, longer than the dwell of {dwell} s: what is out of sight counts as still there");
        report.warning(Draft::at_value(join(rule, "gap_secs"), problem));
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().checked_sub(MAX_LISTED) {
        Some(more @ 1..) => format!("{} and {more} more", names[..MAX_LISTED].join(", ")),
        Some(0) | None => names.join(", "),
    }
}
