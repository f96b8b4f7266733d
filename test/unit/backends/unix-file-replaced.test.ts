import {
  chmodSync,
  existsSync,
  lstatSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { Server } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { newBuiltinBackend } from '#lib/index';
import { expectNoLeaks } from '../../support/fds';
import { shortSocketPath } from '../../support/socket-path';
import { rejection } from '../concurrency/fixture';

expectNoLeaks();
afterEach(() => vi.restoreAllMocks());

/** Puts something else in the place of the next socket file, right after it was made. */
function afterBind(name: 'native' | 'node', replace: () => void): void {
  if (name === 'native') {
    const native = nativeBinding();
    const { bind } = native;
    vi.spyOn(native, 'bind').mockImplementation((...args) => {
      const status = bind(...args);
      replace();
      return status;
    });
    return;
  }
  const { listen } = Server.prototype;
  vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args) {
    (listen as (...given: unknown[]) => unknown).apply(this, args);
    replace();
    return this;
  } as typeof listen);
}

describe.each(['native', 'node'] as const)('a socket file of the %s backend', (name) => {
  const backend = newBuiltinBackend(name);

  it('whose place a link has taken keeps its mode from the file that the link leads to', async () => {
    const path = shortSocketPath();
    const victim = `${path}.victim`;
    writeFileSync(victim, 'secret', { mode: 0o600 });
    chmodSync(victim, 0o600);
    afterBind(name, () => {
      rmSync(path);
      symlinkSync(victim, path);
    });
    expect(await rejection(backend.createUnixStreamListener(path, { mode: 0o666 }))).toMatchObject({
      code: 'ENOTSOCK',
      syscall: 'chmod',
      path,
    });
    expect(statSync(victim).mode & 0o777).toBe(0o600);
    expect(readFileSync(victim, 'utf8')).toBe('secret');
    // The link is not ours to remove either.
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    rmSync(path);
    rmSync(victim);
  });

  it('whose place another file has taken at once is not removed at close', async () => {
    const path = shortSocketPath();
    afterBind(name, () => {
      rmSync(path);
      writeFileSync(path, 'of another');
    });
    const listener = await backend.createUnixStreamListener(path);
    await listener.aclose();
    expect(readFileSync(path, 'utf8')).toBe('of another');
    rmSync(path);
  });

  it('gets exactly the mode that was asked for, whatever the umask', async () => {
    const umask = process.umask(0o027);
    try {
      for (const mode of [0o666, 0o600, 0o777]) {
        const path = shortSocketPath();
        const listener = await backend.createUnixStreamListener(path, { mode });
        expect(statSync(path).mode & 0o777).toBe(mode);
        await listener.aclose();
        expect(existsSync(path)).toBe(false);
      }
    } finally {
      process.umask(umask);
    }
  });
});
