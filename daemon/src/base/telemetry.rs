//! Structured logs on standard error: text for people, or JSON for log collectors.
//!
//! Invariant: no log line contains the text of a complaint.

use sinergi_config::{Log, LogFormat};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The setting `log.filter` cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("log.filter {filter:?} is not a valid filter: {source}")]
pub struct TelemetryError {
    filter: String,
    source: ParseError,
}

/// Starts logging. A second call in one process changes nothing.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(log: &Log) -> Result<(), TelemetryError> {
    let filter: Targets = log.filter.parse().map_err(|source| TelemetryError { filter: log.filter.clone(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // A test may have set a subscriber already.
    let _ = match log.format {
        LogFormat::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(ansi)).try_init()
        }
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    Ok(())
}
