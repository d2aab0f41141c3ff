-- WITH, FROM and joins.
WITH a AS (SELECT id, g FROM export.odd), b AS (SELECT g, COUNT(*) AS n FROM a GROUP BY g) SELECT a.id, b.n FROM a JOIN b ON a.g = b.g ORDER BY a.id;
SELECT a.id, b.id AS other FROM export.odd AS a LEFT JOIN export.odd AS b ON a.i = b.i AND a.id != b.id ORDER BY a.id, other;
SELECT a.id, b.id AS other FROM export.odd AS a RIGHT JOIN (SELECT * FROM export.odd WHERE id > 5) AS b ON a.i = b.i ORDER BY other, a.id;
SELECT a.id, b.id AS other FROM (SELECT * FROM export.odd WHERE id < 3) AS a FULL JOIN (SELECT * FROM export.odd WHERE id > 5) AS b ON a.g = b.g ORDER BY a.id, other;
SELECT id, x.n FROM export.odd JOIN (SELECT g, COUNT(*) AS n FROM export.odd GROUP BY g) AS x USING (g) ORDER BY id;
SELECT * FROM (SELECT 1 AS k, 'a' AS l) AS x JOIN (SELECT 1 AS k, 'b' AS r) AS y USING (k);
SELECT * FROM (SELECT 1 AS k, 'a' AS l) AS x FULL JOIN (SELECT 2 AS k, 'b' AS r) AS y USING (k) ORDER BY k;
SELECT a.id, b.id AS other FROM export.odd AS a CROSS JOIN export.odd AS b WHERE a.id < b.id AND b.id < 4 ORDER BY a.id, other;
SELECT a.id FROM export.odd AS a, export.odd AS b WHERE a.id = b.id AND a.i > b.f ORDER BY a.id;
SELECT id, tag FROM export.odd, UNNEST(tags) AS tag ORDER BY id, tag;
SELECT id, tag, o FROM export.odd, UNNEST(tags) AS tag WITH OFFSET AS o ORDER BY id, o;
SELECT id, tag FROM export.odd LEFT JOIN UNNEST(tags) AS tag ORDER BY id, tag;
SELECT id, item.k, item.v FROM export.odd, UNNEST(items) AS item ORDER BY id, item.k, item.v;
SELECT id, k, v FROM export.odd, UNNEST(items) ORDER BY id, k, v;
SELECT id, it.v FROM export.odd AS t, t.items AS it ORDER BY id, it.v;
SELECT n FROM UNNEST([3, 1, 2]) AS n ORDER BY n;
SELECT a, b FROM UNNEST([STRUCT(1 AS a, 'x' AS b), (2, 'y')]) ORDER BY a;
SELECT x, o FROM UNNEST(['a', 'b']) AS x WITH OFFSET o ORDER BY o;
-- The list.
SELECT * FROM (SELECT 1 AS a, 'x' AS b);
SELECT * EXCEPT (b) FROM (SELECT 1 AS a, 'x' AS b, 2 AS c);
SELECT * REPLACE (a * 10 AS a) FROM (SELECT 1 AS a, 'x' AS b);
SELECT x.* FROM (SELECT 1 AS a, 'x' AS b) AS x;
SELECT id, s.* FROM export.odd WHERE id = 1;
SELECT s.r.y FROM export.odd ORDER BY id;
SELECT s.a + 1 AS a FROM export.odd ORDER BY id;
SELECT 1, 2 AS b, 'x';
SELECT AS STRUCT 1 AS a, 'x' AS b;
SELECT STRUCT(1 AS a, [1, 2] AS b) AS s;
-- WHERE and NULL.
SELECT id FROM export.odd WHERE i > 0 ORDER BY id;
SELECT id FROM export.odd WHERE NOT (i > 0) ORDER BY id;
SELECT id FROM export.odd WHERE i IS NULL OR b ORDER BY id;
SELECT id FROM export.odd WHERE b IS TRUE ORDER BY id;
SELECT id FROM export.odd WHERE b IS NOT TRUE ORDER BY id;
SELECT id FROM export.odd WHERE i IN (3, NULL) ORDER BY id;
SELECT id FROM export.odd WHERE i NOT IN (3, NULL) ORDER BY id;
SELECT id FROM export.odd WHERE i IN (SELECT i FROM export.odd WHERE id = 1) ORDER BY id;
SELECT id FROM export.odd WHERE i NOT IN (SELECT i FROM export.odd WHERE id > 5) ORDER BY id;
SELECT id FROM export.odd WHERE 'x' IN UNNEST(tags) ORDER BY id;
SELECT id FROM export.odd WHERE EXISTS (SELECT 1 FROM UNNEST(items) AS x WHERE x.v > 4) ORDER BY id;
SELECT id FROM export.odd WHERE EXISTS (SELECT 1 FROM export.odd WHERE id = 99) ORDER BY id;
SELECT id FROM export.odd WHERE f BETWEEN -1 AND 1 ORDER BY id;
SELECT id FROM export.odd WHERE t LIKE 'a%' ORDER BY id;
SELECT id FROM export.odd WHERE (SELECT MAX(i) FROM export.odd WHERE id < 4) = i ORDER BY id;
SELECT NULL = NULL, NULL IS NULL, 1 = NULL, NULL AND FALSE, NULL OR TRUE;
-- Groups.
SELECT g, COUNT(*) AS n FROM export.odd GROUP BY g ORDER BY g;
SELECT g, COUNT(*) AS n FROM export.odd GROUP BY g ORDER BY g DESC;
SELECT g, COUNT(*) AS n FROM export.odd GROUP BY g ORDER BY g NULLS LAST;
SELECT f, COUNT(*) AS n FROM export.odd GROUP BY f ORDER BY f;
SELECT MOD(id, 2) AS m, SUM(id) AS total FROM export.odd GROUP BY m HAVING total > 12 ORDER BY m;
SELECT g, b, COUNT(*) AS n FROM export.odd GROUP BY 1, 2 ORDER BY 1, 2;
SELECT g, b, COUNT(*) AS n FROM export.odd GROUP BY ROLLUP(g, b) ORDER BY n, g, b;
SELECT g, b, COUNT(*) AS n FROM export.odd GROUP BY CUBE(g, b) ORDER BY n, g, b;
SELECT g, b, COUNT(*) AS n, GROUPING(g) AS gg FROM export.odd GROUP BY GROUPING SETS (g, b, ()) ORDER BY n, gg, g, b;
SELECT COUNT(*) AS n FROM export.odd GROUP BY ();
SELECT SUM(i) AS s FROM export.odd WHERE id < 4;
SELECT SUM(i) AS s FROM export.odd WHERE FALSE;
SELECT COUNT(*) AS n FROM export.odd HAVING COUNT(*) > 3;
SELECT UPPER(g) AS u, MAX(LENGTH(t)) AS m FROM export.odd GROUP BY u ORDER BY u;
SELECT DISTINCT g FROM export.odd ORDER BY g;
SELECT DISTINCT g, b FROM export.odd ORDER BY g, b;
-- Order and limits.
SELECT id FROM export.odd ORDER BY f, id;
SELECT id FROM export.odd ORDER BY f DESC, id;
SELECT id FROM export.odd ORDER BY t NULLS LAST, id;
SELECT id FROM export.odd ORDER BY t COLLATE 'und:ci', id;
SELECT id FROM export.odd ORDER BY n DESC LIMIT 3;
SELECT id FROM export.odd ORDER BY id LIMIT 2 OFFSET 3;
SELECT id AS x FROM export.odd ORDER BY -x;
SELECT id FROM export.odd ORDER BY MOD(id, 3), id DESC;
SELECT id FROM export.odd LIMIT 0;
-- Sets.
SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 1 ORDER BY x;
SELECT 1 AS x UNION DISTINCT SELECT 1.5 ORDER BY x;
SELECT g FROM export.odd UNION DISTINCT SELECT t FROM export.odd WHERE id = 5 ORDER BY g;
SELECT g FROM export.odd EXCEPT DISTINCT SELECT 'a' ORDER BY g;
SELECT g FROM export.odd INTERSECT DISTINCT SELECT CAST(NULL AS STRING) ORDER BY g;
(SELECT id FROM export.odd ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM export.odd ORDER BY id DESC LIMIT 1);
-- Subqueries.
SELECT (SELECT MAX(id) FROM export.odd) AS m;
SELECT id, (SELECT COUNT(*) FROM UNNEST(tags) AS x WHERE x > 'x') AS n FROM export.odd ORDER BY id;
SELECT id, ARRAY(SELECT x FROM UNNEST(tags) AS x ORDER BY x DESC) AS y FROM export.odd ORDER BY id;
SELECT id, ARRAY(SELECT DISTINCT x FROM UNNEST(tags) AS x ORDER BY x) AS y FROM export.odd ORDER BY id;
SELECT id, ARRAY(SELECT AS STRUCT v.k, SUM(v.v) AS s FROM UNNEST(items) AS v GROUP BY v.k ORDER BY v.k) AS y FROM export.odd ORDER BY id;
SELECT id, (SELECT x FROM UNNEST(tags) AS x WITH OFFSET AS o ORDER BY o LIMIT 1) AS first FROM export.odd ORDER BY id;
SELECT id, (SELECT SUM(v.v * v.x) FROM UNNEST(items) AS v) AS y FROM export.odd ORDER BY id;
SELECT ARRAY(SELECT id FROM export.odd WHERE id < 4 ORDER BY id DESC) AS ids;
SELECT id, (SELECT COUNT(*) FROM export.odd AS b WHERE b.g = a.g) AS n FROM export.odd AS a ORDER BY id;
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT SUM(n) AS s FROM t;
-- PIVOT and UNPIVOT.
SELECT * FROM (SELECT g, b, id FROM export.odd) PIVOT(SUM(id) FOR b IN (TRUE AS yes, FALSE AS no)) ORDER BY g;
SELECT * FROM (SELECT g, id FROM export.odd) PIVOT(SUM(id) AS s, COUNT(*) AS c FOR g IN ('a', 'b'));
SELECT * FROM (SELECT id, i, id * 2 AS j FROM export.odd WHERE id IN (1, 6)) UNPIVOT(v FOR k IN (i, j)) ORDER BY id, k;
SELECT * FROM (SELECT id, i, id * 2 AS j FROM export.odd WHERE id IN (1, 6)) UNPIVOT INCLUDE NULLS (v FOR k IN (i, j)) ORDER BY id, k;
-- Wrong ones.
SELECT nosuch FROM export.odd;
SELECT id FROM export.odd WHERE id = 'x';
SELECT id, COUNT(*) FROM export.odd;
SELECT a.id FROM export.odd AS b;
SELECT id FROM export.odd GROUP BY g;
SELECT SUM(t) FROM export.odd;
SELECT 1 / 0;
SELECT CAST('x' AS INT64);
SELECT 9223372036854775807 + 1;
SELECT SUM(i) FROM export.odd WHERE id IN (4, 1);
SELECT (SELECT id FROM export.odd);
SELECT [1, 2][OFFSET(2)];
SELECT * FROM export.nosuch;
SELECT id FROM export.odd UNION ALL SELECT g FROM export.odd;
SELECT CAST(i AS INT64) + t FROM export.odd;
SELECT COUNT(*) FROM export.odd WHERE COUNT(*) > 1;
SELECT id id2 id3 FROM export.odd;
-- Subqueries in WHERE that read the row around them.
SELECT id FROM export.odd AS a WHERE EXISTS (SELECT 1 FROM export.odd AS b WHERE b.g = a.g AND b.id != a.id) ORDER BY id;
SELECT id FROM export.odd AS a WHERE NOT EXISTS (SELECT 1 FROM export.odd AS b WHERE b.g = a.g AND b.id != a.id) ORDER BY id;
SELECT id FROM export.odd AS a WHERE i IN (SELECT b.i FROM export.odd AS b WHERE b.id > a.id) ORDER BY id;
SELECT id FROM export.odd AS a WHERE id > 1 AND EXISTS (SELECT * FROM export.odd AS b WHERE b.id < a.id AND b.f > a.f) ORDER BY id;
SELECT a.id, c.g FROM export.odd AS a JOIN export.odd AS c ON a.id = c.id WHERE NOT EXISTS (SELECT 1 FROM export.odd AS b, UNNEST(b.tags) AS tag WHERE tag = 'x' AND b.id = a.id) ORDER BY id;
SELECT id FROM export.odd AS a WHERE EXISTS (SELECT COUNT(*) FROM export.odd WHERE FALSE) ORDER BY id;
-- WITH RECURSIVE.
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t ORDER BY n;
WITH RECURSIVE t AS ((SELECT 1 AS n UNION ALL SELECT 1) UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t ORDER BY n;
WITH RECURSIVE t AS (SELECT id, 0 AS depth FROM export.odd WHERE id = 1 UNION ALL SELECT o.id, depth + 1 FROM t JOIN export.odd AS o ON o.id = t.id * 2) SELECT id, depth FROM t ORDER BY id;
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 4), s AS (SELECT SUM(n) AS total FROM t) SELECT t.n, total FROM t, s ORDER BY t.n;
-- Subqueries that find their rows by the row around them.
SELECT id, (SELECT COUNT(*) FROM export.odd AS b WHERE b.g = a.g) AS n, (SELECT SUM(b.i) FROM export.odd AS b WHERE b.g = a.g AND b.id > 2) AS s FROM export.odd AS a ORDER BY id;
SELECT id, (SELECT IFNULL(SUM(b.id), 0) + COUNT(*) FROM export.odd AS b WHERE b.id = a.id + 1) AS n FROM export.odd AS a ORDER BY id;
SELECT id, (SELECT b.g FROM export.odd AS b WHERE b.id = a.id - 1) AS before FROM export.odd AS a ORDER BY id;
SELECT id FROM export.odd AS a WHERE (SELECT COUNT(*) FROM export.odd AS b WHERE b.g = a.g) = 0 ORDER BY id;
-- GROUP BY ALL.
SELECT g, COUNT(*) AS n FROM export.odd GROUP BY ALL ORDER BY g;
SELECT SUM(id) AS s, g, UPPER(g) AS u, 1 AS one FROM export.odd GROUP BY ALL ORDER BY g;
SELECT g, MOD(id, 2) AS m, COUNT(*) AS many FROM export.odd GROUP BY ALL HAVING many > 0 ORDER BY g, m;
SELECT COUNT(*) AS n, 'x' AS x FROM export.odd WHERE FALSE GROUP BY ALL;
SELECT id, g, COUNT(*) + MAX(i) FROM export.odd GROUP BY ALL ORDER BY id LIMIT 2;
SELECT g, id + COUNT(*) AS n FROM export.odd GROUP BY ALL;
-- The value of the greatest and the least key.
SELECT MAX_BY(id, g) IS NOT NULL AS a, MAX_BY(g, id) AS b, MIN_BY(g, id) AS c FROM export.odd;
SELECT g, ANY_VALUE(id HAVING MAX id) AS a, ANY_VALUE(id HAVING MIN id) AS b FROM export.odd GROUP BY g ORDER BY g;
SELECT MAX_BY(id, g) AS a FROM export.odd WHERE FALSE;
