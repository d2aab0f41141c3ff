# The dataset `tenants` and its tables, of the same files that the programs and their tests read.
locals {
  files = fileset(var.tables_dir, "*.json")
  # The name of a table is its file's.
  all    = { for file in local.files : trimsuffix(file, ".json") => jsondecode(file("${var.tables_dir}/${file}")) }
  tables = { for name, table in local.all : name => table if !can(table.view) }
  # BigQuery would look for a table without a project in the project of whoever reads the view.
  views = {
    for name, table in local.all : name => {
      description = table.description
      query       = replace(table.view.query, "/\\b(FROM|JOIN) tenants\\./", "$1 `${var.project_id}`.tenants.")
    } if can(table.view)
  }
}

# Who has access stands here in full: whatever else is granted on the dataset is undone by the next apply. Without
# this list BigQuery would let every viewer of the project read the hashes of keys.
resource "google_bigquery_dataset" "tenants" {
  # checkov:skip=CKV_GCP_81:Encrypted under Google's keys. API keys are a hash and a ciphertext of Cloud KMS in here anyway.

  project                    = var.project_id
  dataset_id                 = "tenants"
  location                   = var.location
  description                = "The state of the deployment: tenants, keys, subscriptions, the ledger, schedules."
  labels                     = var.labels
  max_time_travel_hours      = 168
  delete_contents_on_destroy = false

  access {
    role          = "OWNER"
    special_group = "projectOwners"
  }

  dynamic "access" {
    for_each = var.owners
    content {
      role          = "OWNER"
      user_by_email = access.value
    }
  }

  # WRITER is what BigQuery calls roles/bigquery.dataEditor on a dataset.
  dynamic "access" {
    for_each = var.writers
    content {
      role          = "WRITER"
      user_by_email = access.value
    }
  }
}

resource "google_bigquery_table" "state" {
  # checkov:skip=CKV_GCP_80:As the dataset.
  # checkov:skip=CKV_GCP_121:A variable, true by default; .ci/terraform holds that prod does not switch it off.

  for_each = local.tables

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.tenants.dataset_id
  table_id            = each.key
  description         = each.value.description
  schema              = jsonencode(each.value.schema.fields)
  clustering          = try(each.value.clustering.fields, null)
  deletion_protection = var.deletion_protection
  labels              = var.labels

  dynamic "time_partitioning" {
    for_each = try([each.value.timePartitioning], [])
    content {
      type  = time_partitioning.value.type
      field = time_partitioning.value.field
    }
  }
}

resource "google_bigquery_table" "view" {
  # checkov:skip=CKV_GCP_80:A view holds no rows.
  # checkov:skip=CKV_GCP_121:A view holds no rows, and is made anew without loss.

  for_each = local.views

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.tenants.dataset_id
  table_id            = each.key
  description         = each.value.description
  deletion_protection = false
  labels              = var.labels

  view {
    query          = each.value.query
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.state]
}
