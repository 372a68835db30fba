//! The folder of evidence: one file for each finding, named by the finding's id. A file needs no other file, so a copy of it can be given to others. A finding of dishonesty
//! also raises an alarm.
//!
//! Must not judge anything: the statement comes from proto's judge.
//!
//! Invariants:
//! - a finding is kept once, and its file stays as it is when the finding is found again. Only the file of `unresponsive` is replaced;
//! - a finding for which there is no room is not kept, and an alarm says so.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{Charter, TrustedList};
use sinergi_proto::transparency::evidence::{Evidence, Opened, Reader, Statement, accusations_of};
use sinergi_proto::wire;

use super::evidence_files::{EvidenceFiles, FileName, FolderError, Room};
use crate::base::alarms::{AlarmKind, Alarms};
use crate::base::time::now_millis;
use crate::storage::charters::CharterStore;

/// The folder in which a node keeps evidence. The node signs each file as the accuser. Cheap to clone.
#[derive(Clone)]
pub struct EvidenceFolder {
    files: Arc<EvidenceFiles>,
    /// Held while a file is written, because the number of files is bounded.
    writing: Arc<Mutex<()>>,
    accuser: AgencyId,
    key: SigningKey,
    charter_store: CharterStore,
    alarms: Alarms,
}

/// One file of evidence.
#[derive(Clone, Debug)]
pub struct EvidenceFile {
    /// Its name without the ending.
    pub id: String,
    /// The file's content, judged.
    pub opened: Opened,
}

impl EvidenceFolder {
    /// The folder in a node's data folder. `accuser` is the node's agency, and `key` is the key that signs its entries.
    pub fn of(data: &Path, accuser: AgencyId, key: SigningKey, charter_store: CharterStore, alarms: Alarms) -> Self {
        let files = Arc::new(EvidenceFiles { folder: data.join("evidence") });
        Self { files, writing: Arc::default(), accuser, key, charter_store, alarms }
    }

    /// Keeps a finding as evidence. A new finding that accuses an agency of dishonesty raises an alarm, and so does one that cannot be kept. Returns
    /// the name of the file; `None` if it could not be kept. Blocks.
    pub(crate) fn keep(&self, accusation: &wire::Accusation, statement: &Statement) -> Option<String> {
        let name = FileName::of(statement);
        let _one_at_a_time = self.writing.lock();
        let kept = match self.files.room(&name) {
            // The operator was told when it was found first, and may have confirmed that.
            Ok(Room::Kept) => Ok(()),
            Ok(room) => {
                // A crash right here leaves an alarm without evidence, and the next audit finds it again. In the other order nobody would be told.
                self.tell(statement, name.as_str());
                self.files.write(&name, room, &self.signed(now_millis(), vec![accusation.clone()]))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            let Statement { finding, accused, text, .. } = statement;
            let what = format!("{accused} {finding}: {text} The evidence could not be kept: {error}");
            let topic = if finding.is_dishonest() { topic(statement) } else { AlarmKind::Evidence.about(accused) };
            self.alarms.raise(topic, what);
            return None;
        }
        Some(name.as_str().to_owned())
    }

    /// Tells the operator of a new finding.
    fn tell(&self, statement: &Statement, name: &str) {
        let Statement { finding, accused, text, .. } = statement;
        if finding.is_dishonest() {
            let advice = "show it to your supervisor and to an oversight agency";
            let what =
                format!("{accused} {finding}: {text} `sinergi evidence export {name}` writes the evidence; {advice}");
            self.alarms.raise(topic(statement), what);
            self.alarms.store();
        } else {
            tracing::info!(peer = %accused, evidence = name, "{finding}: {text}");
        }
    }

    /// All evidence, in the order of names. A file without valid evidence is left out and logged.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<EvidenceFile>, FolderError> {
        let mut kept = Vec::new();
        for id in self.files.names()? {
            match self.open(&id) {
                Ok((_, opened)) => kept.push(EvidenceFile { id, opened }),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(kept)
    }

    /// The bytes of one evidence file with the accusations of all these files.
    ///
    /// # Errors
    /// One of them does not exist, or does not hold valid evidence.
    pub fn export(&self, ids: &[String]) -> Result<Vec<u8>, FolderError> {
        let mut accusations = Vec::new();
        let mut made_at = 0;
        for id in ids {
            let (file, opened) = self.open(id)?;
            made_at = opened.made_at.max(made_at);
            let evidence = |source| FolderError::Evidence { path: self.files.path(id), source };
            accusations.extend(accusations_of(&file).map_err(evidence)?);
        }
        Ok(self.signed(made_at, accusations))
    }

    fn signed(&self, made_at: u64, accusations: Vec<wire::Accusation>) -> Vec<u8> {
        Evidence { accuser: &self.accuser, made_at, charters: &self.charter_store.charters(), accusations }
            .sign(&self.key)
    }

    fn open(&self, id: &str) -> Result<(Vec<u8>, Opened), FolderError> {
        let unknown = || FolderError::Unknown(id.chars().take(120).collect());
        if !self.files.names()?.iter().any(|name| name == id) {
            return Err(unknown());
        }
        let path = self.files.path(id);
        let file = std::fs::read(&path).map_err(|source| FolderError::Io { path: path.clone(), source })?;
        let charters = self.charter_store.charters();
        let all: Vec<Arc<Charter>> = charters.after(0).cloned().collect();
        let lists: Vec<TrustedList> = charters.lists().cloned().collect();
        let opened = Opened::judge(&file, Reader { charters: &all, lists: &lists });
        let opened = opened.map_err(|source| FolderError::Evidence { path, source })?;
        Ok((file, opened))
    }
}

/// The topic of the alarm: one for each kind of finding against an agency, so that a later and lesser finding does not hide a graver one.
fn topic(statement: &Statement) -> String {
    AlarmKind::Audit.about(format_args!("{} {}", statement.accused, statement.finding))
}
