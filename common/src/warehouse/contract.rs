//! What every warehouse keeps.
