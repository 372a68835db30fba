//! The graph of the uses between the modules of one room, and its cycles.
//!
//! A room is a crate or a module, and its modules are the ones that it declares, each with everything below it. Module `a` depends on module `b`
//! when a path in `a` outside of tests, in an import, an expression, a type, a macro or an attribute, leads to `b` through `crate` or `super`.
//! The room's re-exports lead to the module that they name. The room's own file depends on everything and is no part of the graph.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, UseTree};

use crate::sources::Source;

/// The modules of one room, and their dependencies.
pub(crate) struct ModuleGraph {
    /// For each pair of modules, the places where the first names the second, as `file:line`.
    edges: BTreeMap<(String, String), Vec<String>>,
}

impl ModuleGraph {
    /// The graph of a room, given the files of its crate. An empty room is the crate itself.
    pub(crate) fn of(sources: &[Source], room: &[String]) -> Self {
        let inside = |path: &[String]| path.strip_prefix(room).and_then(<[String]>::first).cloned();
        let modules: BTreeSet<String> = sources.iter().filter_map(|source| inside(&source.modules)).collect();
        let root = sources.iter().find(|source| source.modules == room);
        let reexports = root.map(|root| reexports(&root.syntax, &modules)).unwrap_or_default();
        let mut edges: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for source in sources {
            let Some(from) = inside(&source.modules) else { continue };
            let mut references = References { modules: source.modules.clone(), found: Vec::new() };
            references.visit_file(&source.syntax_without_tests());
            for (path, line) in references.found {
                let Some(name) = inside(&path) else { continue };
                let to = modules.get(&name).or_else(|| reexports.get(&name));
                if let Some(to) = to.filter(|to| **to != from) {
                    let places = edges.entry((from.clone(), to.clone())).or_default();
                    places.push(format!("{}:{line}", source.path));
                }
            }
        }
        Self { edges }
    }

    /// The cycles. Each is a largest set of modules in which every module depends on every other, directly or through others.
    pub(crate) fn cycles(&self) -> Vec<BTreeSet<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.edges.keys().map(|(from, _)| (from.as_str(), self.reached_from(from))).collect();
        let both_ways = |a: &str, b: &str| reached[a].contains(b) && reached.get(b).is_some_and(|of| of.contains(a));
        let cycle_of = |a: &str| -> BTreeSet<String> {
            reached[a].iter().filter(|b| both_ways(a, b)).map(|module| (*module).to_owned()).collect()
        };
        let cycles: BTreeSet<BTreeSet<String>> = reached.keys().map(|module| cycle_of(module)).collect();
        cycles.into_iter().filter(|cycle| !cycle.is_empty()).collect()
    }

    /// The dependencies within a cycle, one line each, with the two modules and a place of the dependency.
    pub(crate) fn edges_within(&self, cycle: &BTreeSet<String>) -> Vec<String> {
        let within = self.edges.iter().filter(|((from, to), _)| cycle.contains(from) && cycle.contains(to));
        within
            .map(|((from, to), places)| {
                let more = if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() };
                format!("{from} -> {to}: {}{more}", places[0])
            })
            .collect()
    }

    /// The places where other modules name a module, as `file:line`.
    pub(crate) fn uses_of(&self, module: &str) -> Vec<&str> {
        let uses = self.edges.iter().filter(|((_, to), _)| to == module);
        uses.flat_map(|(_, places)| places.iter().map(String::as_str)).collect()
    }

    fn reached_from<'a>(&'a self, start: &'a str) -> BTreeSet<&'a str> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(module) = open.pop() {
            for (from, to) in self.edges.keys() {
                if from == module && reached.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        reached
    }
}

/// Names that the room's file re-exports, with the module that each comes from.
fn reexports(root: &syn::File, modules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for item in &root.items {
        if let Item::Use(ItemUse { tree, .. }) = item {
            for (path, name) in leaves(tree) {
                let path: Vec<String> = path.iter().map(ToString::to_string).collect();
                let module = path.iter().find(|segment| !matches!(segment.as_str(), "crate" | "self"));
                if let Some(module) = module.and_then(|module| modules.get(module)) {
                    found.insert(name, module.clone());
                }
            }
        }
    }
    found
}

