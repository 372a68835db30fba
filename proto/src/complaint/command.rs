//! The commands of an operator on a complaint.
//!
//! A parser at the edge of the node makes them, so their fields are well-formed. A code is a number of an open enum of `entry.proto`. A
//! number that this version does not know is written unchanged.
//!
//! Must not know whether a command is allowed: [`decide`](fn@super::decide) does.

use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::citizen::Reply;

/// An order of an operator, or of the node itself. Each command becomes at most one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The holder offers custody to another agency.
    Forward(NewOffer),
    /// A supervisor offers custody in the holder's place.
    Reassign(NewOffer),
    /// The addressee of the open offer takes custody.
    Accept,
    /// The addressee of the open offer declines it.
    Return {
        /// A `ReturnReason`.
        reason: i32,
        /// The competent agency, if the addressee knows it.
        suggestion: Option<AgencyId>,
    },
    /// The holder takes back an offer that nobody answered.
    Withdraw,
    /// The holder asks the addressee to return the open offer.
    Recall,
    /// The holder classifies the complaint.
    Verify {
        /// The category code. Empty: the category stays as it is.
        category: String,
        /// A `Priority`.
        priority: i32,
        /// A `Handling`.
        handling: i32,
    },
    /// The holder reports work.
    Progress {
        /// A `ProgressState`.
        state: i32,
    },
    /// The holder answers the citizen.
    Respond,
    /// The holder ends the work.
    Resolve {
        /// An `Outcome`.
        outcome: i32,
    },
    /// The citizen's word: signed by the citizen, or noted by the intake agency in its own name.
    Reply(Reply),
    /// The intake agency ends the case.
    Close {
        /// A `CloseCause`.
        cause: i32,
    },
    /// The holder proposes to archive the complaint.
    Archive {
        /// An `ArchiveReason`.
        reason: i32,
    },
    /// The second signature under a proposal to archive or to erase.
    Approve {
        /// The entry of the proposal. `None`: the only open one that the agency may approve.
        proposal: Option<EntryId>,
    },
    /// The second signature under the open proposal to archive is denied.
    RefuseArchive,
    /// The intake agency proposes to destroy contents.
    Erase {
        /// An `EraseGround`.
        ground: i32,
        /// The entries whose contents are meant. Empty: all entries.
        entries: Vec<EntryId>,
    },
    /// The holder handles the complaint as part of another one.
    Link {
        /// The other complaint.
        duplicate_of: ComplaintId,
    },
    /// A content is given to one more agency.
    Disclose {
        /// The entry that has the content. `None`: the entry that lodged the complaint.
        entry: Option<EntryId>,
        /// The number of the content among those of the entry, counted from 0.
        commitment: u32,
        /// The agency that gets it.
        to: AgencyId,
    },
    /// A supervisor or an oversight agency makes a note.
    Remark,
}

/// The offer of custody that a command makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOffer {
    /// The agency that custody is offered to.
    pub to: AgencyId,
    /// A `ForwardReason`.
    pub reason: i32,
    /// The time until which the addressee may answer, in milliseconds since 1970. `None`: the configured time from now.
    pub answer_by: Option<u64>,
}
