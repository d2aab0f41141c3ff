//! Headgate on a laptop: the four functions on embedded adapters.

pub mod admin;
pub mod cli;
pub mod configs;
pub mod db;
pub mod demo;
pub mod events;
pub mod execute;
mod findings;
pub mod jobs;
pub mod keys;
pub mod load;
pub mod node;
pub mod openapi;
pub mod plan;
pub mod private_file;
pub mod query;
pub mod sample;
pub mod serve;
mod shown;
pub mod state;
pub mod store;
pub mod validate;
pub mod warehouse;
pub mod webhook_key;
