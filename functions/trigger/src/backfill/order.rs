//! A backfill's body, and what it asks for once all of it is checked.

use chrono::{Datelike, NaiveDate};
use common::http::extract::given;
use common::http::problem::{FieldError, Problem};
use common::pipeline::{ParamError, Template, TemplateId};
use common::run::RunId;
use common::submit::{Derived, Refusal, Request, check, fingerprint};
use common::tenant::{TenantId, UserId};
use common::warehouse::DataType;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::State;
use crate::run::{Target, refused};

/// The most days of one request: a leap year.
const MAX_DAYS: i64 = 366;
/// Behind what a person triggers, whose runs have 100: a backfill never delays a trigger of its tenant that waits
/// with it. Lower starts sooner.
const PRIORITY: i64 = 200;
/// The parameter that takes the day, where the request names none.
const DATE_PARAMETER: &str = "date";

/// A range of days, and what each day's run is given.
///
/// The values are looked at after the shape, so that one answer names all that is wrong with them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillRequest {
    /// The first day.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, format = Date, required = true, example = "2025-11-01")]
    from: Option<Value>,
    /// The last day, included; at most 366 days in all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, format = Date, required = true, example = "2025-11-30")]
    to: Option<Value>,
    /// The template's parameters but for the day: the same for every run.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Map<String, Value>)]
    parameters: Option<Value>,
    /// The DATE parameter that takes the day; `date` unless given. Another one that defaults to it follows by
    /// itself.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, example = "date")]
    date_parameter: Option<Value>,
    /// List the days and their ids, and write nothing.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    dry_run: Option<Value>,
}

/// A backfill whose every day the template takes.
pub(crate) struct Order {
    /// The template.
    pub(crate) template: TemplateId,
    /// The first day.
    pub(crate) from: NaiveDate,
    /// The last day.
    pub(crate) to: NaiveDate,
    /// Whether nothing is to be written.
    pub(crate) dry_run: bool,
    date_parameter: String,
    key: Option<String>,
    /// The fingerprint of what all days share.
    others: String,
    /// A day's request without its day.
    shared: Request,
}

impl Order {
    /// Checks a request against its template, for each of its days.
    pub(crate) fn new(
        state: &State,
        body: BackfillRequest,
        target: Target,
        tenant_id: TenantId,
        user_id: UserId,
        key: Option<&str>,
    ) -> Result<Self, Problem> {
        let name = format!("{}/{}/{}", target.provider, target.domain, target.template);
        let templates = &state.gate.templates;
        let template = templates.get(&target.provider, &target.domain, &target.template);
        let template = template.ok_or_else(|| refused(Refusal::UnknownTemplate, &name, state))?;

        let mut errors = Vec::new();
        let from = day("from", body.from.as_ref(), &mut errors);
        let to = day("to", body.to.as_ref(), &mut errors);
        let parameters = parameters(body.parameters, &mut errors);
        let dry_run = flag(body.dry_run, &mut errors);
        let date_parameter =
            date_parameter(template, body.date_parameter, &parameters, &mut errors);
        range(from, to, &mut errors);
        let order = Self {
            template: template.id.clone(),
            from: from.unwrap_or_default(),
            to: to.unwrap_or_default(),
            dry_run,
            key: key.map(str::to_owned),
            others: fingerprint(&name, &parameters),
            shared: Request {
                tenant_id,
                user_id,
                provider: target.provider,
                domain: target.domain,
                template: target.template,
                parameters,
                derived: None,
                slot: None,
                priority: PRIORITY,
            },
            date_parameter,
        };
        let takes_day = is_date(template, &order.date_parameter);
        if let (Some(first), true) = (from, takes_day) {
            errors.extend(order.refused_on(state, &order.request(first), first));
        } else {
            // What is wrong with the other parameters is said with what is wrong with the day.
            let others = order.refused_on(state, &order.shared, order.from);
            errors.extend(others.into_iter().filter(|error| error.field != "from"));
        }
        if errors.is_empty() {
            let later = order.dates().skip(1);
            let later = later.map(|date| order.refused_on(state, &order.request(date), date));
            errors.extend(later.into_iter().find(|found| !found.is_empty()).unwrap_or_default());
        }
        if errors.is_empty() { Ok(order) } else { Err(Problem::invalid(&errors)) }
    }

    /// The days, oldest first.
    pub(crate) fn dates(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        let to = self.to;
        self.from.iter_days().take_while(move |date| *date <= to)
    }

