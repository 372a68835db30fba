//! The liar rewrites one entry. With every audit its auditor keeps another file about that entry, so one liar fills the evidence folder.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::rewrites_an_entry::Rewrites;
use super::{Broken, Deed, Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "files_one_finding_twice",
    promise: Promise::Harmless,
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(FilesTwice::default()),
};

#[derive(Default)]
struct FilesTwice(Rewrites);

impl Lie for FilesTwice {
    fn acts(&mut self, liar: &Node, now: u64) -> Deed {
        self.0.acts(liar, now)
    }

    fn says(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.0.says(liar, to, frame)
    }

    fn shows(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.0.shows(liar, to, question)
    }

    fn heeds_its_guard(&self) -> bool {
        self.0.heeds_its_guard()
    }

    fn was_told(&self, liar: &Node, others: &Others<'_>) -> bool {
        self.0.was_told(liar, others)
    }

    fn must_hold(&self, liar: &Node, others: &Others<'_>) -> Result<(), Broken> {
        for auditor in others.auditors() {
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
