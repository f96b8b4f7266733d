import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

let folder: string | undefined;
let count = 0;

/**
 * A new path for a Unix socket. No file exists there. The folder belongs to this test file, and is
 * removed at its end. The path is short: sun_path holds 104 bytes on macOS and 108 on Linux.
 */
export function shortSocketPath(): string {
  folder ??= mkdtempSync(join(tmpdir(), 'ss-'));
  return join(folder, String(count++));
}

/** A new name in Linux's abstract namespace (unix(7)): a leading NUL, and no file. */
export function abstractSocketName(): string {
  return `\0ss-${String(process.pid)}-${String(count++)}`;
}

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
});
