//! Every command on every history: one that is decided has effect, and one that would have none is declined.

use super::*;

/// One command of each kind.
fn commands(to: &str) -> Vec<Command> {
    let offer = NewOffer { to: agency(to), reason: 1, answer_by: None };
    vec![
        Command::Forward(offer.clone()),
        Command::Accept,
        Command::Return { reason: 1, suggestion: Some(agency(to)) },
        Command::Withdraw,
        Command::Recall,
        Command::Verify { category: "air".to_owned(), priority: 1, handling: 1 },
        Command::Progress { state: 1 },
        Command::Respond,
        Command::Resolve { outcome: 1 },
        Command::Reply(Reply {
            word: Word { says: ReplyWord::Dissatisfied, answer: None, score: 0, number: 0 },
            signature: None,
        }),
        Command::Reply(Reply {
            word: Word { says: ReplyWord::Information, answer: None, score: 0, number: 1 },
            signature: Some([7; 64]),
        }),
        Command::Close { cause: CloseCause::Reply.into() },
        Command::Close { cause: CloseCause::Silence.into() },
        Command::Close { cause: CloseCause::OwnWord.into() },
        Command::Reassign(offer),
        Command::Archive { reason: 1 },
        Command::Approve { proposal: None },
        Command::RefuseArchive,
        Command::Erase { ground: 1, entries: Vec::new() },
        Command::Link { duplicate_of: ComplaintId([7; 32]) },
        Command::Remark,
    ]
}

/// The body that a command would become, without asking whether it is allowed.
fn forced(federation: &Federation, case: &Case<'_>, author: &str, command: &Command) -> Writing {
    let node = federation.node(author);
    match command {
        Command::Forward(offer) => node.forwards(case).to(offer.to.as_str()),
        Command::Accept => node.accepts(case),
        Command::Return { .. } => node.returns(case),
        Command::Withdraw => node.withdraws(case),
        Command::Recall => node.recalls(case),
        Command::Verify { .. } => node.verifies(case, "air"),
        Command::Progress { .. } => node.progresses(case),
        Command::Respond => node.responds(case),
        Command::Resolve { .. } => node.resolves(case),
        Command::Reply(reply) => {
            node.says(case, CaseAct::Replied(Box::new(reply.clone())).to_wire(case.complaint.tip()))
        }
        Command::Close { cause } => node.closes(case, CloseCause::try_from(*cause).expect("a cause")),
        Command::Reassign(offer) => node.reassigns(case).to(offer.to.as_str()),
        Command::Archive { .. } => node.says(case, Wire::ArchiveProposed(wire::ArchiveProposed::default())),
        Command::Approve { .. } => {
            let archive = case.complaint.case().archive_proposal.map(|open| open.entry);
            match archive.or_else(|| case.complaint.erase_proposals().first().copied()) {
                Some(open) if archive == Some(open) => {
                    let proposal = open.0.to_vec();
                    node.says(case, Wire::ArchiveApproved(wire::ArchiveApproved { proposal, ..Default::default() }))
                }
                open => {
                    let proposal = open.map_or(vec![0; 32], |open| open.0.to_vec());
                    node.says(case, Wire::Erased(wire::Erased { proposal, ..Default::default() }))
                }
            }
        }
        Command::RefuseArchive => {
            let proposal = case.complaint.case().archive_proposal.map_or(vec![0; 32], |open| open.entry.0.to_vec());
            node.says(case, Wire::ArchiveRefused(wire::ArchiveRefused { proposal, ..Default::default() }))
        }
        Command::Erase { .. } => node.says(case, Wire::EraseProposed(wire::EraseProposed::default())),
        Command::Link { .. } => {
            node.says(case, Wire::Linked(wire::Linked { duplicate_of: vec![7; 32], ..Default::default() }))
        }
        Command::Remark => node.remarks(case),
        Command::Disclose { .. } => unreachable!("not among the commands: the histories hold no content"),
    }
}

fn says(federation: &Federation, case: &Case<'_>, author: &str, body: Wire) -> Writing {
    federation.node(author).says(case, body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn a_decided_command_has_effect_and_a_command_without_effect_is_declined(steps in steps(), later in 0..6000_u64) {
        let federation = federation();
        let history = write(&federation, &steps);
        let in_order: Vec<usize> = (0..history.written.len()).collect();
        let (complaint, _) = arrive(&federation, &history, &in_order);
        let mut case = Case::lodged(&federation, &history.lodged);
        (case.complaint, case.now) = (complaint, history.end + later * MINUTE);
        for author in MEMBERS {
            let millis = HybridClock::tick(case.now, case.complaint.newest_clock()).expect("a clock").millis();
            let id = agency(author);
            let me = Author { agency: &id, millis, charters: &federation.charters, answer_within_millis: ANSWER_WITHIN };
            for command in commands("kota-bandung") {
                let mut after = case.clone();
                match decide(&case.complaint, &command, me) {
                    Ok(body) => {
                        let entry = after.take(says(&federation, &case, author, body));
                        prop_assert_eq!(after.standing(entry), Standing::Effective, "{:?} by {}", command, author);
                    }
                    Err(Declined::NoEffect { reason, .. }) => {
                        let entry = forced(&federation, &case, author, &command).entry();
                        if after.judges(&entry) == Verdict::Admit {
                            after.learn(&entry);
                            prop_assert_eq!(after.standing(entry.id), Standing::WithoutEffect(reason));
                        }
                    }
                    Err(Declined::NoReply { .. } | Declined::NotSilent { .. }) => {
                        let entry = forced(&federation, &case, author, &command).entry();
                        if after.judges(&entry) == Verdict::Admit {
                            after.learn(&entry);
                            let reason = match entry.author == *case.complaint.intake() {
                                true => NoEffect::UntrueCause,
                                false => NoEffect::NotIntake { intake: case.complaint.intake().clone() },
                            };
                            prop_assert_eq!(after.standing(entry.id), Standing::WithoutEffect(reason));
                        }
                    }
                    Err(Declined::Ended { .. } | Declined::NotAnswered { .. } | Declined::Proposal { .. }) => {}
                    Err(other) => prop_assert!(false, "{:?} by {}: {}", command, author, other),
                }
            }
        }
    }
}
