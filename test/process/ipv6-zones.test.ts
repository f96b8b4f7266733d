import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { run } from '../support/child';

// In a network namespace of its own, the loopback interface has a global address, and after it a
// link-local one: node:os lists them in this order.
const setUp =
  'ip link set lo up && ip addr add 2001:db8::5/64 dev lo nodad && ip addr add fe80::5/64 dev lo nodad';
const canUnshare = spawnSync('unshare', ['-rn', 'sh', '-c', setUp]).status === 0;

const program = (name: string): string => `
const { newBuiltinBackend, SocketAttribute } = require('sockscope');
const backend = newBuiltinBackend('${name}');
const show = ({ address, scopeId = 0 }) => console.log(address, scopeId);
void backend.bootstrap(async () => {
  const [tcp] = await backend.createTcpListeners('fe80::5%lo', 0);
  const local = tcp.extra(SocketAttribute.localAddress);
  show(local);
  const [udp] = await backend.createUdpListeners('FE80:0:0:0:0:0:0:5%lo', 0);
  show(udp.extra(SocketAttribute.localAddress));
  await backend.createTaskGroup().run(async (group) => {
    group.startSoon(() => tcp.serve((peer) => {
      show(peer.extra(SocketAttribute.remoteAddress));
      return peer.aclose();
    }));
    group.startSoon(() => udp.serve(async (data, address) => {
      show(address);
      await udp.sendTo(data, address);
    }));
    const connection = await backend.createTcpConnection('fe80:0::5%lo', local.port);
    await connection.recv(1);
    await connection.aclose();
    const endpoint = await backend.createUdpEndpoint('fe80::5%lo', udp.extra(SocketAttribute.localAddress).port);
    await endpoint.send(Buffer.from('x'));
    console.log(String(Buffer.from(await endpoint.recv(10))));
    show(endpoint.extra(SocketAttribute.remoteAddress));
    await endpoint.aclose();
    group.cancelScope.cancel();
  });
  await tcp.aclose();
  await udp.aclose();
  for (const host of ['0:0:0:0:0:0:0:1', '2001:DB8:0:0:0:0:0:5', 'fe80:0:0::5%lo'])
    show((await backend.getaddrinfo(host, 80, { type: 1 }))[0].address);
});`;

describe.runIf(canUnshare).each(['native', 'node'])('IPv6 addresses of the %s backend', (name) => {
  it('keep their zone where the interface has a global address too, and have one text each', async () => {
    const { code, stdout, stderr } = await run('unshare', {
      args: ['-rn', 'sh', '-c', `${setUp} && exec "$0" -e "$1"`, process.execPath, program(name)],
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      'fe80::5 1',
      'fe80::5 1',
      'fe80::5 1',
      'fe80::5 1',
      'x',
      'fe80::5 1',
      '::1 0',
      '2001:db8::5 0',
      'fe80::5 1',
      '',
    ]);
  });
});
