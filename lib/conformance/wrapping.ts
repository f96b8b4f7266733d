import assert from 'node:assert/strict';
import {
  BAD_RANGE,
  BAD_STATE,
  BAD_TYPE,
  BUSY,
  bytes,
  CANCELLED,
  CLOSED,
  rejectsWith,
  text,
  UNSUPPORTED,
} from './expectations';
import { defineSuite, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import type { InetAddress } from '../contract/addresses';
import { localAddress, udpPeer } from './datagram-kinds';
import { rawConnect, StreamPeer } from './stream-peer';

type Method =
  | 'wrapStreamSocket'
  | 'wrapListenerSocket'
  | 'wrapConnectedDatagramSocket'
  | 'wrapDatagramListenerSocket';

/** Defines the tests of the methods that take over sockets. */
export function testWrapping(runner: TestRunner, subject: ConformanceSubject): void {
  const offers = subject.sockets;
  const methods: readonly Method[] = [
    'wrapStreamSocket',
    'wrapListenerSocket',
    'wrapConnectedDatagramSocket',
    'wrapDatagramListenerSocket',
  ];
  /** Expects every other method to refuse the socket, which stays the caller's. */
  const isRefusedElsewhere = async (
    { backend }: Scenario,
    socket: unknown,
    right: Method,
  ): Promise<void> => {
    for (const method of methods) {
      if (method !== right)
        await rejectsWith([BAD_TYPE, UNSUPPORTED], () => backend[method](socket as number));
    }
  };
  const isRefusedTwice = async (
    { backend }: Scenario,
    socket: unknown,
    right: Method,
  ): Promise<void> => {
    await rejectsWith([BAD_STATE, BUSY], () => backend[right](socket as number));
  };
  const isLeftInCancelledScope = (
    scenario: Scenario,
    socket: unknown,
    right: Method,
  ): Promise<void> =>
    scenario.inCancelledScope(() =>
      rejectsWith(CANCELLED, () => scenario.backend[right](socket as number)),
    );

  defineSuite(runner, subject, 'wrapping', (test) => {
    for (const offer of offers?.connectedStreams ?? []) {
      test(`${offer.name} becomes a stream transport, and nothing else`, async (scenario) => {
        const right = 'wrapStreamSocket';
        const { socket, peer: end } = await offer.open(scenario);
        const peer = new StreamPeer(end);
        await isLeftInCancelledScope(scenario, socket, right);
        await isRefusedElsewhere(scenario, socket, right);
        await peer.write('early');
        const transport = scenario.own(await scenario.backend[right](socket as number));
        await isRefusedTwice(scenario, socket, right);
        assert.equal(text(await transport.recv(100)), 'early');
        await transport.sendAll(bytes('answer'));
        assert.equal(String(await peer.take(6)), 'answer');
        peer.end();
        assert.equal((await transport.recv(100)).length, 0);
        await transport.sendAll(bytes('after the end'));
        assert.equal(String(await peer.take(13)), 'after the end');
        assert.equal(transport.backend(), scenario.backend);
        await transport.aclose();
        assert.equal(String(await peer.takeAll()), '');
        await rejectsWith(CLOSED, () => transport.recv(1));
      });
    }

    for (const offer of offers?.listeningStreams ?? []) {
      test(`${offer.name} becomes a stream listener, and nothing else`, async (scenario) => {
        const right = 'wrapListenerSocket';
        const { socket, address } = await offer.open(scenario);
        const dial = (): Promise<StreamPeer> => rawConnect(scenario, address);
        await isLeftInCancelledScope(scenario, socket, right);
        await isRefusedElsewhere(scenario, socket, right);
        const early = await dial();
        await early.write('early');
        const listener = scenario.own(await scenario.backend[right](socket as number));
        await isRefusedTwice(scenario, socket, right);
        await scenario.backend.createTaskGroup().run(async (group) => {
          group.startSoon(() =>
            listener.serve(async (transport) => {
              await using connection = transport;
              await connection.sendAll(await connection.recv(100));
            }),
          );
          const late = await dial();
          await late.write('late');
          assert.equal(String(await early.takeAll()), 'early');
          assert.equal(String(await late.takeAll()), 'late');
          group.cancelScope.cancel();
        });
        await listener.aclose();
        await assert.rejects(dial());
      });
    }

    for (const offer of offers?.connectedDatagrams ?? []) {
      test(`${offer.name} becomes a datagram transport, and nothing else`, async (scenario) => {
        const right = 'wrapConnectedDatagramSocket';
        const peer = await udpPeer(scenario);
        const { socket } = await offer.open(scenario, peer.address as InetAddress);
        await isLeftInCancelledScope(scenario, socket, right);
        await isRefusedElsewhere(scenario, socket, right);
        const transport = scenario.own(await scenario.backend[right](socket as number));
        await isRefusedTwice(scenario, socket, right);
        await transport.send(bytes('hello'));
        const { data, from } = await peer.take();
        assert.equal(text(data), 'hello');
        await peer.send(bytes('answer'), from);
        assert.equal(text(await transport.recv()), 'answer');
        await transport.aclose();
        await rejectsWith(CLOSED, () => transport.recv());
      });
    }

    for (const offer of offers?.boundDatagrams ?? []) {
      test(`${offer.name} becomes a datagram listener, and nothing else`, async (scenario) => {
        const right = 'wrapDatagramListenerSocket';
        const peer = await udpPeer(scenario);
        const { socket } = await offer.open(scenario);
        await isLeftInCancelledScope(scenario, socket, right);
        await isRefusedElsewhere(scenario, socket, right);
        const listener = scenario.own(await scenario.backend[right](socket as number));
        await isRefusedTwice(scenario, socket, right);
        await scenario.backend.createTaskGroup().run(async (group) => {
          group.startSoon(() => listener.serve((data, address) => listener.sendTo(data, address)));
          await peer.send(bytes('echo'), localAddress(listener));
          assert.equal(text((await peer.take()).data), 'echo');
          group.cancelScope.cancel();
        });
        await listener.aclose();
        await rejectsWith(CLOSED, () => listener.serve(() => undefined));
      });
    }

    for (const offer of offers?.strangers ?? []) {
      test(`${offer.name} is refused by all methods, and stays the caller's`, async (scenario) => {
        const { socket, codes } = await offer.open(scenario);
        for (const method of methods)
          await rejectsWith([...codes, UNSUPPORTED], () =>
            scenario.backend[method](socket as number),
          );
      });
    }

    test('rejects what is not a socket', async ({ backend }) => {
      for (const method of methods) {
        for (const other of [undefined, null, '5', {}, [], true])
          await rejectsWith(BAD_TYPE, () => backend[method](other as never));
        for (const fd of [-1, 1.5, NaN])
          await rejectsWith([BAD_RANGE, UNSUPPORTED], () => backend[method](fd));
        await rejectsWith(['EBADF', UNSUPPORTED], () => backend[method](1_000_000));
      }
    });
  });
}
