import type { InetAddress, UnixPath } from '../contract/addresses';
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { acloseForcefully } from '../transports/aclose-forcefully';
import { SocketAttribute, typedAttribute } from '../transports/attributes';
import type { AsyncStreamTransport } from '../contract/transports';
import {
  bytes,
  CANCELLED,
  CLOSED,
  endsQuietly,
  hasSettled,
  NO_ATTRIBUTE,
  numbered,
  rejectsWith,
  text,
  throwsWith,
  turns,
} from './expectations';
import { type DefineTest, lacks } from './scenario';
import type { StreamKind } from './stream-kinds';
import { defineLingering } from './stream-lingering';

const TOO_MUCH = 16_000_000;

async function refusesAll(transport: AsyncStreamTransport): Promise<void> {
  await rejectsWith(CLOSED, () => transport.recv(8));
  await rejectsWith(CLOSED, () => transport.recv(0));
  await rejectsWith(CLOSED, () => transport.recvInto(new Uint8Array(8)));
  await rejectsWith(CLOSED, () => transport.recvIntoMany([new Uint8Array(8)]));
  await rejectsWith(CLOSED, () => transport.sendAll(bytes('x')));
  await rejectsWith(CLOSED, () => transport.sendAll(new Uint8Array(0)));
  await rejectsWith(CLOSED, () => transport.sendAllFromIterable([bytes('x')]));
}

