import type { OptionValues } from '../../core/delta-options.ts';
import { parseOptions } from '../../core/delta-verbs.ts';
import { ArrowportError } from '../../errors.ts';

const MAX_OPTIONS_BYTES = 1024 * 1024;

/**
 * Reads a body of JSON options; an empty body stands for none. Throws MEDIA_TYPE_UNSUPPORTED, BODY_TOO_LARGE,
 * OPTION_INVALID, and what reading the chunks throws.
 */
export async function readJsonOptions(
  contentType: string | undefined,
  chunks: AsyncIterable<Uint8Array>,
): Promise<OptionValues> {
  const essence = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > MAX_OPTIONS_BYTES)
      throw new ArrowportError('BODY_TOO_LARGE', `Options may have ${MAX_OPTIONS_BYTES} bytes.`);
    parts.push(chunk);
  }
  if (length > 0 && essence !== 'application/json' && essence !== '')
    throw new ArrowportError('MEDIA_TYPE_UNSUPPORTED', 'The options of this route are application/json.');
  return parseOptions(Buffer.concat(parts));
}
