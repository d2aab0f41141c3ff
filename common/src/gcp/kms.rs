//! Cloud KMS: secrets under a key that never leaves Google.
