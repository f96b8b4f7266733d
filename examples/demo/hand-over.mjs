import { SocketAttribute } from 'sockscope';

/**
 * Accepts a TCP connection in this process, and sends its fd to the process that listens on `path`.
 * That process answers on the connection.
 * @param {import('sockscope').AsyncBackend} backend @param {string} path
 * @returns {Promise<string>} What the client received, from the other process.
 */
export async function handOverConnection(backend, path) {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  const port = listener.extra(SocketAttribute.localAddress)['port'];
  let greeting = '';
  try {
    await backend.timeout(5000).run(() =>
      backend.createTaskGroup().run(async (group) => {
        group.startSoon(() =>
          listener.serve(async (connection) => {
            const control = await backend.createUnixStreamConnection(path);
            const { fd } = connection.extra(SocketAttribute.socket);
            // The kernel duplicates the fd. This process still has its own, and closes it.
            await control.sendAllWithAncillary([Uint8Array.of(0)], { fds: [fd] });
            await connection.aclose();
            await control.aclose();
          }),
        );
        const client = await backend.createTcpConnection('127.0.0.1', port);
        for (let data; (data = await client.recv(1024)).length > 0;)
          greeting += Buffer.from(data).toString();
        await client.aclose();
        group.cancelScope.cancel();
      }),
    );
  } finally {
    await listener.aclose();
  }
  if (!greeting.startsWith('process '))
    throw new Error(`expected a greeting from the other process, received "${greeting}"`);
  return greeting;
}
