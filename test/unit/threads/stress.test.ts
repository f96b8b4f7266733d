import { describe, expect, it } from 'vitest';
import { type AsyncBackend, newBuiltinBackend, type Task } from '#lib/index';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

const module = new URL('../../support/fixtures/hammer.mjs', import.meta.url);

describe.each(['native', 'node'] as const)('on the %s backend', (name) => {
  const backend: AsyncBackend = newBuiltinBackend(name, { threads: { maxThreads: 3 } });

  interface Tally {
    readonly returned: number;
    readonly failed: number;
    readonly cancelled: number;
    readonly closed: number;
  }

  const total = ({ returned, failed, cancelled, closed }: Tally): number =>
    returned + failed + cancelled + closed;

  /** Functions that return, throw, wait, and wait and throw. */
  function moods(onCall: () => void = () => undefined) {
    return {
      value: () => {
        onCall();
        return 1;
      },
      fail: () => {
        onCall();
        throw new Error('dice');
      },
      wait: () => {
        onCall();
        return backend.coroYield();
      },
      waitAndFail: async () => {
        onCall();
        await backend.coroYield();
        throw new Error('dice');
      },
    };
  }

  /** The unhandled rejections while `body` runs. */
  async function unhandledDuring(body: () => Promise<void>): Promise<unknown[]> {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      await backend.bootstrap(body);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', note);
    }
    return unhandled;
  }

  describe('threads under stress', () => {
    it('answers each of 9,000 mixed portal calls of three threads once', async () => {
      const unhandled = await unhandledDuring(async () => {
        const portal = backend.createThreadsPortal(moods());
        await portal.run(async () => {
          const tallies = await backend.gather(
            ...[1, 2, 3].map((seed) => async () => {
              const handle = portal.handle();
              return backend.runInThread<Tally>({ module, name: 'hammer' }, [handle, seed, 3000], {
                transfer: [handle.port],
              });
            }),
          );
          for (const tally of tallies) {
            expect(total(tally)).toBe(3000);
            expect(tally).toMatchObject({ closed: 0 });
            for (const kind of ['returned', 'failed', 'cancelled'] as const)
              expect(tally[kind]).toBeGreaterThan(0);
          }
        });
      });
      expect(unhandled).toEqual([]);
    }, 60_000);

    it('answers every call in 60 rounds of closing, failing and terminating in the middle', async () => {
      const unhandled = await unhandledDuring(async () => {
        for (let round = 0; round < 60; round++) {
          const begun = backend.createEvent();
          const portal = backend.createThreadsPortal(
            moods(() => {
              begun.set();
            }),
          );
          const handle = portal.handle();
          const terminate = round % 3 === 2;
          const failure = new Error('body');
          const outcome = await backend.createTaskGroup().run(async (group) => {
            const scope = backend.openCancelScope();
            let call: Task<Tally | undefined> | undefined;
            await portal
              .run(async () => {
                call = await group.start(() =>
                  scope.run(() =>
                    backend.runInThread<Tally>({ module, name: 'hammer' }, [handle, round, 20], {
                      transfer: [handle.port],
                      abandonOnCancel: terminate,
                    }),
                  ),
                );
                await begun.wait();
                if (terminate) scope.cancel();
                if (round % 3 === 1) throw failure;
              })
              .catch((error: unknown) => {
                expect(error).toBe(failure);
              });
            return call?.join();
          });
          if (terminate) expect(outcome).toBeUndefined();
          else expect(total(outcome as Tally)).toBe(20);
        }
      });
      expect(unhandled).toEqual([]);
    }, 60_000);
  });
});
