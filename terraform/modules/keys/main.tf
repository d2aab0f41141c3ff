# The key that API keys are encrypted under. Cloud KMS never deletes a key ring or a key, only versions of a key; what
# was encrypted under a version that is gone cannot be read again. So Terraform refuses any plan that would remove it.
resource "google_kms_key_ring" "headgate" {
  project  = var.project_id
  location = var.location
  name     = var.ring

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key" "api_keys" {
  key_ring                   = google_kms_key_ring.headgate.id
  name                       = var.name
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = var.rotation_period
  destroy_scheduled_duration = "2592000s"
  labels                     = var.labels

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = "SOFTWARE"
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Encrypting alone: no program of the deployment ever needs a key back.
resource "google_kms_crypto_key_iam_member" "encrypter" {
  for_each = var.encrypters

  crypto_key_id = google_kms_crypto_key.api_keys.id
  role          = "roles/cloudkms.cryptoKeyEncrypter"
  member        = each.value
}
