import { describe, expect, it } from 'vitest';
import {
  acloseForcefully,
  AttributeLookupError,
  type AsyncDatagramTransport,
  type AsyncStreamTransport,
  CancelledError,
  InvalidStateError,
  newBuiltinBackend,
  Socket,
  constants,
  SocketAttribute,
  StapledDatagramTransport,
  StapledStreamTransport,
  typedAttribute,
  UnsupportedOperationError,
} from '#lib/index';
import { expectNoLeaks } from '../../support/fds';
import { rejection } from '../concurrency/fixture';

expectNoLeaks();

const backend = newBuiltinBackend('native');
const text = (data: Uint8Array): string => Buffer.from(data).toString();

/** Two streams, each with its peer. */
async function streams(): Promise<
  [AsyncStreamTransport, AsyncStreamTransport, AsyncStreamTransport, AsyncStreamTransport]
> {
  const [a, b] = Socket.pair();
  const [c, d] = Socket.pair();
  return [
    await backend.wrapStreamSocket(a),
    await backend.wrapStreamSocket(b),
    await backend.wrapStreamSocket(c),
    await backend.wrapStreamSocket(d),
  ];
}

async function closeAll(transports: readonly { aclose(): Promise<void> }[]): Promise<void> {
  for (const transport of transports) await transport.aclose();
}

describe('StapledStreamTransport', () => {
  it('sends through one part and receives through the other, in every form', async () => {
    const [out, outPeer, back, backPeer] = await streams();
    const stapled = new StapledStreamTransport(out, back);
    await stapled.sendAll(Buffer.from('a'));
    await stapled.sendAllFromIterable([Buffer.from('b')]);
    await stapled.sendAllWithAncillary([Buffer.from('c')], {});
    expect(text(await outPeer.recv(10))).toBe('abc');
    await backPeer.sendAll(Buffer.from('12345'));
    expect(text(await stapled.recv(1))).toBe('1');
    const buffer = Buffer.alloc(1);
    for (const [receive, expected] of [
      [() => stapled.recvInto(buffer), '2'],
      [() => stapled.recvIntoMany([buffer]), '3'],
      [() => stapled.recvWithAncillaryInto(buffer, 0), '4'],
    ] as const) {
      await receive();
      expect(buffer.toString()).toBe(expected);
    }
    expect(text((await stapled.recvWithAncillary(1, 0)).data)).toBe('5');
    await stapled.sendEof();
    expect(out.isClosing()).toBe(false);
    await stapled.aclose();
    expect([out.isClosing(), back.isClosing(), stapled.isClosing()]).toEqual([true, true, true]);
    await closeAll([outPeer, backPeer]);
  });

  it('is closing only when both parts are', async () => {
    const all = await streams();
    const stapled = new StapledStreamTransport(all[0], all[2]);
    await all[0].aclose();
    expect(stapled.isClosing()).toBe(false);
    await all[2].aclose();
    expect(stapled.isClosing()).toBe(true);
    await closeAll(all);
  });

  it('closes a sending part that cannot send the end of the stream', async () => {
    for (const sendEof of [undefined, () => Promise.reject(new UnsupportedOperationError('no'))]) {
      const all = await streams();
      Object.assign(all[0], { sendEof });
      const stapled = new StapledStreamTransport(all[0], all[2]);
      await stapled.sendEof();
      expect([all[0].isClosing(), all[2].isClosing()]).toEqual([true, false]);
      await closeAll(all);
    }
    const all = await streams();
    const defect = new Error('planted');
    all[0].sendEof = () => Promise.reject(defect);
    expect(await rejection(new StapledStreamTransport(all[0], all[2]).sendEof())).toBe(defect);
    expect(all[0].isClosing()).toBe(false);
    await closeAll(all);
  });

  it('closes the second part even if the first fails or is cancelled', async () => {
    const all = await streams();
    const { aclose } = all[0];
    const defect = new Error('planted');
    all[0].aclose = () => Promise.reject(defect);
    expect(await rejection(new StapledStreamTransport(all[0], all[2]).aclose())).toBe(defect);
    expect(all[2].isClosing()).toBe(true);
    all[0].aclose = aclose;
    await closeAll(all);

    const others = await streams();
    const scope = backend.openCancelScope();
    scope.cancel();
    await scope.run(async () => {
      expect(
        await rejection(new StapledStreamTransport(others[0], others[2]).aclose()),
      ).toBeInstanceOf(CancelledError);
    });
    expect([others[0].isClosing(), others[2].isClosing()]).toEqual([true, true]);
    await closeAll(others);
  });

  it('has the attributes of both parts; where both have one, the receiving part’s', async () => {
    const all = await streams();
    const stapled = new StapledStreamTransport(all[0], all[2]);
    expect(stapled.extra(SocketAttribute.socket)).toBe(all[2].extra(SocketAttribute.socket));
    const own = typedAttribute<string>('own');
    expect(() => stapled.extra(own)).toThrow(AttributeLookupError);
    expect(stapled.extra(own, 'fallback')).toBe('fallback');
    const { extra } = all[0];
    all[0].extra = ((attribute: unknown, fallback: unknown) =>
      attribute === own
        ? 'of the sender'
        : extra.call(all[0], attribute as never, fallback as never)) as never;
    expect(stapled.extra(own)).toBe('of the sender');
    expect(stapled.backend()).toBe(backend);
    await stapled.aclose();
    await closeAll(all);
  });

  it('refuses parts of different backends', async () => {
    const all = await streams();
    const [foreign, peer] = Socket.pair();
    const stranger = await newBuiltinBackend('native').wrapStreamSocket(foreign);
    expect(() => new StapledStreamTransport(all[0], stranger)).toThrow(InvalidStateError);
    peer.close();
    await closeAll([...all, stranger]);
  });
});

