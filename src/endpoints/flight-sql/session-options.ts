import type { FlightCall } from '../flight/call-context.ts';
import {
  closeSessionStatus,
  type SessionOptionsMessage,
  type SessionOptionValueMessage,
  type SetSessionOptionsResultMessage,
  sessionOptionError,
} from '../flight/messages.ts';
import type { ClientSessions } from './client-sessions.ts';

/** What clients may do to the options of their sessions. */
export interface SessionOptions {
  /** Options that are set stay set where others are refused; the answer names those. */
  set(options: SessionOptionsMessage, call: FlightCall): Promise<SetSessionOptionsResultMessage>;
  get(call: FlightCall): Promise<SessionOptionsMessage>;
  /** Resolves with a `CloseSessionResult.Status`. */
  close(call: FlightCall): Promise<number>;
}

/** Makes the session options over the sessions. */
export function createSessionOptions(sessions: ClientSessions): SessionOptions {
  return {
    async set({ sessionOptions }, call) {
      const session = await sessions.open(call);
      const errors: Record<string, { readonly value: number }> = {};
      for (const [name, value] of Object.entries(sessionOptions)) {
        const text = readText(value);
        const outcome = text === undefined ? 'invalid-value' : await session.setOption(name, text);
        if (outcome === 'unknown-name') errors[name] = { value: sessionOptionError.INVALID_NAME };
        if (outcome === 'invalid-value') errors[name] = { value: sessionOptionError.INVALID_VALUE };
      }
      return { errors };
    },
    async get(call) {
      const session = await sessions.open(call);
      const options = [...(await session.options())].map(([name, value]) => [name, { stringValue: value }]);
      return { sessionOptions: Object.fromEntries(options) as SessionOptionsMessage['sessionOptions'] };
    },
    async close(call) {
      return (await sessions.close(call)) ? closeSessionStatus.CLOSED : closeSessionStatus.NOT_CLOSEABLE;
    },
  };
}

/** A value as text; null unsets; undefined for a list, which no option takes. */
function readText(value: SessionOptionValueMessage): string | null | undefined {
  if (value.stringListValue != null) return undefined;
  const given = value.stringValue ?? value.boolValue ?? value.int64Value ?? value.doubleValue;
  return given === undefined || given === null ? null : String(given);
}
