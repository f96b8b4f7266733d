import { describe, expect, it } from 'vitest';
import { formatTaskTree, taskTree } from '#lib/concurrency/task-tree';
import { virtualBackend } from './fixture';

const backend = virtualBackend();

describe('taskTree', () => {
  it('is empty when nothing runs', async () => {
    await backend.bootstrap(() => backend.sleep(1));
    expect(taskTree()).toEqual([]);
    expect(formatTaskTree()).toBe('');
  });

  it('shows tasks, scopes with their deadlines, and pending checkpoints', async () => {
    let text = '';
    await backend.bootstrap(
      async () => {
        const lock = backend.createLock();
        await lock.acquire();
        await backend.createTaskGroup().run(async (group) => {
          const worker = await group.start(() => backend.timeout(500).run(() => lock.acquire()), {
            name: 'worker',
          });
          group.startSoon(
            () =>
              Promise.all([
                backend.createEvent().wait(),
                backend.waitFor(new Promise(() => undefined)),
              ]),
            {
              name: 'two',
            },
          );
          group.startSoon(
            () =>
              backend.ignoreCancellation(() =>
                backend.moveOnAfter(250).run(() => backend.sleep(1000)),
              ),
            {
              name: 'shielded',
            },
          );
          group.startSoon(() => worker.join(), { name: 'joiner' });
          await backend.sleep(100);
          const cancelled = backend.openCancelScope();
          await cancelled.run(() => {
            cancelled.cancel();
            text = formatTaskTree();
          });
          group.cancelScope.cancel();
        });
      },
      { name: 'main' },
    );
    expect(text.replace(/#\d+/g, '#n')).toBe(
      [
        'bootstrap',
        '  task "main" (#n)',
        '    task group',
        '      task "worker" (#n)',
        '        timeout, 400 ms left: acquire a lock',
        '      task "two" (#n): wait for an event; wait for a promise',
        '      task "shielded" (#n)',
        '        shield',
        '          cancel scope, 150 ms left: sleep for 900 ms more',
        '      task "joiner" (#n): join task "worker"',
        '      cancel scope, cancelled',
      ].join('\n'),
    );
  });

  it('is plain data', async () => {
    await backend.bootstrap(
      () => {
        const { id } = backend.getCurrentTask();
        const scope = backend.moveOnAfter(10);
        return scope.run(async () => {
          const sleep = backend.sleepForever();
          expect(taskTree()).toEqual([
            {
              what: 'bootstrap',
              cancelled: false,
              waitingFor: [],
              children: [
                {
                  what: 'task "main"',
                  id,
                  name: 'main',
                  cancelled: false,
                  waitingFor: [],
                  children: [
                    {
                      what: 'cancel scope',
                      remaining: 10,
                      cancelled: false,
                      waitingFor: ['sleep for ever'],
                      children: [],
                    },
                  ],
                },
              ],
            },
          ]);
          scope.cancel();
          await sleep;
        });
      },
      { name: 'main' },
    );
  });

  it('shows scopes outside of any task, and works at any depth', async () => {
    const scope = backend.openCancelScope();
    const nest = (depth: number): Promise<unknown> =>
      depth === 0
        ? backend.sleepForever()
        : backend.openCancelScope().run(() => Promise.resolve().then(() => nest(depth - 1)));
    const running = scope.run(() => nest(20_000));
    await backend.coroYield();
    expect(formatTaskTree().split('\n')).toHaveLength(20_001);
    scope.cancel();
    await running;
  });
});
