variable "max_instances" {
  description = "The most instances of each program that writes to `tenants`. BigQuery runs 2 changes of one table at once and lets 20 wait, so all of them together stay at 10 or below."
  type        = object({ onboard = number, trigger = number, scheduler = number })
  default     = { onboard = 1, trigger = 6, scheduler = 3 }

  validation {
    condition     = sum(values(var.max_instances)) <= 10
    error_message = "onboard, trigger and scheduler together may have at most 10 instances."
  }

  validation {
    condition     = alltrue([for count in values(var.max_instances) : count >= 1 && floor(count) == count])
    error_message = "Each program has at least one instance, in whole numbers."
  }
}

variable "min_instances" {
  description = "Instances of each HTTP program that are always there; 0 lets a program start with a request."
  type        = object({ onboard = number, trigger = number, scheduler = number })
  default     = { onboard = 0, trigger = 0, scheduler = 0 }

  validation {
    condition = alltrue([
      for name in ["onboard", "trigger", "scheduler"] : var.min_instances[name] >= 0 && var.min_instances[name] <= var.max_instances[name]
    ])
    error_message = "min_instances is from 0 to the program's max_instances."
  }
}

variable "max_running" {
  description = "Runs at once over all tenants. Null is no bound; 0 starts none and lets what is let in wait."
  type        = number
  default     = null

  validation {
    condition     = var.max_running == null ? true : var.max_running >= 0 && floor(var.max_running) == var.max_running
    error_message = "max_running is a whole number from 0 on, or null."
  }
}

variable "run_timeout_seconds" {
  description = "The longest that a run may take. It is the job's task timeout too, so that every execution ends."
  type        = number
  default     = 3600

  validation {
    condition     = var.run_timeout_seconds >= 60 && var.run_timeout_seconds <= 86400
    error_message = "run_timeout_seconds is from 60 to 86400."
  }
}

variable "queued_for_seconds" {
  description = "A run that has waited so long expires. Null is a day."
  type        = number
  default     = null

  validation {
    condition     = var.queued_for_seconds == null ? true : var.queued_for_seconds >= 60 && var.queued_for_seconds <= 86400
    error_message = "queued_for_seconds is from 60 to 86400, or null."
  }
}

variable "start_within_seconds" {
  description = "An execution that has not begun by then is started again. Null is 300."
  type        = number
  default     = null

  validation {
    condition     = var.start_within_seconds == null ? true : var.start_within_seconds >= 10 && var.start_within_seconds <= 3600
    error_message = "start_within_seconds is from 10 to 3600, or null."
  }
}

variable "requests_per_minute" {
  description = "How many requests one address may send through the load balancer in a minute, to trigger and to scheduler each."
  type        = number
  default     = 300
}

variable "alert_thresholds" {
  description = "From where on alerts are told; what is left out has the default of modules/monitoring."
  type = object({
    failed_run_ratio  = optional(number, 0.2)
    failed_run_least  = optional(number, 5)
    tick_lag_seconds  = optional(number, 180)
    queue_age_seconds = optional(number, 3600)
    admission_errors  = optional(number, 5)
  })
  default = {}
}
