-- Advances schedules, each where its row has still the revision and the next slot that were read. Retries that were published wait
-- no longer; those that were planned meanwhile stay.
UPDATE tenants.tenant_pipeline_configs AS t
SET next_run_time = n.next, retries = n.retries
FROM (
  SELECT a.config AS config_id, a.next AS next, IFNULL(k.retries, []) AS retries
  FROM UNNEST(@advances) AS a
  JOIN tenants.tenant_pipeline_configs AS c ON c.config_id = a.config
  LEFT JOIN (
    SELECT w.config_id, ARRAY_AGG(STRUCT(r.slot AS slot, r.date AS date, r.attempt AS attempt, r.due_at AS due_at) ORDER BY r.due_at, r.slot) AS retries
    FROM tenants.tenant_pipeline_configs AS w
    CROSS JOIN UNNEST(w.retries) AS r
    LEFT JOIN UNNEST(@published) AS p ON p.config = w.config_id AND p.slot = r.slot AND p.attempt = r.attempt
    WHERE p.config IS NULL
    GROUP BY w.config_id) AS k ON k.config_id = a.config
  WHERE c.revision = a.revision AND (c.next_run_time = a.read_next OR (c.next_run_time IS NULL AND a.read_next IS NULL))
) AS n
WHERE t.config_id = n.config_id
