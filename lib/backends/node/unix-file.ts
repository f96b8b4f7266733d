import { chmodSync, lstatSync, renameSync } from 'node:fs';
import { resolve } from 'node:path';
import { isWindows, UNIX_PATH_BYTES } from './platform';

/** Whether the name is a file: not abstract, and no named pipe of Windows. */
export function isUnixFile(name: string): boolean {
  return !isWindows && !name.startsWith('\0');
}

/**
 * The path from the root, unless it is too long for a socket: the working directory may change
 * before the file is removed.
 */
export function absoluteIfShort(name: string): string {
  const path = resolve(name);
  return Buffer.byteLength(path) < UNIX_PATH_BYTES ? path : name;
}

/** Sets the mode of the file that binding has just made, and remembers which file it is. */
export function ownUnixFile(name: string, mode: number | undefined): UnixFile {
  const path = resolve(name);
  if (mode !== undefined) chmodSync(path, mode);
  return new UnixFile(path);
}

/** The file of a Unix listener. */
class UnixFile {
  readonly #path: string;
  readonly #device: bigint;
  readonly #inode: bigint;

  constructor(path: string) {
    this.#path = path;
    const { dev, ino } = lstatSync(path, { bigint: true });
    this.#device = dev;
    this.#inode = ino;
  }

  /**
   * Calls `close`, which closes the server. libuv then unlinks the path, whichever file it leads
   * to. If that is not the file of this listener, the file is moved away for that moment.
   */
  closeWith(close: () => void): void {
    const path = this.#path;
    if (this.#isOurs()) {
      close();
      return;
    }
    const aside = `${path}.${String(process.pid)}~`;
    try {
      renameSync(path, aside);
    } catch {
      // The file is gone; or it cannot be moved, and libuv cannot remove it either.
      close();
      return;
    }
    close();
    renameSync(aside, path);
  }

  #isOurs(): boolean {
    const now = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return now !== undefined && now.dev === this.#device && now.ino === this.#inode;
  }
}
