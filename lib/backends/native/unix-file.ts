import type { UnixPath } from '../../contract/addresses';
import { chmodSync, fchmodSync, lstatSync, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { explainFileInUse } from '../../errors';
import type { Descriptor } from '../../socket/descriptor';
import { bindTo } from './open-socket';

/**
 * Binds a Unix socket.
 *
 * @param mode permissions of the file: it never has more, not even for a moment
 * @returns what removes the file again, if the path still leads to that very file; null if there is
 *   none (an abstract or automatic name)
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
  // On Linux bind gives the file the mode of the socket, less the umask.
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

/** Whether the address is a file: not unnamed, not abstract. */
function isFile(path: UnixPath): boolean {
  return path.length > 0 && (typeof path === 'string' ? !path.startsWith('\0') : path[0] !== 0);
}

/** The working directory may be another by the time of the removal. */
function absolute(path: UnixPath): string | Buffer {
  if (typeof path === 'string') return resolve(path);
  const bytes = Buffer.from(path);
  return bytes[0] === 0x2f ? bytes : Buffer.concat([Buffer.from(`${process.cwd()}/`), bytes]);
}

function removeIfSame(name: string | Buffer, dev: bigint, ino: bigint): void {
  try {
    const now = lstatSync(name, { bigint: true });
    // Somebody may have removed it and bound another socket there.
    if (now.dev === dev && now.ino === ino) unlinkSync(name);
  } catch (error) {
    // Gone already, or not ours to remove any more: closing the socket does not fail for that.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    process.emitWarning(`The socket file could not be removed: ${String(error)}`, {
      type: 'SockscopeWarning',
      code: 'SOCKSCOPE_UNLINK',
    });
  }
}
