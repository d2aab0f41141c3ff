# What Cloud Build may do as headgate-build: write its log, and make and change what the root module holds. It may not
# grant anything on the project, make an account or a role, touch the KMS key, the secret, or a tenant's dataset: those
# belong to the bootstrap, which a person applies.
locals {
  build_roles = [
    "roles/browser",
    "roles/cloudscheduler.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.securityAdmin",
    "roles/logging.configWriter",
    "roles/logging.logWriter",
    "roles/monitoring.editor",
    "roles/pubsub.admin",
    "roles/run.admin",
  ]
  # Those that Cloud Run, Pub/Sub and Cloud Scheduler are told to act as.
  acted_as = ["onboard", "trigger", "scheduler", "pipeline", "push", "clock"]
}

resource "google_project_iam_member" "build" {
  for_each = toset(local.build_roles)

  project = var.project_id
  role    = each.value
  member  = local.member["build"]
}

# It owns the dataset `tenants`, which it makes, and no other.
resource "google_project_iam_member" "build_dataset" {
  project = var.project_id
  role    = google_project_iam_custom_role.dataset_creator.name
  member  = local.member["build"]
}

resource "google_service_account_iam_member" "build" {
  for_each = toset(local.acted_as)

  service_account_id = google_service_account.headgate[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = local.member["build"]
}

# Whoever approves a build that waits before its apply.
resource "google_project_iam_member" "approver" {
  for_each = toset(var.approvers)

  project = var.project_id
  role    = "roles/cloudbuild.builds.approver"
  member  = each.value
}
