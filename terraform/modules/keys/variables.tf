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

variable "rotation_days" {
  description = "After how many days a new version of the key is made. Older versions still decrypt."
  type        = number
  default     = 90

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 365
    error_message = "rotation_days is from 1 to 365."
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
