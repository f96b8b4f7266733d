import { chmodSync, lstatSync, renameSync } from 'node:fs';
import { resolve } from 'node:path';
import { isWindows, UNIX_PATH_BYTES } from './platform';

/** Whether the name is a file: not abstract, and no named pipe of Windows. */
export function isUnixFile(name: string): boolean {
  return !isWindows && !name.startsWith('\0');
}

/**
 * The path from the root, where that is not too long: the working directory may be another by the
 * time of the removal.
 */
export function absoluteIfShort(name: string): string {
  const path = resolve(name);
  return Buffer.byteLength(path) < UNIX_PATH_BYTES ? path : name;
}

/** Sets the mode of the file that binding has just made, and says which it is. */
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
   * Calls `close`, which removes the file: libuv unlinks the path of a listener, whatever is there
   * by then. Another's file is out of the way for that moment, and back after it.
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
      // Nothing is there any more; or it cannot be moved, and so not be removed either.
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