export function defineStreamClosing(test: DefineTest, kind: StreamKind): void {
  defineLingering(test, kind);

  test('a closed transport rejects everything, and closing it again does nothing', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('unread');
    assert.equal(transport.isClosing(), false);
    await transport.aclose();
    assert.equal(transport.isClosing(), true);
    await refusesAll(transport);
    await transport.sendEof();
    await transport.aclose();
    await transport[Symbol.asyncDispose]();
    await refusesAll(transport);
  });

  test('the peer sees the end of the stream, after everything that was sent', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const sent = numbered(100_000);
    await transport.sendAll(sent);
    await transport[Symbol.asyncDispose]();
    assert.ok((await peer.takeAll()).equals(sent));
    assert.equal(peer.error, null);
  });

  test('aclose waits for the send under way, and other operations reject meanwhile', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const sent = numbered(TOO_MUCH);
    const sending = transport.sendAll(sent);
    const receiving = transport.recv(8);
    assert.equal(await hasSettled(receiving), false);
    const told = rejectsWith(CLOSED, () => receiving);
    const closing = transport.aclose();
    assert.equal(transport.isClosing(), true);
    await told;
    assert.equal(await hasSettled(closing), false);
    await refusesAll(transport);
    const again = transport.aclose();
    const [received] = await backend.gather(() => peer.takeAll());
    await sending;
    await closing;
    await again;
    assert.ok(received.equals(sent));
  });

  test('an aclose that is cancelled while it waits ends the send', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const sending = transport.sendAll(new Uint8Array(TOO_MUCH));
    const told = rejectsWith(CLOSED, () => sending);
    const scope = backend.openCancelScope();
    const closing = scope.run(() => transport.aclose());
    assert.equal(await hasSettled(closing), false);
    scope.cancel();
    await closing;
    assert.ok(scope.cancelledCaught());
    await told;
    await refusesAll(transport);
    assert.ok((await peer.takeAll()).length < TOO_MUCH);
  });

  test('a send and the aclose that waits for it, cancelled together, are both cancelled', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const outer = backend.openCancelScope();
    const running = outer.run(async () => {
      const group = backend.createTaskGroup();
      await group.run(async () => {
        await group.start(() => transport.sendAll(new Uint8Array(TOO_MUCH)));
        await transport.aclose();
      });
    });
    assert.equal(await hasSettled(running), false);
    outer.cancel();
    await endsQuietly(running);
    assert.ok(outer.cancelledCaught());
    assert.ok((await peer.takeAll()).length < TOO_MUCH);
  });

  test('in a cancelled scope aclose closes at once, and rejects with CancelledError', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await scenario.inCancelledScope(() => rejectsWith(CANCELLED, () => transport.aclose()));
    assert.equal(transport.isClosing(), true);
    await refusesAll(transport);
    await peer.takeAll();
  });

  test('acloseForcefully does not wait for a send', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const told = rejectsWith(CLOSED, () => transport.sendAll(new Uint8Array(TOO_MUCH)));
    await acloseForcefully(transport);
    await told;
    assert.equal(transport.isClosing(), true);
    assert.ok((await peer.takeAll()).length < TOO_MUCH);
  });

  test('after a reset by the peer every receive rejects with ECONNRESET, and the transport stays open', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    if (kind.family === 'inet') {
      const receiving = transport.recv(100);
      assert.equal(await hasSettled(receiving), false);
      const told = rejectsWith('ECONNRESET', () => receiving);
      peer.reset();
      await told;
    } else {
      // A Unix peer resets by closing while it has something unread.
      await transport.sendAll(bytes('unread'));
      peer.socket.destroy();
      await rejectsWith('ECONNRESET', () => transport.recv(100));
    }
    for (let i = 0; i < 2; i++) {
      const { errno, syscall } = await rejectsWith<NodeJS.ErrnoException>('ECONNRESET', () =>
        transport.recv(100),
      );
      assert.ok(errno !== undefined && errno < 0);
      assert.equal(typeof syscall, 'string');
      await rejectsWith('ECONNRESET', () => transport.recvInto(new Uint8Array(8)));
      await rejectsWith('ECONNRESET', () => transport.recvIntoMany([new Uint8Array(8)]));
    }
    await rejectsWith(['EPIPE', 'ECONNRESET'], () => transport.sendAll(bytes('x')));
    assert.equal(transport.isClosing(), false);
    await transport.aclose();
    await refusesAll(transport);
  });

  test('data that arrived before a reset may be received, and then a receive rejects', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('before');
    await transport.sendAll(bytes('unread'));
    await turns();
    // With something unread, this is a reset.
    peer.socket.destroy();
    let received = '';
    const receiveAll = async (): Promise<void> => {
      for (;;) {
        const data = await transport.recv(3);
        if (data.length === 0) return;
        received += text(data);
      }
    };
    // Where the runtime turns it into an end of the stream, the error cannot come.
    if (lacks(scenario.subject, 'resets behind data')) await receiveAll().catch(ignoreReset);
    else await rejectsWith('ECONNRESET', receiveAll);
    assert.ok('before'.startsWith(received), received);
  });

  test('a send that meets a reset does not turn it into an end of the stream', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('before');
    await transport.sendAll(bytes('unread'));
    await turns();
    const closed = new Promise((resolve) => peer.socket.once('close', resolve));
    // With something unread, this is a reset.
    peer.socket.destroy();
    await closed;
    await rejectsWith(['EPIPE', 'ECONNRESET'], () => transport.sendAll(bytes('x')));
    for (let i = 0; i < 2; i++) {
      await rejectsWith(['EPIPE', 'ECONNRESET'], async () => {
        for (;;) assert.notEqual((await transport.recv(3)).length, 0);
      });
      await rejectsWith(['EPIPE', 'ECONNRESET'], () => transport.recvInto(new Uint8Array(8)));
      await rejectsWith(['EPIPE', 'ECONNRESET'], () => transport.recvIntoMany([new Uint8Array(8)]));
    }
  });

  test('has addresses and a family until it is closed', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const { subject } = scenario;
    assert.equal(
      transport.extra(SocketAttribute.family),
      scenario.constant(kind.family === 'inet' ? 'AF_INET' : 'AF_UNIX'),
    );
    if (kind.family === 'inet') {
      const { localAddress, localPort, remoteAddress, remotePort } = peer.socket;
      assert.deepEqual(transport.extra(SocketAttribute.localAddress), {
        address: remoteAddress,
        port: remotePort,
        family: 'IPv4',
      });
      assert.deepEqual(transport.extra(SocketAttribute.remoteAddress), {
        address: localAddress,
        port: localPort,
        family: 'IPv4',
      });
    } else {
      const addresses = [
        transport.extra(SocketAttribute.localAddress),
        transport.extra<InetAddress | UnixPath | object>(SocketAttribute.remoteAddress, ''),
      ];
      // One side has a path, the other has none.
      assert.ok(addresses.includes(''), inspect(addresses));
      assert.ok(
        addresses.some((address) => typeof address === 'string' && address.endsWith('/s')),
        inspect(addresses),
      );
      if (!lacks(subject, 'exact Unix names')) transport.extra(SocketAttribute.remoteAddress);
    }
    await transport.aclose();
    throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.localAddress));
    throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.remoteAddress));
    assert.equal(
      transport.extra<InetAddress | UnixPath | object>(SocketAttribute.remoteAddress, 'nowhere'),
      'nowhere',
    );
  });

  test('resolves an attribute that it does not have to the fallback', async (scenario) => {
    const { transport } = await kind.open(scenario);
    const unknown = typedAttribute<number>('unknown');
    throwsWith(NO_ATTRIBUTE, () => transport.extra(unknown));
    assert.equal(transport.extra(unknown, 5), 5);
    if (kind.family === 'inet')
      throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.peerCredentials));
    if (!lacks(scenario.subject, 'socket options')) return;
    throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.socket));
    throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.options));
    throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.peerCredentials));
  });

  test('knows the backend that made it', async (scenario) => {
    const { transport } = await kind.open(scenario);
    assert.equal(transport.backend(), scenario.backend);
  });
}

function ignoreReset(error: NodeJS.ErrnoException): void {
  assert.equal(error.code, 'ECONNRESET');
}
