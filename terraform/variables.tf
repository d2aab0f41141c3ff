variable "project_id" {
  description = "The project of the deployment; one project holds one deployment, as the dataset is always named tenants."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is a project's id: 6 to 30 small letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where the programs run: the region that the bootstrap was applied with."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region such as europe-west1."
  }
}

variable "bigquery_location" {
  description = "Where all datasets lie, such as EU or europe-west1. It cannot be changed."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+$", var.bigquery_location))
    error_message = "bigquery_location is a location of BigQuery: letters, digits and hyphens."
  }
}

variable "domain" {
  description = "The host name that tenants call. Its A record goes to the output `address`."
  type        = string
}

variable "images" {
  description = "The four images, by digest: REGION-docker.pkg.dev/PROJECT/headgate/NAME@sha256:…"
  type = object({
    onboard   = string
    trigger   = string
    scheduler = string
    pipeline  = string
  })

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("@sha256:[0-9a-f]{64}$", image))])
    error_message = "Each image is named by its digest and ends in @sha256: and 64 hexadecimal digits."
  }
}

variable "webhook_key_version" {
  description = "The number of the version of the secret headgate-webhook-key that programs read."
  type        = number
  default     = 1

  validation {
    condition     = var.webhook_key_version >= 1 && floor(var.webhook_key_version) == var.webhook_key_version
    error_message = "webhook_key_version is a whole number from 1 on."
  }
}

variable "operator_emails" {
  description = "Further accounts whose ID tokens onboard and scheduler take as an operator's, beside headgate-operator."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.operator_emails : can(regex("^[^@ ,]+@[^@ ,]+\\.[^@ ,]+$", email))])
    error_message = "operator_emails are e-mail addresses."
  }
}

variable "reserved_tenant_ids" {
  description = "Datasets of the project that are no tenant's, so that no tenant is named like one."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.reserved_tenant_ids : can(regex("^[A-Za-z0-9_]+$", name))])
    error_message = "reserved_tenant_ids are names of datasets: letters, digits and underscores."
  }
}

variable "source_roots" {
  description = "gs:// prefixes that `load` steps read below. Each ends in / and has {tenant_id} as a folder, or begins with shared:. The bootstrap's source_buckets grants the reading."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for root in var.source_roots : can(regex(local.root, root))])
    error_message = "A root is gs://bucket/…/ with the folder {tenant_id}, or shared:gs://bucket/…/; it ends in / and holds neither * nor a comma."
  }
}

variable "export_roots" {
  description = "gs:// prefixes that `export` steps write below. Each ends in / and has {tenant_id} as a folder, or begins with shared:. The bootstrap's export_buckets grants the writing."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for root in var.export_roots : can(regex(local.root, root))])
    error_message = "A root is gs://bucket/…/ with the folder {tenant_id}, or shared:gs://bucket/…/; it ends in / and holds neither * nor a comma."
  }
}

variable "notify_hosts" {
  description = "Hosts that `notify` steps send to, such as hooks.example.com."
  type        = list(string)
  default     = []
}

variable "log_filter" {
  description = "Which events the programs log, such as info,common=debug. Null is info; the alerts need info."
  type        = string
  default     = null
}

variable "alert_emails" {
  description = "Who is told of alerts, by e-mail. Without one, alerts only show in the console."
  type        = list(string)
  default     = []
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete services, the job and the tables of `tenants`."
  type        = bool
  default     = true
}

variable "schedules_paused" {
  description = "Whether Cloud Scheduler makes no call: no schedule fires, no queue moves by itself, nothing is reaped."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Labels of everything that takes labels, beside app=headgate."
  type        = map(string)
  default     = {}
}
