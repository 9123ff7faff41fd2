//! `curbwatch doctor`: of each piece that the agent needs, whether it is there, its version, and how to get it.

mod checks;

use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `curbwatch doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON instead of lines for people.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit status 0 if everything that `curbwatch run` needs is there, else 1.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = Report::new(checks::all());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.to_text());
    }
    Ok(if report.can_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One thing that something needs.
#[derive(Debug, Serialize)]
struct Piece {
    name: String,
    needed_by: Need,
    #[serde(flatten)]
    state: State,
}

/// Who cannot do without a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Need {
    /// `curbwatch run`.
    Run,
    /// `curbwatch stage` and `curbwatch camera`.
    #[cfg(feature = "staging")]
    Staging,
    /// The demo and the tests.
    DemoAndTests,
}

impl Need {
    fn describe(self) -> &'static str {
        match self {
            Self::Run => "curbwatch run",
            #[cfg(feature = "staging")]
            Self::Staging => "curbwatch stage and camera",
            Self::DemoAndTests => "the demo and the tests",
        }
    }
}

/// How a piece was found.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    /// There, and it works as far as that can be tried.
    Present {
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
    },
    /// In none of its places.
    Missing { reason: String, remedy: String },
    /// There, but it does not work or is not what it should be.
    Damaged { reason: String, remedy: String },
}

/// All pieces.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether everything that `curbwatch run` needs is there.
    can_run: bool,
    pieces: Vec<Piece>,
}

impl Report {
    fn new(pieces: Vec<Piece>) -> Self {
        let can_run = pieces
            .iter()
            .filter(|piece| piece.needed_by == Need::Run)
            .all(|piece| matches!(piece.state, State::Present { .. }));
        Self { can_run, pieces }
    }

    /// A line per piece, and one for each that is not as it should be that says how to get it; the verdict last.
    fn to_text(&self) -> String {
        let name_width = self.pieces.iter().map(|piece| piece.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for piece in &self.pieces {
            let (state, rest) = match &piece.state {
                State::Present { version, path } => ("present", present_text(version.as_deref(), path.as_ref())),
                State::Missing { reason, .. } => ("MISSING", reason.clone()),
                State::Damaged { reason, .. } => ("DAMAGED", reason.clone()),
            };
            let line = format!("{state}  {:name_width$}  {rest}", piece.name);
            push_line(&mut text, line.trim_end());
            if let State::Missing { remedy, .. } | State::Damaged { remedy, .. } = &piece.state {
                push_line(
                    &mut text,
                    &format!("         needed by {}; to get it: {remedy}", piece.needed_by.describe()),
                );
            }
        }
        push_line(&mut text, &format!("\n{}", self.verdict()));
        text
    }

    fn verdict(&self) -> String {
        let lacking = |for_run: bool| {
            self.pieces
                .iter()
                .filter(|piece| {
                    !matches!(piece.state, State::Present { .. }) && (piece.needed_by == Need::Run) == for_run
                })
                .count()
        };
        match (lacking(true), lacking(false)) {
            (0, 0) => "Everything is there.".to_owned(),
            (0, others) => {
                format!("Everything that curbwatch run needs is there; {others} of the other pieces are not.")
            }
            (lacking, _) => format!("curbwatch run cannot do its work: {lacking} of its pieces are not there."),
        }
    }
}

fn present_text(version: Option<&str>, path: Option<&PathBuf>) -> String {
    let path = path.map(|path| path.display().to_string());
    [version.map(str::to_owned), path].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn push_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(name: &str, needed_by: Need, state: State) -> Piece {
        Piece { name: name.to_owned(), needed_by, state }
    }

    fn present(version: &str) -> State {
        State::Present { version: Some(version.to_owned()), path: None }
    }

    fn missing() -> State {
        State::Missing { reason: "looked at /a, /b".to_owned(), remedy: "make setup".to_owned() }
    }

    #[test]
    fn a_missing_piece_is_shown_with_who_needs_it_and_how_to_get_it() {
        let report = Report::new(vec![
            piece("GStreamer", Need::Run, present("1.22.0")),
            piece("ONNX Runtime", Need::Run, missing()),
        ]);
        assert_eq!(
            report.to_text(),
            "present  GStreamer     1.22.0\n\
             MISSING  ONNX Runtime  looked at /a, /b\n         \
             needed by curbwatch run; to get it: make setup\n\n\
             curbwatch run cannot do its work: 1 of its pieces are not there.\n"
        );
        assert!(!report.can_run);
    }

    #[test]
    fn a_piece_that_only_the_demo_needs_does_not_stop_a_run() {
        let report =
            Report::new(vec![piece("a", Need::Run, present("1")), piece("broker", Need::DemoAndTests, missing())]);
        assert!(report.can_run);
        assert!(report.to_text().ends_with("1 of the other pieces are not.\n"));
    }

    #[test]
    fn a_damaged_piece_stops_a_run_like_a_missing_one() {
        let damaged = State::Damaged { reason: "other hash".to_owned(), remedy: "make setup".to_owned() };
        let report = Report::new(vec![piece("model", Need::Run, damaged)]);
        assert!(!report.can_run);
        assert!(report.to_text().starts_with("DAMAGED  model  other hash\n"));
    }

    #[test]
    fn json_has_one_flat_object_per_piece() {
        let report = Report::new(vec![piece("broker", Need::DemoAndTests, missing())]);
        assert_eq!(
            serde_json::to_value(report).unwrap(),
            serde_json::json!({"can_run": true, "pieces": [{
                "name": "broker", "needed_by": "demo_and_tests",
                "state": "missing", "reason": "looked at /a, /b", "remedy": "make setup"
            }]})
        );
    }

    #[test]
    fn after_set_up_nothing_is_missing() {
        let report = Report::new(checks::all());
        let lacking: Vec<_> =
            report.pieces.iter().filter(|piece| !matches!(piece.state, State::Present { .. })).collect();
        assert!(lacking.is_empty(), "run `make setup`: {lacking:#?}");
    }
}