/// Every path that an import names, with the name that it gets here.
fn leaves(tree: &UseTree) -> Vec<(Vec<Ident>, String)> {
    match tree {
        UseTree::Path(path) => {
            let below = leaves(&path.tree).into_iter();
            below.map(|(rest, name)| ([path.ident.clone()].into_iter().chain(rest).collect(), name)).collect()
        }
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
        UseTree::Name(name) => vec![(vec![name.ident.clone()], name.ident.to_string())],
        UseTree::Rename(rename) => vec![(vec![rename.ident.clone()], rename.rename.to_string())],
        UseTree::Glob(_) => vec![(Vec::new(), "*".to_owned())],
    }
}

/// Collects the paths in a file that begin at the root of its crate.
struct References {
    /// The modules that lead to the visitor's present place.
    modules: Vec<String>,
    /// A path from the root of the crate, and the line of its last name.
    found: Vec<(Vec<String>, usize)>,
}

impl References {
    fn names<'a>(&mut self, path: impl IntoIterator<Item = &'a Ident>) {
        let mut path = path.into_iter().peekable();
        let mut place = match path.peek().map(ToString::to_string).as_deref() {
            Some("crate") => Vec::new(),
            Some("super" | "self") => self.modules.clone(),
            _ => return,
        };
        let mut line = 0;
        for segment in path {
            line = segment.span().start().line;
            match segment.to_string().as_str() {
                "crate" | "self" => {}
                "super" => drop(place.pop()),
                name => place.push(name.to_owned()),
            }
        }
        if !place.is_empty() {
            self.found.push((place, line));
        }
    }

    /// Finds paths in tokens that only a macro understands.
    fn names_in(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.names(&std::mem::take(&mut path));
                    }
                    path.push(ident);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.names_in(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.names(&std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.names(&path);
    }
}

