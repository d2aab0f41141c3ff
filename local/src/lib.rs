//! Headgate on a laptop: the four functions on embedded adapters.

pub mod db;
pub mod load;
pub mod query;
pub mod warehouse;
