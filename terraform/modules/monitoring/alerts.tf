# Alert policies over the metrics. Each says in its documentation what to look at first.
resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.emails)

  project      = var.project_id
  display_name = "Headgate: ${each.value}"
  type         = "email"
  labels = {
    email_address = each.value
  }
}

locals {
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  metric   = "logging_googleapis_com:user_headgate"
  service  = "monitored_resource=\"cloud_run_revision\""
  job      = "monitored_resource=\"cloud_run_job\""

  # A run's end is logged by a job or by a service, which PromQL reads one at a time.
  ended  = { for name, labels in { all = "", failed = ",status=~\"FAILED|TIMED_OUT|EXPIRED\"" } : name => "((sum(increase(${local.metric}_runs_ended{${local.job}${labels}}[1h])) or vector(0)) + (sum(increase(${local.metric}_runs_ended{${local.service}${labels}}[1h])) or vector(0)))" }
  errors = "(sum(increase(${local.metric}_admissions{${local.service},status=~\"5.*\"}[10m])) or vector(0))"
  lag    = "histogram_quantile(0.99, sum by (le) (increase(${local.metric}_tick_lag_seconds_bucket{${local.service}}[10m])))"
  age    = "histogram_quantile(0.99, sum by (le) (increase(${local.metric}_queue_age_seconds_bucket{${local.service}}[10m])))"
  calls  = "(sum(increase(${local.metric}_calls{${local.service},status=~\"2.*\",path=\"%s\"}[%s])) or vector(0))"

  # Whether a policy's metric has been written to yet is not asked for: a new deployment has no line of any kind.
  alerts = {
    "failed-runs" = {
      name     = "Headgate: many runs fail"
      query    = "${local.ended.failed} / clamp_min(${local.ended.all}, 1) > ${var.failed_run_ratio} and ${local.ended.all} >= ${var.failed_run_least}"
      duration = "300s"
      text     = "More than ${var.failed_run_ratio * 100} % of the runs of the last hour ended FAILED, TIMED_OUT or EXPIRED. Look at the lines `the run has ended` by failure_kind: one tenant's template or data, or START and LOST, which are the deployment's own."
    }
    "tick-lag" = {
      name     = "Headgate: ticks are late"
      query    = "${local.lag} > ${var.tick_lag_seconds}"
      duration = "300s"
      text     = "Slots have been due for more than ${var.tick_lag_seconds} s when a tick comes to them. Look at the Cloud Scheduler job headgate-tick and at the scheduler's lines with severity ERROR."
    }
    "no-tick" = {
      name     = "Headgate: no tick"
      query    = "${format(local.calls, "/api/v1/scheduler/trigger", "10m")} < 1"
      duration = "300s"
      text     = "No tick succeeded in ten minutes: no schedule fires. Look at the Cloud Scheduler job headgate-tick, then at the scheduler's lines of POST /api/v1/scheduler/trigger."
    }
    "no-queue" = {
      name     = "Headgate: no pass over the queue"
      query    = "${format(local.calls, "/api/v1/scheduler/process-queue", "10m")} < 1"
      duration = "300s"
      text     = "No pass over the queue ended well in ten minutes: where an end of a run was not told of, its place is not given on. Look at the Cloud Scheduler job headgate-queue."
    }
    "no-reaper" = {
      name     = "Headgate: no pass of the reaper"
      query    = "${format(local.calls, "/api/v1/scheduler/cleanup-orphaned-pipelines", "30m")} < 1"
      duration = "300s"
      text     = "No pass of the reaper ended well in half an hour: what a dead process leaves behind is not settled. Look at the Cloud Scheduler job headgate-reaper."
    }
    "queue-age" = {
      name     = "Headgate: runs wait long"
      query    = "${local.age} > ${var.queue_age_seconds}"
      duration = "600s"
      text     = "A run has waited for more than ${var.queue_age_seconds} s. Look at GET /api/v1/scheduler/status: where few runs hold a place, starts fail; where many do, tenants ask for more than their plans or MAX_RUNNING let run at once."
    }
    "admission-errors" = {
      name     = "Headgate: requests for runs meet errors"
      query    = "${local.errors} >= ${var.admission_errors}"
      duration = "0s"
      text     = "${var.admission_errors} requests for runs or more were answered 5xx within ten minutes. The field `cause` of trigger's lines says what was away."
    }
  }
}

resource "google_monitoring_alert_policy" "promql" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = each.value.name
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.name
    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = each.value.duration
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    content   = each.value.text
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [
    google_logging_metric.admissions,
    google_logging_metric.calls,
    google_logging_metric.queue_age,
    google_logging_metric.runs_ended,
    google_logging_metric.tick_lag,
  ]
}

# Pub/Sub counts these itself.
resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project_id
  display_name          = "Headgate: messages could not be delivered"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "A dead-letter subscription holds messages"
    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.labels.subscription_id = one_of(${join(", ", [for name in var.dead_letter_subscriptions : "\"${name}\""])})"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    content   = "A run request or the end of a run was given up after 100 deliveries, and is kept for a day. Read it with `gcloud pubsub subscriptions pull SUBSCRIPTION`. An end of a run is found by the reaper anyway; a slot is run again by POST /api/v1/scheduler/resubmit/{config_id}. Then acknowledge the message."
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}
