//! Headgate on a laptop: the four functions on embedded adapters.

pub mod db;
pub mod keys;
pub mod sample;
pub mod state;
pub mod validate;
