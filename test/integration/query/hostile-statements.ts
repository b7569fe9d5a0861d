/** What the statements read. */
export const hostileTables: readonly string[] = [
  'CREATE TABLE numbers AS SELECT i, 1000000000 + i AS big, i::VARCHAR AS name FROM range(4096) t(i)',
  'CREATE TABLE words AS SELECT repeat(chr(97 + (i % 26)::INT), 20000) AS long, 20000 AS n FROM range(64) t(i)',
];

function doubled(depth: number, expression: (x: string) => string, seed: string): string {
  let sql = `SELECT ${seed} AS x`;
  for (let level = 0; level < depth; level += 1) sql = `SELECT ${expression('x')} AS x FROM (${sql})`;
  return sql;
}

const doubledAliases = Array.from({ length: 24 }, (_, n) => `a${n} + a${n} AS a${n + 1}`).join(', ');

/** One row with what aggregates gathered from many. */
const gathered =
  "(SELECT 1 AS k, list(i) AS l, string_agg(i, ',') AS s, histogram(i) AS h, max(i, 300000) AS m FROM range(300000) t(i))";
const many = 'range(100000) b(x)';

/** What repeats a gathered value for many rows, which DuckDB writes out anew for each of 2,048 at once. */
const repeated: readonly string[] = [
  `SELECT max(list_sum(list_transform(l, lambda y: y + 1))) FROM ${gathered}, ${many}`,
  `SELECT max(list_sum(list_transform(m, lambda y: y + 1))) FROM ${gathered}, ${many}`,
  `WITH a AS ${gathered} SELECT max(list_sum(list_sort(l))) FROM a, ${many}`,
  `SELECT max(len(l)) FROM ${many} JOIN ${gathered} a ON a.k = b.x % 1 + 1`,
  `SELECT l FROM ${gathered}, ${many}`,
  `SELECT max(l) FROM ${gathered}, ${many}`,
  `SELECT DISTINCT l, x FROM ${gathered}, ${many} ORDER BY l`,
  `SELECT max(len(list_concat(l, l))), max(len(l || l)) FROM ${gathered}, ${many}`,
  `SELECT max(strlen(l::VARCHAR)), max(strlen(to_json(l))) FROM ${gathered}, ${many}`,
  `SELECT max({'a': l}) FROM ${gathered}, ${many}`,
  `SELECT max(map_keys(h)) FROM ${gathered}, ${many}`,
  `SELECT max(u) FROM (SELECT unnest(l) AS u FROM ${gathered}, ${many})`,
  `SELECT max(len(string_split(s, ','))), max(s[2:]) FROM ${gathered}, ${many}`,
  `SELECT max(len(l)) FROM (SELECT l, unnest(range(100000)) FROM ${gathered})`,
  `SELECT sum(list_sum(list_transform((SELECT l FROM ${gathered}), lambda y: y + 1))) FROM ${many}`,
  `SELECT len((SELECT l FROM ${gathered} a WHERE a.k = b.x % 1 + 1)) FROM ${many}`,
  `SELECT len(ARRAY(SELECT i FROM range(300000) t(i))) FROM ${many}`,
  `SELECT max(len(y)) FROM (SELECT first_value(l) OVER (ORDER BY x) AS y FROM ${gathered}, ${many})`,
  `SELECT max(len(l)) FROM ${many}, LATERAL (SELECT list(i) AS l FROM range(300000) t(i))`,
  `SELECT any_value(l) FROM ${gathered} GROUP BY CUBE (k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7, k + 8)`,
  `SELECT len(l) FROM (SELECT list(i) FILTER (WHERE random() < 2) AS l FROM range(300000) t(i)), ${many}`,
  `WITH a0 AS ${gathered}, ${Array.from({ length: 12 }, (_, n) => `a${n + 1} AS (FROM a${n} UNION ALL FROM a${n})`).join(', ')} SELECT max(list_sum(list_sort(l))) FROM a12`,
];

