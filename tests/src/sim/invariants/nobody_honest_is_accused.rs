//! Whatever machines and networks do, nothing that was ever shown to anybody proves anything against an honest agency, and no node keeps evidence
//! that an honest one is dishonest.
//!
//! One whose folder was set back, and that went on because nobody who knew better was heard in time, is found: it has signed two ledgers. Its
//! operators restored a copy without `sinergi recover`, and an undeclared loss is a finding.

use super::Broken;
use crate::sim::world::World;

const NAME: &str = "nobody_honest_is_accused";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let is_declared = |agency, epoch| !world.archive.undeclared.contains(&(agency, epoch));
    if let Some(found) = world.found.iter().find(|found| is_declared(found.accused.clone(), found.epoch)) {
        return Err((NAME, format!("{}: {}", found.finding, found.text)));
    }
    for (accuser, node) in &world.nodes {
        for evidence in node.evidence().filter(|evidence| evidence.statement.finding.is_dishonest()) {
            let statement = &evidence.statement;
            if !world.archive.undeclared.iter().any(|(agency, _)| *agency == statement.accused) {
                let what = format!("{accuser} keeps evidence: {}: {}", statement.finding, statement.text);
                return Err((NAME, what));
            }
        }
    }
    Ok(())
}
