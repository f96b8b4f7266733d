import { describe, expect, it } from 'vitest';
import {
  BaseDatagramListener,
  BaseListener,
  BaseStreamReadTransport,
  BusyResourceError,
  CancelledError,
  ClosedResourceError,
  newBuiltinBackend,
  type TaskGroup,
  UnsupportedOperationError,
} from '#lib/index';
import { rejection } from '../concurrency/fixture';

const backend = newBuiltinBackend('node');

class Empty extends BaseStreamReadTransport {
  constructor() {
    super(backend);
  }
  async recvInto(): Promise<number> {
    return 0;
  }
}

/** Gives the queued items, and waits when there are none. */
class Queue<T> {
  readonly items: T[];
  readonly closed = backend.createEvent();

  constructor(items: T[]) {
    this.items = items;
  }

  async take(): Promise<T> {
    await backend.coroYield();
    const item = this.items.shift();
    if (item !== undefined) return item;
    await this.closed.wait();
    throw new ClosedResourceError('closed');
  }
}

class Acceptor extends BaseListener<Empty> {
  readonly queue: Queue<Empty>;

  constructor(...transports: Empty[]) {
    super(backend);
    this.queue = new Queue(transports);
  }

  protected override accept(): Promise<Empty> {
    return this.queue.take();
  }

  protected override close(): void {
    this.queue.closed.set();
  }
}

class Receiver extends BaseDatagramListener<string> {
  readonly queue: Queue<{ data: Uint8Array; address: string }>;

  constructor(...names: string[]) {
    super(backend);
    this.queue = new Queue(names.map((address) => ({ data: Buffer.from(address), address })));
  }

  protected override receive(): Promise<{ data: Uint8Array; address: string }> {
    return this.queue.take();
  }

  protected override close(): void {
    this.queue.closed.set();
  }

  async sendTo(): Promise<void> {
    await backend.coroYield();
  }
}

describe('BaseListener', () => {
  it('starts a handler for each transport, until it is closed', async () => {
    const transports = [new Empty(), new Empty()];
    const acceptor = new Acceptor(...transports);
    const seen: Empty[] = [];
    const error = await rejection(
      acceptor.serve(async (transport) => {
        seen.push(transport);
        if (seen.length === 2) await acceptor.aclose();
      }),
    );
    expect(seen).toEqual(transports);
    expect(error).toBeInstanceOf(ClosedResourceError);
  });

  it('closes the transport of a handler that fails', async () => {
    const transport = new Empty();
    const defect = new Error('planted');
    const error = await rejection(
      new Acceptor(transport).serve(() => {
        throw defect;
      }),
    );
    expect((error as AggregateError).errors).toEqual([defect]);
    expect(transport.isClosing()).toBe(true);
  });

  it('closes a transport that its group does not take, and rejects', async () => {
    const transport = new Empty();
    const closedGroup = backend.createTaskGroup();
    await closedGroup.run(() => undefined);
    expect(
      await rejection(new Acceptor(transport).serve(async () => undefined, closedGroup)),
    ).toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(transport.isClosing()).toBe(true);
  });

  it('serves once at a time, and again after a cancellation', async () => {
    const acceptor = new Acceptor();
    const scope = backend.openCancelScope();
    await scope.run(() =>
      backend.createTaskGroup().run(async (group) => {
        await group.start(() => acceptor.serve(async () => undefined));
        expect(await rejection(acceptor.serve(async () => undefined))).toBeInstanceOf(
          BusyResourceError,
        );
        scope.cancel();
      }),
    );
    expect([scope.cancelledCaught(), acceptor.isClosing()]).toEqual([true, false]);
    const transport = new Empty();
    acceptor.queue.items.push(transport);
    await rejection(acceptor.serve(() => acceptor.aclose()));
    expect(acceptor.queue.items).toEqual([]);
  });

  it('accepts no transport at its limit, and ends there when it is closed', async () => {
    const transports = Array.from({ length: 5 }, () => new Empty());
    const acceptor = new Acceptor(...transports);
    const ends = backend.createEvent();
    await backend.createTaskGroup().run(async (group) => {
      let running = 0;
      const handler = async (): Promise<void> => {
        running++;
        await ends.wait();
      };
      const served = rejection(acceptor.serve(handler, { group, maxConnections: 2 }));
      for (let i = 0; i < 20; i++) await backend.coroYield();
      expect([running, acceptor.queue.items.length]).toEqual([2, 3]);
      await acceptor.aclose();
      expect(await served).toBeInstanceOf(ClosedResourceError);
      expect(running).toBe(2);
      ends.set();
    });
  });

  it('closes after a handler, and ignores the errors of peers, as it is asked to', async () => {
    const transports = Array.from({ length: 3 }, () => new Empty());
    const acceptor = new Acceptor(...transports);
    const errors = [Object.assign(new Error('reset'), { code: 'ECONNRESET' }), new Error('defect')];
    const told: unknown[] = [];
    await rejection(
      acceptor.serve(
        async () => {
          const error = errors.shift();
          if (error !== undefined) throw error;
          void acceptor.aclose();
        },
        { closeAfter: true, onPeerError: 'ignore', onError: (...args) => told.push(args) },
      ),
    );
    expect(told).toEqual([[expect.objectContaining({ message: 'defect' }), transports[1]]]);
    expect(transports.map((transport) => transport.isClosing())).toEqual([true, true, true]);
  });

  it('rejects with a TypeError for a handler or a group of the wrong kind', async () => {
    const acceptor = new Acceptor();
    expect(await rejection(acceptor.serve(undefined as never))).toBeInstanceOf(TypeError);
    for (const options of [null, 5, 'x', { group: {} }, { group: null }])
      expect(
        await rejection(acceptor.serve(async () => undefined, options as never)),
      ).toBeInstanceOf(TypeError);
  });
});

