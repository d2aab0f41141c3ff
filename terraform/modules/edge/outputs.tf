output "address" {
  description = "The IPv4 address that the domain's A record names."
  value       = google_compute_global_address.headgate.address
}
