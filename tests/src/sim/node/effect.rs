//! The effects of a node on the world. The world carries them out.

use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch};
use sinergi_proto::engine::Recheck;
use sinergi_proto::sync::{End, Job, JobId};
use sinergi_proto::wire::{Frame, accusation::Finding};

/// An effect of a node on the world.
pub enum Effect {
    /// Send a frame to a peer over a connection.
    Send(u64, AgencyId, Frame),
    /// A frame of a peer was read, so its transport has room for another one.
    Read(u64, AgencyId),
    /// Check the signatures of these deferred items again.
    Recheck(Vec<Recheck>),
    /// Execute a job of the session with a peer over a connection.
    Work(u64, AgencyId, JobId, Box<Job>),
    /// A session has ended. Send its last frame, if there is one, and end the connection.
    Close(u64, AgencyId, End),
    /// The statements that an agency signed about its ledger in this epoch contradict each other.
    Accuse(AgencyId, Epoch, Box<Finding>),
    /// The node acknowledged an entry to its operator.
    Acknowledged(EntryId),
    /// The node wrote an entry that acts on outdated custody.
    StaleAct(EntryId),
    /// A link has exceeded its window. The text says how.
    WindowExceeded(String),
}
