import { readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type SystemError, systemError } from '../../errors';

const memory = new Uint8Array(65_536);

/**
 * How the stream of a net.Socket that has emitted 'end' really ends. When the peer resets the
 * connection behind its last bytes, libuv receives the bytes, takes the hang-up for the end of the
 * stream, and does not receive the error. Nor would it receive bytes behind urgent data. So the fd
 * is read once more, to its end.
 *
 * @param onData gets bytes that libuv left in the kernel
 * @returns the error that the kernel had for the next receive; null if the stream has ended
 */
export function endOfStream(socket: Socket, onData: (bytes: Uint8Array) => void): Error | null {
  // An internal of node:net, for lack of another source. It is -1 on Windows, and absent once the
  // socket is closed.
  const { _handle: handle } = socket as unknown as {
    readonly _handle?: { readonly fd?: unknown } | null;
  };
  const fd = handle?.fd;
  if (typeof fd !== 'number' || fd < 0) return null;
  for (;;) {
    try {
      const count = readSync(fd, memory);
      if (count === 0) return null;
      onData(memory.slice(0, count));
    } catch (error) {
      const { code, errno } = error as SystemError;
      // EAGAIN: the stream goes on, but libuv does not read any more.
      if (code === 'EAGAIN') return null;
      // libuv repeats most interrupted calls for node:fs, but not read(2).
      if (code !== 'EINTR') return systemError(errno, 'read');
    }
  }
}
