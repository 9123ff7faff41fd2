//! What cities call each kind of event, with its codes.
//!
//! A code never goes without its standard: `0406` is street vending in GB/T 30428.2-2013 and waterlogging in CJ/T 214.

use crate::config::RuleKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("urban-matters.csv");

/// The code of a matter in one standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The standard that defines the code.
    pub standard: String,
    /// The code in that standard.
    pub code: String,
}

/// A kind of event as the city knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matter {
    /// Our own name of the kind; also a level of the event's topic.
    pub kind: RuleKind,
    /// The standard that defines the code; left out, with the code, where no standard has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// The code in that standard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The name in that standard, or the common one.
    pub name: String,
    /// Codes of the same matter in earlier standards, for hubs that still use them.
    pub legacy: Vec<Code>,
}

/// A row of the table of matters.
#[derive(Debug, Deserialize)]
struct Row {
    kind: RuleKind,
    name_zh: String,
    gb_t_47678_5_2026: Option<String>,
    gb_t_30428_2_2013: Option<String>,
    cj_t_214: Option<String>,
}

/// The matter of a kind of rule.
///
/// # Panics
/// Never: a test looks up every kind.
#[must_use]
pub fn matter(kind: RuleKind) -> &'static Matter {
    static MATTERS: LazyLock<BTreeMap<RuleKind, Matter>> = LazyLock::new(|| {
        rows().map(|row| row.expect("a test reads every row")).map(|row| (row.kind, row.into())).collect()
    });
    MATTERS.get(&kind).expect("every kind of rule has a row in the table of matters")
}

fn rows() -> impl Iterator<Item = csv::Result<Row>> {
    csv::Reader::from_reader(TABLE.as_bytes()).into_deserialize()
}

impl From<Row> for Matter {
    /// The code of the newest standard that has one comes first.
    fn from(row: Row) -> Self {
        let codes = [
            ("GB/T 47678.5-2026", row.gb_t_47678_5_2026),
            ("GB/T 30428.2-2013", row.gb_t_30428_2_2013),
            ("CJ/T 214", row.cj_t_214),
        ];
        let mut codes =
            codes.into_iter().filter_map(|(standard, code)| Some(Code { standard: standard.to_owned(), code: code? }));
        let (standard, code) = codes.next().map(|newest| (newest.standard, newest.code)).unzip();
        Self { kind: row.kind, standard, code, name: row.name_zh, legacy: codes.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_rule_has_its_matter_and_every_row_its_kind() {
        let rows: Vec<Row> = rows().map(Result::unwrap).collect();
        assert_eq!(rows.iter().map(|row| row.kind).collect::<Vec<_>>(), RuleKind::ALL);
        for kind in RuleKind::ALL {
            assert_eq!(matter(kind).kind.as_str(), kind.as_str());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn the_newest_code_comes_first_and_the_others_are_legacy() {
        let code = |standard: &str, code: &str| Code { standard: standard.into(), code: code.into() };
        let vending = matter(RuleKind::StreetVending);
        assert_eq!((vending.code.as_deref(), vending.name.as_str()), (Some("09006"), "占道经营"));
        assert_eq!(vending.legacy, [code("GB/T 30428.2-2013", "0406")]);
        let water = matter(RuleKind::Waterlogging);
        assert_eq!((water.standard.as_deref(), water.code.as_deref()), (Some("GB/T 30428.2-2013"), Some("0506")));
        assert_eq!(water.legacy, [code("CJ/T 214", "0406")]);
        let fire = matter(RuleKind::SmokeFire);
        assert_eq!((&fire.standard, &fire.code, &fire.legacy[..]), (&None, &None, &[][..]));
        assert_eq!(matter(RuleKind::OpenBurning).name, "焚烧垃圾、树叶");
    }
}
