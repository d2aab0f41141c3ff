# What a person with the role of an owner makes once in an empty project, and changes rarely: services of Google's,
# accounts and what they may do on the project, the key, the secret without its value, the registry. Builds cannot
# change any of it.
locals {
  labels = { app = "headgate" }

  services = [
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ]
}

data "google_project" "headgate" {
  project_id = var.project_id
}

resource "google_project_service" "needed" {
  for_each = toset(local.services)

  project = var.project_id
  service = each.key
  # Others in the project may use it too.
  disable_on_destroy = false
}

module "accounts" {
  source = "../modules/accounts"

  project_id      = var.project_id
  project_number  = data.google_project.headgate.number
  operators       = var.operators
  approvers       = var.approvers
  source_datasets = var.source_datasets
  source_buckets  = var.source_buckets
  export_buckets  = var.export_buckets

  depends_on = [google_project_service.needed]
}

module "keys" {
  source = "../modules/keys"

  project_id = var.project_id
  location   = var.region
  encrypters = { onboard = module.accounts.members["onboard"] }
  labels     = local.labels

  depends_on = [google_project_service.needed]
}

module "registry" {
  source = "../modules/registry"

  project_id = var.project_id
  region     = var.region
  writers    = ["serviceAccount:headgate-build@${var.project_id}.iam.gserviceaccount.com"]
  readers    = ["serviceAccount:headgate-apply@${var.project_id}.iam.gserviceaccount.com"]
  labels     = local.labels

  depends_on = [google_project_service.needed, module.accounts]
}

# What webhooks are signed with. Its value never comes near Terraform, whose state would hold it: an operator adds it
# as a version, by the command that is an output.
resource "google_secret_manager_secret" "webhook_key" {
  project             = var.project_id
  secret_id           = "headgate-webhook-key"
  labels              = local.labels
  version_destroy_ttl = "2592000s"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.needed]

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "webhook_key" {
  for_each = toset(["onboard", "pipeline"])

  project   = var.project_id
  secret_id = google_secret_manager_secret.webhook_key.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = module.accounts.members[each.key]
}
