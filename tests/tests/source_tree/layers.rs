//! The modules of each room have no cycle, except those that are listed here.

use std::collections::BTreeSet;

use crate::module_graph::ModuleGraph;
use crate::sources::{CRATES, Source, library};

/// The cycles that are left, each with its room and its modules. This list may only become shorter.
const KNOWN_CYCLES: &[(&str, &[&str])] = &[("tests::sim", &["invariants", "world"])];

/// The rooms of a crate: the crate itself, and every module that declares modules.
fn rooms(sources: &[Source]) -> BTreeSet<&[String]> {
    sources.iter().flat_map(|source| (0..source.modules.len()).map(|depth| &source.modules[..depth])).collect()
}

/// The new cycles of a room, and the known cycles that are no longer there.
fn complaints(room: &str, graph: &ModuleGraph, known: &[(&str, &[&str])]) -> Vec<String> {
    let known: Vec<BTreeSet<String>> = known
        .iter()
        .filter(|(of, _)| *of == room)
        .map(|(_, modules)| modules.iter().map(|module| (*module).to_owned()).collect())
        .collect();
    let cycles = graph.cycles();
    let new = cycles.iter().filter(|cycle| !known.iter().any(|known| cycle.is_subset(known))).map(|cycle| {
        format!("{room} has a new cycle of modules: {cycle:?}\n    {}", graph.edges_within(cycle).join("\n    "))
    });
    let gone = known.iter().filter(|known| !cycles.iter().any(|cycle| known.is_subset(cycle))).map(|known| {
        let left: Vec<_> = cycles.iter().filter(|cycle| cycle.is_subset(known)).collect();
        format!("{room} no longer has the cycle {known:?}: replace it in the list by what is left, {left:?}")
    });
    new.chain(gone).collect()
}

#[test]
fn the_modules_of_each_room_form_layers() {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for name in CRATES {
        let sources = library(name);
        for room in rooms(&sources) {
            let room_name = [&[name.to_owned()], room].concat().join("::");
            all.extend(complaints(&room_name, &ModuleGraph::of(&sources, room), KNOWN_CYCLES));
            names.insert(room_name);
        }
    }
    let unknown: Vec<_> = KNOWN_CYCLES.iter().filter(|(room, _)| !names.contains(*room)).collect();
    assert!(unknown.is_empty(), "there is no such room: {unknown:?}");
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn the_deciding_modules_do_not_use_the_operator_api() {
    let sources = library("proto");
    assert!(sources.iter().any(|source| source.modules == ["operator_api"]));
    assert_eq!(ModuleGraph::of(&sources, &[]).uses_of("operator_api"), [""; 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Source;

    fn graph_of_two_that_name_each_other() -> ModuleGraph {
        let text = |other: &str| format!("use crate::{other}::X;");
        let sources = [
            Source::parse("lib.rs", &[], ""),
            Source::parse("a.rs", &["a"], &text("b")),
            Source::parse("b.rs", &["b"], &text("a")),
        ];
        ModuleGraph::of(&sources, &[])
    }

    #[test]
    fn the_uses_of_a_module_are_found() {
        let graph = graph_of_two_that_name_each_other();
        assert_eq!((graph.uses_of("b"), graph.uses_of("c")), (vec!["a.rs:1"], vec![]));
    }

    #[test]
    fn a_cycle_must_be_listed_and_a_listed_one_must_exist_as_it_is_listed() {
        let graph = graph_of_two_that_name_each_other();
        assert_eq!(complaints("x", &graph, &[("x", &["a", "b"])]), [""; 0]);
        for known in [&[][..], &[("y", &["a", "b"][..])]] {
            let said = complaints("x", &graph, known);
            assert!(said.len() == 1 && said[0].contains("a -> b: a.rs:1"), "{said:?}");
        }
        assert_eq!(complaints("x", &graph, &[("x", &["a", "b", "c"])]).len(), 1, "it has become smaller");
        assert_eq!(complaints("x", &graph, &[("x", &["a", "b"]), ("x", &["c", "d"])]).len(), 1, "it is gone");
    }
}
