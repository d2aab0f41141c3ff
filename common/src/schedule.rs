//! Schedules: when a tenant's pipeline runs by itself.

mod cron;

pub use cron::{CronSchedule, InvalidCron};
