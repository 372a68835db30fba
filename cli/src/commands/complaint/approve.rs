//! `sinergi complaint approve`: gives the second signature to a proposal to archive or erase. An erasure cannot be undone, so the command asks.

use clap::Args;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{Approve, GetStatusRequest};

use super::act::{Deed, OnComplaint};
use super::entry_name::{self, EntryName};
use super::show;
use crate::commands::question::ask;
use crate::failure::Failure;
use crate::options::Context;
use crate::safe;
use crate::view::{ComplaintDetail, Proposal, short_hash, short_id};

/// Options of `complaint approve`.
#[derive(Args, Clone, Debug)]
pub struct ApproveOptions {
    /// The proposal to approve [default: the only one that waits for this agency]
    #[arg(long, value_name = "ENTRY")]
    pub proposal: Option<EntryName>,

    /// Do not ask for confirmation before contents are destroyed
    #[arg(long)]
    pub yes: bool,
}

/// Runs the command.
pub(super) async fn run(options: ApproveOptions, on: OnComplaint, context: &Context) -> Result<(), Failure> {
    let text = on.note.read()?;
    let detail = show::fetch(&on.complaint, context).await?;
    // The request always names the proposal, so that exactly the confirmed one is approved.
    let (proposal, erases) = match &options.proposal {
        Some(name) => {
            let entry_id = entry_name::resolve(name, &detail)?.entry_id.clone();
            let open = detail.proposals.iter().find(|open| open.entry_id == entry_id);
            (entry_name::bytes(&entry_id)?, open.is_some_and(|open| open.kind == "erase"))
        }
        None => match only(&detail, &own_agency(context).await?)? {
            Some(open) => (entry_name::bytes(&open.entry_id)?, open.kind == "erase"),
            // The node's error says why there is nothing to approve.
            None => (Vec::new(), false),
        },
    };
    if erases && !options.yes {
        let title =
            detail.complaint.title.as_deref().map_or_else(String::new, |title| format!(": {}", safe::line(title)));
        let id = short_id(&detail.complaint.id);
        let explanation =
            format!("Texts of complaint {id}{title}\nwill be destroyed on every node. This cannot be undone.");
        ask(&explanation, "Destroy them")?;
    }
    Deed {
        complaint: on.complaint,
        attempt: "approve the proposal",
        done: if erases {
            "erasure approved, the texts are being destroyed on every node".to_owned()
        } else {
            "approved, the complaint is archived".to_owned()
        },
        text,
        class: on.note.class,
        act: Act::Approve(Approve { proposal }),
    }
    .carry_out(context)
    .await
}

async fn own_agency(context: &Context) -> Result<String, Failure> {
    let mut node = context.connect().await?;
    let status = node.api.get_status(GetStatusRequest {}).await;
    Ok(status.map_err(|status| Failure::from_status("tell its agency", &status))?.into_inner().agency)
}

/// The proposal to approve if none is named: the only one, or the only one that waits for this agency.
fn only<'d>(detail: &'d ComplaintDetail, own: &str) -> Result<Option<&'d Proposal>, Failure> {
    let all: Vec<&Proposal> = detail.proposals.iter().collect();
    let ours: Vec<&Proposal> =
        all.iter().copied().filter(|open| open.second.iter().any(|second| second == own)).collect();
    match (&all[..], &ours[..]) {
        ([one], _) | (_, [one]) => Ok(Some(one)),
        ([], _) => Ok(None),
        (several, _) => {
            let named = |open: &&Proposal| {
                format!("{} ({}, {})", short_hash(&open.entry_id), open.kind, open.code.replace('_', "-"))
            };
            let named: Vec<String> = several.iter().map(named).collect();
            Err(Failure::usage(format!("several proposals are open: {}", named.join("; ")))
                .help("name the one to approve with --proposal ENTRY"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::fixture::handed_over;
    use crate::failure::Exit;

    fn proposal(id: &str, kind: &str, second: &str) -> Proposal {
        Proposal {
            entry_id: id.repeat(32),
            kind: kind.to_owned(),
            code: "court_order".to_owned(),
            author: "kota-bandung".to_owned(),
            second: vec![second.to_owned()],
        }
    }

    #[test]
    fn the_only_proposal_that_waits_for_this_agency_is_the_default() {
        let mut detail = handed_over();
        assert!(only(&detail, "ombudsman").expect("none").is_none());
        detail.proposals.push(proposal("aa", "archive", "prov-jabar"));
        assert_eq!(only(&detail, "ombudsman").expect("one").map(|open| &open.kind[..]), Some("archive"));
        detail.proposals.push(proposal("bb", "erase", "ombudsman"));
        assert_eq!(only(&detail, "ombudsman").expect("ours").map(|open| &open.kind[..]), Some("erase"));
        detail.proposals.push(proposal("cc", "erase", "ombudsman"));
        let several = only(&detail, "ombudsman").expect_err("two of ours");
        assert_eq!(several.exit(), Exit::Usage);
        assert!(several.message().contains("bbbbbbbbbbbb (erase, court-order)"), "{}", several.message());
    }
}
