//! Asks a linked peer for proofs about its ledger.
//!
//! Must not check the answer.
//!
//! Invariants:
//! - a question goes over the existing link, no matter which side dialled it, and ends with an answer or a reason;
//! - [`Unanswered::Silent`] and [`Unanswered::Refused`] are the peer's doing. A question that this node did not send, or that the link did not
//!   carry, is never the peer's silence.
//!
//! ```text
//! channel of the link --PROVE_WITHIN--> taken by the session --PROVE_WITHIN--> answer --no--> ping --PING_WITHIN--> the peer is silent
//!        |                                     |                                               |
//!      Unsent                              LinkEnded                                    LinkEnded, LinkDead
//! ```

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits::PROVE_WITHIN;
use sinergi_proto::transparency::audit::NoAnswer;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::peer::{Link, Peers, Question};
use crate::base::node_limits::PING_WITHIN;
use crate::base::time::now_millis;

/// A link that ended so recently, in milliseconds, because the peer showed no valid checkpoint counts as a question without an answer. The next link is
/// tried within this time.
const NO_CHECKPOINT_COUNTS: u64 = 10 * 60 * 1000;

/// A question has no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unanswered {
    /// The agency is not a configured peer.
    #[error("{0} is no adjacent peer: its ledger can be asked about over a link only")]
    NotAdjacent(AgencyId),
    /// There is no link.
    #[error("no link with {0} is up: see `sinergi peer show {0}`, and try again when it is linked")]
    NotLinked(AgencyId),
    /// The link had other work, so the question was not sent.
    #[error("the link with {0} was too busy to send the question within {seconds} s: try again later", seconds = PROVE_WITHIN.as_secs())]
    Unsent(AgencyId),
    /// The link ended before the time to answer was over.
    #[error(
        "the link with {0} ended before the answer came: see `sinergi peer show {0}`, and try again when it is linked"
    )]
    LinkEnded(AgencyId),
    /// Neither the question nor a ping was answered: perhaps the network carries nothing.
    #[error(
        "the link with {0} carries nothing: neither the question nor a ping within {seconds} s was answered; see `sinergi peer show {0}`, and try \
         again when it is linked",
        seconds = PING_WITHIN.as_secs()
    )]
    LinkDead(AgencyId),
    /// The peer shows no valid checkpoint when a link comes up, so the link ends.
    #[error("{problem}")]
    NoCheckpoint {
        /// The peer.
        agency: AgencyId,
        /// The problem with its checkpoint, in words.
        problem: String,
    },
    /// The peer had the question and did not answer in time, although it answered a ping.
    #[error("{0} did not answer within {seconds} s", seconds = PROVE_WITHIN.as_secs())]
    Silent(AgencyId),
    /// The peer refused to answer.
    #[error("{agency} answered: {refusal}")]
    Refused {
        /// The peer.
        agency: AgencyId,
        /// The peer's reason, cut and on one line.
        refusal: String,
    },
}

impl From<&Unanswered> for NoAnswer {
    fn from(unanswered: &Unanswered) -> Self {
        let reason = unanswered.to_string();
        match unanswered {
            Unanswered::Silent(_) | Unanswered::Refused { .. } | Unanswered::NoCheckpoint { .. } => Self::Peer(reason),
            Unanswered::NotAdjacent(_)
            | Unanswered::NotLinked(_)
            | Unanswered::Unsent(_)
            | Unanswered::LinkEnded(_)
            | Unanswered::LinkDead(_) => Self::Own(reason),
        }
    }
}

