//! Changes a tenant's plan, limits or status.

use std::time::Duration;

use axum::extract::State as Shared;
use common::http::{FieldError, Json, Kind, Operator, Path, Problem, ProblemBody};
use common::plan::Limits;
use common::state::TenantChange;
use common::tenant::{ProfileStatus, Subscription, SubscriptionStatus, TenantId};
use serde::Deserialize;

use super::view::Tenant;
use super::{known, usage};
use crate::onboarding::plan_rule;
use crate::{Config, State};

/// How often a change is tried again when another one came first.
const TRIES: u32 = 5;
/// The stores' integers have a sign.
const MOST_BYTES: u64 = i64::MAX as u64;

/// What shall be different; what is left out stays.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantPatch {
    /// A plan of the deployment; its limits are taken, except those given beside it.
    subscription_plan: Option<String>,
    /// Whether the tenant may start runs.
    status: Option<SubscriptionStatus>,
    /// Limits of this tenant's own.
    limits: Option<LimitsPatch>,
}

/// Limits that shall be different.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsPatch {
    daily_limit: Option<u32>,
    monthly_limit: Option<u32>,
    concurrent_limit: Option<u32>,
    max_queued: Option<u32>,
    max_bytes: Option<u64>,
    max_parallel: Option<u32>,
}

/// Changes a tenant's plan, limits or status.
///
/// What was counted stays counted; runs that are queued or running go on.
#[utoipa::path(
    patch,
    path = "/api/v1/tenants/{tenant_id}",
    operation_id = "change_tenant",
    params(("tenant_id" = String, Path, description = "The tenant")),
    request_body = TenantPatch,
    responses(
        (status = 200, description = "The tenant as it is now", body = Tenant),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change(
    operator: Operator,
    Shared(state): Shared<State>,
    Path(tenant): Path<TenantId>,
    Json(patch): Json<TenantPatch>,
) -> Result<Json<Tenant>, Problem> {
    for _ in 0..TRIES {
        let mut record = known(&state, &tenant).await?;
        let complete = record.profile.status == ProfileStatus::Active;
        let Some(read) = record.subscription.clone().filter(|_| complete) else {
            return Err(unfinished(&tenant));
        };
        let mut subscription =
            patch.apply(&read, &state.config).map_err(|e| Problem::invalid(&e))?;
        subscription.updated_at = state.clock.now();
        if state.tenants.change(&TenantChange { subscription: subscription.clone(), read }).await? {
            tracing::info!(
                operator = operator.name,
                plan = subscription.plan_name,
                status = subscription.status.as_str(),
                limits = ?subscription.limits,
                "tenant changed"
            );
            record.subscription = Some(subscription);
            let usage = usage(&state, &tenant).await?;
            return Ok(Json(Tenant::of(record, usage)));
        }
    }
    let detail = format!("other requests keep changing tenant {tenant}");
    Err(Problem::new(Kind::InProgress, detail).retry_after(Duration::from_secs(1)))
}

/// A tenant whose onboarding was cut off.
pub(crate) fn unfinished(tenant: &TenantId) -> Problem {
    let detail = format!(
        "the onboarding of tenant {tenant} is not complete; send the onboarding request again first"
    );
    Problem::new(Kind::InProgress, detail).retry_after(Duration::from_secs(5))
}

impl TenantPatch {
    /// The subscription with what shall be different, or all that is wrong with that.
    fn apply(&self, read: &Subscription, config: &Config) -> Result<Subscription, Vec<FieldError>> {
        let mut changed = read.clone();
        let mut errors = Vec::new();
        let LimitsPatch {
            daily_limit,
            monthly_limit,
            concurrent_limit,
            max_queued,
            max_bytes,
            max_parallel,
        } = self.limits.unwrap_or_default();
        if self.subscription_plan.is_none() && self.status.is_none() && self.limits.is_none() {
            let rule = "names nothing to change: give subscription_plan, status or limits";
            return Err(vec![FieldError { field: "body".into(), value: None, rule: rule.into() }]);
        }
        if let Some(plan) = &self.subscription_plan {
            match config.plans.get(plan) {
                Some(limits) => {
                    changed.plan_name.clone_from(plan);
                    changed.limits = limits;
                }
                None => errors.push(FieldError::new(
                    "subscription_plan",
                    plan.as_str(),
                    plan_rule(config),
                )),
            }
        }
        changed.status = self.status.unwrap_or(changed.status);
        let before = changed.limits;
        changed.limits = Limits {
            daily_limit: daily_limit.unwrap_or(before.daily_limit),
            monthly_limit: monthly_limit.unwrap_or(before.monthly_limit),
            concurrent_limit: concurrent_limit.unwrap_or(before.concurrent_limit),
            max_queued: max_queued.unwrap_or(before.max_queued),
            max_bytes: max_bytes.unwrap_or(before.max_bytes),
            max_parallel: max_parallel.unwrap_or(before.max_parallel),
        };
        if let Err(broken) = changed.limits.check() {
            errors.push(FieldError::new(
                format!("limits.{}", broken.field),
                broken.value,
                broken.rule,
            ));
        }
        if changed.limits.max_bytes > MOST_BYTES {
            let rule = format!("must be at most {MOST_BYTES}");
            errors.push(FieldError::new("limits.max_bytes", changed.limits.max_bytes, rule));
        }
        if errors.is_empty() { Ok(changed) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use common::plan::Plans;
    use serde_json::{Value, json};

    use super::*;

    fn apply(patch: Value) -> Result<Subscription, Vec<FieldError>> {
        let plans = Plans::parse(include_str!("../../../../configs/plans.yml")).unwrap();
        let tenant_id = TenantId::parse("acme").unwrap();
        let read = Subscription {
            subscription_id: "s".to_owned(),
            tenant_id,
            plan_name: "STARTER".to_owned(),
            status: SubscriptionStatus::Active,
            limits: plans.get("STARTER").unwrap(),
            updated_at: chrono::DateTime::UNIX_EPOCH,
        };
        let patch: TenantPatch = serde_json::from_value(patch).unwrap();
        patch.apply(&read, &Config::new(plans))
    }

    #[test]
    fn a_plan_brings_its_limits_and_explicit_ones_override() {
        let changed = apply(json!({"subscription_plan": "SCALE", "limits": {"daily_limit": 7}}));
        let changed = changed.unwrap();
        assert_eq!(changed.plan_name, "SCALE");
        assert_eq!((changed.limits.daily_limit, changed.limits.concurrent_limit), (7, 5));
        let changed = apply(json!({"limits": {"max_queued": 0}})).unwrap();
        assert_eq!((changed.limits.daily_limit, changed.limits.max_queued), (6, 0));
        let changed = apply(json!({"status": "SUSPENDED"})).unwrap();
        assert_eq!(
            (changed.status, changed.limits.daily_limit),
            (SubscriptionStatus::Suspended, 6)
        );
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        for (patch, field) in [
            (json!({}), "body"),
            (json!({"subscription_plan": "GOLD"}), "subscription_plan"),
            (json!({"limits": {"daily_limit": 0}}), "limits.daily_limit"),
            (json!({"limits": {"concurrent_limit": 21}}), "limits.concurrent_limit"),
            (json!({"limits": {"monthly_limit": 5}}), "limits.monthly_limit"),
            (json!({"limits": {"max_bytes": 0}}), "limits.max_bytes"),
            (json!({"limits": {"max_bytes": u64::MAX}}), "limits.max_bytes"),
        ] {
            let errors = apply(patch.clone()).unwrap_err();
            assert_eq!(errors[0].field, field, "{patch}");
        }
    }
}
