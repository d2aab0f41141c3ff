output "name" {
  description = "The service's name."
  value       = google_cloud_run_v2_service.program.name
}

output "urls" {
  description = "All URLs of the service."
  value       = google_cloud_run_v2_service.program.urls
}
