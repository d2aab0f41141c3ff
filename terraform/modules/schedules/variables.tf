variable "project_id" {
  description = "The project of the jobs."
  type        = string
}

variable "region" {
  description = "The jobs' region."
  type        = string
}

variable "base_url" {
  description = "The URL of the scheduler, which is also the audience of the calls."
  type        = string
}

variable "clock_email" {
  description = "The account that calls carry an ID token of."
  type        = string
}

variable "calls" {
  description = "Each job by name: the route, and when it is called (cron, in UTC)."
  type        = map(object({ path = string, schedule = string, description = string }))
}

variable "attempt_deadline_seconds" {
  description = "How long Cloud Scheduler waits for an answer: longer than the program's own bound of 60 seconds."
  type        = number
  default     = 75

  validation {
    condition     = var.attempt_deadline_seconds > 60 && var.attempt_deadline_seconds <= 1800
    error_message = "attempt_deadline_seconds is from 61 to 1800."
  }
}

variable "paused" {
  description = "Whether no call is made, such as while the deployment is looked into."
  type        = bool
  default     = false
}
