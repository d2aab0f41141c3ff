locals {
  # A path of the URL map that ends in /* covers all below; any other is exactly that path.
  tests = [
    for path in sort(flatten(values(var.paths))) :
    endswith(path, "/*")
    ? "request.path.startsWith('${trimsuffix(path, "*")}')"
    : "request.path == '${path}'"
  ]
  # Cloud Armor takes at most five tests in one expression, so the paths are shared out over rules.
  rules = chunklist(local.tests, 5)
}

# What the load balancer lets through: the paths of tenants and operators, so many requests a minute from one
# address. All else is a path that is called from within the project, or none.
resource "google_compute_security_policy" "tenants" {
  project     = var.project_id
  name        = "headgate-tenants"
  description = "Tenants' and operators' paths, counted by address; the rest is not there."

  # Bodies that name a lookup over Java's naming services have no place in any request.
  rule {
    priority    = 100
    action      = "deny(403)"
    description = "Log4j and the like"
    match {
      expr {
        expression = "evaluatePreconfiguredWaf('cve-canary')"
      }
    }
  }

  dynamic "rule" {
    for_each = { for number, tests in local.rules : number => join(" || ", tests) }
    content {
      priority    = 1000 + tonumber(rule.key)
      action      = "throttle"
      description = "Paths ${rule.key + 1}: ${var.requests_per_minute} requests a minute from one address"

      match {
        expr {
          expression = rule.value
        }
      }

      rate_limit_options {
        conform_action = "allow"
        exceed_action  = "deny(429)"
        enforce_on_key = "IP"
        rate_limit_threshold {
          count        = var.requests_per_minute
          interval_sec = 60
        }
      }
    }
  }

  rule {
    priority    = 2147483647
    action      = "deny(404)"
    description = "Everything else"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
