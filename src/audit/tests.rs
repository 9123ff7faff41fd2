//! The chain: appended by two at once, torn, cut by age, and every way of tampering found and named.

use super::*;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;

const KEEP: Duration = Duration::from_hours(24 * 180);

fn at(day: &str) -> Timestamp {
    format!("{day}T08:00:00Z").parse().unwrap()
}

fn log(folder: &Path) -> AuditLog {
    AuditLog::open(folder, KEEP).unwrap()
}

fn deed(count: u64) -> Deed {
    Deed::PicturesAdopted { count }
}

fn append(log: &AuditLog, count: u64, day: &str) -> Head {
    log.append(&Actor::Agent, &deed(count), at(day)).unwrap()
}

fn all(folder: &Path) -> Vec<PathBuf> {
    files(&folder.join("audit")).unwrap()
}

fn problems(folder: &Path, heads: &[KnownHead]) -> Vec<String> {
    let report = verify(&all(folder), true, heads).unwrap();
    let place = format!("{}/", folder.join("audit").display());
    report.problems.iter().map(|problem| problem.to_string().replace(&place, "")).collect()
}

fn known(head: &Head) -> KnownHead {
    format!("{}:{}", head.sequence, head.hash).parse().unwrap()
}

const NONE: [String; 0] = [];

#[test]
fn a_chain_goes_on_over_months_and_restarts_and_two_who_append() {
    let folder = tempfile::tempdir().unwrap();
    let agent = log(folder.path());
    assert_eq!(agent.head(), None);
    append(&agent, 1, "2026-10-30");
    let operator = log(folder.path());
    append(&operator, 2, "2026-10-31");
    append(&agent, 3, "2026-11-01");
    append(&operator, 4, "2026-10-31");
    let head = append(&log(folder.path()), 5, "2026-11-02");
    assert_eq!(head.sequence, 5);
    let names: Vec<_> = all(folder.path()).iter().map(|file| file.file_name().unwrap().display().to_string()).collect();
    let expected = ["000000000001_2026-10", "000000000003_2026-11", "000000000004_2026-10", "000000000005_2026-11"];
    assert_eq!(names, expected.map(|name| format!("{name}.jsonl")), "a clock that goes back breaks no chain");
    assert_eq!(problems(folder.path(), &[known(&head)]), NONE);
    let report = verify(&all(folder.path()), true, &[]).unwrap();
    assert_eq!((report.records, report.first, report.last), (5, Some(1), Some(head)));
}

#[test]
fn a_configuration_is_recorded_as_changed_when_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for config in ["aa", "aa", "bb"] {
        log(folder.path()).note_start(config, at("2026-11-01"));
    }
    let text = std::fs::read_to_string(&all(folder.path())[0]).unwrap();
    let actions: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["started", "started", "configuration_changed", "started"]);
}

#[test]
fn a_record_that_was_half_written_is_cut_off_and_a_record_says_so() {
    let folder = tempfile::tempdir().unwrap();
    append(&log(folder.path()), 1, "2026-11-01");
    append(&log(folder.path()), 2, "2026-11-01");
    let file = &all(folder.path())[0];
    let text = std::fs::read_to_string(file).unwrap();
    for length in text.lines().next().unwrap().len() + 2..text.len() {
        std::fs::write(file, &text[..length]).unwrap();
        let head = append(&log(folder.path()), 9, "2026-11-02");
        assert_eq!(head.sequence, 3, "one is lost, and its loss is a record");
        assert_eq!(problems(folder.path(), &[]), NONE);
        assert!(std::fs::read_to_string(file).unwrap().contains("torn_record_cut"));
    }
}

#[test]
fn records_are_cut_off_by_age_in_whole_files_and_the_rest_is_a_chain() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let first = append(&log, 1, "2026-01-10");
    append(&log, 2, "2026-02-10");
    append(&log, 3, "2026-03-10");
    log.cut(at("2026-08-01")).unwrap();
    assert_eq!(all(folder.path()).len(), 3, "the first is 203 days old: it goes, and what says so begins a file");
    assert_eq!(problems(folder.path(), &[]), NONE);
    let report = verify(&all(folder.path()), true, &[]).unwrap();
    assert_eq!((report.first, report.records), (Some(2), 3));
    assert_eq!(problems(folder.path(), &[known(&first)]), NONE, "of what was cut off nothing can be said");

    // Cut off by somebody else.
    std::fs::remove_file(&all(folder.path())[0]).unwrap();
    let expected = ["the records before 3 are missing, and no record says that they were cut off"];
    assert_eq!(problems(folder.path(), &[]), expected);
}

