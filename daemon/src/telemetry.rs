//! Logs: structured, to standard error, as text for people or JSON for collectors. Never a complaint's text.

use sinergi_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
#[error("log.filter {filter:?} is no filter: {source}")]
pub struct TelemetryError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging. A second call in one process changes nothing.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(log: &Log) -> Result<(), TelemetryError> {
    let filter =
        EnvFilter::try_new(&log.filter).map_err(|source| TelemetryError { filter: log.filter.clone(), source })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A subscriber that is set already is a test's.
    let _ = match log.format {
        LogFormat::Text => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
    Ok(())
}
