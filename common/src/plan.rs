//! Plans: what a subscription allows, read from `configs/plans.yml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a tenant may use. The day and the month are UTC's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Runs counted in a day.
    pub daily_limit: u32,
    /// Runs counted in a calendar month.
    pub monthly_limit: u32,
    /// Runs that hold a slot at once.
    pub concurrent_limit: u32,
    /// Runs that wait for a slot.
    pub max_queued: u32,
    /// Bytes that the statements of a run may read together; a try that fails gives its bytes back.
    pub max_bytes: u64,
    /// Steps of a run at once; a template may say fewer.
    #[serde(default = "steps_at_once")]
    pub max_parallel: u32,
}

/// What a plan without a `max_parallel` has, as a template without one.
pub fn steps_at_once() -> u32 {
    4
}

/// The most steps of a run at once.
const MOST_PARALLEL: u32 = 16;

/// BigQuery runs or queues about 20 changes of one table at once; more runs of one tenant would collide.
const MOST_CONCURRENT: u32 = 20;

impl Limits {
    /// The rules that limits keep among themselves; the error names the field, its value and the rule.
    pub fn check(&self) -> Result<(), LimitError> {
        let error = |field, value: u64, rule: String| Err(LimitError { field, value, rule });
        if self.concurrent_limit == 0 || self.concurrent_limit > MOST_CONCURRENT {
            let rule = format!("must be 1 to {MOST_CONCURRENT}");
            return error("concurrent_limit", self.concurrent_limit.into(), rule);
        }
        if self.daily_limit == 0 {
            return error("daily_limit", 0, "must be at least 1".to_owned());
        }
        if self.monthly_limit < self.daily_limit {
            let rule = format!("must be at least the daily limit, {}", self.daily_limit);
            return error("monthly_limit", self.monthly_limit.into(), rule);
        }
        if self.max_parallel == 0 || self.max_parallel > MOST_PARALLEL {
            let rule = format!("must be 1 to {MOST_PARALLEL}");
            return error("max_parallel", self.max_parallel.into(), rule);
        }
        if self.max_bytes == 0 {
            return error("max_bytes", 0, "must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// A limit that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, but {rule}")]
pub struct LimitError {
    /// The limit's name.
    pub field: &'static str,
    /// What it is.
    pub value: u64,
    /// What it has to be.
    pub rule: String,
}

/// The plans an operator offers, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(BTreeMap<String, Limits>);

/// Why a plans file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    /// It is not the YAML of a plan list.
    #[error("plans.yml: {0}")]
    Syntax(String),
    /// A plan's limits break a rule.
    #[error("plans.yml: plan {plan}: {source}")]
    Limit {
        /// The plan.
        plan: String,
        /// The rule.
        source: LimitError,
    },
    /// There is no plan.
    #[error("plans.yml: names no plan")]
    Empty,
}

impl Plans {
    /// Parses the text of a plans file.
    pub fn parse(yaml: &str) -> Result<Self, PlansError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            plans: BTreeMap<String, Limits>,
        }
        let file: File =
            serde_saphyr::from_str(yaml).map_err(|e| PlansError::Syntax(e.to_string()))?;
        if file.plans.is_empty() {
            return Err(PlansError::Empty);
        }
        for (plan, limits) in &file.plans {
            limits.check().map_err(|source| PlansError::Limit { plan: plan.clone(), source })?;
        }
        Ok(Self(file.plans))
    }

    /// A plan's limits.
    pub fn get(&self, plan: &str) -> Option<Limits> {
        self.0.get(plan).copied()
    }

    /// Every plan's name, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_plans_are_the_promised_ones() {
        let plans = Plans::parse(include_str!("../../configs/plans.yml")).unwrap();
        let numbers = |name| {
            let l = plans.get(name).unwrap();
            (l.daily_limit, l.monthly_limit, l.concurrent_limit, l.max_queued)
        };
        assert_eq!(numbers("STARTER"), (6, 180, 1, 10));
        assert_eq!(numbers("PROFESSIONAL"), (25, 750, 3, 50));
        assert_eq!(numbers("SCALE"), (100, 3000, 5, 200));
        assert!(plans.get("ENTERPRISE").is_some());
    }

    #[test]
    fn broken_plans_are_refused_by_name() {
        let plan = |daily: u32, monthly: u32, concurrent: u32| {
            Plans::parse(&format!(
                "plans:\n  P: {{daily_limit: {daily}, monthly_limit: {monthly}, \
                 concurrent_limit: {concurrent}, max_queued: 1, max_bytes: 1}}\n"
            ))
        };
        assert!(plan(1, 1, 20).is_ok());
        for (broken, word) in [
            (plan(1, 1, 21), "concurrent_limit"),
            (plan(1, 1, 0), "concurrent_limit"),
            (plan(0, 1, 1), "daily_limit"),
            (plan(5, 4, 1), "monthly_limit"),
            (Plans::parse("plans: {}"), "no plan"),
            (Plans::parse("plans: {P: {daily: 1}}"), "plans.yml"),
        ] {
            let message = broken.unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
