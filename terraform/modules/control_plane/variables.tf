variable "project_id" {
  description = "The project of the dataset."
  type        = string
}

variable "location" {
  description = "Where the data lies: a region or a multi-region of BigQuery. It cannot be changed."
  type        = string
}

variable "tables_dir" {
  description = "The folder of the tables' definitions, one JSON file a table."
  type        = string
}

variable "owners" {
  description = "E-mail addresses of accounts that may change the dataset, beside the project's owners."
  type        = list(string)
}

variable "writers" {
  description = "E-mail addresses of accounts that read and change rows."
  type        = list(string)
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete a table."
  type        = bool
}

variable "labels" {
  description = "Labels of the dataset and its tables."
  type        = map(string)
  default     = {}
}
