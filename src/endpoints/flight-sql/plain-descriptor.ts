import { isOptions, refuseUnknownOptions } from '../../core/delta-options.ts';
import { ArrowportError } from '../../errors.ts';
import { descriptorType, type FlightDescriptor } from '../flight/messages.ts';
import type { ReadingCommand } from './sql-service.ts';

const MOST_PARTS = 3;

/**
 * The statement that a descriptor of plain Flight stands for: PATH `[table]`, `[schema, table]`, `["delta", table]`, or
 * CMD with JSON `{"sql": "…"}`. Throws OPTION_INVALID.
 */
export function readPlainDescriptor({ type, path, cmd }: FlightDescriptor): ReadingCommand {
  if (type === descriptorType.PATH) return createStatement(`SELECT * FROM ${readPath(path)}`);
  if (type === descriptorType.CMD) return createStatement(readSql(cmd));
  throw invalid(`The descriptor has the type ${type}; use PATH (1) or CMD (2).`);
}

/** A table's name in SQL, each part quoted. */
export function quoteName(parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

function createStatement(query: string): ReadingCommand {
  return { name: 'CommandStatementQuery', message: { query } };
}

function readPath(path: readonly string[]): string {
  if (path.length === 0 || path.length > MOST_PARTS || path.includes('')) {
    throw invalid('The descriptor PATH must be ["table"], ["schema", "table"] or ["delta", "table"].');
  }
  return quoteName(path);
}

function readSql(cmd: Uint8Array): string {
  let command: unknown;
  try {
    command = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(cmd));
  } catch (cause) {
    throw new ArrowportError(
      'OPTION_INVALID',
      'The descriptor CMD is neither a command of Flight SQL nor JSON: use {"sql": "SELECT …"}.',
      { cause },
    );
  }
  if (!isOptions(command))
    throw invalid('The descriptor CMD must be a JSON object: use {"sql": "SELECT …"}.');
  refuseUnknownOptions(command, ['sql']);
  const { sql } = command;
  if (typeof sql !== 'string' || sql.trim() === '')
    throw invalid('The descriptor CMD needs "sql", a statement.');
  return sql;
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message);
}
