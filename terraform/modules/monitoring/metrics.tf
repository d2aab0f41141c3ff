# Figures from log lines. Each line is one JSON object; `common/src/telemetry.rs` says its form. A program's lines come
# from a Cloud Run service or, for the pipeline, from a Cloud Run job.
locals {
  services = "resource.type=\"cloud_run_revision\""
  # Seconds: from what one missed minute makes to what is hours late.
  seconds = [0, 30, 60, 90, 120, 180, 300, 600, 1800, 3600, 7200, 21600, 86400]
}

# One for each run that ended, whoever wrote the end: the execution itself, or the scheduler for one that died, waited
# too long or was cancelled.
resource "google_logging_metric" "runs_ended" {
  project     = var.project_id
  name        = "headgate_runs_ended"
  description = "Runs that ended, by how."
  filter      = <<-EOT
    resource.type=("cloud_run_job" OR "cloud_run_revision")
    jsonPayload.service=("pipeline" OR "scheduler" OR "trigger")
    jsonPayload.message="the run has ended"
    jsonPayload.written=true
  EOT

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key         = "status"
      value_type  = "STRING"
      description = "COMPLETED, FAILED, CANCELLED, TIMED_OUT or EXPIRED."
    }
    labels {
      key         = "failure_kind"
      value_type  = "STRING"
      description = "Why it is FAILED; empty where it is not."
    }
  }

  label_extractors = {
    status       = "EXTRACT(jsonPayload.status)"
    failure_kind = "EXTRACT(jsonPayload.failure_kind)"
  }
}

# Ticks, passes over the queue and of the reaper, by route and outcome. Their absence is what matters.
resource "google_logging_metric" "calls" {
  project     = var.project_id
  name        = "headgate_calls"
  description = "Calls of the scheduler by Cloud Scheduler, by route and status."
  filter      = <<-EOT
    ${local.services}
    jsonPayload.service="scheduler"
    jsonPayload.method="POST"
    jsonPayload.path=("/api/v1/scheduler/trigger" OR "/api/v1/scheduler/process-queue" OR "/api/v1/scheduler/cleanup-orphaned-pipelines")
    jsonPayload.status>=100
  EOT

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = "path"
      value_type = "STRING"
    }
    labels {
      key        = "status"
      value_type = "STRING"
    }
  }

  label_extractors = {
    path   = "EXTRACT(jsonPayload.path)"
    status = "EXTRACT(jsonPayload.status)"
  }
}

resource "google_logging_metric" "tick_lag" {
  project         = var.project_id
  name            = "headgate_tick_lag_seconds"
  description     = "How long the oldest slot or retry had been due when a tick came to it."
  value_extractor = "EXTRACT(jsonPayload.lag_seconds)"
  filter          = <<-EOT
    ${local.services}
    jsonPayload.service="scheduler"
    jsonPayload.message="the tick has ended"
    jsonPayload.lag_seconds>=0
  EOT

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"
  }

  bucket_options {
    explicit_buckets {
      bounds = local.seconds
    }
  }
}

resource "google_logging_metric" "queue_age" {
  project         = var.project_id
  name            = "headgate_queue_age_seconds"
  description     = "How long the longest waiting run had waited when the queue was passed over."
  value_extractor = "EXTRACT(jsonPayload.oldest_wait_seconds)"
  filter          = <<-EOT
    ${local.services}
    jsonPayload.service="scheduler"
    jsonPayload.message="the queue was passed over"
    jsonPayload.oldest_wait_seconds>=0
  EOT

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"
  }

  bucket_options {
    explicit_buckets {
      bounds = local.seconds
    }
  }
}

# Requests that ask for a run: from tenants, and pushed for slots. An answer of 5xx is one that the gate could not
# decide; a refusal by a limit is 429 and none of ours.
resource "google_logging_metric" "admissions" {
  project     = var.project_id
  name        = "headgate_admissions"
  description = "Requests for runs, by route and status."
  filter      = <<-EOT
    ${local.services}
    jsonPayload.service="trigger"
    jsonPayload.method="POST"
    jsonPayload.path=~"^(/api/v1/pipelines/(run|backfill)/|/internal/run-requests$)"
    jsonPayload.status>=100
  EOT

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = "path"
      value_type = "STRING"
    }
    labels {
      key        = "status"
      value_type = "STRING"
    }
  }

  label_extractors = {
    path   = "EXTRACT(jsonPayload.path)"
    status = "EXTRACT(jsonPayload.status)"
  }
}
