//! The domain of Headgate and the ports it reaches the world through; all four functions stand on it.

pub mod api_key;
pub mod clock;
pub mod configs;
pub mod env;
pub mod events;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod http;
pub mod jobs;
pub mod keys;
pub mod pipeline;
pub mod plan;
pub mod port;
pub mod process;
pub mod quota;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod state;
pub mod submit;
pub mod telemetry;
pub mod tenant;
pub mod warehouse;
pub mod webhook_key;
