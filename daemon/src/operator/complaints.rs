//! Questions about complaints.

use std::collections::BTreeMap;

use sinergi_proto::complaint::{Phase, Standing};
use sinergi_proto::content::read_text;
use sinergi_proto::entry::{Body, CaseAct, CustodyAct, Entry};
use sinergi_proto::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::route::Access;
use sinergi_proto::wire;
use tonic::Status;

use super::names::optional_agency;
use super::{OperatorService, RowSink, limit_of, own};
use crate::case::{Case, Leaf};
use crate::headers::{self, ContentHeader};
use crate::store::Summary;
use crate::time::now_millis;

/// Which complaints are listed.
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
    pub(super) fn parse(request: wire::ListComplaintsRequest) -> Result<Self, Status> {
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

    fn takes(&self, id: &ComplaintId, summary: &Summary) -> bool {
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

impl OperatorService {
    /// Lists complaints, newest first.
    pub(super) fn list(&self, filter: &Filter, row: RowSink<'_, wire::ComplaintSummary>) -> Result<(), Status> {
        let store = self.links.outbox.store();
        let mut left = filter.limit;
        let mut show = |id: ComplaintId, summary: Summary| -> Result<bool, Status> {
            if filter.takes(&id, &summary) {
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

    fn summary(&self, id: &ComplaintId, summary: Summary) -> Result<wire::ComplaintSummary, Status> {
        let outbox = &self.links.outbox;
        let lodged = own(Leaf::parse(own(outbox.reader().leaf(summary.lodged))?, outbox.federation()))?;
        let title = self.texts(&lodged)?.remove(&0).flatten().map(|text| text.title).unwrap_or_default();
        let (offered_to, answer_by) =
            summary.offer.map_or((String::new(), 0), |offer| (offer.to.to_string(), offer.answer_by));
        Ok(wire::ComplaintSummary {
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
            external: summary.external.map(|e| wire::ExternalReference { source: e.source, id: e.id }),
        })
    }

    /// Everything about one complaint.
    pub(super) fn show(&self, name: &str) -> Result<wire::ComplaintDetail, Status> {
        let id = self.complaint_named(name)?;
        let outbox = &self.links.outbox;
        let charters = self.links.directory.charters();
        let case = own(Case::load(&id, outbox.store(), outbox.reader(), outbox.federation(), &charters))?
            .ok_or_else(|| Status::not_found(format!("there is no complaint {id} here")))?;
        let mut timeline = Vec::with_capacity(case.complaint.len());
        for (entry, _) in case.complaint.timeline() {
            let index = case.leaves.get(&entry).copied().unwrap_or_default();
            let leaf = own(Leaf::parse(own(outbox.reader().leaf(index))?, outbox.federation()))?;
            timeline.push(self.timeline_row(&case, leaf)?);
        }
        let participants = case.complaint.participants();
        let observers = charters.newest().observers(participants);
        Ok(wire::ComplaintDetail {
            summary: Some(self.summary(&id, case.summary())?),
            timeline,
            participants: participants.iter().map(ToString::to_string).collect(),
            observers: observers.iter().map(ToString::to_string).collect(),
        })
    }

    fn timeline_row(&self, case: &Case, leaf: Leaf) -> Result<wire::TimelineRow, Status> {
        let content = self.timeline_contents(case, &leaf)?;
        let Leaf { index, header, entry } = leaf;
        let (standing, standing_reason) = standing_of(case, &entry);
        let (to, answer_by) = match &entry.body {
            Body::Custody { act: CustodyAct::Forwarded { to, answer_by, .. }, .. }
            | Body::Custody { act: CustodyAct::Reassigned { to, answer_by, .. }, .. } => (to.to_string(), *answer_by),
            _ => (String::new(), 0),
        };
        let suggestion = match &entry.body {
            Body::Custody { act: CustodyAct::Returned { suggestion: Some(suggestion), .. }, .. } => {
                suggestion.to_string()
            }
            _ => String::new(),
        };
        Ok(wire::TimelineRow {
            entry_id: entry.id.0.to_vec(),
            leaf_index: index.0,
            at: entry.clock.millis(),
            received_at: header.at,
            author: entry.author.to_string(),
            received_from: header.from.map(String::from).unwrap_or_default(),
            body: entry.body.name().to_owned(),
            standing,
            standing_reason,
            to,
            answer_by,
            code: code_of(&entry.body),
            suggestion,
            basis: entry.body.basis().map(|basis| basis.0.to_vec()).unwrap_or_default(),
            content,
        })
    }

    fn timeline_contents(&self, case: &Case, leaf: &Leaf) -> Result<Vec<wire::TimelineContent>, Status> {
        let mut texts = self.texts(leaf)?;
        let participant = case.complaint.participants().contains(&self.links.own);
        let rows = (0u32..).zip(&leaf.entry.commitments).map(|(number, commitment)| {
            let (availability, text) = match texts.remove(&number) {
                Some(Some(text)) => ("here", Some(text)),
                Some(None) => ("erased", None),
                None if participant && Access::Confidential.allows(commitment.class) => ("awaited", None),
                None => ("withheld", None),
            };
            wire::TimelineContent {
                class: commitment.class.to_wire().into(),
                length: commitment.length,
                availability: availability.to_owned(),
                text,
            }
        });
        Ok(rows.collect())
    }

    /// The texts of an entry that are here, by commitment; `None`: erased.
    fn texts(&self, leaf: &Leaf) -> Result<BTreeMap<u32, Option<wire::Text>>, Status> {
        let mut texts = BTreeMap::new();
        if leaf.entry.commitments.is_empty() {
            return Ok(texts);
        }
        for record in own(self.links.outbox.reader().contents(leaf.index))? {
            let index: LedgerIndex = leaf.index;
            let header: ContentHeader = own(
                headers::decode(&record.header).map_err(|source| crate::case::CaseError::Header { index, source })
            )?;
            let text = record.body.get(32..).filter(|_| !record.erased).and_then(read_text);
            texts.insert(header.commitment, text);
        }
        Ok(texts)
    }
}

fn standing_of(case: &Case, entry: &Entry) -> (String, String) {
    let (standing, reason) = match case.complaint.standing(&entry.id) {
        Some(Standing::Effective) => ("effective", String::new()),
        Some(Standing::Superseded { by }) => {
            let winner = case.complaint.entry(&by).map(|known| format!("{} of {}", known.body.name(), known.author));
            ("superseded", format!("{} stands instead ({by})", winner.unwrap_or_default()))
        }
        Some(Standing::WithoutEffect(reason)) => ("without_effect", reason.to_string()),
        Some(Standing::Kept) | None => ("kept", "this version does not act on it".to_owned()),
    };
    (standing.to_owned(), reason)
}

/// The reason, state, outcome or word of a body, in lower case.
fn code_of(body: &Body) -> String {
    fn name<T: TryFrom<i32>>(number: i32, prefix: &str, name: impl Fn(T) -> &'static str) -> String {
        match T::try_from(number) {
            Ok(known) => name(known).trim_start_matches(prefix).to_lowercase(),
            Err(_) => number.to_string(),
        }
    }
    match body {
        Body::Custody { act: CustodyAct::Forwarded { reason, .. } | CustodyAct::Reassigned { reason, .. }, .. } => {
            name(*reason, "FORWARD_REASON_", |code: wire::ForwardReason| code.as_str_name())
        }
        Body::Custody { act: CustodyAct::Returned { reason, .. }, .. } => {
            name(*reason, "RETURN_REASON_", |code: wire::ReturnReason| code.as_str_name())
        }
        Body::Case { act, .. } => match act {
            CaseAct::Verified { category, .. } => category.clone(),
            CaseAct::Progressed { state } => {
                name(*state, "PROGRESS_STATE_", |code: wire::ProgressState| code.as_str_name())
            }
            CaseAct::Resolved { outcome } => name(*outcome, "OUTCOME_", |code: wire::Outcome| code.as_str_name()),
            CaseAct::Replied { word, .. } => word.as_str_name().trim_start_matches("REPLY_WORD_").to_lowercase(),
            CaseAct::Closed { cause } => name(*cause, "CLOSE_CAUSE_", |code: wire::CloseCause| code.as_str_name()),
            CaseAct::Recalled | CaseAct::Responded => String::new(),
        },
        Body::Lodged(lodged) => name(lodged.kind, "COMPLAINT_KIND_", |code: wire::ComplaintKind| code.as_str_name()),
        Body::Custody { .. } | Body::Node(_) | Body::Kept { .. } => String::new(),
    }
}
