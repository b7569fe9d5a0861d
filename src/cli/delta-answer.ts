import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { formatCount } from './output.ts';

/** A JSON object of the server. */
export type AnswerObject = Readonly<Record<string, unknown>>;

/** The answer as an object. Throws a refused failure when it is none. */
export function readObject(answer: unknown): AnswerObject {
  if (isObject(answer)) return answer;
  throw unexpectedAnswer();
}

/** The list of objects under a name of the answer. Throws a refused failure when there is none. */
export function readList(answer: unknown, name: string): readonly AnswerObject[] {
  const list = readObject(answer)[name];
  if (Array.isArray(list) && list.every(isObject)) return list;
  throw unexpectedAnswer();
}

function isObject(value: unknown): value is AnswerObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unexpectedAnswer(): CliFailure {
  return new CliFailure(
    'refused',
    'the answer is none of a Delta table: check that --url names an Arrowport server',
  );
}

/** A value as one cell: counts with separators on a terminal, `-` for what is not known, JSON for the rest. */
export function formatCell(host: CliHost, value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'number') return formatCount(host.stdout, value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A Delta type in one line: `long`, `array<string>`, `map<string, long>`, `struct<x: double>`. */
export function formatDeltaType(type: unknown): string {
  if (typeof type === 'string') return type;
  if (!isObject(type)) return '-';
  switch (type['type']) {
    case 'array':
      return `array<${formatDeltaType(type['elementType'])}>`;
    case 'map':
      return `map<${formatDeltaType(type['keyType'])}, ${formatDeltaType(type['valueType'])}>`;
    case 'struct': {
      const fields = readList(type, 'fields');
      return `struct<${fields.map(({ name, type: inner }) => `${String(name)}: ${formatDeltaType(inner)}`).join(', ')}>`;
    }
    default:
      return JSON.stringify(type);
  }
}
