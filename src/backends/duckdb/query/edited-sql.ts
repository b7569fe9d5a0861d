interface Edit {
  /** Bytes of the original. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Bytes of the text. */
  readonly length: number;
}

/** A statement with some of its parts replaced, which knows where the rest stood. */
export class EditedSql {
  readonly original: string;
  readonly #edits: Edit[] = [];
  #isSorted = true;

  constructor(original: string) {
    this.original = original;
  }

  /** Replaces a part, given in bytes of the original. Parts must not overlap. */
  replace(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text, length: Buffer.byteLength(text) });
    this.#isSorted = false;
  }

  get text(): string {
    const bytes = Buffer.from(this.original, 'utf8');
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { start, end, text } of this.#sorted()) {
      parts.push(bytes.subarray(from, start), Buffer.from(text, 'utf8'));
      from = end;
    }
    parts.push(bytes.subarray(from));
    return Buffer.concat(parts).toString('utf8');
  }

  /** The byte of the original that a byte of the text comes from: of a replaced part, its start. */
  readonly locate = (byte: number): number => {
    let shift = 0;
    for (const { start, end, length } of this.#sorted()) {
      if (byte < start + shift) break;
      if (byte < start + shift + length) return start;
      shift += length - (end - start);
    }
    return byte - shift;
  };

  #sorted(): readonly Edit[] {
    if (!this.#isSorted) this.#edits.sort((one, other) => one.start - other.start);
    this.#isSorted = true;
    return this.#edits;
  }
}
