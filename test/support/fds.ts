import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, vi } from 'vitest';

/** Linux shows what each fd refers to. On other systems, /dev/fd has the numbers only. */
const directory = existsSync('/proc/self/fd') ? '/proc/self/fd' : '/dev/fd';

/**
 * The open fds of this process (all of its threads), each with what it refers to: `socket:[1234]`,
 * `pipe:[5]`, a path.
 */
export function openFds(): ReadonlyMap<number, string> {
  const fds = new Map<number, string>();
  for (const name of readdirSync(directory)) {
    try {
      fds.set(Number(name), readlinkSync(`${directory}/${name}`));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // ENOENT: the fd that readdir itself had open. EINVAL: an entry of /dev/fd is no link.
      if (code === 'EINVAL') fds.set(Number(name), 'unknown');
      else if (code !== 'ENOENT') throw error;
    }
  }
  return fds;
}

/**
 * How many fds are open in this process. The poll reactor keeps a duplicate of each socket that has
 * waited, so there a socket counts once.
 */
export function openFdCount(): number {
  const fds = [...openFds()];
  if (process.env['SOCKSCOPE_REACTOR'] !== 'poll') return fds.length;
  return new Set(fds.map(([fd, target]) => (target.startsWith('socket:') ? target : fd))).size;
}

/**
 * To be called at the top of a test file: the file must end with the open fds it began with.
 *
 * Handles close in a later turn of the event loop, so the end waits (up to 5 seconds) for the count
 * to come down. The epoll set that the library makes at its first wait, and keeps for the life of
 * the thread, is no leak.
 */
export function expectNoLeaks(): void {
  let before: ReadonlyMap<number, string>;
  beforeAll(() => {
    before = openFds();
  });
  afterAll(async () => {
    await vi.waitFor(
      () => {
        const leaked = [...openFds()]
          .filter(([fd, target]) => before.get(fd) !== target)
          .map(([fd, target]) => `${String(fd)} ${target}`);
        const reactor = leaked.findIndex((line) => line.endsWith('[eventpoll]'));
        if (reactor !== -1) leaked.splice(reactor, 1);
        expect(leaked, 'fds left open by this test file').toEqual([]);
      },
      { timeout: 5_000, interval: 10 },
    );
  });
}