const lists = (rounds: number) =>
  `r AS (SELECT 1 AS n, [1]::BIGINT[] AS l UNION ALL SELECT n + 1, list_concat(l, l) FROM r WHERE n < ${rounds})`;
const texts = (rounds: number) =>
  `r AS (SELECT 1 AS n, 'xxxxxxxx' AS s UNION ALL SELECT n + 1, s || s FROM r WHERE n < ${rounds})`;

/** What recursion makes longer round by round, with and without a join that repeats it. */
const recursive: readonly string[] = [
  `WITH RECURSIVE ${lists(19)} SELECT max(list_sum(list_transform(l, lambda y: y + 1))) FROM r, ${many} WHERE n = 19`,
  `WITH RECURSIVE ${lists(19)} SELECT max(l) FROM (SELECT l FROM r WHERE n = 19), ${many}`,
  `WITH RECURSIVE ${lists(19)}, e AS (FROM r WHERE n = 19) SELECT l FROM e, ${many}`,
  `WITH RECURSIVE ${lists(19)} SELECT max(list_sum(list_sort(q.l))) FROM "R" AS q JOIN ${many} ON b.x % 19 + 1 = q.n`,
  `WITH RECURSIVE ${lists(40)} SELECT max(len(l)) FROM r`,
  `WITH RECURSIVE ${texts(20)} SELECT max(strlen(upper(s))) FROM r, ${many} WHERE n = 20`,
  `WITH RECURSIVE ${texts(20)} SELECT max(strlen(concat(s, x))) FROM r, ${many} WHERE n = 20`,
  `WITH RECURSIVE ${texts(20)} SELECT (SELECT s FROM r WHERE n = 20 + x % 1) FROM ${many}`,
  `WITH RECURSIVE ${texts(20)}, ${Array.from({ length: 12 }, (_, n) => `a${n + 1} AS (FROM ${n === 0 ? 'r' : `a${n}`} UNION ALL FROM ${n === 0 ? 'r' : `a${n}`})`).join(', ')} SELECT max(upper(s)) FROM a12 WHERE n = 20`,
  `WITH RECURSIVE ${texts(40)} SELECT max(strlen(s)) FROM r`,
  `WITH RECURSIVE r AS (SELECT 1 AS n, 'x' AS s UNION ALL SELECT n + 1, replace(s, 'x', 'xxxxxxxxxxxxxxxx') FROM r WHERE n < 9) SELECT max(s) FROM r`,
  `WITH RECURSIVE r AS (SELECT 1 AS n, '[1]'::JSON AS j UNION ALL SELECT n + 1, json_array(j, j) FROM r WHERE n < 40) SELECT max(strlen(j)) FROM r`,
  `WITH RECURSIVE r AS (SELECT 1 AS n, [1] AS l UNION ALL SELECT n + 1, flatten([l, l]) FROM r WHERE n < 40) SELECT max(len(l)) FROM r`,
  `WITH RECURSIVE r AS (SELECT 1 AS n, [1] AS l UNION ALL SELECT n + 1, [y FOR y IN l || l] FROM r WHERE n < 40) SELECT max(len(l)) FROM r`,
  `WITH RECURSIVE r(n, s) USING KEY (n) AS (SELECT 1, 'xxxxxxxx' UNION SELECT n + 1, s || s FROM r WHERE n < 22) SELECT max(upper(s)) FROM r, ${many} WHERE n = 22`,
  `EXPLAIN ANALYZE WITH RECURSIVE ${texts(20)} SELECT max(upper(s)) FROM r, ${many} WHERE n = 20`,
];

