variable "project_id" {
  description = "The project, which is there and has a billing account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is a project's id: 6 to 30 small letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where programs run and images, keys and secrets are kept. The key stays there for good."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region such as europe-west1."
  }
}

variable "state_bucket" {
  description = "The bucket of Terraform's state, which is made before: the one given to terraform init."
  type        = string
}

variable "operators" {
  description = "Who onboards tenants and looks after them: IAM members such as user:ops@example.com or group:ops@example.com."
  type        = list(string)

  validation {
    condition     = length(var.operators) > 0 && alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", member))])
    error_message = "operators names at least one member of the form user:, group: or serviceAccount: with an e-mail address."
  }
}

variable "approvers" {
  description = "Who approves builds that apply, and reads the plans: IAM members."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.approvers : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", member))])
    error_message = "approvers are of the form user:, group: or serviceAccount: with an e-mail address."
  }
}

variable "source_datasets" {
  description = "Datasets that templates name under `sources`; the pipeline gets to read them. Name them in the environment's reserved_tenant_ids too where they are in this project."
  type        = list(object({ project_id = string, dataset_id = string }))
  default     = []
}

variable "source_buckets" {
  description = "Buckets of the environment's source_roots, without gs://; the pipeline gets to read them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for bucket in var.source_buckets : can(regex("^[a-z0-9][a-z0-9._-]+$", bucket))])
    error_message = "source_buckets are names of buckets, without gs:// and without a folder."
  }
}

variable "export_buckets" {
  description = "Buckets of the environment's export_roots, without gs://; the pipeline gets to write them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for bucket in var.export_buckets : can(regex("^[a-z0-9][a-z0-9._-]+$", bucket))])
    error_message = "export_buckets are names of buckets, without gs:// and without a folder."
  }
}
