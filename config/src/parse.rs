//! Parses the file as it is written into a checked configuration.
//!
//! It must not know the clock, and opens no file but the configuration file.
//!
//! Invariants: every field is read even after a problem, so that all problems are reported at once; each `None` on the way
//! has a recorded problem.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sinergi_proto::base::ids::AgencyId;
use toml::Spanned;

use crate::model::{
    Charter, Config, Forward, Keys, Ledger, Link, Log, LogFormat, Operator, Peer, Shutdown, Store, Tiles, Tls, Watch,
};
use crate::model::{bounds, defaults};
use crate::problem::{ConfigError, Problems};
use crate::raw::{Number, Raw, RawLedger, RawPeer, Text};

impl Config {
    /// Reads the configuration file of a node. `path` may also be the node's directory.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let path = if path.is_dir() { path.join(defaults::FILE) } else { path.to_owned() };
        let unreadable = |source| ConfigError::Unreadable { path: path.clone(), source };
        let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
        if bytes > bounds::FILE_BYTES {
            return Err(ConfigError::TooLong { path, bytes });
        }
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        Self::parse(&text, &path)
    }

    /// Reads a configuration from text. `path` is the path of the file with this text: problems name it, and the data
    /// directory is relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] with everything that is wrong.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut problems = Problems::new(path.to_owned(), text);
        match toml::from_str::<Raw>(text) {
            Ok(raw) => {
                let config = Reader { problems: &mut problems }.config(raw, path.parent().unwrap_or(Path::new("")));
                problems.into_result(config)
            }
            Err(error) => {
                problems.shape(&error);
                problems.into_result(None)
            }
        }
    }
}

struct Reader<'p, 't> {
    problems: &'p mut Problems<'t>,
}

impl Reader<'_, '_> {
    fn ledger(&mut self, raw: RawLedger, keys: &Keys, data: &Path) -> Ledger {
        let segment_mib =
            self.number("ledger.segment_mib", raw.segment_mib, defaults::SEGMENT_MIB, bounds::SEGMENT_MIB);
        // Without a setting, the mark is beside the entry key.
        let mark = match raw.mark {
            Some(mark) => self.path("ledger.mark", Some(mark), defaults::MARK, data),
            None => keys.entry.with_file_name(defaults::MARK),
        };
        let reserve_mib =
            self.number("ledger.reserve_mib", raw.reserve_mib, defaults::RESERVE_MIB, bounds::RESERVE_MIB);
        let segment_bytes = u32::try_from(segment_mib * 1024 * 1024).expect("bounded");
        Ledger { segment_bytes, reserve_bytes: reserve_mib * 1024 * 1024, mark }
    }

    fn config(&mut self, raw: Raw, base: &Path) -> Option<Config> {
        let agency = self.required("agency", raw.agency, "the agency that this node speaks for");
        let federation = self.required("federation", raw.federation, "the federation's name, as in the charter");
        let listen = self.optional("listen", raw.listen, "must be an address and a port, as in \"0.0.0.0:7443\"");
        let data = self.path("data", raw.data, defaults::DATA, base);
        let directory = self.path("charter.directory", raw.charter.directory, defaults::CHARTER_DIRECTORY, &data);
        let pin = self.optional("charter.pin", raw.charter.pin, "must be the 64 hexadecimal digits of a SHA-256");
        let keys = Keys {
            entry: self.path("keys.entry", raw.keys.entry, defaults::ENTRY_KEY, &data),
            checkpoint: self.path("keys.checkpoint", raw.keys.checkpoint, defaults::CHECKPOINT_KEY, &data),
            time: self.path("keys.time", raw.keys.time, defaults::TIME_KEY, &data),
        };
        let ledger = self.ledger(raw.ledger, &keys, &data);
        let tls = Tls {
            certificate: self.path("tls.certificate", raw.tls.certificate, defaults::TLS_CERTIFICATE, &data),
            key: self.path("tls.key", raw.tls.key, defaults::TLS_KEY, &data),
        };
        let socket = self.socket(raw.operator.socket, &data);
        let cache_mib = self.number("store.cache_mib", raw.store.cache_mib, defaults::CACHE_MIB, bounds::CACHE_MIB);
        let answer_by_hours = self.number(
            "forward.answer_by_hours",
            raw.forward.answer_by_hours,
            defaults::ANSWER_BY_HOURS,
            bounds::ANSWER_BY_HOURS,
        );
        let idle_seconds =
            self.number("link.idle_seconds", raw.link.idle_seconds, defaults::IDLE_SECONDS, bounds::IDLE_SECONDS);
        let drain_seconds = self.number(
            "shutdown.drain_seconds",
            raw.shutdown.drain_seconds,
            defaults::DRAIN_SECONDS,
            bounds::DRAIN_SECONDS,
        );
        let witness_seconds = self.number(
            "watch.witness_seconds",
            raw.watch.witness_seconds,
            defaults::WITNESS_SECONDS,
            bounds::WITNESS_SECONDS,
        );
        let audit_seconds =
            self.number("watch.audit_seconds", raw.watch.audit_seconds, defaults::AUDIT_SECONDS, bounds::AUDIT_SECONDS);
        let format = self.log_format(raw.log.format);
        let filter = self.filled("log.filter", raw.log.filter, defaults::LOG_FILTER);
        let tiles =
            self.optional("tiles.listen", raw.tiles.listen, "must be an address and a port, as in \"127.0.0.1:8080\"");
        let peers = self.peers(raw.peer, agency.as_ref());
        Some(Config {
            agency: agency?,
            federation: federation?,
            listen,
            data,
            charter: Charter { directory, pin },
            keys,
            tls,
            operator: Operator { socket },
            ledger,
            store: Store { cache_bytes: cache_mib * 1024 * 1024 },
            forward: Forward { answer_by: Duration::from_secs(answer_by_hours * 3600) },
            link: Link { idle: Duration::from_secs(idle_seconds) },
            watch: Watch {
                witness_every: Duration::from_secs(witness_seconds),
                audit_every: (audit_seconds > 0).then(|| Duration::from_secs(audit_seconds)),
            },
            log: Log { format, filter },
            tiles: Tiles { listen: tiles },
            shutdown: Shutdown { drain: Duration::from_secs(drain_seconds) },
            peers,
        })
    }

