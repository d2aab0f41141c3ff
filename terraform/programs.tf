# The four programs. Each one's variables stand here in one map, by the names that docs/google-cloud.md lists; null is
# not set. Cloud Run itself sets PORT and CLOUD_RUN_EXECUTION, a launch sets RUN_ID, TENANT_ID and ATTEMPT.

# Operators alone call onboard. Cloud Run checks their token and the program checks it again; for Cloud Run takes the
# signature off the token that it has checked, a caller sends the same one in both X-Serverless-Authorization, which
# Cloud Run then checks, and Authorization, which it leaves alone.
module "onboard" {
  source = "./modules/service"

  project_id          = var.project_id
  region              = var.region
  name                = "headgate-onboard"
  description         = "Onboards tenants; operators call it."
  image               = var.images.onboard
  service_account     = local.account["onboard"]
  ingress             = "INGRESS_TRAFFIC_ALL"
  invokers            = { operator = "serviceAccount:${local.account["operator"]}" }
  audiences           = [local.url["onboard"]]
  min_instances       = var.min_instances.onboard
  max_instances       = var.max_instances.onboard
  deletion_protection = var.deletion_protection
  labels              = local.labels

  env = {
    GOOGLE_CLOUD_PROJECT = var.project_id
    BIGQUERY_LOCATION    = var.bigquery_location
    CONFIGS_DIR          = null
    LOG_FILTER           = var.log_filter
    HOST                 = null
    OIDC_AUDIENCE        = local.url["onboard"]
    OPERATOR_EMAILS      = local.operators
    KMS_KEY              = local.kms_key
    RESERVED_TENANT_IDS  = local.list["reserved"]
    DATASET_WRITERS      = local.writers
  }

  secrets = { WEBHOOK_KEY = local.webhook_key }
}

# Tenants call trigger and scheduler with a key of Headgate's, which Cloud Run knows nothing of: so its check of
# callers is off, and what is open is decided by the load balancer, the key and, on the routes of the deployment
# itself, the ID token, which then arrives whole.
module "trigger" {
  source = "./modules/service"

  project_id           = var.project_id
  region               = var.region
  name                 = "headgate-trigger"
  description          = "Starts runs and answers what became of them; tenants call it."
  image                = var.images.trigger
  service_account      = local.account["trigger"]
  ingress              = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  invoker_iam_disabled = true
  min_instances        = var.min_instances.trigger
  max_instances        = var.max_instances.trigger
  deletion_protection  = var.deletion_protection
  labels               = local.labels

  env = {
    GOOGLE_CLOUD_PROJECT = var.project_id
    BIGQUERY_LOCATION    = var.bigquery_location
    CONFIGS_DIR          = null
    LOG_FILTER           = var.log_filter
    HOST                 = null
    OIDC_AUDIENCE        = local.url["trigger"]
    PUSH_EMAIL           = local.account["push"]
    PIPELINE_JOB         = module.pipeline.id
    PIPELINE_CONTAINER   = local.container
    MAX_RUNNING          = var.max_running
    RUN_TIMEOUT_SECONDS  = var.run_timeout_seconds
    QUEUED_FOR_SECONDS   = var.queued_for_seconds
    START_WITHIN_SECONDS = var.start_within_seconds
  }
}

module "scheduler" {
  source = "./modules/service"

  project_id           = var.project_id
  region               = var.region
  name                 = "headgate-scheduler"
  description          = "Schedules, queue and reaper; tenants, operators and Cloud Scheduler call it."
  image                = var.images.scheduler
  service_account      = local.account["scheduler"]
  ingress              = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  invoker_iam_disabled = true
  min_instances        = var.min_instances.scheduler
  max_instances        = var.max_instances.scheduler
  deletion_protection  = var.deletion_protection
  labels               = local.labels

  env = {
    GOOGLE_CLOUD_PROJECT = var.project_id
    BIGQUERY_LOCATION    = var.bigquery_location
    CONFIGS_DIR          = null
    LOG_FILTER           = var.log_filter
    HOST                 = null
    OIDC_AUDIENCE        = local.url["scheduler"]
    OPERATOR_EMAILS      = local.operators
    SCHEDULER_EMAIL      = local.account["clock"]
    PUSH_EMAIL           = local.account["push"]
    PIPELINE_JOB         = module.pipeline.id
    PIPELINE_CONTAINER   = local.container
    MAX_RUNNING          = var.max_running
    RUN_TIMEOUT_SECONDS  = var.run_timeout_seconds
    QUEUED_FOR_SECONDS   = var.queued_for_seconds
    START_WITHIN_SECONDS = var.start_within_seconds
    RUN_REQUESTS_TOPIC   = module.messaging.topics["run-requests"]
    RUN_EVENTS_TOPIC     = module.messaging.topics["run-events"]
  }
}

module "pipeline" {
  source = "./modules/job"

  project_id          = var.project_id
  region              = var.region
  name                = "headgate-pipeline"
  container           = local.container
  image               = var.images.pipeline
  service_account     = local.account["pipeline"]
  timeout_seconds     = var.run_timeout_seconds
  launcher_role       = "projects/${var.project_id}/roles/headgateLauncher"
  deletion_protection = var.deletion_protection
  labels              = local.labels

  launchers = {
    trigger   = "serviceAccount:${local.account["trigger"]}"
    scheduler = "serviceAccount:${local.account["scheduler"]}"
  }

  env = {
    GOOGLE_CLOUD_PROJECT = var.project_id
    BIGQUERY_LOCATION    = var.bigquery_location
    CONFIGS_DIR          = null
    LOG_FILTER           = var.log_filter
    RUN_REQUESTS_TOPIC   = module.messaging.topics["run-requests"]
    RUN_EVENTS_TOPIC     = module.messaging.topics["run-events"]
    SOURCE_ROOTS         = local.list["sources"]
    EXPORT_ROOTS         = local.list["exports"]
    NOTIFY_HOSTS         = local.list["hosts"]
  }

  secrets = { WEBHOOK_KEY = local.webhook_key }
}
