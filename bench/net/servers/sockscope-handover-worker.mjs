// The other half of sockscope-handover.mjs: connections come as file descriptors over fd 3. The
// worker ends when fd 3 does.
import { ancillaryBufferSize, newBuiltinBackend } from 'sockscope';
import { fail } from './server-process.mjs';
import { connectionHandler } from './sockscope-connection.mjs';

const backend = newBuiltinBackend('native');
const serveOne = connectionHandler('echo', { recv: '1' }, backend);
const room = ancillaryBufferSize(1);

await backend
  .bootstrap(async () => {
    const channel = await backend.wrapStreamSocket(3);
    const note = new Uint8Array(1);
    await channel.sendAll(note);
    await backend.createTaskGroup().run(async (group) => {
      for (;;) {
        const { bytes, ancillary } = await channel.recvWithAncillaryInto(note, room);
        if (bytes === 0) break;
        for (const fd of ancillary.fds ?? [])
          group.startSoon(async () => serveOne(await backend.wrapStreamSocket(fd)));
      }
    });
  })
  .catch(fail);
