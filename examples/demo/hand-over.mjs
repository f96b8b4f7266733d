import { SocketAttribute } from 'sockscope';

/**
 * Accepts a TCP connection here, and gives it to the process that listens on `path`, which answers
 * on it.
 * @returns what the client was told, by the other process
 */
export async function handOverConnection(backend, path) {
  const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
  if (listener === undefined) throw new Error('127.0.0.1 gave no listener');
  const { port } = listener.extra(SocketAttribute.localAddress);
  try {
    return await backend.timeout(5000).run(async () => {
      let greeting = '';
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() =>
          listener.serve(async (connection) => {
            const control = await backend.createUnixStreamConnection(path);
            const { fd } = connection.extra(SocketAttribute.socket);
            // The kernel duplicates the fd: the other process has one of its own when this returns,
            // and ours is closed.
            await control.sendAllWithAncillary([Uint8Array.of(0)], { fds: [fd] });
            await connection.aclose();
            await control.aclose();
          }),
        );
        const client = await backend.createTcpConnection('127.0.0.1', port);
        for (let data = await client.recv(1024); data.length > 0; data = await client.recv(1024))
          greeting += Buffer.from(data).toString();
        await client.aclose();
        group.cancelScope.cancel();
      });
      if (!greeting.startsWith('process '))
        throw new Error(`the other process said nothing sensible: "${greeting}"`);
      return greeting;
    });
  } finally {
    await listener.aclose();
  }
}
