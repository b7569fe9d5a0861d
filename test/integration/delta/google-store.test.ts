import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import { skipWithoutObjectStore, startObjectStore } from './object-store.ts';
import { listenForStore, passOn } from './store-proxy.ts';
import { startOverStore, useStore } from './store-steps.ts';

/** Of the form that the S3-compatible server wants; it checks no signature. */
const authorization =
  'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x';

const skip = await skipWithoutObjectStore();
const endpoint = skip === false ? await startObjectStore({ after }) : '';

/** Google's XML interface differs from S3's in few places; these are put right on the way. */
function startTranslator(owner: CleanupOwner): Promise<string> {
  return listenForStore(owner, (incoming, answer) => {
    const onlyNew = incoming.headers['x-goog-if-generation-match'] === '0' ? { 'if-none-match': '*' } : {};
    const change = {
      path: incoming.url?.replace(/^[^?]*/, (path) => path.split('/').map(plain).join('/')),
      headers: { ...incoming.headers, authorization, ...onlyNew },
    };
    passOn(incoming, answer, endpoint, change, (reply) => {
      answer.writeHead(reply.statusCode ?? 500, { ...reply.headers, 'x-goog-generation': '1' });
      reply.pipe(answer);
    });
  });
}

/** The whole path is one encoded name in Google's interface. */
function plain(part: string): string {
  return decodeURIComponent(part).split('/').map(encodeURIComponent).join('/');
}

describe('Delta tables at gs://', { skip }, () => {
  it('are written in both ways and by many at once, listed, changed and vacuumed', async (t) => {
    const key = join(makeTempFolder(t), 'key.json');
    const account = { gcs_base_url: await startTranslator(t), disable_oauth: true };
    writeFileSync(key, JSON.stringify({ ...account, client_email: '', private_key: '', private_key_id: '' }));
    const options = { google_service_account: key, allow_http: 'true' };
    await useStore(startOverStore(t, 'gs://lake/google', options));
  });
});
