//! The definitions of path, case, participants and custody, computed from the whole set of entries at once.
//!
//! The fold computes the same step by step. Its random histories are checked against these definitions.

use super::*;

/// Checks path, case and participants against their definitions, which are computed here from the whole set and not step by step.
pub(super) fn check_by_definition(complaint: &Complaint) {
    let act = |id: &EntryId| match &complaint.entry(id).expect("here").body {
        Body::Custody { basis, act } => Some((*basis, act.rank())),
        _ => None,
    };
    let effective: Vec<EntryId> =
        complaint.timeline().filter(|(_, known)| known.custody().is_some()).map(|(id, _)| id).collect();
    // Parents come before their children in the timeline.
    let mut below: BTreeMap<EntryId, BTreeSet<EntryId>> = BTreeMap::new();
    for (id, known) in complaint.timeline() {
        let mut ancestors: BTreeSet<EntryId> = known.parents.iter().copied().collect();
        ancestors.extend(known.parents.iter().flat_map(|parent| &below[parent]));
        let basis = known.body.basis().filter(|basis| effective.contains(basis));
        let acts_on_basis = |other: &EntryId| basis.is_some() && act(other).map(|(basis, _)| basis) == basis;
        let knew_other_act = effective.iter().any(|other| ancestors.contains(other) && acts_on_basis(other));
        let judged_so = complaint.standing(&id) == Some(Standing::WithoutEffect(NoEffect::BasisActedOn));
        assert_eq!(judged_so, knew_other_act, "{id:?}");
        below.insert(id, ancestors);
    }
    let mut path = vec![*effective.first().expect("Lodged")];
    loop {
        let at = path[path.len() - 1];
        let children =
            effective.iter().filter_map(|id| act(id).filter(|(basis, _)| *basis == at).map(|(_, rank)| (rank, *id)));
        match children.min() {
            Some((_, child)) => path.push(child),
            None => break,
        }
    }
    assert_eq!(complaint.tip(), path[path.len() - 1]);
    for id in &effective {
        let on_path = path.contains(id);
        assert_eq!(complaint.standing(id) == Some(Standing::Effective), on_path, "{id:?}");
        if let Some(Standing::Superseded { by }) = complaint.standing(id) {
            assert!(path.contains(&by));
        }
    }
    let offers = path.iter().filter_map(|id| complaint.entry(id)?.custody()?.offer.as_ref()).map(|offer| offer.entry);
    let open: Vec<EntryId> = offers.filter(|offer| path.last() == Some(offer)).collect();
    assert_eq!(open.first().copied(), complaint.custody().offer.as_ref().map(|offer| offer.entry));

    let mut case = CaseState::new(complaint.lodged());
    for (id, known) in complaint.timeline() {
        if let (Body::Case { basis, act }, Some(Standing::Effective)) = (&known.body, complaint.standing(&id)) {
            let (millis, on_path) = (known.clock.millis(), path.contains(basis));
            let entry = CaseEntry { id, author: &known.author, millis, basis: *basis, on_path, act };
            case = case.after(entry, complaint.intake(), complaint.lodged()).expect("it has effect");
        }
    }
    assert_eq!(complaint.case(), &case);
    let mut participants = BTreeSet::from([complaint.intake().clone()]);
    participants.extend(effective.iter().filter_map(|id| match &complaint.entry(id)?.body {
        Body::Custody { act, .. } => act.offers_to().cloned(),
        _ => None,
    }));
    assert_eq!(complaint.participants(), &participants);
}

/// Checks the path: an agency gets custody only by accepting an offer of the holder or of the holder's supervisor, and only holder, addressee
/// and supervisor move custody. Hostile clocks, parents and bases make no difference.
pub(super) fn check_that_only_the_entitled_moved_custody(complaint: &Complaint, federation: &Federation) {
    let (mut holder, mut offered_to) = (complaint.intake().clone(), None);
    for (id, known) in complaint.path().skip(1) {
        let Body::Custody { act, .. } = &known.body else { panic!("{id:?} is no custody entry") };
        let author = &known.author;
        match act {
            CustodyAct::Forwarded { to, .. } => {
                assert_eq!((author, &offered_to), (&holder, &None), "{id:?}");
                offered_to = Some(to.clone());
            }
            CustodyAct::Reassigned { to, .. } => {
                assert!(federation.charter().supervises(author, &holder), "{author} reassigned what {holder} held");
                offered_to = Some(to.clone());
            }
            CustodyAct::Accepted => {
                assert_eq!(Some(author), offered_to.as_ref(), "{id:?}");
                (holder, offered_to) = (author.clone(), None);
            }
            CustodyAct::Returned { .. } => {
                assert_eq!(Some(author), offered_to.as_ref(), "{id:?}");
                offered_to = None;
            }
            CustodyAct::Withdrawn => {
                assert_eq!((author, offered_to.is_some()), (&holder, true), "{id:?}");
                offered_to = None;
            }
        }
    }
    assert_eq!(complaint.custody().holder, holder);
}
