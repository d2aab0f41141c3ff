# Cloud Build works as two accounts. headgate-build tests, pushes images and plans: of the deployment it reads what a
# plan compares, and changes nothing. headgate-apply applies a plan: it makes and changes what the root module holds.
# Nobody is let act as either of them here, and neither may act as the other, start a build or approve one. Nor may they
# grant anything on the project, make an account or a role, or touch the KMS key, the secret, or a tenant's dataset:
# those belong to the bootstrap, which a person applies.
locals {
  apply_roles = [
    "roles/cloudscheduler.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.securityAdmin",
    "roles/logging.configWriter",
    "roles/monitoring.editor",
    "roles/pubsub.admin",
    "roles/run.admin",
  ]
  # Those that Cloud Run, Pub/Sub and Cloud Scheduler are told to act as.
  acted_as = ["onboard", "trigger", "scheduler", "pipeline", "push", "clock"]
  # The deployment's dataset, as conditions name it.
  tenants = "projects/${var.project_id}/datasets/tenants"
}

resource "google_project_iam_member" "log" {
  for_each = toset(["build", "apply"])

  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = local.member[each.key]
}

# What a plan asks Google for, by the resources of the root module. Google's roles for viewers would do less and more:
# that of Pub/Sub does not show who may publish, that of Cloud Logging shows log lines.
resource "google_project_iam_custom_role" "planner" {
  project     = var.project_id
  role_id     = "headgatePlanner"
  title       = "Headgate planner"
  description = "Reads how the deployment is set up; no message, no log line, no data."
  permissions = [
    "cloudscheduler.jobs.get",
    "compute.backendServices.get",
    "compute.globalAddresses.get",
    "compute.globalForwardingRules.get",
    "compute.regionNetworkEndpointGroups.get",
    "compute.securityPolicies.get",
    "compute.sslCertificates.get",
    "compute.sslPolicies.get",
    "compute.targetHttpsProxies.get",
    "compute.urlMaps.get",
    "logging.logMetrics.get",
    "monitoring.alertPolicies.get",
    "monitoring.dashboards.get",
    "monitoring.notificationChannels.get",
    "pubsub.subscriptions.get",
    "pubsub.subscriptions.getIamPolicy",
    "pubsub.topics.get",
    "pubsub.topics.getIamPolicy",
    "resourcemanager.projects.get",
    "run.jobs.get",
    "run.jobs.getIamPolicy",
    "run.services.get",
    "run.services.getIamPolicy",
  ]
}

resource "google_project_iam_member" "plan" {
  project = var.project_id
  role    = google_project_iam_custom_role.planner.name
  member  = local.member["build"]
}

# Of the dataset `tenants` its access list and the tables' schemas, no rows; of a tenant's dataset nothing. It is
# granted here and not in the dataset's own list, so that a plan can be made after the dataset was lost.
resource "google_project_iam_member" "plan_dataset" {
  project = var.project_id
  role    = "roles/bigquery.metadataViewer"
  member  = local.member["build"]

  condition {
    title      = "dataset tenants only"
    expression = "resource.name == \"${local.tenants}\" || resource.name.startsWith(\"${local.tenants}/\")"
  }
}

resource "google_project_iam_member" "apply" {
  for_each = toset(local.apply_roles)

  project = var.project_id
  role    = each.value
  member  = local.member["apply"]
}

# It owns the dataset `tenants`, which it makes, and no other. By the dataset's own list it would own it only once it is
# there; to make a dataset together with its list asks for the right to set that list.
resource "google_project_iam_member" "apply_dataset" {
  project = var.project_id
  role    = google_project_iam_custom_role.dataset_creator.name
  member  = local.member["apply"]
}

resource "google_project_iam_member" "apply_dataset_owner" {
  project = var.project_id
  role    = "roles/bigquery.dataOwner"
  member  = local.member["apply"]

  condition {
    title      = "dataset tenants only"
    expression = "resource.name == \"${local.tenants}\" || resource.name.startsWith(\"${local.tenants}/\")"
  }
}

resource "google_service_account_iam_member" "apply" {
  for_each = toset(local.acted_as)

  service_account_id = google_service_account.headgate[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = local.member["apply"]
}

# Whoever approves a build that waits before its apply.
resource "google_project_iam_member" "approver" {
  for_each = toset(var.approvers)

  project = var.project_id
  role    = "roles/cloudbuild.builds.approver"
  member  = each.value
}
