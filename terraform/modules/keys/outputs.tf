output "key" {
  description = "The key's full name, as KMS_KEY takes it."
  value       = google_kms_crypto_key.api_keys.id
}
