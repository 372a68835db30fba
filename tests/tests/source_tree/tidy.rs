//! Rules for every file. Exceptions are in lists, which may only become shorter.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Block, ExprMethodCall, ImplItemFn, Item, ItemFn, ItemMod, TraitItemFn};

use crate::sources::{
    Built, CRATES, Source, TEST_PROGRAMS, all_files, crate_at, is_test_only, product_roots, workspace,
};

/// The most lines of a file, without its tests.
const FILE_LINES: usize = 500;
/// The most lines of a function, from its name to its last brace.
const FUNCTION_LINES: usize = 70;
/// Module names that do not tell the purpose of the module.
const EMPTY_NAMES: [&str; 4] = ["utils", "helpers", "common", "misc"];

/// Exceptions: files with more lines.
const LONG_FILES: &[&str] = &[];
/// Exceptions: functions with more lines, each as `file: name`.
const LONG_FUNCTIONS: &[&str] = &[];

/// Asserts that the found items are exactly the listed ones.
fn agree(rule: &str, found: impl IntoIterator<Item = String>, listed: &[&str]) {
    let found: BTreeSet<String> = found.into_iter().collect();
    let new: Vec<&String> = found.iter().filter(|item| !listed.contains(&item.as_str())).collect();
    let gone: Vec<&&str> = listed.iter().filter(|item| !found.contains(**item)).collect();
    assert!(new.is_empty(), "{rule}: {new:#?}");
    assert!(gone.is_empty(), "{rule}: no longer true, so take it out of the list: {gone:#?}");
}

/// All files that are compiled without tests.
fn product() -> Vec<Source> {
    product_roots(&all_files()).flat_map(|root| crate_at(root, Built::WithoutTests)).collect()
}

#[test]
fn every_file_is_part_of_a_program_or_a_library() {
    let files = all_files();
    let benches = files.iter().filter(|file| file.contains("/benches/"));
    let roots = product_roots(&files).chain(benches).map(String::as_str).chain(TEST_PROGRAMS);
    let compiled: BTreeSet<String> =
        roots.flat_map(|root| crate_at(root, Built::WithTests)).map(|source| source.path).collect();
    agree("no crate declares it", files.into_iter().filter(|file| !compiled.contains(file)), &[]);
}

#[test]
fn every_file_begins_with_a_header() {
    let begins_with_a_header = |file: &String| {
        std::fs::read_to_string(workspace().join(file)).expect("a file of the workspace").starts_with("//!")
    };
    agree("begins without `//!`", all_files().into_iter().filter(|file| !begins_with_a_header(file)), &[]);
}

#[test]
fn no_module_has_a_meaningless_name() {
    let stem = |file: &str| file.trim_end_matches("/mod.rs").trim_end_matches(".rs").to_owned();
    let is_empty = |file: &String| EMPTY_NAMES.contains(&stem(file).rsplit('/').next().unwrap_or_default());
    agree("does not tell the purpose of the module", all_files().into_iter().filter(is_empty), &[]);
}

#[test]
fn files_and_functions_are_short_and_nothing_is_unwrapped() {
    let product = product();
    assert!(CRATES.iter().all(|name| product.iter().any(|source| source.path == format!("{name}/src/lib.rs"))));
    let too_long = product.iter().filter(|source| lines_without_tests(source) > FILE_LINES);
    let (mut long_functions, mut unwrapped) = (Vec::new(), Vec::new());
    for source in &product {
        let found = Rules::read(source);
        long_functions.extend(found.long_functions.iter().map(|name| format!("{}: {name}", source.path)));
        unwrapped.extend(found.unwrapped.iter().map(|line| format!("{}:{line}", source.path)));
    }
    let too_long = too_long.map(|source| source.path.clone());
    agree(&format!("more than {FILE_LINES} lines without tests"), too_long, LONG_FILES);
    agree(&format!("a function of more than {FUNCTION_LINES} lines"), long_functions, LONG_FUNCTIONS);
    agree("`unwrap()` outside of tests", unwrapped, &[]);
}

/// Lines of a file without the items that exist only in tests.
fn lines_without_tests(source: &Source) -> usize {
    let lines = source.text.lines().count();
    let modules = source.syntax.items.iter().filter_map(|item| match item {
        Item::Mod(ItemMod { attrs, ident, content: Some((brace, _)), .. }) if is_test_only(attrs) => {
            Some(lines_between(ident.span(), brace.span.close()))
        }
        _ => None,
    });
    lines - modules.sum::<usize>()
}

fn lines_between(first: Span, last: Span) -> usize {
    last.end().line + 1 - first.start().line
}

/// The violations of rules in a file, outside of tests.
#[derive(Default)]
struct Rules {
    long_functions: Vec<String>,
    unwrapped: Vec<usize>,
}

impl Rules {
    fn read(source: &Source) -> Self {
        let mut rules = Self::default();
        rules.visit_file(&source.syntax_without_tests());
        rules
    }

    fn function(&mut self, name: &syn::Ident, body: &Block) {
        if lines_between(name.span(), body.brace_token.span.close()) > FUNCTION_LINES {
            self.long_functions.push(name.to_string());
        }
    }
}

impl<'a> Visit<'a> for Rules {
    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.function(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.function(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() {
            self.unwrapped.push(call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_found_items_and_the_listed_items_must_be_equal() {
        agree("rule", ["a".to_owned()], &["a"]);
        let differ = |found: &'static str, listed: &'static [&'static str]| {
            std::panic::catch_unwind(|| agree("rule", [found.to_owned()], listed)).is_err()
        };
        assert!(differ("a", &[]) && differ("a", &["a", "b"]));
    }

    #[test]
    fn tests_count_for_no_rule() {
        let long = |name: &str| format!("fn {name}() {{\n{}}}\n", "let _ = x.unwrap();\n".repeat(FUNCTION_LINES));
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", long("f"), long("g"));
        let source = Source::parse("a.rs", &["a"], &text);
        let rules = Rules::read(&source);
        assert_eq!((rules.long_functions, rules.unwrapped.len()), (vec!["f".to_owned()], FUNCTION_LINES));
        assert_eq!(lines_without_tests(&source), FUNCTION_LINES + 3);
    }
}
