//! The tracing layer that writes lines.

use std::fmt::{self, Write as _};
use std::sync::PoisonError;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::{Format, Writer};
use crate::clock::Clock;

/// Writes each event with the fields of the spans around it.
pub(super) struct Lines {
    pub(super) format: Format,
    pub(super) writer: Writer,
    pub(super) project: Option<String>,
    pub(super) service: Option<&'static str>,
    pub(super) clock: Clock,
}

/// What a span or event said, by field name.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error| error.source());
        let said: Vec<String> = chain.map(ToString::to_string).collect();
        self.set(field, said.join(": "));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}

impl Lines {
    fn json(&self, event: &Event<'_>, message: &Value, mut fields: Map<String, Value>) -> String {
        let meta = event.metadata();
        let mut line = Map::new();
        let mut set = |name: &str, value: Value| {
            line.insert(name.to_owned(), value);
        };
        set("severity", severity(*meta.level()).into());
        set("time", self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true).into());
        set("message", message.clone());
        if let Some(service) = self.service {
            set("service", service.into());
        }
        if let Some(Value::String(trace)) = fields.shift_remove("trace") {
            let name = match &self.project {
                Some(project) => format!("projects/{project}/traces/{trace}"),
                None => trace,
            };
            set("logging.googleapis.com/trace", name.into());
        }
        for (field, name) in [
            ("span_id", "logging.googleapis.com/spanId"),
            ("trace_sampled", "logging.googleapis.com/trace_sampled"),
        ] {
            if let Some(value) = fields.shift_remove(field) {
                set(name, value);
            }
        }
        if let (Some(file), Some(number)) = (meta.file(), meta.line()) {
            // Cloud Logging wants the line as text, as int64 is in JSON.
            let place = json!({ "file": file, "line": number.to_string() });
            set("logging.googleapis.com/sourceLocation", place);
        }
        set("target", meta.target().into());
        for (name, value) in fields {
            line.entry(name).or_insert(value);
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        text
    }

    fn text(&self, event: &Event<'_>, message: &Value, fields: &Map<String, Value>) -> String {
        let mut line = format!(
            "{} {:<5} {}",
            self.clock.now().format("%H:%M:%S%.3f"),
            event.metadata().level(),
            plain(message)
        );
        for (name, value) in fields {
            if !matches!(name.as_str(), "trace" | "span_id" | "trace_sampled") {
                // Writing to a String never fails.
                let _ = write!(line, " {name}={}", plain(value));
            }
        }
        // A value may hold line ends; a line stays one.
        line.replace('\n', "\\n") + "\n"
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(Fields(of_span)) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.clone());
            }
        }
        event.record(&mut fields);
        let message = fields.0.shift_remove("message").unwrap_or_default();
        let line = match self.format {
            Format::Json => self.json(event, &message, fields.0),
            Format::Text => self.text(event, &message, &fields.0),
        };
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written has nobody to be told to.
        let _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
    }
}
