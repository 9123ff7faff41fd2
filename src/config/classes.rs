//! Groups of a model's classes under names that rules use: `stall`, `vehicle`, `person` and the site's own.

use super::{RuleConfig, ThresholdConfig};
use crate::ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Built-in groups. Each lists more names than one model has, in COCO's, darknet's and common custom spellings; a group
/// means those that the model at hand has.
///
/// A street stall shows itself to a COCO detector as its parasol or its table. Chairs, benches, bags and suitcases stand on
/// pavements for too many other reasons.
pub(super) const BUILT_IN: [(&str, &[&str]); 14] = [
    ("stall", &["stall", "cart", "umbrella", "dining table", "diningtable"]),
    ("vehicle", &["vehicle", "car", "van", "bus", "truck"]),
    // A COCO detector sees an e-bike as a motorcycle.
    ("two_wheeler", &["bicycle", "bike", "e-bike", "ebike", "motorcycle", "motorbike", "scooter", "moped"]),
    ("waste", &["waste", "garbage", "trash", "rubbish", "litter", "garbage bag", "trash bag", "garbage_bag"]),
    ("debris", &["debris", "rubble", "construction waste", "construction_waste", "muck"]),
    ("full_bin", &["overflowing bin", "overflowing_bin", "full bin", "full_bin", "bin_overflow"]),
    ("fire", &["fire", "flame", "smoke"]),
    ("grill", &["grill", "barbecue", "bbq"]),
    ("laundry", &["laundry", "clothesline", "hanging clothes", "hanging_clothes"]),
    ("road_works", &["traffic cone", "traffic_cone", "cone", "barrier", "barricade", "fence", "excavator"]),
    ("snow", &["snow", "ice"]),
    ("standing_water", &["standing water", "standing_water", "puddle", "waterlogging"]),
    ("loose_cable", &["loose cable", "loose_cable", "fallen cable", "fallen_cable"]),
    ("person", &["person"]),
];

/// Whatever was put down and stays, of any class or none: not a class of a model.
pub const STATIC_CLASS: &str = "static";

/// Classes that show a whole person. They are context (someone attends a stall), never the subject of a rule.
const PERSON_CLASSES: [&str; 10] =
    ["person", "people", "pedestrian", "man", "woman", "boy", "girl", "child", "rider", "cyclist"];

/// Classes that show a person's head or face alone. They are people too.
const HEAD_CLASSES: [&str; 4] = ["face", "head", "human face", "human head"];

/// Classes that bear a number plate. A table of its own: what is hidden in pictures does not depend on what a site's rules call
/// a vehicle.
const PLATED_CLASSES: [&str; 16] = [
    "vehicle",
    "car",
    "van",
    "minivan",
    "bus",
    "truck",
    "lorry",
    "pickup",
    "taxi",
    "motorcycle",
    "motorbike",
    "scooter",
    "moped",
    "tricycle",
    "trailer",
    "tractor",
];

/// Classes, beside people and what bears a plate, that come and go by themselves or with a rider.
const MOVING_CLASSES: [&str; 12] =
    ["bicycle", "bike", "train", "tram", "boat", "bird", "cat", "dog", "horse", "sheep", "cow", "stroller"];

/// Classes of what hangs over a thing: roofs of stalls.
const HANGING_CLASSES: [&str; 4] = ["umbrella", "parasol", "canopy", "awning"];

/// Whether a class shows something that moves by itself or with whoever it carries: where one is, nothing was put down.
#[must_use]
pub fn moves_by_itself(class: &str) -> bool {
    is_person(class) || bears_plate(class) || MOVING_CLASSES.contains(&class.to_lowercase().as_str())
}

/// Whether a class shows something that hangs over a thing: its lower edge is not where the thing stands.
#[must_use]
pub fn hangs(class: &str) -> bool {
    HANGING_CLASSES.contains(&class.to_lowercase().as_str())
}

/// Whether a class shows something that bears a number plate.
#[must_use]
pub fn bears_plate(class: &str) -> bool {
    PLATED_CLASSES.contains(&class.to_lowercase().as_str())
}

/// Whether a class shows a person or a part of one.
#[must_use]
pub fn is_person(class: &str) -> bool {
    PERSON_CLASSES.contains(&class.to_lowercase().as_str()) || is_head(class)
}

/// Whether a class shows a person's head or face alone.
#[must_use]
pub fn is_head(class: &str) -> bool {
    HEAD_CLASSES.contains(&class.to_lowercase().as_str())
}

/// Groups by name: the built-in ones, and the site's, which replace a built-in one of the same name.
#[derive(Debug, Clone)]
pub struct ClassGroups(BTreeMap<String, Vec<String>>);

/// Names of classes or groups that mean nothing to the model.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ClassError {
    /// Neither a group nor a class of the model.
    #[error("\"{0}\" is neither a group nor a class of the model")]
    Unknown(String),
    /// A group of which the model has no class.
    #[error("the model has no class of the group \"{group}\" ({})", classes.join(", "))]
    EmptyGroup {
        /// The group.
        group: String,
        /// The classes that it lists.
        classes: Vec<String>,
    },
}

impl ClassGroups {
    /// The built-in groups with those of `config.classes` added.
    #[must_use]
    pub fn new(own: &BTreeMap<Name, Vec<String>>) -> Self {
        Self::from_pairs(own.iter().map(|(name, classes)| (name.as_str().to_owned(), classes.clone())))
    }

    /// As [`Self::new`], from names that need not be valid.
    pub(super) fn from_pairs(own: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let mut groups: BTreeMap<_, _> =
            BUILT_IN.iter().map(|&(name, classes)| (name.to_owned(), owned(classes))).collect();
        groups.extend(own);
        Self(groups)
    }

