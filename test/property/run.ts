// Long, since there is one method per statement of the language.
import type { ICondition, IEvent, ILock } from '#lib/contract/locks';
import type { CancelScope, TimeoutScope } from '#lib/contract/scopes';
import type { Task, TaskGroup } from '#lib/contract/tasks';
import { getEventListeners } from 'node:events';
import { contextStorage } from '#lib/waiting/context';
import { spendStep } from '#lib/waiting/turn-budget';
import { ConcurrencyBackend } from '#lib/concurrency/backend';
import { formatTaskTree } from '#lib/concurrency/task-tree';
import { CancelledError, InvalidStateError, TimeoutError } from '#lib/errors';
import { abortError, attempt, attemptNow, becauseOf, describeValue, isCancelled } from './outcomes';
import type { Settled } from './outcomes';
import { CONDITIONS, CONTROLLERS, EVENTS, HORIZON, LOCKS, PROMISES } from './program';
import type {
  AfterCatch,
  Block,
  Checkpoint,
  Observation,
  Program,
  ScopeFlags,
  ScopeStatement,
  Statement,
  TraceEvent,
} from './program';
import { WatchedClock } from './watched-clock';

/** Resources that the run left behind, and events that no program may cause. */
export interface Run extends Observation {
  readonly complaints: readonly string[];
}

type Find<T extends Statement['type']> = Extract<Statement, { readonly type: T }>;
type AnyScope = CancelScope | TimeoutScope;

/** More events than a program that ends can cause. */
const LONGEST_TRACE = 20_000;

/**
 * Runs the program by the library, on a virtual clock, and returns the observations. With a `spent`
 * budget, each checkpoint that need not wait yields: that must make no difference to the model.
 */
