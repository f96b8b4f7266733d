import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import {
  type AsyncDatagramListener,
  BusyResourceError,
  ClosedResourceError,
  type InetAddress,
  InvalidStateError,
  newBuiltinBackend,
  SocketAttribute,
  type UnixPath,
} from '#lib/index';
import { expectNoLeaks } from '../../../support/fds';
import { shortSocketPath } from '../../../support/socket-path';
import { rejection } from '../../concurrency/fixture';

expectNoLeaks();

const native = nativeBinding();
const backend = newBuiltinBackend('native');
const {
  UV_EAGAIN: EAGAIN = 0,
  UV_ENOMEM: ENOMEM = 0,
  UV_ECONNREFUSED: ECONNREFUSED = 0,
  UV_EBADF: EBADF = 0,
  UV_EMSGSIZE: EMSGSIZE = 0,
} = native.constants;

afterEach(() => vi.restoreAllMocks());

async function pair(): Promise<{
  listener: AsyncDatagramListener<InetAddress>;
  receiver: AsyncDatagramListener<InetAddress>;
  to: InetAddress;
}> {
  const [listener] = await backend.createUdpListeners('127.0.0.1', 0);
  const [receiver] = await backend.createUdpListeners('127.0.0.1', 0);
  return {
    listener: listener!,
    receiver: receiver!,
    to: receiver!.extra(SocketAttribute.localAddress) as InetAddress,
  };
}

/** The next `count` datagrams. */
async function receive(
  receiver: AsyncDatagramListener<InetAddress>,
  count: number,
): Promise<string[]> {
  const texts: string[] = [];
  const scope = backend.openCancelScope();
  await scope.run(() =>
    receiver.serve((data) => {
      if (texts.push(Buffer.from(data).toString()) === count) scope.cancel();
    }),
  );
  return texts;
}

/**
 * Simulates a full send buffer: until it is opened, sendto(2) returns EAGAIN, and the socket is not
 * writable.
 */
function fullBuffer(): { open: () => void } {
  const { sendto } = native;
  let isFull = true;
  vi.spyOn(native, 'sendto').mockImplementation((...args) => (isFull ? EAGAIN : sendto(...args)));
  // epoll reports the socket as writable, so the queue tries again and again. With a real full
  // buffer there would be no such event.
  return {
    open: () => {
      isFull = false;
    },
  };
}

const packets = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(String(i)));

describe('sendTo of a UDP listener whose send buffer is full', () => {
  it('waits, for many tasks at once, and sends in order', async () => {
    const { listener, receiver, to } = await pair();
    const { open } = fullBuffer();
    const sending = packets(5).map((packet) => listener.sendTo(packet, to));
    open();
    wake(listener);
    await Promise.all(sending);
    expect(await receive(receiver, 5)).toEqual(['0', '1', '2', '3', '4']);
    await listener.aclose();
    await receiver.aclose();
  });

  it('does not send if it is cancelled, at any place of the queue', async () => {
    const { listener, receiver, to } = await pair();
    const { open } = fullBuffer();
    const scopes = packets(5).map(() => backend.openCancelScope());
    const sending = packets(5).map((packet, i) =>
      scopes[i]!.run(() => listener.sendTo(packet, to)),
    );
    for (const i of [0, 2, 4]) scopes[i]!.cancel();
    await Promise.all([sending[0], sending[2], sending[4]]);
    open();
    wake(listener);
    await Promise.all(sending);
    expect(await receive(receiver, 2)).toEqual(['1', '3']);
    await listener.aclose();
    await receiver.aclose();
  });

  it('after all sends were cancelled, a close ends at once, and other sends may begin', async () => {
    const { listener, receiver, to } = await pair();
    const { open } = fullBuffer();
    const scope = backend.openCancelScope();
    const sending = scope.run(() => listener.sendTo(Buffer.from('x'), to));
    const socket = listener.extra(SocketAttribute.socket);
    expect(await rejection(socket.writable())).toBeInstanceOf(BusyResourceError);
    scope.cancel();
    await sending;
    await socket.writable();
    open();
    await listener.sendTo(Buffer.from('y'), to);
    expect(await receive(receiver, 1)).toEqual(['y']);
    await listener.aclose();
    await receiver.aclose();
  });

  it('a graceful close sends what waits, and rejects new sends; a cancelled close rejects what waits', async () => {
    const { listener, receiver, to } = await pair();
    const { open } = fullBuffer();
    const sending = packets(3).map((packet) => listener.sendTo(packet, to));
    const closing = listener.aclose();
    expect(await rejection(listener.sendTo(Buffer.from('late'), to))).toBeInstanceOf(
      ClosedResourceError,
    );
    open();
    wake(listener);
    await Promise.all([...sending, closing]);
    expect(await receive(receiver, 3)).toEqual(['0', '1', '2']);

    const other = await pair();
    fullBuffer();
    const cut = packets(3).map((packet) => rejection(other.listener.sendTo(packet, other.to)));
    const scope = backend.openCancelScope();
    const abrupt = scope.run(() => other.listener.aclose());
    scope.cancel();
    await abrupt;
    for (const outcome of await Promise.all(cut))
      expect(outcome).toBeInstanceOf(ClosedResourceError);
    for (const end of [receiver, other.receiver]) await end.aclose();
  });

  it('an error rejects one send, and the others are sent', async () => {
    const { listener, receiver, to } = await pair();
    const { open } = fullBuffer();
    const good = listener.sendTo(Buffer.from('0'), to);
    const tooLarge = rejection(listener.sendTo(new Uint8Array(70_000), to));
    const gone = new Uint8Array(4);
    const detached = rejection(listener.sendTo(gone, to));
    const alsoGood = listener.sendTo(Buffer.from('1'), to);
    structuredClone(gone, { transfer: [gone.buffer] });
    open();
    wake(listener);
    await Promise.all([good, alsoGood]);
    expect(await tooLarge).toMatchObject({ code: 'EMSGSIZE', port: to.port });
    expect(await detached).toBeInstanceOf(TypeError);
    expect(await receive(receiver, 2)).toEqual(['0', '1']);
    await listener.aclose();
    await receiver.aclose();
  });
});