describe('StapledDatagramTransport', () => {
  it('sends through one part and receives through the other, in every form', async () => {
    const pairs = [
      Socket.pair(constants['AF_UNIX'], constants['SOCK_DGRAM']),
      Socket.pair(constants['AF_UNIX'], constants['SOCK_DGRAM']),
    ];
    const parts: AsyncDatagramTransport[] = [];
    for (const socket of pairs.flat())
      parts.push(await backend.wrapConnectedDatagramSocket(socket));
    const [out, outPeer, back, backPeer] = parts as [
      AsyncDatagramTransport,
      AsyncDatagramTransport,
      AsyncDatagramTransport,
      AsyncDatagramTransport,
    ];
    await using stapled = new StapledDatagramTransport(out, back);
    await stapled.send(Buffer.from('a'));
    await stapled.sendWithAncillary(Buffer.from('b'), {});
    await stapled.sendMany([Buffer.from('c'), Buffer.from('d')]);
    expect((await outPeer.recvMany(10)).map(text)).toEqual(['a', 'b', 'c', 'd']);
    await backPeer.sendMany(['1', '2', '3', '4'].map((packet) => Buffer.from(packet)));
    expect(text(await stapled.recv())).toBe('1');
    expect(await stapled.recvInto(Buffer.alloc(5))).toBe(1);
    expect(text((await stapled.recvWithAncillary(0)).data)).toBe('3');
    expect((await stapled.recvMany(5)).map(text)).toEqual(['4']);
    await closeAll([outPeer, backPeer]);
  });
});

describe('acloseForcefully', () => {
  it('rejects with an error of aclose, and stops its own cancellation', async () => {
    const defect = new Error('planted');
    expect(
      await rejection(
        acloseForcefully({ backend: () => backend, aclose: () => Promise.reject(defect) }),
      ),
    ).toBe(defect);
    await acloseForcefully({ backend: () => backend, aclose: () => backend.sleepForever() });
  });
});