impl Peers {
    /// Asks a peer about its ledger.
    ///
    /// # Errors
    /// The question could not be sent, or the peer does not answer in time, or refuses.
    pub async fn ask(&self, agency: &AgencyId, prove: wire::Prove) -> Result<wire::Proof, Unanswered> {
        let peer = self.get(agency).ok_or_else(|| Unanswered::NotAdjacent(agency.clone()))?;
        let state = peer.snapshot();
        if state.linked_since == 0
            && let Some((at, problem)) = state.no_checkpoint
            && now_millis().saturating_sub(at) < NO_CHECKPOINT_COUNTS
        {
            return Err(Unanswered::NoCheckpoint { agency: agency.clone(), problem });
        }
        let is_up = |_: &Link| state.linked_since > 0;
        let link = peer.link().filter(is_up).ok_or_else(|| Unanswered::NotLinked(agency.clone()))?;
        let ended = || Unanswered::LinkEnded(agency.clone());
        let (answer, answered) = oneshot::channel();
        let (take, taken) = oneshot::channel();
        let sent = async {
            link.questions.send((Question { prove, answer }, take)).await.map_err(|_| ended())?;
            taken.await.map_err(|_| ended())
        };
        let sent_at = timeout(PROVE_WITHIN, sent).await.map_err(|_| Unanswered::Unsent(agency.clone()))??;
        let until = sent_at + PROVE_WITHIN;
        let proof = match timeout_at(until, answered).await {
            Ok(Ok(proof)) => proof,
            // The session gives a question up a moment after `until`. Before that, only its end does.
            Ok(Err(_)) if Instant::now() < until => return Err(ended()),
            Ok(Err(_)) | Err(_) => return Err(no_answer(agency, &link).await),
        };
        if proof.refusal.is_empty() {
            return Ok(proof);
        }
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let refusal = proof.refusal.chars().map(printable).take(300).collect();
        Err(Unanswered::Refused { agency: agency.clone(), refusal })
    }
}

