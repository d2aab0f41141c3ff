# The sources of builds, which `gcloud builds submit` uploads. Nobody needs them for long.
resource "google_storage_bucket" "source" {
  project                     = var.project_id
  name                        = "${var.project_id}-headgate-source"
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  # checkov:skip=CKV_GCP_62:Reads and writes are in Cloud Audit Logs where Data Access logs are on; uploads are the operators' own.
  # checkov:skip=CKV_GCP_78:Each upload has a name of its own and is deleted after a month.

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 30
    }
  }

  depends_on = [google_project_service.needed]
}

resource "google_storage_bucket_iam_member" "source" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = module.accounts.members["build"]
}

# The state of the environment and, below environment/plans/, the plans. The bootstrap's state lies beside them, out of
# reach of both accounts. Listing is a right on the bucket itself: names are seen, contents are not.
locals {
  environment = "projects/_/buckets/${var.state_bucket}/objects/environment/"
  listing     = "resource.type == \"storage.googleapis.com/Bucket\""
}

# An apply writes the state and its lock.
resource "google_storage_bucket_iam_member" "state" {
  bucket = var.state_bucket
  role   = "roles/storage.objectUser"
  member = module.accounts.members["apply"]

  condition {
    title      = "environment only"
    expression = "${local.listing} || resource.name.startsWith(\"${local.environment}\")"
  }
}

# A plan reads the state. It takes no lock: whoever may make and remove the lock can hold up an apply, or let a second
# one begin beside it.
resource "google_storage_bucket_iam_member" "state_reader" {
  bucket = var.state_bucket
  role   = "roles/storage.objectViewer"
  member = module.accounts.members["build"]

  condition {
    title      = "environment only"
    expression = "${local.listing} || resource.name.startsWith(\"${local.environment}\")"
  }
}

# A build stores its plan and can neither replace nor delete one that is there.
resource "google_storage_bucket_iam_member" "plan_writer" {
  bucket = var.state_bucket
  role   = "roles/storage.objectCreator"
  member = module.accounts.members["build"]

  condition {
    title      = "plans only"
    expression = "resource.name.startsWith(\"${local.environment}plans/\")"
  }
}

# Who approves a plan has read it.
resource "google_storage_bucket_iam_member" "plan_reader" {
  for_each = toset(var.approvers)

  bucket = var.state_bucket
  role   = "roles/storage.objectViewer"
  member = each.value

  condition {
    title      = "plans only"
    expression = "resource.name.startsWith(\"${local.environment}plans/\")"
  }
}
