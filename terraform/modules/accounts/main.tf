# One account for each program and for each service of Google's that calls one. None of them has a key.
locals {
  accounts = {
    onboard   = "Headgate: onboards tenants"
    trigger   = "Headgate: starts runs"
    scheduler = "Headgate: schedules, queue and reaper"
    pipeline  = "Headgate: does runs"
    push      = "Headgate: Pub/Sub pushes as this account"
    clock     = "Headgate: Cloud Scheduler calls as this account"
    operator  = "Headgate: operators call as this account"
    build     = "Headgate: Cloud Build tests, builds and plans as this account"
    apply     = "Headgate: Cloud Build applies plans as this account"
  }
}

resource "google_service_account" "headgate" {
  for_each = local.accounts

  project      = var.project_id
  account_id   = "headgate-${each.key}"
  display_name = each.value
}

locals {
  member = { for name, account in google_service_account.headgate : name => account.member }
  email  = { for name, account in google_service_account.headgate : name => account.email }
}

# People act as the operators' account, for gcloud makes ID tokens for a service's audience only for service
# accounts. The account itself may do nothing but call onboard.
resource "google_service_account_iam_member" "operator" {
  for_each = toset(var.operators)

  service_account_id = google_service_account.headgate["operator"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}

# Pub/Sub gets ID tokens of the account push, and of no other.
resource "google_service_account_iam_member" "push" {
  service_account_id = google_service_account.headgate["push"].name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
