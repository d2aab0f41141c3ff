-- Decides a batch of changes of tenants' ledger rows: what frees, then what starts, then what arrives. It computes what
-- `common::quota::decide` computes; the SET only assigns, and each tenant's row is met once.
-- @items: the changes in their order `n`. No two that free name one run's attempt, a tenant has one start at most, and all
-- that arrive count for @day. A batch with an item of a tenant that has no row takes no effect.
-- @max_running: slots of the whole deployment, NULL for no bound. @statement marks the entries that change here.
UPDATE tenants.tenant_run_ledger AS t
SET entries = n.entries, days = n.days, updated_at = @now
FROM (
  WITH
    asked AS (
      SELECT i.n, i.batch, i.tenant_id, i.kind, i.run_id, i.attempt, i.from_state, i.priority, i.token, i.deadline, i.up_to
      FROM UNNEST(@items) AS i),
    ledger AS (SELECT l.tenant_id, l.entries, l.days FROM tenants.tenant_run_ledger AS l),
    void AS (
      SELECT DISTINCT a.batch FROM asked AS a LEFT JOIN ledger AS l ON l.tenant_id = a.tenant_id
      WHERE l.tenant_id IS NULL),
    item AS (SELECT a.* FROM asked AS a LEFT JOIN void AS v ON v.batch = a.batch WHERE v.batch IS NULL),
    held AS (SELECT l.tenant_id, l.entries, l.days FROM ledger AS l WHERE l.tenant_id IN (SELECT i.tenant_id FROM item AS i)),
    plan AS (
      SELECT s.tenant_id, s.daily_limit, s.monthly_limit, s.concurrent_limit, s.max_queued
      FROM tenants.tenant_subscriptions AS s
      WHERE s.status = 'ACTIVE' AND s.tenant_id IN (SELECT i.tenant_id FROM item AS i)
      QUALIFY ROW_NUMBER() OVER (PARTITION BY s.tenant_id ORDER BY s.subscription_id) = 1),

    -- What frees.
    before AS (
      SELECT h.tenant_id, e.run_id, e.day, e.priority, e.seq, e.state, e.attempt, e.token, e.deadline, e.closed_at, e.turn, e.statement
      FROM held AS h CROSS JOIN UNNEST(h.entries) AS e),
    entry AS (
      SELECT b.tenant_id, b.run_id, b.day, b.priority, b.seq, b.state AS was, b.token, b.closed_at, b.turn, b.statement,
        CASE
          WHEN f.kind = 'release' AND b.state = 'ACTIVE' THEN 'DONE'
          WHEN f.kind = 'refund' AND b.state = f.from_state AND b.state IN ('QUEUED', 'ACTIVE') THEN 'REFUNDED'
          ELSE b.state
        END AS state,
        IF(f.kind = 'extend' AND b.state = 'ACTIVE', b.attempt + 1, b.attempt) AS attempt,
        IF(f.kind = 'extend' AND b.state = 'ACTIVE', f.deadline, b.deadline) AS deadline,
        IF(f.kind = 'extend' AND b.state = 'ACTIVE', TRUE, FALSE) AS extended
      FROM before AS b
      LEFT JOIN item AS f
        ON f.tenant_id = b.tenant_id AND f.run_id = b.run_id AND f.attempt = b.attempt
          AND f.kind IN ('release', 'refund', 'extend')),
    refunds AS (
      SELECT e.tenant_id, e.day, COUNT(*) AS runs FROM entry AS e
      WHERE e.state = 'REFUNDED' AND e.was != 'REFUNDED' GROUP BY e.tenant_id, e.day),
    counted AS (
      SELECT h.tenant_id, d.day, d.runs FROM held AS h CROSS JOIN UNNEST(h.days) AS d),
    day AS (
      SELECT c.tenant_id, c.day, GREATEST(c.runs - COALESCE(r.runs, 0), 0) AS runs
      FROM counted AS c LEFT JOIN refunds AS r ON r.tenant_id = c.tenant_id AND r.day = c.day),
    standing AS (
      SELECT h.tenant_id, COALESCE(e.active, 0) AS active, COALESCE(e.queued, 0) AS queued, COALESCE(e.last_seq, 0) AS last_seq,
        COALESCE(e.last_turn, -1) AS last_turn, COALESCE(d.today, 0) AS today, COALESCE(d.month, 0) AS month
      FROM held AS h
      LEFT JOIN (
        SELECT x.tenant_id, COUNTIF(x.state = 'ACTIVE') AS active, COUNTIF(x.state = 'QUEUED') AS queued, MAX(x.seq) AS last_seq,
          MAX(x.turn) AS last_turn
        FROM entry AS x GROUP BY x.tenant_id) AS e ON e.tenant_id = h.tenant_id
      LEFT JOIN (
        SELECT y.tenant_id, SUM(IF(y.day = @day, y.runs, 0)) AS today,
          SUM(IF(DATE_TRUNC(y.day, MONTH) = DATE_TRUNC(@day, MONTH), y.runs, 0)) AS month
        FROM day AS y GROUP BY y.tenant_id) AS d ON d.tenant_id = h.tenant_id),
    deployment AS (
      SELECT COALESCE(@max_running - COALESCE(a.active, 0) + f.freed, 1000000000) AS room, COALESCE(a.last_turn, 0) AS last_turn
      FROM (
        SELECT COUNTIF(e.state = 'ACTIVE') AS active, MAX(e.turn) AS last_turn
        FROM ledger AS l CROSS JOIN UNNEST(l.entries) AS e WHERE @max_running IS NOT NULL) AS a
      CROSS JOIN (SELECT COUNTIF(e.was = 'ACTIVE' AND e.state != 'ACTIVE') AS freed FROM entry AS e) AS f),

    -- What starts: the k-th of each tenant before any (k + 1)-th, and within a round who started least recently first.
    queue AS (
      SELECT e.tenant_id, e.run_id, ROW_NUMBER() OVER (PARTITION BY e.tenant_id ORDER BY e.priority, e.seq) AS place
      FROM entry AS e WHERE e.state = 'QUEUED'),
    candidate AS (
      SELECT q.tenant_id, q.run_id, s.deadline,
        ROW_NUMBER() OVER (ORDER BY q.place, u.last_turn, q.tenant_id) AS pick
      FROM queue AS q
      JOIN item AS s ON s.tenant_id = q.tenant_id AND s.kind = 'start'
      JOIN plan AS p ON p.tenant_id = q.tenant_id
      JOIN standing AS u ON u.tenant_id = q.tenant_id
      WHERE q.place <= LEAST(s.up_to, p.concurrent_limit - u.active)),
    started AS (
      SELECT c.tenant_id, c.run_id, c.deadline, c.pick FROM candidate AS c CROSS JOIN deployment AS d WHERE c.pick <= d.room),
    starts AS (SELECT s.tenant_id, COUNT(*) AS runs FROM started AS s GROUP BY s.tenant_id),
    remaining AS (
      SELECT d.room - s.runs AS room, d.last_turn + s.runs AS last_turn
      FROM deployment AS d CROSS JOIN (SELECT COUNT(*) AS runs FROM started) AS s),

    -- What arrives: first as the day and the month allow, then to a slot where nothing of the tenant waits, then to the queue.
    arrival AS (
      SELECT i.n, i.tenant_id, i.run_id, i.priority, i.token, i.deadline, k.attempt AS last_attempt, k.turn AS last_turn,
        ROW_NUMBER() OVER (PARTITION BY i.tenant_id ORDER BY i.n) AS k
      FROM item AS i LEFT JOIN entry AS k ON k.tenant_id = i.tenant_id AND k.run_id = i.run_id
      WHERE i.kind = 'admit' AND (k.run_id IS NULL OR k.state = 'REFUNDED')),
    allowed AS (
      SELECT a.n, a.tenant_id, a.run_id, a.priority, a.token, a.deadline, a.last_attempt, a.last_turn, a.k, u.last_seq,
        GREATEST(p.max_queued - (u.queued - COALESCE(s.runs, 0)), 0) AS places,
        u.queued = COALESCE(s.runs, 0) AND a.k <= p.concurrent_limit - u.active - COALESCE(s.runs, 0) AS may_start
      FROM arrival AS a
      JOIN plan AS p ON p.tenant_id = a.tenant_id
      JOIN standing AS u ON u.tenant_id = a.tenant_id
      LEFT JOIN starts AS s ON s.tenant_id = a.tenant_id
      WHERE a.k <= LEAST(p.daily_limit - u.today, p.monthly_limit - u.month)),
    ranked AS (SELECT a.*, COUNTIF(a.may_start) OVER (ORDER BY a.n) AS pick FROM allowed AS a),
    seated AS (SELECT r.*, r.may_start AND r.pick <= d.room AS seat FROM ranked AS r CROSS JOIN remaining AS d),
    granted AS (
      SELECT s.tenant_id, s.run_id, s.priority, s.token, s.deadline, s.last_attempt, s.last_turn, s.k, s.last_seq, s.pick, s.seat
      FROM (SELECT x.*, COUNTIF(x.seat) OVER (PARTITION BY x.tenant_id) AS seats FROM seated AS x) AS s
      WHERE s.k <= s.seats + s.places),

    -- The rows as they become. What was closed longer ago than the ledger remembers is left out.
    become AS (
      SELECT e.tenant_id, e.run_id, e.day, e.priority, e.seq, IF(s.run_id IS NULL, e.state, 'ACTIVE') AS state, e.attempt, e.token,
        IF(s.run_id IS NULL, e.deadline, GREATEST(e.deadline, s.deadline)) AS deadline,
        IF(e.state != e.was, @now, e.closed_at) AS closed_at,
        IF(s.run_id IS NOT NULL AND @max_running IS NOT NULL, d.last_turn + s.pick, e.turn) AS turn,
        IF(s.run_id IS NOT NULL OR e.extended OR e.state != e.was, @statement, e.statement) AS statement
      FROM entry AS e
      CROSS JOIN deployment AS d
      LEFT JOIN started AS s ON s.tenant_id = e.tenant_id AND s.run_id = e.run_id
      LEFT JOIN granted AS g ON g.tenant_id = e.tenant_id AND g.run_id = e.run_id
      WHERE g.run_id IS NULL
      UNION ALL
      SELECT g.tenant_id, g.run_id, @day, g.priority, g.last_seq + g.k, IF(g.seat, 'ACTIVE', 'QUEUED'), COALESCE(g.last_attempt, 0) + 1,
        g.token, g.deadline, CAST(NULL AS TIMESTAMP),
        IF(g.seat AND @max_running IS NOT NULL, d.last_turn + g.pick, g.last_turn), @statement
      FROM granted AS g CROSS JOIN remaining AS d),
    entries AS (
      SELECT b.tenant_id,
        ARRAY_AGG(STRUCT(b.run_id AS run_id, b.day AS day, b.priority AS priority, b.seq AS seq, b.state AS state, b.attempt AS attempt,
          b.token AS token, b.deadline AS deadline, b.closed_at AS closed_at, b.turn AS turn, b.statement AS statement) ORDER BY b.seq) AS entries
      FROM become AS b WHERE b.closed_at IS NULL OR b.closed_at > TIMESTAMP_SUB(@now, INTERVAL 48 HOUR)
      GROUP BY b.tenant_id),
    tally AS (
      SELECT d.tenant_id, d.day, d.runs FROM day AS d
      UNION ALL
      SELECT g.tenant_id, @day, COUNT(*) FROM granted AS g GROUP BY g.tenant_id),
    days AS (
      SELECT x.tenant_id, ARRAY_AGG(STRUCT(x.day AS day, x.runs AS runs) ORDER BY x.day) AS days
      FROM (SELECT y.tenant_id, y.day, SUM(y.runs) AS runs FROM tally AS y GROUP BY y.tenant_id, y.day) AS x
      WHERE x.day >= DATE_SUB(DATE(@now), INTERVAL 400 DAY)
      GROUP BY x.tenant_id)
  SELECT h.tenant_id, IFNULL(e.entries, []) AS entries, IFNULL(d.days, []) AS days
  FROM held AS h
  LEFT JOIN entries AS e ON e.tenant_id = h.tenant_id
  LEFT JOIN days AS d ON d.tenant_id = h.tenant_id
) AS n
WHERE t.tenant_id = n.tenant_id
