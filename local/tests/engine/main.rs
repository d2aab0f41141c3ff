//! The job over the embedded warehouse: every step type, every check, and what hostile input comes to.

mod checks;
mod files;
mod injection;
mod world;
mod writes;
