-- The ledger rows of @tenants, or of all that have an entry, each with its one subscription: an active one where there is one.
SELECT l.tenant_id, l.entries, l.days, s.subscription_id, s.plan_name, s.status, s.daily_limit, s.monthly_limit, s.concurrent_limit,
  s.max_queued, s.max_bytes, s.max_parallel, s.updated_at
FROM tenants.tenant_run_ledger AS l
LEFT JOIN (
  SELECT u.tenant_id, u.subscription_id, u.plan_name, u.status, u.daily_limit, u.monthly_limit, u.concurrent_limit, u.max_queued,
    u.max_bytes, u.max_parallel, u.updated_at
  FROM tenants.tenant_subscriptions AS u
  WHERE @all OR u.tenant_id IN UNNEST(@tenants)
  QUALIFY ROW_NUMBER() OVER (PARTITION BY u.tenant_id ORDER BY IF(u.status = 'ACTIVE', 0, 1), u.subscription_id) = 1
) AS s ON s.tenant_id = l.tenant_id
WHERE IF(@all, ARRAY_LENGTH(l.entries) > 0, l.tenant_id IN UNNEST(@tenants))
ORDER BY l.tenant_id
