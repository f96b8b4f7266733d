import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  type AsyncBackend,
  type InetAddress,
  newBuiltinBackend,
  SocketAttribute,
} from '#lib/index';
import { NodeDatagramListener } from '#lib/backends/node/datagram-listener';
import { expectNoLeaks } from '../support/fds';
import { collectUntil } from '../support/gc';

expectNoLeaks();

const MEGABYTE = 1 << 20;

/** What of the memory of this process could grow with datagrams or connections, in bytes. */
function memory(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** Collects what nothing refers to. Buffers are freed in a later turn. */
async function collectGarbage(): Promise<void> {
  let rounds = 0;
  await collectUntil(() => ++rounds === 5);
}

const openFds = (): number => readdirSync('/proc/self/fd').length;

describe.each(['native', 'node'] as const)('listeners of the %s backend', (name) => {
  const backend: AsyncBackend = newBuiltinBackend(name);

  it('keep a flood of datagrams with slow handlers within bounds, and hand over what they take', async () => {
    const [listener] = await backend.createUdpListeners('127.0.0.1', 0);
    listener!.maxConcurrentHandlers = 64;
    const { port } = listener!.extra(SocketAttribute.localAddress) as InetAddress;
    const flooder = createSocket('udp4');
    await new Promise<void>((resolve) => flooder.connect(port, '127.0.0.1', resolve));
    const size = 1000;
    let sent = 0;
    let handled = 0;
    let wrong = 0;
    let running = 0;
    let mostRunning = 0;
    await collectGarbage();
    const before = memory();
    const scope = backend.openCancelScope();
    const served = scope.run(() =>
      listener!.serve(async (data) => {
        mostRunning = Math.max(mostRunning, ++running);
        // Each datagram is filled with one byte.
        if (data.length !== size || data.some((byte) => byte !== data[0])) wrong++;
        handled++;
        await backend.sleep(100);
        running--;
      }),
    );
    const end = performance.now() + 2000;
    while (performance.now() < end) {
      for (let i = 0; i < 50; i++) flooder.send(new Uint8Array(size).fill(sent++ & 0xff));
      await turn();
    }
    await collectGarbage();
    const grown = memory() - before;
    scope.cancel();
    await served;
    expect(sent).toBeGreaterThan(2000);
    expect(handled).toBeGreaterThan(64);
    expect(handled).toBeLessThan(sent);
    expect({ wrong, mostRunning }).toEqual({ wrong: 0, mostRunning: 64 });
    // The inbox of node, the listener's memory for receiving, and the handlers that run.
    expect(grown).toBeLessThan(10 * MEGABYTE);
    if (listener instanceof NodeDatagramListener && sent > 20_000)
      expect(listener.droppedCount).toBeGreaterThan(0);
    flooder.close();
    await listener!.aclose();
  });

  it('serve a thousand connections beyond the limit one after another, and hold few open', async () => {
    const backlog = 2000;
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0, { backlog });
    const { port } = listener!.extra(SocketAttribute.localAddress) as InetAddress;
    const clients: Socket[] = [];
    const fds = openFds();
    let running = 0;
    let mostRunning = 0;
    let isFull = (): void => undefined;
    const full = new Promise<void>((resolve) => (isFull = resolve));
    const goOn = backend.createEvent();
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() =>
        listener!.serve(
          async (connection) => {
            mostRunning = Math.max(mostRunning, ++running);
            if (running === 10) isFull();
            await goOn.wait();
            await connection.sendAll(await connection.recv(10));
            running--;
          },
          { maxConnections: 10, closeAfter: true },
        ),
      );
      const answers = Array.from({ length: 1010 }, async (_, i) => {
        const client = connect(port, '127.0.0.1');
        clients.push(client);
        client.write(String(i));
        let text = '';
        client.on('data', (data) => (text += String(data)));
        await once(client, 'end');
        return text;
      });
      await backend.waitFor(full);
      for (const client of clients)
        if (client.connecting) await backend.waitFor(once(client, 'connect'));
      for (let i = 0; i < 20; i++) await turn();
      expect(running).toBe(10);
      // A client's fd each. On node, the other ends are open too: net cannot leave them unaccepted.
      if (name === 'native') expect(openFds() - fds).toBeLessThanOrEqual(1010 + 10 + 5);
      goOn.set();
      expect(await backend.waitFor(Promise.all(answers))).toEqual(
        Array.from({ length: 1010 }, (_, i) => String(i)),
      );
      group.cancelScope.cancel();
    });
    expect(mostRunning).toBe(10);
    for (const client of clients) client.destroy();
    await listener!.aclose();
  });
});
