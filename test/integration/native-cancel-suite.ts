import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type AsyncDatagramListener,
  type AsyncStreamTransport,
  type CancelScope,
  type InetAddress,
  SocketAttribute,
  type UnixPath,
} from '#lib/index';
import {
  backend,
  connectTo,
  expectCleanEnd,
  listen,
  portOf,
  pseudoRandom,
  python,
  pythonConnect,
  shortSocketPath,
  STREAM_KINDS,
  track,
  until,
  withPython,
} from './native-kit';

/**
 * Of the rounds, so many at least must have been cancelled while they waited, and so many must have
 * come through.
 */
const ENOUGH = 100;

interface Tally {
  cancelled: number;
  completed: number;
}

/** What the next tick of a peer cancels: it comes with the data, and so in one batch of events. */
let onTick: CancelScope | null = null;

/** Cancels at each tick, until the stream of ticks ends. */
async function followTicks(ticker: AsyncStreamTransport): Promise<void> {
  const buffer = new Uint8Array(1);
  while ((await ticker.recvInto(buffer)) > 0) onTick?.cancel();
}

/**
 * Runs `operation` in a scope that is cancelled at some time: before its next step, a few
 * microtasks or a turn of the loop later, or only when it is through. Resolves to undefined if the
 * cancellation ended it.
 */
async function cancelSometime<T>(
  random: (limit: number) => number,
  tally: Tally,
  operation: () => Promise<T>,
): Promise<T | undefined> {
  const scope = backend.openCancelScope();
  const running = scope.run(operation);
  switch (random(6)) {
    case 0:
      scope.cancel();
      break;
    case 1:
      for (let i = random(6); i > 0; i--) await Promise.resolve();
      scope.cancel();
      break;
    case 2:
      await backend.coroYield();
      scope.cancel();
      break;
    case 3:
      scope.reschedule(backend.currentTime() + random(3) / 4);
      break;
    case 4:
      onTick = scope;
      break;
    default:
      break;
  }
  const result = await running;
  onTick = null;
  tally[scope.cancelledCaught() ? 'cancelled' : 'completed']++;
  return result;
}

/**
 * Serves for no time, a few microtasks, some turns of the loop, or (seldom, since a timer takes a
 * millisecond) a while.
 */
async function serveForAWhile(
  random: (limit: number) => number,
  tally: Tally,
  serve: () => Promise<never>,
): Promise<void> {
  const scope = random(20) === 0 ? backend.moveOnAfter(1) : backend.openCancelScope();
  const serving = scope.run(serve);
  if (scope.when() === Infinity) {
    if (random(2) === 0) for (let i = random(6); i > 0; i--) await Promise.resolve();
    else for (let i = random(6); i > 0; i--) await backend.coroYield();
    scope.cancel();
  }
  await serving;
  tally.cancelled++;
}

function expectBoth({ cancelled, completed }: Tally): void {
  expect(cancelled).toBeGreaterThan(ENOUGH);
  expect(completed).toBeGreaterThan(ENOUGH);
}

/** What python sends at position `i` of its stream. */
const at = (i: number): number => ((i * 31) ^ (i >> 8)) & 0xff;
const pythonPattern = 'def at(i): return ((i * 31) ^ (i >> 8)) & 0xff\n';

/** Sends in bursts, and pauses in between: so that a receive sometimes waits, and sometimes not. */
const burstSender = `
import random
${pythonPattern}
random.seed(5); position = 0; peer.settimeout(0.001)
ticker, _ = listener.accept(); ticker.setblocking(False)
def tick():
    try: ticker.send(b't')
    except BlockingIOError: pass
pattern = bytes(at(i) for i in range(1 << 16)) * 2
def stopped(): return select.select([sys.stdin], [], [], 0)[0]
while not stopped():
    size = random.randrange(1, 700); sent = 0; first = random.random() < 0.5
    if first: tick()
    while sent < size:
        start = (position + sent) & 0xffff
        try: sent += peer.send(pattern[start:start + size - sent])
        except TimeoutError:
            if stopped(): break
    position += sent
    if not first: tick()
    if random.random() < 0.3: time.sleep(random.random() * 0.001)
hear(); peer.close(); ticker.close(); say(position)`;

