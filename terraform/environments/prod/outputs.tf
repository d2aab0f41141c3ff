output "headgate" {
  description = "Addresses, URLs and names that operators need; terraform/outputs.tf says what each is."
  value       = module.headgate
}
