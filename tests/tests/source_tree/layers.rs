//! No module depends on one that depends on it, but for the cycles that are listed here.

use std::collections::BTreeSet;

use crate::module_graph::ModuleGraph;
use crate::sources::{CRATES, library};

/// The cycles that are left, each with its crate and its modules. This list may only become shorter.
const KNOWN_CYCLES: &[(&str, &[&str])] = &[("daemon", &["node", "recover"])];

/// What is wrong with the cycles of a crate, beside the known ones.
fn complaints(name: &str, graph: &ModuleGraph, known: &[(&str, &[&str])]) -> Vec<String> {
    let known: Vec<BTreeSet<String>> = known
        .iter()
        .filter(|(of, _)| *of == name)
        .map(|(_, modules)| modules.iter().map(|module| (*module).to_owned()).collect())
        .collect();
    let cycles = graph.cycles();
    let new = cycles.iter().filter(|cycle| !known.iter().any(|known| cycle.is_subset(known))).map(|cycle| {
        format!("{name} has a new cycle of modules: {cycle:?}\n    {}", graph.edges_within(cycle).join("\n    "))
    });
    let gone = known.iter().filter(|known| !cycles.iter().any(|cycle| known.is_subset(cycle))).map(|known| {
        let left: Vec<_> = cycles.iter().filter(|cycle| cycle.is_subset(known)).collect();
        format!("{name} no longer has the cycle {known:?}: replace it in the list by what is left, {left:?}")
    });
    new.chain(gone).collect()
}

#[test]
fn the_modules_of_each_crate_form_layers() {
    let all: Vec<String> =
        CRATES.iter().flat_map(|name| complaints(name, &ModuleGraph::of(&library(name)), KNOWN_CYCLES)).collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Source;

    fn graph_of_two_that_name_each_other() -> ModuleGraph {
        let text = |other: &str| format!("use crate::{other}::X;");
        ModuleGraph::of(&[
            Source::parse("lib.rs", &[], ""),
            Source::parse("a.rs", &["a"], &text("b")),
            Source::parse("b.rs", &["b"], &text("a")),
        ])
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
