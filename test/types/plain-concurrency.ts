// The concurrency of a backend in plain objects: it shows that the public interfaces can be
// implemented without this library's classes. No casts: what compiles here, users can write.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Awaitable,
  CancelledError,
  type CancelScope,
  type CancelScopeOptions,
  type Concurrency,
  type Gathered,
  type ICondition,
  type IEvent,
  type ILock,
  InvalidStateError,
  type Task,
  type TaskGroup,
  type TaskInfo,
  TimeoutError,
  type TimeoutScope,
} from '#lib/index';

/** What cancels the running code. */
const currentSignal = new AsyncLocalStorage<AbortSignal>();
const currentInfo = new AsyncLocalStorage<TaskInfo>();
let lastId = 0;

/** A checkpoint that waits for `promise`. */
export async function checkpoint<R>(promise: PromiseLike<R>): Promise<R> {
  const signal = currentSignal.getStore();
  signal?.throwIfAborted();
  if (signal === undefined) return promise;
  return new Promise<R>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).then(() => signal.removeEventListener('abort', abort));
  });
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const never = (): Promise<never> => new Promise(() => undefined);

async function sleep(delay: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await checkpoint(new Promise<void>((resolve) => void (timer = setTimeout(resolve, delay))));
  } finally {
    clearTimeout(timer);
  }
}

function newScope({ deadline = Infinity, signal }: CancelScopeOptions = {}): CancelScope {
  const controller = new AbortController();
  const cancellation = new CancelledError('The plain scope was cancelled');
  let isEntered = false;
  let isCaught = false;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    clearTimeout(timer);
    if (isEntered && deadline !== Infinity)
      timer = setTimeout(() => scope.cancel(), deadline - performance.now());
  };
  const scope: CancelScope = {
    async run<R>(body: (scope: CancelScope) => Awaitable<R>): Promise<R | undefined> {
      if (isEntered) throw new InvalidStateError('The scope was entered before');
      isEntered = true;
      arm();
      if (signal?.aborted === true) scope.cancel();
      else signal?.addEventListener('abort', () => scope.cancel(), { once: true });
      const outer = currentSignal.getStore();
      const inner = outer ? AbortSignal.any([outer, controller.signal]) : controller.signal;
      try {
        return await currentSignal.run(inner, async () => body(scope));
      } catch (error) {
        if (error !== cancellation) throw error;
        isCaught = true;
        return undefined;
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: () => controller.abort(cancellation),
    cancelCalled: () => controller.signal.aborted,
    cancelledCaught: () => isCaught,
    when: () => deadline,
    reschedule: (value) => {
      scope.deadline = value;
    },
    get deadline() {
      return deadline;
    },
    set deadline(value) {
      deadline = value;
      arm();
    },
    get signal() {
      return controller.signal;
    },
  };
  return scope;
}

function newTimeoutScope(options: CancelScopeOptions): TimeoutScope {
  const inner = newScope(options);
  const scope: TimeoutScope = {
    async run<R>(body: (scope: TimeoutScope) => Awaitable<R>): Promise<R> {
      const outcome = await inner.run(async () => ({ value: await body(scope) }));
      if (outcome === undefined) throw new TimeoutError('timed out');
      return outcome.value;
    },
    cancel: () => inner.cancel(),
    cancelCalled: () => inner.cancelCalled(),
    cancelledCaught: () => inner.cancelledCaught(),
    when: () => inner.when(),
    reschedule: (value) => inner.reschedule(value),
    get deadline() {
      return inner.deadline;
    },
    set deadline(value) {
      inner.deadline = value;
    },
    get signal() {
      return inner.signal;
    },
  };
  return scope;
}

function newTask<R>(
  fn: () => Awaitable<R>,
  name: string,
): Task<R> & { readonly result: Promise<R> } {
  const info: TaskInfo = { id: ++lastId, name };
  const scope = newScope();
  let isDone = false;
  let isCancelled = false;
  const result = currentInfo
    .run(info, () =>
      scope.run(async () => {
        await turn();
        return { value: await fn() };
      }),
    )
    .then((outcome) => {
      if (outcome === undefined) throw new CancelledError();
      return outcome.value;
    })
    .catch((error: unknown) => {
      isCancelled = error instanceof CancelledError;
      throw error;
    })
    .finally(() => {
      isDone = true;
    });
  const join = (): Promise<R> => checkpoint(result);
  return {
    info,
    result,
    done: () => isDone,
    cancel: () => {
      scope.cancel();
      return !isDone;
    },
    cancelled: () => isCancelled,
    wait: () =>
      checkpoint(
        result.then(
          () => undefined,
          () => undefined,
        ),
      ),
    join,
    joinOrCancel: async () => {
      try {
        return await join();
      } catch (error) {
        scope.cancel();
        if (isDone) throw error;
        return result;
      }
    },
  };
}

function newTaskGroup(): TaskGroup {
  const cancelScope = newScope();
  const running = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  let isOpen = false;
  const launch = <R>(fn: () => Awaitable<R>, name = fn.name): Task<R> => {
    if (!isOpen) throw new InvalidStateError('The plain group is not open');
    const task = newTask(fn, name);
    const end = task.result.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof CancelledError) return;
        failures.push(error);
        cancelScope.cancel();
      },
    );
    running.add(end);
    void end.then(() => running.delete(end));
    return task;
  };
  const group: TaskGroup = {
    cancelScope,
    async run<R>(body: (group: TaskGroup) => Awaitable<R>): Promise<R | undefined> {
      isOpen = true;
      return cancelScope.run(async () => {
        const outcome = await Promise.allSettled([(async () => body(group))()]);
        if (outcome[0].status === 'rejected') cancelScope.cancel();
        while (running.size > 0) await Promise.all(running);
        isOpen = false;
        if (failures.length > 0) throw new AggregateError(failures, 'Tasks failed');
        if (outcome[0].status === 'rejected') throw outcome[0].reason;
        return outcome[0].value;
      });
    },
    startSoon: (fn, options) => void launch(fn, options?.name),
    start: async (fn, options) => {
      await checkpoint(turn());
      return launch(fn, options?.name);
    },
  };
  return group;
}

