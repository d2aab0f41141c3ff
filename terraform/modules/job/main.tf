# The pipeline as a Cloud Run job: one execution does one run, with one task and without retries. What an execution
# leaves undone is found by the reaper, which knows what may be done again.
resource "google_cloud_run_v2_job" "pipeline" {
  project             = var.project_id
  location            = var.region
  name                = var.name
  labels              = var.labels
  deletion_protection = var.deletion_protection

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account       = var.service_account
      max_retries           = 0
      timeout               = "${var.timeout_seconds}s"
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"

      containers {
        # A launch names the container whose variables it sets.
        name  = var.container
        image = var.image

        resources {
          limits = {
            cpu    = var.cpu
            memory = var.memory
          }
        }

        dynamic "env" {
          for_each = { for name, value in var.env : name => value if value != null }
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = var.secrets
          content {
            name = env.key
            value_source {
              secret_key_ref {
                secret  = env.value.secret
                version = env.value.version
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    # Set by whichever client changed the job last.
    ignore_changes = [client, client_version]
  }
}

resource "google_cloud_run_v2_job_iam_member" "launcher" {
  for_each = var.launchers

  project  = var.project_id
  location = google_cloud_run_v2_job.pipeline.location
  name     = google_cloud_run_v2_job.pipeline.name
  role     = var.launcher_role
  member   = each.value
}
