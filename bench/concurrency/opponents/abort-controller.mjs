// Cancellation written by hand: an AbortController for each scope, linked to the signal around it
// by a listener that is removed again.
import { setMaxListeners } from 'node:events';

/**
 * @template T
 * @param {AbortSignal | undefined} outer
 * @param {(signal: AbortSignal) => Promise<T>} body
 */
async function scoped(outer, body) {
  const controller = new AbortController();
  const onAbort = () => controller.abort(outer?.reason);
  outer?.addEventListener('abort', onAbort, { once: true });
  try {
    return await body(controller.signal);
  } finally {
    outer?.removeEventListener('abort', onAbort);
  }
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function sleepForever(signal) {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

const nothing = async () => undefined;
const operation = async () => {
  await null;
  return 1;
};

/** @param {number} width @param {number} depth */
const cascade = (width, depth) => async (/** @type {number} */ n) => {
  for (let i = 0; i < n; i++) {
    const top = new AbortController();
    setMaxListeners(0, top.signal);
    let asleep = 0;
    const nest = async (/** @type {AbortSignal} */ signal, /** @type {number} */ level) => {
      if (level > 0) {
        await scoped(signal, (inner) => nest(inner, level - 1));
        return;
      }
      if (++asleep === width) queueMicrotask(() => top.abort());
      await sleepForever(signal);
    };
    await Promise.allSettled(Array.from({ length: width }, () => nest(top.signal, depth)));
  }
};

export const name = 'AbortController';

/** @type {Record<string, (n: number) => Promise<unknown>>} */
export const cases = {
  async scope(n) {
    const outer = new AbortController().signal;
    for (let i = 0; i < n; i++) await scoped(outer, nothing);
  },
  async timeout(n) {
    for (let i = 0; i < n; i++) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), 10_000);
      const onAbort = () => undefined;
      controller.signal.addEventListener('abort', onAbort, { once: true });
      try {
        await operation();
      } finally {
        controller.signal.removeEventListener('abort', onAbort);
        clearTimeout(timer);
      }
    }
  },
  cascade10x5: cascade(10, 5),
  cascade100x10: cascade(100, 10),
};

/** @param {number} count */
export async function sleepers(count) {
  const top = new AbortController();
  setMaxListeners(0, top.signal);
  const tasks = Array.from({ length: count }, () => scoped(top.signal, sleepForever));
  const done = Promise.allSettled(tasks);
  return async () => {
    top.abort();
    await done;
  };
}
