import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorTable } from '../../../src/errors.ts';
import { metricTable } from '../../../src/telemetry/metric-table.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { createStreamLabels } from '../../../src/telemetry/stream-labels.ts';

describe('the metrics', () => {
  test('every name of the table is in the exposition text with its help and its kind', async () => {
    const { text, contentType } = await createMetrics().text();
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    for (const [name, row] of Object.entries(metricTable)) {
      assert.ok(text.includes(`# HELP ${name} `), name);
      assert.ok(text.includes(`# TYPE ${name} ${row.kind}\n`), name);
    }
  });

  test('all four transaction outcomes of both backends are there from the start at 0', async () => {
    const { text } = await createMetrics().text();
    for (const backend of ['duckdb', 'delta']) {
      for (const outcome of ['committed', 'aborted', 'conflict', 'unknown']) {
        const series = `arrowport_transactions_total{storage_backend="${backend}",outcome="${outcome}"} 0\n`;
        assert.ok(text.includes(series), series);
      }
    }
  });

  test('every error code is there from the start at 0', async () => {
    const { text } = await createMetrics().text();
    for (const code of Object.keys(errorTable)) {
      assert.ok(text.includes(`arrowport_errors_total{code="${code}"} 0\n`), code);
    }
  });

  test('memory is read at the scrape, and the engine is asked', async () => {
    const metrics = createMetrics();
    metrics.setEngineMemory(async () => 4096);
    const { text } = await metrics.text();
    assert.match(text, /arrowport_memory_bytes\{kind="rss"\} [1-9]\d+/);
    assert.match(text, /arrowport_memory_bytes\{kind="heap"\} [1-9]\d+/);
    assert.match(text, /arrowport_memory_bytes\{kind="external"\} [1-9]\d+/);
    assert.match(text, /arrowport_memory_bytes\{kind="duckdb"\} 4096\n/);
  });

  test('a scrape survives an engine that does not answer', async () => {
    const metrics = createMetrics();
    metrics.setEngineMemory(async () => 4096);
    await metrics.text();
    metrics.setEngineMemory(() => Promise.reject(new Error('closed')));
    const { text } = await metrics.text();
    assert.match(text, /arrowport_memory_bytes\{kind="duckdb"\} 4096\n/);
  });

  test('a rejected reload is counted and shows that the file last read is not in force', async () => {
    const metrics = createMetrics();
    assert.match((await metrics.text()).text, /arrowport_config_last_reload_successful 1\n/);
    metrics.configReloaded('rejected');
    const rejected = (await metrics.text()).text;
    assert.match(rejected, /arrowport_config_last_reload_successful 0\n/);
    assert.match(rejected, /arrowport_config_reloads_total\{outcome="rejected"\} 1\n/);
    metrics.configReloaded('applied');
    const applied = (await metrics.text()).text;
    assert.match(applied, /arrowport_config_last_reload_successful 1\n/);
    assert.match(applied, /arrowport_config_reloads_total\{outcome="applied"\} 1\n/);
  });

  test('the summary of Delta batch rows shows the smallest, the largest and the sum', async () => {
    const metrics = createMetrics();
    const rows = metrics.summary('arrowport_delta_batch_rows');
    for (let n = 1; n <= 500; n++) rows.observe(((n * 7919) % 1000) + 3);
    rows.observe(1);
    rows.observe(99999);
    const { text } = await metrics.text();
    assert.match(text, /arrowport_delta_batch_rows\{quantile="0"\} 1\n/);
    assert.match(text, /arrowport_delta_batch_rows\{quantile="1"\} 99999\n/);
    assert.match(text, /arrowport_delta_batch_rows_count 502\n/);
  });

  test('the metrics of the process itself come when they are asked for', async () => {
    assert.doesNotMatch((await createMetrics().text()).text, /process_cpu_seconds_total/);
    assert.match((await createMetrics({ processMetrics: true }).text()).text, /process_cpu_seconds_total/);
  });
});

describe('the label stream', () => {
  test('takes configured names as they are, however many', () => {
    const labels = createStreamLabels(2);
    for (let n = 0; n < 10; n++) assert.equal(labels.of('anything', `pattern-${n}.*`), `pattern-${n}.*`);
  });

  test('gives unrouted streams their names up to the limit, then one shared value', () => {
    const labels = createStreamLabels();
    for (let n = 0; n < 100; n++) assert.equal(labels.of(`s${n}`, null), `s${n}`);
    assert.equal(labels.of('late', null), 'other');
    assert.equal(labels.of('s0', null), 's0');
    assert.equal(labels.of('late', 'configured'), 'configured');
  });
});
