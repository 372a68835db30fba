//! The workspace's Rust files as syntax trees, and which of them are compiled without tests.
//!
//! A crate is read as the compiler reads it: from its root along the `mod` declarations, with or without those under `#[cfg(test)]`.

use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, ExprLit, ImplItem, Item, ItemMod, Lit, Meta};

/// The crates, each in the folder of its name.
pub(crate) const CRATES: [&str; 5] = ["proto", "config", "daemon", "cli", "tests"];

/// The test programs: the files in `tests/tests` that are compiled for themselves.
pub(crate) const TEST_PROGRAMS: [&str; 3] =
    ["tests/tests/federations.rs", "tests/tests/machines.rs", "tests/tests/source_tree/main.rs"];

/// Which modules of a crate are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// The modules of a library or a program.
    WithoutTests,
    /// The modules of its tests as well.
    WithTests,
}

/// One Rust file.
pub(crate) struct Source {
    /// The path relative to the top of the workspace, with slashes.
    pub(crate) path: String,
    /// The modules from the root of its crate down to it; empty for the root.
    pub(crate) modules: Vec<String>,
    /// The text.
    pub(crate) text: String,
    /// The text, parsed.
    pub(crate) syntax: syn::File,
}

impl Source {
    /// Parses the text of a file.
    pub(crate) fn parse(path: &str, modules: &[&str], text: &str) -> Self {
        let syntax = parse(path, text);
        let modules = modules.iter().map(|module| (*module).to_owned()).collect();
        Self { path: path.to_owned(), modules, text: text.to_owned(), syntax }
    }

    /// The text, parsed, without the items that exist only in tests.
    pub(crate) fn syntax_without_tests(&self) -> syn::File {
        let mut syntax = parse(&self.path, &self.text);
        drop_tests(&mut syntax.items);
        syntax
    }

    /// The files of the modules that it declares, each with the module's name.
    fn children(&self, built: Built) -> Vec<(String, String)> {
        let path = Path::new(&self.path);
        let folder = path.parent().unwrap_or(Path::new(""));
        let own = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some(stem) if !self.modules.is_empty() && stem != "mod" => folder.join(stem),
            _ => folder.to_owned(),
        };
        let declared = self.syntax.items.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() => Some(module),
            _ => None,
        });
        let read = declared.filter(|module| built == Built::WithTests || !is_test_only(&module.attrs));
        read.map(|module| (module.ident.to_string(), file_of(module, folder, &own))).collect()
    }
}

/// The file of a module that is declared in a file in `folder`, whose modules live in `own`.
fn file_of(module: &ItemMod, folder: &Path, own: &Path) -> String {
    let named = module.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(folder.join(path.value())),
            _ => None,
        },
        _ => None,
    });
    let beside = own.join(format!("{}.rs", module.ident));
    let within = own.join(module.ident.to_string()).join("mod.rs");
    let found = if workspace().join(&beside).is_file() { beside } else { within };
    let file = named.unwrap_or(found);
    file.to_str().expect("paths here are Unicode").to_owned()
}

/// The top of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates lie in the workspace").to_owned()
}

/// All files that are compiled into the crate with this root, a path relative to the workspace.
pub(crate) fn crate_at(root: &str, built: Built) -> Vec<Source> {
    let mut found = vec![read(root, &[])];
    let mut next = 0;
    while let Some(source) = found.get(next) {
        let children: Vec<Source> = source
            .children(built)
            .into_iter()
            .map(|(name, file)| {
                let modules: Vec<&str> = source.modules.iter().map(String::as_str).chain([name.as_str()]).collect();
                read(&file, &modules)
            })
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

/// The library of a crate of the workspace.
pub(crate) fn library(name: &str) -> Vec<Source> {
    crate_at(&format!("{name}/src/lib.rs"), Built::WithoutTests)
}

fn parse(path: &str, text: &str) -> syn::File {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn read(path: &str, modules: &[&str]) -> Source {
    let text = std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source::parse(path, modules, &text)
}

/// The roots of all libraries, programs and build scripts among these files.
pub(crate) fn product_roots(files: &[String]) -> impl Iterator<Item = &String> {
    files.iter().filter(|file| {
        let below = file.split_once('/').map_or("", |(_, below)| below);
        matches!(below, "src/lib.rs" | "src/main.rs" | "build.rs")
            || below.strip_prefix("src/bin/").is_some_and(|name| !name.contains('/'))
    })
}

/// Every Rust file of the crates, tests included: paths relative to the workspace, sorted.
pub(crate) fn all_files() -> Vec<String> {
    let mut folders: Vec<PathBuf> = CRATES.iter().map(PathBuf::from).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(workspace().join(&folder)).expect("a folder of the workspace") {
            let entry = entry.expect("an entry of a folder");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("the kind of an entry").is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.to_str().expect("paths here are Unicode").to_owned());
            }
        }
    }
    files.sort();
    files
}

fn drop_tests(items: &mut Vec<Item>) {
    items.retain(|item| !is_test_only(attributes_of(item)));
    for item in items {
        match item {
            Item::Mod(ItemMod { content: Some((_, items)), .. }) => drop_tests(items),
            Item::Impl(block) => block.items.retain(|item| !is_test_only(attributes_in_impl(item))),
            _ => {}
        }
    }
}

/// Whether these attributes mark an item that exists only in tests.
pub(crate) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        Meta::Path(path) => path.is_ident("test"),
        _ => false,
    })
}

/// The attributes of an item.
fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of an item in an `impl` block.
fn attributes_in_impl(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        _ => &[],
    }
}
