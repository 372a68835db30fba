//! The commands that need two signatures: propose, approve, refuse. The answer to a proposal names the agencies that can approve it.
//!
//! One signature archives nothing and destroys no text. Entries and proofs stay in any case.

use clap::Subcommand;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{Archive, Erase, RefuseArchive};

use super::act::{Deed, OnComplaint, sentence};
use super::approve::{self, ApproveOptions};
use super::entry_name::{self, EntryName};
use super::show::{self, either};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::view::{Proposed, short_hash, short_id};
use crate::words::{ArchiveReason, EraseGround, typed};

/// The commands to archive and erase, and to give the second signature.
#[derive(Subcommand, Debug)]
pub enum Proposal {
    /// Propose to archive a complaint without an answer
    Archive {
        /// The reason
        #[arg(long, value_enum, value_name = "REASON")]
        reason: ArchiveReason,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Propose to destroy texts on every node
    Erase {
        /// The legal ground
        #[arg(long, value_enum, value_name = "GROUND")]
        ground: EraseGround,
        /// Erase only the texts of this entry; may be repeated [default: all texts of the complaint]
        #[arg(long = "entry", value_name = "ENTRY")]
        entries: Vec<EntryName>,
        /// The complaint. A text that goes with the proposal is not erased by it.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Give the second signature to an archiving or an erasure
    Approve {
        /// The proposal to approve.
        #[command(flatten)]
        options: ApproveOptions,
        /// Which complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Refuse to archive a complaint
    Refuse(OnComplaint),
}

/// Runs the command.
pub(super) async fn run(proposal: Proposal, context: &Context) -> Result<(), Failure> {
    match proposal {
        Proposal::Archive { reason, on } => {
            let done = format!("proposed to archive it as {}", typed(reason));
            let act = Act::Archive(Archive { reason: reason.into() });
            let deed = on.deed("propose to archive the complaint", done, act)?;
            propose(deed, "Nothing changes until another agency approves it", context).await
        }
        Proposal::Erase { ground, entries, on } => erase(ground, &entries, on, context).await,
        Proposal::Approve { options, on } => approve::run(options, on, context).await,
        Proposal::Refuse(on) => {
            let done = "the archiving is refused, the holder continues with the complaint";
            let deed = on.deed("refuse the archiving", done, Act::RefuseArchive(RefuseArchive {}))?;
            deed.carry_out(context).await
        }
    }
}

async fn erase(ground: EraseGround, names: &[EntryName], on: OnComplaint, context: &Context) -> Result<(), Failure> {
    let text = on.note.read()?;
    let mut entries = Vec::with_capacity(names.len());
    if !names.is_empty() {
        let detail = show::fetch(&on.complaint, context).await?;
        for name in names {
            entries.push(entry_name::bytes(&entry_name::resolve(name, &detail)?.entry_id)?);
        }
    }
    let what = match entries.len() {
        0 => "all its texts".to_owned(),
        1 => "the texts of one entry".to_owned(),
        count => format!("the texts of {count} entries"),
    };
    let deed = Deed {
        complaint: on.complaint,
        attempt: "propose to erase contents",
        done: format!("proposed to erase {what} ({})", typed(ground)),
        text,
        class: on.note.class,
        act: Act::Erase(Erase { ground: ground.into(), entries }),
    };
    propose(deed, "They are destroyed on every node for ever, once another agency approves it", context).await
}

/// Writes a proposal, and names the agencies that can approve it. `until` describes the state until then.
async fn propose(deed: Deed, until: &str, context: &Context) -> Result<(), Failure> {
    let (complaint, done) = (deed.complaint.clone(), deed.done.clone());
    let act = deed.write(context).await?;
    // The proposal is written, so the command does not fail if the node cannot name the agencies now.
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
    fn the_answer_to_a_proposal_names_the_agencies_and_the_command_to_approve_it() {
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
