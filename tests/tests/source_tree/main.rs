//! Claims about the sources themselves: the modules of each crate form layers, and every file keeps the rules of this tree.

mod documents;
mod layers;
mod module_graph;
mod signatures;
mod sources;
mod tidy;
