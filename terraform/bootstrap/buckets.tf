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

# A build keeps the environment's state, and cannot read or write the bootstrap's, which lies beside it. Listing is a
# right on the bucket itself: names are seen, contents are not.
resource "google_storage_bucket_iam_member" "state" {
  bucket = var.state_bucket
  role   = "roles/storage.objectUser"
  member = module.accounts.members["build"]

  condition {
    title      = "environment only"
    expression = "resource.type == \"storage.googleapis.com/Bucket\" || resource.name.startsWith(\"projects/_/buckets/${var.state_bucket}/objects/environment/\")"
  }
}
