output "dataset" {
  description = "The dataset's id."
  value       = google_bigquery_dataset.tenants.dataset_id
}

output "tables" {
  description = "The names of its tables and views."
  value       = sort(keys(local.all))
}
