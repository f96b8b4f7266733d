// The other half of sockscope-handover.mjs: connections come as file descriptors over fd 3. It ends when that does.
import { ancillaryBufferSize, newBuiltinBackend } from 'sockscope';
import { fail, RECEIVE_BYTES } from './server-process.mjs';

const backend = newBuiltinBackend('native');
const room = ancillaryBufferSize(1);

/** @param {number} fd */
async function serveOne(fd) {
  const transport = await backend.wrapStreamSocket(fd);
  try {
    for (let data; (data = await transport.recv(RECEIVE_BYTES)).length > 0;) await transport.sendAll(data);
  } catch (error) {
    // The load generator resets what is under way when its time is up.
    if (!['ECONNRESET', 'EPIPE'].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? '')) throw error;
  } finally {
    await transport.aclose();
  }
}

await backend
  .bootstrap(async () => {
    const channel = await backend.wrapStreamSocket(3);
    const note = new Uint8Array(1);
    await backend.createTaskGroup().run(async (group) => {
      for (;;) {
        const { bytes, ancillary } = await channel.recvWithAncillaryInto(note, room);
        if (bytes === 0) break;
        for (const fd of ancillary.fds ?? []) group.startSoon(() => serveOne(fd));
      }
    });
  })
  .catch(fail);
