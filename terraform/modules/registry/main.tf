# The repository of the four images. Tags move, so a deployment names its images by digest; old images without a tag
# go by themselves.
resource "google_artifact_registry_repository" "images" {
  # checkov:skip=CKV_GCP_84:Encrypted under Google's keys. An image holds programs and templates, no secret.

  project       = var.project_id
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "Images of Headgate's four programs"
  labels        = var.labels

  cleanup_policies {
    id     = "untagged-after-90-days"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "7776000s"
    }
  }

  # A rollback needs the images before the current ones, tagged or not.
  cleanup_policies {
    id     = "keep-the-last-ten"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "writer" {
  for_each = toset(var.writers)

  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = each.value
}

resource "google_artifact_registry_repository_iam_member" "reader" {
  for_each = toset(var.readers)

  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = each.value
}
