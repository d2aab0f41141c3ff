//! What an onboarding asks for, and the rules it keeps.

use common::http::FieldError;
use common::plan::Limits;
use common::tenant::{TenantId, check_email};
use serde::Deserialize;

use crate::Config;

/// Characters of a company's name at most.
const LONGEST_NAME: usize = 200;

/// No tenant's name: `/api/v1/tenants/onboard` is a route.
const ROUTE: &str = "onboard";

/// The body of an onboarding.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnboardRequest {
    /// `^[a-z][a-z0-9_]{2,49}$` and not reserved; also the dataset's name.
    #[schema(example = "acme_corp")]
    pub(crate) tenant_id: String,
    /// 1 to 200 printable characters.
    #[schema(example = "Acme Corporation")]
    pub(crate) company_name: String,
    /// Who answers for the tenant.
    #[schema(example = "admin@acme.example")]
    pub(crate) admin_email: String,
    /// A plan of the deployment.
    #[schema(example = "PROFESSIONAL")]
    pub(crate) subscription_plan: String,
}

/// An onboarding whose values keep the rules.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(super) tenant_id: TenantId,
    pub(super) company_name: String,
    pub(super) admin_email: String,
    pub(super) plan: String,
    pub(super) limits: Limits,
}

impl OnboardRequest {
    /// Checks every value; answers all that break a rule.
    pub(crate) fn check(&self, config: &Config) -> Result<Wanted, Vec<FieldError>> {
        let mut errors = Vec::new();
        let tenant_id = match self.check_tenant_id(config) {
            Ok(id) => Some(id),
            Err(rule) => {
                errors.push(FieldError::new("tenant_id", self.tenant_id.as_str(), rule));
                None
            }
        };
        if let Err(rule) = check_name(&self.company_name) {
            errors.push(FieldError::new("company_name", self.company_name.as_str(), rule));
        }
        if let Err(rule) = check_email(&self.admin_email) {
            errors.push(FieldError::new("admin_email", self.admin_email.as_str(), rule));
        }
        let limits = config.plans.get(&self.subscription_plan);
        if limits.is_none() {
            let plan = self.subscription_plan.as_str();
            errors.push(FieldError::new("subscription_plan", plan, plan_rule(config)));
        }
        match (tenant_id, limits) {
            (Some(tenant_id), Some(limits)) if errors.is_empty() => Ok(Wanted {
                tenant_id,
                company_name: self.company_name.clone(),
                admin_email: self.admin_email.clone(),
                plan: self.subscription_plan.clone(),
                limits,
            }),
            _ => Err(errors),
        }
    }

    fn check_tenant_id(&self, config: &Config) -> Result<TenantId, String> {
        if config.denied.contains(&self.tenant_id) || self.tenant_id == ROUTE {
            return Err("is a reserved name".to_owned());
        }
        TenantId::parse(&self.tenant_id).map_err(|rule| rule.to_string())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count());
    if fits && !name.trim().is_empty() && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(format!("must be 1 to {LONGEST_NAME} printable characters"))
    }
}

/// Which plans there are.
pub(crate) fn plan_rule(config: &Config) -> String {
    format!("must be one of {}", config.plans.names().join(", "))
}

#[cfg(test)]
mod tests {
    use common::plan::Plans;

    use super::*;

    fn config() -> Config {
        let plans = Plans::parse(include_str!("../../../../configs/plans.yml")).unwrap();
        Config { denied: ["billing_export".to_owned()].into(), ..Config::new(plans) }
    }

    fn request(values: [&str; 4]) -> OnboardRequest {
        let [tenant_id, company_name, admin_email, subscription_plan] = values.map(str::to_owned);
        OnboardRequest { tenant_id, company_name, admin_email, subscription_plan }
    }

    #[test]
    fn good_values_pass() {
        let wanted = request(["acme_corp", "Acmé & Söhne", "a@acme.example", "SCALE"]);
        let wanted = wanted.check(&config()).unwrap();
        assert_eq!(wanted.limits.daily_limit, 100);
        let longest = "x".repeat(LONGEST_NAME);
        assert!(request(["abc", &longest, "a@b.co", "STARTER"]).check(&config()).is_ok());
    }

    #[test]
    fn each_bad_value_is_named_with_its_rule() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for (values, field, rule) in [
            (["Acme", "A", "a@b.co", "SCALE"], "tenant_id", "^[a-z]"),
            (["a'; DROP TABLE x", "A", "a@b.co", "SCALE"], "tenant_id", "^[a-z]"),
            (["../etc", "A", "a@b.co", "SCALE"], "tenant_id", "^[a-z]"),
            (["tenants", "A", "a@b.co", "SCALE"], "tenant_id", "reserved"),
            (["x_meta_runs", "A", "a@b.co", "SCALE"], "tenant_id", "reserved"),
            (["onboard", "A", "a@b.co", "SCALE"], "tenant_id", "reserved"),
            (["billing_export", "A", "a@b.co", "SCALE"], "tenant_id", "reserved"),
            (["acme", "", "a@b.co", "SCALE"], "company_name", "1 to 200"),
            (["acme", "  ", "a@b.co", "SCALE"], "company_name", "1 to 200"),
            (["acme", "A\nB", "a@b.co", "SCALE"], "company_name", "1 to 200"),
            (["acme", &long, "a@b.co", "SCALE"], "company_name", "1 to 200"),
            (["acme", "A", "nobody", "SCALE"], "admin_email", "e-mail"),
            (["acme", "A", "a@b.co", "GOLD"], "subscription_plan", "STARTER"),
            (["acme", "A", "a@b.co", "scale"], "subscription_plan", "SCALE"),
        ] {
            let errors = request(values).check(&config()).unwrap_err();
            assert_eq!(errors.len(), 1, "{values:?}");
            assert_eq!(errors[0].field, field);
            assert!(errors[0].rule.contains(rule), "{errors:?}");
        }
        let all = request(["", "", "", ""]).check(&config()).unwrap_err();
        assert_eq!(all.len(), 4);
    }
}
