import { renameSync } from 'node:fs';
import { resolve } from 'node:path';
import { SocketFile } from '../../networking/socket-file';
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

/** The file of a Unix listener that net has bound. */
export class ListenerFile {
  readonly #path: string;
  readonly #file: SocketFile;

  constructor(name: string) {
    this.#path = resolve(name);
    this.#file = new SocketFile(this.#path);
  }

  /** net has made the file with the permissions that the umask leaves. @throws as `SocketFile` */
  setMode(mode: number): void {
    this.#file.setMode(mode);
  }

  /**
   * Calls `close`, which closes the server. libuv then unlinks the path, whichever file it leads
   * to. If that is not the file of this listener, the file is moved away for that moment.
   */
  closeWith(close: () => void): void {
    const path = this.#path;
    if (this.#file.isInPlace()) {
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
}
