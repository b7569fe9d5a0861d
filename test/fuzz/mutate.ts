import { findMessages, findScalars, type MessagePlace, type Scalar } from './ipc-anatomy.ts';
import type { Random } from './random.ts';
import type { Seed } from './seeds.ts';

/** A body that was changed, and how. */
export interface Mutant {
  readonly seed: string;
  readonly how: readonly string[];
  readonly bytes: Uint8Array;
}

const interesting: readonly bigint[] = [
  0n,
  1n,
  -1n,
  2n,
  3n,
  4n,
  7n,
  8n,
  12n,
  13n,
  16n,
  63n,
  64n,
  65n,
  127n,
  128n,
  255n,
  256n,
  32767n,
  65535n,
  65536n,
  2n ** 20n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 62n,
  -(2n ** 31n),
  -(2n ** 63n),
  2n ** 63n - 1n,
];

interface Anatomy {
  readonly messages: readonly MessagePlace[];
  readonly scalars: readonly Scalar[];
}

type Mutation = (bytes: Uint8Array, anatomy: Anatomy, random: Random, other: Uint8Array) => Uint8Array;

function writeNumber(bytes: Uint8Array, { position, size }: Scalar, value: bigint): void {
  if (position < 0 || position + size > bytes.byteLength) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 1) view.setUint8(position, Number(BigInt.asUintN(8, value)));
  else if (size === 2) view.setUint16(position, Number(BigInt.asUintN(16, value)), true);
  else if (size === 4) view.setUint32(position, Number(BigInt.asUintN(32, value)), true);
  else view.setBigInt64(position, BigInt.asIntN(64, value), true);
}

function readNumber(bytes: Uint8Array, { position, size }: Scalar): bigint {
  if (position < 0 || position + size > bytes.byteLength) return 0n;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 1) return BigInt(view.getUint8(position));
  if (size === 2) return BigInt(view.getUint16(position, true));
  return size === 4 ? BigInt(view.getUint32(position, true)) : view.getBigInt64(position, true);
}

/** Another value for a number: one that tends to hurt, or one near to what is there. */
function changeNumber(bytes: Uint8Array, scalar: Scalar, random: Random): void {
  const near = readNumber(bytes, scalar) + BigInt(random.below(17) - 8);
  writeNumber(bytes, scalar, random.below(3) === 0 ? near : random.pick(interesting));
}

function splice(bytes: Uint8Array, start: number, end: number, insert: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(end)]);
}

const mutations: Readonly<Record<string, Mutation>> = {
  metadata(bytes, { scalars }, random) {
    if (scalars.length > 0) changeNumber(bytes, random.pick(scalars), random);
    return bytes;
  },
  framing(bytes, { messages }, random) {
    if (messages.length === 0) return bytes;
    changeNumber(bytes, { position: random.pick(messages).start + 4 * random.below(2), size: 4 }, random);
    return bytes;
  },
  body(bytes, { messages }, random) {
    const bodies = messages.filter(({ body, end }) => end > body);
    if (bodies.length === 0) return bytes;
    const { body, end } = random.pick(bodies);
    const size = random.pick([1, 2, 4, 8] as const);
    changeNumber(
      bytes,
      { position: body + size * random.below(Math.ceil((end - body) / size)), size },
      random,
    );
    return bytes;
  },
  bit(bytes, _anatomy, random) {
    const position = random.below(bytes.byteLength);
    bytes[position] = (bytes[position] ?? 0) ^ (1 << random.below(8));
    return bytes;
  },
  byte(bytes, _anatomy, random) {
    bytes[random.below(bytes.byteLength)] = random.below(256);
    return bytes;
  },
  cut: (bytes, _anatomy, random) => bytes.subarray(0, random.below(bytes.byteLength + 1)),
  remove(bytes, _anatomy, random) {
    const start = random.below(bytes.byteLength);
    return splice(bytes, start, Math.min(bytes.byteLength, start + 1 + random.below(64)), new Uint8Array(0));
  },
  repeat(bytes, _anatomy, random) {
    const start = random.below(bytes.byteLength);
    const part = bytes.subarray(start, start + 1 + random.below(64));
    return splice(bytes, start, start, part);
  },
  messageTwice(bytes, { messages }, random) {
    if (messages.length === 0) return bytes;
    const { start, end } = random.pick(messages);
    return splice(bytes, start, start, bytes.subarray(start, end));
  },
  messageGone(bytes, { messages }, random) {
    if (messages.length === 0) return bytes;
    const { start, end } = random.pick(messages);
    return splice(bytes, start, end, new Uint8Array(0));
  },
  messageOfAnother(bytes, { messages }, random, other) {
    const others = findMessages(other);
    if (messages.length === 0 || others.length === 0) return bytes;
    const { start, end } = random.pick(messages);
    const stranger = random.pick(others);
    return splice(
      bytes,
      start,
      random.below(2) === 0 ? start : end,
      other.subarray(stranger.start, stranger.end),
    );
  },
};

const names = Object.keys(mutations);
/** Where the meaning is, most changes are made. */
const weighted = [...names, 'metadata', 'metadata', 'metadata', 'body', 'body', 'framing'];

/** Changes one of the seeds in one to three ways, most often in one; `random` alone decides. */
export function mutate(seeds: readonly Seed[], random: Random): Mutant {
  const seed = random.pick(seeds);
  const other = random.pick(seeds).bytes;
  let bytes: Uint8Array = Uint8Array.from(seed.bytes);
  const messages = findMessages(bytes);
  const anatomy: Anatomy = {
    messages,
    scalars: messages.length === 0 ? [] : findScalars(bytes, random.pick(messages)),
  };
  const how: string[] = [];
  const count = Math.max(1, random.below(6) - 2);
  for (let time = 0; time < count && bytes.byteLength > 0; time += 1) {
    const name = random.pick(weighted);
    how.push(name);
    bytes = mutations[name]?.(bytes, anatomy, random, other) ?? bytes;
  }
  return { seed: seed.name, how, bytes };
}
