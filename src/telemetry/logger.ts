import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { HIDDEN, hideTokens } from './hide-tokens.ts';

/** The levels of the log, most talkative first; `silent` writes nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** How log lines look: JSON for programs, pretty for people, auto picks by whether the output is a terminal. */
export type LogFormat = 'auto' | 'json' | 'pretty';

/** A structured logger; children made with `child` follow its level. */
export type Logger = Pick<
  PinoLogger,
  'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'isLevelEnabled'
> & {
  child(bindings: Record<string, unknown>): Logger;
};

/** The logger of one server and the switch for its level. */
export interface LogRoot {
  readonly logger: Logger;
  /** Takes effect on the next line, for every child as well. */
  setLevel(level: LogLevel): void;
}

const STANDARD_OUTPUT = 1;

/** Keys whose values are never written, at the top of a line and one or two objects down. */
const SECRET_KEYS = ['authorization', 'token', 'password', 'secret', 'cookie', 'storage_options'];

/**
 * Makes the server's logger. Lines go to standard output (or `output`), one line a write, in order, before the
 * call returns; so nothing is lost when the process dies.
 */
export function createLogger(config: { level: LogLevel; format: LogFormat }, output?: Writable): LogRoot {
  const children = new Set<WeakRef<PinoLogger>>();
  const options: LoggerOptions = {
    level: config.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
      censor: HIDDEN,
    },
    // The last fence: also inside texts of errors no token is written.
    hooks: { streamWrite: hideTokens },
    onChild: (child) => {
      for (const known of children) if (known.deref() === undefined) children.delete(known);
      children.add(new WeakRef(child));
    },
  };
  const root = pino(options, destination(config.format, output));
  return {
    logger: root,
    setLevel(level) {
      root.level = level;
      for (const child of children) {
        const alive = child.deref();
        if (alive !== undefined) alive.level = level;
      }
    },
  };
}

function destination(format: LogFormat, output: Writable | undefined): DestinationStream {
  const terminal = output === undefined && isatty(STANDARD_OUTPUT);
  if (format === 'json' || (format === 'auto' && !terminal)) {
    return output ?? pino.destination({ dest: STANDARD_OUTPUT, sync: true });
  }
  return PinoPretty({
    destination: output ?? STANDARD_OUTPUT,
    sync: true,
    colorize: terminal,
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
    messageFormat: formatForPeople,
    errorLikeObjectKeys: ['err', 'error', 'cause'],
  });
}

/** What stands elsewhere in the line: pino-pretty writes `caller` and `pid` in front of the message. */
const hiddenFields = new Set([
  'level',
  'time',
  'msg',
  'request_id',
  'caller',
  'pid',
  'err',
  'error',
  'cause',
]);

/**
 * The message, then its fields as `key=value` in one line, the request id last: it is for looking up, not for reading.
 * A `detail` that the message has already is left out.
 */
function formatForPeople(line: Record<string, unknown>, messageKey: string): string {
  const message = String(line[messageKey]);
  const fields = Object.entries(line).filter(
    ([key, value]) =>
      !hiddenFields.has(key) && value !== null && !(key === 'detail' && message.includes(String(value))),
  );
  if (line['request_id'] !== undefined) fields.push(['request_id', line['request_id']]);
  const shown = fields.map(
    ([key, value]) =>
      `${key}=${typeof value === 'string' ? value.replace(/\s*[\r\n]+\s*/g, ' ') : JSON.stringify(value)}`,
  );
  return [message, ...shown].join(' ');
}