function newEvent(): IEvent {
  let isSet = false;
  let announce: () => void = () => undefined;
  const happened = new Promise<void>((resolve) => {
    announce = resolve;
  });
  return {
    wait: () => checkpoint(happened),
    set: () => {
      isSet = true;
      announce();
    },
    isSet: () => isSet,
  };
}

function newLock(): ILock {
  let isHeld = false;
  let freed = newEvent();
  const lock: ILock = {
    async acquire() {
      await checkpoint(turn());
      while (isHeld) await freed.wait();
      isHeld = true;
      freed = newEvent();
      let isOver = false;
      return {
        [Symbol.dispose]: () => {
          if (!isOver) lock.release();
          isOver = true;
        },
      };
    },
    release: () => {
      if (!isHeld) throw new InvalidStateError('The plain lock is free');
      isHeld = false;
      freed.set();
    },
    locked: () => isHeld,
    async runExclusive(fn) {
      const guard = await lock.acquire();
      try {
        return await fn();
      } finally {
        guard[Symbol.dispose]();
      }
    },
  };
  return lock;
}

function newCondition(lock: ILock = newLock()): ICondition {
  const waiting: IEvent[] = [];
  const notify = (n = 1): void => {
    for (const event of waiting.splice(0, n)) event.set();
  };
  return {
    acquire: () => lock.acquire(),
    release: () => lock.release(),
    locked: () => lock.locked(),
    runExclusive: (fn) => lock.runExclusive(fn),
    notify,
    notifyAll: () => notify(Infinity),
    async wait() {
      const event = newEvent();
      waiting.push(event);
      lock.release();
      try {
        await event.wait();
      } finally {
        await currentSignal.exit(() => lock.acquire());
      }
    },
  };
}

/** Everything of a backend that needs no sockets. */
export function newPlainConcurrency(): Concurrency {
  const after = (delay: number): number => performance.now() + delay;
  return {
    bootstrap: async (main, { name = main.name, signal } = {}) => {
      const scope = newScope(signal === undefined ? {} : { signal });
      const outcome = await scope.run(async () => ({ value: await newTask(main, name).result }));
      if (outcome === undefined) throw new CancelledError();
      return outcome.value;
    },
    coroYield: () => checkpoint(turn()),
    cancelShieldedCoroYield: turn,
    sleep,
    sleepForever: () => checkpoint(never()),
    sleepUntil: (deadline) => sleep(deadline - performance.now()),
    currentTime: () => performance.now(),
    getCancelledErrorClass: () => CancelledError,
    ignoreCancellation: (fn) => currentSignal.exit(async () => fn()),
    waitFor: checkpoint,
    async gather<T extends readonly (() => Awaitable<unknown>)[]>(...fns: T): Promise<Gathered<T>> {
      return Promise.all(fns.map((fn) => newTask(fn, fn.name).result)) as Promise<Gathered<T>>;
    },
    createTaskGroup: newTaskGroup,
    getCurrentTask: () => {
      const info = currentInfo.getStore();
      if (info === undefined) throw new InvalidStateError('No task is running here');
      return info;
    },
    openCancelScope: newScope,
    moveOnAfter: (delay) => newScope({ deadline: after(delay) }),
    moveOnAt: (deadline) => newScope({ deadline }),
    timeout: (delay) => newTimeoutScope({ deadline: after(delay) }),
    timeoutAt: (deadline) => newTimeoutScope({ deadline }),
    createLock: newLock,
    createFairLock: newLock,
    createEvent: newEvent,
    createConditionVar: newCondition,
  };
}
