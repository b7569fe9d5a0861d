import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { repositoryRoot } from '../support/repository.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const advisories = {
  fastify: [{ id: 1, url: 'https://advisories.example/1', severity: 'high', vulnerable_versions: '*' }],
};
const pythonFinding = {
  dependencies: [{ name: 'deltalake', version: '1', vulns: [{ id: 'PYSEC-1', aliases: ['CVE-1'] }] }],
};
const pythonClean = { dependencies: [{ name: 'deltalake', version: '1', vulns: [] }] };

const answerWith =
  (document: unknown, status = 200): RequestListener =>
  (request, response) => {
    request.resume().once('end', () => {
      response.writeHead(request.method === 'POST' ? status : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(document));
    });
  };

/** Runs `npm run audit` against an advisory service and a pip-audit of our own. */
async function audit(
  t: TestContext,
  service: RequestListener,
  pipAudit: string,
  patience: number,
): Promise<{ code: number; output: string }> {
  const server = createServer(service).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const program = join(makeTempFolder(t), 'pip-audit');
  writeFileSync(program, `#!/bin/sh\n${pipAudit}\n`);
  chmodSync(program, 0o755);
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(repositoryRoot, 'scripts/audit.mjs'), '--patience', String(patience)],
      {
        env: {
          ...process.env,
          npm_config_registry: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          npm_config_cache: makeTempFolder(t),
          ARROWPORT_PIP_AUDIT: program,
        },
      },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

test('known vulnerabilities fail the audit by their names', async (t) => {
  const { code, output } = await audit(
    t,
    answerWith(advisories),
    `echo '${JSON.stringify(pythonFinding)}'`,
    900,
  );
  assert.equal(code, 1, output);
  assert.match(output, /fastify \(high\): https:\/\/advisories\.example\/1/);
  assert.match(output, /deltalake \(unknown\): PYSEC-1, CVE-1/);
});

test('an audit that finds nothing passes', async (t) => {
  const { code, output } = await audit(t, answerWith({}), `echo '${JSON.stringify(pythonClean)}'`, 900);
  assert.equal(code, 0, output);
  assert.equal(output.match(/0 findings/g)?.length, 3, output);
});

test('an advisory service that fails or does not answer neither fails nor hangs the audit', async (t) => {
  for (const [service, pipAudit] of [
    [answerWith({ error: 'out of order' }, 503), 'exit 1'],
    [() => undefined, 'sleep 600 & wait'],
  ] as const) {
    const { code, output } = await audit(t, service, pipAudit, 6);
    assert.equal(code, 0, output);
    assert.equal(output.match(/skipped, no advisories could be had from here/g)?.length, 3, output);
  }
});