impl<'a> Visit<'a> for References {
    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_use(&mut self, import: &'a ItemUse) {
        for (path, _) in leaves(&import.tree) {
            self.names(&path);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.names(path.segments.iter().map(|segment| &segment.ident));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a Macro) {
        self.visit_path(&called.path);
        self.names_in(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        if let Meta::List(list) = &attribute.meta {
            // serde takes paths as texts.
            for token in list.tokens.clone() {
                let text = token.to_string();
                if let Some(path) = text.trim_end_matches('"').strip_prefix("\"crate::") {
                    let path = path.split("::").map(str::to_owned).collect();
                    self.found.push((path, token.span().start().line));
                }
            }
            self.names_in(list.tokens.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The graph of a crate of modules with these texts.
    fn graph(modules: &[(&str, &str)]) -> ModuleGraph {
        graph_below("", modules)
    }

    /// Like [`graph`], with this text in the root.
    fn graph_below(root: &str, modules: &[(&str, &str)]) -> ModuleGraph {
        let mut sources = vec![Source::parse("lib.rs", &[], root)];
        sources.extend(modules.iter().map(|(path, text)| {
            let place: Vec<&str> = path.split('/').collect();
            Source::parse(&format!("{path}.rs"), &place, text)
        }));
        ModuleGraph::of(&sources, &[])
    }

    fn edges(graph: &ModuleGraph) -> Vec<(&str, &str)> {
        graph.edges.keys().map(|(from, to)| (from.as_str(), to.as_str())).collect()
    }

    fn cycle(modules: &[&str]) -> BTreeSet<String> {
        modules.iter().map(|module| (*module).to_owned()).collect()
    }

    #[test]
    fn an_import_a_path_a_group_and_a_super_that_leaves_the_module_are_dependencies() {
        for text in [
            "use crate::b::X;",
            "use crate::{c::Y, b};",
            "use crate::b::*;",
            "use crate::b as other;",
            "fn f() -> crate::b::X { todo() }",
            "fn f() { crate::b::g(); }",
            "mod inner { use super::super::b::X; }",
            "fn f() { assert!(g(1, crate::b::X { y: 1 })); }",
            "struct S { #[serde(with = \"crate::b\")] s: u8 }",
            "impl S { pub(in crate::b) fn f() {} }",
        ] {
            let graph = graph(&[("a", text), ("b", ""), ("c", "")]);
            assert!(edges(&graph).contains(&("a", "b")), "{text}: {:?}", edges(&graph));
        }
        let graph = graph(&[("a/deep", "use super::super::b::X;"), ("b/deep", "")]);
        assert_eq!(edges(&graph), [("a", "b")]);
    }

    #[test]
    fn tests_comments_texts_and_paths_within_a_module_are_no_dependencies() {
        for text in [
            "#[cfg(test)] mod tests { use crate::b::X; }",
            "#[cfg(test)] use crate::b::X;",
            "impl S { #[cfg(test)] fn f() { crate::b::g(); } }",
            "/// As [`crate::b::X`].\nfn f() {}",
            "//! See [`crate::b`].",
            "fn f() { let text = \"crate::b\"; }",
            "mod inner { use super::b::X; }",
            "use self::b::X;",
            "use b::X;",
            "use crate::a::b::X;",
        ] {
            let graph = graph(&[("a", text), ("b", "")]);
            assert!(edges(&graph).is_empty(), "{text}: {:?}", edges(&graph));
        }
    }

    #[test]
    fn a_name_that_the_root_re_exports_leads_to_its_module() {
        let root = "mod a; mod b; pub use b::{X, Y as Z};";
        for name in ["X", "Z"] {
            let graph = graph_below(root, &[("a", &format!("use crate::{name};")), ("b", "")]);
            assert_eq!(edges(&graph), [("a", "b")], "{name}");
        }
        assert!(edges(&graph_below(root, &[("a", "use crate::Y;"), ("b", "")])).is_empty());
    }

    #[test]
    fn the_graph_of_a_room_has_only_the_uses_between_its_own_modules() {
        let sources = [
            Source::parse("lib.rs", &[], "pub use room::X;"),
            Source::parse("room.rs", &["room"], "mod a; mod b; pub use b::Y;"),
            Source::parse("room/a.rs", &["room", "a"], "use super::Y; use crate::other::Z;"),
            Source::parse("room/b.rs", &["room", "b"], "fn f() -> crate::room::a::T { todo() }"),
            Source::parse("other.rs", &["other"], "use crate::room::a::T;"),
        ];
        let room = ModuleGraph::of(&sources, &["room".to_owned()]);
        assert_eq!(edges(&room), [("a", "b"), ("b", "a")]);
        assert_eq!(edges(&ModuleGraph::of(&sources, &[])), [("other", "room"), ("room", "other")]);
    }

    #[test]
    fn modules_that_reach_each_other_make_one_cycle_and_others_none() {
        let graph = graph(&[
            ("a", "use crate::b::X;"),
            ("b", "use crate::c::X;"),
            ("c", "use crate::a::X;\nuse crate::d::X;"),
            ("d", "use crate::e::X;"),
            ("e", ""),
            ("f", "use crate::g::X;"),
            ("g", "use crate::f::X; use crate::a::X;"),
        ]);
        assert_eq!(graph.cycles(), [cycle(&["a", "b", "c"]), cycle(&["f", "g"])]);
    }

    #[test]
    fn the_uses_that_make_a_cycle_are_named_with_file_and_line() {
        let graph = graph(&[("a", "use std::io;\nuse crate::b::X;\nuse crate::b::Y;"), ("b/deep", "use crate::a::X;")]);
        let within = graph.edges_within(&cycle(&["a", "b"]));
        assert_eq!(within, ["a -> b: a.rs:2 and 1 more", "b -> a: b/deep.rs:1"]);
    }
}
