// This library. The backend makes no difference here: both have the same core.
import { newBuiltinBackend } from 'sockscope';

const backend = newBuiltinBackend('node');
const nothing = async () => undefined;
const operation = async () => {
  await null;
  return 1;
};

/** @param {number} width @param {number} depth */
const cascade = (width, depth) => async (/** @type {number} */ n) => {
  for (let i = 0; i < n; i++) {
    const group = backend.createTaskGroup();
    let asleep = 0;
    const nest = async (/** @type {number} */ level) => {
      if (level > 0) {
        await backend.openCancelScope().run(() => nest(level - 1));
        return;
      }
      if (++asleep === width) queueMicrotask(() => group.cancelScope.cancel());
      await backend.sleepForever();
    };
    await group.run(() => {
      for (let task = 0; task < width; task++) group.startSoon(() => nest(depth));
    });
  }
};

/** @param {(first: boolean) => Promise<void>} player */
const both = (player) =>
  backend.createTaskGroup().run((group) => {
    group.startSoon(() => player(true));
    group.startSoon(() => player(false));
  });

/** @type {Record<string, (n: number) => Promise<unknown>>} */
const work = {
  async scope(n) {
    for (let i = 0; i < n; i++) await backend.openCancelScope().run(nothing);
  },
  async timeout(n) {
    for (let i = 0; i < n; i++) await backend.timeout(10_000).run(operation);
  },
  async spawn(n) {
    for (let done = 0; done < n; done += 1_000) {
      await backend.createTaskGroup().run((group) => {
        for (let i = 0; i < 1_000; i++) group.startSoon(async () => i);
      });
    }
  },
  cascade10x5: cascade(10, 5),
  cascade100x10: cascade(100, 10),
  async lock(n) {
    const lock = backend.createLock();
    await both(async () => {
      for (let i = 0; i < n; i += 2) {
        await lock.acquire();
        await null;
        lock.release();
      }
    });
  },
  async event(n) {
    let mine = backend.createEvent();
    let other = backend.createEvent();
    mine.set();
    await both(async (first) => {
      for (let i = 0; i < n; i += 2) {
        if (first) {
          await mine.wait();
          mine = backend.createEvent();
          other.set();
        } else {
          await other.wait();
          other = backend.createEvent();
          mine.set();
        }
      }
    });
  },
  async condition(n) {
    const condition = backend.createConditionVar();
    let turn = true;
    await both(async (first) => {
      for (let i = 0; i < n; i += 2) {
        await condition.acquire();
        while (turn !== first) await condition.wait();
        turn = !first;
        condition.notify();
        condition.release();
      }
    });
  },
};

export const name = 'sockscope';
export const cases = Object.fromEntries(
  Object.entries(work).map(([key, run]) => [
    key,
    (/** @type {number} */ n) => backend.bootstrap(() => run(n)),
  ]),
);

/** Keeps `count` tasks asleep until `release` is called. @param {number} count */
export async function sleepers(count) {
  const group = backend.createTaskGroup();
  const done = backend.bootstrap(() =>
    group.run(() => {
      for (let i = 0; i < count; i++) group.startSoon(() => backend.sleepForever());
    }),
  );
  return async () => {
    group.cancelScope.cancel();
    await done;
  };
}
