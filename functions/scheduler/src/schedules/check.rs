//! Whether a schedule's template takes its parameters, on the slots that come.

use chrono::{DateTime, SecondsFormat, Utc};
use common::http::problem::FieldError;
use common::pipeline::ParamError;
use common::schedule::{Schedule, Slot};
use common::submit::{Gate, Refusal, Request, check};

use super::coming;

/// Adds what the template refuses of the parameters to the errors: for the first slot that comes, and where all is
/// right so far, for the first of the later ones that breaks a rule.
pub(super) fn parameters(gate: &Gate, schedule: &Schedule, errors: &mut Vec<FieldError>) {
    for (nth, slot) in coming(schedule, gate.clock.now()).enumerate() {
        let later = nth > 0;
        if later && !errors.is_empty() {
            return;
        }
        let refused = refused(gate, schedule, slot);
        errors.extend(refused.into_iter().map(|error| named(error, schedule, slot, later)));
    }
}

fn refused(gate: &Gate, schedule: &Schedule, slot: DateTime<Utc>) -> Vec<ParamError> {
    let template = &schedule.template;
    let request = Request {
        tenant_id: schedule.tenant_id.clone(),
        user_id: schedule.created_by.clone(),
        provider: template.provider().to_owned(),
        domain: template.domain().to_owned(),
        template: template.name().to_owned(),
        parameters: schedule.parameters.clone(),
        slot: Some(Slot {
            config_id: schedule.config_id,
            at: slot,
            date: schedule.date(slot),
            attempt: 1,
        }),
        derived: None,
        priority: schedule.priority,
    };
    match check(gate, &request) {
        Err(Refusal::Parameters(errors)) => errors,
        // An unknown template is told of under its own field; the gate decides the rest when the slot is due.
        Ok(_)
        | Err(
            Refusal::UnknownTemplate
            | Refusal::Inactive
            | Refusal::Limit { .. }
            | Refusal::KeyReused
            | Refusal::InProgress
            | Refusal::LaunchRefused(_),
        ) => Vec::new(),
    }
}

/// The error under the body's field, with the value that was sent where it was: the rule is about the date that a
/// relative one stands for.
fn named(error: ParamError, schedule: &Schedule, slot: DateTime<Utc>, later: bool) -> FieldError {
    let FieldError { field, value, rule } = FieldError::from(error);
    let rule = if later {
        let local = slot.with_timezone(&schedule.zone);
        let local = local.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("{rule}; the slot of {local} breaks it")
    } else {
        rule
    };
    let name = format!("parameters.{field}");
    match schedule.parameters.get(&field) {
        Some(sent) => FieldError::new(name, sent.clone(), rule),
        None => FieldError { field: name, value, rule },
    }
}
