variable "project_id" {
  description = "The project that holds the key."
  type        = string
}

variable "location" {
  description = "The key's location, such as europe-west1. It cannot be changed."
  type        = string
}

variable "ring" {
  description = "The key ring's name."
  type        = string
  default     = "headgate"
}

variable "name" {
  description = "The key's name."
  type        = string
  default     = "api-keys"
}

variable "rotation_period" {
  description = "After how many seconds a new version of the key is made, such as 7776000s for 90 days. Older versions still decrypt."
  type        = string
  default     = "7776000s"

  validation {
    condition     = can(regex("^[0-9]+s$", var.rotation_period)) && try(tonumber(trimsuffix(var.rotation_period, "s")) >= 86400, false)
    error_message = "rotation_period is in seconds, from 86400s on."
  }
}

variable "encrypters" {
  description = "Who encrypts under the key: IAM members by a name of their own."
  type        = map(string)
}

variable "labels" {
  description = "Labels of the key."
  type        = map(string)
  default     = {}
}
