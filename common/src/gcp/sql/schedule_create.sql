-- Makes a schedule unless its id has a row or its tenant has @most. It touches one more row of the tenant, so that two of these
-- for one tenant conflict.
MERGE tenants.tenant_pipeline_configs AS t
USING (
  SELECT @config AS config_id, TRUE AS is_new
  FROM (
    SELECT COUNTIF(c.tenant_id = @tenant) AS held, COUNTIF(c.config_id = @config) AS same
    FROM tenants.tenant_pipeline_configs AS c WHERE c.tenant_id = @tenant OR c.config_id = @config) AS now
  WHERE now.same = 0 AND now.held < @most
  UNION ALL
  SELECT c.config_id, FALSE FROM tenants.tenant_pipeline_configs AS c
  WHERE c.tenant_id = @tenant AND c.config_id != @config
  QUALIFY ROW_NUMBER() OVER (ORDER BY c.config_id) = 1
) AS s ON t.config_id = s.config_id
WHEN MATCHED AND NOT s.is_new THEN UPDATE SET updated_at = t.updated_at
WHEN NOT MATCHED AND s.is_new THEN
  INSERT (config_id, tenant_id, provider, domain, pipeline_template, schedule_cron, timezone, parameters, is_active, next_run_time,
    priority, catchup, max_catchup, retry_count, retry_backoff_seconds, retries, created_by, fingerprint, revision, created_at,
    updated_at)
  VALUES (@config, @tenant, @provider, @domain, @template, @cron, @zone, PARSE_JSON(@parameters), @active, @next, @priority,
    @catchup, @max_catchup, @retry_count, @retry_backoff, [], @created_by, @fingerprint, @revision, @created_at, @updated_at)
