locals {
  # Each widget is a title and its queries.
  charts = [
    {
      title = "Runs ended in an hour, by how"
      queries = [
        "sum by (status) (increase(${local.metric}_runs_ended{${local.job}}[1h]))",
        "sum by (status) (increase(${local.metric}_runs_ended{${local.service}}[1h]))",
      ]
    },
    {
      title   = "Part of runs that failed"
      queries = ["${local.ended.failed} / clamp_min(${local.ended.all}, 1)"]
    },
    {
      title   = "Tick lag, seconds"
      queries = [local.lag]
    },
    {
      title   = "Age of the queue, seconds"
      queries = [local.age]
    },
    {
      title   = "Requests for runs in a minute, by status"
      queries = ["sum by (status) (increase(${local.metric}_admissions{${local.service}}[1m]))"]
    },
    {
      title   = "Calls of the scheduler in ten minutes, by route and status"
      queries = ["sum by (path, status) (increase(${local.metric}_calls{${local.service}}[10m]))"]
    },
    {
      title   = "Messages that could not be delivered"
      queries = ["sum by (subscription_id) (pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=~\"${join("|", var.dead_letter_subscriptions)}\"})"]
    },
    {
      title   = "Instances of the services"
      queries = ["sum by (service_name) (run_googleapis_com:container_instance_count{monitored_resource=\"cloud_run_revision\",service_name=~\"${join("|", var.services)}\"})"]
    },
    {
      title   = "Executions that run"
      queries = ["sum (run_googleapis_com:job_running_executions{monitored_resource=\"cloud_run_job\",job_name=\"${var.job}\"})"]
    },
    {
      title   = "Lines with severity ERROR in a minute, by service"
      queries = ["sum by (service_name) (increase(logging_googleapis_com:log_entry_count{monitored_resource=\"cloud_run_revision\",severity=\"ERROR\",service_name=~\"${join("|", var.services)}\"}[1m]))"]
    },
  ]
}

resource "google_monitoring_dashboard" "headgate" {
  project = var.project_id

  dashboard_json = jsonencode({
    displayName = "Headgate"
    mosaicLayout = {
      columns = 12
      tiles = [
        for number, chart in local.charts : {
          xPos   = number % 2 * 6
          yPos   = floor(number / 2) * 4
          width  = 6
          height = 4
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [
                for query in chart.queries : {
                  plotType        = "LINE"
                  targetAxis      = "Y1"
                  timeSeriesQuery = { prometheusQuery = query }
                }
              ]
            }
          }
        }
      ]
    }
  })
}
