import assert from 'node:assert/strict';
import { acloseForcefully } from '../transports/aclose-forcefully';
import { bytes, CLOSED, hasSettled, numbered, rejectsWith } from './expectations';
import type { DefineTest, Scenario } from './scenario';
import type { StreamKind, StreamLink } from './stream-kinds';
import type { StreamPeer } from './stream-peer';

/** The peer sends as often as the event loop turns, until `stop` is called or its socket closes. */
function keepSending(peer: StreamPeer, size: number): () => void {
  const chunk = new Uint8Array(size);
  let timer: NodeJS.Immediate | undefined;
  const send = (): void => {
    if (!peer.socket.writable) return;
    if (peer.socket.writableLength < 1_000_000) peer.socket.write(chunk);
    timer = setImmediate(send);
  };
  send();
  return () => {
    clearImmediate(timer);
  };
}

/** Answers a part of the input with a mebibyte, and closes. Expects the peer to get all of it. */
async function answersWhole(
  { backend }: Scenario,
  { transport, peer }: StreamLink,
  onReceived: () => void,
): Promise<void> {
  const sent = numbered(1 << 20);
  const [received] = await backend.gather(
    async () => {
      const all = await peer.takeAll();
      onReceived();
      return all;
    },
    async () => {
      await transport.recv(1000);
      await transport.sendAll(sent);
      await transport.aclose();
    },
  );
  assert.equal(peer.error, null);
  assert.ok(received.equals(sent));
}

/** What a graceful close does to a peer that has sent more than was received. */
export function defineLingering(test: DefineTest, kind: StreamKind): void {
  test('aclose loses nothing that was sent if there is unread input', async (scenario) => {
    const link = await kind.open(scenario);
    await link.peer.write(new Uint8Array(50_000));
    await answersWhole(scenario, link, () => undefined);
  });

  test('aclose loses nothing that was sent if the peer goes on sending', async (scenario) => {
    const link = await kind.open(scenario);
    const stop = keepSending(link.peer, 1000);
    await answersWhole(scenario, link, () => {
      stop();
      link.peer.end();
    });
  });

  test('aclose does not wait for ever for a peer that neither reads nor ends', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('unread');
    await transport.sendAll(bytes('answer'));
    await transport.aclose();
    await rejectsWith(CLOSED, () => transport.recv(1));
    assert.equal(String(await peer.takeAll()), 'answer');
    assert.equal(peer.error, null);
  });

  test('aclose does not wait for ever for a peer that never stops sending', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const stop = keepSending(peer, 64 * 1024);
    await transport.sendAll(bytes('answer'));
    await transport.recv(1);
    await transport.aclose();
    stop();
    await rejectsWith(CLOSED, () => transport.recv(1));
  });

  test('an aclose that waits for the peer closes at once when it is cancelled', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const stop = keepSending(peer, 1000);
    await transport.sendAll(bytes('answer'));
    await transport.recv(1);
    const scope = backend.openCancelScope();
    const closing = scope.run(() => transport.aclose());
    const other = transport.aclose();
    assert.equal(await hasSettled(closing), false);
    assert.equal(await hasSettled(other), false);
    await rejectsWith(CLOSED, () => transport.sendAll(bytes('x')));
    scope.cancel();
    await closing;
    assert.ok(scope.cancelledCaught());
    await other;
    stop();
  });

  test('acloseForcefully ends an aclose that waits for the peer', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const stop = keepSending(peer, 1000);
    await transport.sendAll(bytes('answer'));
    await transport.recv(1);
    const closing = transport.aclose();
    assert.equal(await hasSettled(closing), false);
    await acloseForcefully(transport);
    await closing;
    stop();
  });
}
