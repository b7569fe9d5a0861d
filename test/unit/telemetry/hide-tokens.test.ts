import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issueToken } from '../../../src/auth/issue-token.ts';
import { hideTokens } from '../../../src/telemetry/hide-tokens.ts';

const { token } = issueToken();
const part = (text: string) => Buffer.from(text).toString('base64url');
const jwt = `${part('{"alg":"ES256"}')}.${part('{"sub":"press"}')}.${part('a signature of some length')}`;

for (const [text, hidden] of [
  [`{"detail":"${token}"}`, '{"detail":"[redacted]"}'],
  [`/ingest/${token}?x=1`, '/ingest/[redacted]?x=1'],
  [`Authorization: bearer ${token}`, 'Authorization: bearer [redacted]'],
  ['"Bearer made-of-people/=="', '"Bearer [redacted]"'],
  [`token ${jwt}, again ${jwt}`, 'token [redacted], again [redacted]'],
  ['arrowport_rows_processed_total 3, arrowport_config_last_reload_successful 1', undefined],
  ['{"stream":"sensors","table":"eyJ"}', undefined],
] as const) {
  test(`${text.slice(0, 30)}…: tokens are hidden, the rest stays`, () => {
    assert.equal(hideTokens(text), hidden ?? text);
  });
}
