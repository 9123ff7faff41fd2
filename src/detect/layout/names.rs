//! Class names that a model carries with it.

use std::collections::BTreeMap;

/// Reads the metadata property `names` as Ultralytics writes it: a Python dictionary from index to name, or a list. None if it
/// is neither, or leaves an index out.
#[must_use]
pub fn class_names(property: &str) -> Option<Vec<String>> {
    // Python's notation for these is YAML's flow notation, quotes included.
    if let Ok(list) = serde_saphyr::from_str::<Vec<String>>(property) {
        return (!list.is_empty()).then_some(list);
    }
    let by_index: BTreeMap<usize, String> = serde_saphyr::from_str(property).ok()?;
    let is_whole = !by_index.is_empty() && by_index.keys().copied().eq(0..by_index.len());
    is_whole.then(|| by_index.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_a_dictionary_or_a_list() {
        let expected = Some(vec!["person".to_owned(), "hawker's cart".to_owned()]);
        assert_eq!(class_names(r#"{0: 'person', 1: "hawker's cart"}"#), expected);
        assert_eq!(class_names(r#"['person', "hawker's cart"]"#), expected);
        assert_eq!(class_names("{0: 'person', 2: 'car'}"), None, "an index is missing");
        assert_eq!(class_names("person"), None);
        assert_eq!(class_names("{}"), None);
    }
}
