import { describe, expect, it } from 'vitest';
import {
  BaseDatagramTransport,
  BaseDatagramWriteTransport,
  type Bytes,
  CancelledError,
  ClosedResourceError,
  newBuiltinBackend,
  UnsupportedOperationError,
} from '#lib/index';
import { bytesOf } from '#lib/arguments/buffers';
import { rejection } from '../concurrency/fixture';

const backend = newBuiltinBackend('node');

/** Receives the given packets, and keeps what was sent, until `limit` packets were. */
class Box extends BaseDatagramTransport {
  readonly sent: string[] = [];
  readonly #packets: string[];
  limit = Infinity;
  /** What a send beyond the limit does. */
  refuse: () => Promise<void> = () => Promise.reject(new Error('full'));

  constructor(...packets: string[]) {
    super(backend);
    this.#packets = packets;
  }

  async recv(): Promise<Uint8Array> {
    await backend.coroYield();
    return Buffer.from(this.#packets.shift() ?? '');
  }

  async send(data: Bytes): Promise<void> {
    await backend.coroYield();
    if (this.sent.length >= this.limit) await this.refuse();
    this.sent.push(Buffer.from(bytesOf(data)).toString());
  }
}

const packets = ['a', '', 'ccc'].map((packet) => Buffer.from(packet));

describe('BaseDatagramTransport', () => {
  it('receives into any view, empty datagrams too', async () => {
    const box = new Box('abcd', '', 'ef');
    const view = new DataView(new ArrayBuffer(8), 2, 4);
    expect(await box.recvInto(view)).toBe(4);
    expect(Buffer.from(view.buffer).toString()).toBe('\0\0abcd\0\0');
    expect(await box.recvInto(new Uint8Array(0))).toBe(0);
    expect(await box.recvInto(new Float64Array(1))).toBe(2);
  });

  it('loses a datagram that does not fit, with EMSGSIZE', async () => {
    const box = new Box('abc', 'd');
    expect(await rejection(box.recvInto(Buffer.alloc(2)))).toMatchObject({ code: 'EMSGSIZE' });
    expect(await box.recvInto(Buffer.alloc(2))).toBe(1);
  });

  it('receives one datagram by recvMany', async () => {
    const box = new Box('abc', 'd');
    expect((await box.recvMany(10)).map(String)).toEqual(['abc']);
    for (const max of [0, -1, 1.5])
      expect(await rejection(box.recvMany(max))).toBeInstanceOf(RangeError);
    expect((await box.recvMany(1)).map(String)).toEqual(['d']);
  });

  it('refuses what is not a view or not an array of views, and takes no datagram for it', async () => {
    const box = new Box('abc');
    for (const value of [undefined, 'text', new ArrayBuffer(5)]) {
      expect(await rejection(box.recvInto(value as never))).toBeInstanceOf(TypeError);
      expect(await rejection(box.sendMany([value] as never))).toBeInstanceOf(TypeError);
      expect(await rejection(box.sendMany(value as never))).toBeInstanceOf(TypeError);
    }
    expect([String(await box.recv()), box.sent]).toEqual(['abc', []]);
  });

  it('sends datagrams in order', async () => {
    const box = new Box();
    await box.sendMany(packets);
    expect(box.sent).toEqual(['a', '', 'ccc']);
  });

  it('counts the datagrams that were sent before one failed', async () => {
    const box = new Box();
    box.limit = 2;
    const error = await rejection(box.sendMany(packets));
    expect(error).toMatchObject({ message: 'full', packetsSent: 2 });
    box.limit = 0;
    expect(await rejection(box.sendMany(packets))).not.toHaveProperty('packetsSent');
  });

  it('counts the datagrams that were sent before a cancellation, which its scope stops', async () => {
    const box = new Box();
    box.limit = 1;
    const scope = backend.openCancelScope();
    box.refuse = () => {
      scope.cancel();
      return backend.coroYield();
    };
    let error: unknown;
    await scope.run(async () => {
      error = await rejection(box.sendMany(packets));
      throw error;
    });
    expect(error).toBeInstanceOf(CancelledError);
    expect(error).toMatchObject({ packetsSent: 1 });
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('has a checkpoint in every method, and refuses no work once closed', async () => {
    const box = new Box('abc');
    const scope = backend.openCancelScope();
    scope.cancel();
    await scope.run(async () => {
      for (const call of [
        () => box.recvInto(Buffer.alloc(5)),
        () => box.recvMany(1),
        () => box.sendMany([]),
        () => box.sendMany(packets),
      ])
        expect(await rejection(call())).toBeInstanceOf(CancelledError);
    });
    expect([String(await box.recv()), box.sent]).toEqual(['abc', []]);
    await box.aclose();
    expect(await rejection(box.sendMany([]))).toBeInstanceOf(ClosedResourceError);
  });

  it('has no control messages', async () => {
    const box = new Box('abc');
    for (const call of [
      () => box.recvWithAncillary(10),
      () => box.sendWithAncillary(Buffer.alloc(1), {}),
    ])
      expect(await rejection(call())).toBeInstanceOf(UnsupportedOperationError);
  });
});

describe('BaseDatagramWriteTransport', () => {
  it('sends many by send', async () => {
    class Sink extends BaseDatagramWriteTransport {
      count = 0;
      constructor() {
        super(backend);
      }
      async send(): Promise<void> {
        this.count++;
      }
    }
    const sink = new Sink();
    await sink.sendMany(packets);
    expect(sink.count).toBe(3);
  });
});
