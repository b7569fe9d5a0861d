import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { waitFor } from '../../support/patience.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import { listenForStore, passOn } from './store-proxy.ts';
import { startOverStore, useStore } from './store-steps.ts';

/** The account that the emulator has from the start; its key is in its manual. */
const account = 'devstoreaccount1';
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

const packageFolder =
  process.env['ARROWPORT_TEST_AZURITE'] ??
  join(repositoryRoot, 'node_modules', '.cache', 'azurite', 'node_modules', 'azurite');
const program = join(packageFolder, 'dist', 'src', 'blob', 'main.js');
const skip = existsSync(program)
  ? false
  : 'Azurite was not found: npm i --prefix node_modules/.cache/azurite --ignore-scripts azurite@3.23.0 gets it';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('There is no free port.');
  return address.port;
}

/** Starts the emulator with the container `lake`; returns its address. */
async function startAzurite(owner: CleanupOwner): Promise<string> {
  const port = await freePort();
  const place = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', makeTempFolder(owner)];
  const child = spawn(process.execPath, [program, ...place, '--silent', '--skipApiVersionCheck'], {
    stdio: 'ignore',
  });
  owner.after(() => {
    child.kill('SIGKILL');
  });
  const address = `http://127.0.0.1:${port}/${account}`;
  await waitFor(
    'a container of the emulator',
    async () => (await createContainer(address, 'lake').catch(() => 0)) === 201,
  );
  return address;
}

async function createContainer(address: string, name: string): Promise<number> {
  const date = new Date().toUTCString();
  const version = '2021-08-06';
  const canonical = `PUT${'\n'.repeat(12)}x-ms-date:${date}\nx-ms-version:${version}\n/${account}/${account}/${name}\nrestype:container`;
  const signature = createHmac('sha256', Buffer.from(accountKey, 'base64'))
    .update(canonical)
    .digest('base64');
  const { status } = await fetch(`${address}/${name}?restype=container`, {
    method: 'PUT',
    headers: {
      'x-ms-date': date,
      'x-ms-version': version,
      authorization: `SharedKey ${account}:${signature}`,
    },
  });
  return status;
}

/**
 * Azure lists from a name on where it is asked to, and ends the head of each answer to a request that deletes many with an
 * empty line. The emulator lists everything and leaves the line out, which is put right on the way.
 */
async function startLister(owner: CleanupOwner, target: string): Promise<string> {
  const proxy = await listenForStore(owner, (incoming, answer) => {
    const { pathname, search, searchParams } = new URL(incoming.url ?? '', target);
    const from = searchParams.get('startFrom');
    passOn(incoming, answer, target, { path: `${pathname}${search}` }, async (reply) => {
      const body = Buffer.concat(await reply.toArray());
      const listed = from === null ? body : Buffer.from(listFrom(body.toString(), from));
      const kept = searchParams.get('comp') === 'batch' ? Buffer.from(endHeads(body.toString())) : listed;
      const { 'transfer-encoding': _encoding, ...rest } = reply.headers;
      answer.writeHead(
        reply.statusCode ?? 500,
        incoming.method === 'HEAD' ? rest : { ...rest, 'content-length': kept.length },
      );
      answer.end(kept);
    });
  });
  return `${proxy}/${account}`;
}

function endHeads(answers: string): string {
  return answers.replace(/(?<=\S)\r?\n(?=--batch)/g, '\r\n\r\n');
}

function listFrom(listing: string, from: string): string {
  return listing.replace(/<Blob><Name>(.*?)<\/Name>.*?<\/Blob>/gs, (blob: string, name: string) =>
    name < from ? '' : blob,
  );
}

describe('Delta tables at az://', { skip }, () => {
  it('are written in both ways and by many at once, listed, changed and vacuumed', async (t) => {
    const backend = startOverStore(t, 'az://lake/azure', {
      account_name: account,
      account_key: accountKey,
      endpoint: await startLister(t, await startAzurite(t)),
      allow_http: 'true',
    });
    await useStore(backend);
  });
});
