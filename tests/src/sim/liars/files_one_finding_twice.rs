//! The liar rewrites one entry. Every audit finds it again, by other proofs, and the auditor must keep one file about that entry: otherwise one
//! liar fills the evidence folder.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::rewrites_an_entry::Rewrites;
use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "files_one_finding_twice",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(FilesTwice::default()),
};

#[derive(Default)]
struct FilesTwice(Rewrites);

impl Lie for FilesTwice {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        self.0.on_tick(liar, now)
    }

    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.0.on_send(liar, to, frame)
    }

    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.0.on_question(liar, to, question)
    }

    fn obeys_rollback_guard(&self) -> bool {
        self.0.obeys_rollback_guard()
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.0.must_find(liar, honest)
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for auditor in honest.auditors() {
            let mut files: BTreeMap<&[u8], u32> = BTreeMap::new();
            for evidence in auditor.evidence() {
                if let Some(Finding::ForkedLeaf(displaced)) = &evidence.accusation.finding {
                    *files.entry(&displaced.entry).or_default() += 1;
                }
            }
            if let Some(files) = files.values().find(|files| **files > 1) {
                let what = format!("{} has {files} files about one entry of {}", auditor.id, liar.id);
                return Err(("one_finding_is_one_file", what));
            }
        }
        Ok(())
    }
}
