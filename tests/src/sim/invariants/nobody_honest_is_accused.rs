//! No fault of a machine or network makes an honest agency look dishonest: no accusation against it can be proven, and no node keeps evidence
//! of dishonesty against it.
//!
//! There is one exception. An agency whose folder was set back may continue because it heard in time from no peer that had seen more. It
//! has signed two ledgers, and is found: its operators restored a copy without `sinergi recover`, and an undeclared loss is a finding.
//!
//! Evidence that rests on a stolen key holds until the key is revoked. It must not hold by the newest charter.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::evidence::{Judge, NotProven};

use super::Broken;
use crate::sim::world::World;

const NAME: &str = "nobody_honest_is_accused";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let stolen_from = world.lie().and_then(|(_, liar)| liar.lie()?.victim());
    let is_stolen = |agency: &AgencyId| stolen_from == Some(agency) && !world.charters().has_revoked(agency);
    let is_honest = |agency: &AgencyId, epoch| {
        let went_on = world.archive.undeclared.contains(&(agency.clone(), epoch));
        !world.is_liar(agency) && !went_on && !is_stolen(agency)
    };
    if let Some(found) = world.findings.iter().find(|found| is_honest(&found.accused, found.epoch)) {
        return Err((NAME, format!("{}: {}", found.finding, found.text)));
    }
    let judge = Judge::new(world.charters());
    for node in world.honest() {
        let accuser = &node.id;
        for evidence in node.evidence().filter(|evidence| evidence.statement.finding.is_dishonest()) {
            let statement = &evidence.statement;
            let went_on = world.archive.undeclared.iter().any(|(agency, _)| *agency == statement.accused);
            let is_disputed =
                || matches!(judge.judge(&evidence.accusation, evidence.at), Err(NotProven::Disputed { .. }));
            if !went_on && !world.is_liar(&statement.accused) && !is_stolen(&statement.accused) && !is_disputed() {
                let what = format!("{accuser} keeps evidence: {}: {}", statement.finding, statement.text);
                return Err((NAME, what));
            }
        }
    }
    Ok(())
}
