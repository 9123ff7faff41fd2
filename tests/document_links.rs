//! What the documents point at and tell to type: files, headings, commands with their options, and targets of `make`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn documents() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.to_owned(), root.join("docs"), root.join("docs/zh")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let documents = files.filter(|file| file.extension().is_some_and(|end| end == "md"));
    documents.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let after = prose.flat_map(|prose| prose.split("](").skip(1));
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// What a heading is called in a link, as GitHub does it.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.split("```").step_by(2).flat_map(str::lines).filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.trim().to_lowercase())
    });
    let slug = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    headings.map(slug).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let documents = documents();
    assert!(documents.len() > 15, "{:?}", documents.keys());
    let mut broken = Vec::new();
    for (file, text) in &documents {
        for link in links(text).into_iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let Ok(target) = target.canonicalize() else {
                broken.push(format!("{}: {link}", file.display()));
                continue;
            };
            let has_anchor = |anchor: &str| documents.get(&target).is_none_or(|text| anchors(text).contains(anchor));
            if !anchor.is_none_or(has_anchor) {
                broken.push(format!("{}: {link}: no such heading", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Lines of the documents' shell blocks, without prompts, comments and what goes before the command.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap().trim().to_owned());
    lines.collect()
}

/// What `--help` of a command says.
fn help_of(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_curbwatch")).args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_command_of_a_shell_block_is_one_with_these_options() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, text) in documents() {
        for line in commands(&text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(at) = words.iter().position(|word| *word == "curbwatch") else { continue };
            // `systemctl start curbwatch` names the service.
            if words[..at].iter().any(|word| !word.contains('=') && *word != "sudo") {
                continue;
            }
            let arguments: Vec<&str> =
                words[at + 1..].iter().copied().take_while(|word| !">|&".contains(*word)).collect();
            let is_name = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let names: Vec<&str> = arguments.iter().take_while(is_name).take(2).copied().collect();
            let command = (1..=names.len()).rev().find_map(|length| help_of(&names[..length]));
            seen += 1;
            let Some(help) = command else {
                wrong.push(format!("{}: {line}", file.display()));
                continue;
            };
            let options =
                arguments.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap());
            for option in options.filter(|option| !help.contains(*option)) {
                wrong.push(format!("{}: {line}: no option {option}", file.display()));
            }
        }
    }
    assert!(seen > 20, "the documents were not understood: {seen} commands");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_target_of_make_that_a_document_names_is_there() {
    let makefile = include_str!("../Makefile");
    let has = |target: &str| makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
    for (file, text) in documents() {
        let named = commands(&text).into_iter().filter_map(|line| line.strip_prefix("make ").map(str::to_owned));
        for target in named.filter_map(|rest| rest.split_whitespace().next().map(str::to_owned)) {
            assert!(has(&target), "{}: make {target}", file.display());
        }
    }
}