/// A chain of five records, with one line changed into others; a head of before comes with it.
fn tampered(change: impl Fn(Vec<String>) -> Vec<String>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let heads: Vec<Head> = (1..=5).map(|count| append(&log, count, "2026-11-01")).collect();
    let file = &all(folder.path())[0];
    let lines = std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
    std::fs::write(file, change(lines).join("\n") + "\n").unwrap();
    let name = format!("{}:", file.file_name().unwrap().display());
    let problems = problems(folder.path(), &[known(&heads[4])]);
    problems.into_iter().map(|problem| problem.replace(&name, "").replace(&heads[4].hash, "HASH")).collect()
}

/// A record made anew, with the right hash, by somebody who knows how.
fn forged(count: u64, after: &str) -> String {
    let before = record::read(after).unwrap();
    record::line(&Actor::Agent, &deed(count), Some(&before.head()), at("2026-11-01")).0
}

#[test]
fn whatever_is_done_to_a_chain_is_found_and_named() {
    let lost = "the head 5:HASH is not in the chain: records since were written anew, or its end was cut off";
    let changed = tampered(|mut lines| {
        lines[2] = lines[2].replace("\"count\":3", "\"count\":4");
        lines
    });
    assert_eq!(changed, ["3: record 3 was changed: its hash is not that of its text"]);
    let removed = tampered(|mut lines| {
        lines.remove(2);
        lines
    });
    assert_eq!(removed, ["3: records 3 to 3 are missing before it"]);
    let inserted = tampered(|mut lines| {
        lines.insert(3, forged(9, &lines[2].clone()));
        lines
    });
    assert_eq!(inserted, ["5: record 4 stands where 5 belongs: it was inserted or moved"]);
    let replaced = tampered(|mut lines| {
        lines[2] = forged(9, &lines[1].clone());
        lines
    });
    assert_eq!(replaced, ["4: record 4 does not follow the one before it: one of the two was put in another's place"]);
    let moved = tampered(|mut lines| {
        lines.swap(1, 2);
        lines
    });
    assert_eq!(
        moved,
        [
            "2: records 2 to 2 are missing before it",
            "3: record 2 stands where 4 belongs: it was inserted or moved",
            "4: records 3 to 3 are missing before it"
        ]
    );
    let garbled = tampered(|mut lines| {
        lines[1].truncate(40);
        lines
    });
    assert_eq!(garbled, ["2: it is no record", "3: records 2 to 2 are missing before it"]);
    let shortened = tampered(|mut lines| {
        lines.truncate(3);
        lines
    });
    assert_eq!(shortened, [lost]);
    let rewritten = tampered(|mut lines| {
        for at in 2..5 {
            lines[at] = forged(99, &lines[at - 1].clone());
        }
        lines
    });
    assert_eq!(rewritten, [lost], "a chain that is whole is not the one of which an event told");
    let beheaded = tampered(|lines| lines[2..].to_vec());
    assert_eq!(beheaded, ["the records before 3 are missing, and no record says that they were cut off"]);
    assert_eq!(tampered(|lines| lines), NONE);
}

#[test]
fn of_many_refusals_only_the_number_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let refused = Deed::Command {
        request: None,
        verb: Some("reload".into()),
        client: None,
        args: None,
        status: "rejected",
        reason: Some("not allowed".into()),
    };
    for _ in 0..1000 {
        log.note_refusal(&Actor::Hub(None), &refused, at("2026-11-01"));
    }
    assert_eq!(log.head().unwrap().sequence, 30);
    log.note_refusal(&Actor::Hub(None), &refused, at("2026-11-02"));
    let text = std::fs::read_to_string(&all(folder.path())[0]).unwrap();
    assert!(text.lines().nth(30).unwrap().contains(r#""detail":{"count":970}"#), "{text}");
    assert_eq!(log.head().unwrap().sequence, 32);
}

#[test]
fn a_log_that_cannot_be_written_says_so_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    append(&log, 1, "2026-11-01");
    let (audit, away) = (folder.path().join("audit"), folder.path().join("away"));
    std::fs::rename(&audit, &away).unwrap();
    assert!(log.append(&Actor::Agent, &deed(2), at("2026-11-01")).is_err());
    assert!(log.failing().unwrap().contains("lock"), "{:?}", log.failing());
    assert_eq!(log.head().unwrap().sequence, 1);
    std::fs::rename(&away, &audit).unwrap();
    assert_eq!(append(&log, 2, "2026-11-01").sequence, 2);
    assert_eq!(log.failing(), None);
}
