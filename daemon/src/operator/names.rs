//! Parses the names that an operator types.

use sinergi_proto::base::ids::AgencyId;
use tonic::Status;

/// Parses an agency; `None` if the text is empty.
pub(super) fn optional_agency(field: &str, text: &str) -> Result<Option<AgencyId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
}
