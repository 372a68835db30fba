//! From what an operator types to what is meant.

use sinergi_proto::base::ids::{AgencyId, ComplaintId, ComplaintName};
use tonic::Status;

use super::complaints::Complaints;
use super::own;

/// Complaints that an ambiguous name lists.
const NAMED_MOST: usize = 5;

impl Complaints {
    /// The one complaint that is meant.
    pub(super) fn complaint_named(&self, name: &str) -> Result<ComplaintId, Status> {
        let name: ComplaintName = name.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
        let found = own(self.outbox.store().named(&name, NAMED_MOST))?;
        match found[..] {
            [] => Err(Status::not_found(format!("there is no complaint {} here", name.as_str()))),
            [one] => Ok(one),
            _ => {
                let several: Vec<String> = found.iter().map(ToString::to_string).collect();
                let text =
                    format!("{} names several complaints, write more of it: {}", name.as_str(), several.join(", "));
                Err(Status::invalid_argument(text))
            }
        }
    }
}

/// An agency that may be left out.
pub(super) fn optional_agency(field: &str, text: &str) -> Result<Option<AgencyId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
}
