-- Records runs, each unless its time is over or its id has a row.
INSERT INTO {dataset}.x_meta_pipeline_runs
  (pipeline_logging_id, tenant_id, user_id, pipeline_id, provider, domain, pipeline_template, priority, queued, status, parameters,
   fingerprint, day, attempt, timeout_seconds, max_bytes, max_parallel, created_at, started_at, start_by, launch_refused, config_id,
   slot, slot_attempt)
SELECT r.run, @tenant, r.user, r.pipeline, r.provider, r.domain, r.template, r.priority, r.queued, r.status, PARSE_JSON(r.parameters),
  r.fingerprint, r.day, r.attempt, r.timeout, r.max_bytes, r.max_parallel, r.created_at, r.started_at, r.start_by, FALSE, r.config,
  r.slot, r.slot_attempt
FROM UNNEST(@rows) AS r
LEFT JOIN (
  SELECT k.pipeline_logging_id FROM {dataset}.x_meta_pipeline_runs AS k
  WHERE k.pipeline_logging_id IN (SELECT s.run FROM UNNEST(@rows) AS s)) AS known
  ON known.pipeline_logging_id = r.run
WHERE known.pipeline_logging_id IS NULL AND CURRENT_TIMESTAMP() < r.record_before
QUALIFY ROW_NUMBER() OVER (PARTITION BY r.run ORDER BY r.created_at) = 1
