import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AsyncDatagramListener, type InetAddress, type UnixPath } from '#lib/index';
import {
  cancelSometime,
  ENOUGH,
  expectBoth,
  needsRound,
  rounds,
  serveForAWhile,
  type Tally,
} from './cancel-rounds';
import {
  backend,
  expectCleanEnd,
  portOf,
  pseudoRandom,
  python,
  shortSocketPath,
  track,
  until,
} from './native-kit';

expectCleanEnd();

describe(`${rounds} rounds of cancel-and-retry on datagrams`, () => {
  /**
   * Python sends numbered datagrams, at most 50 ahead of the acknowledged ones: the kernel then
   * drops none for lack of room.
   */
  const numberedSender = (unix: boolean): string => `
import random
s = socket.socket(socket.${unix ? 'AF_UNIX' : 'AF_INET'}, socket.SOCK_DGRAM)
${unix ? `s.bind(hear()); os.chdir('/')` : `s.bind(('127.0.0.1', 0)); say(s.getsockname()[1])`}
target = hear(); target = tuple(target) if isinstance(target, list) else target
s.connect(target); random.seed(4); number = acked = 0; s.settimeout(5)
while True:
    while number - acked >= 50:
        message = s.recv(8)
        acked = struct.unpack('>q', message)[0]
        if acked < 0: break
    if acked < 0: break
    s.send(struct.pack('>I', number) + b'x' * random.randrange(0, 300)); number += 1
    if random.random() < 0.2: time.sleep(random.random() * 0.0005)
say(number)`;

  const numberOf = (data: Uint8Array): number =>
    Buffer.from(data.buffer, data.byteOffset, data.length).readUInt32BE();

  function acknowledge(number: bigint): Buffer {
    const message = Buffer.alloc(8);
    message.writeBigInt64BE(number);
    return message;
  }

  it.each(['udp', 'unix'] as const)(
    'recv, recvInto and recvMany of a %s endpoint lose no packet',
    async (kind) => {
      const peer = python(numberedSender(kind === 'unix'));
      const [theirs, ours] = [shortSocketPath(), shortSocketPath()];
      let endpoint;
      if (kind === 'udp') {
        endpoint = track(await backend.createUdpEndpoint('127.0.0.1', await peer.hear<number>()));
        peer.tell(['127.0.0.1', portOf(endpoint)]);
      } else {
        peer.tell(theirs);
        await until(() => existsSync(theirs));
        endpoint = track(await backend.createUnixDatagramEndpoint(theirs, { localPath: ours }));
        peer.tell(ours);
      }
      const transport = endpoint;
      const random = pseudoRandom(4);
      const tally: Tally = { cancelled: 0, completed: 0 };
      const buffer = new Uint8Array(400);
      let next = 0;
      for (let round = 0; needsRound(round, tally); round++) {
        const packets = await cancelSometime(random, tally, async () => {
          switch (random(3)) {
            case 0:
              return [await transport.recv()];
            case 1:
              return [buffer.slice(0, await transport.recvInto(buffer))];
            default:
              return transport.recvMany(random(10) + 1);
          }
        });
        for (const packet of packets ?? []) {
          if (numberOf(packet) !== next)
            throw new Error(`packet ${numberOf(packet)} came, expected ${next}`);
          next++;
          if (next % 25 === 0) await transport.send(acknowledge(BigInt(next)));
        }
      }
      await transport.send(acknowledge(-1n));
      const total = await drain(peer, () => transport.recv());
      expect(total).toBeGreaterThanOrEqual(next);
      expectBoth(tally);
      await peer.end();
    },
  );

  it.each(['udp', 'unix'] as const)(
    'serve of a %s listener hands out every datagram once, in order',
    async (kind) => {
      const peer = python(numberedSender(kind === 'unix'));
      const [theirs, ours] = [shortSocketPath(), shortSocketPath()];
      let listener;
      if (kind === 'udp') {
        [listener] = await backend.createUdpListeners('127.0.0.1', 0);
        await peer.hear();
        if (listener === undefined) throw new Error('no listener');
        peer.tell(['127.0.0.1', portOf(track(listener))]);
      } else {
        listener = track(await backend.createUnixDatagramListener(ours));
        peer.tell(theirs);
        peer.tell(ours);
      }
      const served = listener as AsyncDatagramListener<InetAddress | UnixPath>;
      const random = pseudoRandom(6);
      const tally: Tally = { cancelled: 0, completed: 0 };
      let next = 0;
      let sender: InetAddress | UnixPath = '';
      await backend.createTaskGroup().run(async (handlers) => {
        for (let round = 0; round < rounds; round++) {
          await serveForAWhile(random, tally, () =>
            served.serve(async (data, address) => {
              if (numberOf(data) !== next)
                throw new Error(`datagram ${numberOf(data)} came, expected ${next}`);
              next++;
              sender = address;
              if (next % 25 === 0) await served.sendTo(acknowledge(BigInt(next)), address);
            }, handlers),
          );
        }
      });
      expect(next).toBeGreaterThan(ENOUGH);
      await served.sendTo(acknowledge(-1n), sender);
      const group = backend.openCancelScope();
      const draining = group.run(() => served.serve(() => undefined));
      expect(await peer.hear<number>()).toBeGreaterThanOrEqual(next);
      group.cancel();
      await draining;
      await peer.end();
    },
  );

  it.each(['an endpoint', 'a listener'])(
    'a cancelled send of %s to a full Unix queue has sent nothing',
    async (who) => {
      const path = shortSocketPath();
      const peer = python(`
import random
random.seed(7)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(hear()); say('bound'); hear()
expected = 0
while True:
    data = s.recv(100)
    if data == b'end': break
    number = struct.unpack('>I', data)[0]
    assert number == expected, (number, expected)
    expected += 1
    if random.random() < 0.1: time.sleep(0.0003)
say(expected)`);
      peer.tell(path);
      await peer.hear();
      let send: (data: Uint8Array) => Promise<void>;
      if (who === 'an endpoint') {
        const endpoint = track(await backend.createUnixDatagramEndpoint(path));
        send = (data) => endpoint.send(data);
      } else {
        const listener = track(await backend.createUnixDatagramListener(shortSocketPath()));
        send = (data) => listener.sendTo(data, path);
      }
      peer.tell('read');
      const random = pseudoRandom(7);
      const tally: Tally = { cancelled: 0, completed: 0 };
      let sent = 0;
      for (let round = 0; needsRound(round, tally); round++) {
        const packet = Buffer.alloc(4);
        packet.writeUInt32BE(sent);
        const done = await cancelSometime(random, tally, async () => {
          await send(packet);
          return true;
        });
        if (done === true) sent++;
      }
      await send(Buffer.from('end'));
      expect(await peer.hear()).toBe(sent);
      expectBoth(tally);
      await peer.end();
    },
  );
});

/** Receives until the peer's last datagram. */
async function drain(
  peer: { hear<T>(): Promise<T> },
  receive: () => Promise<unknown>,
): Promise<number> {
  const scope = backend.openCancelScope();
  const draining = scope.run(async () => {
    for (;;) await receive();
  });
  const total = await peer.hear<number>();
  scope.cancel();
  await draining;
  return total;
}
