//! What an operator sets for onboarding.

use std::collections::BTreeSet;

use common::plan::Plans;

/// Plans, and names that no tenant gets.
#[derive(Debug, Clone)]
pub struct Config {
    /// What a subscription may be for.
    pub plans: Plans,
    /// Tenant ids that are refused beside the reserved ones, such as the names of datasets that the project has
    /// for other ends.
    pub denied: BTreeSet<String>,
}

impl Config {
    /// The plans, and nothing denied.
    pub fn new(plans: Plans) -> Self {
        Self { plans, denied: BTreeSet::new() }
    }
}
