import type { RowFormat } from '../../core/delta.ts';
import { ArrowportError } from '../../errors.ts';

/** How rows are sent. */
export interface RowAnswer {
  readonly mediaType: string;
  readonly format: RowFormat;
  /** Whether NDJSON is to become one JSON array. */
  readonly asArray: boolean;
  /** Compression of Arrow buffers. */
  readonly compression?: 'zstd' | 'lz4';
}

const ARROW = 'application/vnd.apache.arrow.stream';

/** The media types that rows are sent in, the default first. */
export const rowMediaTypes: readonly string[] = [
  ARROW,
  'application/json',
  'application/x-ndjson',
  'text/csv',
  'application/vnd.apache.parquet',
];

const FORMATS: Readonly<Record<string, RowFormat>> = {
  [ARROW]: 'arrow',
  'application/json': 'ndjson',
  'application/x-ndjson': 'ndjson',
  'text/csv': 'csv',
  'application/vnd.apache.parquet': 'parquet',
};

interface AcceptedRange {
  readonly type: string;
  readonly quality: number;
  readonly codecs: string;
}

/** Chooses the form of rows by an Accept header, by its qualities, then its order; Arrow without one. Throws NOT_ACCEPTABLE. */
export function chooseRowAnswer(accept: string | undefined): RowAnswer {
  const given = parseAccept(accept === undefined || accept.trim() === '' ? '*/*' : accept);
  const refused = new Set(given.filter(({ quality }) => quality === 0).map(({ type }) => type));
  const ranges = given.filter(({ quality }) => quality > 0).sort((a, b) => b.quality - a.quality);
  for (const range of ranges) {
    const mediaType = rowMediaTypes.find((type) => matches(range.type, type) && !refused.has(type));
    if (mediaType !== undefined) return createAnswer(mediaType, range.codecs);
  }
  throw new ArrowportError('NOT_ACCEPTABLE', `Rows are sent as ${rowMediaTypes.join(', ')}.`);
}

function createAnswer(mediaType: string, codecs: string): RowAnswer {
  const format = FORMATS[mediaType] ?? 'arrow';
  const asArray = mediaType === 'application/json';
  const codec = codecs.split(',').map((name) => name.trim());
  const compression = (['zstd', 'lz4'] as const).find((known) => known === codec.find(isCodec));
  return {
    mediaType,
    format,
    asArray,
    ...(compression === undefined || format !== 'arrow' ? {} : { compression }),
  };
}

function isCodec(name: string): boolean {
  return name === 'zstd' || name === 'lz4';
}

function parseAccept(header: string): readonly AcceptedRange[] {
  return splitOutsideQuotes(header, ',').map((range) => {
    const [type = '', ...parameters] = splitOutsideQuotes(range, ';');
    const values = new Map(
      parameters.map((parameter) => {
        const [name = '', value = ''] = parameter.split('=', 2);
        return [name.trim().toLowerCase(), value.trim().replace(/^"|"$/g, '')];
      }),
    );
    const quality = Number(values.get('q') ?? 1);
    return {
      type: type.trim().toLowerCase(),
      quality: Number.isFinite(quality) ? quality : 0,
      codecs: values.get('codecs') ?? '',
    };
  });
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): readonly string[] {
  const pattern = separator === ',' ? /(?:[^,"]|"[^"]*"?)+/g : /(?:[^;"]|"[^"]*"?)+/g;
  return text.match(pattern) ?? [];
}

function matches(range: string, type: string): boolean {
  return range === '*/*' || range === type || range === `${type.split('/', 1)[0]}/*`;
}
