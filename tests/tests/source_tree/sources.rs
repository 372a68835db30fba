//! The workspace's Rust files as syntax trees, and which of them are compiled without tests.
//!
//! A crate is read as the compiler reads it: from its root along the `mod` declarations. Whatever is declared under `#[cfg(test)]` is left out.

use std::path::{Path, PathBuf};

use syn::{Attribute, ImplItem, Item, ItemMod, Meta};

/// The crates, each in the folder of its name.
pub(crate) const CRATES: [&str; 5] = ["proto", "config", "daemon", "cli", "tests"];

/// One Rust file.
pub(crate) struct Source {
    /// Relative to the top of the workspace, with slashes.
    pub(crate) path: String,
    /// The modules from the root of its crate down to it; empty for the root.
    pub(crate) modules: Vec<String>,
    /// The text.
    pub(crate) text: String,
    /// The text, parsed.
    pub(crate) syntax: syn::File,
}

impl Source {
    /// Parses a text that stands in this file.
    pub(crate) fn parse(path: &str, modules: &[&str], text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let modules = modules.iter().map(|module| (*module).to_owned()).collect();
        Self { path: path.to_owned(), modules, text: text.to_owned(), syntax }
    }

    /// The files of the modules that it declares outside of tests, each with the module's name.
    fn children(&self) -> Vec<(String, String)> {
        let path = Path::new(&self.path);
        let folder = path.parent().unwrap_or(Path::new(""));
        let own = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some(stem) if !self.modules.is_empty() && stem != "mod" => folder.join(stem),
            _ => folder.to_owned(),
        };
        let declared = self.syntax.items.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() && !is_test_only(&module.attrs) => Some(module),
            _ => None,
        });
        declared.map(|module| (module.ident.to_string(), file_of(module, &own))).collect()
    }
}

/// The file of a module that is declared where modules live in `folder`.
fn file_of(module: &ItemMod, folder: &Path) -> String {
    let beside = folder.join(format!("{}.rs", module.ident));
    let within = folder.join(module.ident.to_string()).join("mod.rs");
    let file = if workspace().join(&beside).is_file() { beside } else { within };
    file.to_str().expect("paths here are Unicode").to_owned()
}

/// The top of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates lie in the workspace").to_owned()
}

/// All files that are compiled without tests into the crate with this root, a path relative to the workspace.
pub(crate) fn crate_at(root: &str) -> Vec<Source> {
    let mut found = vec![read(root, &[])];
    let mut next = 0;
    while let Some(source) = found.get(next) {
        let children: Vec<Source> = source
            .children()
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
    crate_at(&format!("{name}/src/lib.rs"))
}

fn read(path: &str, modules: &[&str]) -> Source {
    let text = std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source::parse(path, modules, &text)
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

/// Whether attributes say that what they stand at exists in tests alone.
pub(crate) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        Meta::Path(path) => path.is_ident("test"),
        _ => false,
    })
}

/// The attributes of an item.
pub(crate) fn attributes_of(item: &Item) -> &[Attribute] {
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
pub(crate) fn attributes_in_impl(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        _ => &[],
    }
}