    /// Names of the groups in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The classes that a name stands for: a group's, or the name itself.
    #[must_use]
    pub fn expand<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.0.get(name).map_or_else(|| vec![name], |classes| classes.iter().map(String::as_str).collect())
    }

    /// Indices of the classes that a rule is about. Of the groups of its kind those count that the model has, at least one.
    pub fn of_rule(&self, rule: &RuleConfig, model_classes: &[String]) -> Result<Vec<u16>, ClassError> {
        let (names, is_kinds_own) = rule.class_names();
        if !is_kinds_own {
            return self.resolve(&names, model_classes);
        }
        let (found, lacking): (Vec<_>, Vec<_>) =
            names.iter().map(|name| self.resolve(&[name], model_classes)).partition(Result::is_ok);
        match lacking.into_iter().next() {
            Some(Err(error)) if found.is_empty() => Err(error),
            _ => Ok(found.into_iter().flatten().flatten().collect::<BTreeSet<_>>().into_iter().collect()),
        }
    }

    /// The threshold of each class that has one: its own, or else that of its group.
    pub fn thresholds(
        &self,
        thresholds: &BTreeMap<String, ThresholdConfig>,
        model_classes: &[String],
    ) -> Result<BTreeMap<u16, ThresholdConfig>, ClassError> {
        let (of_groups, of_classes): (Vec<_>, Vec<_>) =
            thresholds.iter().partition(|(name, _)| self.0.contains_key(*name));
        let mut found = BTreeMap::new();
        for (name, threshold) in of_groups.into_iter().chain(of_classes) {
            found.extend(self.resolve(&[name], model_classes)?.into_iter().map(|class| (class, *threshold)));
        }
        Ok(found)
    }

    /// Indices into `model_classes` of the classes that the names mean, ascending, each once; [`STATIC_CLASS`] comes after the model's
    /// own.
    pub fn resolve<S: AsRef<str>>(&self, names: &[S], model_classes: &[String]) -> Result<Vec<u16>, ClassError> {
        let mut indices = BTreeSet::new();
        for name in names.iter().map(AsRef::as_ref) {
            let index_of = |class: &str| match class {
                STATIC_CLASS => Some(model_classes.len()),
                class => model_classes.iter().position(|known| known == class),
            };
            let found: Vec<u16> =
                self.expand(name).into_iter().filter_map(index_of).map(|index| index as u16).collect();
            if found.is_empty() {
                return Err(match self.0.get(name) {
                    Some(classes) => ClassError::EmptyGroup { group: name.to_owned(), classes: classes.clone() },
                    None => ClassError::Unknown(name.to_owned()),
                });
            }
            indices.extend(found);
        }
        Ok(indices.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Vec<String> {
        ["person", "bicycle", "car", "bus", "truck", "umbrella", "diningtable"].map(str::to_owned).to_vec()
    }

    #[test]
    fn groups_and_classes_resolve_to_the_models_indices_once_each() {
        let groups = ClassGroups::new(&BTreeMap::new());
        assert_eq!(groups.resolve(&["stall"], &model()), Ok(vec![5, 6]));
        assert_eq!(groups.resolve(&["vehicle", "car", "bicycle"], &model()), Ok(vec![1, 2, 3, 4]));
    }

    #[test]
    fn a_group_of_the_site_replaces_the_built_in_one() {
        let own = BTreeMap::from([(Name::try_new("stall").unwrap(), vec!["bicycle".to_owned()])]);
        assert_eq!(ClassGroups::new(&own).resolve(&["stall"], &model()), Ok(vec![1]));
    }

    #[test]
    fn a_class_has_its_own_threshold_before_that_of_its_group() {
        let groups = ClassGroups::new(&BTreeMap::new());
        let threshold = |day| ThresholdConfig { day, night: None };
        let of = |pairs: &[(&str, f32)]| {
            let thresholds = pairs.iter().map(|&(name, day)| (name.to_owned(), threshold(day))).collect();
            groups.thresholds(&thresholds, &model())
        };
        let days: Vec<_> = of(&[("bus", 0.6), ("vehicle", 0.4)]).unwrap().iter().map(|(c, t)| (*c, t.day)).collect();
        assert_eq!(days, [(2, 0.4), (3, 0.6), (4, 0.4)]);
        assert_eq!(of(&[("trolley", 0.5)]), Err(ClassError::Unknown("trolley".to_owned())));
    }

    #[test]
    fn what_was_put_down_and_stays_has_an_index_after_the_models() {
        let groups = ClassGroups::new(&BTreeMap::new());
        assert_eq!(groups.resolve(&["static", "car"], &model()), Ok(vec![2, 7]));
    }

    #[test]
    fn of_the_groups_of_a_kind_those_count_that_the_model_has() {
        let groups = ClassGroups::new(&BTreeMap::new());
        let rule =
            |kind: &str| serde_json::from_str(&format!(r#"{{"id":"r","kind":"{kind}","zones":["z"]}}"#)).unwrap();
        assert_eq!(groups.of_rule(&rule("store_overflow"), &model()[..1]), Ok(vec![1]), "static alone");
        assert_eq!(groups.of_rule(&rule("store_overflow"), &model()), Ok(vec![5, 6, 7]));
        assert!(matches!(groups.of_rule(&rule("smoke_fire"), &model()), Err(ClassError::EmptyGroup { .. })));
    }

    #[test]
    fn names_that_mean_nothing_to_the_model_are_refused() {
        let groups = ClassGroups::new(&BTreeMap::new());
        assert_eq!(groups.resolve(&["trolley"], &model()), Err(ClassError::Unknown("trolley".to_owned())));
        assert!(matches!(groups.resolve(&["stall"], &model()[..3]), Err(ClassError::EmptyGroup { .. })));
    }
}
