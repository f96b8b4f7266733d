import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { CancelledError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();
const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('openCancelScope({ signal })', () => {
  it('is cancelled by the signal, with its reason as the cause', async () => {
    const controller = new AbortController();
    const scope = backend.openCancelScope({ signal: controller.signal });
    await scope.run(async () => {
      controller.abort('enough');
      expect(await rejection(backend.sleep(1))).toMatchObject({
        name: 'CancelledError',
        cause: 'enough',
      });
      await backend.sleep(1);
    });
    expect([scope.cancelCalled(), scope.cancelledCaught()]).toEqual([true, true]);
  });

  it('takes a signal that has aborted already, and is cancelled when it is entered', async () => {
    for (const signal of [
      AbortSignal.abort('early'),
      ((): AbortSignal => {
        const controller = new AbortController();
        controller.abort('early');
        return controller.signal;
      })(),
    ]) {
      const scope = backend.openCancelScope({ signal });
      expect(scope.cancelCalled()).toBe(false);
      expect(await scope.run(() => backend.sleep(1))).toBe(undefined);
      expect((scope.signal.reason as CancelledError).cause).toBe('early');
    }
  });

  it('is cancelled by a signal that aborts between its creation and its entry', async () => {
    const controller = new AbortController();
    const scope = backend.openCancelScope({ signal: controller.signal });
    controller.abort();
    expect(await scope.run(() => backend.sleep(1))).toBe(undefined);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('cancels every scope that is linked to one signal, and no other', async () => {
    const controller = new AbortController();
    const linked = [1, 2, 3].map(() => backend.openCancelScope({ signal: controller.signal }));
    const other = backend.moveOnAfter(10);
    await backend.bootstrap(() =>
      backend.gather(
        ...linked.map((scope) => () => scope.run(() => backend.sleepForever())),
        () => other.run(() => backend.sleepForever()),
        () => controller.abort(),
      ),
    );
    expect(linked.map((scope) => scope.cancelledCaught())).toEqual([true, true, true]);
  });

  it('adds one listener for any number of scopes, and removes it after the last', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    const { signal } = new AbortController();
    const event = backend.createEvent();
    const running = Array.from({ length: 10_000 }, () =>
      backend.openCancelScope({ signal }).run(() => event.wait()),
    );
    expect(listenersOf(signal)).toBe(1);
    event.set();
    await Promise.all(running);
    expect(listenersOf(signal)).toBe(0);
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('leaves no listener if the scope is cancelled in another way, fails, or is never entered', async () => {
    const { signal } = new AbortController();
    backend.openCancelScope({ signal });
    expect(listenersOf(signal)).toBe(0);
    await backend
      .openCancelScope({ signal, deadline: backend.currentTime() + 1 })
      .run(() => backend.sleepForever());
    await rejection(
      backend.openCancelScope({ signal }).run(() => Promise.reject(new Error('boom'))),
    );
    const cancelled = backend.openCancelScope({ signal });
    await cancelled.run(() => {
      cancelled.cancel();
      expect(listenersOf(signal)).toBe(0);
    });
    expect(listenersOf(signal)).toBe(0);
  });

  it('can be linked to the signal of another scope', async () => {
    const source = backend.openCancelScope();
    const scope = backend.openCancelScope({ signal: source.signal });
    await scope.run(() => {
      source.cancel();
      return backend.sleepForever();
    });
    expect((scope.signal.reason as CancelledError).cause).toBe(source.signal.reason);
  });

  it('refuses a value that is not a signal', () => {
    for (const signal of [null, 1, {}, new AbortController()]) {
      expect(() => backend.openCancelScope({ signal: signal as never })).toThrow(TypeError);
    }
    expect(() => backend.openCancelScope(null as never)).toThrow(TypeError);
  });
});
