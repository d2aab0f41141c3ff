# One deployment of Headgate in one project, on what terraform/bootstrap has made there. An environment below
# environments/ calls this module with its values.
data "google_project" "headgate" {
  project_id = var.project_id
}

locals {
  labels = merge({ app = "headgate" }, var.labels)

  # The accounts, the key and the secret of the bootstrap, by their names.
  account = {
    for name in ["onboard", "trigger", "scheduler", "pipeline", "push", "clock", "operator", "apply"] :
    name => "headgate-${name}@${var.project_id}.iam.gserviceaccount.com"
  }
  kms_key     = "projects/${var.project_id}/locations/${var.region}/keyRings/headgate/cryptoKeys/api-keys"
  webhook_key = { secret = "headgate-webhook-key", version = tostring(var.webhook_key_version) }

  # A service's URL is known before the service is there: it is of name, project number and region. It is the audience
  # of every ID token for the service.
  url = {
    for name in ["onboard", "trigger", "scheduler"] :
    name => "https://headgate-${name}-${data.google_project.headgate.number}.${var.region}.run.app"
  }

  # What the pipeline takes as a root: a folder for each tenant, or marked as shared by all.
  root = "^(gs://[^/,* ]+/([^/,* ]+/)*\\{tenant_id\\}/|shared:gs://[^/,* ]+/)([^/,* ]+/)*$"

  container = "pipeline"
  # An empty list is no variable.
  list = {
    for name, items in {
      reserved = var.reserved_tenant_ids
      sources  = var.source_roots
      exports  = var.export_roots
      hosts    = var.notify_hosts
    } : name => length(items) > 0 ? join(",", items) : null
  }
  operators = join(",", concat([local.account["operator"]], var.operator_emails))
  writers   = join(",", [for name in ["onboard", "trigger", "scheduler", "pipeline"] : local.account[name]])
}

module "control_plane" {
  source = "./modules/control_plane"

  project_id          = var.project_id
  location            = var.bigquery_location
  tables_dir          = "${path.module}/../configs/tables/tenants"
  owners              = [local.account["apply"]]
  writers             = [local.account["onboard"], local.account["trigger"], local.account["scheduler"]]
  deletion_protection = var.deletion_protection
  labels              = local.labels
}

module "messaging" {
  source = "./modules/messaging"

  project_id     = var.project_id
  project_number = data.google_project.headgate.number
  region         = var.region
  push_email     = local.account["push"]
  labels         = local.labels

  topics = {
    run-requests = {
      publisher = "serviceAccount:${local.account["scheduler"]}"
      endpoint  = "${local.url["trigger"]}/internal/run-requests"
      audience  = local.url["trigger"]
    }
    run-events = {
      publisher = "serviceAccount:${local.account["pipeline"]}"
      endpoint  = "${local.url["scheduler"]}/internal/run-events"
      audience  = local.url["scheduler"]
    }
  }
}

module "schedules" {
  source = "./modules/schedules"

  project_id  = var.project_id
  region      = var.region
  base_url    = local.url["scheduler"]
  clock_email = local.account["clock"]
  paused      = var.schedules_paused

  calls = {
    tick = {
      path        = "/api/v1/scheduler/trigger"
      schedule    = "* * * * *"
      description = "Asks for the runs of every slot that is due."
    }
    queue = {
      path        = "/api/v1/scheduler/process-queue"
      schedule    = "* * * * *"
      description = "Starts queued runs wherever a place is free."
    }
    reaper = {
      path        = "/api/v1/scheduler/cleanup-orphaned-pipelines"
      schedule    = "*/5 * * * *"
      description = "Settles what dead processes left behind."
    }
  }

  depends_on = [module.scheduler]
}

module "edge" {
  source = "./modules/edge"

  project_id          = var.project_id
  region              = var.region
  domain              = var.domain
  requests_per_minute = var.requests_per_minute
  services            = { trigger = module.trigger.name, scheduler = module.scheduler.name }
  default_service     = "trigger"

  # The tick, the queue, the reaper and the pushes are not among them.
  paths = {
    trigger = [
      "/api/v1/pipelines/*",
      "/problems",
      "/problems/*",
    ]
    scheduler = [
      "/api/v1/scheduler/tenant/*",
      "/api/v1/scheduler/resubmit/*",
      "/api/v1/scheduler/status",
    ]
  }
}

module "monitoring" {
  source = "./modules/monitoring"

  project_id                = var.project_id
  emails                    = var.alert_emails
  services                  = [module.onboard.name, module.trigger.name, module.scheduler.name]
  job                       = module.pipeline.name
  dead_letter_subscriptions = module.messaging.dead_letter_subscriptions
  failed_run_ratio          = var.alert_thresholds.failed_run_ratio
  failed_run_least          = var.alert_thresholds.failed_run_least
  tick_lag_seconds          = var.alert_thresholds.tick_lag_seconds
  queue_age_seconds         = var.alert_thresholds.queue_age_seconds
  admission_errors          = var.alert_thresholds.admission_errors
  labels                    = local.labels
}
