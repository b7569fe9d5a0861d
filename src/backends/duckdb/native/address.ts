import koffi from 'koffi';

const bases = new WeakMap<ArrayBufferLike, bigint>();

/**
 * Where a view's first byte stands in memory. Holds as long as the view's buffer is referenced: V8 never moves the
 * backing store of an ArrayBuffer.
 */
export function addressOf(view: Uint8Array): bigint {
  let base = bases.get(view.buffer);
  if (base === undefined) {
    base = koffi.address(view) - BigInt(view.byteOffset);
    bases.set(view.buffer, base);
  }
  return base + BigInt(view.byteOffset);
}