    /// Whose runs they are.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.shared.tenant_id
    }

    /// The id of a day's run.
    pub(crate) fn run_id(&self, date: NaiveDate) -> RunId {
        let key = self.key.as_deref();
        let (tenant, others) = (self.tenant(), &self.others);
        RunId::of_backfill(tenant, &self.template, &self.date_parameter, others, date, key)
    }

    /// What is asked of the gate for a day.
    pub(crate) fn request(&self, date: NaiveDate) -> Request {
        let mut request = self.shared.clone();
        request.parameters.insert(self.date_parameter.clone(), date.to_string().into());
        let fingerprint = fingerprint(&self.template.to_string(), &request.parameters);
        request.derived = Some(Derived { run_id: self.run_id(date), fingerprint });
        request
    }

    /// What the template refuses of a day's parameters, under the names of the body's fields.
    fn refused_on(&self, state: &State, request: &Request, date: NaiveDate) -> Vec<FieldError> {
        match check(&state.gate, request) {
            Err(Refusal::Parameters(errors)) => {
                errors.into_iter().map(|error| self.named(error, date)).collect()
            }
            // The gate decides the rest, and the template was there a moment ago.
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

    fn named(&self, error: ParamError, date: NaiveDate) -> FieldError {
        let error = FieldError::from(error);
        if error.field != self.date_parameter {
            FieldError { field: format!("parameters.{}", error.field), ..error }
        } else if date == self.from {
            FieldError { field: "from".to_owned(), ..error }
        } else {
            let rule = format!("{}; the run of {date} breaks it", error.rule);
            FieldError::new("to", self.to.to_string(), rule)
        }
    }
}

fn day(field: &str, sent: Option<&Value>, errors: &mut Vec<FieldError>) -> Option<NaiveDate> {
    let Some(sent) = sent else {
        errors.push(FieldError::missing(field));
        return None;
    };
    // The same text again: no sign, no missing zero, no further digit.
    let exact = |text: &str| {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        ((1..=9999).contains(&date.year()) && date.to_string() == text).then_some(date)
    };
    let date = sent.as_str().and_then(exact);
    if date.is_none() {
        errors.push(FieldError::new(field, sent.clone(), "must be a calendar date as YYYY-MM-DD"));
    }
    date
}

fn parameters(sent: Option<Value>, errors: &mut Vec<FieldError>) -> Map<String, Value> {
    match sent {
        None => Map::new(),
        Some(Value::Object(parameters)) => parameters,
        Some(other) => {
            errors.push(FieldError::new("parameters", other, "must be a JSON object"));
            Map::new()
        }
    }
}

fn flag(sent: Option<Value>, errors: &mut Vec<FieldError>) -> bool {
    match sent {
        None => false,
        Some(Value::Bool(flag)) => flag,
        Some(other) => {
            errors.push(FieldError::new("dry_run", other, "must be true or false"));
            false
        }
    }
}

/// The parameter's name; where it is none that may take the day, the name that was sent, and an error.
fn date_parameter(
    template: &Template,
    sent: Option<Value>,
    parameters: &Map<String, Value>,
    errors: &mut Vec<FieldError>,
) -> String {
    let sent = sent.unwrap_or_else(|| DATE_PARAMETER.into());
    let name = sent.as_str().unwrap_or_default().to_owned();
    if !is_date(template, &name) {
        let names = template.parameters.keys().map(String::as_str);
        let dates: Vec<&str> = names.filter(|name| is_date(template, name)).collect();
        let has = if dates.is_empty() { "none".to_owned() } else { dates.join(", ") };
        let rule = format!("must be a DATE parameter of {}, which has {has}", template.id);
        errors.push(FieldError::new("date_parameter", sent, rule));
    } else if let Some(value) = parameters.get(&name) {
        let rule = "must be left out: each day's run is given its own day";
        errors.push(FieldError::new(format!("parameters.{name}"), value.clone(), rule));
    }
    name
}

fn is_date(template: &Template, name: &str) -> bool {
    let declared = template.parameters.get(name);
    declared.is_some_and(|parameter| *parameter.kind.data_type() == DataType::Date)
}

fn range(from: Option<NaiveDate>, to: Option<NaiveDate>, errors: &mut Vec<FieldError>) {
    let (Some(from), Some(to)) = (from, to) else { return };
    let rule = if to < from {
        format!("must not be before from ({from})")
    } else if (to - from).num_days() >= MAX_DAYS {
        format!(
            "must be at most {MAX_DAYS} days from from ({from}) on, both included; send the range in parts"
        )
    } else {
        return;
    };
    errors.push(FieldError::new("to", to.to_string(), rule));
}
