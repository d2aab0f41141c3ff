output "dashboard" {
  description = "The dashboard's full name."
  value       = google_monitoring_dashboard.headgate.id
}

output "alerts" {
  description = "The names of the alert policies."
  value = sort(concat(
    [for policy in google_monitoring_alert_policy.promql : policy.display_name],
    [google_monitoring_alert_policy.dead_letters.display_name],
  ))
}
