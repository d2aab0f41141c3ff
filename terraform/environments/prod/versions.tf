terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # The bucket is the bootstrap's, made by two commands of terraform/README.md, and named at init:
  #   terraform init -backend-config="bucket=$PROJECT-headgate-state"
  backend "gcs" {
    prefix = "environment"
  }
}

provider "google" {
  project = local.project_id
  region  = local.region
}