export function cancelSuite(rounds: number): void {
  expectCleanEnd();

  describe.each(STREAM_KINDS)(`${rounds} rounds of cancel-and-retry on a %s stream`, (kind) => {
    const receives: Record<
      string,
      (transport: AsyncStreamTransport, limit: number) => Promise<Uint8Array>
    > = {
      recv: (transport, limit) => transport.recv(limit),
      recvInto: async (transport, limit) => {
        const buffer = new Uint8Array(limit);
        return buffer.subarray(0, await transport.recvInto(buffer));
      },
      recvIntoMany: async (transport, limit) => {
        const whole = new Uint8Array(limit);
        const half = limit >> 1;
        return whole.subarray(
          0,
          await transport.recvIntoMany([whole.subarray(0, half), whole.subarray(half)]),
        );
      },
    };

    it.each(Object.keys(receives))('%s loses no byte', async (name) => {
      const receive = receives[name]!;
      const { transport, peer, target } = await withPython(kind, burstSender);
      const ticking = followTicks(await connectTo(target));
      const random = pseudoRandom(1);
      const tally: Tally = { cancelled: 0, completed: 0 };
      let position = 0;
      const check = (data: Uint8Array): void => {
        for (const byte of data) {
          if (byte !== at(position & 0xffff))
            throw new Error(`byte ${position} is ${byte}, expected ${at(position & 0xffff)}`);
          position++;
        }
      };
      for (let round = 0; round < rounds; round++) {
        const data = await cancelSometime(random, tally, () =>
          receive(transport, random(3000) + 2),
        );
        if (data !== undefined) check(data);
      }
      peer.tell('stop');
      for (
        let data = await transport.recv(65536);
        data.length > 0;
        data = await transport.recv(65536)
      )
        check(data);
      expect(position).toBe(await peer.hear());
      await ticking;
      expectBoth(tally);
      await peer.end();
    });

    it('sendAll of a byte that was cancelled has not sent it', async () => {
      const { transport, peer } = await withPython(
        kind,
        `
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
hear()
import random
random.seed(2); expected = 0
while True:
    data = peer.recv(random.randrange(1, 400))
    if not data: break
    for byte in data:
        assert byte == expected % 251, (byte, expected)
        expected += 1
    if random.random() < 0.2: time.sleep(0.0005)
say(expected)`,
      );
      transport.extra(SocketAttribute.options).sendBufferSize = 1;
      const random = pseudoRandom(2);
      const tally: Tally = { cancelled: 0, completed: 0 };
      let sent = 0;
      // Up to the brim, so that sends have to wait from here on.
      const brim = backend.openCancelScope();
      const filling = brim.run(async () => {
        for (;;) {
          await transport.sendAll(Uint8Array.of(sent % 251));
          sent++;
        }
      });
      let before = -1;
      while (before !== sent) {
        before = sent;
        for (let i = 0; i < 20; i++) await backend.coroYield();
      }
      brim.cancel();
      await filling;
      peer.tell('read');
      for (let round = 0; round < rounds; round++) {
        const done = await cancelSometime(random, tally, async () => {
          await transport.sendAll(Uint8Array.of(sent % 251));
          return true;
        });
        if (done === true) sent++;
      }
      await transport.aclose();
      expect(await peer.hear()).toBe(sent);
      expectBoth(tally);
      await peer.end();
    });

    it('serve accepts every connection once', async () => {
      const { listener, target } = await listen(kind);
      const connections = 600;
      const peer = python(`${pythonConnect}
import random
random.seed(3); target = hear()
for i in range(${connections}):
    s = connect(target); s.sendall(struct.pack('>I', i)); s.close()
    if random.random() < 0.1: time.sleep(0.001)
say('all connected')`);
      const random = pseudoRandom(3);
      const tally: Tally = { cancelled: 0, completed: 0 };
      const seen: number[] = [];
      let isOver = false;
      await backend.createTaskGroup().run(async (handlers) => {
        peer.tell(target);
        for (let round = 0; round < rounds || !isOver; round++) {
          await serveForAWhile(random, tally, () =>
            listener.serve(async (connection) => {
              await using transport = connection;
              seen.push(Buffer.from(await transport.recv(4)).readUInt32BE());
              isOver = seen.length === connections;
            }, handlers),
          );
          if (round > 20 * rounds)
            throw new Error(`only ${seen.length} of ${connections} connections were accepted`);
        }
      });
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: connections }, (_, i) => i));
      await peer.hear();
      await peer.end();
    });
  });

  describe(`${rounds} rounds of cancel-and-retry on datagrams`, () => {
    /**
     * Numbered datagrams, at most 50 ahead of what was acknowledged: none is dropped for lack of
     * room.
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
        for (let round = 0; round < rounds; round++) {
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
      'a send of %s to a full Unix queue that was cancelled has not sent it',
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
        for (let round = 0; round < rounds; round++) {
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
}

/** Receives until the peer says its last word. */
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
