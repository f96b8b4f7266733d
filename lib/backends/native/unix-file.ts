import { chmodSync, fchmodSync, lstatSync, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import type { UnixPath } from '../../contract/addresses';
import { explainFileInUse } from '../../errors';
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
  const name = absolute(path);
  const { dev, ino } = lstatSync(name, { bigint: true });
  const remove = (): void => {
    removeIfSame(name, dev, ino);
  };
  if (mode === undefined) return remove;
  try {
    chmodSync(name, mode);
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

function removeIfSame(name: string | Buffer, dev: bigint, ino: bigint): void {
  try {
    const now = lstatSync(name, { bigint: true });
    // Another process may have removed the file, and bound a socket of its own there.
    if (now.dev === dev && now.ino === ino) unlinkSync(name);
  } catch (error) {
    // A file that is gone, or that cannot be removed, is no reason for closing to fail.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    process.emitWarning(`The socket file could not be removed: ${String(error)}`, {
      type: 'SockscopeWarning',
      code: 'SOCKSCOPE_UNLINK',
    });
  }
}
