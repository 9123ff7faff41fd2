//! The files of the console's page: both languages say the same, and whatever the page or the agent says has words in them.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use curbwatch::config::RuleKind;
use curbwatch::contract::CameraState;
use curbwatch::picture::PictureState;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

type Texts = BTreeMap<String, String>;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("console")
}

fn texts(language: &str) -> Texts {
    serde_json::from_str(&std::fs::read_to_string(folder().join(format!("{language}.json"))).unwrap()).unwrap()
}

/// Name and text of every file of the page with that extension.
fn files(extension: &str) -> Vec<(String, String)> {
    let paths = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let own = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    own.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// What stands between every `before` and the next quotation mark.
fn quoted_after<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(['"', '`']).map(|(quoted, _)| quoted)).collect()
}

/// The names in braces.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

#[test]
fn both_languages_have_the_same_words() {
    let (english, chinese) = (texts("en"), texts("zh"));
    let keys = |texts: &Texts| texts.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&english), keys(&chinese));
    for (key, text) in &english {
        assert!(!text.is_empty() && !chinese[key].is_empty(), "{key} says nothing");
        assert_eq!(placeholders(text), placeholders(&chinese[key]), "{key}");
    }
}

#[test]
fn what_the_page_says_has_words() {
    let english = texts("en");
    let mut said = 0;
    for (file, text) in files("js") {
        for call in ["t(\"", "fact(\""] {
            for key in quoted_after(&text, call) {
                // `post("…")` and the like end in the same letters.
                if !key.contains('.') {
                    continue;
                }
                said += 1;
                assert!(english.contains_key(key), "{file} says {key}, for which there are no words");
            }
        }
        for group in quoted_after(&text, " word(\"").into_iter().chain(quoted_after(&text, "(word(\"")) {
            let prefix = format!("{group}.");
            assert!(english.keys().any(|key| key.starts_with(&prefix)), "{file} has words of {group}, there are none");
        }
    }
    assert!(said > 80, "the page was not understood: {said} keys");
}

#[test]
fn every_word_is_said_somewhere() {
    let page: String = files("js").into_iter().map(|(_, text)| text).collect();
    // Groups of which the page says whatever the agent names.
    let groups: BTreeSet<&str> = quoted_after(&page, "word(\"").into_iter().collect();
    let templates: Vec<&str> = quoted_after(&page, "t(`")
        .into_iter()
        .filter_map(|text| text.split_once("${"))
        .map(|(prefix, _)| prefix)
        .collect();
    for key in texts("en").keys() {
        let is_said = page.contains(&format!("\"{key}\""))
            || templates.iter().any(|prefix| key.starts_with(prefix))
            || key.split_once('.').is_some_and(|(group, _)| groups.contains(group));
        assert!(is_said, "nobody says {key}");
    }
}

#[test]
fn what_the_agent_names_has_words() {
    let english = texts("en");
    let states = CameraState::ALL.map(|state| format!("state.{}", state.as_str()));
    let pictures = PictureState::ALL.map(|state| format!("picture_state.{}", state.as_str()));
    let kinds = RuleKind::ALL.map(|kind| format!("kind.{}", kind.as_str()));
    for key in states.into_iter().chain(pictures).chain(kinds) {
        assert!(english.contains_key(&key), "{key} has no words");
    }
}

#[test]
fn the_agent_serves_every_file_of_the_page() {
    let served = include_str!("../src/console/assets.rs");
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(served.contains(&format!("\"{name}\"")), "{name} is not compiled in");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_runs_nothing_inline() {
    let mut markup = files("html");
    markup.extend(files("js"));
    for (file, text) in markup {
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=\"", "<style"]
        {
            assert!(!text.contains(forbidden), "{file} has {forbidden}");
        }
        let foreign = text.matches("://").count() - text.matches("http://www.w3.org/").count();
        assert_eq!(foreign, 0, "{file} names another place");
    }
    for (file, text) in files("css") {
        assert!(!text.contains("://") && !text.contains("@import"), "{file} names another place");
    }
}