/** Delivers the event that the kernel sends when there is room. */
function wake(listener: AsyncDatagramListener<InetAddress>): void {
  (listener as unknown as { descriptor: { notify(events: number): void } }).descriptor.notify(2);
}

describe('serve of a datagram listener', () => {
  it('warns of the error of an earlier send, and goes on', async () => {
    const { listener, receiver, to } = await pair();
    const { recvmmsg } = native;
    const codes = [ECONNREFUSED, ENOMEM, ENOMEM];
    vi.spyOn(native, 'recvmmsg').mockImplementation(
      (...args) => codes.shift() ?? recvmmsg(...args),
    );
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await listener.sendTo(Buffer.from('x'), to);
    expect(await receive(receiver, 1)).toEqual(['x']);
    expect(
      warned.mock.calls.map(([message, options]) => [
        message,
        (options as { code: string; detail: string }).code,
        (options as { detail: string }).detail,
      ]),
    ).toEqual([
      [expect.stringContaining('recvmmsg ECONNREFUSED'), 'SOCKSCOPE_RECEIVE', 'ECONNREFUSED'],
      [expect.stringContaining('recvmmsg ENOMEM'), 'SOCKSCOPE_RECEIVE', 'ENOMEM'],
      [expect.stringContaining('recvmmsg ENOMEM'), 'SOCKSCOPE_RECEIVE', 'ENOMEM'],
    ]);
    await listener.aclose();
    await receiver.aclose();
  });

  it('handles whole datagrams, and warns of truncated ones', async () => {
    const { listener, receiver, to } = await pair();
    for (const packet of packets(3)) await listener.sendTo(packet, to);
    const { recvmmsg } = native;
    vi.spyOn(native, 'recvmmsg').mockImplementationOnce((...args) => {
      const count = recvmmsg(...args);
      args[4][1] = EMSGSIZE;
      return count;
    });
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    expect(await receive(receiver, 2)).toEqual(['0', '2']);
    await listener.sendTo(Buffer.from('3'), to);
    expect(await receive(receiver, 1)).toEqual(['3']);
    expect(warned.mock.calls).toMatchObject([
      [expect.stringContaining('EMSGSIZE'), { code: 'SOCKSCOPE_RECEIVE', detail: 'EMSGSIZE' }],
    ]);
    await listener.aclose();
    await receiver.aclose();
  });

  it('receives Unix datagrams in order, empty ones and ones longer than any UDP datagram', async () => {
    const receiver = await backend.createUnixDatagramListener(shortSocketPath());
    const listener = await backend.createUnixDatagramListener(shortSocketPath());
    const to = receiver.extra(SocketAttribute.localAddress) as UnixPath;
    const sizes = [0, 100_000, 0, 1, 2048, 2049, 0];
    const seen: [number, UnixPath][] = [];
    for (let round = 0; round < 2; round++) {
      const scope = backend.openCancelScope();
      const serving = scope.run(() =>
        receiver.serve((data, address) => {
          if (seen.push([data.length, address]) % sizes.length === 0) scope.cancel();
        }),
      );
      for (const size of sizes) await listener.sendTo(new Uint8Array(size), to);
      await serving;
    }
    const from = listener.extra(SocketAttribute.localAddress) as UnixPath;
    expect(seen).toEqual([...sizes, ...sizes].map((size) => [size, from]));
    await listener.aclose();
    await receiver.aclose();
  });

  it('ends when the socket itself ends', async () => {
    const { listener, receiver } = await pair();
    vi.spyOn(native, 'recvmmsg').mockReturnValue(EBADF);
    expect(await rejection(listener.serve(() => undefined))).toMatchObject({ code: 'EBADF' });
    await listener.aclose();
    await receiver.aclose();
  });
});

