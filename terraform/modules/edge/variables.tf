variable "project_id" {
  description = "The project of the load balancer."
  type        = string
}

variable "region" {
  description = "The region of the services behind it."
  type        = string
}

variable "domain" {
  description = "The host name that tenants call. Its A record is made by hand, to the address that is an output."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain is a host name such as api.example.com, without a scheme or a path."
  }
}

variable "services" {
  description = "The names of the Cloud Run services behind it, each by a name of its own."
  type        = map(string)
}

variable "paths" {
  description = "The paths of each service that are open to tenants and operators, as a URL map says them."
  type        = map(list(string))

  validation {
    condition     = alltrue([for path in flatten(values(var.paths)) : can(regex("^/[a-z0-9/_-]+(/\\*)?$", path))])
    error_message = "A path is plain, or ends in /*."
  }
}

variable "default_service" {
  description = "The service that stands for every other path, all of which are refused before it."
  type        = string
}

variable "requests_per_minute" {
  description = "How many requests one address may send in a minute; more are answered 429."
  type        = number

  validation {
    condition     = var.requests_per_minute >= 1 && var.requests_per_minute <= 10000
    error_message = "requests_per_minute is from 1 to 10000."
  }
}

variable "log_sample_rate" {
  description = "The part of requests that the load balancer logs, from 0 to 1."
  type        = number
  default     = 1
}
