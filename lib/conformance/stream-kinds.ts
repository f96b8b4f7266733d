import type { InetAddress } from '../contract/addresses';
import type { AsyncListener } from '../contract/listeners';
import { SocketAttribute } from '../transports/attributes';
import type { AsyncStreamTransport } from '../contract/transports';
import type { Scenario } from './scenario';
import { portOf, rawConnect, rawServer, type StreamPeer } from './stream-peer';

/** A stream transport under test, and the other end. */
export interface StreamLink {
  readonly transport: AsyncStreamTransport;
  readonly peer: StreamPeer;
}

/** A way to come by a connected stream transport. A checkpoint, as the backend's methods are. */
export interface StreamKind {
  /** For the names of the tests: 'a TCP connection that was dialled'. */
  readonly name: string;
  readonly family: 'inet' | 'unix';
  /** Opens one. Both ends are closed with the scenario. */
  open(scenario: Scenario): Promise<StreamLink>;
}

/** The next connection of a listener, which is then closed. */
async function acceptOne(
  scenario: Scenario,
  listener: AsyncListener<AsyncStreamTransport>,
  dial: () => Promise<StreamPeer>,
): Promise<StreamLink> {
  const { backend } = scenario;
  const serving = backend.openCancelScope();
  const [transport, peer] = await backend.gather(
    () =>
      new Promise<AsyncStreamTransport>((resolve, reject) => {
        void serving
          .run(() =>
            listener.serve((accepted) => {
              resolve(scenario.own(accepted));
              serving.cancel();
            }),
          )
          .catch(reject);
      }),
    dial,
  );
  await listener.aclose();
  return { transport, peer };
}

/** How each backend gets connected streams; a backend without Unix streams has the first two. */
export const STREAM_KINDS: readonly StreamKind[] = [
  {
    name: 'a TCP connection that was dialled',
    family: 'inet',
    async open(scenario) {
      const { server, next } = await rawServer(scenario, { host: '127.0.0.1', port: 0 });
      const transport = scenario.own(
        await scenario.backend.createTcpConnection('127.0.0.1', portOf(server)),
      );
      return { transport, peer: await next() };
    },
  },
  {
    name: 'a TCP connection that was accepted',
    family: 'inet',
    async open(scenario) {
      const [listener] = await scenario.backend.createTcpListeners('127.0.0.1', 0);
      if (listener === undefined) throw new Error('no listener');
      const { port } = scenario.own(listener).extra(SocketAttribute.localAddress) as InetAddress;
      return acceptOne(scenario, listener, () => rawConnect(scenario, { host: '127.0.0.1', port }));
    },
  },
  {
    name: 'a Unix connection that was dialled',
    family: 'unix',
    async open(scenario) {
      const path = scenario.freshPath();
      const { next } = await rawServer(scenario, { path });
      const transport = scenario.own(await scenario.backend.createUnixStreamConnection(path));
      return { transport, peer: await next() };
    },
  },
  {
    name: 'a Unix connection that was accepted',
    family: 'unix',
    async open(scenario) {
      const path = scenario.freshPath();
      const listener = scenario.own(await scenario.backend.createUnixStreamListener(path));
      return acceptOne(scenario, listener, () => rawConnect(scenario, { path }));
    },
  },
];
