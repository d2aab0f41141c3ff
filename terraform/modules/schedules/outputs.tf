output "jobs" {
  description = "The names of the jobs."
  value       = sort([for job in google_cloud_scheduler_job.call : job.name])
}
