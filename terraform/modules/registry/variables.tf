variable "project_id" {
  description = "The project that holds the repository."
  type        = string
}

variable "region" {
  description = "Where the images are kept: the region that Cloud Run runs in."
  type        = string
}

variable "name" {
  description = "The repository's name."
  type        = string
  default     = "headgate"
}

variable "writers" {
  description = "IAM members that push images."
  type        = list(string)
  default     = []
}

variable "readers" {
  description = "IAM members that deploy images: Cloud Run asks that whoever names an image may read it."
  type        = list(string)
  default     = []
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
  default     = {}
}