/// The reason why no answer came in time. A link that is dead is noticed only after its idle timeout, which may be longer than the time to answer, so
/// the peer counts as silent only if the same link carries a ping there and back.
async fn no_answer(agency: &AgencyId, link: &Link) -> Unanswered {
    let (ping, pong) = oneshot::channel();
    let pinged = async {
        link.pings.send(ping).await.ok()?;
        pong.await.ok()
    };
    match timeout(PING_WITHIN, pinged).await {
        Ok(Some(())) => Unanswered::Silent(agency.clone()),
        Ok(None) => Unanswered::LinkEnded(agency.clone()),
        Err(_) => Unanswered::LinkDead(agency.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;
    use crate::base::own_clock::SharedClock;
    use crate::peers::peer::{Direction, Hold};

    fn agency(id: &str) -> AgencyId {
        id.parse().expect("an agency id")
    }

    fn city() -> AgencyId {
        agency("kota-bandung")
    }

    /// Asks the city, whose link runs `session`.
    async fn asked<S: Future<Output = ()>>(session: impl FnOnce(Hold) -> S) -> Result<wire::Proof, Unanswered> {
        let configured = [sinergi_config::Peer { agency: city(), endpoint: None }];
        let peers = Peers::new(&configured, &SharedClock::of_a_start(0));
        let peer = peers.get(&city()).expect("configured");
        let hold = peer.take_slot(&agency("prov-jabar"), Direction::Accepted).expect("the slot is free");
        peer.note(|state| state.linked_since = 1);
        let city = city();
        let (answer, ()) = tokio::join!(peers.ask(&city, wire::Prove::default()), session(hold));
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn an_agency_without_a_link_is_not_asked() {
        let configured = [sinergi_config::Peer { agency: city(), endpoint: None }];
        let peers = Peers::new(&configured, &SharedClock::of_a_start(0));
        for (id, expected) in
            [(city(), Unanswered::NotLinked(city())), (agency("ksp"), Unanswered::NotAdjacent(agency("ksp")))]
        {
            let problem = peers.ask(&id, wire::Prove::default()).await.expect_err("it cannot be asked");
            assert!(matches!(NoAnswer::from(&problem), NoAnswer::Own(_)));
            assert_eq!(problem, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agency_that_has_just_shown_no_valid_checkpoint_counts_as_asked_and_not_one_that_did_long_ago() {
        let configured = [sinergi_config::Peer { agency: city(), endpoint: None }];
        let peers = Peers::new(&configured, &SharedClock::of_a_start(0));
        let peer = peers.get(&city()).expect("configured");
        for (ago, is_its_doing) in [(1000, true), (NO_CHECKPOINT_COUNTS + 1000, false)] {
            peer.note(|state| state.no_checkpoint = Some((now_millis() - ago, "it shows none".to_owned())));
            let problem = peers.ask(&city(), wire::Prove::default()).await.expect_err("it cannot be asked");
            assert_eq!(matches!(NoAnswer::from(&problem), NoAnswer::Peer(_)), is_its_doing, "{problem}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_the_link_does_not_take_is_no_silence() {
        let problem = asked(|hold| async {
            sleep(PROVE_WITHIN * 2).await;
            drop(hold);
        });
        let problem = problem.await.expect_err("nobody took it");
        assert!(matches!(NoAnswer::from(&problem), NoAnswer::Own(_)));
        assert_eq!(problem, Unanswered::Unsent(city()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_to_answer_begins_when_the_question_is_taken() {
        let proof = asked(|mut hold| async move {
            sleep(PROVE_WITHIN - Duration::from_secs(1)).await;
            let question = hold.questions.recv().await.expect("a question");
            sleep(PROVE_WITHIN - Duration::from_secs(1)).await;
            question.answer.send(wire::Proof::default()).expect("somebody waits");
        });
        assert_eq!(proof.await, Ok(wire::Proof::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_ends_before_the_time_is_over_is_no_silence() {
        let problem = asked(|mut hold| async move {
            let question = hold.questions.recv().await.expect("a question");
            sleep(PROVE_WITHIN - Duration::from_secs(1)).await;
            drop((question, hold));
        });
        let problem = problem.await.expect_err("the link ended");
        assert!(matches!(NoAnswer::from(&problem), NoAnswer::Own(_)));
        assert_eq!(problem, Unanswered::LinkEnded(city()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_a_ping_and_not_the_question_is_silent() {
        let problem = asked(|mut hold| async move {
            let _question = hold.questions.recv().await.expect("a question");
            let ping = hold.pings.recv().await.expect("a ping");
            ping.send(()).expect("somebody waits");
        });
        let problem = problem.await.expect_err("it does not answer");
        assert!(matches!(NoAnswer::from(&problem), NoAnswer::Peer(_)));
        assert_eq!(problem, Unanswered::Silent(city()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_carries_nothing_is_no_silence() {
        let problem = asked(|mut hold| async move {
            let _question = hold.questions.recv().await.expect("a question");
            let _ping = hold.pings.recv().await.expect("a ping");
            sleep(PING_WITHIN * 2).await;
        });
        let problem = problem.await.expect_err("no answer");
        assert!(matches!(NoAnswer::from(&problem), NoAnswer::Own(_)));
        assert_eq!(problem, Unanswered::LinkDead(city()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_whose_caller_has_gone_is_not_asked() {
        let configured = [sinergi_config::Peer { agency: city(), endpoint: None }];
        let peers = Peers::new(&configured, &SharedClock::of_a_start(0));
        let peer = peers.get(&city()).expect("configured");
        let mut hold = peer.take_slot(&agency("prov-jabar"), Direction::Accepted).expect("the slot is free");
        peer.note(|state| state.linked_since = 1);
        let gone = peers.ask(&city(), wire::Prove::default()).await;
        assert_eq!(gone, Err(Unanswered::Unsent(city())));
        let later = wire::Prove { first_hash: 7, ..Default::default() };
        let city = city();
        let (_, question) = tokio::join!(peers.ask(&city, later.clone()), async {
            let question = hold.questions.recv().await.expect("the later question");
            assert_eq!(question.prove, later);
            question.answer.send(wire::Proof::default()).expect("somebody waits");
        });
        assert_eq!(question, ());
    }
}
