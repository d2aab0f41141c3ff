variable "project_id" {
  description = "The project of the job."
  type        = string
}

variable "region" {
  description = "The job's region."
  type        = string
}

variable "name" {
  description = "The job's name."
  type        = string
}

variable "container" {
  description = "The name of the job's container, which launches name."
  type        = string
}

variable "image" {
  description = "The program's image, by digest."
  type        = string
}

variable "service_account" {
  description = "The e-mail address of the account that runs are done as."
  type        = string
}

variable "env" {
  description = "The program's variables; one that is null is not set. The run, its tenant and its attempt come with the launch."
  type        = map(string)
}

variable "secrets" {
  description = "The program's variables that come from Secret Manager: the secret's id and the number of its version."
  type        = map(object({ secret = string, version = string }))
  default     = {}

  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^[1-9][0-9]*$", secret.version))])
    error_message = "A secret's version is a number: `latest` would change running work without a deployment."
  }
}

variable "timeout_seconds" {
  description = "After this Cloud Run ends an execution: the longest that a run may take. A launch may say less."
  type        = number
}

variable "launchers" {
  description = "Who may start executions, read them and cancel them: IAM members by a name of their own."
  type        = map(string)
}

variable "launcher_role" {
  description = "The role that allows just that."
  type        = string
}

variable "cpu" {
  description = "CPUs of an execution. BigQuery does the work; the program waits for it."
  type        = string
  default     = "1"
}

variable "memory" {
  description = "Memory of an execution."
  type        = string
  default     = "512Mi"
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the job."
  type        = bool
}

variable "labels" {
  description = "Labels of the job."
  type        = map(string)
  default     = {}
}