/** Statements that would take more memory or time than the server has, were they run as they are. */
export const hostile: readonly string[] = [
  ...repeated,
  ...recursive,
  'SELECT len(range(1000000000))',
  'SELECT len(range(0, 1000000000))',
  'SELECT len(range(1000000000, 0, -1))',
  'SELECT len(RANGE(500000000 + 500000000))',
  'SELECT len("range"(1000000000))',
  'SELECT len(generate_series(1, 1000000000))',
  "SELECT len(generate_series(TIMESTAMP '2000-01-01', TIMESTAMP '2020-01-01', INTERVAL 1 MICROSECOND))",
  "SELECT len(range(TIMESTAMPTZ '2020-01-01', TIMESTAMPTZ '2000-01-01', INTERVAL '-1' MICROSECOND))",
  'SELECT len(main.range(1000000000))',
  'SELECT len(system.main.range(1000000000))',
  'SELECT len((1000000000).range())',
  'SELECT len(big.range()) FROM numbers',
  'SELECT sum(len(range(big))) FROM numbers',
  'SELECT i FROM numbers WHERE len(range(big)) > 3',
  'SELECT count(*) FROM numbers GROUP BY len(range(big))',
  'SELECT i FROM numbers ORDER BY len(range(big))',
  'SELECT max(i) OVER (PARTITION BY len(range(big))) FROM numbers',
  'SELECT sum(i) FILTER (WHERE len(range(big)) > 3) FROM numbers',
  'SELECT a.i FROM numbers a JOIN numbers b ON len(range(a.big)) = b.i',
  'SELECT (SELECT len(range(n.big))) FROM numbers n',
  'SELECT * FROM numbers, LATERAL (SELECT len(range(big)))',
  'SELECT u FROM numbers, unnest(range(big)) t(u) LIMIT 1',
  'SELECT count(*) FROM unnest(range(1000000000))',
  'SELECT unnest(range(1000000000)) LIMIT 1',
  'WITH l AS (SELECT range(big) AS r FROM numbers) SELECT len(r) FROM l',
  'SELECT len(range(CASE WHEN random() < 0.5 THEN 1 ELSE 1000000000 END)) FROM numbers',
  'SELECT len(range(30000 + i)), len(range(30001 + i)), len(range(30002 + i)) FROM numbers',
  'EXPLAIN ANALYZE SELECT len(range(big)) FROM numbers',
  'SUMMARIZE SELECT len(range(big)) FROM numbers',
  "SELECT strlen(repeat('x', 1000000000))",
  "SELECT strlen(repeat('x', big)) FROM numbers",
  "SELECT strlen('x'.repeat(1000000000)) FROM numbers",
  'SELECT len(repeat([1, 2], 500000000))',
  "SELECT octet_length(repeat('x'::BLOB, 1000000000))",
  "SELECT strlen(repeat(repeat(repeat('x', 60), 60), 60000))",
  `SELECT strlen(repeat('["x"]' -> 0, 1000000000))`,
  `SELECT strlen(repeat('{"a": "x"}' ->> 'a', big)) FROM numbers`,
  'SELECT len(equi_width_bins(0, big, 1000000, false)) FROM numbers',
  'SELECT max(len(l)) FROM (SELECT list(i) OVER (ORDER BY i) AS l FROM range(1000000) t(i))',
  "SELECT max(strlen(l)) FROM (SELECT string_agg(i, '') OVER (ORDER BY i) AS l FROM range(1000000) t(i))",
  'SELECT max(len(l)) FROM (SELECT max(i, 100000) OVER (ORDER BY i) AS l FROM range(1000000) t(i))',
  `SELECT len(json_extract(to_json(long), [${Array.from({ length: 2000 }, () => "'$'").join(', ')}])) FROM words, numbers`,
  `SELECT len(to_json(long) -> [${Array.from({ length: 2000 }, () => "'$'").join(', ')}]) FROM words, numbers`,
  `SELECT len(to_json(long) ->> [${Array.from({ length: 2000 }, () => "'$'").join(', ')}]) FROM words, numbers`,
  "SELECT strlen(lpad('x', 1000000000, 'y')), strlen(rpad('x', 1000000000, 'y'))",
  "SELECT strlen(rpad(name, big::INT, 'y')) FROM numbers",
  'SELECT len(list_resize([1], 1000000000))',
  "SELECT len(array_resize([name], 50000, repeat('x', 60))) FROM numbers",
  "SELECT bit_length(bitstring('1', 1000000000))",
  "SELECT strlen(format('{:>1000000000}', 'a'))",
  "SELECT strlen(format('{:>{}}', 'a', 1000000000))",
  "SELECT strlen(printf('%1000000000d', 1))",
  "SELECT strlen(printf('%*d', 1000000000, 1))",
  'SELECT strlen(printf(long, 1)) FROM words',
  'SELECT strlen(replace(long, left(long, 1), long)) FROM words',
  "SELECT strlen(regexp_replace(long, 'a', long, 'g')) FROM words",
  'SELECT strlen(array_to_string(string_split(long, left(long, 1)), long)) FROM words',
  "SELECT strlen(json_pretty(repeat('[', 30000) || repeat(']', 30000)))",
  `SELECT strlen(x) FROM (${doubled(34, (x) => `${x} || ${x}`, "'ab' || i").replace("'ab' || i AS x", "'ab' || i AS x FROM numbers")})`,
  `SELECT strlen(x) FROM (${doubled(34, (x) => `concat(${x}, ${x})`, "'abcdefgh'")})`,
  `SELECT len(x) FROM (${doubled(34, (x) => `list_concat(${x}, ${x})`, '[1, 2]')})`,
  `SELECT x FROM (${doubled(30, (x) => `[${x}, ${x}]`, '1')})`,
  `SELECT x FROM (${doubled(30, (x) => `{'a': ${x}, 'b': ${x}}`, "'a'")})`,
  `SELECT x FROM (${doubled(30, (x) => `(${x}, ${x})`, "'a'")})`,
  `SELECT x FROM (${doubled(30, (x) => `json_array(${x}, ${x})`, "'a'")})`,
  `SELECT 'x' AS a0, ${doubledAliases.replaceAll('+', '||')}`,
  `SELECT 1 AS a0, ${doubledAliases}`,
  "SELECT strlen(list_reduce(range(40), lambda a, b: a || a, 'x')) FROM numbers",
  "SELECT strlen(list_reduce(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', name, name], lambda a, b: concat(a, a, a, a, a, a, a, a))) FROM numbers",
  'SELECT len(list_transform(range(1000), lambda x: list_transform(range(1000), lambda y: range(1000))))',
  "SELECT len(list_transform(range(8000), lambda x: repeat('x', x * 1000)))",
  'SELECT len([range(1000) FOR x IN range(1000)])',
  'SELECT len(list_transform(r, lambda x: r)) FROM (SELECT range(5000 + i) AS r FROM numbers)',
  'SELECT len(list_filter(l, lambda x: list_contains(l, -x))) FROM (SELECT list(a.i * 4096 + b.i) AS l FROM numbers a, numbers b)',
  'SELECT count(x) FROM (SELECT NULL::INTEGER[100000][1000] AS x FROM numbers)',
  `SELECT from_json('{}', '"INTEGER[100000][1000]"')`,
  'SELECT sum(levenshtein(a.long, b.long)) FROM words a, words b',
  'SELECT sum(editdist3(a.long, b.long)) FROM words a, words b',
  'SELECT sum(damerau_levenshtein(a.long, b.long)) FROM words a, words b',
  "SELECT levenshtein(repeat('a', 60000 + i), repeat('b', 60000 + i)) FROM numbers",
  "SELECT long GLOB '*a*a*a*a*b' FROM words",
  `SELECT "${'a'.repeat(500_000)}"()`,
  `SELECT * FROM "${'a'.repeat(500_000)}"`,
  `SELECT regexp_matches(name, '${'(a|b)?'.repeat(20_000)}') FROM numbers`,
  `SELECT ${Array.from({ length: 900 }, () => '1').join(' + ')}`,
  `SELECT ${Array.from({ length: 900 }, () => 'i').join(' + ')} FROM numbers`,
  `SELECT 1 AS a0, ${Array.from({ length: 130 }, (_, n) => `a${n} + 1 AS a${n + 1}`).join(', ')}`,
  Array.from({ length: 5_000 }, () => 'SELECT 1').join(' UNION ALL '),
];
