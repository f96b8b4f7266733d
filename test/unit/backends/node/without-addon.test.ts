import { describe, expect, it } from 'vitest';
import { startPython } from '../../../support/python';
import { runCode } from '../../../support/child';

/** Echo over TCP, a Unix path and UDP; then, what of this package was loaded. */
const program = `
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
const require = createRequire(join(process.cwd(), 'package.json'));
const { NodeBackend } = require('./dist/backends/node/backend.js');
const { SocketAttribute } = require('./dist/transports/attributes.js');
const backend = new NodeBackend();
const folder = mkdtempSync(join(tmpdir(), 'ss-'));
const text = (bytes) => Buffer.from(bytes).toString();
await backend.bootstrap(async () => {
  const group = backend.createTaskGroup();
  await group.run(async () => {
    const echo = async (transport) => {
      for (let data = await transport.recv(100); data.length > 0; data = await transport.recv(100)) await transport.sendAll(data);
      await transport.aclose();
    };
    const [tcp] = await backend.createTcpListeners('127.0.0.1', 0);
    const unix = await backend.createUnixStreamListener(join(folder, 's'));
    const [udp] = await backend.createUdpListeners('127.0.0.1', 0);
    for (const listener of [tcp, unix]) group.startSoon(() => listener.serve(echo));
    group.startSoon(() => udp.serve((data, address) => udp.sendTo(data, address)));
    const port = (listener) => listener.extra(SocketAttribute.localAddress).port;
    for (const dial of [() => backend.createTcpConnection('localhost', port(tcp)), () => backend.createUnixStreamConnection(join(folder, 's'))]) {
      const transport = await dial();
      await transport.sendAll(Buffer.from('stream'));
      console.log(text(await transport.recv(100)));
      await transport.aclose();
    }
    const endpoint = await backend.createUdpEndpoint('127.0.0.1', port(udp));
    await endpoint.send(Buffer.from('datagram'));
    console.log(text(await endpoint.recv()));
    group.cancelScope.cancel();
    await backend.ignoreCancellation(() => Promise.all([endpoint, tcp, unix, udp].map((resource) => resource.aclose())));
  });
});
rmSync(folder, { recursive: true });
console.log(Object.keys(require.cache).filter((file) => /dist.binding|dist.socket|node-gyp-build/.test(file)).join());
console.log(process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node')).join());
`;

describe('NodeBackend', () => {
  it('works without the addon: it loads no binding and no file of the sockets that stand on it', async () => {
    const { stdout, stderr, code } = await runCode(program);
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual(['stream', 'stream', 'datagram', '', '', '']);
    expect(code).toBe(0);
  });

  it('serves the listening sockets that a service manager passed on, and forgets the variables', async () => {
    // Python has the socket, and passes it on as fd 3 of a process that finds its own pid in
    // LISTEN_PID.
    const python = startPython(`
import subprocess
listener = socket.create_server(('127.0.0.1', 0))
source = '''
process.env.LISTEN_PID = String(process.pid);
const { NodeBackend } = require('./dist/backends/node/backend.js');
const backend = new NodeBackend();
backend.bootstrap(async () => {
  const [{ name, kind, listener }] = await backend.listenersFromEnvironment();
  console.log(name, kind, process.env.LISTEN_FDS);
  const group = backend.createTaskGroup();
  await group.run(() => listener.serve(async (transport) => {
    await transport.sendAll(Buffer.from('served'));
    await transport.aclose();
    group.cancelScope.cancel();
  }, group));
  await listener.aclose();
});
'''
def pass_on():
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
child = subprocess.Popen(sys.argv[1:] + ['-e', source], preexec_fn=pass_on, pass_fds=[3], stdout=subprocess.PIPE,
    env={**os.environ, 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': 'web'})
client = socket.create_connection(listener.getsockname())
data = client.recv(100)
say([data.decode(), child.stdout.read().decode().strip(), child.wait()])
`, { args: [process.execPath] }); // prettier-ignore
    expect(await python.hear()).toEqual(['served', 'web stream undefined', 0]);
    await python.end();
  });
});
