output "members" {
  description = "The accounts as IAM members: onboard, trigger, scheduler, pipeline, push, clock, operator, build, apply."
  value       = local.member
}

output "emails" {
  description = "The accounts' e-mail addresses, by the same names."
  value       = local.email
}
