# Two topics, each pushed to one receiver, each with a topic for what could not be delivered. Nothing is kept for more
# than a day: by then the ledger may have forgotten a run's id.
locals {
  day           = "86400s"
  service_agent = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "topic" {
  # checkov:skip=CKV_GCP_83:Encrypted under Google's keys. A message holds ids, no secret and no row of a tenant, and is gone within a day.

  for_each = var.topics

  project = var.project_id
  name    = each.key
  labels  = var.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_topic" "dead_letter" {
  # checkov:skip=CKV_GCP_83:As the topic.

  for_each = var.topics

  project = var.project_id
  name    = "${each.key}-dead-letter"
  labels  = var.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = var.topics

  project = var.project_id
  topic   = google_pubsub_topic.topic[each.key].name
  role    = "roles/pubsub.publisher"
  member  = each.value.publisher
}

resource "google_pubsub_subscription" "push" {
  for_each = var.topics

  project                    = var.project_id
  name                       = "${each.key}-push"
  topic                      = google_pubsub_topic.topic[each.key].id
  labels                     = var.labels
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = local.day

  push_config {
    push_endpoint = each.value.endpoint
    oidc_token {
      service_account_email = var.push_email
      audience              = each.value.audience
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # About 16 hours of trying at the longest backoff, so that it comes before the retention ends.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter[each.key].id
    max_delivery_attempts = 100
  }

  # A subscription that nobody used for a month would otherwise be gone.
  expiration_policy {
    ttl = ""
  }
}

# An operator reads here what was given up; nothing acknowledges it by itself.
resource "google_pubsub_subscription" "dead_letter" {
  for_each = var.topics

  project                    = var.project_id
  name                       = "${each.key}-dead-letter"
  topic                      = google_pubsub_topic.dead_letter[each.key].id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = local.day

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves a message: it publishes to the one topic and acknowledges on the other's subscription. Without
# both it goes on delivering.
resource "google_pubsub_topic_iam_member" "dead_letter" {
  for_each = var.topics

  project = var.project_id
  topic   = google_pubsub_topic.dead_letter[each.key].name
  role    = "roles/pubsub.publisher"
  member  = local.service_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter" {
  for_each = var.topics

  project      = var.project_id
  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.service_agent
}
