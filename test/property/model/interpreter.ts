// Long, since there is one method per statement of the language.
import { CONDITIONS, EVENTS, HORIZON, LOCKS, PROMISES } from '../program';
import type { Block, Checkpoint, Program, ScopeStatement, Statement } from '../program';
import { leave } from './edges';
import { cancelledBy, describe, describeOutcome, misuse, Thrown } from './failure';
import type { Failure, Outcome } from './failure';
import type { Fiber, Machine, Routine, Wait } from './machine';
import { ModelCondition, ModelEvent, ModelLock, ModelPromise } from './resources';
import { attempt, conclude, see, seeOutcome, step } from './routine';
import type { Place } from './routine';
import { cancellerOf, Scope } from './scope';
import { Tasks } from './tasks';
import type { ModelGroup, ModelTask } from './tasks';

type Find<T extends Statement['type']> = Extract<Statement, { readonly type: T }>;

/**
 * The meaning of every statement, by the contract alone. Each statement is a routine of the
 * machine, which stops at observable events (`see`), at internal steps (`step`) and at waits.
 */
export class Interpreter {
  readonly scopes = new Map<number, Scope>();
  readonly groups = new Map<number, ModelGroup>();
  readonly tasks = new Map<number, ModelTask>();
  readonly #machine: Machine;
  readonly #family: Tasks;
  readonly #aborted = new Set<number>();
  readonly #events = Array.from({ length: EVENTS }, () => new ModelEvent());
  readonly #promises = Array.from({ length: PROMISES }, () => new ModelPromise());
  readonly #locks = LOCKS.map((kind) => new ModelLock(kind === 'fair'));
  readonly #conditions = CONDITIONS.map((lock) => new ModelCondition(this.#lock(lock)));

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#family = new Tasks(machine, (statements, place) => this.#block(statements, place));
  }

  /** Starts the program, as `bootstrap` does. */
  begin(program: Program): void {
    const body: Statement = {
      type: 'scope',
      id: 0,
      kind: 'moveOnAfter',
      time: HORIZON,
      signal: null,
      before: [],
      body: program.body,
    };
    const root = this.#family.root([body], program.signal ? 0 : null);
    const bootstrap = function* (this: Interpreter, fiber: () => Fiber): Routine<void> {
      const wait = this.#machine.wait(fiber(), null, 'main');
      wait.mayEnd = () => root.end !== null;
      yield wait;
      const end = root.end!;
      yield see(
        0,
        'value' in end ? end.value : describe('failure' in end ? end.failure : cancelledBy(null)),
      );
    };
    this.#machine.spawn('bootstrap', (fiber) => bootstrap.call(this, fiber));
  }

  /** All state that future events depend on. */
  fingerprint(): string {
    return [
      this.#machine.fingerprint(),
      this.#family.fingerprint(),
      ...[...this.scopes.values()].map((scope) => scope.fingerprint()),
      ...[...this.tasks.keys(), ...this.#aborted],
      ...this.#locks.map((lock) => lock.fingerprint()),
      ...this.#conditions.map(({ waiters }) => waiters.map(({ fiber }) => fiber.name).join()),
      ...this.#events.map(({ isSet }) => isSet),
      ...this.#promises.map(({ outcome }) => outcome !== null),
    ].join('\n');
  }

  *#block(statements: Block, place: Place): Routine<void> {
    for (const statement of statements) yield* this.#statement(statement, place);
  }

  *#statement(one: Statement, place: Place): Routine<void> {
    const { scope, fiber } = place;
    switch (one.type) {
      case 'together':
        return yield* this.#together(one, place);
      case 'scope':
        return yield* this.#scope(one, place);
      case 'shield': {
        yield see(one.id, 'call');
        const shield = new Scope(`shield ${String(one.id)}`, Infinity, null, true);
        this.#machine.enter(shield, scope);
        const outcome = yield* attempt(
          this.#block(one.body, { ...place, scope: shield }),
          `v${String(one.id)}`,
        );
        yield seeOutcome(one.id, outcome, 'body ');
        this.#machine.leave(shield);
        return yield* conclude(one.id, outcome);
      }
      case 'cancel':
      case 'reschedule': {
        const what = yield see(one.id, () => [this.scopes.has(one.scope) ? 'ok' : 'skip']);
        if (what === 'skip') return;
        const target = this.scopes.get(one.scope)!;
        if (one.type === 'cancel') this.#machine.cancel(target);
        else this.#machine.reschedule(target, this.#machine.now + one.delay);
        return;
      }
      case 'observe':
        yield see(one.id, () => this.#observed(one.scope));
        return;
      case 'abort':
        yield see(one.id, 'ok');
        this.#aborted.add(one.controller);
        for (const linked of [...this.#machine.scopes])
          if (linked.controller === one.controller) this.#machine.cancel(linked);
        return;
      case 'group': {
        yield see(one.id, 'call');
        const group = this.#family.open(one.id, scope);
        this.scopes.set(one.id, group.scope);
        this.groups.set(one.id, group);
        return yield* conclude(one.id, yield* this.#family.group(group, one, place));
      }
      case 'startSoon': {
        const what = yield see(one.id, () => [this.#groupState(one.group)]);
        if (what === 'ok')
          this.#family.spawn(this.groups.get(one.group)!, `t${String(one.id)}`, one.id, one.body);
        return;
      }
      case 'start':
        return yield* this.#start(one, place);
      case 'gather': {
        yield see(one.id, 'call');
        const canceller = cancellerOf(scope);
        const outcome =
          canceller === null
            ? yield* this.#family.gather(one, place)
            : { failure: cancelledBy(canceller) };
        return yield* conclude(one.id, outcome);
      }
      case 'task': {
        const what = yield see(one.id, () => [this.#askTask(one)]);
        if (one.call === 'cancel' && what === 'true')
          this.#machine.cancel(this.tasks.get(one.task)!.scope);
        return;
      }
      case 'await': {
        const what = yield see(one.id, () => [this.tasks.has(one.task) ? 'call' : 'skip']);
        if (what === 'skip') return;
        return yield* conclude(
          one.id,
          yield* this.#family.awaitTask(one.call, this.tasks.get(one.task)!, place),
        );
      }
      case 'lock':
        return yield* this.#exclusive(one.id, this.#lock(one.lock), one.how, one.body, place);
      case 'condition':
        return yield* this.#exclusive(
          one.id,
          this.#conditions[one.condition]!.lock,
          'runExclusive',
          one.body,
          place,
        );
      case 'release': {
        const lock = this.#lock(one.lock);
        const what = yield see(one.id, () => [lock.owner === fiber ? 'ok' : 'misuse']);
        if (what === 'ok') lock.release(this.#machine);
        return;
      }
      case 'set': {
        yield see(one.id, 'ok');
        const event = this.#events[one.event]!;
        event.isSet = true;
        for (const wait of event.waiters) this.#machine.settle(wait, { value: 'ok' });
        return;
      }
      case 'waitCondition':
        return yield* this.#waitCondition(one, place);
      case 'notify': {
        const { lock, waiters } = this.#conditions[one.condition]!;
        const what = yield see(one.id, () => [lock.owner === fiber ? 'ok' : 'misuse']);
        if (what !== 'ok') return;
        for (const wait of waiters.splice(0, one.count ?? Infinity))
          this.#machine.settle(wait, { value: 'ok' });
        return;
      }
      case 'settle':
        yield see(one.id, 'ok');
        this.#promises[one.promise]!.outcome ??=
          one.how === 'resolve'
            ? { value: 'ok' }
            : { failure: { kind: 'error', name: `E${String(one.id)}` } };
        return;
      case 'throw':
        yield see(one.id, 'throw');
        throw new Thrown(
          one.what === 'error' ? { kind: 'error', name: `E${String(one.id)}` } : cancelledBy(null),
        );
      case 'throwAbort': {
        const what = yield see(one.id, () => this.#abortable(one.scope));
        const target = this.scopes.get(one.scope);
        if (what === 'throw')
          throw new Thrown({
            kind: 'cancelled',
            by: target === undefined ? null : this.#reasonOf(target),
            isForeign: true,
          });
        return;
      }
      case 'try':
        return yield* this.#try(one, place);
      case 'finally': {
        const outcome = yield* attempt(this.#block(one.body, place), '');
        yield see(one.id, 'finally');
        yield* this.#block(one.finalizer, place);
        if ('failure' in outcome) throw new Thrown(outcome.failure);
        return;
      }
      default:
        yield see(one.id, 'call');
        return yield* conclude(one.id, (yield this.#begin(one, place)) as Outcome);
    }
  }

  /** Starts to wait. */
  #begin(one: Checkpoint, place: Place): Wait {
    const machine = this.#machine;
    const wait = machine.wait(
      place.fiber,
      one.type === 'yield' && one.shielded ? null : place.scope,
      one.type,
    );
    const until = (deadline: number): void => {
      if (deadline > machine.now) wait.deadline = deadline;
      else machine.afterOthers(wait);
    };
    if (wait.outcome !== null) return wait;
    switch (one.type) {
      case 'sleep':
        until(machine.now + one.delay);
        break;
      case 'sleepUntil':
        until(one.deadline);
        break;
      case 'yield':
        machine.afterOthers(wait);
        break;
      case 'sleepForever':
        break;
      case 'waitEvent': {
        const event = this.#events[one.event]!;
        if (event.isSet) machine.settle(wait, { value: 'ok' });
        else event.waiters.add(wait);
        wait.withdraw = () => event.waiters.delete(wait);
        break;
      }
      case 'waitFor': {
        const promise = this.#promises[one.promise]!;
        wait.mayEnd = () => promise.outcome !== null;
        wait.finish = () => promise.outcome!;
      }
    }
    return wait;
  }

  *#together(one: Find<'together'>, place: Place): Routine<void> {
    yield see(one.id, 'call');
    const all = this.#machine.wait(place.fiber, null, 'several things');
    const parts = one.parts.map((part) => this.#begin(part, place));
    const check = (): void => {
      if (parts.every((part) => part.outcome !== null)) this.#machine.settle(all, { value: 'ok' });
    };
    for (const part of parts) part.onSettled = check;
    check();
    yield all;
    yield see(one.id, parts.map((part) => describeOutcome(part.outcome!)).join(', '));
  }

  *#scope(one: ScopeStatement, place: Place): Routine<void> {
    const machine = this.#machine;
    const relative = one.kind === 'moveOnAfter' || one.kind === 'timeout';
    yield see(one.id, 'call');
    const scope = new Scope(
      `s${String(one.id)}`,
      relative ? machine.now + one.time : one.time,
      one.kind === 'openCancelScope' ? one.signal : null,
    );
    this.scopes.set(one.id, scope);
    yield* this.#block(one.before, place);

    yield see(one.id, 'enter');
    if (scope.controller !== null && this.#aborted.has(scope.controller)) scope.cancelCalled = true;
    machine.enter(scope, place.scope);
    const outcome = yield* attempt(
      this.#block(one.body, { ...place, scope }),
      `v${String(one.id)}`,
    );
    yield seeOutcome(one.id, outcome, 'body ');
    scope.state = 'leaving';
    yield step;
    machine.leave(scope);
    const left = leave(scope, outcome);
    if (left !== 'absorbed') return yield* conclude(one.id, left);
    yield* conclude(
      one.id,
      one.kind.startsWith('timeout') ? { failure: { kind: 'timeout' } } : { value: 'undefined' },
    );
  }

  #observed(id: number): string[] {
    const scope = this.scopes.get(id);
    if (scope === undefined) return ['skip'];
    const called = [true, false].filter((one) => scope.acceptsCalled(one));
    // Before the scope is entered, and while it is left, its signal may be aborted or not.
    const aborted = scope.state === 'entered' ? [scope.abortedBy !== null] : [true, false];
    return called.flatMap((one) =>
      aborted.map(
        (other) =>
          `called=${String(one)} aborted=${String(other)} deadline=${String(scope.deadline)}`,
      ),
    );
  }

  #abortable(id: number): string[] {
    const scope = this.scopes.get(id);
    if (scope === undefined) return ['skip'];
    if (scope.state === 'entered') return [scope.abortedBy === null ? 'skip' : 'throw'];
    return ['skip', 'throw'];
  }

  /**
   * The scope whose cancellation is the reason of the signal: the first one or, since the signal is
   * created on first use, the outermost one at that time.
   */
  #reasonOf(scope: Scope): Scope {
    const first = scope.abortedBy ?? scope;
    const present = cancellerOf(scope) ?? first;
    return present === first || this.#machine.pick(2) === 0 ? first : present;
  }

  #groupState(id: number): 'skip' | 'misuse' | 'ok' {
    const group = this.groups.get(id);
    if (group === undefined) return 'skip';
    return group.isOpen ? 'ok' : 'misuse';
  }

  #askTask(one: Find<'task'>): string {
    const task = this.tasks.get(one.task);
    if (task === undefined) return 'skip';
    if (one.call === 'cancelled') return String(task.end !== null && 'cancelled' in task.end);
    return String(one.call === 'done' ? task.end !== null : task.end === null);
  }

  /** The failure of a call that is refused for one of the given reasons; null if none applies. */
  #refusal(place: Place, isMisuse: boolean): Outcome | null {
    const canceller = cancellerOf(place.scope);
    const reasons: Failure[] = [
      ...(isMisuse ? [misuse] : []),
      ...(canceller === null ? [] : [cancelledBy(canceller)]),
    ];
    return reasons.length === 0
      ? null
      : { failure: reasons.length === 1 ? reasons[0]! : reasons[this.#machine.pick(2)]! };
  }

  *#start(one: Find<'start'>, place: Place): Routine<void> {
    const what = yield see(one.id, () => [this.groups.has(one.group) ? 'call' : 'skip']);
    if (what === 'skip') return;
    const group = this.groups.get(one.group)!;
    const refusal = this.#refusal(place, !group.isOpen);
    if (refusal !== null) return yield* conclude(one.id, refusal);
    const begun = this.#machine.wait(
      place.fiber,
      place.scope,
      `the beginning of t${String(one.id)}`,
    );
    const task = this.#family.spawn(group, `t${String(one.id)}`, one.id, one.body, () => {
      this.#machine.settle(begun, { value: 'ok' });
    });
    // A task that is cancelled before it begins never begins.
    begun.withdraw = () => {
      this.#family.withdraw(group, task);
    };
    const outcome = (yield begun) as Outcome;
    yield* conclude(one.id, outcome);
    this.tasks.set(one.id, task);
  }

  *#exclusive(
    id: number,
    lock: ModelLock,
    how: Find<'lock'>['how'],
    body: Block,
    place: Place,
  ): Routine<void> {
    const { fiber } = place;
    const machine = this.#machine;
    yield see(id, 'call');
    const refusal = this.#refusal(place, lock.owner === fiber);
    if (refusal !== null) return yield* conclude(id, refusal);
    const wait = machine.wait(fiber, place.scope, 'a lock');
    lock.acquire(machine, wait);
    const acquired = (yield wait) as Outcome;
    if ('failure' in acquired) return yield* conclude(id, acquired);
    yield see(id, 'acquired');
    const outcome = yield* attempt(this.#block(body, place), `v${String(id)}`);

    // The body may have released the lock. Disposing of the guard does nothing then, or is
    // refused.
    const held = (): boolean => lock.owner === fiber;
    if (how === 'runExclusive') {
      yield seeOutcome(id, outcome, 'body ');
      yield step;
      if (held()) lock.release(machine);
      else return yield* conclude(id, machine.pick(2) === 0 ? { failure: misuse } : outcome);
      return yield* conclude(id, outcome);
    }
    const what = yield see(id, () =>
      held() ? ['released'] : how === 'guard' ? ['released', 'misuse'] : ['misuse'],
    );
    if (held()) lock.release(machine);
    if (what === 'misuse') throw new Thrown(misuse);
    if ('failure' in outcome) throw new Thrown(outcome.failure);
  }

  *#waitCondition(one: Find<'waitCondition'>, place: Place): Routine<void> {
    const machine = this.#machine;
    const { lock, waiters } = this.#conditions[one.condition]!;
    yield see(one.id, 'call');
    const refusal = this.#refusal(place, lock.owner !== place.fiber);
    if (refusal !== null) return yield* conclude(one.id, refusal);
    const notified = machine.wait(place.fiber, place.scope, 'a condition');
    waiters.push(notified);
    notified.withdraw = () => waiters.splice(waiters.indexOf(notified), 1);
    lock.release(machine);
    const outcome = (yield notified) as Outcome;
    // The task queues for the lock in this moment or a little later, and cannot be cancelled.
    yield step;
    const again = machine.wait(place.fiber, null, 'its lock again');
    lock.acquire(machine, again);
    yield again;
    yield* conclude(one.id, outcome);
  }

  *#try(one: Find<'try'>, place: Place): Routine<void> {
    const outcome = yield* attempt(this.#block(one.body, place), '');
    if (!('failure' in outcome)) return;
    const { failure } = outcome;
    yield see(one.id, `caught ${describe(failure)}`);
    if (!one.all && failure.kind === 'cancelled') throw new Thrown(failure);
    yield* this.#block(one.handler, place);
    const own: Failure = { kind: 'error', name: `E${String(one.id)}` };
    switch (one.then) {
      case 'swallow':
        return;
      case 'rethrow':
        throw new Thrown(failure);
      case 'replace':
      case 'blame':
        throw new Thrown(own);
      case 'wrap':
        throw new Thrown({ kind: 'aggregate', errors: [failure, own] });
      case 'wrap alone':
        throw new Thrown({ kind: 'aggregate', errors: [failure] });
      case 'cancel anew':
        throw new Thrown(cancelledBy(null));
      case 'cancel because':
        // Its cause makes the error a cancellation of the same scope.
        throw new Thrown(cancelledBy(failure.kind === 'cancelled' ? failure.by : null));
    }
  }

  #lock(index: number): ModelLock {
    return this.#locks[index]!;
  }
}
