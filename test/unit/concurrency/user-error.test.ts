import { describe, expect, it } from 'vitest';
import { failures, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('an error that a user made of the cancellation', () => {
  const blame = (cause: unknown): never => {
    throw new Error('step 3', { cause });
  };

  it('is the failure of a task, of a body, and of gather', async () => {
    const cancelledTask = backend.createTaskGroup().run(async (group) => {
      const task = await group.start(() => backend.sleepForever().catch(blame));
      await backend.coroYield();
      task.cancel();
    });
    expect(await failures(cancelledTask)).toMatchObject([{ message: 'step 3' }]);

    const inGroup = backend.createTaskGroup();
    const cancelledGroup = inGroup.run(async () => {
      inGroup.startSoon(() => backend.sleepForever().catch(blame));
      await backend.coroYield();
      inGroup.cancelScope.cancel();
      await backend.coroYield();
    });
    expect(await failures(cancelledGroup)).toMatchObject([{ message: 'step 3' }]);

    const inBody = backend.createTaskGroup();
    const cancelledBody = inBody.run(() => {
      inBody.cancelScope.cancel();
      return backend.sleepForever().catch(blame);
    });
    expect(await rejection(cancelledBody)).toMatchObject({ message: 'step 3' });

    const scope = backend.moveOnAfter(5);
    const gathered = scope.run(() => backend.gather(() => backend.sleepForever().catch(blame)));
    expect(await failures(gathered)).toMatchObject([{ message: 'step 3' }]);
    expect(scope.cancelledCaught()).toBe(false);
  });

  it('comes out of a timeout in the place of the TimeoutError, and out of bootstrap', async () => {
    const timedOut = backend.timeout(0).run(() => backend.sleepForever().catch(blame));
    expect(await rejection(timedOut)).toMatchObject({ message: 'step 3' });
    const controller = new AbortController();
    const root = backend.bootstrap(() => backend.sleepForever().catch(blame), {
      signal: controller.signal,
    });
    controller.abort();
    expect(await rejection(root)).toMatchObject({ message: 'step 3' });
  });

  it('stays beside the cancellations that are taken out of an AggregateError', async () => {
    const scope = backend.moveOnAfter(0);
    const running = scope.run(() =>
      backend.sleepForever().catch((cause: unknown) => {
        throw new AggregateError([cause, new Error('step 3', { cause })]);
      }),
    );
    expect(await failures(running)).toMatchObject([{ message: 'step 3' }]);
    expect(scope.cancelledCaught()).toBe(true);
  });
});
