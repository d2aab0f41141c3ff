-- Adds the results of a run's checks, each unless it is there.
INSERT INTO {dataset}.x_meta_dq_results
  (pipeline_logging_id, tenant_id, user_id, step_id, check_id, check_type, table_name, severity, blocking, passed, observed,
   threshold, failing_keys, checked_at)
SELECT @run, @tenant, r.user, r.step, r.check_id, r.type, r.table_name, r.severity, r.blocking, r.passed, r.observed, r.threshold,
  r.failing_keys, r.checked_at
FROM UNNEST(@rows) AS r
LEFT JOIN (
  SELECT k.step_id, k.check_id, k.checked_at FROM {dataset}.x_meta_dq_results AS k WHERE k.pipeline_logging_id = @run) AS known
  ON known.step_id = r.step AND known.check_id = r.check_id AND known.checked_at = r.checked_at
WHERE known.check_id IS NULL
