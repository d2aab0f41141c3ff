variable "project_id" {
  description = "The project whose logs and metrics are looked at."
  type        = string
}

variable "emails" {
  description = "Who is told of an alert, by e-mail."
  type        = list(string)
}

variable "services" {
  description = "The names of the Cloud Run services."
  type        = list(string)
}

variable "job" {
  description = "The name of the Cloud Run job."
  type        = string
}

variable "dead_letter_subscriptions" {
  description = "The names of the subscriptions that hold what could not be delivered."
  type        = list(string)
}

variable "failed_run_ratio" {
  description = "The part of an hour's runs above which failures are told, from 0 to 1."
  type        = number
  default     = 0.2

  validation {
    condition     = var.failed_run_ratio > 0 && var.failed_run_ratio <= 1
    error_message = "failed_run_ratio is above 0 and at most 1."
  }
}

variable "failed_run_least" {
  description = "How many runs must have ended within the hour for their part to say anything."
  type        = number
  default     = 5
}

variable "tick_lag_seconds" {
  description = "How late a tick may come to a slot."
  type        = number
  default     = 180
}

variable "queue_age_seconds" {
  description = "How long a run may wait for its place."
  type        = number
  default     = 3600
}

variable "admission_errors" {
  description = "How many requests for runs may be answered 5xx within ten minutes before it is told."
  type        = number
  default     = 5
}

variable "labels" {
  description = "Labels of the alert policies."
  type        = map(string)
  default     = {}
}
