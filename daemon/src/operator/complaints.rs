//! Finds and lists complaints.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::{AgencyId, ComplaintId, ComplaintName};
use sinergi_proto::complaint::Phase;
use sinergi_proto::entry::content::read_text;
use sinergi_proto::operator_api;
use sinergi_proto::wire;
use tonic::Status;

use super::names::optional_agency;
use super::{RowSink, limit_of, own};
use crate::base::time::now_millis;
use crate::peers::Peers;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::outbox::Outbox;
use crate::storage::record_codec::Header;
use crate::storage::store::Summary;

/// The number of complaints that the error about an ambiguous name lists.
const NAMED_MOST: usize = 5;

/// The filter of a listing.
pub(super) struct Filter {
    holder: Option<AgencyId>,
    offered_to: Option<AgencyId>,
    intake: Option<AgencyId>,
    phase: Option<Phase>,
    category: String,
    since: u64,
    overdue: bool,
    limit: usize,
}

impl Filter {
    pub(super) fn parse(request: operator_api::ListComplaintsRequest) -> Result<Self, Status> {
        let phase = match request.phase.as_str() {
            "" => None,
            name => Some(Phase::from_name(name).ok_or_else(|| {
                let all = Phase::ALL.map(Phase::name).join(", ");
                Status::invalid_argument(format!("phase {name:?}: must be one of {all}"))
            })?),
        };
        Ok(Self {
            holder: optional_agency("holder", &request.holder)?,
            offered_to: optional_agency("offered-to", &request.offered_to)?,
            intake: optional_agency("intake", &request.intake)?,
            phase,
            category: request.category,
            since: request.since,
            overdue: request.overdue,
            limit: limit_of(request.limit),
        })
    }

    fn matches(&self, id: &ComplaintId, summary: &Summary) -> bool {
        let offer = summary.offer.as_ref();
        self.holder.as_ref().is_none_or(|holder| *holder == summary.holder)
            && self.offered_to.as_ref().is_none_or(|to| offer.is_some_and(|offer| offer.to == *to))
            && self.intake.as_ref().is_none_or(|intake| *intake == summary.intake)
            && self.phase.is_none_or(|phase| phase == summary.phase)
            && (self.category.is_empty() || self.category == summary.category)
            && id.lodged_millis() >= self.since
            && (!self.overdue || offer.is_some_and(|offer| offer.answer_by < now_millis()))
    }
}

/// The complaints of this node, as operators see them.
#[derive(Clone)]
pub(super) struct Complaints {
    pub(super) own: AgencyId,
    pub(super) peers: Peers,
    pub(super) outbox: Outbox,
    pub(super) charter_store: CharterStore,
}

impl Complaints {
    /// The only complaint whose id contains this name.
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

    /// Lists complaints, newest first.
    pub(super) fn list(&self, filter: &Filter, row: RowSink<'_, operator_api::ComplaintSummary>) -> Result<(), Status> {
        let store = self.outbox.store();
        let mut left = filter.limit;
        let mut show = |id: ComplaintId, summary: Summary| -> Result<bool, Status> {
            if filter.matches(&id, &summary) {
                left -= 1;
                return Ok(row(self.summary(&id, summary)?) && left > 0);
            }
            Ok(true)
        };
        if let Some(holder) = &filter.holder {
            for (id, summary) in own(store.held_by(holder))? {
                if !show(id, summary)? {
                    break;
                }
            }
            return Ok(());
        }
        for item in store.complaints() {
            let (id, summary) = own(item)?;
            if id.lodged_millis() < filter.since || !show(id, summary)? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn summary(&self, id: &ComplaintId, summary: Summary) -> Result<operator_api::ComplaintSummary, Status> {
        let outbox = &self.outbox;
        let lodged = own(ParsedLeaf::parse(own(outbox.reader().leaf(summary.lodged))?, outbox.federation()))?;
        let title = self.texts(&lodged)?.remove(&0).flatten().map(|text| text.title).unwrap_or_default();
        let (offered_to, answer_by) =
            summary.offer.map_or((String::new(), 0), |offer| (offer.to.to_string(), offer.answer_by));
        Ok(operator_api::ComplaintSummary {
            complaint: id.0.to_vec(),
            lodged_at: id.lodged_millis(),
            kind: summary.kind,
            category: summary.category,
            area: summary.area,
            class: summary.class.to_wire().into(),
            intake: summary.intake.to_string(),
            holder: summary.holder.to_string(),
            offered_to,
            answer_by,
            phase: summary.phase.name().to_owned(),
            entries: summary.entries.into(),
            changed_at: summary.changed_at,
            self_closed: summary.self_closed,
            title,
            digest: own(outbox.store().digest(id))?.to_vec(),
            external: summary.external.map(|e| operator_api::ExternalReference { source: e.source, id: e.id }),
        })
    }

    /// The texts of an entry that this node has, by the number of the commitment; `None` if a text was erased.
    pub(super) fn texts(&self, leaf: &ParsedLeaf) -> Result<BTreeMap<u32, Option<wire::Text>>, Status> {
        let mut texts = BTreeMap::new();
        if leaf.entry.commitments.is_empty() {
            return Ok(texts);
        }
        for record in own(self.outbox.reader().contents(leaf.index))? {
            let Header::Content(header) = own(Header::of(&record).map_err(OwnDataError::from))? else { continue };
            let text = record.body.get(32..).filter(|_| !record.erased).and_then(read_text);
            texts.insert(header.commitment, text);
        }
        Ok(texts)
    }
}
