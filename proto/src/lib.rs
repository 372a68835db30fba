//! stub
pub mod admission;
pub mod charter;
pub mod checkpoint;
pub mod clock;
pub mod complaint;
pub mod content;
pub mod decide;
pub mod entry;
pub mod ids;
pub mod limits;
pub mod link;
pub mod note;
pub mod receipt;
pub mod refusal;
pub mod route;
pub mod wire;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
