import { describe, expect, it } from 'vitest';
import {
  type AsyncBaseTransport,
  AttributeLookupError,
  type AttributeGetters,
  BaseStreamTransport,
  BaseTransport,
  type Bytes,
  CancelledError,
  ClosedResourceError,
  newBuiltinBackend,
  type TypedAttribute,
  typedAttribute,
  UnsupportedOperationError,
} from '#lib/index';
import { bytesOf } from '#lib/arguments/buffers';
import { rejection } from '../concurrency/fixture';

const backend = newBuiltinBackend('node');

/** Receives the given bytes, `step` at a time, and keeps what was sent. */
class Tape extends BaseStreamTransport {
  readonly sent: Bytes[] = [];
  closed = 0;
  /** What the next `recvInto` resolves to, whatever it wrote. */
  lie: number | null = null;
  #left: Uint8Array;
  readonly #step: number;

  constructor(content = '', step = Infinity) {
    super(backend);
    this.#left = Buffer.from(content);
    this.#step = step;
  }

  async recvInto(buffer: Bytes): Promise<number> {
    await backend.coroYield();
    const count = Math.min(this.#left.length, this.#step, buffer.byteLength);
    bytesOf(buffer).set(this.#left.subarray(0, count));
    this.#left = this.#left.subarray(count);
    return this.lie ?? count;
  }

  async sendAll(data: Bytes): Promise<void> {
    await backend.coroYield();
    this.sent.push(data);
  }

  async sendEof(): Promise<void> {
    await backend.coroYield();
  }

  protected override close(): void {
    this.closed++;
  }
}

const text = (data: Bytes | undefined): string => Buffer.from(bytesOf(data!)).toString();

/** What a call in a cancelled scope rejects with. */
async function cancelledIn(call: () => Promise<unknown>): Promise<unknown> {
  const scope = backend.openCancelScope();
  scope.cancel();
  let error: unknown;
  await scope.run(async () => {
    error = await rejection(call());
  });
  return error;
}

describe('BaseStreamTransport.recv', () => {
  it('returns what recvInto wrote, at most bufsize bytes, and an empty array at the end', async () => {
    const tape = new Tape('abcdef', 4);
    expect(text(await tape.recv(3))).toBe('abc');
    expect(text(await tape.recv(100))).toBe('def');
    for (let i = 0; i < 2; i++) expect(await tape.recv(100)).toEqual(new Uint8Array(0));
  });

  it('keeps little memory alive for a short result, and allocates 1 MiB at most', async () => {
    const tape = new Tape('abc');
    expect((await tape.recv(65_536)).buffer.byteLength).toBeLessThan(10);
    expect((await new Tape('x'.repeat(2 ** 21)).recv(2 ** 31 - 1)).length).toBe(2 ** 20);
  });

  it('resolves to an empty array for 0 bytes, and receives nothing', async () => {
    const tape = new Tape('abc');
    expect(await tape.recv(0)).toEqual(new Uint8Array(0));
    expect(text(await tape.recv(5))).toBe('abc');
  });

  it('rejects for sizes that are not integers >= 0', async () => {
    const tape = new Tape('abc');
    for (const size of [-1, 0.5, NaN, 2 ** 31])
      expect(await rejection(tape.recv(size))).toBeInstanceOf(RangeError);
    expect(await rejection(tape.recv('5' as never))).toBeInstanceOf(TypeError);
    expect(text(await tape.recv(5))).toBe('abc');
  });

  it('rejects with a RangeError if recvInto resolves to an impossible count', async () => {
    const tape = new Tape('abc');
    for (const lie of [-1, 11, 1.5]) {
      tape.lie = lie;
      const error = (await rejection(tape.recv(10))) as Error;
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toContain('recvInto()');
    }
  });
});

describe('BaseStreamTransport.recvIntoMany', () => {
  it('receives into the first buffer that is not empty, of any kind of view', async () => {
    const tape = new Tape('abcdefghij12345678');
    const view = new DataView(new ArrayBuffer(6), 1, 4);
    expect(await tape.recvIntoMany([new Uint8Array(0), view, new Uint8Array(5)])).toBe(4);
    expect(Buffer.from(view.buffer).toString()).toBe('\0abcd\0');
    const floats = new Float64Array(1);
    expect(await tape.recvIntoMany([floats])).toBe(8);
    expect(text(floats)).toBe('efghij12');
  });

  it('resolves to 0 at the end, and at once if there is no room', async () => {
    expect(await new Tape().recvIntoMany([Buffer.alloc(5)])).toBe(0);
    const tape = new Tape('abc');
    expect(await tape.recvIntoMany([])).toBe(0);
    expect(await tape.recvIntoMany([new Uint8Array(0)])).toBe(0);
    expect(text(await tape.recv(5))).toBe('abc');
  });

  it('rejects with a TypeError for anything but an array of views', async () => {
    for (const value of [undefined, Buffer.alloc(1), ['x'], [new ArrayBuffer(1)]])
      expect(await rejection(new Tape('a').recvIntoMany(value as never))).toBeInstanceOf(TypeError);
  });
});

describe('BaseStreamTransport.sendAllFromIterable', () => {
  it('sends all bytes by one sendAll, in order, whatever their views', async () => {
    const tape = new Tape();
    const floats = new Float64Array(Uint8Array.from(Buffer.from('01234567')).buffer);
    const view = new DataView(Uint8Array.from(Buffer.from('xabx')).buffer, 1, 2);
    await tape.sendAllFromIterable(new Set<Bytes>([floats, new Uint8Array(0), view]));
    expect(tape.sent.map(text)).toEqual(['01234567ab']);
  });

  it('does not copy a single buffer', async () => {
    const tape = new Tape();
    const only = Buffer.from('abc');
    await tape.sendAllFromIterable([new Uint8Array(0), only]);
    expect(tape.sent[0]).toBe(only);
  });

  it('calls sendAll with no bytes for no bytes: a checkpoint', async () => {
    const tape = new Tape();
    await tape.sendAllFromIterable([]);
    expect(tape.sent.map(text)).toEqual(['']);
  });

  it('reads the iterable to its end before it sends', async () => {
    const tape = new Tape();
    const defect = new Error('planted');
    const error = await rejection(
      tape.sendAllFromIterable(
        (function* () {
          yield Buffer.from('a');
          throw defect;
        })(),
      ),
    );
    expect([error, tape.sent]).toEqual([defect, []]);
  });

  it('rejects with a TypeError for anything but an iterable of views', async () => {
    const tape = new Tape();
    for (const value of [undefined, null, 5, 'text', [1], Buffer.from('a')])
      expect(await rejection(tape.sendAllFromIterable(value as never))).toBeInstanceOf(TypeError);
    expect(tape.sent).toEqual([]);
  });
});

describe('every method of a BaseStreamTransport', () => {
  it('is a checkpoint: in a cancelled scope it rejects and has no effect', async () => {
    const tape = new Tape('abc');
    const calls = [
      () => tape.recv(0),
      () => tape.recv(1),
      () => tape.recvIntoMany([]),
      () => tape.recvIntoMany([Buffer.alloc(1)]),
      () => tape.sendAllFromIterable([]),
      () => tape.sendAllFromIterable([Buffer.alloc(1)]),
    ];
    for (const call of calls) expect(await cancelledIn(call)).toBeInstanceOf(CancelledError);
    expect([text(await tape.recv(5)), tape.sent]).toEqual(['abc', []]);
  });

  it('is unsupported with control messages', async () => {
    const tape = new Tape('abc');
    const calls = [
      () => tape.recvWithAncillary(1, 0),
      () => tape.recvWithAncillaryInto(Buffer.alloc(1), 0),
      () => tape.sendAllWithAncillary([], {}),
    ];
    for (const call of calls)
      expect(await rejection(call())).toBeInstanceOf(UnsupportedOperationError);
  });
});

/** A transport on others, with attributes of its own. */
class Wrapper extends BaseTransport {
  readonly #own: AttributeGetters;

  constructor(own: AttributeGetters = new Map(), ...wrapped: AsyncBaseTransport[]) {
    super(backend, wrapped);
    this.#own = own;
  }

  protected override attributes(): AttributeGetters {
    return this.#own;
  }
}

describe('BaseTransport', () => {
  it('closes by close(), and is closing from the first call on', async () => {
    const tape = new Tape();
    expect([tape.isClosing(), tape.backend()]).toEqual([false, backend]);
    const closing = tape.aclose();
    expect([tape.isClosing(), tape.closed]).toEqual([true, 1]);
    await closing;
    await tape[Symbol.asyncDispose]();
    for (const call of [() => tape.recv(0), () => tape.recvIntoMany([])])
      expect(await rejection(call())).toBeInstanceOf(ClosedResourceError);
  });

  it('closes in a cancelled scope, too, and then rejects', async () => {
    const tape = new Tape();
    expect(await cancelledIn(() => tape.aclose())).toBeInstanceOf(CancelledError);
    expect(tape.closed).toBe(1);
  });

  it('closes what it wraps, the last one first, all of it though one fails', async () => {
    const closed: string[] = [];
    const part = (name: string, error?: Error): AsyncBaseTransport =>
      Object.assign(new Tape(), {
        close: () => {
          closed.push(name);
          if (error !== undefined) throw error;
        },
      });
    await new Wrapper(undefined, part('one'), part('two')).aclose();
    expect(closed.splice(0)).toEqual(['two', 'one']);
    const defect = new Error('planted');
    const broken = new Wrapper(undefined, part('one'), part('two'), part('three', defect));
    expect(await rejection(broken.aclose())).toBe(defect);
    expect(closed.splice(0)).toEqual(['three', 'two', 'one']);
    const cancelled = new Wrapper(undefined, part('one'), part('two'));
    expect(await cancelledIn(() => cancelled.aclose())).toBeInstanceOf(CancelledError);
    expect(closed).toEqual(['two', 'one']);
  });

  it('is closing when everything that it wraps is', async () => {
    const parts = [new Tape(), new Tape()] as const;
    const wrapper = new Wrapper(undefined, ...parts);
    await parts[0].aclose();
    expect(wrapper.isClosing()).toBe(false);
    await parts[1].aclose();
    expect(wrapper.isClosing()).toBe(true);
    expect(new Wrapper().isClosing()).toBe(false);
  });

  it('looks an attribute up in itself, then in what it wraps, in order, then in the fallback', () => {
    const key = typedAttribute<string>('key');
    const having = (value: string): AttributeGetters =>
      new Map<TypedAttribute<unknown>, () => unknown>([[key, () => value]]);
    const failing = new Map<TypedAttribute<unknown>, () => unknown>([
      [
        key,
        () => {
          throw new Error('gone');
        },
      ],
    ]);
    const inner = new Wrapper(having('inner'));
    expect(new Wrapper(having('own'), inner).extra(key)).toBe('own');
    expect(new Wrapper(failing, inner).extra(key)).toBe('inner');
    expect(new Wrapper(undefined, new Wrapper(), inner).extra(key)).toBe('inner');
    expect(new Wrapper(undefined, new Wrapper()).extra(key, 'fallback')).toBe('fallback');
    expect(new Wrapper(failing).extra(key, 'fallback')).toBe('fallback');
    expect(() => new Wrapper(undefined, new Wrapper()).extra(key)).toThrow(AttributeLookupError);
    expect(() => new Wrapper(failing).extra(key)).toThrow('not available');
    expect(() => inner.extra(typedAttribute<string>('key'))).toThrow('does not have it');
  });
});
