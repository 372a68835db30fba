//! Decisions of the engine.
