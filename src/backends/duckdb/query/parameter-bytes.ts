import type { ArrayData } from '../../../core/array-data.ts';
import { FloatingNumber, type ParameterValue, type QueryParameters } from '../../../core/query.ts';

/** The bytes of texts and the like among the parameters of a statement: of Arrow rows, those of all together. */
export function parameterBytes(parameters: QueryParameters): number {
  if (parameters.kind !== 'arrow') return sum(Object.values(parameters.values).map(bytesOf));
  return sum(parameters.batches.flatMap(({ columns }) => columns.map(arrayBytes)));
}

function bytesOf(value: ParameterValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  if (value instanceof Date || value instanceof FloatingNumber) return 0;
  return sum(Object.values(value).map((part: ParameterValue) => bytesOf(part) + 8));
}

function arrayBytes(array: ArrayData): number {
  return sum(array.buffers.map((buffer) => buffer?.length ?? 0)) + sum(array.children.map(arrayBytes));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
