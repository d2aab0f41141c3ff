//! What a tenant sets of a schedule: how each field is read, and which values it may have.

use std::ops::RangeInclusive;

use chrono_tz::{TZ_VARIANTS, Tz};
use common::http::problem::FieldError;
use common::pipeline::nearest;
use common::schedule::{CatchUp, CronSchedule, Schedule};
use serde_json::{Map, Value};

/// Lower starts sooner; 0 to 1000 leaves room on both sides of what a person triggers.
const PRIORITIES: RangeInclusive<u32> = 0..=1000;
/// Up to a year of daily slots.
const CATCH_UPS: RangeInclusive<u32> = 1..=366;
/// Runs after the first, each counted by the plan.
const RETRIES: RangeInclusive<u32> = 0..=10;
/// Up to a day, which is also the longest that doubling leads to.
const BACKOFFS: RangeInclusive<u32> = 0..=86_400;

/// What was sent and is allowed; `None` where it was not sent or is not allowed.
pub(super) struct Settings {
    pub(super) cron: Option<CronSchedule>,
    zone: Option<Tz>,
    parameters: Option<Map<String, Value>>,
    priority: Option<u32>,
    catchup: Option<CatchUp>,
    max_catchup: Option<u32>,
    retry_count: Option<u32>,
    retry_backoff_seconds: Option<u32>,
    is_active: Option<bool>,
}

impl Settings {
    /// Reads the fields of a body and adds all that is wrong with them to the errors. `catchup` is the policy where
    /// none is sent.
    pub(super) fn read(
        sent: &Map<String, Value>,
        catchup: CatchUp,
        errors: &mut Vec<FieldError>,
    ) -> Self {
        let settings = Self {
            cron: field(sent, "schedule_cron", cron, errors),
            zone: field(sent, "timezone", zone, errors),
            parameters: field(sent, "parameters", object, errors),
            priority: field(sent, "priority", |v| number(v, &PRIORITIES), errors),
            catchup: field(sent, "catchup", policy, errors),
            max_catchup: field(sent, "max_catchup", |v| number(v, &CATCH_UPS), errors),
            retry_count: field(sent, "retry_count", |v| number(v, &RETRIES), errors),
            retry_backoff_seconds: field(
                sent,
                "retry_backoff_seconds",
                |v| number(v, &BACKOFFS),
                errors,
            ),
            is_active: field(sent, "is_active", flag, errors),
        };
        // A policy that is itself wrong says nothing about the bound.
        let catchup = settings.catchup.or((!sent.contains_key("catchup")).then_some(catchup));
        if let (Some(bound), Some(policy @ (CatchUp::None | CatchUp::Last))) =
            (settings.max_catchup, catchup)
        {
            let rule = format!("is for catchup all, and catchup is {policy}: leave it out");
            errors.push(FieldError::new("max_catchup", bound, rule));
        }
        settings
    }

    /// Sets what was sent; the rest stays.
    pub(super) fn apply(self, to: &mut Schedule) {
        let Self {
            cron,
            zone,
            parameters,
            priority,
            catchup,
            max_catchup,
            retry_count,
            retry_backoff_seconds,
            is_active,
        } = self;
        set(&mut to.cron, cron);
        set(&mut to.zone, zone);
        set(&mut to.parameters, parameters);
        set(&mut to.priority, priority.map(i64::from));
        set(&mut to.catchup, catchup);
        set(&mut to.max_catchup, max_catchup);
        set(&mut to.retry.count, retry_count);
        set(&mut to.retry.backoff_seconds, retry_backoff_seconds);
        set(&mut to.is_active, is_active);
    }
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

/// A field of the body, where it is there and as `read` has it; the error of `read` is the rule it breaks.
pub(super) fn field<T>(
    sent: &Map<String, Value>,
    name: &str,
    read: impl FnOnce(&Value) -> Result<T, String>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let value = sent.get(name)?;
    read(value).map_err(|rule| errors.push(FieldError::new(name, value.clone(), rule))).ok()
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a text".to_owned())
}

fn cron(value: &Value) -> Result<CronSchedule, String> {
    CronSchedule::parse(text(value)?).map_err(|error| error.to_string())
}

fn zone(value: &Value) -> Result<Tz, String> {
    let text = text(value)?;
    text.parse().map_err(|_| {
        let meant = nearest(text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
        format!("must be the exact name of an IANA time zone, such as Europe/Vienna or UTC{hint}")
    })
}

fn object(value: &Value) -> Result<Map<String, Value>, String> {
    value.as_object().cloned().ok_or_else(|| "must be a JSON object".to_owned())
}

fn number(value: &Value, range: &RangeInclusive<u32>) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

fn policy(value: &Value) -> Result<CatchUp, String> {
    let policy = value.as_str().and_then(|text| text.parse().ok());
    policy.ok_or_else(|| "must be none, last or all".to_owned())
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}
