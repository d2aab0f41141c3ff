# The values of the development deployment: replace those of the locals and the domain by your own.
locals {
  project_id = "example-headgate-dev"
  region     = "europe-west1"
}

module "headgate" {
  source = "../.."

  project_id        = local.project_id
  region            = local.region
  bigquery_location = "EU"
  domain            = "headgate-dev.example.com"
  images            = var.images

  # What is tried here may go.
  deletion_protection = false
  max_instances       = { onboard = 1, trigger = 2, scheduler = 1 }
  max_running         = 5
  run_timeout_seconds = 1800
  requests_per_minute = 120
  log_filter          = "info,common=debug"

  labels = { environment = "dev" }
}
