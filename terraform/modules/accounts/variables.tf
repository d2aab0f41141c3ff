variable "project_id" {
  description = "The project of the accounts."
  type        = string
}

variable "project_number" {
  description = "The project's number, by which Google names its service agents."
  type        = string
}

variable "operators" {
  description = "Who may act as the operators' account: IAM members such as user:ops@example.com or group:ops@example.com."
  type        = list(string)
}

variable "approvers" {
  description = "Who may approve a build that applies: IAM members."
  type        = list(string)
}

variable "source_datasets" {
  description = "Datasets that templates name under `sources`. The pipeline reads them."
  type        = list(object({ project_id = string, dataset_id = string }))
}

variable "source_buckets" {
  description = "Buckets of SOURCE_ROOTS, without gs://. The pipeline reads them."
  type        = list(string)
}

variable "export_buckets" {
  description = "Buckets of EXPORT_ROOTS, without gs://. The pipeline writes to them."
  type        = list(string)
}
