import { fchmodSync } from 'node:fs';
import { resolve } from 'node:path';
import type { UnixPath } from '../../contract/addresses';
import { explainFileInUse } from '../../errors';
import { SocketFile } from '../../networking/socket-file';
import type { Descriptor } from '../../socket/descriptor';
import { bindTo } from './open-socket';

/**
 * Binds a Unix socket to a path.
 *
 * @param mode permissions of the file: on Linux it never has more, not even for a moment
 * @returns a function that removes the file if the path still leads to that very file; null if
 *   there is no file (an abstract or automatic name)
 */
export function bindUnixPath(
  descriptor: Descriptor,
  path: UnixPath,
  mode?: number,
): (() => void) | null {
  if (!isFile(path)) {
    bindTo(descriptor, path);
    return null;
  }
  // On Linux, bind(2) gives the file the mode of the socket, less the umask.
  if (mode !== undefined && process.platform === 'linux') fchmodSync(descriptor.fd, mode);
  try {
    bindTo(descriptor, path);
  } catch (error) {
    explainFileInUse(error);
    throw error;
  }
  const file = new SocketFile(absolute(path));
  const remove = (): void => {
    file.remove();
  };
  if (mode === undefined) return remove;
  try {
    file.setMode(mode);
  } catch (error) {
    remove();
    throw error;
  }
  return remove;
}

/** Whether the path names a file: it is neither unnamed nor abstract. */
function isFile(path: UnixPath): boolean {
  return path.length > 0 && (typeof path === 'string' ? !path.startsWith('\0') : path[0] !== 0);
}

/** The path from the root: the working directory may change before the file is removed. */
function absolute(path: UnixPath): string | Buffer {
  if (typeof path === 'string') return resolve(path);
  const bytes = Buffer.from(path);
  return bytes[0] === 0x2f ? bytes : Buffer.concat([Buffer.from(`${process.cwd()}/`), bytes]);
}
