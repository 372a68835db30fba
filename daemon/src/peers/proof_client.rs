//! Asks a linked peer for proofs about its ledger.
//!
//! Must not check the answer.
//!
//! Invariant: a question goes over the existing link, no matter which side dialled it, and ends with an answer or a reason within
//! [`limits::PROVE_WITHIN`].

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::wire;
use tokio::sync::oneshot;

use super::peer::{Peers, Question};

/// A question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The agency is not a configured peer.
    #[error("{0} is no adjacent peer: its ledger can be asked about over a link only")]
    NotAdjacent(AgencyId),
    /// There is no link.
    #[error("no link with {0} is up: see `sinergi peer show {0}`")]
    NotLinked(AgencyId),
    /// The peer did not answer in time.
    #[error("{0} did not answer within {seconds} s", seconds = limits::PROVE_WITHIN.as_secs())]
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

impl Peers {
    /// Asks a peer about its ledger.
    ///
    /// # Errors
    /// The peer is not linked, does not answer in time, or refuses.
    pub async fn ask(&self, agency: &AgencyId, prove: wire::Prove) -> Result<wire::Proof, Unanswered> {
        let peer = self.get(agency).ok_or_else(|| Unanswered::NotAdjacent(agency.clone()))?;
        let not_linked = || Unanswered::NotLinked(agency.clone());
        let questions = peer.questions().ok_or_else(not_linked)?;
        let (answer, answered) = oneshot::channel();
        let asked = async {
            questions.send(Question { prove, answer }).await.map_err(|_| not_linked())?;
            answered.await.map_err(|_| not_linked())
        };
        let proof = tokio::time::timeout(limits::PROVE_WITHIN, asked).await;
        let proof = proof.map_err(|_| Unanswered::Silent(agency.clone()))??;
        if proof.refusal.is_empty() {
            return Ok(proof);
        }
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let refusal = proof.refusal.chars().map(printable).take(300).collect();
        Err(Unanswered::Refused { agency: agency.clone(), refusal })
    }
}
