# The values of the production deployment: replace those of the locals, the domain and the addresses by your own.
locals {
  project_id = "example-headgate-prod"
  region     = "europe-west1"
}

module "headgate" {
  source = "../.."

  project_id        = local.project_id
  region            = local.region
  bigquery_location = "EU"
  domain            = "headgate.example.com"
  images            = var.images

  deletion_protection = true
  max_instances       = { onboard = 1, trigger = 6, scheduler = 3 }
  min_instances       = { onboard = 0, trigger = 1, scheduler = 1 }
  max_running         = 50
  run_timeout_seconds = 3600
  requests_per_minute = 300
  alert_emails        = ["headgate-alerts@example.com"]

  labels = { environment = "prod" }
}
