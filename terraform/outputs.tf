output "address" {
  description = "The address that the domain's A record names. The certificate is issued once it does."
  value       = module.edge.address
}

output "tenants_url" {
  description = "What tenants call."
  value       = "https://${var.domain}"
}

output "onboard_url" {
  description = "What operators call to onboard, and the audience of their ID tokens for it."
  value       = local.url["onboard"]
}

output "scheduler_audience" {
  description = "The audience of operators' ID tokens for the status and for submitting a slot again, which are called at tenants_url."
  value       = local.url["scheduler"]
}

output "operator" {
  description = "The account that operators act as."
  value       = local.account["operator"]
}

output "dead_letter_subscriptions" {
  description = "The subscriptions that hold what could not be delivered."
  value       = module.messaging.dead_letter_subscriptions
}

output "dashboard" {
  description = "The dashboard's full name."
  value       = module.monitoring.dashboard
}

output "alerts" {
  description = "The names of the alert policies."
  value       = module.monitoring.alerts
}

output "tables" {
  description = "The tables and views of the dataset tenants."
  value       = module.control_plane.tables
}
