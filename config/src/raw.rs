//! The file as it is written. serde checks its fields and types, and keeps the place of every value.
//!
//! It must not know bounds or meanings. None of these types leaves this crate.

use serde::Deserialize;
use toml::Spanned;

pub(crate) type Text = Option<Spanned<String>>;
pub(crate) type Number = Option<Spanned<i64>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) agency: Text,
    pub(crate) federation: Text,
    pub(crate) listen: Text,
    pub(crate) data: Text,
    #[serde(default)]
    pub(crate) charter: RawCharter,
    #[serde(default)]
    pub(crate) keys: RawKeys,
    #[serde(default)]
    pub(crate) tls: RawTls,
    #[serde(default)]
    pub(crate) operator: RawOperator,
    #[serde(default)]
    pub(crate) ledger: RawLedger,
    #[serde(default)]
    pub(crate) store: RawStore,
    #[serde(default)]
    pub(crate) forward: RawForward,
    #[serde(default)]
    pub(crate) link: RawLink,
    #[serde(default)]
    pub(crate) watch: RawWatch,
    #[serde(default)]
    pub(crate) log: RawLog,
    #[serde(default)]
    pub(crate) tiles: RawTiles,
    #[serde(default)]
    pub(crate) shutdown: RawShutdown,
    #[serde(default)]
    pub(crate) peer: Vec<Spanned<RawPeer>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCharter {
    pub(crate) directory: Text,
    pub(crate) pin: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKeys {
    pub(crate) entry: Text,
    pub(crate) checkpoint: Text,
    pub(crate) time: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTls {
    pub(crate) certificate: Text,
    pub(crate) key: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOperator {
    pub(crate) socket: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLedger {
    pub(crate) segment_mib: Number,
    pub(crate) reserve_mib: Number,
    pub(crate) mark: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStore {
    pub(crate) cache_mib: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawForward {
    pub(crate) answer_by_hours: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLink {
    pub(crate) idle_seconds: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWatch {
    pub(crate) witness_seconds: Number,
    pub(crate) audit_seconds: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLog {
    pub(crate) format: Text,
    pub(crate) filter: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTiles {
    pub(crate) listen: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawShutdown {
    pub(crate) drain_seconds: Number,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPeer {
    pub(crate) agency: Text,
    pub(crate) endpoint: Text,
}
