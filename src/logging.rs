//! What is logged to standard error, and how a line is written.
//!
//! Where standard error is the journal, each line begins with its priority as `<3>` (sd-daemon(3)), and has no time: the journal has one. The filter
//! can be another one while the program runs.

use crate::config::{LogConfig, LogFormat};
use std::fmt;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// What is logged.
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    /// Whether the command line has said what is logged.
    is_given: bool,
}

impl Logging {
    /// Begins to log, for the whole process. What the command line says comes before the configuration.
    pub fn start(given: Option<&str>, config: &LogConfig) -> Result<Self, ParseError> {
        let filter = EnvFilter::try_new(given.unwrap_or(&config.filter))?;
        let (filter, handle) = reload::Layer::new(filter);
        let is_journal = is_journal();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(!is_journal && std::io::stderr().is_terminal());
        let lines = match (config.format, is_journal) {
            (LogFormat::Text, false) => lines.boxed(),
            (LogFormat::Text, true) => {
                lines.event_format(WithPriority(format().without_time().with_level(false))).boxed()
            }
            (LogFormat::Json, false) => lines.json().flatten_event(true).boxed(),
            (LogFormat::Json, true) => {
                let event = format().json().flatten_event(true).without_time();
                lines.fmt_fields(format::JsonFields::new()).event_format(WithPriority(event)).boxed()
            }
        };
        tracing_subscriber::registry().with(filter).with(lines).init();
        Ok(Self { filter: handle, is_given: given.is_some() })
    }

    /// Logs by another filter from here on, unless the command line has said what is logged.
    pub fn set_filter(&self, filter: &str) {
        if self.is_given {
            return;
        }
        // It was checked with the configuration.
        let Ok(filter) = EnvFilter::try_new(filter) else { return };
        if let Err(error) = self.filter.reload(filter) {
            tracing::warn!(error = &error as &dyn std::error::Error, "what is logged stays as it was");
        }
    }
}

/// An error and its sources, as one sentence.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether standard error goes to the journal, by what systemd says of it.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr().as_fd()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Lines that begin with their priority.
struct WithPriority<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithPriority<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The priority of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
