//! `sinergi evidence list`: lists the evidence from this node's audits.

use sinergi_proto::operator_api::ListEvidenceRequest;

use super::described;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::view::Finding;

/// Runs the command.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let answer = node.api.list_evidence(ListEvidenceRequest {}).await;
    let findings = answer.map_err(|status| Failure::from_status("list evidence", &status))?.into_inner().findings;
    let findings: Vec<Finding> = findings.into_iter().map(Into::into).collect();
    context.output.listing(&findings, "This node has no evidence against any agency.", list)
}

fn list(output: &Output, findings: &[Finding]) -> String {
    findings.iter().map(|finding| described(output, finding)).collect::<Vec<_>>().join("\n")
}
