//! What each statement would read, asked of the warehouse, and held against what the template may read.

use common::pipeline::Template;
use common::port::PortError;
use common::tenant::TenantId;
use common::warehouse::Warehouse;

use super::{Outcome, Plan, Read, Refused, Writer};

impl Plan {
    /// Dry-runs every statement for a tenant; what a run's guard would refuse is refused here.
    ///
    /// A table that an earlier step makes may be missing still: then its readers cannot be dry-run yet.
    pub async fn dry_run(
        &mut self,
        warehouse: &dyn Warehouse,
        template: &Template,
        tenant: &TenantId,
    ) {
        for node in 0..self.steps.len() {
            for at in 0..self.steps[node].statements.len() {
                let answer = warehouse.dry_run(&self.steps[node].statements[at].query).await;
                let outcome = match answer {
                    Ok(dry_run) => {
                        let tables = dry_run.tables.iter().map(|table| {
                            let allowed = template.may_read(tenant, table);
                            let table = table.to_string();
                            let writers = self.writers(template, node, |name| name == table);
                            let last = writers.filter(|writer| writer.first).last();
                            let written_by = last.map(|writer| writer.step.to_owned());
                            Read { table, allowed, written_by }
                        });
                        Outcome::Reads { tables: tables.collect(), bytes: dry_run.bytes }
                    }
                    Err(error) => self.failed(template, node, &error),
                };
                let refused = refusals(&outcome, self.steps[node].max_bytes);
                let step = &mut self.steps[node];
                let statement = &mut step.statements[at];
                statement.dry_run = outcome;
                let check = statement.check.as_ref().map(|check| check.id.clone());
                self.refused.extend(refused.into_iter().map(|message| Refused {
                    step: step.id.clone(),
                    check: check.clone(),
                    message,
                }));
            }
        }
    }

    fn failed(&self, template: &Template, node: usize, error: &PortError) -> Outcome {
        let message = error.to_string();
        let PortError::NotFound(missing) = error else { return Outcome::Failed { message } };
        let makers = self.writers(template, node, |table| names(missing, table));
        let makers: Vec<_> = makers.collect();
        if let Some(first) = makers.iter().find(|maker| maker.first) {
            let (table, step) = (first.table.to_owned(), first.step.to_owned());
            return Outcome::MadeBefore { table, step };
        }
        match makers.first() {
            None => Outcome::Failed { message },
            Some(Writer { step, .. }) => Outcome::Failed {
                message: format!("{message}; step {step} makes it: add {step} to depends_on"),
            },
        }
    }
}

fn refusals(outcome: &Outcome, max_bytes: Option<u64>) -> Vec<String> {
    match outcome {
        Outcome::NotMade | Outcome::MadeBefore { .. } => Vec::new(),
        Outcome::Failed { message } => vec![message.clone()],
        Outcome::Reads { tables, bytes } => {
            let refused = tables.iter().filter(|read| !read.allowed);
            let why = "which is neither in the tenant's dataset nor a source of the template";
            let heavy = max_bytes.filter(|most| bytes > most).map(|most| {
                format!("would read {bytes} bytes, more than the step's max_bytes of {most}")
            });
            refused
                .map(|read| format!("reads {}, {why}: declare it under sources", read.table))
                .chain(heavy)
                .collect()
        }
    }
}

/// Whether a message names a table: its full name, not as a part of a longer one.
fn names(message: &str, table: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    message.match_indices(table).any(|(at, _)| {
        let before = message[..at].chars().next_back();
        let after = message[at + table.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_table_by_its_whole_name() {
        for (message, named) in [
            ("the table acme.daily, read at 1:15,", true),
            ("acme.daily", true),
            ("Table project:acme.daily was not found", true),
            ("the table acme.daily_2, read at 1:15,", false),
            ("the table big_acme.daily, read at 1:15,", false),
            ("the table acme.lines, read at 1:15,", false),
        ] {
            assert_eq!(names(message, "acme.daily"), named, "{message}");
        }
    }
}
