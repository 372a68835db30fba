//! Checks all entries of one complaint again, as if they had just arrived. Ignores the results of earlier checks.
//!
//! Invariant: damaged data are a finding. The check itself fails only if the disk cannot be read.

use sinergi_proto::admission::{Verdict, VerifiedBatches, admit, authenticate};
use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::complaint::Complaint;
use sinergi_proto::engine::Case;
use sinergi_proto::entry::content::Content;
use sinergi_proto::operator_api;
use sinergi_proto::wire;
use tonic::Status;

use super::complaints::Complaints;
use super::detail::{no_case, standing_of};
use super::own;
use crate::base::time::now_millis;
use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::ledger::ReadError;
use crate::storage::record_codec::Header;

impl Complaints {
    /// Checks every entry of a complaint, its contents, and its leaf in the tree, as if it had just arrived.
    pub(super) fn verify_one(&self, name: &str) -> Result<operator_api::VerifyComplaintReply, Status> {
        let id = self.complaint_named(name)?;
        let case = match self.load_case(&id) {
            Err(damage) if is_damage(&damage) => {
                let (complaint, problem) = (id.0.to_vec(), damage.to_string());
                return Ok(operator_api::VerifyComplaintReply { complaint, entries: Vec::new(), problem });
            }
            loaded => own(loaded)?.ok_or_else(|| no_case(&id))?,
        };
        let outbox = &self.outbox;
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().collect();
        leaves.sort_unstable();
        let size = outbox.reader().size();
        let root = own(outbox.reader().root_at(size))?;
        let mut rebuilt: Option<Complaint> = None;
        let mut entries = Vec::with_capacity(leaves.len());
        for index in leaves {
            let record = own(outbox.reader().leaf(index))?;
            let envelope = own(outbox.signed_leaves().envelope(&record))?;
            let mut leaf = own(ParsedLeaf::parse(record, outbox.federation()))?;
            leaf.entry.envelope = envelope;
            let mut problems = self.check_entry(&leaf, &mut rebuilt);
            problems.extend(self.check_contents_of(&leaf)?);
            problems.extend(self.check_in_tree(&leaf, size, root));
            let entry = &leaf.entry;
            entries.push(operator_api::VerifiedEntry {
                entry_id: entry.id.0.to_vec(),
                leaf_index: index.0,
                author: entry.author.to_string(),
                body: entry.body.name().to_owned(),
                key_id: entry.key_id,
                charter_version: entry.charter.version,
                standing: standing_of(&case, entry).0,
                problems,
            });
        }
        let problem = self.check_whole(&case, rebuilt.as_ref())?;
        Ok(operator_api::VerifyComplaintReply { complaint: case.complaint.id().0.to_vec(), entries, problem })
    }

    /// Checks signature, key, parents, clock and role. Then folds the entry into `rebuilt`, the complaint that is built again.
    fn check_entry(&self, leaf: &ParsedLeaf, rebuilt: &mut Option<Complaint>) -> Vec<String> {
        let (entry, charters) = (&leaf.entry, self.charter_store.charters());
        let mut problems = Vec::new();
        let problem_of = |verdict: Verdict| match verdict {
            Verdict::Admit => None,
            Verdict::Refuse(refusal) => Some(refusal.to_string()),
            Verdict::Defer { code, detail } => Some(format!("{code}: {detail}")),
        };
        let authentic = authenticate(std::slice::from_ref(entry), &charters, &VerifiedBatches::default(), rand::rng());
        problems.extend(authentic.into_iter().filter_map(problem_of));
        let Some(charter) = charters.named(&entry.charter) else { return problems };
        problems.extend(problem_of(admit(entry, rebuilt.as_ref(), charter, now_millis())));
        match rebuilt {
            Some(complaint) => drop(complaint.insert(entry, &charters)),
            none => *none = Complaint::lodge(entry, &charters),
        }
        problems
    }

    fn check_contents_of(&self, leaf: &ParsedLeaf) -> Result<Vec<String>, Status> {
        let index = leaf.index;
        let mut problems = Vec::new();
        let records = match self.outbox.reader().contents(index).map_err(OwnDataError::from) {
            Err(damage) if is_damage(&damage) => return Ok(vec![format!("its contents cannot be read: {damage}")]),
            read => own(read)?,
        };
        for record in records.into_iter().filter(|record| !record.erased) {
            let Header::Content(header) = own(Header::of(&record).map_err(OwnDataError::from))? else { continue };
            let Some((salt, data)) = record.body.split_first_chunk::<32>() else {
                problems.push(format!("its content {} is too short", header.commitment));
                continue;
            };
            let content =
                wire::Content { commitment: header.commitment, salt: salt.to_vec(), data: data.to_vec().into() };
            problems.extend(Content::parse(content, &leaf.entry.commitments).err());
        }
        Ok(problems)
    }

    fn check_in_tree(&self, leaf: &ParsedLeaf, size: u64, root: tlog_tiles::Hash) -> Option<String> {
        let reader = self.outbox.reader();
        let hash = tlog_tiles::Hash(leaf.entry.id.0);
        let proof = tlog_tiles::prove_record(size, leaf.index.0, reader);
        let checked = proof.and_then(|proof| tlog_tiles::check_record(&proof, size, root, leaf.index.0, hash));
        checked
            .err()
            .map(|error| format!("it is not leaf {} of the tree: {error}; run `sinergi ledger verify`", leaf.index))
    }

    /// Checks that the rebuilt complaint equals the one that the node shows.
    fn check_whole(&self, case: &Case, rebuilt: Option<&Complaint>) -> Result<String, Status> {
        let advice = "stop the node and run `sinergid rebuild`";
        let Some(rebuilt) = rebuilt else { return Ok(format!("its Lodged is not here; {advice}")) };
        let stored = own(self.outbox.store().digest(&rebuilt.id()))?;
        let shown = &case.complaint;
        let same = rebuilt.digest() == stored
            && rebuilt.custody() == shown.custody()
            && rebuilt.case() == shown.case()
            && rebuilt.len() == shown.len();
        Ok(if same { String::new() } else { format!("the store shows another state than its entries give; {advice}") })
    }
}

/// Whether the error is a finding about the complaint's data, and not a failure to read the disk.
fn is_damage(error: &OwnDataError) -> bool {
    match error {
        OwnDataError::Ledger(ReadError::Damaged { .. })
        | OwnDataError::Header(_)
        | OwnDataError::Entry { .. }
        | OwnDataError::Charter { .. }
        | OwnDataError::StoreMismatch(_) => true,
        OwnDataError::Store(_) | OwnDataError::Ledger(_) => false,
    }
}
