import * as fs from 'node:fs';
import { explainReplacedFile } from '../errors';
import { warn } from '../waiting/warn';

/**
 * O_PATH of open(2), which node:fs does not name: the fd stands for the file at a path, whatever it
 * is, and the file is not opened.
 */
const O_PATH = process.platform === 'linux' ? 0x200000 : 0;

/**
 * The file that bind(2) has made for a Unix socket. Others who may write to its folder can put a
 * file or a link of theirs in its place at any time: no call here follows a link, changes what is
 * no socket, or removes another file.
 */
export class SocketFile {
  readonly #name: string | Buffer;
  readonly #device: bigint;
  readonly #inode: bigint;

  /**
   * To be called right after bind(2).
   * @param name from the root: the working directory may change before the file is removed
   */
  constructor(name: string | Buffer) {
    this.#name = name;
    const stats = fs.lstatSync(name, ONLY_IF_THERE);
    // What is no socket was put there after the call of bind, and is not ours.
    const isSocket = stats?.isSocket() === true;
    this.#device = isSocket ? stats.dev : -1n;
    this.#inode = isSocket ? stats.ino : -1n;
  }

  /**
   * Gives the file these permissions; the umask has no part in them.
   * @throws ENOTSOCK if something else is in its place; the error of open(2) or chmod(2)
   */
  setMode(mode: number): void {
    const name = this.#name;
    if (O_PATH === 0) {
      this.#check(fs.lstatSync(name, { bigint: true }));
      // macOS has lchmod(2). Elsewhere a link that comes between the two calls is followed.
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- on macOS it works
      ((fs.lchmodSync as typeof fs.chmodSync | undefined) ?? fs.chmodSync)(name, mode);
      return;
    }
    const fd = fs.openSync(name, O_PATH | fs.constants.O_NOFOLLOW);
    try {
      const stats = fs.fstatSync(fd, { bigint: true });
      this.#check(stats);
      // This path leads to the very file that the fd stands for (proc(5)). Where the mode is right
      // already, a system without /proc will do.
      if (Number(stats.mode & 0o7777n) !== mode) fs.chmodSync(`/proc/self/fd/${String(fd)}`, mode);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Whether the file is at its path now. */
  isInPlace(): boolean {
    const now = fs.lstatSync(this.#name, ONLY_IF_THERE);
    return now !== undefined && this.#isThis(now);
  }

  /** Removes the file, if it is in its place. To be called before the socket is closed. */
  remove(): void {
    try {
      // Another process may have removed the file, and bound a socket of its own there. While our
      // socket is open, the kernel gives the inode of its file to no other.
      if (this.isInPlace()) fs.unlinkSync(this.#name);
    } catch (error) {
      // A file that is gone, or that cannot be removed, is no reason for closing to fail.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      warn(`The socket file could not be removed: ${String(error)}`, { code: 'SOCKSCOPE_UNLINK' });
    }
  }

  #isThis({ dev, ino }: fs.BigIntStats): boolean {
    return dev === this.#device && ino === this.#inode;
  }

  #check(stats: fs.BigIntStats): void {
    if (!this.#isThis(stats)) throw explainReplacedFile(this.#name.toString());
  }
}

const ONLY_IF_THERE = { bigint: true, throwIfNoEntry: false } as const;
