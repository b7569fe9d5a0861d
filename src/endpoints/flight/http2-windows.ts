import type { Http2Session, ServerHttp2Session } from 'node:http2';

/** The widest window of a stream; HTTP/2's own 64 KiB holds a stream to 0.4 GB/s. */
const WIDEST_BYTES = 16 * 1024 * 1024;
const NARROWEST_BYTES = 256 * 1024;
/** Each frame costs an event: HTTP/2's own 16 KiB make sixty of a megabyte. */
const FRAME_BYTES = 256 * 1024;
/** What all streams together should be able to send ahead of what is read. */
const BUDGET_BYTES = 32 * 1024 * 1024;

const windows = new WeakMap<Http2Session, number>();
const sessions = new Set<Http2Session>();

/** The bytes that each of so many streams may send ahead of what is read: a power of two. */
export function windowBytes(openStreams: number): number {
  let bytes = WIDEST_BYTES;
  while (bytes > NARROWEST_BYTES && bytes * openStreams > BUDGET_BYTES) bytes /= 2;
  return bytes;
}

/**
 * Gives a session, and all others, the window for as many streams as are open in the process now; call it with each
 * new stream.
 */
export function adjustWindow(session: Http2Session | undefined, openStreams: number): void {
  if (session === undefined) return;
  if (!sessions.has(session)) {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // Node counts received bytes as read on the connection at once; only a stream's own window holds a client back.
    (session as ServerHttp2Session).setLocalWindowSize(WIDEST_BYTES);
  }
  const bytes = windowBytes(openStreams);
  setWindow(session, bytes);
  // The first of many streams has the window of a lone one; those of sessions that come later are as they should be.
  for (const other of sessions) if ((windows.get(other) ?? 0) > bytes) setWindow(other, bytes);
}

function setWindow(session: Http2Session, bytes: number): void {
  const current = windows.get(session);
  // A peer that leaves settings unacknowledged gets no more of them: too many end the session.
  if (current === bytes || (current !== undefined && session.pendingSettingsAck)) return;
  if (session.destroyed || session.closed) return;
  windows.set(session, bytes);
  session.settings({ initialWindowSize: bytes, maxFrameSize: FRAME_BYTES });
}
