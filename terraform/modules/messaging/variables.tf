variable "project_id" {
  description = "The project of the topics."
  type        = string
}

variable "project_number" {
  description = "The project's number, by which Pub/Sub's own account is named."
  type        = string
}

variable "region" {
  description = "The region that messages are kept in."
  type        = string
}

variable "topics" {
  description = "Each topic by name: who publishes to it (an IAM member), where it is pushed to, and for which audience."
  type = map(object({
    publisher = string
    endpoint  = string
    audience  = string
  }))

  validation {
    condition     = alltrue([for topic in values(var.topics) : startswith(topic.endpoint, "https://")])
    error_message = "A topic is pushed to an https URL."
  }
}

variable "push_email" {
  description = "The account that pushes carry an ID token of."
  type        = string
}

variable "ack_deadline_seconds" {
  description = "How long Pub/Sub waits for a push's answer: longer than the receiver's own bound of 60 seconds."
  type        = number
  default     = 70

  validation {
    condition     = var.ack_deadline_seconds > 60 && var.ack_deadline_seconds <= 600
    error_message = "ack_deadline_seconds is from 61 to 600."
  }
}

variable "labels" {
  description = "Labels of topics and subscriptions."
  type        = map(string)
  default     = {}
}
