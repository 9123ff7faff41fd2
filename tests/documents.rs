//! Documents that would go stale unnoticed.

use curbwatch::config::RuleKind;
use curbwatch::contract;
use std::collections::BTreeSet;

/// Keys of the tables of `Cargo.toml` whose name ends in `dependencies`.
fn direct_dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut in_dependencies = false;
    let names = manifest.lines().filter_map(|line| {
        if let Some(table) = line.strip_prefix('[') {
            in_dependencies = table.trim_end_matches(']').ends_with("dependencies");
            return None;
        }
        let (name, _) = line.split_once(" = ")?;
        (in_dependencies && !name.starts_with(['#', ' '])).then_some(name)
    });
    names.collect()
}

#[test]
fn every_direct_dependency_is_accounted_for_and_no_other() {
    let direct = direct_dependencies(include_str!("../Cargo.toml"));
    assert!(direct.contains("serde") && direct.contains("proptest"), "Cargo.toml was not understood: {direct:?}");
    let rows = include_str!("../docs/dependencies.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let first_cells = rows.filter_map(|row| row.split(" | ").next());
    let documented: BTreeSet<&str> =
        first_cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect();
    assert_eq!(direct, documented);
}

/// The metrics of the unit test's snapshot.
fn metrics() -> BTreeSet<&'static str> {
    let snapshot = include_str!(
        "../src/web/snapshots/curbwatch__web__tests__every_fact_has_its_metric_with_name_unit_and_labels.snap"
    );
    let metrics: BTreeSet<&str> = snapshot
        .lines()
        .filter(|line| line.starts_with("curbwatch_"))
        .filter_map(|line| line.split('{').next())
        .collect();
    assert!(metrics.len() > 20, "the snapshot was not understood: {metrics:?}");
    metrics
}

#[test]
fn every_metric_is_documented() {
    let document = include_str!("../docs/monitoring.md");
    for metric in metrics() {
        assert!(document.contains(&format!("`{metric}")), "{metric} is missing in docs/monitoring.md");
    }
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    for (file, text) in [
        ("alerts.yaml", include_str!("../monitoring/alerts.yaml")),
        ("alerts_test.yaml", include_str!("../monitoring/alerts_test.yaml")),
        ("dashboard.json", include_str!("../monitoring/dashboard.json")),
    ] {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("curbwatch_")).collect();
        assert!(asked.len() > 3, "{file} was not understood: {asked:?}");
        let unknown: Vec<_> = asked.difference(&metrics()).copied().collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../monitoring/dashboard.json")).expect("it is JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
}

/// The first cells of a table's row.
fn cells(row: &str) -> Vec<&str> {
    row.split('|').map(str::trim).collect()
}

#[test]
fn the_table_of_kinds_has_the_defaults_of_each() {
    let document = include_str!("../docs/rules.md");
    for kind in RuleKind::ALL {
        let defaults = kind.defaults();
        let heading = format!("| `{}` |", kind.as_str());
        let row = document.lines().find(|line| line.starts_with(&heading)).unwrap_or_else(|| panic!("{heading}"));
        let cells = cells(row);
        let classes: Vec<_> = cells[3].split(", ").map(|name| name.trim_matches(['`', '*'])).collect();
        assert_eq!(classes, defaults.classes, "{row}");
        assert_eq!(serde_json::json!(defaults.attended), cells[4], "{row}");
        assert_eq!([cells[5], cells[6]], [defaults.dwell_secs.to_string(), defaults.clear_secs.to_string()], "{row}");
        assert!(defaults.severity.as_str() == "normal" || row.contains(defaults.severity.as_str()), "{row}");
        assert!(row.contains(&contract::matter(kind).name), "{row}");
    }
}
