// Looks the locked packages up among known vulnerabilities: `npm audit` for npm, `pip-audit` for the Python lock files.
// A finding that is not in audit-exceptions.json ends with exit code 1. Where the advisories cannot be reached, or do not
// come within the time that there is for all of them (--patience, in seconds), nothing is known, which is said and is no
// failure.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { patience: { type: 'string', default: '180' } } });
const endsAt = Date.now() + Number(values.patience) * 1000;
/** So that one service that does not answer leaves time for the others. */
const longestRunMs = (Number(values.patience) * 1000) / 3;
const venvFolder = join(root, '.venv-audit');
const pythonLocks = ['src/backends/delta/worker/requirements.lock', 'test/requirements.lock'];
const { exceptions } = JSON.parse(readFileSync(join(root, 'scripts', 'audit-exceptions.json'), 'utf8'));

function run(program, args) {
  return new Promise((resolve) => {
    // A process group of its own: whatever the program has started ends with it.
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const leftMs = Math.max(0, Math.min(longestRunMs, endsAt - Date.now()));
    const timer = setTimeout(() => endGroup(child), leftMs);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: null, stdout, stderr: error.message });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

function endGroup({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isExcepted(finding) {
  const today = new Date().toISOString().slice(0, 10);
  return exceptions.some(
    ({ id, package: name, until }) => finding.ids.includes(id) && finding.package === name && until > today,
  );
}

/** Findings, or undefined where nothing could be looked up. */
async function auditNpm() {
  const { stdout } = await run('npm', [
    'audit',
    '--json',
    '--audit=true',
    '--fetch-retries=1',
    '--fetch-timeout=20000',
  ]);
  const report = parse(stdout);
  if (report?.vulnerabilities === undefined || report.error !== undefined) return undefined;
  return Object.values(report.vulnerabilities).map(({ name, severity, via }) => ({
    package: name,
    severity,
    ids: via.map((cause) => (typeof cause === 'string' ? cause : String(cause.url ?? cause.source))),
  }));
}

async function findPipAudit() {
  if (process.env.ARROWPORT_PIP_AUDIT) return process.env.ARROWPORT_PIP_AUDIT;
  const program = join(venvFolder, 'bin', 'pip-audit');
  if (existsSync(program)) return program;
  const made = await run('python3', ['-m', 'venv', venvFolder]);
  const lock = join('scripts', 'audit-requirements.lock');
  const pip = join(venvFolder, 'bin', 'pip');
  const installed =
    made.code === 0 &&
    (await run(pip, [
      'install',
      '--quiet',
      '--timeout',
      '10',
      '--retries',
      '1',
      '--require-hashes',
      '-r',
      lock,
    ]));
  if (installed?.code === 0) return program;
  rmSync(venvFolder, { recursive: true, force: true });
  return undefined;
}

async function auditPython(program, lock) {
  const args = [
    '-r',
    lock,
    '--disable-pip',
    '--no-deps',
    '--progress-spinner',
    'off',
    '--timeout',
    '10',
    '-f',
    'json',
  ];
  const dependencies = parse((await run(program, args)).stdout)?.dependencies;
  if (dependencies === undefined || dependencies.every(({ skip_reason }) => skip_reason)) return undefined;
  return dependencies.flatMap(({ name, vulns = [] }) =>
    vulns.map(({ id, aliases = [] }) => ({ package: name, severity: 'unknown', ids: [id, ...aliases] })),
  );
}

let failed = false;
function report(what, findings) {
  if (findings === undefined) {
    console.log(`audit of ${what}: skipped, no advisories could be had from here`);
    return;
  }
  const open = findings.filter((finding) => !isExcepted(finding));
  for (const { package: name, severity, ids } of open)
    console.log(`${what}: ${name} (${severity}): ${ids.join(', ')}`);
  console.log(`audit of ${what}: ${open.length} findings, ${findings.length - open.length} excepted`);
  failed ||= open.length > 0;
}

report('package-lock.json', await auditNpm());
const pipAudit = await findPipAudit();
for (const lock of pythonLocks) report(lock, pipAudit && (await auditPython(pipAudit, lock)));
process.exitCode = failed ? 1 : 0;
