//! The modules of each room form layers: no module depends on one that depends on it.

use std::collections::BTreeSet;

use crate::module_graph::ModuleGraph;
use crate::sources::{CRATES, Source, library};

/// The rooms of a crate: the crate itself, and every module that declares modules.
fn rooms(sources: &[Source]) -> BTreeSet<&[String]> {
    sources.iter().flat_map(|source| (0..source.modules.len()).map(|depth| &source.modules[..depth])).collect()
}

/// The cycles in a crate, in words.
fn cycles(name: &str, sources: &[Source]) -> Vec<String> {
    let of_room = |room: &[String]| {
        let room_name = [&[name.to_owned()], room].concat().join("::");
        let graph = ModuleGraph::of(sources, room);
        let describe = |cycle| {
            format!("{room_name} has a cycle of modules: {cycle:?}\n    {}", graph.edges_within(&cycle).join("\n    "))
        };
        graph.cycles().into_iter().map(describe).collect::<Vec<_>>()
    };
    rooms(sources).into_iter().flat_map(of_room).collect()
}

#[test]
fn the_modules_of_each_room_form_layers() {
    let all: Vec<String> = CRATES.iter().flat_map(|name| cycles(name, &library(name))).collect();
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

    #[test]
    fn a_cycle_in_a_crate_and_in_a_room_is_named_with_its_place() {
        let text = |other: &str| format!("use super::{other}::X;");
        let sources = [
            Source::parse("lib.rs", &[], ""),
            Source::parse("room.rs", &["room"], ""),
            Source::parse("room/a.rs", &["room", "a"], &text("b")),
            Source::parse("room/b.rs", &["room", "b"], &text("a")),
        ];
        let found = cycles("x", &sources);
        assert!(
            found.len() == 1 && found[0].starts_with("x::room") && found[0].contains("a -> b: room/a.rs:1"),
            "{found:?}"
        );
        assert_eq!(cycles("x", &sources[..3]), [""; 0]);
    }
}