describe('a batch of datagrams', () => {
  /** Sends `count` datagrams, which one receive returns. */
  async function waiting(count: number): Promise<AsyncDatagramListener<InetAddress>> {
    const { listener, receiver, to } = await pair();
    for (const packet of packets(count)) await listener.sendTo(packet, to);
    await listener.aclose();
    return receiver;
  }

  it('is left to the next serve, if one of its handlers cancels this one', async () => {
    const receiver = await waiting(5);
    expect(await receive(receiver, 2)).toEqual(['0', '1']);
    expect(await receive(receiver, 1)).toEqual(['2']);
    expect(await receive(receiver, 2)).toEqual(['3', '4']);
    await receiver.aclose();
  });

  it('is left to the next serve, if the group has ended', async () => {
    const receiver = await waiting(3);
    const ended = backend.createTaskGroup();
    await ended.run(() => undefined);
    expect(await rejection(receiver.serve(() => undefined, ended))).toBeInstanceOf(
      InvalidStateError,
    );
    expect(await receive(receiver, 3)).toEqual(['0', '1', '2']);
    await receiver.aclose();
  });

  it('is not handed to a serve that is cancelled, and is dropped when the listener closes', async () => {
    const receiver = await waiting(3);
    expect(await receive(receiver, 1)).toEqual(['0']);
    const scope = backend.openCancelScope();
    const seen: string[] = [];
    scope.cancel();
    await scope.run(() => receiver.serve((data) => void seen.push(Buffer.from(data).toString())));
    expect(seen).toEqual([]);
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        receiver.serveWithAncillary((data, ancillary, { port }) => {
          seen.push(`${Buffer.from(data).toString()} ${JSON.stringify(ancillary)} ${typeof port}`);
          group.cancelScope.cancel();
        }, 0),
      );
    });
    expect(seen).toEqual(['1 {} number']);
    await receiver.aclose();
    expect(await rejection(receiver.serve(() => undefined))).toBeInstanceOf(ClosedResourceError);
  });

  it('is handled in order, when a limit and cancellations cut it up', async () => {
    const receiver = await waiting(20);
    const seen: string[] = [];
    const take = async (most: number, limit: number): Promise<void> => {
      receiver.maxConcurrentHandlers = limit;
      const scope = backend.openCancelScope();
      let taken = 0;
      await scope.run(() =>
        receiver.serve((data) => {
          seen.push(Buffer.from(data).toString());
          if (++taken === most) scope.cancel();
        }),
      );
    };
    // The first step takes all. The next ones take two, of which the last puts one back.
    await take(1, 32);
    await take(1, 2);
    await take(4, 3);
    await take(3, 2);
    const ended = backend.createTaskGroup();
    await ended.run(() => undefined);
    expect(await rejection(receiver.serve(() => undefined, ended))).toBeInstanceOf(
      InvalidStateError,
    );
    await take(11, 4);
    expect(seen).toEqual(packets(20).map(String));
    await receiver.aclose();
  });

  it('is handled whole if only the group of the handlers is cancelled', async () => {
    const receiver = await waiting(3);
    const group = backend.createTaskGroup();
    const scope = backend.openCancelScope();
    const seen: string[] = [];
    const handled = backend.createEvent();
    const running = group.run(() => backend.ignoreCancellation(() => handled.wait()));
    group.cancelScope.cancel();
    await scope.run(() =>
      receiver.serve((data) => {
        if (seen.push(Buffer.from(data).toString()) === 3) scope.cancel();
      }, group),
    );
    expect(seen).toEqual(['0', '1', '2']);
    handled.set();
    await running;
    await receiver.aclose();
  });
});
