import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { CancelledError, InvalidStateError } from '#lib/errors';
import { currentBackend } from '#lib/concurrency/backend';
import { abortError, Deferred, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('bootstrap', () => {
  it('resolves to the value of main, returned at once or later', async () => {
    expect(await backend.bootstrap(() => 1)).toBe(1);
    expect(await backend.bootstrap(() => backend.sleep(5).then(() => 2))).toBe(2);
  });

  it('rejects with the same error object as main', async () => {
    const error = new Error('boom');
    const throwing = (): never => {
      throw error;
    };
    expect(await rejection(backend.bootstrap(throwing))).toBe(error);
    expect(await rejection(backend.bootstrap(async () => throwing()))).toBe(error);
  });

  it('runs main as a task with a name, on this backend', async () => {
    await backend.bootstrap(
      async () => {
        expect(backend.getCurrentTask().name).toBe('server');
        expect(currentBackend()).toBe(backend);
        await backend.createTaskGroup().run((group) => {
          group.startSoon(() => {
            expect(currentBackend()).toBe(backend);
          });
        });
      },
      { name: 'server' },
    );
    expect(
      await backend.bootstrap(function named() {
        return backend.getCurrentTask().name;
      }),
    ).toBe('named');
    expect(currentBackend()).toBe(undefined);
  });

  it('is an error inside a task, but not in a scope outside of any', async () => {
    await backend.bootstrap(async () => {
      expect(await rejection(backend.bootstrap(() => 1))).toBeInstanceOf(InvalidStateError);
      expect(await rejection(virtualBackend().bootstrap(() => 1))).toBeInstanceOf(
        InvalidStateError,
      );
    });
    const scope = backend.moveOnAfter(5);
    await scope.run(() => backend.bootstrap(() => backend.sleepForever()));
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('does not begin with an aborted signal', async () => {
    let hasRun = false;
    const error = await rejection(
      backend.bootstrap(() => (hasRun = true), { signal: AbortSignal.abort('early') }),
    );
    expect(error).toBeInstanceOf(CancelledError);
    expect(error).toMatchObject({ cause: 'early' });
    expect(hasRun).toBe(false);
  });

  it('is cancelled by a signal, and rejects with a CancelledError that has its reason as the cause', async () => {
    const controller = new AbortController();
    const running = backend.bootstrap(
      async () => {
        await backend.createTaskGroup().run(async (group) => {
          group.startSoon(() => backend.sleepForever());
          await backend.coroYield();
          controller.abort('shutdown');
          await backend.sleepForever();
        });
      },
      { signal: controller.signal },
    );
    const error = await rejection(running);
    expect(error).toBeInstanceOf(CancelledError);
    expect(error).toMatchObject({ cause: 'shutdown' });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('treats an AbortError caused by that signal as the same cancellation', async () => {
    const controller = new AbortController();
    const running = backend.bootstrap(
      () =>
        backend.sleepForever().catch((cause: unknown) => {
          throw abortError(cause);
        }),
      { signal: controller.signal },
    );
    controller.abort('shutdown');
    expect(await rejection(running)).toMatchObject({ name: 'CancelledError', cause: 'shutdown' });
  });

  it('settles with what main makes of the cancellation: a value or an error', async () => {
    const controller = new AbortController();
    const swallowing = backend.bootstrap(() => backend.sleepForever().catch(() => 42), {
      signal: controller.signal,
    });
    const error = new Error('cleanup');
    const failing = backend.bootstrap(
      () => backend.sleepForever().catch(() => Promise.reject(error)),
      { signal: controller.signal },
    );
    controller.abort();
    expect(await swallowing).toBe(42);
    expect(await rejection(failing)).toBe(error);
  });

  it('rejects with the AggregateError of main, without the CancelledErrors in it', async () => {
    const controller = new AbortController();
    const error = new Error('cleanup');
    const running = backend.bootstrap(
      () =>
        backend
          .sleepForever()
          .catch((own: unknown) => Promise.reject(new AggregateError([own, error]))),
      {
        signal: controller.signal,
      },
    );
    controller.abort();
    expect(((await rejection(running)) as AggregateError).errors).toEqual([error]);
  });

  it('rejects with a CancelledError of main', async () => {
    const error = new CancelledError('mine');
    expect(await rejection(backend.bootstrap(() => Promise.reject(error)))).toBe(error);
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    await backend.bootstrap(() => backend.sleep(1), { signal });
    await rejection(backend.bootstrap(() => Promise.reject(new Error('boom')), { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('settles when everything that main started and did not await has ended', async () => {
    const ended: string[] = [];
    const end = (what: string) => (): unknown => ended.push(what);
    const start = backend.currentTime();
    await backend.bootstrap(async () => {
      void backend.sleep(10);
      void backend
        .timeout(100)
        .run(() => backend.sleep(20))
        .then(end('scope'));
      void backend
        .createTaskGroup()
        .run((group) => group.startSoon(() => backend.sleep(30).then(end('task'))));
      await backend.createTaskGroup().run((group) => {
        group.startSoon(() => {
          void backend
            .ignoreCancellation(() => backend.sleep(40))
            .then(() => backend.sleep(10))
            .then(end('shield of a task'));
        });
      });
    });
    expect(ended).toEqual(['scope', 'task', 'shield of a task']);
    expect(backend.currentTime()).toBe(start + 50);
  });

  it('cancels what main left behind if main fails, or the signal aborts', async () => {
    const error = new Error('boom');
    const failing = backend.bootstrap(async () => {
      void backend.sleepForever();
      void backend.createTaskGroup().run((group) => group.startSoon(() => backend.sleepForever()));
      await backend.coroYield();
      throw error;
    });
    expect(await rejection(failing)).toBe(error);
    const controller = new AbortController();
    const returned = new Deferred();
    const running = backend.bootstrap(
      () => {
        void backend.sleepForever();
        returned.resolve();
        return 'returned';
      },
      { signal: controller.signal },
    );
    await returned.promise;
    controller.abort();
    expect(await running).toBe('returned');
  });

  it('leaves no context behind', async () => {
    await backend.bootstrap(() => backend.sleep(1));
    expect(() => backend.getCurrentTask()).toThrow(InvalidStateError);
  });

  it('refuses bad arguments', async () => {
    expect(await rejection(backend.bootstrap(5 as never))).toBeInstanceOf(TypeError);
    expect(await rejection(backend.bootstrap(() => 1, { name: 5 as never }))).toBeInstanceOf(
      TypeError,
    );
    expect(await rejection(backend.bootstrap(() => 1, { signal: {} as never }))).toBeInstanceOf(
      TypeError,
    );
  });
});
