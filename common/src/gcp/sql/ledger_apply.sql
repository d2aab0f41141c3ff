-- Decides a batch of changes of tenants' ledger rows: what frees, then what starts, then what arrives. It computes what
-- `common::quota::decide` computes; the SET only assigns, and each tenant's row is met once.
--
-- @items: the changes in their order `n`. No two that free name one run's attempt, a tenant has one start at most, and all
-- that arrive count for @day. A batch with an item of a tenant that has no row takes no effect.
-- @max_running: slots of the whole deployment, NULL for no bound. An entry that changes is marked with what changed it, and
-- with @statement.
--
-- All that is known lies in one relation, whose rows are a ledger row (`part` is tenant), an entry, a day's count, a plan or an
-- item; each step adds columns to it by windows. So no step is computed twice, as a WITH that is named twice would be.
UPDATE tenants.tenant_run_ledger AS t
SET entries = n.entries, days = n.days, updated_at = @now
FROM (
  WITH
    -- What was closed longer ago than the ledger remembers is not there any more.
    known AS (
      SELECT 'tenant' AS part, l.tenant_id, CAST(NULL AS INT64) AS n, CAST(NULL AS INT64) AS batch, CAST(NULL AS STRING) AS kind,
        CAST(NULL AS STRING) AS run_id, CAST(NULL AS INT64) AS attempt, CAST(NULL AS STRING) AS from_state,
        CAST(NULL AS INT64) AS priority, CAST(NULL AS STRING) AS token, CAST(NULL AS TIMESTAMP) AS deadline,
        CAST(NULL AS INT64) AS up_to, CAST(NULL AS DATE) AS day, CAST(NULL AS INT64) AS runs, CAST(NULL AS INT64) AS seq,
        CAST(NULL AS STRING) AS was, CAST(NULL AS TIMESTAMP) AS closed_at, CAST(NULL AS INT64) AS turn,
        CAST(NULL AS STRING) AS statement, CAST(NULL AS INT64) AS daily_limit, CAST(NULL AS INT64) AS monthly_limit,
        CAST(NULL AS INT64) AS concurrent_limit, CAST(NULL AS INT64) AS max_queued
      FROM tenants.tenant_run_ledger AS l
      WHERE l.tenant_id IN (SELECT i.tenant_id FROM UNNEST(@items) AS i)
      UNION ALL
      SELECT 'entry', l.tenant_id, NULL, NULL, NULL, e.run_id, e.attempt, NULL, e.priority, e.token, e.deadline, NULL, e.day, NULL,
        e.seq, e.state, e.closed_at, e.turn, e.statement, NULL, NULL, NULL, NULL
      FROM tenants.tenant_run_ledger AS l CROSS JOIN UNNEST(l.entries) AS e
      WHERE (@max_running IS NOT NULL OR l.tenant_id IN (SELECT i.tenant_id FROM UNNEST(@items) AS i))
        AND (e.closed_at IS NULL OR e.closed_at > TIMESTAMP_SUB(@now, INTERVAL 48 HOUR))
      UNION ALL
      SELECT 'day', l.tenant_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, d.day, d.runs,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      FROM tenants.tenant_run_ledger AS l CROSS JOIN UNNEST(l.days) AS d
      WHERE l.tenant_id IN (SELECT i.tenant_id FROM UNNEST(@items) AS i) AND d.day >= DATE_SUB(DATE(@now), INTERVAL 400 DAY)
      UNION ALL
      SELECT 'plan', s.tenant_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, s.daily_limit, s.monthly_limit, s.concurrent_limit, s.max_queued
      FROM (
        SELECT u.tenant_id, u.daily_limit, u.monthly_limit, u.concurrent_limit, u.max_queued
        FROM tenants.tenant_subscriptions AS u
        WHERE u.status = 'ACTIVE' AND u.tenant_id IN (SELECT i.tenant_id FROM UNNEST(@items) AS i)
        QUALIFY ROW_NUMBER() OVER (PARTITION BY u.tenant_id ORDER BY u.subscription_id) = 1) AS s
      UNION ALL
      SELECT 'item', i.tenant_id, i.n, i.batch, i.kind, i.run_id, i.attempt, i.from_state, i.priority, i.token, i.deadline,
        i.up_to, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      FROM UNNEST(@items) AS i),

    -- Batches that name a tenant without a row are left out.
    placed AS (
      SELECT k.*, COUNTIF(k.part = 'tenant') OVER (PARTITION BY k.tenant_id) > 0 AS has_row FROM known AS k),
    judged AS (
      SELECT p.*, p.part = 'item' AND COUNTIF(p.part = 'item' AND NOT p.has_row) OVER (PARTITION BY p.batch) > 0 AS void
      FROM placed AS p),

    -- What each row is decided by: its tenant's plan and start, and for an entry what frees it.
    asked AS (
      SELECT j.part, j.tenant_id, j.n, j.kind, j.run_id, j.attempt, j.priority, j.token, j.deadline, j.day, j.runs, j.seq, j.was,
        j.closed_at, j.turn, j.statement,
        COUNTIF(j.part = 'item') OVER (PARTITION BY j.tenant_id) > 0 AS touched,
        MAX(j.daily_limit) OVER (PARTITION BY j.tenant_id) AS daily_limit,
        MAX(j.monthly_limit) OVER (PARTITION BY j.tenant_id) AS monthly_limit,
        MAX(j.concurrent_limit) OVER (PARTITION BY j.tenant_id) AS concurrent_limit,
        MAX(j.max_queued) OVER (PARTITION BY j.tenant_id) AS max_queued,
        MAX(IF(j.kind = 'start', j.up_to, NULL)) OVER (PARTITION BY j.tenant_id) AS up_to,
        MAX(IF(j.kind = 'start', j.deadline, NULL)) OVER (PARTITION BY j.tenant_id) AS start_deadline,
        MAX(IF(j.kind IN ('release', 'refund', 'extend'), j.kind, NULL)) OVER (PARTITION BY j.tenant_id, j.run_id, j.attempt) AS frees,
        MAX(j.from_state) OVER (PARTITION BY j.tenant_id, j.run_id, j.attempt) AS from_state,
        MAX(IF(j.kind = 'extend', j.deadline, NULL)) OVER (PARTITION BY j.tenant_id, j.run_id, j.attempt) AS extend_deadline
      FROM judged AS j WHERE NOT j.void),

    -- What frees.
    freed AS (
      SELECT a.* EXCEPT (attempt, deadline),
        CASE
          WHEN a.part != 'entry' THEN NULL
          WHEN a.frees = 'release' AND a.was = 'ACTIVE' THEN 'DONE'
          WHEN a.frees = 'refund' AND a.was = a.from_state AND a.was IN ('QUEUED', 'ACTIVE') THEN 'REFUNDED'
          ELSE a.was
        END AS state,
        a.part = 'entry' AND a.frees = 'extend' AND a.was = 'ACTIVE' AS extended,
        IF(a.part = 'entry' AND a.frees = 'extend' AND a.was = 'ACTIVE', a.attempt + 1, a.attempt) AS attempt,
        IF(a.part = 'entry' AND a.frees = 'extend' AND a.was = 'ACTIVE', a.extend_deadline, a.deadline) AS deadline
      FROM asked AS a),
    standing AS (
      SELECT f.* EXCEPT (runs),
        IF(f.part = 'day',
          GREATEST(f.runs - COUNTIF(f.state = 'REFUNDED' AND f.was != 'REFUNDED') OVER (PARTITION BY f.tenant_id, f.day), 0), NULL) AS runs,
        COUNTIF(f.state = 'ACTIVE') OVER (PARTITION BY f.tenant_id) AS active,
        COUNTIF(f.state = 'QUEUED') OVER (PARTITION BY f.tenant_id) AS queued,
        COALESCE(MAX(f.seq) OVER (PARTITION BY f.tenant_id), 0) AS last_seq,
        COALESCE(MAX(f.turn) OVER (PARTITION BY f.tenant_id), -1) AS last_turn,
        COALESCE(@max_running - COUNTIF(f.state = 'ACTIVE') OVER (), 1000000000) AS room,
        COALESCE(MAX(f.turn) OVER (), 0) AS turns,
        ROW_NUMBER() OVER (PARTITION BY f.tenant_id, f.state ORDER BY f.priority, f.seq) AS place,
        MAX(f.state) OVER (PARTITION BY f.tenant_id, f.run_id) AS run_state,
        MAX(IF(f.part = 'entry', f.attempt, NULL)) OVER (PARTITION BY f.tenant_id, f.run_id) AS run_attempt,
        MAX(f.turn) OVER (PARTITION BY f.tenant_id, f.run_id) AS run_turn
      FROM freed AS f),

    -- What starts: the k-th of each tenant before any (k + 1)-th, and within a round who started least recently first.
    candidates AS (
      SELECT s.*,
        COALESCE(s.state = 'QUEUED' AND s.place <= LEAST(s.up_to, s.concurrent_limit - s.active), FALSE) AS candidate,
        COALESCE(s.kind = 'admit' AND s.daily_limit IS NOT NULL AND (s.run_state IS NULL OR s.run_state = 'REFUNDED'), FALSE) AS fresh,
        COALESCE(SUM(IF(s.day = @day, s.runs, 0)) OVER (PARTITION BY s.tenant_id), 0) AS today,
        COALESCE(SUM(IF(DATE_TRUNC(s.day, MONTH) = DATE_TRUNC(@day, MONTH), s.runs, 0)) OVER (PARTITION BY s.tenant_id), 0) AS month
      FROM standing AS s),
    picked AS (
      SELECT c.*,
        c.candidate AND ROW_NUMBER() OVER (PARTITION BY c.candidate ORDER BY c.place, c.last_turn, c.tenant_id) <= c.room AS starts,
        ROW_NUMBER() OVER (PARTITION BY c.candidate ORDER BY c.place, c.last_turn, c.tenant_id) AS pick,
        ROW_NUMBER() OVER (PARTITION BY c.tenant_id, c.fresh ORDER BY c.n) AS k
      FROM candidates AS c),
    started AS (
      SELECT p.*, COUNTIF(p.starts) OVER (PARTITION BY p.tenant_id) AS tenant_starts, COUNTIF(p.starts) OVER () AS all_starts
      FROM picked AS p),

    -- What arrives: as the day and the month allow, to a slot where nothing of its tenant waits, else to the queue.
    allowed AS (
      SELECT s.*, s.fresh AND s.k <= LEAST(s.daily_limit - s.today, s.monthly_limit - s.month) AS allowed FROM started AS s),
    seatable AS (
      SELECT a.*,
        a.allowed AND a.queued = a.tenant_starts AND a.k <= a.concurrent_limit - a.active - a.tenant_starts AS seatable
      FROM allowed AS a),
    ranked AS (
      SELECT s.*, COUNTIF(s.seatable) OVER (ORDER BY s.n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS arrival
      FROM seatable AS s),
    seated AS (SELECT r.*, r.seatable AND r.arrival <= r.room - r.all_starts AS seat FROM ranked AS r),
    granted AS (
      SELECT s.*,
        s.allowed AND s.k <= COUNTIF(s.seat) OVER (PARTITION BY s.tenant_id)
          + GREATEST(s.max_queued - (s.queued - s.tenant_starts), 0) AS granted
      FROM seated AS s),
    become AS (
      SELECT g.*,
        COUNTIF(g.granted) OVER (PARTITION BY g.tenant_id) AS admitted,
        COUNTIF(g.granted) OVER (PARTITION BY g.tenant_id, g.run_id) > 0 AS replaced,
        COUNTIF(g.part = 'day' AND g.day = @day) OVER (PARTITION BY g.tenant_id) > 0 AS counted
      FROM granted AS g)
  SELECT b.tenant_id,
    ARRAY_AGG(
      CASE
        WHEN b.granted THEN STRUCT(
          b.run_id AS run_id, @day AS day, b.priority AS priority, b.last_seq + b.k AS seq, IF(b.seat, 'ACTIVE', 'QUEUED') AS state,
          COALESCE(b.run_attempt, 0) + 1 AS attempt, b.token AS token, b.deadline AS deadline, b.closed_at AS closed_at,
          IF(b.seat AND @max_running IS NOT NULL, b.turns + b.all_starts + b.arrival, b.run_turn) AS turn,
          CONCAT('admit ', @statement) AS statement)
        WHEN b.part = 'entry' AND NOT b.replaced THEN STRUCT(
          b.run_id AS run_id, b.day AS day, b.priority AS priority, b.seq AS seq, IF(b.starts, 'ACTIVE', b.state) AS state,
          b.attempt AS attempt, b.token AS token, IF(b.starts, GREATEST(b.deadline, b.start_deadline), b.deadline) AS deadline,
          IF(b.state != b.was, @now, b.closed_at) AS closed_at,
          IF(b.starts AND @max_running IS NOT NULL, b.turns + b.pick, b.turn) AS turn,
          CASE
            WHEN b.starts THEN CONCAT('start ', @statement)
            WHEN b.extended THEN CONCAT('extend ', @statement)
            WHEN b.state != b.was THEN CONCAT('close ', @statement)
            ELSE b.statement
          END AS statement)
      END IGNORE NULLS ORDER BY COALESCE(b.seq, b.last_seq + b.k)) AS entries,
    ARRAY_AGG(
      CASE
        WHEN b.part = 'day' THEN STRUCT(b.day AS day, b.runs + IF(b.day = @day, b.admitted, 0) AS runs)
        WHEN b.part = 'tenant' AND b.admitted > 0 AND NOT b.counted THEN STRUCT(@day AS day, b.admitted AS runs)
      END IGNORE NULLS ORDER BY COALESCE(b.day, @day)) AS days
  FROM become AS b
  WHERE b.touched AND b.part IN ('tenant', 'entry', 'day', 'item')
  GROUP BY b.tenant_id
) AS n
WHERE t.tenant_id = n.tenant_id
