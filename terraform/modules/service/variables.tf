variable "project_id" {
  description = "The project of the service."
  type        = string
}

variable "region" {
  description = "The service's region."
  type        = string
}

variable "name" {
  description = "The service's name, of which its URL is made."
  type        = string
}

variable "description" {
  description = "What the service does."
  type        = string
}

variable "image" {
  description = "The program's image, by digest."
  type        = string
}

variable "service_account" {
  description = "The e-mail address of the account that the program runs as."
  type        = string
}

variable "env" {
  description = "The program's variables; one that is null is not set."
  type        = map(string)
}

variable "secrets" {
  description = "The program's variables that come from Secret Manager: the secret's id and the number of its version."
  type        = map(object({ secret = string, version = string }))
  default     = {}

  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^[1-9][0-9]*$", secret.version))])
    error_message = "A secret's version is a number: `latest` would change a running service without a deployment."
  }
}

variable "ingress" {
  description = "Which traffic reaches the service at all."
  type        = string

  validation {
    condition = contains(
      ["INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"],
      var.ingress
    )
    error_message = "ingress is one of Cloud Run's INGRESS_TRAFFIC_ values."
  }
}

variable "invoker_iam_disabled" {
  description = "Whether Cloud Run leaves the check of callers to the program. Only for a service that the internet does not reach directly."
  type        = bool
  default     = false

  validation {
    condition     = !var.invoker_iam_disabled || var.ingress != "INGRESS_TRAFFIC_ALL"
    error_message = "A service without the invoker check must not take traffic from everywhere."
  }
}

variable "invokers" {
  description = "Who may call the service where the invoker check is on: IAM members by a name of their own."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for member in values(var.invokers) : !startswith(member, "all")])
    error_message = "No service may be called by allUsers or allAuthenticatedUsers."
  }
}

variable "audiences" {
  description = "Audiences that the invoker check takes beside the URL that Cloud Run itself knows."
  type        = list(string)
  default     = []
}

variable "min_instances" {
  description = "Instances that are always there."
  type        = number
  default     = 0
}

variable "max_instances" {
  description = "The most instances at once."
  type        = number
}

variable "concurrency" {
  description = "Requests at once to one instance."
  type        = number
  default     = 80
}

variable "timeout_seconds" {
  description = "After this Cloud Run ends a request. The program itself answers 504 after 60 seconds."
  type        = number
  default     = 70
}

variable "cpu" {
  description = "CPUs of an instance."
  type        = string
  default     = "1"
}

variable "memory" {
  description = "Memory of an instance."
  type        = string
  default     = "512Mi"
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the service."
  type        = bool
}

variable "labels" {
  description = "Labels of the service."
  type        = map(string)
  default     = {}
}