export async function run(program: Program, budget: 'full' | 'spent'): Promise<Run> {
  const complaints: string[] = [];
  const onUnhandled = (reason: unknown): void => {
    complaints.push(`unhandled rejection: ${String(reason)}`);
  };
  process.on('unhandledRejection', onUnhandled);
  try {
    const clock = new WatchedClock();
    const runner = new Runner(new ConcurrencyBackend({ clock }), complaints, budget === 'spent');
    let seen = Infinity;
    void runner.run(program).then(() => {
      seen = runner.trace.length;
    });
    // The clock moves from deadline to deadline, far beyond the last possible one.
    await clock.advance(2 * HORIZON);
    const stuck = seen === Infinity;
    if (!stuck) complaints.push(...runner.leftovers(), ...clock.leftovers());
    if (runner.trace.length > seen) complaints.push('the program goes on after its end');
    return {
      trace: runner.trace,
      scopes: runner.scopeFlags(),
      tasks: runner.taskStates(),
      stuck,
      complaints,
    };
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}

class Runner {
  readonly trace: TraceEvent[] = [];
  readonly #backend: ConcurrencyBackend;
  readonly #complaints: string[];
  readonly #isSpent: boolean;
  readonly #scopes = new Map<number, AnyScope>();
  readonly #groups = new Map<number, TaskGroup>();
  readonly #tasks = new Map<number, Task<unknown>>();
  readonly #controllers = Array.from({ length: CONTROLLERS }, () => new AbortController());
  readonly #events: IEvent[];
  readonly #locks: ILock[];
  readonly #conditions: ICondition[];
  readonly #promises: {
    promise: Promise<string>;
    resolve: (value: string) => void;
    reject: (reason: Error) => void;
  }[];
  /** The errors of the program, by name. The library must pass on these same objects. */
  readonly #errors = new Map<string, Error>();
  /** The ids of the tasks: a task stays the current one, no matter what it does. */
  readonly #ids = new Map<string, number>();
  /** The task tree before the run, which shows programs that are stuck. */
  readonly #others = formatTaskTree();

  constructor(backend: ConcurrencyBackend, complaints: string[], isSpent: boolean) {
    this.#backend = backend;
    this.#isSpent = isSpent;
    this.#complaints = complaints;
    this.#events = Array.from({ length: EVENTS }, () => backend.createEvent());
    const locks = LOCKS.map((kind) =>
      kind === 'fair' ? backend.createFairLock() : backend.createLock(),
    );
    // The last lock is the one that its condition made itself.
    this.#conditions = CONDITIONS.map((lock) =>
      lock === LOCKS.length - 1
        ? backend.createConditionVar()
        : backend.createConditionVar(locks[lock]),
    );
    this.#locks = locks.map((lock, index) =>
      index === LOCKS.length - 1 ? this.#conditions.at(-1)! : lock,
    );
    this.#promises = Array.from({ length: PROMISES }, () => {
      let resolve!: (value: string) => void;
      let reject!: (reason: Error) => void;
      const promise = new Promise<string>((yes, no) => {
        resolve = yes;
        reject = no;
      });
      promise.catch(() => 'the program may never await the promise');
      return { promise, resolve, reject };
    });
  }

  async run(program: Program): Promise<void> {
    const horizon: Statement = {
      type: 'scope',
      id: 0,
      kind: 'moveOnAfter',
      time: HORIZON,
      signal: null,
      before: [],
      body: program.body,
    };
    const outcome = await attempt(() =>
      this.#backend.bootstrap(
        () => this.#task('main', 0, [horizon]),
        program.signal ? { signal: this.#controllers[0]!.signal } : {},
      ),
    );
    this.#see('bootstrap', 0, this.#describe(outcome));
  }

  scopeFlags(): Map<number, ScopeFlags> {
    return new Map(
      [...this.#scopes].map(([id, scope]) => [
        id,
        { cancelCalled: scope.cancelCalled(), cancelledCaught: scope.cancelledCaught() },
      ]),
    );
  }

  taskStates(): Map<number, string> {
    return new Map(
      [...this.#tasks].map(([id, task]) => [
        id,
        task.cancelled() ? 'cancelled' : task.done() ? 'done' : 'running',
      ]),
    );
  }

  leftovers(): string[] {
    const listeners = this.#controllers.flatMap(({ signal }) => getEventListeners(signal, 'abort'));
    return [
      ...(listeners.length === 0
        ? []
        : [`${String(listeners.length)} listeners left on the caller's signals`]),
      ...(contextStorage.getStore() === undefined ? [] : ['the context of a task is left']),
      ...(formatTaskTree() === this.#others ? [] : [`still running:\n${formatTaskTree()}`]),
      ...this.#locks.flatMap((lock, index) =>
        lock.locked() ? [`lock ${String(index)} is still held`] : [],
      ),
    ];
  }

  #see(task: string, node: number, what: string): void {
    if (this.trace.length > LONGEST_TRACE) throw new Error('the program does not end');
    this.trace.push({ time: this.#backend.currentTime(), task, node, what });
    if (task !== 'bootstrap') this.#checkCurrent(task);
  }

  #checkCurrent(task: string): void {
    const { id, name } = this.#backend.getCurrentTask();
    const known = this.#ids.get(task);
    if (known === undefined) {
      if ([...this.#ids.values()].includes(id)) this.#complaints.push(`${task} runs as "${name}"`);
      this.#ids.set(task, id);
    } else if (known !== id) {
      this.#complaints.push(`${task} has become "${name}"`);
    }
  }

  // Outcomes

  #describe(outcome: Settled, nothing = 'ok'): string {
    return 'value' in outcome
      ? describeValue(outcome.value, nothing)
      : this.#describeError(outcome.error);
  }

  #describeError(error: unknown): string {
    if (error instanceof AggregateError) {
      return `aggregate(${error.errors
        .map((one) => this.#describeError(one))
        .sort()
        .join(', ')})`;
    }
    if (isCancelled(error)) return 'cancelled';
    if (error instanceof TimeoutError) return 'timeout';
    if (error instanceof InvalidStateError) return 'misuse';
    if (error instanceof Error && this.#errors.has(error.message)) {
      return this.#errors.get(error.message) === error
        ? error.message
        : `a copy of ${error.message}`;
    }
    return `unexpected ${String(error)}`;
  }

  #error(id: number): Error {
    const error = new Error(`E${String(id)}`);
    this.#errors.set(error.message, error);
    return error;
  }

  /** Awaits a call, records how it ended, and rethrows its error. */
  async #conclude(
    task: string,
    node: number,
    wait: () => Promise<unknown>,
    nothing?: string,
  ): Promise<void> {
    const outcome = await attempt(wait);
    this.#see(task, node, this.#describe(outcome, nothing));
    if ('error' in outcome) throw outcome.error;
  }

  /** A body that the library runs. Records the end of the body in the moment that it ends. */
  async #body(task: string, node: number, block: () => Promise<void>): Promise<string> {
    const outcome = await attempt(block);
    const value = `v${String(node)}`;
    this.#see(task, node, `body ${'error' in outcome ? this.#describe(outcome) : value}`);
    if ('error' in outcome) throw outcome.error;
    return value;
  }

  async #task(name: string, node: number, body: Block): Promise<string> {
    if (name !== 'main') this.#see(name, node, 'begin');
    const outcome = await attempt(() => this.#block(body, name));
    const value = `the value of ${name}`;
    this.#see(name, node, `end ${'error' in outcome ? this.#describe(outcome) : value}`);
    if ('error' in outcome) throw outcome.error;
    return value;
  }

  // Statements

  async #block(statements: Block, task: string): Promise<void> {
    for (const statement of statements) await this.#statement(statement, task);
  }

  async #statement(one: Statement, task: string): Promise<void> {
    if (this.#isSpent) spendTheTurn();
    const backend = this.#backend;
    const see = (what: string): void => {
      this.#see(task, one.id, what);
    };
    switch (one.type) {
      case 'together': {
        see('call');
        const outcomes = await Promise.allSettled(one.parts.map((part) => this.#begin(part)));
        see(
          outcomes
            .map((part) =>
              this.#describe(
                part.status === 'fulfilled' ? { value: part.value } : { error: part.reason },
              ),
            )
            .join(', '),
        );
        return;
      }
      case 'scope':
        return this.#scope(one, task);
      case 'shield':
        see('call');
        return this.#conclude(task, one.id, () =>
          backend.ignoreCancellation(() =>
            this.#body(task, one.id, () => this.#block(one.body, task)),
          ),
        );
      case 'cancel':
        this.#scopes.get(one.scope)?.cancel();
        see(this.#scopes.has(one.scope) ? 'ok' : 'skip');
        return;
      case 'reschedule': {
        const scope = this.#scopes.get(one.scope);
        const deadline = backend.currentTime() + one.delay;
        if (scope === undefined) {
          see('skip');
          return;
        }
        // Two ways to do the same.
        if (one.id % 2 === 0) scope.reschedule(deadline);
        else scope.deadline = deadline;
        see('ok');
        return;
      }
      case 'observe': {
        const scope = this.#scopes.get(one.scope);
        if (scope === undefined) {
          see('skip');
          return;
        }
        see(
          `called=${String(scope.cancelCalled())} aborted=${String(scope.signal.aborted)} deadline=${String(scope.when())}`,
        );
        return;
      }
      case 'abort':
        this.#controllers[one.controller]!.abort();
        see('ok');
        return;
      case 'group': {
        see('call');
        const group = backend.createTaskGroup();
        this.#groups.set(one.id, group);
        this.#scopes.set(one.id, group.cancelScope);
        return this.#conclude(
          task,
          one.id,
          () => group.run(() => this.#body(task, one.id, () => this.#block(one.body, task))),
          'undefined',
        );
      }
      case 'startSoon': {
        const group = this.#groups.get(one.group);
        const name = `t${String(one.id)}`;
        const outcome = attemptNow(() =>
          group?.startSoon(() => this.#task(name, one.id, one.body), { name }),
        );
        see(group === undefined ? 'skip' : 'error' in outcome ? this.#describe(outcome) : 'ok');
        return;
      }
      case 'start': {
        const group = this.#groups.get(one.group);
        see(group === undefined ? 'skip' : 'call');
        if (group === undefined) return;
        const name = `t${String(one.id)}`;
        const outcome = await attempt(() =>
          group.start(() => this.#task(name, one.id, one.body), { name }),
        );
        see('error' in outcome ? this.#describe(outcome) : 'ok');
        if ('error' in outcome) throw outcome.error;
        this.#tasks.set(one.id, outcome.value);
        return;
      }
      case 'gather': {
        see('call');
        const bodies = one.bodies.map(
          (body, index) => () => this.#task(`t${String(one.id)}.${String(index)}`, one.id, body),
        );
        return this.#conclude(task, one.id, () => backend.gather(...bodies));
      }
      case 'task': {
        const target = this.#tasks.get(one.task);
        see(target === undefined ? 'skip' : String(target[one.call]()));
        return;
      }
      case 'await': {
        const target = this.#tasks.get(one.task);
        see(target === undefined ? 'skip' : 'call');
        if (target === undefined) return;
        return this.#conclude(task, one.id, () => target[one.call]());
      }
      case 'lock':
        return this.#lock(one, task);
      case 'condition': {
        see('call');
        return this.#exclusive(this.#conditions[one.condition]!, one, task);
      }
      case 'release':
        see(this.#describe(attemptNow(() => this.#locks[one.lock]!.release())));
        return;
      case 'set':
        this.#events[one.event]!.set();
        see('ok');
        return;
      case 'waitCondition':
        see('call');
        return this.#conclude(task, one.id, () => this.#conditions[one.condition]!.wait());
      case 'notify': {
        const condition = this.#conditions[one.condition]!;
        see(
          this.#describe(
            attemptNow(() =>
              one.count === null ? condition.notifyAll() : condition.notify(one.count),
            ),
          ),
        );
        return;
      }
      case 'settle': {
        const { resolve, reject } = this.#promises[one.promise]!;
        if (one.how === 'resolve') resolve('ok');
        else reject(this.#error(one.id));
        see('ok');
        return;
      }
      case 'throw':
        see('throw');
        throw one.what === 'error' ? this.#error(one.id) : new CancelledError();
      case 'throwAbort': {
        const signal = this.#scopes.get(one.scope)?.signal;
        see(signal?.aborted === true ? 'throw' : 'skip');
        if (signal?.aborted === true) throw abortError(signal.reason);
        return;
      }
      case 'try':
        return this.#try(one, task);
      case 'finally':
        try {
          await this.#block(one.body, task);
        } finally {
          see('finally');
          await this.#block(one.finalizer, task);
        }
        return;
      default:
        see('call');
        return this.#conclude(task, one.id, () => this.#begin(one));
    }
  }

  #begin(one: Checkpoint): Promise<unknown> {
    const backend = this.#backend;
    switch (one.type) {
      case 'sleep':
        return backend.sleep(one.delay);
      case 'sleepUntil':
        return backend.sleepUntil(one.deadline);
      case 'sleepForever':
        return backend.sleepForever();
      case 'yield':
        return one.shielded ? backend.cancelShieldedCoroYield() : backend.coroYield();
      case 'waitEvent':
        return this.#events[one.event]!.wait();
      case 'waitFor':
        return backend.waitFor(this.#promises[one.promise]!.promise);
    }
  }

  #open(one: ScopeStatement): AnyScope {
    if (one.kind !== 'openCancelScope') return this.#backend[one.kind](one.time);
    return this.#backend.openCancelScope({
      deadline: one.time,
      ...(one.signal === null ? {} : { signal: this.#controllers[one.signal]!.signal }),
    });
  }

  async #scope(one: ScopeStatement, task: string): Promise<void> {
    this.#see(task, one.id, 'call');
    const scope = this.#open(one);
    this.#scopes.set(one.id, scope);
    await this.#block(one.before, task);
    this.#see(task, one.id, 'enter');
    await this.#conclude(
      task,
      one.id,
      () => scope.run(() => this.#body(task, one.id, () => this.#block(one.body, task))),
      'undefined',
    );
  }

  async #exclusive(lock: ILock, one: Find<'lock' | 'condition'>, task: string): Promise<void> {
    await this.#conclude(task, one.id, () =>
      lock.runExclusive(() => {
        this.#see(task, one.id, 'acquired');
        return this.#body(task, one.id, () => this.#block(one.body, task));
      }),
    );
  }

  async #lock(one: Find<'lock'>, task: string): Promise<void> {
    const lock = this.#locks[one.lock]!;
    this.#see(task, one.id, 'call');
    if (one.how === 'runExclusive') return this.#exclusive(lock, one, task);
    const acquired = await attempt(() => lock.acquire());
    this.#see(task, one.id, 'error' in acquired ? this.#describe(acquired) : 'acquired');
    if ('error' in acquired) throw acquired.error;
    try {
      await this.#block(one.body, task);
    } finally {
      const outcome = attemptNow(() =>
        one.how === 'guard' ? acquired.value[Symbol.dispose]() : lock.release(),
      );
      if (one.how === 'guard') acquired.value[Symbol.dispose]();
      this.#see(task, one.id, 'error' in outcome ? this.#describe(outcome) : 'released');
      // eslint-disable-next-line no-unsafe-finally -- as a `finally` that releases would
      if ('error' in outcome) throw outcome.error;
    }
  }

  async #try(one: Find<'try'>, task: string): Promise<void> {
    try {
      await this.#block(one.body, task);
    } catch (error) {
      this.#see(task, one.id, `caught ${this.#describeError(error)}`);
      if (!one.all && isCancelled(error)) throw error;
      await this.#block(one.handler, task);
      if (one.then !== 'swallow') throw this.#thrown(one.then, error, one.id);
    }
  }

  #thrown(then: AfterCatch, error: unknown, id: number): unknown {
    switch (then) {
      case 'replace':
        return this.#error(id);
      case 'blame':
        return Object.assign(this.#error(id), { cause: error });
      case 'wrap':
        return new AggregateError([error, this.#error(id)]);
      case 'wrap alone':
        return new AggregateError([error]);
      case 'cancel anew':
        return new CancelledError();
      case 'cancel because':
        return becauseOf(error);
      default:
        return error;
    }
  }
}

function spendTheTurn(): void {
  let hasSome = true;
  while (hasSome) hasSome = spendStep();
}
