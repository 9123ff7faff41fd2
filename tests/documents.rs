//! Documents that would go stale unnoticed.

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
