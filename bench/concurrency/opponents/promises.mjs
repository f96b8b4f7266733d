// Promises alone, which cannot be cancelled: the lower bound for all others.
const nothing = async () => undefined;
const operation = async () => {
  await null;
  return 1;
};

export class Mutex {
  #held = false;
  /** @type {(() => void)[]} */
  #waiting = [];
  acquire() {
    if (!this.#held) {
      this.#held = true;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
  }
  release() {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held = false;
    else next();
  }
}

function deferred() {
  let resolve = () => {};
  const promise = new Promise((settle) => (resolve = () => settle(undefined)));
  return { promise, resolve };
}

/** @param {(first: boolean) => Promise<void>} player */
const both = (player) => Promise.all([player(true), player(false)]);

export const name = 'bare promises';

/** @type {Record<string, (n: number) => Promise<unknown>>} */
export const cases = {
  async scope(n) {
    for (let i = 0; i < n; i++) await nothing();
  },
  async timeout(n) {
    for (let i = 0; i < n; i++) {
      let timer;
      const late = new Promise((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error('timed out')), 10_000);
      });
      try {
        await Promise.race([operation(), late]);
      } finally {
        clearTimeout(timer);
      }
    }
  },
  async spawn(n) {
    for (let done = 0; done < n; done += 1_000) {
      const tasks = [];
      for (let i = 0; i < 1_000; i++) tasks.push((async () => i)());
      await Promise.all(tasks);
    }
  },
  async lock(n) {
    const mutex = new Mutex();
    await both(async () => {
      for (let i = 0; i < n; i += 2) {
        await mutex.acquire();
        await null;
        mutex.release();
      }
    });
  },
  async event(n) {
    let mine = deferred();
    let other = deferred();
    mine.resolve();
    await both(async (first) => {
      for (let i = 0; i < n; i += 2) {
        if (first) {
          await mine.promise;
          mine = deferred();
          other.resolve();
        } else {
          await other.promise;
          other = deferred();
          mine.resolve();
        }
      }
    });
  },
  async condition(n) {
    const mutex = new Mutex();
    /** @type {(() => void)[]} */
    const waiting = [];
    let turn = true;
    await both(async (first) => {
      for (let i = 0; i < n; i += 2) {
        await mutex.acquire();
        while (turn !== first) {
          mutex.release();
          await new Promise((resolve) => waiting.push(() => resolve(undefined)));
          await mutex.acquire();
        }
        turn = !first;
        waiting.shift()?.();
        mutex.release();
      }
    });
  },
};

/** @param {number} count */
export async function sleepers(count) {
  /** @type {(() => void)[]} */
  const wake = [];
  const tasks = Array.from({ length: count }, async () => {
    await new Promise((resolve) => wake.push(() => resolve(undefined)));
  });
  return async () => {
    for (const one of wake) one();
    await Promise.all(tasks);
  };
}
