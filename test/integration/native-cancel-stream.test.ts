import { describe, expect, it } from 'vitest';
import { type AsyncStreamTransport, SocketAttribute } from '#lib/index';
import {
  cancelSometime,
  expectBoth,
  needsRound,
  followTicks,
  rounds,
  serveForAWhile,
  type Tally,
} from './cancel-rounds';
import {
  backend,
  connectTo,
  expectCleanEnd,
  listen,
  pseudoRandom,
  python,
  pythonConnect,
  STREAM_KINDS,
  withPython,
} from './native-kit';

/** The byte that python sends at position `i` of its stream. */
const at = (i: number): number => ((i * 31) ^ (i >> 8)) & 0xff;
const pythonPattern = 'def at(i): return ((i * 31) ^ (i >> 8)) & 0xff\n';

/** Python sends in bursts, with pauses between: some receives wait, and others complete at once. */
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
    for (let round = 0; needsRound(round, tally); round++) {
      const data = await cancelSometime(random, tally, () => receive(transport, random(3000) + 2));
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

  it('a cancelled sendAll of one byte has sent nothing', async () => {
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
    // The kernel's buffer is full, so that every send waits from here on.
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
    for (let round = 0; needsRound(round, tally); round++) {
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