describe('BaseDatagramListener', () => {
  it('starts a handler for each datagram, in order', async () => {
    const receiver = new Receiver('a', 'b');
    const seen: string[] = [];
    await rejection(
      receiver.serve(async (data, address) => {
        seen.push(`${String(data)} from ${address}`);
        if (seen.length === 2) await receiver.aclose();
      }),
    );
    expect(seen).toEqual(['a from a', 'b from b']);
  });

  it('keeps a datagram that its group does not take for the next call', async () => {
    const receiver = new Receiver('a');
    const closedGroup = backend.createTaskGroup();
    await closedGroup.run(() => undefined);
    await rejection(receiver.serve(async () => undefined, closedGroup));
    const seen: string[] = [];
    await rejection(
      receiver.serve(async (_data, address) => {
        seen.push(address);
        await receiver.aclose();
      }),
    );
    expect(seen).toEqual(['a']);
  });

  it('receives nothing at its limit, also in a custom group, and ends there when it is closed', async () => {
    for (const makeGroup of [
      (group: TaskGroup) => group,
      (group: TaskGroup) => ({
        startSoon: (fn: () => unknown) => group.startSoon(async () => fn()),
      }),
    ]) {
      const receiver = new Receiver('a', 'b', 'c', 'd');
      receiver.maxConcurrentHandlers = 2;
      const seen: string[] = [];
      await backend.createTaskGroup().run(async (group) => {
        const served = rejection(
          receiver.serve(
            async (_data, address) => {
              seen.push(address);
              if (address === 'a') return;
              await backend.sleepForever();
            },
            makeGroup(group) as TaskGroup,
          ),
        );
        for (let i = 0; i < 20; i++) await backend.coroYield();
        expect(seen).toEqual(['a', 'b', 'c']);
        await receiver.aclose();
        expect(await served).toBeInstanceOf(ClosedResourceError);
        group.cancelScope.cancel();
      });
    }
  });

  it('is cancelled without effect, and has no control messages', async () => {
    const receiver = new Receiver('a');
    const scope = backend.openCancelScope();
    scope.cancel();
    await scope.run(async () => {
      expect(await rejection(receiver.serve(async () => undefined))).toBeInstanceOf(CancelledError);
    });
    expect(receiver.queue.items).toHaveLength(1);
    for (const call of [
      () => receiver.serveWithAncillary(async () => undefined, 0),
      () => receiver.sendWithAncillaryTo(Buffer.alloc(1), {}, 'a'),
    ])
      expect(await rejection(call())).toBeInstanceOf(UnsupportedOperationError);
  });
});
