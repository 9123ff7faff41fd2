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
    /// The standard that defines the code.
    pub standard: String,
    /// The code in that standard.
    pub code: String,
    /// The name in that standard.
    pub name: String,
    /// Codes of the same matter in earlier standards, for hubs that still use them.
    pub legacy: Vec<Code>,
}

/// The matter of a kind of rule.
///
/// # Panics
/// Never: a test looks up every kind.
#[must_use]
pub fn matter(kind: RuleKind) -> &'static Matter {
    static MATTERS: LazyLock<BTreeMap<&str, Matter>> = LazyLock::new(|| {
        let kinds =
            [RuleKind::StreetVending, RuleKind::VehicleParking, RuleKind::FireLaneBlocked, RuleKind::PiledGoods];
        let find = |kind: RuleKind| rows().find_map(|row| matter_of_row(kind, &row)).map(|m| (kind.as_str(), m));
        kinds.into_iter().filter_map(find).collect()
    });
    MATTERS.get(kind.as_str()).expect("every kind of rule has a row in the table of matters")
}

/// The rows of the table below its heading, split into cells.
fn rows() -> impl Iterator<Item = Vec<String>> {
    TABLE.lines().skip(1).map(cells)
}

/// The matter of a row whose kind is `kind` and which has a code in GB/T 47678.5-2026.
fn matter_of_row(kind: RuleKind, row: &[String]) -> Option<Matter> {
    let [name_of_kind, name, _english, current, former, ministry, _sources] = row else { return None };
    if name_of_kind != kind.as_str() || current.is_empty() {
        return None;
    }
    let legacy = [("GB/T 30428.2-2013", former), ("CJ/T 214", ministry)]
        .into_iter()
        .filter(|(_, code)| !code.is_empty())
        .map(|(standard, code)| Code { standard: standard.to_owned(), code: code.clone() })
        .collect();
    let standard = "GB/T 47678.5-2026".to_owned();
    Some(Matter { kind, standard, code: current.clone(), name: name.clone(), legacy })
}

/// The cells of a CSV line (RFC 4180, without line breaks or quotes inside quoted cells).
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.trim_end().chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().expect("starts with one cell").push(other),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_rule_has_its_matter() {
        let vending = matter(RuleKind::StreetVending);
        assert_eq!((vending.code.as_str(), vending.name.as_str()), ("09006", "占道经营"));
        assert_eq!(vending.legacy, [Code { standard: "GB/T 30428.2-2013".into(), code: "0406".into() }]);
        assert_eq!(matter(RuleKind::VehicleParking).code, "09009");
        assert_eq!(matter(RuleKind::FireLaneBlocked).code, "09012");
        assert_eq!(matter(RuleKind::PiledGoods).code, "06036");
    }

    #[test]
    fn every_row_of_the_table_has_seven_cells() {
        for row in rows() {
            assert_eq!(row.len(), 7, "{row:?}");
        }
        assert!(rows().any(|row| row[1] == "焚烧垃圾、树叶"));
    }
}
