//! What the demo shows of a run.

use std::fmt::Write;

use serde_json::{Value as Json, json};

/// A run, as the API answered it, with what it wrote.
pub(super) struct Summary<'a> {
    pub(super) run: &'a Json,
    /// The tenant as the operator sees it.
    pub(super) usage: &'a Json,
    /// NUMERIC text.
    pub(super) total: String,
    /// Name and net cost of the most expensive services.
    pub(super) services: Vec<(String, String)>,
}

fn items<'a>(run: &'a Json, name: &str) -> &'a [Json] {
    run[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(of: &'a Json, name: &str) -> &'a str {
    of[name].as_str().unwrap_or("-")
}

/// One step's try in a line.
pub(super) fn step_line(step: &Json) -> String {
    let mut line = format!(
        "{:<16} {:<6} {:<10} {:>6} ms {:>8} rows",
        text(step, "step_id"),
        text(step, "step_type"),
        text(step, "status"),
        step["duration_ms"],
        step["rows_written"],
    );
    if let Some(message) = step["message"].as_str() {
        let _ = write!(line, "  {message}");
    }
    line
}

impl Summary<'_> {
    /// Whether the run COMPLETED and every blocking check passed.
    pub(super) fn passed(&self) -> bool {
        let failed = |check: &Json| check["blocking"] == true && check["passed"] != true;
        self.run["status"] == "COMPLETED" && !items(self.run, "checks").iter().any(failed)
    }

    /// One object for programs.
    pub(super) fn json(&self) -> Json {
        json!({
            "tenant_id": self.run["tenant_id"],
            "pipeline_logging_id": self.run["pipeline_logging_id"],
            "status": self.run["status"],
            "steps": self.run["steps"],
            "checks": self.run["checks"],
            "rows_written": self.run["rows_written"],
            "total_net_cost": self.total.parse::<f64>().ok(),
            "quota": {
                "pipelines_run_today": self.usage["usage"]["pipelines_run_today"],
                "daily_limit": self.usage["limits"]["daily_limit"],
            },
        })
    }

    /// A page for people.
    pub(super) fn text(&self) -> String {
        let mut page = String::new();
        let run = self.run;
        let _ = writeln!(
            page,
            "run         {} in {} ms, {} rows written",
            text(run, "status"),
            run["duration_ms"],
            run["rows_written"],
        );
        if let Some(message) = run["message"].as_str() {
            let _ = writeln!(page, "            {message}");
        }
        let _ = writeln!(page, "\nchecks");
        for check in items(run, "checks") {
            let _ = writeln!(
                page,
                "  {:<6} {:<24} {:<16} observed {}, allowed {}",
                if check["passed"] == true { "ok" } else { "FAILED" },
                text(check, "check_id"),
                text(check, "check_type"),
                text(check, "observed"),
                text(check, "threshold"),
            );
        }
        let _ = writeln!(page, "\ntop services by net cost");
        for (service, cost) in &self.services {
            let _ = writeln!(page, "  {service:<24} {cost:>14}");
        }
        let _ = writeln!(page, "  {:<24} {:>14}", "all services", self.total);
        let usage = &self.usage["usage"];
        let _ = writeln!(
            page,
            "\nquota       {} of {} runs used today",
            usage["pipelines_run_today"], self.usage["limits"]["daily_limit"],
        );
        page
    }
}
