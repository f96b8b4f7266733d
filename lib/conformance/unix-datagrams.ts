import type { DatagramKind } from './datagram-kinds';
import { startPython } from './python-peer';

/** Unix datagrams, with a peer in Python, since node:dgram has no Unix sockets. */
export const UNIX_DATAGRAMS: DatagramKind = {
  name: 'Unix datagram',
  family: 'unix',
  mostBytes: null,
  peer: async (scenario) => {
    const path = scenario.freshPath();
    const python = startPython(
      scenario,
      `
peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
peer.bind(sys.argv[1])
say('ready')
while True:
    order = hear()
    if 'send' in order:
        peer.sendto(bytes.fromhex(order['send']), order['to'].encode())
        say('sent')
    else:
        data, source = peer.recvfrom(1 << 20)
        say([data.hex(), source or ''])
`,
      path,
    );
    await python.hear();
    // One request at a time: the peer answers them in order.
    let turn: Promise<unknown> = Promise.resolve();
    const ask = <T>(order: unknown): Promise<T> => {
      const answer = turn.then(() => {
        python.tell(order);
        return python.hear() as Promise<T>;
      });
      turn = answer.catch(() => undefined);
      return answer;
    };
    return {
      address: path,
      send: async (data, to) => {
        await ask({ send: Buffer.from(data).toString('hex'), to });
      },
      take: async () => {
        const [data, from] = await ask<[string, string]>({ take: 1 });
        return { data: Buffer.from(data, 'hex'), from };
      },
      close: python.close,
    };
  },
  connect: async (scenario, peer) =>
    scenario.own(
      await scenario.backend.createUnixDatagramEndpoint(peer.address as string, {
        localPath: scenario.freshPath(),
      }),
    ),
  listen: async (scenario) =>
    scenario.own(await scenario.backend.createUnixDatagramListener(scenario.freshPath())),
};
