//! The domain of Headgate and the ports it reaches the world through; all four functions stand on it.

pub mod clock;
pub mod port;
pub mod warehouse;
