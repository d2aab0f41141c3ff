# One external load balancer for the routes that tenants call with their key. It ends TLS, counts requests by address
# and refuses, before any program sees it, each path that is not for tenants or operators.
resource "google_compute_region_network_endpoint_group" "service" {
  for_each = var.services

  project               = var.project_id
  region                = var.region
  name                  = "headgate-${each.key}"
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value
  }
}

resource "google_compute_backend_service" "service" {
  for_each = var.services

  project               = var.project_id
  name                  = "headgate-${each.key}"
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy       = google_compute_security_policy.tenants.id

  backend {
    group = google_compute_region_network_endpoint_group.service[each.key].id
  }

  log_config {
    enable      = true
    sample_rate = var.log_sample_rate
  }
}

resource "google_compute_url_map" "headgate" {
  project         = var.project_id
  name            = "headgate"
  default_service = google_compute_backend_service.service[var.default_service].id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "headgate"
  }

  path_matcher {
    name            = "headgate"
    default_service = google_compute_backend_service.service[var.default_service].id

    dynamic "path_rule" {
      for_each = var.paths
      content {
        paths   = path_rule.value
        service = google_compute_backend_service.service[path_rule.key].id
      }
    }
  }
}

resource "google_compute_managed_ssl_certificate" "headgate" {
  project = var.project_id
  name    = "headgate-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  # A certificate cannot be changed: the new one is there before the proxy lets go of the old one.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "modern" {
  project         = var.project_id
  name            = "headgate"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "headgate" {
  project          = var.project_id
  name             = "headgate"
  url_map          = google_compute_url_map.headgate.id
  ssl_certificates = [google_compute_managed_ssl_certificate.headgate.id]
  ssl_policy       = google_compute_ssl_policy.modern.id
}

resource "google_compute_global_address" "headgate" {
  project = var.project_id
  name    = "headgate"
}

# Port 443 alone. Nothing answers at port 80, so that no key is ever sent in plain text and then redirected.
resource "google_compute_global_forwarding_rule" "https" {
  project               = var.project_id
  name                  = "headgate-https"
  target                = google_compute_target_https_proxy.headgate.id
  ip_address            = google_compute_global_address.headgate.id
  port_range            = "443"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}
