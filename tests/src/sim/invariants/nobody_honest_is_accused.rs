//! Whatever machines and networks do, nothing that was ever shown to anybody proves anything against an honest agency.
//!
//! One whose folder was set back, and that went on because nobody who knew better was heard in time, is found: it has signed two ledgers. Its
//! operators restored a copy without `sinergi recover`, and an undeclared loss is a finding.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let is_declared = |agency, epoch| !world.archive.undeclared.contains(&(agency, epoch));
    match world.found.iter().find(|found| is_declared(found.accused.clone(), found.epoch)) {
        Some(found) => Err(("nobody_honest_is_accused", format!("{}: {}", found.finding, found.text))),
        None => Ok(()),
    }
}
