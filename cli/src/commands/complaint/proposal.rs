//! What needs two signatures: who can give the second one is said with the first.

use super::act::{Deed, sentence};
use super::show::{self, either};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::view::{Proposed, short_hash, short_id};

/// Writes a proposal, and says who can approve it; `until` says what holds meanwhile.
pub(super) async fn propose(deed: Deed<'_>, until: &str, context: &Context) -> Result<(), Failure> {
    let (complaint, done) = (deed.complaint.clone(), deed.done.clone());
    let act = deed.write(context).await?;
    // It is written: that nobody can say now who approves it is no failure of the command.
    let detail = show::fetch(&complaint, context).await.ok();
    let open = detail.and_then(|detail| detail.proposals.into_iter().find(|open| open.entry_id == act.entry_id));
    let second = open.map(|open| open.second).unwrap_or_default();
    let written = sentence(&done, &act);
    let proposed = Proposed { complaint: act.complaint, entry_id: act.entry_id, leaf_index: act.leaf_index, second };
    context.output.document(&proposed, |output: &Output, proposed| page(output, &written, until, proposed))
}

fn page(output: &Output, written: &str, until: &str, proposed: &Proposed) -> String {
    let (id, entry) = (short_id(&proposed.complaint), short_hash(&proposed.entry_id));
    let who = match &proposed.second[..] {
        [] => format!("`sinergi complaint show {id}` shows which agency can"),
        agencies => format!("{} can, with `sinergi complaint approve {id} --proposal {entry}`", either(agencies)),
    };
    format!("{written}\n{}", output.wrapped(&format!("{until}: {who}."), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_says_what_it_waits_for_and_who_can_approve_it_how() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let proposed = Proposed {
            complaint: "0".repeat(42) + "7h3k2m9x0q",
            entry_id: "1a2b3c4d5e6f7788".to_owned(),
            leaf_index: 7,
            second: vec!["prov-jabar".to_owned(), "ombudsman".to_owned()],
        };
        let expected = "\
Done.
They are destroyed: prov-jabar or ombudsman can, with `sinergi complaint approve
7h3k2m9x0q --proposal 1a2b3c4d5e6f`.";
        assert_eq!(page(&output, "Done.", "They are destroyed", &proposed), expected);
        let unknown = Proposed { second: Vec::new(), ..proposed };
        assert!(page(&output, "Done.", "Nothing", &unknown).contains("complaint show 7h3k2m9x0q"));
    }
}
