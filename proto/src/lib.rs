//! stub
pub mod clock;
pub mod ids;
pub mod limits;
pub mod wire;