    fn wrong(&mut self, field: &str, span: Range<usize>, value: impl Display, must: impl Display) {
        self.problems.at(span, format!("{field} = {value}: {must}"));
    }

    fn required<T: FromStr<Err: Display>>(&mut self, field: &str, text: Text, meaning: &str) -> Option<T> {
        let Some(text) = text else {
            self.problems.missing(format!("{field} is missing: write {field} = \"...\", {meaning}"));
            return None;
        };
        match text.get_ref().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(field, text.span(), quoted(text.get_ref()), error);
                None
            }
        }
    }

    fn optional<T: FromStr>(&mut self, field: &str, text: Text, must: &str) -> Option<T> {
        let text = text?;
        let value = text.get_ref().parse().ok();
        if value.is_none() {
            self.wrong(field, text.span(), quoted(text.get_ref()), must);
        }
        value
    }

    fn filled(&mut self, field: &str, text: Text, default: &str) -> String {
        let Some(text) = text else { return default.to_owned() };
        if text.get_ref().trim().is_empty() {
            self.wrong(field, text.span(), "\"\"", format_args!("must not be empty; leave it out for {default:?}"));
        }
        text.into_inner()
    }

    fn path(&mut self, field: &str, text: Text, default: &str, base: &Path) -> PathBuf {
        let path = self.filled(field, text, default);
        if path == "." && !base.as_os_str().is_empty() { base.to_owned() } else { base.join(path) }
    }

    fn socket(&mut self, text: Text, data: &Path) -> PathBuf {
        let span = text.as_ref().map(Spanned::span);
        let socket = self.path("operator.socket", text, defaults::SOCKET, data);
        let bytes = socket.as_os_str().len();
        if bytes > bounds::SOCKET_PATH_BYTES {
            let problem = format!(
                "operator.socket = \"{}\": has {bytes} bytes, a Unix socket's path must be at most {}: \
                 choose a shorter one, as in \"/run/sinergi/sinergid.sock\"",
                socket.display(),
                bounds::SOCKET_PATH_BYTES
            );
            match span {
                Some(span) => self.problems.at(span, problem),
                None => self.problems.missing(problem),
            }
        }
        socket
    }

    /// The number; 0 if it is out of bounds, after the problem was recorded.
    fn number(&mut self, field: &str, number: Number, default: i64, bound: RangeInclusive<i64>) -> u64 {
        let Some(number) = number else { return default.unsigned_abs() };
        let value = *number.get_ref();
        if !bound.contains(&value) {
            self.wrong(field, number.span(), value, format_args!("must be {} to {}", bound.start(), bound.end()));
            return 0;
        }
        value.unsigned_abs()
    }

    fn log_format(&mut self, text: Text) -> LogFormat {
        let Some(text) = text else { return LogFormat::default() };
        match text.get_ref().as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                self.wrong("log.format", text.span(), quoted(other), "must be \"text\" or \"json\"");
                LogFormat::default()
            }
        }
    }

    fn peers(&mut self, raw: Vec<Spanned<RawPeer>>, own: Option<&AgencyId>) -> Vec<Peer> {
        if raw.len() > bounds::PEERS {
            self.problems.missing(format!("[[peer]] stands {} times: must be at most {}", raw.len(), bounds::PEERS));
            return Vec::new();
        }
        let mut seen = HashMap::<AgencyId, usize>::new();
        let mut peers = Vec::with_capacity(raw.len());
        for (index, peer) in raw.into_iter().enumerate() {
            let span = peer.span();
            let RawPeer { agency, endpoint } = peer.into_inner();
            let endpoint =
                self.optional("peer.endpoint", endpoint, "must be \"host:port\", or absent to wait for the peer");
            let Some(text) = agency else {
                self.problems.at(span, "peer.agency is missing: write agency = \"...\" below [[peer]]");
                continue;
            };
            let span = text.span();
            let Some(agency) = self.required::<AgencyId>("peer.agency", Some(text), "") else { continue };
            if own == Some(&agency) {
                self.wrong(
                    "peer.agency",
                    span,
                    quoted(agency.as_str()),
                    "is this node's own agency: remove this [[peer]]",
                );
            } else if let Some(first) = seen.insert(agency.clone(), index + 1) {
                let must = format!("is peer number {first} already: remove one of the two");
                self.wrong("peer.agency", span, quoted(agency.as_str()), must);
            } else {
                peers.push(Peer { agency, endpoint });
            }
        }
        peers
    }
}

fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
