import { closeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NativeSocket } from '#lib/socket/socket';
import { expectNoLeaks, openFdCount } from '../../support/fds';
import { collectUntil } from '../../support/gc';
import * as kit from './kit';

expectNoLeaks();

const warnings: (Error & { code?: string })[] = [];
const hear = (warning: Error): void => void warnings.push(warning);
beforeEach(() => process.on('warning', hear));
afterEach(() => {
  process.off('warning', hear);
  warnings.length = 0;
});

describe('a NativeSocket that is collected unclosed', () => {
  it('is closed, with a warning that has a code and names the fd', async () => {
    const before = openFdCount();
    const fd = ((): number => NativeSocket.create(kit.AF_INET, kit.SOCK_DGRAM).fd)();
    await collectUntil(() => warnings.length > 0);
    expect(openFdCount()).toBe(before);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ name: 'ResourceWarning', code: 'SOCKSCOPE_UNCLOSED' });
    expect(warnings[0]?.message).toContain(
      `A Socket (fd ${String(fd)}) was garbage-collected unclosed`,
    );
    expect(warnings[0]?.message).toContain('SOCKSCOPE_DEBUG=1');
  });

  it('causes no warning if it was closed or detached, or its fd has another owner', async () => {
    ((): void => {
      NativeSocket.create(kit.AF_INET, kit.SOCK_DGRAM).close();
      kit.track(NativeSocket.fromFd(NativeSocket.create(kit.AF_INET, kit.SOCK_DGRAM).detach()));
      const lost = NativeSocket.create(kit.AF_INET, kit.SOCK_DGRAM);
      closeSync(lost.fd);
      kit.create(kit.AF_INET, kit.SOCK_DGRAM);
      expect(lost.fd).toBe(-1);
    })();
    let collected = false;
    const registry = new FinalizationRegistry(() => (collected = true));
    registry.register({}, undefined);
    await collectUntil(() => collected);
    await kit.turns();
    expect(registry).toBeDefined();
    expect(warnings).toEqual([]);
  });
});
