# The clock: each job posts to one route of the scheduler. A call that is lost is made up for by the next one, so one
# more try is enough. Cloud Scheduler makes no second call of a job while one is under way.
resource "google_cloud_scheduler_job" "call" {
  for_each = var.calls

  project          = var.project_id
  region           = var.region
  name             = "headgate-${each.key}"
  description      = each.value.description
  schedule         = each.value.schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "${var.attempt_deadline_seconds}s"
  paused           = var.paused

  retry_config {
    retry_count          = 1
    min_backoff_duration = "5s"
    max_backoff_duration = "10s"
  }

  http_target {
    http_method = "POST"
    uri         = "${var.base_url}${each.value.path}"

    oidc_token {
      service_account_email = var.clock_email
      audience              = var.base_url
    }
  }
}
