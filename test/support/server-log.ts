import { waitFor } from './patience.ts';
import type { LogLine, TestServer } from './server.ts';

/** Waits for a line of the server's log, by its whole message or by what it looks like: an answer may be here first. */
export function waitForLine(
  server: Pick<TestServer, 'logs'>,
  wanted: string | ((line: LogLine) => boolean),
): Promise<LogLine> {
  const matches = typeof wanted === 'string' ? (line: LogLine) => line['msg'] === wanted : wanted;
  return waitFor(`the line ${String(wanted)}`, () => server.logs().find(matches));
}
