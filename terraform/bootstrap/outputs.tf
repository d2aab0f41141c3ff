output "registry" {
  description = "What an image's name begins with."
  value       = module.registry.url
}

output "accounts" {
  description = "The service accounts' e-mail addresses."
  value       = module.accounts.emails
}

output "kms_key" {
  description = "The key that API keys are encrypted under."
  value       = module.keys.key
}

output "source_bucket" {
  description = "Where `gcloud builds submit` uploads to."
  value       = google_storage_bucket.source.name
}

output "add_webhook_key" {
  description = "The command that gives the secret its value. Run it once; again only to change what all webhooks are signed with."
  value       = "head -c 32 /dev/urandom | base64 | tr -d '\\n' | gcloud secrets versions add ${google_secret_manager_secret.webhook_key.secret_id} --project=${var.project_id} --data-file=-"
}
