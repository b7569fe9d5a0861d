import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';

/** How long a client may go on sending after it was answered. */
const DISCARD_MS = 2000;

const PROBLEM = {
  type: '/docs#errors-MEDIA_TYPE_UNSUPPORTED',
  title: 'The media type is not one that is understood here',
  status: 415,
  detail:
    'HTTP/2 is for Arrow Flight here, which is gRPC: send other requests over HTTP/1.1 (curl --http1.1).',
  code: 'MEDIA_TYPE_UNSUPPORTED',
  outcome: 'rejected',
};

/**
 * Has requests over HTTP/2 that are no calls of gRPC answered with a problem document, where the gRPC library would
 * answer a bare status, and what they still send dropped.
 */
export function explainForeign(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  if (String(headers['content-type'] ?? '').startsWith('application/grpc')) return;
  const respond = stream.respond.bind(stream);
  stream.respond = (given, options) => {
    const { ':status': status } = (given ?? {}) as OutgoingHttpHeaders;
    if (Number(status) !== PROBLEM.status) {
      respond(given, options);
      return;
    }
    respond({ ':status': PROBLEM.status, 'content-type': 'application/problem+json' });
    // Many clients read their answer when they have sent all.
    stream.resume();
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), DISCARD_MS);
    timer.unref();
    stream.once('close', () => clearTimeout(timer));
    stream.end(headers[':method'] === 'HEAD' ? undefined : JSON.stringify(PROBLEM));
  };
}
