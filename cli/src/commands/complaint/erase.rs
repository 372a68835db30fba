//! `sinergi complaint erase`: propose to destroy contents. Entries and proofs stay; the texts are gone on every node once a second agency has
//! approved it. Only the intake agency can propose it.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Erase;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use super::entry_name::{self, EntryName};
use super::{proposal, show};
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{EraseGround, typed};

/// Options of `complaint erase`.
#[derive(Args, Clone, Debug)]
pub struct EraseArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// Why contents have to be destroyed
    #[arg(long, value_enum, value_name = "GROUND")]
    pub ground: EraseGround,

    /// Only the texts of this entry; may be repeated [default: all texts of the complaint]
    #[arg(long = "entry", value_name = "ENTRY")]
    pub entries: Vec<EntryName>,

    /// What is said with it; stays, unless it is erased in turn.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: EraseArgs, context: &Context) -> Result<(), Failure> {
    let text = args.note.read()?;
    let mut entries = Vec::with_capacity(args.entries.len());
    if !args.entries.is_empty() {
        let detail = show::fetch(&args.complaint, context).await?;
        for name in &args.entries {
            entries.push(entry_name::bytes(&entry_name::resolve(name, &detail)?.entry_id)?);
        }
    }
    let what = match entries.len() {
        0 => "all its texts".to_owned(),
        1 => "the texts of one entry".to_owned(),
        count => format!("the texts of {count} entries"),
    };
    let deed = Deed {
        complaint: &args.complaint,
        attempt: "propose to erase contents",
        done: format!("proposed to erase {what} ({})", typed(args.ground)),
        text,
        class: args.note.class,
        act: Act::Erase(Erase { ground: args.ground.into(), entries }),
    };
    proposal::propose(deed, "They are destroyed on every node, for good, once another agency approves it", context)
        .await
}
