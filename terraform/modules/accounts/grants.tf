# What is granted on the whole project. All else is granted on a single resource, where that resource is made.

# BigQuery has no narrower place than the project for the right to run a statement. It gives no access to any data.
resource "google_project_iam_member" "statements" {
  for_each = toset(["onboard", "trigger", "scheduler", "pipeline"])

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = local.member[each.key]
}

# Onboarding makes a dataset for each tenant. Who makes a dataset owns it; this role gives nothing on any other: no
# reading, no writing, no deleting. With `get` it tells a dataset that is somebody else's by its labels.
resource "google_project_iam_custom_role" "dataset_creator" {
  project     = var.project_id
  role_id     = "headgateDatasetCreator"
  title       = "Headgate dataset creator"
  description = "Makes datasets and reads the labels of those that are there; no access to data."
  permissions = ["bigquery.datasets.create", "bigquery.datasets.get"]
}

resource "google_project_iam_member" "dataset_creator" {
  project = var.project_id
  role    = google_project_iam_custom_role.dataset_creator.name
  member  = local.member["onboard"]
}

# The reaper ends the statements of a run that died, which the pipeline's account began. A job's state and its end
# are rights on the project; neither reads the rows of a result.
resource "google_project_iam_custom_role" "statement_ender" {
  project     = var.project_id
  role_id     = "headgateStatementEnder"
  title       = "Headgate statement ender"
  description = "Looks up and cancels BigQuery jobs of other accounts."
  permissions = ["bigquery.jobs.get", "bigquery.jobs.update"]
}

resource "google_project_iam_member" "statement_ender" {
  project = var.project_id
  role    = google_project_iam_custom_role.statement_ender.name
  member  = local.member["scheduler"]
}

# Exactly the calls that trigger and scheduler make of Cloud Run. It is granted on the job alone, by the root module.
resource "google_project_iam_custom_role" "launcher" {
  project     = var.project_id
  role_id     = "headgateLauncher"
  title       = "Headgate launcher"
  description = "Starts a Cloud Run job with overrides, reads and cancels its executions."
  permissions = [
    "run.executions.cancel",
    "run.executions.get",
    "run.jobs.run",
    "run.jobs.runWithOverrides",
  ]
}

# What templates read from outside the tenants' datasets, and the buckets of `load` and `export` steps.
resource "google_bigquery_dataset_iam_member" "source" {
  for_each = { for source in var.source_datasets : "${source.project_id}.${source.dataset_id}" => source }

  project    = each.value.project_id
  dataset_id = each.value.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = local.member["pipeline"]
}

resource "google_storage_bucket_iam_member" "source" {
  for_each = toset(var.source_buckets)

  bucket = each.value
  role   = "roles/storage.objectViewer"
  member = local.member["pipeline"]
}

resource "google_storage_bucket_iam_member" "export" {
  for_each = toset(var.export_buckets)

  bucket = each.value
  role   = "roles/storage.objectUser"
  member = local.member["pipeline"]
}
