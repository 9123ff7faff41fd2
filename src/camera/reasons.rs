//! How a rule stands, in words: why it has, or has not, reported what is there.

use super::RuleView;
use crate::geometry::BBox;
use crate::incident::{CannotSee, CaseStage, CaseView};
use crate::scene::{Hindrance, PassedOver};
use serde::Serialize;
use std::time::Duration;

/// Why something is, or is not, reported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// A word for programs; while it and the thing stay the same, nothing has changed.
    pub code: &'static str,
    /// Classes of the thing; none if it is about the rule as such.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub thing: String,
    /// Where the thing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BBox>,
    /// The reason in words.
    pub text: String,
}

impl Reason {
    fn of_rule(code: &'static str, text: String) -> Self {
        Self { code, thing: String::new(), bbox: None, text }
    }

    /// What makes it another reason, rather than the same one a second later.
    #[must_use]
    pub fn key(&self) -> (&'static str, &str) {
        (self.code, &self.thing)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bbox.map(|bbox| bbox.bottom_center()) {
            Some(foot) => write!(f, "{} at ({:.2}, {:.2}): {}", self.thing, foot.x, foot.y, self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Every reason of a rule after a frame, at least one.
#[must_use]
pub fn reasons(rule: &RuleView, blind: Option<CannotSee>) -> Vec<Reason> {
    if let Some(why) = blind {
        return vec![Reason::of_rule("cannot_see", format!("the rules rest: {}", sight(why)))];
    }
    if rule.is_permitted {
        return vec![Reason::of_rule("permitted", "what it is about is permitted now".to_owned())];
    }
    let cases = rule.cases.iter().map(|case| of_case(case, rule));
    let passed_over = rule.passed_over.iter().map(|(class, seen)| of_passed_over(class, seen, rule));
    let reasons: Vec<Reason> = cases.chain(passed_over).collect();
    if reasons.is_empty() {
        return vec![Reason::of_rule("nothing", "nothing of its classes is seen".to_owned())];
    }
    reasons
}

impl RuleView {
    /// How something that the rule follows stands, in words.
    #[must_use]
    pub fn why(&self, case: &CaseView) -> String {
        of_case(case, self).text
    }
}

fn of_case(case: &CaseView, rule: &RuleView) -> Reason {
    let zone = &case.zone;
    let (code, text) = match case.stage {
        CaseStage::Open { incident } => ("reported", format!("is reported as {incident}, and there")),
        CaseStage::Clearing { incident, clear } => {
            let text = format!(
                "is reported as {incident}, and has not been seen for {}; closed after {}",
                secs(case.unseen),
                secs(clear)
            );
            ("clearing", text)
        }
        CaseStage::Stale { incident } => {
            ("stale", format!("is reported as {incident}; nobody has looked since an interruption"))
        }
        CaseStage::Dismissed { incident, until } => {
            ("dismissed", format!("was reported as {incident}, and the hub does not want to hear of it until {until}"))
        }
        CaseStage::Muted { until } => {
            let until = until.map_or_else(String::new, |until| format!(" until {until}"));
            ("muted", format!("would be reported, but the rule is muted{until}"))
        }
        CaseStage::Pending if !case.unseen.is_zero() => (
            "missed",
            format!("was in {zone} for {}, and has not been seen for {}", secs(case.presence), secs(case.unseen)),
        ),
        CaseStage::Pending if case.presence < case.dwell => {
            let company = if rule.asks_for_company { format!("; {}", company(case)) } else { String::new() };
            ("dwell", format!("in {zone} for {} of the dwell of {}{company}", secs(case.presence), secs(case.dwell)))
        }
        CaseStage::Pending => ("company", format!("in {zone} for the dwell, but {}", company(case))),
    };
    let mut classes = case.classes.clone();
    classes.sort_unstable();
    classes.dedup();
    Reason { code, thing: classes.join(" and "), bbox: Some(case.bbox), text }
}

/// For how long what is with a thing was as the rule asks.
fn company(case: &CaseView) -> String {
    format!("what the rule asks for near by was there for {} of {}", secs(case.as_asked), secs(case.as_asked_needed))
}

fn of_passed_over(class: &str, seen: &PassedOver, rule: &RuleView) -> Reason {
    let (code, text) = match seen.why {
        Hindrance::OutOfSight => ("out_of_sight", "is looked for, and not seen in this frame".to_owned()),
        Hindrance::Moves(standing) => ("moves", format!("moves, or has stood for {} only", secs(standing))),
        Hindrance::OutsideZones => ("outside_zones", "its foot is in none of the rule's zones".to_owned()),
        Hindrance::Excepted => ("excepted", "stands where the rule does not apply".to_owned()),
        Hindrance::TooSmall(area) => (
            "too_small",
            format!("takes {:.2} % of the picture, and must take {:.2} %", 100.0 * area, 100.0 * rule.min_area),
        ),
        Hindrance::Explained => ("explained", "is what another thing of the rule shows already".to_owned()),
        Hindrance::NotAsAsked => {
            ("not_as_asked", "does not count to the group: what is with it is not as asked".to_owned())
        }
        Hindrance::TooFew(count) => {
            ("too_few", format!("is one of {count} in the zone, and {} are needed", rule.min_count))
        }
    };
    Reason { code, thing: class.to_owned(), bbox: Some(seen.bbox), text }
}

fn sight(why: CannotSee) -> &'static str {
    match why {
        CannotSee::NoPicture => "no picture comes",
        CannotSee::Dark => "the picture is too dark",
        CannotSee::Bright => "the picture is too bright",
        CannotSee::Blurred => "the picture is not sharp",
        CannotSee::Covered => "something is before the lens",
        CannotSee::Frozen => "the same picture comes again and again",
        CannotSee::Moved => "the camera looks elsewhere",
        CannotSee::Corrupt => "the picture is damaged",
        CannotSee::Unclear => "something fills most of the picture",
    }
}

fn secs(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Name;

    fn case(stage: CaseStage, presence: u64, as_asked: u64, unseen: u64) -> CaseView {
        CaseView {
            stage,
            zone: Name::try_new("road").unwrap(),
            bbox: BBox::try_new(0.4, 0.4, 0.6, 0.7).unwrap(),
            classes: vec!["umbrella".into(), "dining table".into(), "umbrella".into()],
            presence: Duration::from_secs(presence),
            dwell: Duration::from_secs(20),
            as_asked: Duration::from_secs(as_asked),
            as_asked_needed: Duration::from_secs(10),
            unseen: Duration::from_secs(unseen),
        }
    }

    fn rule(cases: Vec<CaseView>) -> RuleView {
        RuleView {
            rule: Name::try_new("vending").unwrap(),
            is_permitted: false,
            asks_for_company: true,
            min_area: 0.0,
            min_count: 1,
            cases,
            passed_over: Vec::new(),
        }
    }

    #[test]
    fn what_holds_a_case_back_is_named() {
        let codes = |case| reasons(&rule(vec![case]), None)[0].code;
        assert_eq!(codes(case(CaseStage::Pending, 5, 5, 0)), "dwell");
        assert_eq!(codes(case(CaseStage::Pending, 25, 5, 0)), "company");
        assert_eq!(codes(case(CaseStage::Pending, 5, 5, 3)), "missed");
        assert_eq!(codes(case(CaseStage::Muted { until: None }, 25, 25, 0)), "muted");
        let told = reasons(&rule(vec![case(CaseStage::Pending, 5, 4, 0)]), None)[0].to_string();
        assert_eq!(
            told,
            "dining table and umbrella at (0.50, 0.70): in road for 5.0 s of the dwell of 20.0 s; what the rule asks for near by was there for 4.0 s of 10.0 s"
        );
    }

    #[test]
    fn a_rule_without_a_case_says_why() {
        let code = |rule: &RuleView, blind| reasons(rule, blind)[0].code;
        assert_eq!(code(&rule(vec![]), None), "nothing");
        assert_eq!(code(&rule(vec![]), Some(CannotSee::Dark)), "cannot_see");
        assert_eq!(code(&RuleView { is_permitted: true, ..rule(vec![]) }, None), "permitted");
        let bbox = BBox::try_new(0.4, 0.4, 0.6, 0.7).unwrap();
        let seen = PassedOver { class: 3, bbox, why: Hindrance::TooSmall(0.01) };
        let small = RuleView { min_area: 0.02, passed_over: vec![("car".into(), seen)], ..rule(vec![]) };
        assert_eq!(reasons(&small, None)[0].text, "takes 1.00 % of the picture, and must take 2.00 %");
    }
}
