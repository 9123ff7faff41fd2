//! What is logged, and how it is written.

use super::document::{Document, quoted};
use super::report::{Draft, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

const FILTER: &str = "/agent/log/filter";

/// What is logged to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// From which level on: `error`, `warn`, `info`, `debug` or `trace`; or `target=level` pairs, as in `info,curbwatch::ingest=debug`. Taken over by
    /// a reload; `--log` on the command line comes before it.
    pub filter: String,
    /// How a line is written.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people. In the journal each line has its priority, and neither a time nor colours, which the journal has itself.
    Text,
    /// A JSON object per line.
    Json,
}

/// Reports a filter that cannot be read.
pub(super) fn check(document: &Document, report: &mut Report) {
    let Some(filter) = document.get(FILTER).and_then(Value::as_str) else { return };
    if EnvFilter::try_new(filter).is_err() {
        let draft = Draft::at_value(FILTER, format!("is {}", quoted(filter)));
        report.error(draft.allowed("a level (error, warn, info, debug, trace), or target=level pairs"));
    }
}
