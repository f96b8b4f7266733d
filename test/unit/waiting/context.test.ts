import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { currentScope, outsideOfTasks } from '#lib/waiting/context';
import { ConcurrencyBackend } from '#lib/concurrency/backend';

const backend = new ConcurrencyBackend();

describe('currentScope', () => {
  it('is the innermost scope around the caller', async () => {
    expect(currentScope()).toBe(undefined);
    await backend.openCancelScope().run(async (outer) => {
      expect(currentScope()).toBe(outer);
      await backend.openCancelScope().run(async (inner) => {
        await Promise.resolve();
        expect(currentScope()).toBe(inner);
      });
      expect(currentScope()).toBe(outer);
    });
    expect(currentScope()).toBe(undefined);
  });

  it('is the innermost open scope for code that outlived its scope', async () => {
    await backend.openCancelScope().run(async (outer) => {
      let late: Promise<void> | undefined;
      await backend.openCancelScope().run(() => {
        late = new Promise<void>(setImmediate).then(() => {
          expect(currentScope()).toBe(outer);
        });
      });
      await late;
    });
  });
});

describe('outsideOfTasks', () => {
  it('calls without any context, and returns the result', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen = storage.run('user', () =>
      backend
        .openCancelScope()
        .run(() => outsideOfTasks(() => [storage.getStore(), currentScope()])),
    );
    expect(await seen).toEqual([undefined, undefined]);
  });
});
