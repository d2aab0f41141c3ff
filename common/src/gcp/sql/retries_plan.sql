-- Lets retries wait, each unless one of its slot and attempt does already.
UPDATE tenants.tenant_pipeline_configs AS t
SET retries = n.retries
FROM (
  SELECT c.config_id, ARRAY_CONCAT(c.retries, a.added) AS retries
  FROM tenants.tenant_pipeline_configs AS c
  JOIN (
    SELECT r.config AS config_id,
      ARRAY_AGG(STRUCT(r.slot AS slot, r.day AS date, r.attempt AS attempt, r.due_at AS due_at) ORDER BY r.due_at, r.slot) AS added
    FROM UNNEST(@retries) AS r
    LEFT JOIN (
      SELECT w.config_id, x.slot, x.attempt FROM tenants.tenant_pipeline_configs AS w CROSS JOIN UNNEST(w.retries) AS x) AS known
      ON known.config_id = r.config AND known.slot = r.slot AND known.attempt = r.attempt
    WHERE known.config_id IS NULL
    GROUP BY r.config) AS a ON a.config_id = c.config_id
) AS n
WHERE t.config_id = n.config_id
