import { type FileHandle, open } from 'node:fs/promises';
import type { FrameConnection } from '../../processes/frame-connection.ts';
import { isWireObject, readNumber, type WireObject } from './wire-values.ts';

/** Memory that the worker reads in place: what is written there needs no way through a socket. */
export interface SharedArena {
  /** The part of it that one load may use. */
  openShare(): ArenaShare;
  /** Whether it went with its worker. */
  readonly isClosed: boolean;
}

/** What one load has in the arena. */
export interface ArenaShare {
  /**
   * Writes parts one behind another; resolves with where they are, for the worker to be told, or with null where there
   * is no room or no arena any more. The place is free again when the worker has said so; `onFree` is called then.
   */
  write(parts: readonly Uint8Array[], bytes: number, onFree: () => void): Promise<WireObject | null>;
  /** From now on it takes less room: other loads wait for memory. */
  shrink(): void;
}

/** Bytes of all loads together, and of one. */
const ARENA_BYTES = 192 * 1024 * 1024;
const SHARE_BYTES = 96 * 1024 * 1024;
const SMALL_SHARE_BYTES = 16 * 1024 * 1024;
/** A load waits so long for what its own rows take, which the worker is writing, and for what others take. */
const OWN_PATIENCE_MS = 1000;
const OTHERS_PATIENCE_MS = 50;
/** Memory that nobody has used for so long is given back. */
const IDLE_MS = 10_000;
const ALIGNMENT = 4096;

/**
 * Takes over a connection on which the worker was asked for an arena of {@link ARENA_BYTES}. Resolves with null where
 * it has none to give, or its memory cannot be reached from here.
 */
export async function openSharedArena(connection: FrameConnection): Promise<SharedArena | null> {
  try {
    const frame = await connection.receive();
    const place = frame?.header['arena'];
    if (!isWireObject(place)) throw new Error('the worker has no arena');
    const descriptor = readNumber(place, 'fd');
    const file = await open(`/proc/${readNumber(place, 'pid')}/fd/${descriptor}`, 'r+');
    return new Arena(connection, file, descriptor);
  } catch {
    connection.close();
    return null;
  }
}

/** The arguments of the operation that asks for an arena. */
export const arenaArguments: WireObject = { size: ARENA_BYTES };

interface Taken {
  readonly end: number;
  onFree(): void;
}

class Arena implements SharedArena {
  readonly id: number;
  readonly #connection: FrameConnection;
  readonly #file: FileHandle;
  /** What is taken, by its start. */
  readonly #taken = new Map<number, Taken>();
  /** Gaps between what is taken, in order. */
  #gaps: { start: number; end: number }[] = [{ start: 0, end: ARENA_BYTES }];
  #waiting: (() => void)[] = [];
  #idle: NodeJS.Timeout | undefined;
  #trimming: Promise<void> | null = null;
  #closed = false;

  constructor(connection: FrameConnection, file: FileHandle, id: number) {
    this.#connection = connection;
    this.#file = file;
    this.id = id;
    void this.#listen();
  }

  openShare(): ArenaShare {
    return new Share(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#connection.close();
    for (const { onFree } of this.#taken.values()) onFree();
    this.#taken.clear();
    this.#wake();
    this.#file.close().catch(() => undefined);
  }

  /** The start of so many bytes; null where there are none in one piece. */
  take(bytes: number, onFree: () => void): number | null {
    const length = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const index = this.#gaps.findIndex(({ start, end }) => end - start >= length);
    const gap = this.#gaps[index];
    if (this.#closed || gap === undefined) return null;
    clearTimeout(this.#idle);
    const { start } = gap;
    gap.start += length;
    if (gap.start === gap.end) this.#gaps.splice(index, 1);
    this.#taken.set(start, { end: start + length, onFree });
    return start;
  }

  async fill(start: number, parts: readonly Uint8Array[], bytes: number): Promise<boolean> {
    try {
      await this.#trimming;
      const { bytesWritten } = await this.#file.writev(parts, start);
      if (bytesWritten === bytes) return true;
    } catch {
      // No memory for it, or the worker is gone: the rows find another way, or fail with their load.
    }
    this.#free(start);
    return false;
  }

  /** Resolves when something has come free, or after this time. */
  async room(patienceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patienceMs);
    this.#waiting.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  async #listen(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#connection.receive();
        const freed = frame?.header['freed'];
        if (!Array.isArray(freed)) break;
        for (const start of freed) this.#free(start);
        this.#wake();
      }
    } catch {
      // The worker is gone, and its memory with it.
    }
    this.close();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #free(start: number): void {
    const taken = this.#taken.get(start);
    if (taken === undefined) return;
    this.#taken.delete(start);
    taken.onFree();
    this.#addGap(start, taken.end);
    if (this.#taken.size > 0) return;
    this.#idle = setTimeout(() => this.#trim(), IDLE_MS);
    this.#idle.unref();
  }

  #addGap(start: number, end: number): void {
    const index = this.#gaps.findIndex((gap) => gap.start > start);
    const place = index === -1 ? this.#gaps.length : index;
    const before = this.#gaps[place - 1];
    const after = this.#gaps[place];
    const from = before?.end === start ? before.start : start;
    const to = after?.start === end ? after.end : end;
    const first = before?.end === start ? place - 1 : place;
    const count = (before?.end === start ? 1 : 0) + (after?.start === end ? 1 : 0);
    this.#gaps.splice(first, count, { start: from, end: to });
  }

  #trim(): void {
    if (this.#closed || this.#taken.size > 0) return;
    const trim = async () => {
      await this.#file.truncate(0);
      await this.#file.truncate(ARENA_BYTES);
    };
    this.#trimming = trim()
      .catch(() => this.close())
      .finally(() => {
        this.#trimming = null;
      });
  }
}

class Share implements ArenaShare {
  readonly #arena: Arena;
  #limit = SHARE_BYTES;
  #held = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  async write(parts: readonly Uint8Array[], bytes: number, onFree: () => void): Promise<WireObject | null> {
    const start = bytes === 0 ? null : await this.#take(bytes, onFree);
    if (start === null) return null;
    const filled = await this.#arena.fill(start, parts, bytes);
    return filled ? { arena: this.#arena.id, at: start } : null;
  }

  shrink(): void {
    this.#limit = SMALL_SHARE_BYTES;
  }

  async #take(bytes: number, onFree: () => void): Promise<number | null> {
    const begun = performance.now();
    for (;;) {
      const isFull = this.#held > 0 && this.#held + bytes > this.#limit;
      const start = isFull ? null : this.#arena.take(bytes, () => this.#end(bytes, onFree));
      if (start !== null) {
        this.#held += bytes;
        return start;
      }
      const left = begun + (isFull ? OWN_PATIENCE_MS : OTHERS_PATIENCE_MS) - performance.now();
      if (left <= 0 || this.#arena.isClosed || bytes > ARENA_BYTES) return null;
      await this.#arena.room(left);
    }
  }

  #end(bytes: number, onFree: () => void): void {
    this.#held -= bytes;
    onFree();
  }
}
