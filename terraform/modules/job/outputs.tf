output "id" {
  description = "The job's full name, as PIPELINE_JOB takes it: projects/P/locations/R/jobs/J."
  value       = google_cloud_run_v2_job.pipeline.id
}

output "name" {
  description = "The job's name."
  value       = google_cloud_run_v2_job.pipeline.name
}
