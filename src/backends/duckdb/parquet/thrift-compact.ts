/**
 * A value of Thrift's compact protocol, kept with what is needed to write it again. Integers of all widths are bigints,
 * doubles and binaries stay bytes.
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
export type ThriftValue = boolean | bigint | Uint8Array | ThriftList | ThriftStruct;

/** A list; `element` is the protocol's number of its values' type. */
export interface ThriftList {
  readonly element: number;
  readonly values: ThriftValue[];
}

interface ThriftField {
  readonly type: number;
  value: ThriftValue;
}

/** A struct: its fields by their ids. */
export class ThriftStruct {
  readonly fields = new Map<number, ThriftField>();

  /** An integer field; undefined where it is absent or of another type. */
  integer(id: number): bigint | undefined {
    const value = this.fields.get(id)?.value;
    return typeof value === 'bigint' ? value : undefined;
  }

  /** A binary or text field; undefined where it is absent or of another type. */
  bytes(id: number): Uint8Array | undefined {
    const value = this.fields.get(id)?.value;
    return value instanceof Uint8Array ? value : undefined;
  }

  /** A struct field; undefined where it is absent or of another type. */
  struct(id: number): ThriftStruct | undefined {
    const value = this.fields.get(id)?.value;
    return value instanceof ThriftStruct ? value : undefined;
  }

  /** The values of a list field; none where it is absent. */
  list(id: number): readonly ThriftValue[] {
    const value = this.fields.get(id)?.value;
    return isList(value) ? value.values : [];
  }

  /** The structs in a list field. */
  structs(id: number): readonly ThriftStruct[] {
    return this.list(id).filter((value) => value instanceof ThriftStruct);
  }

  /** Sets an integer field, which keeps its width where it is there already. */
  setInteger(id: number, value: bigint, type: number = thriftTypes.i64): void {
    this.fields.set(id, { type: this.fields.get(id)?.type ?? type, value });
  }

  setStructs(id: number, values: readonly ThriftStruct[]): void {
    this.fields.set(id, {
      type: thriftTypes.list,
      value: { element: thriftTypes.struct, values: [...values] },
    });
  }
}

/** The protocol's numbers of types. */
export const thriftTypes = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const;

const wideList = 15;

/** Reads one struct. Throws RangeError where the bytes are none. */
export function readThriftStruct(bytes: Uint8Array): ThriftStruct {
  return new Reader(bytes).struct();
}

/** Writes a struct as it is read. */
export function writeThriftStruct(struct: ThriftStruct): Buffer {
  const writer = new Writer();
  writer.struct(struct);
  return writer.finish();
}

function isList(value: ThriftValue | undefined): value is ThriftList {
  return typeof value === 'object' && 'element' in value;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  struct(): ThriftStruct {
    const struct = new ThriftStruct();
    let id = 0;
    for (;;) {
      const head = this.#byte();
      if (head === 0) return struct;
      const step = head >> 4;
      id = step === 0 ? Number(this.#zigzag()) : id + step;
      const type = head & 0x0f;
      struct.fields.set(id, { type, value: this.#field(type) });
    }
  }

  #field(type: number): ThriftValue {
    if (type === thriftTypes.true) return true;
    if (type === thriftTypes.false) return false;
    return this.#value(type);
  }

  #value(type: number): ThriftValue {
    switch (type) {
      case thriftTypes.true:
      case thriftTypes.false:
        return this.#byte() === thriftTypes.true;
      case thriftTypes.byte:
        return BigInt(this.#byte());
      case thriftTypes.i16:
      case thriftTypes.i32:
      case thriftTypes.i64:
        return this.#zigzag();
      case thriftTypes.double:
        return this.#take(8);
      case thriftTypes.binary:
        return this.#take(Number(this.#varint()));
      case thriftTypes.list:
      case thriftTypes.set:
        return this.#list();
      case thriftTypes.struct:
        return this.struct();
      default:
        throw new RangeError(`Thrift type ${type} has no place in a Parquet footer.`);
    }
  }

  #list(): ThriftList {
    const head = this.#byte();
    const count = head >> 4 === wideList ? Number(this.#varint()) : head >> 4;
    const element = head & 0x0f;
    const values: ThriftValue[] = [];
    for (let index = 0; index < count; index += 1) values.push(this.#value(element));
    return { element, values };
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  #varint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError('A Parquet footer ends too early.');
    this.#at += 1;
    return byte;
  }

  #take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    if (taken.length !== length) throw new RangeError('A Parquet footer ends too early.');
    this.#at += length;
    return taken;
  }
}

class Writer {
  #bytes = Buffer.allocUnsafe(16 * 1024);
  #length = 0;

  struct(struct: ThriftStruct): void {
    let last = 0;
    for (const [id, { type, value }] of [...struct.fields].sort(([left], [right]) => left - right)) {
      const written = typeof value === 'boolean' ? (value ? thriftTypes.true : thriftTypes.false) : type;
      const step = id - last;
      if (step >= 1 && step <= 15) this.#byte((step << 4) | written);
      else {
        this.#byte(written);
        this.#zigzag(BigInt(id));
      }
      last = id;
      if (typeof value !== 'boolean') this.#value(type, value);
    }
    this.#byte(0);
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #value(type: number, value: ThriftValue): void {
    if (typeof value === 'boolean') this.#byte(value ? thriftTypes.true : thriftTypes.false);
    else if (typeof value === 'bigint') {
      if (type === thriftTypes.byte) this.#byte(Number(value));
      else this.#zigzag(value);
    } else if (value instanceof Uint8Array) {
      if (type === thriftTypes.binary) this.#varint(BigInt(value.length));
      this.#put(value);
    } else if (value instanceof ThriftStruct) this.struct(value);
    else this.#list(value);
  }

  #list({ element, values }: ThriftList): void {
    if (values.length < wideList) this.#byte((values.length << 4) | element);
    else {
      this.#byte((wideList << 4) | element);
      this.#varint(BigInt(values.length));
    }
    for (const value of values) this.#value(element, value);
  }

  #zigzag(value: bigint): void {
    this.#varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }

  #varint(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.#byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#byte(Number(rest));
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + length));
    this.#bytes.copy(wider, 0, 0, this.#length);
    this.#bytes = wider;
  }
}
