import { afterEach, describe, expect, it } from 'vitest';
import { setDebug } from '#lib/debug';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

afterEach(() => setDebug(false));

async function theFailure(): Promise<void> {
  await backend.sleep(1);
  throw new Error('boom');
}

function theStarter(error?: unknown): Promise<unknown> {
  return rejection(
    backend.createTaskGroup().run((group) => {
      group.startSoon(error === undefined ? theFailure : () => Promise.reject(error), {
        name: 'worker',
      });
    }),
  );
}

async function stackOf(running: Promise<unknown>): Promise<string> {
  const { errors } = (await running) as { errors: Error[] };
  return errors[0]?.stack ?? '';
}

describe('the stack of a failed task', () => {
  it('shows where the function threw', async () => {
    const stack = await stackOf(theStarter());
    expect(stack).toContain('theFailure');
    expect(stack).not.toContain('which was started');
  });

  it('shows where the task was started, without frames of the library, while debugging is on', async () => {
    setDebug(true);
    const stack = await stackOf(theStarter());
    expect(stack).toContain('theFailure');
    expect(stack).toMatch(/in task "worker", which was started\n(.*\n)*.*theStarter/);
    expect(stack).not.toMatch(/dist.concurrency/);
  });

  it('shows the start of the task in which the error arose, and does not change frozen errors', async () => {
    setDebug(true);
    const nested = await rejection(
      backend.createTaskGroup().run(async (group) => {
        const inner = await group.start(theFailure, { name: 'inner' });
        group.startSoon(() => backend.ignoreCancellation(() => inner.join()), { name: 'outer' });
      }),
    );
    const [error] = (nested as AggregateError).errors as Error[];
    expect(error?.stack).toContain('"inner"');
    expect(error?.stack).not.toContain('"outer"');
    const frozen = Object.freeze(new Error('frozen'));
    expect(((await theStarter(frozen)) as AggregateError).errors).toEqual([frozen]);
    expect(((await theStarter('text')) as AggregateError).errors).toEqual(['text']);
  });
});
